package voice_test

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"ringside/cache"
	"ringside/internal/org"
	"ringside/internal/simulate"
	"ringside/internal/twilio"
	"ringside/voice"
)

func streamed(a *org.Agent) { a.Transport = org.TransportStream }

const streamSID = "MZ00000000000000000000000000000001"

// streamOf is what an answer says of a stream.
type streamOf struct {
	Say     string `xml:"Say"`
	Connect struct {
		Action string `xml:"action,attr"`
		Stream struct {
			URL       string `xml:"url,attr"`
			Status    string `xml:"statusCallback,attr"`
			Parameter struct {
				Name  string `xml:"name,attr"`
				Value string `xml:"value,attr"`
			} `xml:"Parameter"`
		} `xml:"Stream"`
	} `xml:"Connect"`
	Redirect string `xml:"Redirect"`
}

// ringStream lets a call come in, and returns the stream that answers it.
func (e *edge) ringStream(callSID, from string) streamOf {
	e.tb.Helper()
	return readStream(e.tb, e.post("/twilio/voice", inbound(callSID, from)).body)
}

func readStream(tb testing.TB, twiml string) (s streamOf) {
	tb.Helper()
	check(tb, xml.Unmarshal([]byte(twiml), &s))
	if s.Connect.Stream.URL == "" {
		tb.Fatalf("no stream in %s", twiml)
	}
	return s
}

// dialStream opens the stream's socket with a handshake signed with token.
func (e *edge) dialStream(token string) (*socket, *http.Response, error) {
	e.tb.Helper()
	header := http.Header{twilio.SignatureHeader: {twilio.Sign(token, strings.Replace(publicURL, "https", "wss", 1)+"/twilio/stream", nil)}}
	conn, res, err := websocket.DefaultDialer.DialContext(within(e.tb), strings.Replace(e.server.URL, "http", "ws", 1)+"/twilio/stream", header)
	if err != nil {
		return nil, res, err
	}
	e.tb.Cleanup(func() { conn.Close() })
	check(e.tb, conn.SetReadDeadline(time.Now().Add(patience)))
	return &socket{Conn: conn, tb: e.tb}, res, nil
}

// startOf is a start message as Twilio writes it, in an order and with spaces of its own.
func startOf(callSID, token string) string {
	parameters, _ := json.Marshal(map[string]string{"ringside": token, "ctx": "k3v9Qh2mT0aZ"}) // strings always marshal
	return `{"event":"start","sequenceNumber":"1", "start":{"accountSid":"` + accountSID + `","streamSid":"` + streamSID + `","callSid":"` + callSID +
		`","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":` + string(parameters) + `},"streamSid":"` + streamSID + `"}`
}

// newStream is a call of Jane's on a stream; both ends are sockets of the test's.
func newStream(t *testing.T, p parts) (w *wired, sid string) {
	t.Helper()
	configure := p.agent
	p.agent = func(a *org.Agent) {
		streamed(a)
		if configure != nil {
			configure(a)
		}
	}
	w, sid = newWired(t, p), callSID("stream")
	w.openStream(sid, w.ringStream(sid, jane).Connect.Stream.Parameter.Value)
	return w, sid
}

// openStream opens the sockets of a call that has been answered.
func (w *wired) openStream(sid, token string) {
	w.tb.Helper()
	var err error
	if w.twilio, _, err = w.dialStream(authToken); err != nil {
		w.tb.Fatal(err)
	}
	w.twilio.send(sample(w.tb, "ms_in_connected.json"))
	w.twilio.send(startOf(sid, token))
	var connected string
	w.runtime, connected = w.wire.accept()
	if connected != sample(w.tb, "ms_in_connected.json") {
		w.tb.Errorf("the runtime was sent %s first", connected)
	}
	w.setupRaw = []byte(w.runtime.next())
}

