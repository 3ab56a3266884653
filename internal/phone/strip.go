package phone

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// strip returns the digits of what a person wrote, after a plus if there is one, or the reason why
// it cannot be a number. There may be none left.
func strip(input string) (string, Reason) {
	text := strings.TrimFunc(input, func(r rune) bool { return unicode.IsSpace(r) || invisible(r) })
	text = strings.TrimPrefix(text, "'")
	switch {
	case !utf8.ValidString(text):
		return "", ReasonCharacter
	case maySpreadsheet(text) && spreadsheet.MatchString(text):
		return "", ReasonSpreadsheet
	}
	var room [32]byte // enough for any number, and more is made where it is not
	stripped := room[:0]
	for i, r := range text {
		switch {
		case asciiDigit(r), r == '+' && len(stripped) == 0:
			stripped = append(stripped, byte(r))
		case separator(r), r == '/' && endsAreaCode(string(stripped), text[i+1:]):
		default:
			return "", reject(r, countDigits(string(stripped)), text[i:])
		}
	}
	return string(stripped), ""
}

// spreadsheet matches what is left of a number that a spreadsheet, or a program reading one, took
// for an amount: 1.41556E+10, which has lost digits, and 14155550123.0, which has gained one.
var spreadsheet = regexp.MustCompile(`^\+?[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+$|^\+?[0-9]{7,}[.,]0+$`)

// maySpreadsheet is false only for what the pattern does not match. It is much cheaper: the pattern
// wants an exponent, or at the end a point or comma and zeros.
func maySpreadsheet(text string) bool {
	if strings.IndexByte(text, 'e') >= 0 || strings.IndexByte(text, 'E') >= 0 {
		return true
	}
	whole := strings.TrimRight(text, "0")
	return len(whole) < len(text) && (strings.HasSuffix(whole, ".") || strings.HasSuffix(whole, ","))
}

// reject returns why r, followed by the rest of the text it begins, is not stripped, after so many digits.
func reject(r rune, before int, rest string) Reason {
	after := countDigits(rest)
	switch {
	case before >= minDigits && after >= minDigits:
		return ReasonSeveral
	case before >= minDigits && after > 0 && marksExtension(rest):
		return ReasonExtension
	case unicode.IsDigit(r):
		return ReasonForeignDigits
	case unicode.IsLetter(r):
		return ReasonLetters
	default:
		return ReasonCharacter
	}
}

// marksExtension tells whether rest begins as people write an extension after a number: x12,
// ext. 12, #12, or the comma and semicolon that telephones dial as a pause.
func marksExtension(rest string) bool {
	switch rest[0] {
	case 'x', 'X', '#', ',', ';':
		return true
	}
	return len(rest) >= len("ext") && strings.EqualFold(rest[:len("ext")], "ext")
}

// endsAreaCode tells whether a slash between the two texts stands after an area code, as in
// 030/1234567, and not between two numbers or before the other endings of one, as in 1234567/8.
func endsAreaCode(before, after string) bool {
	longest := 3
	if strings.HasPrefix(before, "+") || strings.HasPrefix(before, "0") {
		longest = 7
	}
	n := countDigits(before)
	return n > 0 && n <= longest && countDigits(after) >= 5 && !strings.Contains(after, "/")
}

// separator tells whether r groups digits within one line: spaces, dashes, dots and brackets,
// typographic ones too, and what cannot be seen.
func separator(r rune) bool {
	switch r {
	case ' ', '-', '\t', '.', '·', '(', ')', '[', ']', '\u2212': // U+2212 is the minus sign
		return true
	}
	return unicode.In(r, unicode.Zs, unicode.Pd) || invisible(r)
}

// invisible tells whether r is one of the marks that come along when a number is copied from a
// page or an address book: soft hyphen, zero-width spaces and joiners, direction marks, byte order mark.
func invisible(r rune) bool {
	switch {
	case r == '\u00AD', r == '\u061C', r == '\u2060', r == '\uFEFF',
		'\u200B' <= r && r <= '\u200F', '\u202A' <= r && r <= '\u202E', '\u2066' <= r && r <= '\u2069':
		return true
	}
	return false
}

func asciiDigit(r rune) bool { return '0' <= r && r <= '9' }

func countDigits(s string) int {
	n := 0
	for _, r := range s {
		if asciiDigit(r) {
			n++
		}
	}
	return n
}
