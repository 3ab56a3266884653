// Package phone holds E.164 numbers, reads what people write as one, and tells a person's number
// from everything else that Twilio sends as a caller.
//
// Two paths lead to a [Number]. A webhook takes the cheap one, [Classify] and [Strict]: the value
// is a number exactly as it stands, or it is none. People's input takes [Parse], which knows the
// numbering plans and refuses what is not certain. Whose number it is, and whether it belongs to
// the organisation itself, is not decided here.
package phone

import (
	"fmt"
	"log/slog"
)

// The length of a [Number] in digits, country code included. Fifteen is the limit of E.164; less
// than seven is no subscriber's number (design, rule 2). The database checks the same.
const (
	minDigits = 7
	maxDigits = 15
)

// Number is a phone number in E.164: a plus, then 7 to 15 ASCII digits of which the first is not
// zero. The zero value "" means that there is no number. It masks itself where slog writes it, but
// not inside a struct that a handler encodes as JSON.
type Number string

// Strict returns s as a Number if it is one exactly as it stands, without trimming or correcting.
// It looks at the form alone and does not allocate: +266696687, which Twilio sends for a withheld
// caller, passes, and [Classify] tells it apart.
func Strict(s string) (Number, bool) {
	if len(s) < 1+minDigits || len(s) > 1+maxDigits || s[0] != '+' || s[1] == '0' {
		return "", false
	}
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return "", false
		}
	}
	return Number(s), true
}

// String returns the whole number. What goes to a log is [Number.Masked].
func (n Number) String() string { return string(n) }

// Masked returns the number for logs, such as +1415•••1200: the country and area it starts with
// and its last digits, fewer of both the shorter the number is. At least three digits are hidden,
// and the same number is always masked the same, so that log lines can be brought together. What
// is not a number is hidden whole.
func (n Number) Masked() string {
	const hidden = "•••"
	if n == "" {
		return ""
	}
	if _, ok := Strict(string(n)); !ok {
		return hidden
	}
	shown := 2
	switch digits := len(n) - 1; {
	case digits >= 11:
		shown = 4
	case digits >= 9:
		shown = 3
	}
	return string(n[:1+shown]) + hidden + string(n[len(n)-shown:])
}

// LogValue implements [slog.LogValuer] with the masked number (design, rule 21).
func (n Number) LogValue() slog.Value { return slog.StringValue(n.Masked()) }

// UnmarshalText implements [encoding.TextUnmarshaler]. It takes strict E.164 or nothing: empty
// text is the zero value. People's input goes through [Parse] instead.
func (n *Number) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*n = ""
		return nil
	}
	strict, ok := Strict(string(text))
	if !ok {
		return fmt.Errorf("%s is not a phone number in E.164: write a plus, the country code and the number, %d to %d digits, such as +14155550123",
			quote(string(text)), minDigits, maxDigits)
	}
	*n = strict
	return nil
}