func TestStreamTwiML(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{agent: streamed})
	sid := callSID("twiml")
	s := e.ringStream(sid, jane)
	if s.Say != greetedJane || s.Connect.Action != publicURL+"/twilio/voice/after" || s.Redirect != s.Connect.Action ||
		s.Connect.Stream.URL != strings.Replace(publicURL, "https", "wss", 1)+"/twilio/stream" || s.Connect.Stream.Status != publicURL+"/twilio/voice/status" ||
		s.Connect.Stream.Parameter.Name != "ringside" {
		t.Errorf("answered %+v", s)
	}
	body := e.post("/twilio/voice", inbound(sid, jane)).body
	if again := e.post("/twilio/voice/fallback", inbound(sid, jane)).body; again != body {
		t.Errorf("the fallback is answered %s", again)
	}
	if token := s.Connect.Stream.Parameter.Value; strings.Contains(token, "555") || len(token) >= 400 {
		t.Errorf("the token is %q", token)
	}
}

// The runtime gets all that Twilio says, byte for byte, with the caller added to start; sound passes untouched.
func TestAStreamFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	w, sid := newStream(t, parts{})
	var start struct {
		Event string `json:"event"`
		Start struct {
			CallSID          string            `json:"callSid"`
			CustomParameters map[string]string `json:"customParameters"`
		} `json:"start"`
		Caller simulate.Caller `json:"caller"`
	}
	check(t, json.Unmarshal(w.setupRaw, &start))
	p := start.Start.CustomParameters
	if start.Event != "start" || start.Start.CallSID != sid || start.Caller.Name != "Jane Doe" || !start.Caller.GreetedByName || p["caller_name"] != "Jane Doe" || p["caller_known"] != "true" ||
		p["caller_email"] != "jane@acme.io" || p["ctx"] != "k3v9Qh2mT0aZ" || p["call_greeting"] != greetedJane || !strings.Contains(p["caller_context"], "Prefers morning calls") {
		t.Errorf("the runtime was told %s", w.setupRaw)
	}
	if sent := startOf(sid, p["ringside"]); !strings.HasPrefix(string(w.setupRaw), sent[:strings.Index(sent, `"customParameters"`)]) || !strings.Contains(string(w.setupRaw), `,"streamSid":"`+streamSID+`"`) {
		t.Errorf("Twilio's own words are not as they came: %s", w.setupRaw)
	}
	for _, name := range []string{"ms_in_media.json", "ms_in_dtmf.json", "ms_in_mark.json"} {
		w.twilio.send(sample(t, name))
		if got := w.runtime.next(); got != sample(t, name) {
			t.Errorf("%s reaches the runtime as %s", name, got)
		}
	}
	for _, f := range []string{sample(t, "ms_out_media.json"), sample(t, "ms_out_mark.json"), sample(t, "ms_out_clear.json"), `{"event":"media","streamSid":"MZ","media":{"payload":"ringside.note"}}`} {
		w.runtime.send(f)
		if got := w.twilio.next(); got != f {
			t.Errorf("%s reaches Twilio as %s", f, got)
		}
	}
	w.runtime.send(`{"type":"ringside.capture_contact","id":"7","email":"jane@home.example"}`)
	if got := w.runtime.next(); !strings.Contains(got, `"id":"7"`) || !strings.Contains(got, `"ok":true`) {
		t.Errorf("the tool is answered %s", got)
	}
	w.runtime.send(`{"type":"ringside.summary","summary":"Has moved."}`)
	w.runtime.send(sample(t, "ms_out_clear.json"))
	if got := w.twilio.next(); got != sample(t, "ms_out_clear.json") {
		t.Errorf("a tool has reached Twilio: %s", got)
	}
	w.twilio.send(sample(t, "ms_in_stop.json"))
	for { // the summary's result may come before
		if got := w.runtime.next(); !strings.Contains(got, "ringside.result") {
			if got != sample(t, "ms_in_stop.json") {
				t.Errorf("at the end the runtime is sent %s", got)
			}
			break
		}
	}
	w.twilio.shut(1000, "")
	w.AwaitIdle(within(t))
	if n := w.metric(`ringside_relay_ends_total{by="caller",path="/twilio/stream"}`); n != 1 {
		t.Errorf("%d streams were ended by the caller", n)
	}
	if n := w.counted("/twilio/stream", "accepted"); n != 1 {
		t.Errorf("%d streams were accepted", n)
	}
	w.flush()
	if got := value[string](w.edge, `SELECT summary FROM interactions WHERE sid = $1`, sid); got != "Has moved." {
		t.Errorf("the summary is %q", got)
	}
	if n := value[int](w.edge, `SELECT count(*) FROM transcripts`); n != 0 {
		t.Errorf("%d transcripts of sound", n)
	}
}

