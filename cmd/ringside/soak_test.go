package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringside/cache/redistest"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
)

// An ordinary rate is that of a busy switchboard: two calls and two messages a second, 14,400 in an
// hour. The soak goes at ten times that.
const (
	soakRate   = 20 // calls a second, and as many messages
	soakPeople = 500
	soakAtOnce = 400 // more calls under way than that mean that the machine cannot hold the rate
)

// soak is what has been done, and what was measured meanwhile.
type soak struct {
	t    *testing.T
	shop *shop
	side *serving
	busy sync.WaitGroup
	room chan struct{}

	mu              sync.Mutex
	calls, messages int
	latencies       []time.Duration
	memory          []float64
}

// Memory, goroutines and descriptors are at the end what they were at the beginning, and everything was
// answered and kept. RINGSIDE_SOAK says how long it goes: make soak.
func TestSoak(t *testing.T) {
	text := os.Getenv("RINGSIDE_SOAK")
	if text == "" {
		t.Skip("RINGSIDE_SOAK is not set: make soak")
	}
	whole, err := time.ParseDuration(text)
	must(t, err)
	url := pgtest.URL(t)
	s := &soak{t: t, shop: openShop(t, url), room: make(chan struct{}, soakAtOnce)}
	s.side = serve(t, "DATABASE_URL="+url, "REDIS_URL="+redistest.Start(t).URL(), "RINGSIDE_WRITE_BUDGET=5s")
	s.side.awaitCurrent()

	// So that pools and caches are as large as they get.
	if whole >= 10*time.Minute {
		s.fill()
	}
	s.run(whole / 10)
	goroutines, descriptors := s.idle()
	s.memory, s.latencies = nil, nil
	s.run(whole)
	goroutinesAfter, descriptorsAfter := s.idle()

	fifth := len(s.memory) / 5
	early, late := median(s.memory[fifth:2*fifth]), median(s.memory[len(s.memory)-fifth:])
	if late > early*1.2+32<<20 {
		t.Errorf("memory grew from %.0f MB to %.0f MB", early/(1<<20), late/(1<<20))
	}
	if goroutinesAfter > goroutines+15 {
		t.Errorf("there were %.0f goroutines before and %.0f after", goroutines, goroutinesAfter)
	}
	if descriptorsAfter > descriptors+15 {
		t.Errorf("there were %.0f descriptors before and %.0f after", descriptors, descriptorsAfter)
	}
	s.accounted()
	s.side.stop()
	fmt.Printf("\n| soak | calls | messages | TwiML p50, p99 | memory, early and late | goroutines, before and after | descriptors, before and after |\n"+
		"| --- | --- | --- | --- | --- | --- | --- |\n| %s | %d | %d | %.1f ms, %.1f ms | %.0f MB, %.0f MB | %.0f, %.0f | %.0f, %.0f |\n\n", whole, s.calls, s.messages,
		quantile(s.latencies, .5).Seconds()*1000, quantile(s.latencies, .99).Seconds()*1000, early/(1<<20), late/(1<<20), goroutines, goroutinesAfter, descriptors, descriptorsAfter)
}

// fill has a sidecar remember as many calls and messages as it ever does: 20,000 decisions, and 80,000 marks.
func (s *soak) fill() {
	s.t.Helper()
	var n atomic.Int64
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for i := n.Add(1); i <= 40_000; i = n.Add(1) {
				from := fmt.Sprintf("+1646%07d", 2000000+i%soakPeople)
				s.message(from)
				if i%2 == 0 {
					s.shop.rings(s.side.Listen, simulate.NewSID("CA"), from)
				}
			}
		})
	}
	senders.Wait()
}

