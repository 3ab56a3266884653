package voice

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"ringside/internal/ledger"
)

const (
	whoCaller = "caller"
	whoAgent  = "agent"
)

// Bounds of a transcript; what is said past them is not kept.
const (
	maxLines     = 2000
	maxLineBytes = 4000
)

// transcript gathers what was said from the messages that pass. It is read by two goroutines.
type transcript struct {
	keep bool

	mu       sync.Mutex
	kept     []ledger.Line
	speaking strings.Builder // the agent's talk-cycle so far
	since    time.Time
}

var (
	promptMark    = []byte(`"prompt"`)
	interruptMark = []byte(`"interrupt"`)
	textMark      = []byte(`"text"`)
	// partMark is in a prompt that is not the last of its utterance, as Twilio writes it: what the
	// caller says would have its quotes escaped.
	partMark = []byte(`"last":false`)
)

// fromCaller reads a message of Twilio: what the caller said, or that they cut the agent short.
func (t *transcript) fromCaller(message []byte) {
	if !t.keep || !bytes.Contains(message, promptMark) && !bytes.Contains(message, interruptMark) || bytes.Contains(message, partMark) {
		return
	}
	var m struct {
		Type                    string `json:"type"`
		VoicePrompt             string `json:"voicePrompt"`
		Last                    *bool  `json:"last"`
		UtteranceUntilInterrupt string `json:"utteranceUntilInterrupt"`
	}
	if json.Unmarshal(message, &m) != nil {
		return
	}
	switch m.Type {
	case "prompt":
		if m.Last == nil || *m.Last {
			t.said(time.Now(), whoCaller, m.VoicePrompt)
		}
	case "interrupt":
		t.cutShort(m.UtteranceUntilInterrupt)
	}
}

// fromRuntime reads a message of the runtime: a piece of what the agent says.
func (t *transcript) fromRuntime(message []byte) {
	if !t.keep || !bytes.Contains(message, textMark) {
		return
	}
	piece, ok := readSpoken(message)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.speaking.Len() == 0 {
		t.since = time.Now()
	}
	if t.speaking.Len()+len(piece.token) <= maxLineBytes {
		t.speaking.WriteString(piece.token)
	}
	if piece.last {
		t.endCycle()
	}
}

// said keeps one utterance.
func (t *transcript) said(at time.Time, who, text string) {
	if !t.keep {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endCycle()
	t.add(at, who, text)
}

// add keeps a line, if it says anything and there is room. The transcript is locked.
func (t *transcript) add(at time.Time, who, text string) {
	text = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", ""))
	if text == "" || len(t.kept) >= maxLines {
		return
	}
	if len(text) > maxLineBytes {
		text = strings.ToValidUTF8(text[:maxLineBytes], "")
	}
	t.kept = append(t.kept, ledger.Line{At: at.UTC(), Who: who, Text: text})
}

// endCycle keeps what the agent has said up to here. The transcript is locked.
func (t *transcript) endCycle() {
	if t.speaking.Len() > 0 {
		t.add(t.since, whoAgent, t.speaking.String())
		t.speaking.Reset()
	}
}

// cutShort corrects the agent's last words to what the caller heard of them.
func (t *transcript) cutShort(heard string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endCycle()
	heard = strings.TrimSpace(heard)
	for i := len(t.kept) - 1; i >= 0 && heard != ""; i-- {
		if t.kept[i].Who == whoAgent {
			if strings.HasPrefix(t.kept[i].Text, heard) {
				t.kept[i].Text = heard + " —"
			}
			return
		}
	}
}

// lines returns everything kept.
func (t *transcript) lines() []ledger.Line {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endCycle()
	return t.kept
}