func TestStreamsAreRefused(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{agent: streamed, timing: func(timing *voice.Timing) { timing.Setup = 700 * time.Millisecond }})
	sid := callSID("refused")
	token := e.ringStream(sid, jane).Connect.Stream.Parameter.Value
	connected, start := sample(t, "ms_in_connected.json"), startOf(sid, token)
	raw := []byte(token)
	raw[30] ^= 1 // within what is sealed
	for name, test := range map[string]struct {
		frames []string
		reason string
	}{
		"nothing comes":         {nil, "no connected message"},
		"nothing after it":      {[]string{connected}, "no start message"},
		"start comes first":     {[]string{start}, "the first message must be connected"},
		"media before start":    {[]string{connected, sample(t, "ms_in_media.json")}, "the second message must be start"},
		"rubbish":               {[]string{"rubbish"}, "the first message must be connected"},
		"rubbish after it":      {[]string{connected, "{"}, "the second message must be start"},
		"no token":              {[]string{connected, sample(t, "ms_in_start.json")}, "token not valid"},
		"start without start":   {[]string{connected, `{"event":"start"}`}, "token not valid"},
		"another call's token":  {[]string{connected, startOf(callSID("another"), token)}, "token not valid"},
		"a token with a change": {[]string{connected, startOf(sid, string(raw))}, "token not valid"},
		"a token cut short":     {[]string{connected, startOf(sid, token[:24])}, "token not valid"},
		"an unknown account":    {[]string{connected, strings.ReplaceAll(start, accountSID, "AC000000000000000000000000000000ff")}, "account does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, err := e.dialStream(authToken)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range test.frames {
				s.send(f)
			}
			if code, reason := s.ending(); code != websocket.ClosePolicyViolation || reason != test.reason {
				t.Errorf("closed with %d %q, want %q", code, reason, test.reason)
			}
		})
	}
	if _, res, err := e.dialStream("another token"); err == nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("a forged handshake: %v", err)
	}
	// A relay's token opens no stream, and a stream's no relay.
	relay, _, err := e.dial(authToken)
	check(t, err)
	relay.send(setupOf(sid, jane, token))
	if code, reason := relay.ending(); code != websocket.ClosePolicyViolation || reason != "token not valid" {
		t.Errorf("a stream's token on the relay: closed with %d %q", code, reason)
	}
	if n := len(e.runtime.Sessions()); n != 0 {
		t.Fatalf("%d refused sockets reached the runtime", n)
	}
	first, _, err := e.dialStream(authToken)
	check(t, err)
	first.send(connected)
	first.send(start)
	must(e.runtime.AwaitSession(within(t), 1))(t)
	second, _, err := e.dialStream(authToken)
	check(t, err)
	second.send(connected)
	second.send(start)
	if code, reason := second.ending(); code != websocket.ClosePolicyViolation || reason != "token used" {
		t.Errorf("a token used twice: closed with %d %q", code, reason)
	}
}

