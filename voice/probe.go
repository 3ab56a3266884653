package voice

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/org"
	"ringside/internal/reach"
)

// ProbeStep is one part of a connection to an agent's runtime: looking its name up, connecting,
// encrypting, the handshake, and whether it stays.
type ProbeStep struct {
	Name string
	Took time.Duration
	// Failed is what is wrong and what to do about it, in a sentence for people; "" if nothing is.
	Failed string
}

// Probe is what a trial connection to an agent's runtime has found.
type Probe struct {
	OK    bool
	Text  string // the outcome as a sentence
	Steps []ProbeStep
}

// The call that a trial connection names: none that there can be.
const probeCallSID = "CA00000000000000000000000000000000"

// testHeader tells a runtime that a connection is a trial, and that no setup will come.
const testHeader = "X-Ringside-Test"

// Patience of a trial connection, besides that of calls.
const (
	probeQuiet  = 500 * time.Millisecond // in which a runtime that refuses closes again
	probePong   = 3 * time.Second
	probeWithin = 10 * time.Second // for all of it
)

// ProbeRuntime connects to an agent's runtime once, as a call would, looks whether it keeps the
// connection and answers a ping, and closes it. It sends no setup: nothing that a runtime could take
// for a call has begun. It takes at most ten seconds.
func ProbeRuntime(ctx context.Context, allowed *reach.Policy, a *org.Agent) Probe {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	t := newProbing()
	dialer, err := runtimeDialer(&defaultTiming, allowed, a.RuntimeURL)
	if err != nil {
		return t.failed(dialProblem(err, nil, a))
	}
	header := runtimeHeader(a, probeCallSID)
	header.Set(testHeader, "true")
	conn, response, err := dialer.DialContext(httptrace.WithClientTrace(ctx, t.trace()), a.RuntimeURL, header)
	t.mu.Lock()
	t.dialed = true
	t.mu.Unlock()
	if err != nil {
		return t.failed(dialProblem(err, response, a))
	}
	t.step("WebSocket", "")
	return t.stays(ctx, newPeer(conn, runtimeLimit, &defaultTiming))
}

// probing is a trial connection under way.
type probing struct {
	Probe
	last time.Time // when the last step ended

	mu     sync.Mutex
	dialed bool // what is traced from then on is of attempts that were given up
}

func newProbing() *probing { return &probing{last: time.Now()} }

// traced notes the end of a step of dialling, of which several may be tried at once: the first counts.
func (t *probing) traced(name string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil || t.dialed || slices.ContainsFunc(t.Steps, func(s ProbeStep) bool { return s.Name == name }) {
		return
	}
	t.step(name, "")
}

// step notes the end of a step.
func (t *probing) step(name, failed string) {
	now := time.Now()
	t.Steps = append(t.Steps, ProbeStep{Name: name, Took: now.Sub(t.last), Failed: failed})
	t.last = now
}

// trace notes the steps before the handshake. What goes wrong there is noted by who dials.
func (t *probing) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSDone:          func(info httptrace.DNSDoneInfo) { t.traced("Name", info.Err) },
		ConnectDone:      func(_, _ string, err error) { t.traced("Connection", err) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) { t.traced("Encryption", err) },
	}
}

// failed ends a probe at the step that went wrong.
func (t *probing) failed(step, sentence string) Probe {
	t.step(step, sentence)
	t.Text = sentence
	return t.Probe
}

// stays looks whether the runtime keeps an open connection and answers, and closes it.
func (t *probing) stays(ctx context.Context, runtime *peer) Probe {
	defer runtime.drop()
	ponged, ended := make(chan struct{}, 1), make(chan error, 1)
	runtime.conn.SetPongHandler(func(string) error {
		select {
		case ponged <- struct{}{}:
		default:
		}
		return nil
	})
	go func() {
		for {
			if _, _, err := runtime.conn.NextReader(); err != nil {
				ended <- err
				return
			}
		}
	}()
	defer func() { // who reads ends before this does
		runtime.drop()
		<-ended
	}()
	end := func(err error) Probe {
		ended <- err
		return t.failed("Staying open", endProblem(err))
	}
	quiet := time.After(probeQuiet)
	_ = runtime.ping() // where it fails, reading does too, and knows why
	select {
	case <-ponged:
		t.step("Answer to a ping", "")
	case err := <-ended:
		return end(err)
	case <-time.After(probePong):
		return t.failed("Answer to a ping", "It accepts the connection and does not answer pings, so calls would be lost after a minute. Let the program answer pings, as WebSocket libraries do by themselves while they read.")
	case <-ctx.Done():
		return t.failed("Answer to a ping", "It took too long.")
	}
	select {
	case <-quiet:
	case err := <-ended:
		return end(err)
	case <-ctx.Done():
		return t.failed("Staying open", "It took too long.")
	}
	t.step("Staying open", "")
	runtime.farewell(websocket.CloseNormalClosure, "")
	select {
	case err := <-ended:
		ended <- err
		t.step("Goodbye", "")
	case <-time.After(runtime.timing.Close):
		t.step("Goodbye", "") // it does not say goodbye in time; calls do not wait for it either
	}
	t.OK, t.Text = true, "The agent program was reached, accepted the connection and answers. Calls can be connected to it."
	return t.Probe
}
