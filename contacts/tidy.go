package contacts

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"ringside/internal/problem"
)

// tidy makes one line of a text: valid UTF-8, no control characters, single spaces.
func tidy(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// cut returns the first limit characters of s.
func cut(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:limit]))
}

// storable refuses a text that Postgres cannot hold, as the named field's.
func storable(field, text string) error {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return problem.Invalid(field, "The text cannot be stored: it is not valid UTF-8, or holds a NUL character.")
	}
	return nil
}