// What a stream lacks of From and To is in its token: whoever takes the call over knows who is calling.
func TestAStreamOnAnotherSidecar(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{agent: streamed})
	sid := callSID("elsewhere")
	token := w.ringStream(sid, jane).Connect.Stream.Parameter.Value
	w.Calls.(*cache.Calls).Forget(t.Context(), w.org.ID, sid)
	w.openStream(sid, token)
	if !strings.Contains(string(w.setupRaw), `"caller_name":"Jane Doe"`) {
		t.Errorf("the runtime was told %s", w.setupRaw)
	}
	w.twilio.shut(1000, "")
}

// How a stream's runtime ends it says what comes next, though Twilio says nothing of it.
func TestWhatComesAfterAStream(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		press   string
		spoken  []string
		dialled int
		streams int
	}{
		"the agent ends it":    {"*", nil, 0, 1},
		"it hands over":        {"0", nil, 1, 1},
		"the caller hangs up":  {"", nil, 0, 1},
		"the agent uses tools": {"1", nil, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, parts{behaviour: simulate.Operator, agent: func(a *org.Agent) { streamed(a); a.FallbackNumber = otherNumber }})
			out := e.place(simulate.Call{From: jane, Talk: 600 * time.Millisecond, Digits: test.press})
			if diff := cmp.Diff([]string{greetedJane}, out.Spoken); diff != "" || len(out.Dialed) != test.dialled || len(out.Streams) != test.streams {
				t.Errorf("streams %+v, dialled %+v, spoken %s", out.Streams, out.Dialed, diff)
			}
			if end := out.Streams[0]; len(end.Unknown) > 0 || end.Heard == 0 || end.Sent < end.Heard {
				t.Errorf("on the stream: %+v", end)
			}
			e.settle()
			if got := e.row(out.CallSID); got.Status != "completed" || got.Contact != "Jane Doe" {
				t.Errorf("row = %+v", got)
			}
		})
	}
}

// A stream whose runtime is lost goes on in another, without a second greeting; one that cannot be had ends in the
// apology.
func TestStreamsWhoseRuntimeIsLost(t *testing.T) {
	t.Parallel()
	crashed := false
	e := newEdge(t, parts{agent: streamed, behaviour: func(s *simulate.AgentSession, m simulate.Message) {
		if m.Event == "media" && !crashed {
			crashed = true
			s.Crash()
		}
	}})
	out := e.place(simulate.Call{From: jane, Talk: 300 * time.Millisecond})
	if len(out.Streams) != 2 || out.Streams[0].CloseCode != websocket.CloseInternalServerErr || out.Streams[1].Status != simulate.SessionCompleted || !slices.Equal(out.Spoken, []string{greetedJane}) {
		t.Errorf("streams %+v, spoken %q", out.Streams, out.Spoken)
	}
	again := readStream(t, string(out.Answers("/twilio/voice/after")[0]))
	setup, _ := e.runtime.Sessions()[1].Setup()
	if again.Say != "" || setup.Caller.Name != "Jane Doe" || setup.CustomParameters["call_greeting"] != "" {
		t.Errorf("reconnected with %+v, told %s", again, setup.Raw)
	}

	away := newEdge(t, parts{agent: streamed, timing: func(timing *voice.Timing) { timing.Retry, timing.Dial = time.Millisecond, 300*time.Millisecond }})
	away.runtime.Refuse(503)
	lost := away.place(simulate.Call{From: jane, Talk: time.Second})
	if len(lost.Spoken) != 2 || !strings.HasPrefix(lost.Spoken[1], "Sorry") || len(lost.Streams) != 1 {
		t.Errorf("without a runtime: spoken %q, streams %+v", lost.Spoken, lost.Streams)
	}
	away.settle()
	if got := value[string](away, `SELECT reason FROM interactions WHERE sid = $1`, lost.CallSID); got != "runtime_unreachable" {
		t.Errorf("reason = %q", got)
	}
}

