package simulate_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/simulate"
)

func TestVoiceFormIsTwilios(t *testing.T) {
	t.Parallel()
	known := simulate.Call{
		SID: "CA00000000000000000000000000000001", AccountSID: account, From: caller, To: dialled,
		FromCity: "SAN FRANCISCO", FromState: "CA", FromZip: "94103", FromCountry: "US", ToState: "NY", ToCountry: "US",
		StirVerstat: "TN-Validation-Passed-A",
		Extra:       url.Values{"CallToken": {sampleForm(t, "voice_inbound_known.form").Get("CallToken")}},
	}
	diverted := known
	diverted.SID = "CA00000000000000000000000000000008"
	diverted.StirVerstat, diverted.ForwardedFrom, diverted.CallerName = "TN-Validation-Passed-B-Diverted", "+12125550144", "DOE JANE"
	diverted.Extra = nil
	withheld := simulate.Call{
		SID: "CA00000000000000000000000000000003", AccountSID: account, From: "anonymous", To: dialled,
		ToState: "NY", ToCountry: "US", StirVerstat: "No-TN-Validation", Extra: known.Extra,
	}
	for name, call := range map[string]simulate.Call{
		"voice_inbound_known.form": known, "voice_inbound_diverted.form": diverted, "voice_inbound_anonymous_word.form": withheld,
	} {
		if diff := cmp.Diff(sampleForm(t, name), simulate.VoiceForm(call)); diff != "" {
			t.Errorf("%s (-Twilio +simulated):\n%s", name, diff)
		}
	}
}

func TestPlaceWholeCall(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(s.connect(`welcomeGreeting="Hello Jane"`, `<Parameter name="ctx" value="k3v9"/>`)))
	s.onSocket(echo)

	out := place(t, s.twilio(), simulate.Say("Hi there."), simulate.Say("And more."))

	if want := []string{"Hello Jane", "You said: Hi there.", "You said: And more."}; !slices.Equal(out.Heard, want) {
		t.Errorf("Heard = %q, want %q", out.Heard, want)
	}
	if out.Greeting != "Hello Jane" || out.Status != "completed" || !out.Answered || out.VoiceLatency <= 0 || len(out.Alerts) != 0 {
		t.Errorf("outcome = %+v", out)
	}
	if len(out.Turns) != 2 || !out.Turns[0].Answered || out.Turns[0].Reply != "You said: Hi there." || out.Turns[0].Took <= 0 {
		t.Errorf("Turns = %+v", out.Turns)
	}
	if !strings.HasPrefix(out.CallSID, "CA") || len(out.CallSID) != 34 || len(out.SessionIDs) != 1 {
		t.Errorf("CallSID = %q, SessionIDs = %q", out.CallSID, out.SessionIDs)
	}
	want := []string{"/twilio/voice", "/twilio/relay", "/twilio/voice/after", "/twilio/voice/status"}
	if diff := cmp.Diff(want, s.paths()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if got := string(out.Answers("/twilio/voice")[0]); got != s.connect(`welcomeGreeting="Hello Jane"`, `<Parameter name="ctx" value="k3v9"/>`) {
		t.Errorf("the voice webhook's TwiML = %s", got)
	}
	if got := out.Statuses("/twilio/voice/status"); !slices.Equal(got, []int{204}) {
		t.Errorf("statuses of the status callback = %v", got)
	}
	after := s.got("/twilio/voice/after")[0].Form
	if after.Get("SessionStatus") != "completed" || after.Get("CallStatus") != "completed" || after.Get("SessionId") != out.SessionIDs[0] {
		t.Errorf("after = %v", after)
	}
}

// The parameters of the later webhooks are those of Twilio's samples.
func TestPlaceFormsAreTwilios(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(s.connect("", "")))
	s.onSocket(hold)
	call := simulate.Call{SID: "CA00000000000000000000000000000001", From: caller, To: dialled,
		FromCity: "SAN FRANCISCO", FromState: "CA", FromZip: "94103", FromCountry: "US", ToState: "NY", ToCountry: "US"}
	began := time.Now()
	if _, err := s.twilio().Place(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	status := s.got("/twilio/voice/status")[0].Form
	at, err := time.Parse(time.RFC1123Z, status.Get("Timestamp"))
	if err != nil || at.Before(began.Truncate(time.Second)) || !strings.HasSuffix(status.Get("Timestamp"), "+0000") {
		t.Errorf("Timestamp = %q: %v", status.Get("Timestamp"), err)
	}
	want := sampleForm(t, "status_inbound_completed.form")
	for _, variable := range []string{"Timestamp", "CallDuration", "Duration"} {
		want.Set(variable, status.Get(variable))
	}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Errorf("status callback (-Twilio +simulated):\n%s", diff)
	}
	after := s.got("/twilio/voice/after")[0].Form
	want = sampleForm(t, "cr_action_completed.form")
	want.Set("SessionId", after.Get("SessionId"))
	want.Set("SessionDuration", after.Get("SessionDuration"))
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("after (-Twilio +simulated):\n%s", diff)
	}
}