// median is the value in the middle.
func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// run goes on for a while at the rate, and returns when every call is over.
func (s *soak) run(whole time.Duration) {
	s.t.Helper()
	tick, look := time.NewTicker(time.Second/soakRate), time.NewTicker(max(time.Second/4, whole/1000))
	defer tick.Stop()
	defer look.Stop()
	began, n := time.Now(), 0
	for time.Since(began) < whole {
		select {
		case <-look.C:
			s.memory = append(s.memory, s.side.figure("process_resident_memory_bytes"))
		case <-tick.C:
			// A busy machine loses ticks: what is due goes by the clock.
			for due := int(time.Since(began).Seconds() * soakRate); n < due; n++ {
				from := fmt.Sprintf("+1646%07d", 2000000+n%soakPeople)
				s.start(func() { s.call(from) })
				s.start(func() { s.message(from) })
			}
		}
	}
	s.busy.Wait()
}

// start does something beside the others.
func (s *soak) start(do func()) {
	select {
	case s.room <- struct{}{}:
	default:
		s.t.Fatalf("more than %d calls and messages are under way: this machine cannot hold the rate", soakAtOnce)
	}
	s.busy.Go(func() {
		do()
		<-s.room
	})
}

func (s *soak) call(from string) {
	outcome, err := s.shop.twilio(s.side.Listen).Place(s.t.Context(), simulate.Call{From: from, To: shopNumber, Script: askAgent})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	switch {
	case err != nil:
		s.t.Errorf("a call: %v", err)
	case len(outcome.Turns) == 0 || slices.ContainsFunc(outcome.Turns, func(turn simulate.Turn) bool { return !turn.Answered }) || len(outcome.Alerts) > 0:
		s.t.Errorf("a call went wrong: %+v %v", outcome.Turns, outcome.Alerts)
	default:
		s.latencies = append(s.latencies, outcome.VoiceLatency)
	}
}

func (s *soak) message(from string) {
	sid := simulate.NewSID("SM")
	response, err := s.shop.twilio(s.side.Listen).Post(s.t.Context(), "/twilio/sms",
		simulate.MessageForm(simulate.Text{SID: sid, AccountSID: s.shop.account, From: from, To: shopNumber, Body: "This is " + sid}))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages++
	if err != nil || response.Status != http.StatusOK {
		s.t.Errorf("a message: %v %+v", err, response)
	}
}

// idle waits until nothing is under way, and returns how many goroutines and descriptors there are.
func (s *soak) idle() (goroutines, descriptors float64) {
	s.t.Helper()
	until(s.t, "nothing is under way", func() bool {
		return s.side.figure("ringside_relay_sessions") == 0 && s.side.figure("ringside_events_waiting") == 0
	})
	// What has just ended takes a moment to go: the least of a few seconds is what stays.
	goroutines, descriptors = s.side.figure("go_goroutines"), s.side.figure("process_open_fds")
	for range 30 {
		time.Sleep(100 * time.Millisecond)
		goroutines, descriptors = min(goroutines, s.side.figure("go_goroutines")), min(descriptors, s.side.figure("process_open_fds"))
	}
	return goroutines, descriptors
}

// accounted fails the test unless every call and message is in the ledger, ended, and nothing was dropped.
func (s *soak) accounted() {
	s.t.Helper()
	var calls, messages int
	must(s.t, s.shop.db.QueryRow(s.t.Context(), `SELECT count(*) FILTER (WHERE kind = 'call' AND status = 'completed' AND ended_at IS NOT NULL AND contact_id IS NOT NULL),
		count(*) FILTER (WHERE kind = 'message') FROM interactions`).Scan(&calls, &messages))
	if calls != s.calls || messages != s.messages {
		s.t.Errorf("of %d calls %d are in the ledger as completed, and of %d messages %d", s.calls, calls, s.messages, messages)
	}
	for _, name := range []string{"ringside_events_dropped_total", "ringside_events_refused_total", `ringside_webhooks_total\{outcome="apology"[^}]*\}`} {
		if n := s.side.figure(name); n > 0 {
			s.t.Errorf("%s is %.0f", strings.ReplaceAll(name, `\`, ""), n)
		}
	}
}
