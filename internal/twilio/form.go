package twilio

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"ringside/internal/problem"
)

const (
	// MaxForm is the size in bytes of the largest webhook body that [ParseForm] reads. Twilio's own
	// are a few kilobytes; whoever reads a body off the network should stop there.
	MaxForm = 256 << 10
	// MaxPairs is the number of name and value pairs that [ParseForm] reads from one body. Twilio
	// sends about 40 and may add more at any time.
	MaxPairs = 500

	// What [Form.Names] returns is bounded, since a body is logged before anybody vouches for it.
	maxLoggedNames     = 100
	maxLoggedNameBytes = 64
)

// Form is a webhook's application/x-www-form-urlencoded body. It keeps every pair, those with
// unknown names and invalid UTF-8 too, because Twilio's signature covers them all.
//
// The strings that it hands out share the form's memory: clone one that is to be kept for long.
type Form struct {
	text     string // of each pair the decoded name and value, side by side, as they are signed
	pairs    []pair // by name, pairs of the same name as they stood in the body
	repeated bool   // a name occurs more than once
}

// pair marks out one name and value in [Form.text].
type pair struct{ start, middle, end int32 }

func (f *Form) name(p pair) string   { return f.text[p.start:p.middle] }
func (f *Form) value(p pair) string  { return f.text[p.middle:p.end] }
func (f *Form) signed(p pair) string { return f.text[p.start:p.end] }

// ParseForm reads a webhook's body. It accepts what net/url.ParseQuery accepts, within [MaxForm]
// and [MaxPairs]; broken percent-escapes, a raw semicolon and anything beyond the limits are a
// [problem.Error] that shows nothing of the content.
func ParseForm(body []byte) (*Form, error) {
	if len(body) > MaxForm {
		return nil, problem.Invalid("body", "The form is %d bytes long; a webhook has %d at most.", len(body), MaxForm)
	}
	f := &Form{pairs: make([]pair, 0, min(bytes.Count(body, []byte("&"))+1, MaxPairs))}
	var text strings.Builder
	text.Grow(len(body))
	for rest := body; len(rest) > 0; {
		var part []byte
		part, rest = cut(rest, '&')
		if len(part) == 0 {
			continue
		}
		if len(f.pairs) == MaxPairs {
			return nil, problem.Invalid("body", "The form has more than %d pairs.", MaxPairs)
		}
		name, value := cut(part, '=')
		p := pair{start: int32(text.Len())}
		nameOK := unescape(&text, name)
		p.middle = int32(text.Len())
		valueOK := unescape(&text, value)
		p.end = int32(text.Len())
		if !nameOK || !valueOK {
			return nil, problem.Invalid("body", "Pair %d of the form is not URL-encoded: it has a broken percent-escape or a bare semicolon.", len(f.pairs)+1)
		}
		f.pairs = append(f.pairs, p)
	}
	f.text = text.String()
	f.sort()
	return f, nil
}

// cut returns what is in front of the first separator and what comes after it.
func cut(s []byte, separator byte) (before, after []byte) {
	if i := bytes.IndexByte(s, separator); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, nil
}

// unescape appends the decoded form of s to text. It reports false where s is not URL-encoded.
func unescape(text *strings.Builder, s []byte) bool {
	plain := 0 // s[plain:i] stands for itself and is not yet in text
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			text.Write(s[plain:i])
			text.WriteByte(' ')
			plain = i + 1
		case '%':
			if len(s)-i < 3 {
				return false
			}
			high, low := hexDigit(s[i+1]), hexDigit(s[i+2])
			if high < 0 || low < 0 {
				return false
			}
			text.Write(s[plain:i])
			text.WriteByte(byte(high<<4 | low))
			i += 2
			plain = i + 1
		case ';': // once a separator: servers that differ about it can be played off against each other
			return false
		}
	}
	text.Write(s[plain:])
	return true
}

// hexDigit returns the value of a hexadecimal digit, or -1.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// sort brings the pairs into the order in which Twilio signs them, and notes repeated names.
func (f *Form) sort() {
	slices.SortFunc(f.pairs, func(a, b pair) int {
		if order := strings.Compare(f.name(a), f.name(b)); order != 0 {
			return order
		}
		return cmp.Compare(a.start, b.start)
	})
	for i := 1; i < len(f.pairs) && !f.repeated; i++ {
		f.repeated = f.name(f.pairs[i-1]) == f.name(f.pairs[i])
	}
}

// Get returns the first value of name as it was sent, or "" if it is missing: Twilio sends what it
// does not know either way.
func (f *Form) Get(name string) string {
	i, found := slices.BinarySearchFunc(f.pairs, name, func(p pair, name string) int {
		return strings.Compare(f.name(p), name)
	})
	if !found {
		return ""
	}
	return f.value(f.pairs[i])
}

// Text returns the first value of name as one line that is safe to store and to show: valid UTF-8
// (anything else becomes U+FFFD), a space for each tab and line break, and no other control
// character.
func (f *Form) Text(name string) string {
	return oneLine(f.Get(name))
}

func oneLine(s string) string {
	if isOneLine(s) {
		return s
	}
	return strings.Map(func(r rune) rune { // Map turns invalid bytes into U+FFFD
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, s)
}

// isOneLine reports whether [oneLine] would change nothing.
func isOneLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Names returns the names in the form, sorted and without repeats, for the log line about a
// signature that did not match. It never holds a value. Since the body may come from anybody, the
// names are made printable, long ones are cut short and so is a long list.
func (f *Form) Names() []string {
	var names []string
	for i, p := range f.pairs {
		name := f.name(p)
		if i > 0 && name == f.name(f.pairs[i-1]) {
			continue
		}
		if len(names) == maxLoggedNames {
			break
		}
		names = append(names, oneLine(name[:min(len(name), maxLoggedNameBytes)]))
	}
	slices.Sort(names) // again, since names have changed
	return slices.Compact(names)
}

// repeats says what is signed of a name that occurs more than once. Twilio does not document it,
// and its own libraries differ; its voice and messaging webhooks repeat no names today.
type repeats int

const (
	firstValue     repeats = iota // the first value only, as twilio-go has it
	distinctValues                // each different value, sorted, as twilio-node and twilio-python have it
)

// appendSigned appends to b what Twilio signs after the URL: each name and its value, by name in
// byte order, with nothing in between.
func (f *Form) appendSigned(b []byte, mode repeats) []byte {
	if !f.repeated {
		for _, p := range f.pairs {
			b = append(b, f.signed(p)...)
		}
		return b
	}
	for rest := f.pairs; len(rest) > 0; {
		n := 1
		for n < len(rest) && f.name(rest[n]) == f.name(rest[0]) {
			n++
		}
		same := []string{f.signed(rest[0])}
		if mode == distinctValues {
			for _, p := range rest[1:n] {
				same = append(same, f.signed(p))
			}
			slices.Sort(same)
			same = slices.Compact(same)
		}
		for _, s := range same {
			b = append(b, s...)
		}
		rest = rest[n:]
	}
	return b
}
