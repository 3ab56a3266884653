package recognize

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Greeting is a greeting that has been read: text with places for the caller's name.
//
// A place is {{NAME}} or {{FIRST_NAME}} (also <<NAME>>, <<FIRST_NAME>>; case and inner spaces do
// not matter), with an optional word for callers without a name: {{NAME|there}}. Without such a
// word a place vanishes together with the comma and space around it, so that the sentence reads as
// if it had never been there (rule 9).
type Greeting struct {
	parts []part
}

// part is literal text or, where token is set, a place for a name.
type part struct {
	text     string // the literal, or what is said to callers without a name
	token    string
	fallback bool // text was given, perhaps empty
}

const (
	tokenName      = "NAME"
	tokenFirstName = "FIRST_NAME"
)

// maxSpokenName bounds what is said of a name, in characters.
const maxSpokenName = 100

// ParseGreeting reads a greeting. An unknown token or an unclosed one is an error that names it.
func ParseGreeting(text string) (Greeting, error) {
	var g Greeting
	for text != "" {
		open, closing := firstOpening(text)
		if open < 0 {
			break
		}
		end := strings.Index(text[open:], closing)
		if end < 0 {
			return Greeting{}, fmt.Errorf("the greeting has an opening %q without a closing %q", text[open:open+2], closing)
		}
		inner := text[open+2 : open+end]
		token, word, fallback := strings.Cut(inner, "|")
		p := part{token: strings.ToUpper(strings.TrimSpace(token)), text: strings.TrimSpace(word), fallback: fallback}
		if p.token != tokenName && p.token != tokenFirstName {
			return Greeting{}, fmt.Errorf("the greeting has a token %q that means nothing; use {{NAME}}, {{FIRST_NAME}} or {{NAME|there}}", text[open:open+end+2])
		}
		g.parts = append(g.parts, part{text: text[:open]}, p)
		text = text[open+end+2:]
	}
	g.parts = append(g.parts, part{text: text})
	return g, nil
}

// firstOpening returns where the first token opens, or -1, and what closes it.
func firstOpening(text string) (at int, closing string) {
	curly, angle := strings.Index(text, "{{"), strings.Index(text, "<<")
	if angle >= 0 && (curly < 0 || angle < curly) {
		return angle, ">>"
	}
	return curly, "}}"
}

// Named reports whether the greeting has a place for a name.
func (g Greeting) Named() bool { return len(g.parts) > 1 }

// Render says the greeting to somebody with the given name, or to somebody without one (""). The
// name is inserted as text: tokens inside it are not expanded.
func (g Greeting) Render(name string) string {
	var out strings.Builder
	for i, p := range g.parts {
		switch {
		case p.token == "":
			appendText(&out, p.text, i > 0 && g.vanishes(i-1, name))
		case name == "":
			out.WriteString(p.text)
		case p.token == tokenFirstName:
			out.WriteString(FirstName(name))
		default:
			out.WriteString(name)
		}
	}
	return strings.TrimSpace(out.String())
}

// vanishes reports whether part i is a place that leaves nothing behind.
func (g Greeting) vanishes(i int, name string) bool {
	p := g.parts[i]
	return p.token != "" && name == "" && !p.fallback
}

// appendText appends the literal that follows a place. If the place vanished, the comma and space
// that belonged to it go with it:
//
//	"Hello {{NAME}}, how"  → "Hello, how"     one comma stays, as before a clause
//	"Hello, {{NAME}}!"     → "Hello!"         a comma before the end of a sentence goes
//	"{{NAME}}, how can I"  → "How can I"      a sentence begins with a capital
func appendText(out *strings.Builder, text string, vanished bool) {
	if !vanished {
		out.WriteString(text)
		return
	}
	before := strings.TrimRightFunc(out.String(), unicode.IsSpace)
	hadSpace := len(before) < out.Len()
	after := strings.TrimLeftFunc(text, unicode.IsSpace)
	hadSpace = hadSpace || len(after) < len(text)
	next, _ := utf8.DecodeRuneInString(after)
	last, _ := utf8.DecodeLastRuneInString(before)
	begins := before == "" || strings.ContainsRune(".!?¡¿\n", last)
	switch {
	case begins && isComma(next):
		after = capitalised(strings.TrimLeftFunc(after[utf8.RuneLen(next):], unicode.IsSpace))
	case begins:
		after = capitalised(after)
	case isComma(last) && (after == "" || strings.ContainsRune(".!?;:,，、…", next)):
		before = strings.TrimRightFunc(before[:len(before)-utf8.RuneLen(last)], unicode.IsSpace)
		hadSpace = false
	case strings.ContainsRune(".!?;:,，、…", next) && next != 0 || after == "":
		hadSpace = false
	}
	out.Reset()
	out.WriteString(before)
	if hadSpace && before != "" && after != "" {
		out.WriteByte(' ')
	}
	out.WriteString(after)
}

func isComma(r rune) bool { return r == ',' || r == '，' || r == '、' }

// capitalised returns text with its first letter in upper case.
func capitalised(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	if size == 0 || !unicode.IsLower(r) {
		return text
	}
	return string(unicode.ToUpper(r)) + text[size:]
}

// honorifics are left out of a first name.
var honorifics = map[string]bool{
	"mr": true, "mrs": true, "ms": true, "miss": true, "mx": true, "dr": true, "prof": true, "sir": true, "madam": true,
	"herr": true, "frau": true, "señor": true, "señora": true, "sr": true, "sra": true, "m": true, "mme": true, "mlle": true,
}

// FirstName returns the name to address somebody by: the first word that is no title, or what
// follows the comma in "Chen, Alex". A name of one word is that word.
func FirstName(name string) string {
	if _, given, found := strings.Cut(name, ","); found && strings.TrimSpace(given) != "" {
		name = given
	}
	words := strings.Fields(name)
	for _, word := range words {
		if !honorifics[strings.ToLower(strings.TrimSuffix(word, "."))] {
			return word
		}
	}
	return strings.TrimSpace(name)
}
