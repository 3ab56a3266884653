package dashboard

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"ringside/internal/member"
	"ringside/internal/problem"
)

// Demo plays simulated calls for people who try the program out.
type Demo interface {
	// Callers are those who may call.
	Callers() []DemoCaller
	// Play has one of them call, and returns when the call is over. What happens meanwhile is told
	// to [Dashboard.Happened].
	Play(ctx context.Context, caller string) error
}

// DemoCaller is somebody who may call.
type DemoCaller struct{ ID, Name, About string }

// DemoLine is something that happened in a simulated call, for people.
type DemoLine struct {
	Kind string        // "call", "caller", "agent", "told", "over" or "note": how it is shown
	Who  string        // whose doing it is
	Text string        // what was said or done
	At   time.Duration // since the call began
}

// maxStage is how many lines of simulated calls are kept.
const maxStage = 200

// demoPlay bounds a simulated call.
const demoPlay = 2 * time.Minute

// stage is where simulated calls are watched: the lines of the last of them.
type stage struct {
	mu      sync.Mutex
	lines   []DemoLine
	first   int           // the number of lines[0]
	more    chan struct{} // closed at the next line
	playing bool
}

// Happened tells whoever watches what happens in a simulated call.
func (d *Dashboard) Happened(line DemoLine) {
	s := &d.stage
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
	if over := len(s.lines) - maxStage; over > 0 {
		s.lines = append([]DemoLine(nil), s.lines[over:]...)
		s.first += over
	}
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
}

// since returns the lines from number n on, the number after them, and what is closed at the next one.
func (s *stage) since(n int) (lines []DemoLine, next int, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more == nil {
		s.more = make(chan struct{})
	}
	next = s.first + len(s.lines)
	if n = max(n, s.first); n < next {
		lines = append(lines, s.lines[n-s.first:]...)
	}
	return lines, next, s.more
}

// lastCall returns the lines of the call that began last, and the number after them.
func (s *stage) lastCall() (lines []DemoLine, next int) {
	lines, next, _ = s.since(0)
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i].Kind == "call" {
			return lines[i:], next
		}
	}
	return lines, next
}

// take reports whether a call may begin: one is played at a time.
func (s *stage) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.playing {
		return false
	}
	s.playing = true
	return true
}

func (s *stage) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.playing = false
}

// demoPanel is the part of the live page on which calls are played.
type demoPanel struct {
	Callers []DemoCaller
	Lines   []DemoLine
	Next    int // the number of the line after them
}

// demoPanel is nil anywhere but in the demo, and for whoever may not play.
func (v *visit) demoPanel() *demoPanel {
	if v.Demo == nil || !v.may(member.Editor) {
		return nil
	}
	lines, next := v.stage.lastCall()
	return &demoPanel{Callers: v.Demo.Callers(), Lines: lines, Next: next}
}

// demoPage is the parts of the panel that are sent one by one.
type demoPage struct {
	frame
	Lines []DemoLine
}

func (*demoPage) template() string { return "demo" }

func (d *Dashboard) demoRoutes() []route {
	if d.Demo == nil {
		return nil
	}
	return []route{
		{method: "POST", path: "/demo/play", role: member.Editor, action: "demo.play", serve: playDemo},
		{method: "GET", path: "/demo/lines", role: member.Viewer, serve: streamDemo},
	}
}

// playDemo begins a call. Its page follows by itself where there are scripts; elsewhere it is reloaded.
func playDemo(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	caller := f.Get("caller")
	name := ""
	for _, c := range v.Demo.Callers() {
		if c.ID == caller {
			name = c.Name
		}
	}
	if name == "" {
		return problem.Invalid("caller", "Nobody of that name can call here.")
	}
	if !v.stage.take() {
		return v.answerPlay(http.StatusConflict, "A call is on already. Wait until it is over.")
	}
	v.playing.Go(func() {
		defer v.stage.leave()
		running, cancel := v.untilStopped(context.WithoutCancel(v.r.Context()))
		defer cancel()
		ctx, cancel := context.WithTimeout(running, demoPlay)
		defer cancel()
		if err := v.Demo.Play(ctx, caller); err != nil && ctx.Err() == nil {
			v.Log.Warn("a simulated call did not go as it should", "caller", caller, "error", err)
			v.Happened(DemoLine{Kind: "note", Who: "Ringside", Text: "This call did not go as it should: " + err.Error()})
		}
	})
	v.changed("", name, nil)
	return v.answerPlay(http.StatusOK, name+" is calling.")
}

// answerPlay says what became of the wish for a call.
func (v *visit) answerPlay(status int, text string) error {
	if v.byScript() {
		v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		v.w.WriteHeader(status)
		_, _ = v.w.Write([]byte(text)) // the viewer has gone
		return nil
	}
	return v.goTo("/calls", text+" Reload this page to follow.")
}

// streamDemo sends the lines of simulated calls as they come.
func streamDemo(v *visit) error {
	after := v.r.URL.Query().Get("after")
	if id := v.r.Header.Get("Last-Event-ID"); id != "" {
		after = id
	}
	next, _ := strconv.Atoi(after) // anything else begins with what there is
	return v.stream(func(ctx context.Context, send func(event, id string, body []byte) error) error {
		for {
			lines, upTo, more := v.stage.since(next)
			if next = upTo; len(lines) > 0 {
				body, err := render("demo", "demo-lines", lines)
				if err != nil {
					return err
				}
				if err := send("line", strconv.Itoa(next), body); err != nil {
					return err
				}
			}
			select {
			case <-more:
			case <-ctx.Done():
				return nil
			}
		}
	})
}
