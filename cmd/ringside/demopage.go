package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"ringside/internal/dashboard"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/simulate"
)

// demoPage plays calls for the demo's dashboard, beside those that the command plays by itself.
type demoPage struct {
	pages interface{ Happened(dashboard.DemoLine) }

	opened chan struct{} // closed when the demo is there

	mu    sync.Mutex
	demo  *demo     // nil until then
	begun time.Time // of the call that was begun last
}

// pagePace is how long a caller on the page waits before they say something, so that one can follow.
const pagePace = 1200 * time.Millisecond

// Callers implements [dashboard.Demo].
func (p *demoPage) Callers() []dashboard.DemoCaller {
	return []dashboard.DemoCaller{
		{ID: "alex", Name: "Alex Chen", About: "is in the address book"},
		{ID: "maria", Name: "Maria Gomez", About: "was called by a campaign"},
		{ID: "stranger", Name: "Somebody new", About: "calls from a number that nobody knows"},
		{ID: "forged", Name: "Somebody posing as Alex", About: "calls with Alex's number, and the carrier says it is forged"},
		{ID: "text", Name: "Maria Gomez writes", About: "sends a message, which the agent answers"},
		{ID: "withheld", Name: "A withheld number", About: "hides their number"},
	}
}

// call returns what a caller does.
func (p *demoPage) call(caller string) (call simulate.Call, err error) {
	say := func(texts ...string) (script []simulate.Step) {
		for _, text := range texts {
			script = append(script, simulate.Wait(pagePace), simulate.Say(text))
		}
		return script
	}
	switch caller {
	case "alex":
		call.From, call.Script = alexPhone, say("Hi! What do you know about me?", "Thanks, goodbye.")
	case "maria":
		call.From, call.Script = mariaPhone, say("You called me about an offer. What do you know about me?", "Goodbye.")
	case "stranger":
		call.From, call.Script = "+1617"+fictional(), say("Hello, my name is Sam Rivera.", "My email is sam at example dot com.", "Goodbye.")
	case "forged":
		call.From, call.StirVerstat, call.Script = alexPhone, "TN-Validation-Failed-A", say("Hi, it's me, Alex. What do you know about me?", "Goodbye.")
	case "withheld":
		call.From, call.Script = "+266696687", say("What do you know about me?", "Goodbye.")
	default:
		return call, problem.Invalid("caller", "Nobody of that name can call here.")
	}
	return call, nil
}

// open lets calls be played in the demo.
func (p *demoPage) open(d *demo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.demo = d
	close(p.opened)
}

// await waits until the demo is there, and has what is sent be its own organisation's: of two demos on one
// database, each has a Twilio of its own. It reports false if ctx ends first.
func (p *demoPage) await(ctx context.Context, only ...*org.ID) bool {
	select {
	case <-ctx.Done():
		return false
	case <-p.opened:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range only {
		*o = p.demo.org.ID
	}
	return true
}

// Play implements [dashboard.Demo].
func (p *demoPage) Play(ctx context.Context, caller string) error {
	p.mu.Lock()
	d := p.demo
	p.mu.Unlock()
	if d == nil {
		return problem.New(problem.CodeUnavailable, "The demo has only just begun. Try again in a moment.")
	}
	if caller == "text" {
		_, err := d.twilio.Send(ctx, simulate.Text{From: mariaPhone, To: d.number.String(), Body: demoQuestion})
		return err
	}
	call, err := p.call(caller)
	if err != nil {
		return err
	}
	call.To = d.number.String()
	_, err = d.twilio.Place(ctx, call)
	return err
}

// told says on the page what happens in a call, in words for people.
func (p *demoPage) told(e simulate.Event) {
	line, ok := demoLine(e)
	if !ok {
		return
	}
	p.mu.Lock()
	if e.Kind == simulate.KindCall || e.Kind == simulate.KindText || p.begun.IsZero() {
		p.begun = e.Time
	}
	line.At = e.Time.Sub(p.begun)
	p.mu.Unlock()
	p.pages.Happened(line)
}

// demoLine is an event for the page; what only shows on the wire is left out.
func demoLine(e simulate.Event) (l dashboard.DemoLine, ok bool) {
	switch e.Kind {
	case simulate.KindCall:
		return dashboard.DemoLine{Kind: "call", Who: "Twilio", Text: plainly(e.Text)}, true
	case simulate.KindWebhook:
		if !strings.HasSuffix(e.Text, " /twilio/voice") {
			return l, false
		}
		return dashboard.DemoLine{Kind: "note", Who: "Ringside", Text: fmt.Sprintf("answers Twilio in %.1f ms", e.Took.Seconds()*1000)}, true
	case simulate.KindAgentSetup:
		return dashboard.DemoLine{Kind: "told", Who: "Agent is told", Text: e.Text}, true
	case simulate.KindAgentContext:
		return dashboard.DemoLine{Kind: "told", Who: "Agent learns", Text: e.Text}, true
	case simulate.KindGreeting, simulate.KindReply, simulate.KindSay:
		return dashboard.DemoLine{Kind: "agent", Who: "Agent says", Text: e.Text}, true
	case simulate.KindPrompt:
		return dashboard.DemoLine{Kind: "caller", Who: "Caller says", Text: e.Text}, true
	case simulate.KindText:
		return dashboard.DemoLine{Kind: "call", Who: "Twilio", Text: plainly(e.Text)}, true
	case simulate.KindWritten:
		return dashboard.DemoLine{Kind: "caller", Who: "Sender writes", Text: e.Text}, true
	case simulate.KindAnswered:
		return dashboard.DemoLine{Kind: "agent", Who: "Sender reads", Text: e.Text}, true
	case simulate.KindAgentTool:
		return dashboard.DemoLine{Kind: "note", Who: "Agent", Text: used(e.Text)}, true
	case simulate.KindReject:
		return dashboard.DemoLine{Kind: "over", Who: "Twilio", Text: "The call is rejected."}, true
	case simulate.KindHangup:
		return dashboard.DemoLine{Kind: "over", Who: "Twilio", Text: "The call is over: " + e.Text + "."}, true
	}
	return l, false
}

// plainly writes the numbers of a text as people do.
func plainly(text string) string {
	words := strings.Fields(text)
	for i, word := range words {
		if n, ok := phone.Strict(word); ok {
			words[i] = n.Readable()
		}
	}
	return strings.Join(words, " ")
}

// used says what the agent did with a tool.
func used(tool string) string {
	switch tool {
	case "ringside.capture_contact":
		return "keeps what the caller said of themselves"
	case "ringside.note":
		return "makes a note"
	case "ringside.summary":
		return "sums the call up"
	case "ringside.send_sms":
		return "answers the message"
	case "ringside.not_me":
		return "learns that the caller is somebody else"
	}
	return "uses " + tool
}
