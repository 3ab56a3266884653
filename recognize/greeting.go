package recognize

import (
	"fmt"
	"strings"
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
	text  string // the literal, or what is said to callers without a name
	token string
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
		token, word, _ := strings.Cut(text[open+2:open+end], "|")
		p := part{token: strings.ToUpper(strings.TrimSpace(token)), text: strings.TrimSpace(word)}
		nested, _ := firstOpening(p.text)
		if p.token != tokenName && p.token != tokenFirstName || nested >= 0 {
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
	if name == "" {
		return strings.TrimSpace(g.withoutName())
	}
	var said strings.Builder
	for _, p := range g.parts {
		switch p.token {
		case tokenName:
			said.WriteString(name)
		case tokenFirstName:
			said.WriteString(FirstName(name))
		default:
			said.WriteString(p.text)
		}
	}
	return strings.TrimSpace(said.String())
}

// withoutName says the greeting with each place replaced by its word, or gone.
func (g Greeting) withoutName() string {
	pieces := []string{""} // what stands between the places that vanish
	for _, p := range g.parts {
		if p.token != "" && p.text == "" {
			pieces = append(pieces, "")
			continue
		}
		pieces[len(pieces)-1] += p.text
	}
	said := pieces[0]
	for i, piece := range pieces[1:] {
		if i < len(pieces)-2 && strings.TrimSpace(piece) == "" { // places side by side vanish as one
			said += piece
			continue
		}
		said = mend(said, piece)
	}
	return said
}
