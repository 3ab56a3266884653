package dashboard

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"ringside/internal/ledger"
)

// What of calls is shown on a contact's page; the rest is on theirs. Without bounds, the page of
// somebody who talks much would be slow on a phone.
const (
	talksShown = 5  // of the latest calls, and as many of the latest messages
	talkLines  = 30 // of each
	talkText   = 500
)

// fillTalks adds to the latest calls and messages of a timeline what was said, or told of themselves, in them.
func (v *visit) fillTalks(p *contactPage) error {
	shown := map[string]int{}
	for n := range p.Timeline {
		e := &p.Timeline[n]
		if e.sid == "" {
			continue
		}
		if shown[e.Kind]++; shown[e.Kind] > talksShown {
			continue
		}
		talk, err := v.Ledger.Conversation(v.r.Context(), v.org.ID, e.sid)
		if err != nil {
			return err
		}
		for _, c := range talk.Captures {
			e.Heard = append(e.Heard, capturedFields(c.Result)...)
		}
		for i, l := range talk.Lines {
			if i == talkLines {
				e.Cut = true
				break
			}
			text, cut := beginning(l.Text, talkText)
			e.Talk = append(e.Talk, said{p.Moment(l.At), l.Who, text})
			e.Cut = e.Cut || cut
		}
	}
	return nil
}

// messageWords is what a message says, up to a number of characters, and what it brought along.
func messageWords(i ledger.Interaction, most int) string {
	text, _ := beginning(i.Text, most)
	if n := len(i.Media); n > 0 {
		files := fmt.Sprintf("(%s)", plural(n, "file", "files"))
		return strings.TrimSpace(text + " " + files)
	}
	return text
}

// beginning returns the first characters of a text, and whether there are more.
func beginning(text string, most int) (string, bool) {
	if utf8.RuneCountInString(text) <= most {
		return text, false
	}
	return string([]rune(text)[:most]) + "…", true
}
