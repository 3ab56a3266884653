package simulate_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/simulate"
)

func TestVerbs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		document string
		heard    []string
		status   string
		answered bool
		alerts   []int
	}{
		"say":             {`<Say>One</Say><Say language="en-US">Two</Say>`, []string{"One", "Two"}, "completed", true, nil},
		"SSML":            {`<Say>One <emphasis>two</emphasis></Say>`, []string{"One two"}, "completed", true, nil},
		"empty":           {``, nil, "completed", true, nil},
		"hang-up first":   {`<Hangup/><Say>never</Say>`, nil, "completed", true, nil},
		"reject":          {`<Reject/>`, nil, "no-answer", false, nil},
		"reject busy":     {`<Reject reason="busy"/><Say>never</Say>`, nil, "busy", false, nil},
		"reject too late": {`<Say>One</Say><Reject reason="busy"/>`, []string{"One"}, "completed", true, nil},
		"unknown":         {`<say>One</say><Say>Two</Say>`, []string{"Two"}, "completed", true, []int{12200}},
		"not simulated":   {`<Gather/><Say>Two</Say>`, []string{"Two"}, "completed", true, nil},
		"other connect":   {`<Connect><VirtualAgent/></Connect><Say>Two</Say>`, []string{"Two"}, "completed", true, nil},
		"comment":         {`<!-- x --><Say>Two</Say>`, []string{"Two"}, "completed", true, nil},
		"bad pause":       {`<Pause length="long"/><Say>Two</Say>`, []string{"Two"}, "completed", true, []int{12200}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t)
			s.on("/twilio/voice", twiml(`<Response>`+test.document+`</Response>`))
			out := place(t, s.twilio())
			if diff := cmp.Diff(test.heard, out.Heard); diff != "" {
				t.Errorf("Heard (-want +got):\n%s", diff)
			}
			if out.Status != test.status || out.Answered != test.answered || !slices.Equal(codes(out.Alerts), test.alerts) {
				t.Errorf("Status %q, Answered %v, Alerts %v", out.Status, out.Answered, out.Alerts)
			}
			if got := s.got("/twilio/voice/status")[0].Form.Get("CallStatus"); got != test.status {
				t.Errorf("status callback = %q", got)
			}
		})
	}
}

func TestPauseSleeps(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(`<Response><Pause/><Pause length="7"/><Play digits="1w2"/><Play>/a.mp3</Play></Response>`))
	twilio := s.twilio()
	var slept []time.Duration
	twilio.Sleep = func(_ context.Context, d time.Duration) error { slept = append(slept, d); return nil }
	out := place(t, twilio)
	if want := []time.Duration{time.Second, 7 * time.Second}; !slices.Equal(slept, want) {
		t.Errorf("slept %v, want %v", slept, want)
	}
	if want := []string{"1w2", "/a.mp3"}; !slices.Equal(out.Played, want) {
		t.Errorf("Played = %q", out.Played)
	}
}

// A Pause takes real time unless told otherwise, and no longer than the context.
func TestPauseEndsWithContext(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(`<Response><Pause length="60"/></Response>`))
	twilio := s.twilio()
	twilio.Sleep = nil
	ctx, cancel := context.WithCancel(t.Context())
	twilio.Observe = func(e simulate.Event) {
		if e.Kind == simulate.KindPause {
			cancel()
		}
	}
	if _, err := twilio.Place(ctx, simulate.Call{From: caller, To: dialled}); err != context.Canceled {
		t.Errorf("Place: %v", err)
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	for _, ended := range []string{"completed", "no-answer"} {
		t.Run(ended, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t)
			s.on("/twilio/voice", twiml(`<Response><Dial callerId="+12125550100" timeout="20">+12125550144</Dial>
				<Dial action="done?x=1"><Number>+12125550145</Number><Client>ann</Client></Dial><Say>never</Say></Response>`))
			s.on("/twilio/done", twiml(`<Response><Say>Back</Say></Response>`))
			out, err := s.twilio().Place(t.Context(), simulate.Call{SID: "CA00000000000000000000000000000001", From: caller, To: dialled,
				FromCity: "SAN FRANCISCO", FromState: "CA", FromZip: "94103", FromCountry: "US", ToState: "NY", ToCountry: "US", DialStatus: ended})
			if err != nil {
				t.Fatal(err)
			}
			want := []simulate.Dial{
				{Targets: []string{"+12125550144"}, CallerID: "+12125550100", Status: ended,
					Attr: map[string]string{"callerId": "+12125550100", "timeout": "20"}},
				{Targets: []string{"+12125550145", "ann"}, Attr: map[string]string{"action": "done?x=1"}, Status: ended},
			}
			if diff := cmp.Diff(want, out.Dialed); diff != "" {
				t.Errorf("Dialed (-want +got):\n%s", diff)
			}
			if !slices.Equal(out.Heard, []string{"Back"}) {
				t.Errorf("Heard = %q", out.Heard)
			}
			form := s.got("/twilio/done")[0].Form
			if ended != "no-answer" {
				return
			}
			sampled := sampleForm(t, "dial_action.form")
			sampled.Set("DialCallSid", form.Get("DialCallSid"))
			if diff := cmp.Diff(sampled, form); diff != "" {
				t.Errorf("action (-Twilio +simulated):\n%s", diff)
			}
		})
	}
}