// A callback about a stream is kept with its call; an error is worth a line in the log.
func TestStreamStatus(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{agent: streamed})
	form := sampleForm(t, "stream_status_started.form")
	form.Set("AccountSid", accountSID)
	e.ringStream(form.Get("CallSid"), jane)
	for range 2 {
		if a := e.post("/twilio/voice/status", form); a.status != http.StatusNoContent {
			t.Fatalf("answered %d %s", a.status, a.body)
		}
	}
	if a := e.post("/twilio/voice/status", with(form, "StreamEvent", "stream-error", "StreamError", "31924 - protocol")); a.status != http.StatusNoContent {
		t.Errorf("an error is answered %d", a.status)
	}
	if a := e.post("/twilio/voice/status", with(form, "CallSid", "")); a.status != http.StatusBadRequest {
		t.Errorf("without a call: %d", a.status)
	}
	e.flush()
	if n := value[int](e, `SELECT count(*) FROM interaction_events WHERE sid = $1 AND event LIKE 'stream:%'`, form.Get("CallSid")); n != 2 {
		t.Errorf("%d events of the stream", n)
	}
	if got := e.row(form.Get("CallSid")); got.Status == "" || got.Contact != "Jane Doe" {
		t.Errorf("row = %+v", got)
	}
	e.log.await(t, "Twilio reports an error of a stream")
}

// Runtimes that misbehave: what is not for Ringside goes to Twilio as it came; what is too long ends the session.
func TestStreamBadInput(t *testing.T) {
	t.Parallel()
	w, _ := newStream(t, parts{})
	for _, f := range []string{"rubbish", `{"event":"media"`, `{"type":"ringside`, `[]`, `{"event":"unknown"}`, `{"media":{"payload":"AA=="},"event":"media","type":"ringside.note"}`} {
		w.runtime.send(f)
		if got := w.twilio.next(); got != f {
			t.Errorf("%s reaches Twilio as %s", f, got)
		}
	}
	for range 2 { // the same again
		w.runtime.send(`{"type":"ringside.capture_contact","id":"1","name":"Jane Roe"}`)
		if got := w.runtime.next(); !strings.Contains(got, `"id":"1"`) {
			t.Errorf("answered %s", got)
		}
	}
	large := []byte(`{"event":"media","media":{"payload":"` + strings.Repeat("A", 10<<20) + `"}}`)
	_ = w.runtime.WriteMessage(websocket.TextMessage, large) // it may be cut off before it is written
	if code, _ := w.twilio.ending(); code != websocket.CloseInternalServerErr {
		t.Errorf("after 10 MB Twilio's socket was closed with %d", code)
	}
}

// With the transport direct, Twilio opens the stream to the runtime itself; nothing personal is in the TwiML but the
// greeting, and the end of the stream is the end of the call.
func TestDirectStreams(t *testing.T) {
	t.Parallel()
	wire := newWireRuntime(t)
	address := strings.TrimSuffix(wire.url(), "?tenant=7")
	e := newEdge(t, parts{agent: func(a *org.Agent) {
		a.Transport, a.RuntimeURL, a.FallbackNumber = org.TransportDirect, address, otherNumber
	}})
	sid := callSID("direct")
	body := e.post("/twilio/voice", inbound(sid, jane)).body
	s := readStream(t, body)
	if s.Say != greetedJane || s.Connect.Stream.URL != address || s.Connect.Stream.Parameter.Name != "" || strings.Contains(body, "acme.io") {
		t.Errorf("answered %s", body)
	}
	if a := e.after("/twilio/voice/after", sid, jane); !strings.Contains(a.body, "<Hangup/>") {
		t.Errorf("after it: %s", a.body)
	}
	e.flush()
	if n := value[int](e, `SELECT count(*) FROM runtime_events WHERE type = 'call.started' AND payload::text LIKE '%' || $1 || '%Jane Doe%'`, sid); n != 1 {
		t.Errorf("%d events tell who is calling", n)
	}
}
