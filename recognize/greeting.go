package recognize

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ringside/contacts"
)

// Greeting is a greeting that has been read: text with places for the caller's name, and in a
// campaign's for what else is known of its people.
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

// ParseGreeting reads a voice agent's greeting. An unknown token or an unclosed one is an error that
// names it.
func ParseGreeting(text string) (Greeting, error) {
	return parseGreeting(text, func(token string) error {
		if token == tokenName || token == tokenFirstName {
			return nil
		}
		return errors.New("means nothing; use {{NAME}}, {{FIRST_NAME}} or {{NAME|there}}")
	})
}

// ParseCampaignGreeting reads the greeting of a campaign, in which the variables of its people are
// tokens as well: {{ORDER}} is what somebody's variable ORDER says, and somebody without one hears the
// sentence as callers without a name do.
func ParseCampaignGreeting(text string) (Greeting, error) {
	return parseGreeting(text, func(token string) error {
		if contacts.IsVariable(token) {
			return nil
		}
		return errors.New("cannot be a variable: its name has letters, digits and underlines, and begins with a letter")
	})
}

func parseGreeting(text string, allowed func(token string) error) (Greeting, error) {
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
		err := allowed(p.token)
		if nested, _ := firstOpening(p.text); nested >= 0 {
			err = errors.New("has another one in it")
		}
		if err != nil {
			return Greeting{}, fmt.Errorf("the greeting has a token %q that %w", text[open:open+end+2], err)
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
func (g Greeting) Named() bool {
	return slices.ContainsFunc(g.parts, func(p part) bool { return p.token == tokenName || p.token == tokenFirstName })
}

// Variables returns the variables that the greeting has places for, each once.
func (g Greeting) Variables() (names []string) {
	for _, p := range g.parts {
		if p.token != "" && p.token != tokenName && p.token != tokenFirstName && !slices.Contains(names, p.token) {
			names = append(names, p.token)
		}
	}
	return names
}

// Render says the greeting to somebody with the given name, or to somebody without one (""). The
// name is inserted as text: tokens inside it are not expanded.
func (g Greeting) Render(name string) string { return g.RenderWith(name, nil) }

// RenderWith says a campaign's greeting to somebody with these variables.
func (g Greeting) RenderWith(name string, variables map[string]string) string {
	pieces := []string{""} // what stands between the places that vanish
	for _, p := range g.parts {
		said := p.text
		switch value := ""; p.token {
		case "":
		case tokenName, tokenFirstName:
			if value = name; p.token == tokenFirstName {
				value = FirstName(name)
			}
			said = cmp.Or(value, said)
		default:
			said = cmp.Or(clean(variables[p.token], maxSpokenName), said)
		}
		if said == "" && p.token != "" {
			pieces = append(pieces, "")
			continue
		}
		pieces[len(pieces)-1] += said
	}
	return strings.TrimSpace(join(pieces))
}

// join mends a sentence together at the places that vanish.
func join(pieces []string) string {
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