func TestRelayNoun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		attributes, children string
		refused              bool
		alerts               []int
	}{
		"plain":             {``, ``, false, nil},
		"every kind":        {`language="de-DE" ttsProvider="Google" interruptible="speech" dtmfDetection="false" speechTimeout="600" eotThreshold="0.7" hints="a, b"`, `<Language code="de-DE"/><Parameter name="a" value=""/>`, false, nil},
		"speech timeout":    {`speechTimeout="599"`, ``, true, []int{64101}},
		"end of turn":       {`eotThreshold="1"`, ``, true, []int{64101}},
		"provider":          {`ttsProvider="google"`, ``, true, []int{64101}},
		"boolean":           {`dtmfDetection="yes"`, ``, true, []int{64101}},
		"unknown attribute": {`speechtimeout="auto"`, ``, false, []int{12200}},
		"unknown child":     {``, `<Param name="a" value="b"/>`, false, []int{12200}},
		"long parameter":    {``, `<Parameter name="a" value="` + strings.Repeat("x", 499) + `"/>`, true, []int{64101}},
		"longest parameter": {``, `<Parameter name="a" value="` + strings.Repeat("x", 498) + `"/>`, false, nil},
		"nameless":          {``, `<Parameter value="b"/>`, true, []int{64101}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t)
			s.on("/twilio/voice", twiml(s.connect(test.attributes, test.children)))
			s.onSocket(hold)
			out := place(t, s.twilio())
			if !slices.Equal(codes(out.Alerts), test.alerts) {
				t.Errorf("Alerts = %v, want %v", out.Alerts, test.alerts)
			}
			after, sockets := s.got("/twilio/voice/after")[0].Form, len(s.got("/twilio/relay"))
			if test.refused && (sockets != 0 || after.Get("SessionStatus") != "failed" || after.Get("ErrorCode") != "64101") {
				t.Errorf("%d sockets, after = %v", sockets, after)
			}
			if !test.refused && (sockets != 1 || after.Get("SessionStatus") != "completed") {
				t.Errorf("%d sockets, after = %v", sockets, after)
			}
		})
	}
}

// Twilio takes wss:// only; ws:// is for a sidecar whose public URL is plain http too.
func TestRelayNounNeedsTLS(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.public = "https://sidecar.example.com"
	s.on("/twilio/voice", twiml(`<Response><Connect><ConversationRelay url="ws://sidecar.example.com/twilio/relay"/></Connect><Say>Next</Say></Response>`))
	out := place(t, s.twilio())
	if !slices.Equal(codes(out.Alerts), []int{64101}) || !slices.Equal(out.Spoken, []string{"Next"}) {
		t.Errorf("Alerts = %v, Spoken = %q", out.Alerts, out.Spoken)
	}
}

func FuzzParseTwiML(f *testing.F) {
	f.Add([]byte(hello))
	f.Add([]byte(`<?xml version="1.0"?><Response><Connect action="/a"><ConversationRelay url="wss://x"/></Connect></Response>`))
	f.Add([]byte(`<Response xmlns="urn:x"/>`))
	f.Add([]byte("<Response>\xff</Response>"))
	f.Fuzz(func(t *testing.T, document []byte) {
		root, err := simulate.ParseTwiML(document)
		if (err == nil) != (root.Name == "Response") {
			t.Errorf("ParseTwiML(%q) = %q, %v", document, root.Name, err)
		}
	})
}
