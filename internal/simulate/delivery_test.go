package simulate_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/simulate"
)

func TestDeliveryRepeats(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	var together sync.WaitGroup // no copy is answered before all have arrived
	together.Add(3)
	s.on("/twilio/voice", func(w http.ResponseWriter, r *http.Request) {
		together.Done()
		together.Wait()
		twiml(hello)(w, r)
	})
	twilio := s.twilio()
	twilio.Delivery.Repeat = 3

	out := place(t, twilio)

	if !slices.Equal(out.Spoken, []string{"Hello"}) {
		t.Errorf("Spoken = %q; the repeats must not be acted on", out.Spoken)
	}
	tokens := map[string]bool{}
	for _, r := range s.got("/twilio/voice") {
		tokens[r.Header.Get(simulate.IdempotencyHeader)] = true
	}
	if answers := out.Answers("/twilio/voice"); len(answers) != 3 || string(answers[2]) != hello || len(tokens) != 1 {
		t.Errorf("%d answers, tokens %v", len(answers), tokens)
	}
	if got := out.Statuses("/twilio/voice/status"); !slices.Equal(got, []int{204, 204, 204}) {
		t.Errorf("status callbacks = %v", got)
	}
	var copies []int
	for _, w := range out.Webhooks {
		copies = append(copies, w.Copy)
	}
	if !slices.Equal(copies, []int{0, 1, 2, 0, 1, 2}) {
		t.Errorf("copies = %v", copies)
	}
}

func TestDeliveryDropsAndLoses(t *testing.T) {
	t.Parallel()
	voice := func(path string) bool { return path == "/twilio/voice" }
	for name, test := range map[string]struct {
		delivery simulate.Delivery
		arrived  int
	}{
		"dropped":     {simulate.Delivery{Drop: voice}, 0},
		"answer lost": {simulate.Delivery{LoseAnswer: voice}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t)
			s.on("/prefix/twilio/voice", twiml(`<Response><Say>never</Say></Response>`))
			s.on("/prefix/twilio/voice/fallback", twiml(hello))
			twilio := s.twilio()
			twilio.BaseURL += "/prefix" // paths are given without it
			twilio.PublicURL = ""
			twilio.Delivery = test.delivery
			out := place(t, twilio)
			if !slices.Equal(out.Spoken, []string{"Hello"}) || !slices.Equal(codes(out.Alerts), []int{simulate.CodeConnection}) {
				t.Errorf("Spoken = %q, Alerts = %v", out.Spoken, out.Alerts)
			}
			if got := len(s.got("/prefix/twilio/voice")); got != test.arrived {
				t.Errorf("%d voice webhooks arrived, want %d", got, test.arrived)
			}
			if got := out.Statuses("/twilio/voice"); !slices.Equal(got, []int{0}) {
				t.Errorf("statuses = %v", got)
			}
		})
	}
}

func TestDeliveryDelays(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(hello))
	twilio := s.twilio()
	twilio.Delivery = simulate.Delivery{Delay: time.Hour, Delayed: func(path string) bool { return strings.HasSuffix(path, "/status") }}
	var slept []time.Duration
	twilio.Sleep = func(_ context.Context, d time.Duration) error {
		slept = append(slept, d)
		if got := s.got("/twilio/voice/status"); len(got) != 0 {
			t.Error("the status callback was sent before its delay")
		}
		return nil
	}
	place(t, twilio)
	if !slices.Equal(slept, []time.Duration{time.Hour}) {
		t.Errorf("slept %v", slept)
	}
}

func TestDeliveryReorders(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(s.connect("", "")))
	s.onSocket(hold)
	twilio := s.twilio()
	twilio.Delivery.Reorder = func(n int) []int {
		backwards := make([]int, n)
		for i := range backwards {
			backwards[i] = n - 1 - i
		}
		return backwards
	}
	call := simulate.Call{From: caller, To: dialled, StatusEvents: []string{"ringing", "answered", "completed"}}
	if _, err := twilio.Place(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, r := range s.got("/twilio/voice/status") {
		order = append(order, r.Form.Get("CallStatus"))
	}
	if diff := cmp.Diff([]string{"completed", "in-progress", "ringing"}, order); diff != "" {
		t.Errorf("status callbacks (-want +got):\n%s", diff)
	}
	paths := s.paths()
	if i, j := slices.Index(paths, "/twilio/voice/after"), slices.Index(paths, "/twilio/voice/status"); i < j {
		t.Errorf("requests = %v; after must come later than the first status", paths)
	}

	twilio.Delivery.Reorder = func(int) []int { return []int{0, 0} }
	if _, err := twilio.Place(t.Context(), call); err == nil || !strings.Contains(err.Error(), "permutation") {
		t.Errorf("Place with a wrong order: %v", err)
	}
}

func TestOutcomeAsJSON(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(hello))
	twilio := s.twilio()
	twilio.Delivery.Drop = func(path string) bool { return path == "/twilio/voice/status" }
	b, err := json.Marshal(place(t, twilio))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Webhooks []struct{ Path, Body, Error string }
		Heard    []string
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Webhooks) != 2 || got.Webhooks[0].Body != hello || !strings.Contains(got.Webhooks[1].Error, "11205") || got.Heard[0] != "Hello" {
		t.Errorf("JSON = %s", b)
	}
}
