package sheet

import (
	"errors"
	"strconv"
	"strings"
	"unicode"

	"ringside/internal/phone"
)

// ReadPhone reads the phone number of a cell: in international form, or as it is dialled in country
// (as [phone.Parse] takes it). What a spreadsheet did to a number is undone where only one number can
// have been meant, and the kinds of repair are returned. Anything else is refused by a
// [phone.ParseError] with the cell as it stands, whose reason says what to do.
//
// It is no faster than [phone.Parse], which it calls once.
func ReadPhone(cell, country string) (phone.Number, Repair, error) {
	text, repairs := unwrap(cell)
	text, amount, ok := writeOut(text)
	if !ok {
		return "", 0, &phone.ParseError{Input: cell, Reason: phone.ReasonSpreadsheet, Country: country}
	}
	repairs |= amount
	n, err := phone.Parse(text, country)
	if err == nil {
		return n, repairs | lostPlus(text, n), nil
	}
	refused, ok := errors.AsType[*phone.ParseError](err)
	if !ok {
		return "", 0, err
	}
	if n, restored, ok := onlyReading(refused, country); ok {
		return n, repairs | restored, nil
	}
	told := *refused
	told.Input = cell
	return "", 0, &told
}

// onlyReading returns the number that a refused input can only be: one that has the country's own
// calling code and lost its plus, or one that begins with 00 and cannot be read in the country. A
// number from another country may as well be one of this country's with a digit too many, so it is
// left to people, and so is whatever has two readings.
func onlyReading(refused *phone.ParseError, country string) (phone.Number, Repair, bool) {
	if len(refused.Candidates) != 1 {
		return "", 0, false
	}
	n := refused.Candidates[0]
	switch refused.Reason {
	case phone.ReasonPlus:
		return n, RepairPlus, n.Country() == country
	case phone.ReasonInternationalPrefix:
		return n, RepairPrefix, true
	}
	return "", 0, false
}

// lostPlus tells whether a number stands in the text digit by digit, but for the plus, or with 00 in
// its place.
func lostPlus(text string, n phone.Number) Repair {
	switch text = strings.TrimSpace(text); {
	case text == string(n[1:]):
		return RepairPlus
	case strings.HasPrefix(text, "00"+string(n[1:3])):
		return RepairPrefix
	}
	return 0
}

// unwrap takes away what was put around a number: spaces, the formula ="…", quotation marks, the
// apostrophe that marks a cell as text.
func unwrap(cell string) (string, Repair) {
	text, repairs := cell, Repair(0)
	if strings.ContainsFunc(text, unusualSpace) {
		repairs |= RepairSpaces // which phone.Parse leaves out
	}
	for {
		text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unusualSpace(r) })
		if inner, ok := cutFormula(text); ok {
			text, repairs = inner, repairs|RepairFormula
			continue
		}
		if inner, ok := strings.CutPrefix(text, "=+"); ok && onlyDigits(inner) { // a plus typed into Excel
			text, repairs = "+"+inner, repairs|RepairFormula
			continue
		}
		if inner, ok := cutMarks(text); ok {
			text, repairs = inner, repairs|RepairMarks
			continue
		}
		inner, ok := strings.CutPrefix(text, "'")
		if !ok {
			inner, ok = strings.CutPrefix(text, "’")
		}
		if !ok {
			return text, repairs
		}
		text, repairs = inner, repairs|RepairApostrophe
	}
}

// cutMarks takes quotation marks away that stand at both ends.
func cutMarks(text string) (string, bool) {
	for _, marks := range [...][2]string{{`"`, `"`}, {"'", "'"}, {"“", "”"}, {"„", "“"}, {"‘", "’"}, {"`", "`"}} {
		if len(text) < len(marks[0])+len(marks[1]) {
			continue
		}
		if inner, ok := strings.CutPrefix(text, marks[0]); ok {
			if inner, ok = strings.CutSuffix(inner, marks[1]); ok {
				return inner, true
			}
		}
	}
	return "", false
}

// unusualSpace tells whether r is a space other than the one of the keyboard, or cannot be seen.
func unusualSpace(r rune) bool {
	return r >= 0x80 && (unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Cf, r))
}

// mostExact is how many digits spreadsheets keep of an amount; there are zeros in place of the rest.
const mostExact = 15

// writeOut returns the digits of an amount: 14155551200.0, or 1.4155551200E+10, which has a digit for
// each place. What has fewer, such as 1.41556E+10, has lost digits, and then ok is false. A text
// that is no amount is returned as it is.
func writeOut(text string) (digits string, repairs Repair, ok bool) {
	mantissa, exponent := text, ""
	if i := strings.IndexAny(text, "eE"); i > 0 {
		mantissa, exponent = text[:i], strings.TrimPrefix(text[i+1:], "+")
		if !onlyDigits(exponent) {
			return text, 0, true // letters, for phone.Parse to tell
		}
	}
	sign := ""
	if strings.HasPrefix(mantissa, "+") {
		sign, mantissa = "+", mantissa[1:]
	}
	point := strings.IndexAny(mantissa, ".,")
	whole, fraction := mantissa, ""
	if point >= 0 {
		whole, fraction = mantissa[:point], mantissa[point+1:]
	}
	if !onlyDigits(whole) || fraction != "" && !onlyDigits(fraction) {
		return text, 0, true
	}
	if exponent != "" {
		// Nothing is said of the places that the mantissa does not have, and a number that begins
		// with a zero would have lost it.
		places := exponent
		for len(places) > 1 && places[0] == '0' {
			places = places[1:]
		}
		if len(whole) != 1 || whole == "0" || len(fraction) > mostExact-1 || places != strconv.Itoa(len(fraction)) {
			return "", 0, false
		}
		return sign + whole + fraction, RepairExponent, true
	}
	if point >= 0 && mantissa[point] == '.' && len(whole) >= 7 && len(whole) <= mostExact && fraction != "" && strings.Trim(fraction, "0") == "" && len(fraction) <= 2 {
		return sign + whole, RepairDecimal, true
	}
	return text, 0, true
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
