package simulate

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Printer writes events as lines that a newcomer can follow: when, who to whom, and what. Its Print
// may serve several calls and runtimes at once.
type Printer struct {
	// Verbose adds what was on the wire below each line, and each token of the agent's.
	Verbose bool
	// Color sets terminal colours. NewPrinter sets it for a terminal.
	Color bool

	mu    sync.Mutex
	w     io.Writer
	began time.Time // of the call that was begun last
}

// NewPrinter returns a printer to w. It uses colours if w is a terminal and NO_COLOR is not set
// (no-color.org). A failed write is dropped: there is nobody to tell.
func NewPrinter(w io.Writer) *Printer {
	return &Printer{w: w, Color: isTerminal(w) && os.Getenv("NO_COLOR") == ""}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// line is how a kind of event is shown: who does what, and in which colour.
type line struct {
	actor string
	color string // of the text; an ANSI SGR number
}

const (
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
	bold   = "1"
)

var lines = map[Kind]line{
	KindCall:         {"call", bold},
	KindWebhook:      {"Twilio → Ringside", dim},
	KindStatus:       {"Twilio → Ringside", dim},
	KindDelivery:     {"Twilio → Ringside", dim},
	KindText:         {"message", bold},
	KindWritten:      {"sender writes", cyan},
	KindAnswered:     {"sender reads", green},
	KindTwiML:        {"Ringside → Twilio", dim},
	KindSay:          {"caller hears", green},
	KindPlay:         {"caller hears", green},
	KindPause:        {"pause", dim},
	KindDial:         {"put through to", green},
	KindRedirect:     {"redirected to", dim},
	KindReject:       {"call rejected", yellow},
	KindHangup:       {"call over", bold},
	KindSkipped:      {"not simulated", yellow},
	KindAlert:        {"Twilio's debugger", red},
	KindSocket:       {"Twilio → Ringside", dim},
	KindGreeting:     {"caller hears", green},
	KindSetup:        {"Twilio → Ringside", dim},
	KindPrompt:       {"caller says", cyan},
	KindPartial:      {"caller begins", cyan},
	KindDigit:        {"caller presses", cyan},
	KindInterrupt:    {"caller interrupts", cyan},
	KindRaw:          {"Twilio → Ringside", yellow},
	KindComplaint:    {"Twilio → Ringside", yellow},
	KindToken:        {"Ringside → Twilio", dim},
	KindReply:        {"caller hears", green},
	KindMessage:      {"Ringside → Twilio", dim},
	KindSilence:      {"nothing happens", yellow},
	KindEnd:          {"session over", dim},
	KindAgentSession: {"Ringside → agent", dim},
	KindAgentSetup:   {"agent is told", yellow},
	KindAgentContext: {"agent learns late", yellow},
	KindAgentTool:    {"agent → Ringside", dim},
	KindAgentResult:  {"Ringside → agent", dim},
	KindAgentEnd:     {"Ringside → agent", dim},
}

// quoted are the kinds whose text is speech.
var quoted = map[Kind]bool{KindSay: true, KindGreeting: true, KindReply: true, KindPrompt: true, KindPartial: true, KindWritten: true, KindAnswered: true}

// Print writes one event. It has the shape of [Twilio].Observe and [RuntimeOptions].Observe.
func (p *Printer) Print(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Kind == KindToken && !p.Verbose {
		return // the reply follows
	}
	begins := e.Kind == KindCall || e.Kind == KindText
	if begins || p.began.IsZero() {
		p.began = e.Time
	}
	l := lines[e.Kind]
	text := sentence(e)
	if begins {
		fmt.Fprintln(p.w)
	}
	fmt.Fprintf(p.w, "%s  %-18s %s\n", p.paint(dim, fmt.Sprintf("%7.3f", e.Time.Sub(p.began).Seconds())), first(l.actor, string(e.Kind)),
		p.paint(l.color, text))
	if raw := strings.TrimSpace(e.Raw); p.Verbose && raw != "" && raw != e.Text {
		fmt.Fprintf(p.w, "%29s%s\n", "", p.paint(dim, printable(raw)))
	}
}

// sentence is the line's text. What came over the wire cannot move the cursor or forge a line.
func sentence(e Event) string {
	text := printable(e.Text)
	if quoted[e.Kind] {
		text = "“" + text + "”"
	}
	switch e.Kind {
	case KindSetup:
		text = "setup: " + text
	case KindSocket:
		text = "opens " + text
	case KindMessage:
		text = printable(first(e.Raw, e.Text))
	case KindAgentTool:
		text = printable(first(e.Raw, e.Text))
	case KindWebhook, KindStatus, KindDelivery:
		if e.Status != 0 {
			text += fmt.Sprintf("  answered %d in %s", e.Status, e.Took.Round(10*time.Microsecond))
		}
	case KindReply:
		if e.Took >= time.Millisecond {
			text += fmt.Sprintf("  (%s from first to last word)", e.Took.Round(time.Millisecond))
		}
	}
	return text
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return -1 // controls, and marks that turn the direction of writing
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
}

func (p *Printer) paint(color, text string) string {
	if !p.Color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}