func TestPlaceReconnects(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(s.connect(`welcomeGreeting="Hello"`, "")))
	s.on("/twilio/voice/after", twiml(s.connect(`welcomeGreeting="Sorry, go on"`, "")))
	s.onSocket(echo)

	out := place(t, s.twilio(), simulate.Say("One"), simulate.DropSocket(), simulate.Say("Two"))

	if want := []string{"Hello", "You said: One", "Sorry, go on", "You said: Two"}; !slices.Equal(out.Heard, want) {
		t.Errorf("Heard = %q, want %q", out.Heard, want)
	}
	if len(out.SessionIDs) != 2 || out.SessionIDs[0] == out.SessionIDs[1] || out.StepsLeft != 0 || out.Greeting != "Hello" {
		t.Errorf("SessionIDs = %q, StepsLeft = %d", out.SessionIDs, out.StepsLeft)
	}
	after := s.got("/twilio/voice/after")
	want := sampleForm(t, "cr_action_failed.form")
	for _, variable := range []string{"SessionId", "SessionDuration", "CallSid"} {
		want.Set(variable, after[0].Form.Get(variable))
	}
	if diff := cmp.Diff(want, after[0].Form); diff != "" {
		t.Errorf("after (-Twilio +simulated):\n%s", diff)
	}
	if after[0].Form.Get("CallSid") != after[1].Form.Get("CallSid") || after[1].Form.Get("SessionStatus") != "completed" {
		t.Errorf("after = %v", after)
	}
	if !slices.Equal(codes(out.Alerts), []int{simulate.CodeRelayNetwork}) {
		t.Errorf("Alerts = %v", out.Alerts)
	}
}

func TestPlaceStatusEvents(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(`<Response><Say>Hi</Say></Response>`))
	_, err := s.twilio().Place(t.Context(), simulate.Call{From: caller, To: dialled,
		StatusEvents: []string{"completed", "initiated", "answered", "ringing"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range s.got("/twilio/voice/status") {
		got = append(got, r.Form.Get("SequenceNumber")+" "+r.Form.Get("CallStatus")+" "+r.Form.Get("CallDuration"))
	}
	want := []string{"0 initiated ", "1 ringing ", "2 in-progress ", "3 completed 0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("callbacks (-want +got):\n%s", diff)
	}
}

func TestPlaceKeepsCookies(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "node", Value: "7", Path: "/"})
		twiml(s.connect("", ""))(w, r)
	})
	s.onSocket(hold)
	place(t, s.twilio())
	for _, path := range []string{"/twilio/relay", "/twilio/voice/after", "/twilio/voice/status"} {
		if got := s.got(path)[0].Header.Get("Cookie"); got != "node=7" {
			t.Errorf("cookie sent to %s = %q", path, got)
		}
	}
}

func TestPlaceBehindPublicURL(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.public = "https://sidecar.example.com"
	s.on("/twilio/voice", twiml(`<Response><Connect action="https://sidecar.example.com/twilio/voice/after">
		<ConversationRelay url="wss://sidecar.example.com/twilio/relay"/></Connect></Response>`))
	s.onSocket(echo)
	twilio := s.twilio()
	twilio.PublicURL = "https://sidecar.example.com:443/" // a port of https is not signed

	out := place(t, twilio, simulate.Say("Hi"))

	if len(out.Replies) != 1 || len(out.Alerts) != 0 {
		t.Errorf("Replies = %v, Alerts = %v, requests = %v", out.Replies, out.Alerts, s.paths())
	}
	for _, r := range []string{"/twilio/voice", "/twilio/relay"} {
		if got := s.got(r)[0].Host; !strings.HasPrefix(got, "sidecar.example.com") {
			t.Errorf("Host of %s = %q", r, got)
		}
	}
}

func TestPlaceRefusesBadSettings(t *testing.T) {
	t.Parallel()
	good := simulate.Twilio{BaseURL: "http://127.0.0.1:1", AuthToken: token}
	call := simulate.Call{From: caller, To: dialled}
	for name, change := range map[string]func(*simulate.Twilio, *simulate.Call){
		"no BaseURL":       func(t *simulate.Twilio, _ *simulate.Call) { t.BaseURL = "" },
		"BaseURL no URL":   func(t *simulate.Twilio, _ *simulate.Call) { t.BaseURL = "http://a b" },
		"PublicURL no URL": func(t *simulate.Twilio, _ *simulate.Call) { t.PublicURL = "http://a b" },
		"no To":            func(_ *simulate.Twilio, c *simulate.Call) { c.To = "" },
		"status event":     func(_ *simulate.Twilio, c *simulate.Call) { c.StatusEvents = []string{"busy"} },
		"dial status":      func(_ *simulate.Twilio, c *simulate.Call) { c.DialStatus = "fine" },
	} {
		twilio, call := good, call
		change(&twilio, &call)
		out, err := twilio.Place(t.Context(), call)
		if out != nil || err == nil || !strings.HasPrefix(err.Error(), "simulate: ") {
			t.Errorf("%s: Place = %v, %v", name, out, err)
		}
	}
}

func TestPlaceEndsWithContext(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(s.connect("", "")))
	closed := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	s.onSocket(func(x *wire) {
		x.read() // the prompt, which is never answered
		cancel()
		_, _, err := x.ReadMessage()
		closed <- err
	})
	out, err := s.twilio().Place(ctx, simulate.Call{From: caller, To: dialled, Script: []simulate.Step{simulate.Say("Hi")}})
	if !errors.Is(err, context.Canceled) || out == nil || len(out.SessionIDs) != 1 {
		t.Fatalf("Place = %+v, %v", out, err)
	}
	if err := <-closed; err == nil {
		t.Error("the WebSocket is still open")
	}
	if got := s.paths(); slices.Contains(got, "/twilio/voice/status") {
		t.Errorf("requests after the end = %v", got)
	}
}
