package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringside/internal/simulate"
)

// sent is one thing that Twilio tells a sidecar, which is durable once it is acknowledged.
type sent struct {
	sid, event, from string
	path             string
	form             url.Values
	part             string // which was being killed when it was acknowledged
}

// load is Twilio at a busy time: messages and ends of calls from ever new people, each told again at
// times, and callers who wait for an answer.
type load struct {
	t      *testing.T
	twilio *simulate.Twilio
	seed   uint64
	stop   chan struct{}
	busy   sync.WaitGroup
	people atomic.Int64

	repeated, refused atomic.Int64

	mu      sync.Mutex
	part    string          // is being killed
	away    bool            // and is not there just now
	epoch   int             // rises whenever one of these changes
	acked   map[string]sent // by Sid and event
	tried   map[string]bool
	answers map[string][]time.Duration // to callers while a part was away
	failed  map[string]int
}

func newLoad(t *testing.T, twilio *simulate.Twilio, seed uint64) *load {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	twilio.HTTP = &http.Client{Transport: transport}
	return &load{t: t, twilio: twilio, seed: seed, stop: make(chan struct{}), acked: map[string]sent{}, tried: map[string]bool{},
		answers: map[string][]time.Duration{}, failed: map[string]int{}}
}

// begin starts the load: so many senders of messages and ends of calls, and so many callers.
func (l *load) begin(senders, callers int) {
	for n := range senders {
		random := rand.New(rand.NewPCG(l.seed, uint64(n+1)))
		l.busy.Go(func() {
			for l.goesOn(0) {
				l.tell(random)
			}
		})
	}
	for range callers {
		l.busy.Go(func() {
			for l.goesOn(5 * time.Millisecond) {
				l.ring()
			}
		})
	}
}

// end ends the load, and returns when nothing is under way.
func (l *load) end() {
	close(l.stop)
	l.busy.Wait()
}

// goesOn waits, and reports whether the load goes on.
func (l *load) goesOn(pause time.Duration) bool {
	select {
	case <-l.stop:
		return false
	case <-time.After(pause):
		return true
	}
}

// phase notes which part is being killed, and whether it is away.
func (l *load) phase(part string, away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part, l.away = part, away
	l.epoch++
}

// next makes up a message or the end of a call, of somebody who was not heard of before.
func (l *load) next(random *rand.Rand) sent {
	from := fmt.Sprintf("+1646%07d", 2000000+l.people.Add(1))
	if random.IntN(2) == 0 {
		sid := simulate.NewSID("SM")
		return sent{sid: sid, event: "sms", from: from, path: "/twilio/sms",
			form: simulate.MessageForm(simulate.Text{SID: sid, AccountSID: l.twilio.AccountSID, From: from, To: shopNumber, Body: "This is " + sid})}
	}
	sid := simulate.NewSID("CA")
	form := simulate.VoiceForm(simulate.Call{SID: sid, AccountSID: l.twilio.AccountSID, From: from, To: shopNumber})
	form.Set("CallStatus", "completed")
	form.Set("CallDuration", "42")
	form.Set("Timestamp", time.Now().UTC().Format(time.RFC1123Z))
	return sent{sid: sid, event: "status:completed", from: from, path: "/twilio/voice/status", form: form}
}

// tell sends something once; some of what was acknowledged again, and most of what was not, as Twilio
// does for a number whose URL says so.
func (l *load) tell(random *rand.Rand) {
	s := l.next(random)
	l.mu.Lock()
	l.tried[s.sid] = true
	l.mu.Unlock()
	for try := range 3 {
		if l.post(s) {
			if try > 0 || random.IntN(20) == 0 {
				l.repeated.Add(1)
				l.post(s)
			}
			return
		}
		l.refused.Add(1)
		if random.IntN(4) == 0 || !l.goesOn(20*time.Millisecond) {
			return
		}
	}
}

// post sends something and reports whether it was acknowledged, which it then notes.
func (l *load) post(s sent) bool {
	response, err := l.twilio.Post(l.t.Context(), s.path, s.form)
	if err != nil || response.Status/100 != 2 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, again := l.acked[s.sid+s.event]; !again {
		s.part, s.form = l.part, nil
		l.acked[s.sid+s.event] = s
	}
	return true
}

// ring lets Alex call, and notes how long the answer took if one part was away all the while.
func (l *load) ring() {
	l.mu.Lock()
	part, away, epoch := l.part, l.away, l.epoch
	sid := simulate.NewSID("CA")
	l.tried[sid] = true
	l.mu.Unlock()
	form := simulate.VoiceForm(simulate.Call{SID: sid, AccountSID: l.twilio.AccountSID, From: alex, To: shopNumber})
	response, err := l.twilio.Post(l.t.Context(), "/twilio/voice", form)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !away || epoch != l.epoch {
		return
	}
	if err != nil || response.Status != http.StatusOK {
		l.failed[part]++
		return
	}
	if _, err := simulate.ParseTwiML(response.Body); err != nil {
		l.failed[part]++
		return
	}
	l.answers[part] = append(l.answers[part], response.Latency)
}

// count is how many events were acknowledged, each counted once.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// acknowledged is what was; the load has ended.
func (l *load) acknowledged() map[string]sent { return l.acked }

// everSent are the Sids of everything that was sent, acknowledged or not; the load has ended.
func (l *load) everSent() map[string]bool { return l.tried }

// voice returns how long callers waited while a part was away, and how many had no answer.
func (l *load) voice(part string) (took []time.Duration, failed int) {
	return l.answers[part], l.failed[part]
}
