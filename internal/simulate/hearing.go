package simulate

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var writtenEmail = regexp.MustCompile(`[\p{L}0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`)

// hearEmail finds an e-mail address in what was said, as it is written or as it is spoken ("sam at
// example dot com"). It returns "" if there is none.
func hearEmail(said string) string {
	if written := writtenEmail.FindString(said); written != "" {
		return strings.ToLower(strings.TrimRight(written, ".-"))
	}
	words := strings.FieldsFunc(strings.ToLower(said), notInWord)
	for i := 1; i+1 < len(words); i++ {
		if words[i] != "at" || slices.Contains([]string{"me", "us", "it"}, words[i-1]) {
			continue
		}
		local, domain := spokenBefore(words[:i]), spokenAfter(words[i+1:])
		if strings.Contains(domain, ".") {
			return local + "@" + domain
		}
	}
	return ""
}

// spokenSigns are the words for what stands between the parts of an address.
var spokenSigns = map[string]string{"dot": ".", "dash": "-", "hyphen": "-", "underscore": "_", "plus": "+"}

// spokenBefore joins the last word with those that signs tie to it: "my mail is sam dot lee" is
// "sam.lee".
func spokenBefore(words []string) string {
	joined := words[len(words)-1]
	for i := len(words) - 2; i > 0 && spokenSigns[words[i]] != ""; i -= 2 {
		joined = words[i-1] + spokenSigns[words[i]] + joined
	}
	return joined
}

// spokenAfter joins the first word with those that signs tie to it: "example dot com thanks" is
// "example.com".
func spokenAfter(words []string) string {
	joined := words[0]
	for i := 1; i+1 < len(words) && spokenSigns[words[i]] != ""; i += 2 {
		joined += spokenSigns[words[i]] + words[i+1]
	}
	return joined
}

var (
	saysName = regexp.MustCompile(`(?i)\b(?:my name is|my name's)\s+`)
	// After these a name is only what is written with a capital: "I'm calling about" is none.
	maybeSaysName = regexp.MustCompile(`(?i)\b(?:i am|i'm|this is|call me)\s+`)
)

// endsName are words that a name does not go on with.
var endsName = []string{"and", "my", "but", "at", "from", "with", "i", "i'm", "you", "can", "the", "is", "email", "e-mail", "mail", "calling", "here"}

// hearName finds the name that a caller gives. It returns "" if there is none.
func hearName(said string) string {
	said = strings.ReplaceAll(said, "’", "'")
	if at := saysName.FindStringIndex(said); at != nil {
		return nameAt(said[at[1]:], false)
	}
	if at := maybeSaysName.FindStringIndex(said); at != nil {
		return nameAt(said[at[1]:], true)
	}
	return ""
}

// nameAt takes up to four words of a name from the beginning of rest. A name without capitals, as a
// transcription may have it, is given them.
func nameAt(rest string, capitalsOnly bool) string {
	var name []string
	lower := false
	for _, word := range strings.Fields(rest) {
		bare := []rune(strings.TrimRight(word, ".,!?;:"))
		if len(bare) == 0 || len(name) == 4 || !unicode.IsLetter(bare[0]) ||
			slices.Contains(endsName, strings.ToLower(string(bare))) || slices.Contains(bare, '@') ||
			capitalsOnly && !unicode.IsUpper(bare[0]) {
			break
		}
		if len(name) == 0 {
			lower = unicode.IsLower(bare[0])
		}
		if lower {
			bare[0] = unicode.ToUpper(bare[0])
		}
		name = append(name, string(bare))
		if strings.ContainsAny(word[len(word)-1:], ".,!?;:") {
			break // a comma or full stop ends the name
		}
	}
	return strings.Join(name, " ")
}

// notInWord separates words; what addresses and short forms hold does not.
func notInWord(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("'-_+", r)
}
