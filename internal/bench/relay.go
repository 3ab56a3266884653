package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/twilio"
)

// The ways that a frame may go between the two ends of a call.
const (
	wayDirect = "nothing between"
	wayProxy  = "byte proxy"
	wayRelay  = "ringside"
)

// Goals of the relay.
const (
	relayGoal  = 1.2      // times the latency that the byte proxy adds
	memoryGoal = 60 << 10 // bytes a call
)

// relayRow is one way at one number of calls.
type relayRow struct {
	calls    int
	way      string
	p50, p99 time.Duration // medians over the rounds
	added    spread        // p99 beyond that of nothing between, in the same round, in ms
	ratio    spread        // of p99 to the byte proxy's, in the same round
	pace     float64       // the least share of the frames due that were sent in time
	cpu      time.Duration // of the server, a frame; 0 where the system does not tell
	memory   float64       // bytes a call; 0 where the system does not tell
}

// way is a path between the ends of calls, and the calls on it.
type way struct {
	name   string
	server *process // nil where nothing is between
	idle   float64  // bytes of memory before the first call
	peak   float64
	calls  conversations

	p50, p99, cpu []float64 // of each round
	pace          float64
}

// measureRelay lets the same calls talk over each way, round after round.
func (s *stage) measureRelay(ctx context.Context) (rows []relayRow, err error) {
	for _, calls := range s.plan.calls {
		s.say("Relay: %d calls over each way", calls)
		more, err := s.measureCalls(ctx, calls)
		if err != nil {
			return nil, fmt.Errorf("%d calls: %w", calls, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func (s *stage) measureCalls(ctx context.Context, calls int) (rows []relayRow, err error) {
	ways := []*way{{name: wayDirect}, {name: wayProxy}, {name: wayRelay}}
	defer func() {
		for _, w := range ways {
			w.calls.close()
			if w.server != nil {
				err = errors.Join(err, w.server.stop())
			}
		}
	}()
	if ways[1].server, err = startRole(s.dir, roleProxy, upstreamVariable+"="+s.runtime.addr()); err != nil {
		return nil, err
	}
	if ways[2].server, err = s.sidecar("ringside relay"); err != nil {
		return nil, err
	}
	for _, w := range ways {
		if err := s.openCalls(ctx, w, calls); err != nil {
			return nil, fmt.Errorf("open calls (%s): %w", w.name, err)
		}
	}
	for round := range s.plan.relayRounds {
		s.say("Relay: %d calls, round %d of %d", calls, round+1, s.plan.relayRounds)
		for _, w := range ways {
			if err := w.talk(ctx, s.plan.relayWarmUp, s.plan.relayTurn); err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
		}
	}
	if s.plan.profiles != "" {
		if err := s.profileRelay(ctx, ways[2], calls); err != nil {
			return nil, err
		}
	}
	for _, w := range ways {
		rows = append(rows, w.row(calls, ways[0], ways[1]))
	}
	return rows, nil
}

// talk has the way's calls talk for one turn.
func (w *way) talk(ctx context.Context, warmUp, lasts time.Duration) error {
	before, err := w.readMetrics(ctx)
	if err != nil {
		return err
	}
	latencies, pace, err := w.calls.talk(ctx, warmUp, lasts)
	if err != nil {
		return err
	}
	after, err := w.readMetrics(ctx)
	if err != nil {
		return err
	}
	w.peak = max(w.peak, after[metricMemory])
	w.pace = min(w.pace, pace)
	frames := pace * (warmUp + lasts).Seconds() * framesPerSecond * float64(len(w.calls.streams))
	w.cpu = append(w.cpu, (after[metricCPU]-before[metricCPU])/frames)
	w.p50 = append(w.p50, milliseconds(quantile(latencies, .5)))
	w.p99 = append(w.p99, milliseconds(quantile(latencies, .99)))
	return nil
}

func (w *way) readMetrics(ctx context.Context) (map[string]float64, error) {
	if w.server == nil {
		return nil, nil
	}
	return w.server.readMetrics(ctx)
}

// row sums the way up, beside the way with nothing between and the byte proxy's.
func (w *way) row(calls int, direct, proxy *way) relayRow {
	added, ratios := make([]float64, len(w.p99)), make([]float64, len(w.p99))
	for i := range w.p99 {
		added[i] = w.p99[i] - direct.p99[i]
		ratios[i] = w.p99[i] / proxy.p99[i]
	}
	inMilliseconds := func(values []float64) time.Duration { return time.Duration(median(values) * float64(time.Millisecond)) }
	return relayRow{calls: calls, way: w.name, p50: inMilliseconds(w.p50), p99: inMilliseconds(w.p99), added: spreadOf(added), ratio: spreadOf(ratios),
		pace: w.pace, cpu: time.Duration(median(w.cpu) * float64(time.Second)), memory: (w.peak - w.idle) / float64(calls)}
}

// openCalls opens so many calls over a way.
func (s *stage) openCalls(ctx context.Context, w *way, calls int) error {
	idle, err := w.readMetrics(ctx)
	if err != nil {
		return err
	}
	w.idle, w.pace = idle[metricMemory], 1
	signer := newSigner()
	for i := range calls {
		sid := s.sids.next()
		setup := twilioSetup{Type: "setup", SessionID: "VX" + sid[2:], AccountSID: accountSID, CallSID: sid, From: known(i), To: calledNumber,
			CallType: "PSTN", Direction: "inbound", CallStatus: "RINGING"}
		target, header := "ws://"+s.runtime.addr()+"/agent", http.Header{}
		switch w.name {
		case wayProxy:
			target = "ws://" + w.server.address.host() + "/agent"
		case wayRelay:
			token, err := askForToken(w.server.address.host(), signer.inbound(sid, known(i)))
			if err != nil {
				return err
			}
			setup.CustomParameters = map[string]string{tokenParameter: token}
			target = "ws://" + w.server.address.host() + "/twilio/relay"
			header.Set(twilio.SignatureHeader, signer.handshake(socketURL))
		}
		arrived := s.runtime.expect(sid)
		dialer := websocket.Dialer{HandshakeTimeout: answerPatience, WriteBufferPool: &writeBuffers}
		caller, _, err := dialer.DialContext(ctx, target, header)
		if err != nil {
			return fmt.Errorf("open a socket: %w", err)
		}
		if err := caller.WriteJSON(setup); err != nil {
			return fmt.Errorf("send setup: %w", errors.Join(err, caller.Close()))
		}
		agent, err := arrived(ctx)
		if err != nil {
			return errors.Join(err, caller.Close())
		}
		w.calls.add(caller, agent)
	}
	return nil
}

const (
	socketURL      = "wss://voice.example.com/twilio/relay"
	tokenParameter = "ringside"
)

// twilioSetup is the first message of a session (Twilio: ConversationRelay, "setup message").
type twilioSetup struct {
	Type             string            `json:"type"`
	SessionID        string            `json:"sessionId"`
	AccountSID       string            `json:"accountSid"`
	CallSID          string            `json:"callSid"`
	From             string            `json:"from"`
	To               string            `json:"to"`
	CallType         string            `json:"callType"`
	Direction        string            `json:"direction"`
	CallStatus       string            `json:"callStatus"`
	CustomParameters map[string]string `json:"customParameters,omitempty"`
}

// askForToken sends a webhook and returns the relay token of the answer.
func askForToken(addr string, webhook []byte) (string, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := conn.Write(webhook); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", fmt.Errorf("read the TwiML: %w", err)
	}
	defer response.Body.Close()
	twiml, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("read the TwiML: %w", err)
	}
	_, rest, found := bytes.Cut(twiml, []byte(`<Parameter name="`+tokenParameter+`" value="`))
	token, _, closed := bytes.Cut(rest, []byte(`"`))
	if !found || !closed {
		return "", fmt.Errorf("the answer %s has no relay token", twiml)
	}
	return string(token), nil
}

// profileRelay takes a profile of the relay under load.
func (s *stage) profileRelay(ctx context.Context, w *way, calls int) error {
	taken := make(chan error, 1)
	go func() { taken <- s.profile(ctx, w.server, fmt.Sprintf("relay %d calls", calls)) }()
	_, _, err := w.calls.talk(ctx, 0, s.plan.profiled)
	return errors.Join(err, <-taken)
}
