package phone

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// Reason says why an input was not taken for a phone number. Reasons are counted in import reports
// and shown by the API; they never change their meaning.
type Reason string

// The reasons. Each has its sentence in [ParseError.Error].
const (
	ReasonEmpty               Reason = "empty"                // there is nothing in it
	ReasonLetters             Reason = "letters"              // letters, also those that a keypad would turn into digits
	ReasonForeignDigits       Reason = "foreign_digits"       // digits other than 0 to 9
	ReasonCharacter           Reason = "character"            // something that has no place in a number
	ReasonExtension           Reason = "extension"            // a number and an extension
	ReasonSeveral             Reason = "several"              // more than one number
	ReasonSpreadsheet         Reason = "spreadsheet"          // a number damaged by a spreadsheet: 1.41556E+10
	ReasonTooShort            Reason = "too_short"            // fewer digits than any number, or than any of its country
	ReasonTooLong             Reason = "too_long"             // more digits than any number, or than any of its country
	ReasonAreaCode            Reason = "area_code"            // a local number without its area code
	ReasonCountry             Reason = "country"              // a national number, and no country to read it with
	ReasonCountryCode         Reason = "country_code"         // no country has this calling code
	ReasonPlus                Reason = "plus"                 // a number from abroad that seems to have lost its plus
	ReasonInternationalPrefix Reason = "international_prefix" // 00 where the country dials abroad otherwise
	ReasonAmbiguous           Reason = "ambiguous"            // two different numbers, depending on how it is read
	ReasonNotValid            Reason = "not_valid"            // nobody can have this number under its country's plan
	ReasonWithheld            Reason = "withheld"             // the digits that carriers send for a withheld caller
)

// ParseError is an input that [Parse] refused. Its text repeats the input, for whoever wrote it. As
// a log value it gives the reason alone, unless it was wrapped in another error.
type ParseError struct {
	Input   string
	Reason  Reason
	Country string // the country that it was read with, as given to Parse
	// Candidates are numbers that may have been meant: one, or both of an ambiguous input. They are
	// a hint for the person who wrote it, never to be used unasked.
	Candidates []Number
}

// Error returns a sentence for the person who wrote the input: what is wrong and what to do.
func (e *ParseError) Error() string {
	in := quote(e.Input)
	switch e.Reason {
	case ReasonEmpty:
		return "the phone number is empty; write it with its country code, such as +14155550123"
	case ReasonLetters:
		return in + " has letters; write the number with digits only"
	case ReasonForeignDigits:
		return in + " has digits of another script; write the number with the digits 0 to 9"
	case ReasonCharacter:
		return in + " has a character that does not belong in a phone number; write digits only, with a plus in front of a country code"
	case ReasonExtension:
		return in + " has an extension; leave it out, or keep it in the notes"
	case ReasonSeveral:
		return in + " holds more than one number; write one"
	case ReasonSpreadsheet:
		return in + " was changed by a spreadsheet; format the column as text, enter the number again and export it anew"
	case ReasonTooShort:
		return in + " has too few digits; write the whole number with its country code, such as +14155550123"
	case ReasonTooLong:
		return in + " has too many digits; check them, and write a number from abroad with a plus and its country code"
	case ReasonAreaCode:
		return in + " has no area code; write the whole number"
	case ReasonCountry:
		return in + " has no country code, and there is no country to read it with; write it with a plus and the country code" + e.hint()
	case ReasonCountryCode:
		return in + " begins with a country code that does not exist; check the digits after the plus"
	case ReasonPlus:
		return fmt.Sprintf("%s is not a number in %s; if it is one from abroad, write it with a plus in front%s", in, e.Country, e.hint())
	case ReasonInternationalPrefix:
		return fmt.Sprintf("%s begins with 00, which does not lead abroad from %s; write a plus in its place%s", in, e.Country, e.hint())
	case ReasonAmbiguous:
		return in + " can be read in more than one way; write it with a plus and the country code" + e.hint()
	case ReasonWithheld:
		return in + " stands for a withheld number; leave it out"
	default:
		return in + " is not a valid phone number; check its digits" + e.hint()
	}
}

// hint names the candidates, or returns "".
func (e *ParseError) hint() string {
	readable := make([]string, len(e.Candidates))
	for i, n := range e.Candidates {
		readable[i] = n.Readable()
	}
	if len(readable) == 0 {
		return ""
	}
	return " (" + strings.Join(readable, " or ") + "?)"
}

// LogValue implements [slog.LogValuer]: the input may be somebody's number (design, rule 21).
func (e *ParseError) LogValue() slog.Value {
	return slog.StringValue("phone number refused: " + string(e.Reason))
}

// quote returns people's input for an error's text: quoted, escaped, and cut where it is long.
func quote(s string) string {
	const longest = 40
	if runes := []rune(s[:min(len(s), 4*(longest+1))]); len(runes) > longest {
		s = string(runes[:longest]) + "…"
	}
	return strconv.Quote(s)
}
