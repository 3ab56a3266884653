package simulate_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/simulate"
)

const hello = `<Response><Say>Hello</Say></Response>`

func typed(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil // keeps net/http from guessing
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		io.WriteString(w, body)
	}
}

// cut answers nothing and closes the connection.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// What Twilio cannot use is told to the fallback URL with Twilio's code.
func TestPlaceFallsBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		voice http.HandlerFunc
		code  int
	}{
		"status":            {status(500), simulate.CodeHTTPRetrieval},
		"no redirect":       {status(304), simulate.CodeHTTPRetrieval},
		"cut connection":    {cut, simulate.CodeConnection},
		"endless redirects": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/twilio/voice", 307) }, simulate.CodeTooManyRedirects},
		"no XML":            {twiml(`<Response><Say>Hello</Response>`), simulate.CodeBadTwiML},
		"empty":             {twiml(``), simulate.CodeBadTwiML},
		"other root":        {twiml(`<html/>`), simulate.CodeBadTwiML},
		"two roots":         {twiml(`<Response/><Response/>`), simulate.CodeBadTwiML},
		"text outside":      {twiml(`<Response/>hello`), simulate.CodeBadTwiML},
		"attribute twice":   {twiml(`<Response><Pause length="1" length="2"/></Response>`), simulate.CodeBadTwiML},
		"bad character":     {twiml("<Response><Say>\x01</Say></Response>"), simulate.CodeBadTwiML},
		"too large":         {twiml(`<Response><Say>` + strings.Repeat("x", 64<<10) + `</Say></Response>`), simulate.CodeTooLarge},
		"JSON":              {typed("application/json", `{}`), simulate.CodeContentType},
		"no content type":   {typed("", hello), simulate.CodeContentType},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t)
			s.on("/twilio/voice", test.voice)
			s.on("/twilio/voice/fallback", twiml(`<Response><Say>Please call again.</Say></Response>`))

			out := place(t, s.twilio())

			if !slices.Equal(out.Spoken, []string{"Please call again."}) || !slices.Equal(codes(out.Alerts), []int{test.code}) {
				t.Errorf("Spoken = %q, Alerts = %v, want code %d", out.Spoken, out.Alerts, test.code)
			}
			form := s.got("/twilio/voice/fallback")[0].Form
			if form.Get("ErrorCode") != fmt.Sprint(test.code) || !strings.HasSuffix(form.Get("ErrorUrl"), "/twilio/voice") ||
				form.Get("CallSid") != out.CallSID || form.Get("From") != caller {
				t.Errorf("fallback form = %v", form)
			}
		})
	}
}

func TestPlaceWithoutAnswer(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s.on("/twilio/voice/fallback", twiml(hello))
	twilio := s.twilio()
	twilio.HTTP = &http.Client{Timeout: 50 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}

	out := place(t, twilio)

	if !slices.Equal(out.Spoken, []string{"Hello"}) || !slices.Equal(codes(out.Alerts), []int{simulate.CodeConnection}) {
		t.Errorf("Spoken = %q, Alerts = %v", out.Spoken, out.Alerts)
	}
	if out.VoiceLatency != 0 || len(s.got("/twilio/voice")) != 1 {
		t.Errorf("VoiceLatency = %v, %d requests; a lost answer is not asked for again", out.VoiceLatency, len(s.got("/twilio/voice")))
	}
}

// Without a usable fallback the caller hears Twilio's own sentence, and Place returns the error.
func TestPlaceApplicationError(t *testing.T) {
	t.Parallel()
	for name, noFallback := range map[string]bool{"fallback fails": false, "no fallback": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t)
			s.on("/twilio/voice", status(500))
			s.on("/twilio/voice/fallback", status(503))
			twilio := s.twilio()
			twilio.NoFallback = noFallback

			out, err := twilio.Place(t.Context(), simulate.Call{From: caller, To: dialled, Script: []simulate.Step{simulate.Say("Hi")}})

			want := 503
			if noFallback {
				want = 500
			}
			failure, ok := errors.AsType[*simulate.Error](err)
			if !ok || failure.Code != simulate.CodeHTTPRetrieval || failure.Status != want {
				t.Fatalf("Place: %v, want status %d", err, want)
			}
			if len(out.Spoken) != 1 || !strings.Contains(out.Spoken[0], "application error") || out.StepsLeft != 1 || out.Status != "completed" {
				t.Errorf("outcome: Spoken %q, StepsLeft %d, Status %q", out.Spoken, out.StepsLeft, out.Status)
			}
			if got := s.got("/twilio/voice/status"); len(got) != 1 {
				t.Errorf("%d status callbacks, want 1", len(got))
			}
		})
	}
}

// The fallback URL is asked once a call, so that it cannot fail for ever.
func TestPlaceFallsBackOnce(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", status(500))
	s.on("/twilio/voice/fallback", twiml(`<Response><Redirect>/twilio/voice</Redirect></Response>`))
	out, err := s.twilio().Place(t.Context(), simulate.Call{From: caller, To: dialled})
	if _, ok := errors.AsType[*simulate.Error](err); !ok || !slices.Equal(codes(out.Alerts), []int{11200, 11200}) {
		t.Errorf("Place: %v, Alerts = %v", err, out.Alerts)
	}
}

func TestPlaceNobodyListens(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.Close()
	out, err := s.twilio().Place(t.Context(), simulate.Call{From: caller, To: dialled})
	failure, ok := errors.AsType[*simulate.Error](err)
	if !ok || failure.Code != simulate.CodeConnection || !strings.Contains(err.Error(), "could not connect") {
		t.Fatalf("Place: %v", err)
	}
	if want := []int{11205, 11205, 11205}; !slices.Equal(codes(out.Alerts), want) { // voice, fallback, status
		t.Errorf("Alerts = %v", out.Alerts)
	}
}

// Plain text is TwiML or read aloud; audio is played (Twilio: Interpreting TwiML).
func TestPlaceContentTypes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		spoken []string
		played string
	}{
		"application/xml": {typed("application/xml", hello), []string{"Hello"}, ""},
		"text/html":       {typed("text/html; charset=utf-8", hello), []string{"Hello"}, ""},
		"text TwiML":      {typed("text/plain", hello), []string{"Hello"}, ""},
		"text":            {typed("text/plain", "internal server error\n"), []string{"internal server error"}, ""},
		"audio":           {typed("audio/mpeg", "ID3"), nil, "/twilio/voice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t)
			s.on("/twilio/voice", test.answer)
			out := place(t, s.twilio())
			if diff := cmp.Diff(test.spoken, out.Spoken); diff != "" {
				t.Errorf("Spoken (-want +got):\n%s", diff)
			}
			if test.played != "" && (len(out.Played) != 1 || !strings.HasSuffix(out.Played[0], test.played)) {
				t.Errorf("Played = %q", out.Played)
			}
		})
	}
}

func TestPlaceFollowsRedirects(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/moved/voice?kept=1", 307) })
	s.on("/moved/voice", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "found", 303) })
	s.on("/moved/found", twiml(`<Response><Redirect method="GET">next</Redirect></Response>`))
	s.on("/moved/next", twiml(hello))

	out := place(t, s.twilio())

	if !slices.Equal(out.Spoken, []string{"Hello"}) {
		t.Errorf("Spoken = %q, Alerts = %v", out.Spoken, out.Alerts)
	}
	if got := s.got("/moved/voice")[0]; got.Method != http.MethodPost || got.Form.Get("CallSid") != out.CallSID {
		t.Errorf("after 307: %+v", got)
	}
	if got := s.got("/moved/found")[0]; got.Method != http.MethodGet {
		t.Errorf("after 303: %+v", got)
	}
	if got := s.got("/moved/next")[0]; got.Method != http.MethodGet {
		t.Errorf("<Redirect method=GET>: %+v", got)
	}
}

func TestPlaceRefusesURLs(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"http://[", "mailto:a@example.com", "wss://example.com/", "http:///x"} {
		s := newSidecar(t)
		s.on("/twilio/voice", twiml(`<Response><Redirect>`+target+`</Redirect></Response>`))
		_, err := s.twilio().Place(t.Context(), simulate.Call{From: caller, To: dialled})
		if failure, ok := errors.AsType[*simulate.Error](err); !ok || failure.Code != simulate.CodeInvalidURL {
			t.Errorf("<Redirect>%s: %v", target, err)
		}
	}
}

func TestPlaceGivesUpOnEndlessTwiML(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(`<Response><Redirect/></Response>`))
	_, err := s.twilio().Place(t.Context(), simulate.Call{From: caller, To: dialled})
	if err == nil || !strings.Contains(err.Error(), "50 TwiML documents") {
		t.Errorf("Place: %v", err)
	}
}

func TestConnectionOverrides(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		overrides string
		first     http.HandlerFunc
		tries     int
	}{
		"none repeats no 5xx":  {"", status(503), 1},
		"5xx":                  {"rc=2&rp=5xx", status(503), 3},
		"5xx twice at most":    {"rc=1&rp=4xx,5xx", status(503), 2},
		"4xx is not 5xx":       {"rc=2&rp=5xx", status(404), 1},
		"4xx":                  {"rc=1&rp=4xx", status(404), 2},
		"all":                  {"rc=1&rp=all", status(404), 2},
		"all but success":      {"rc=1&rp=all", twiml(hello), 1},
		"read":                 {"rc=1&rp=rt", cut, 2},
		"connect is not read":  {"rc=3&rp=ct", cut, 1},
		"other keys pass":      {"e=dublin&sni=y&ct=200&rc=1&rp=5xx", status(500), 2},
		"no retries, if asked": {"rc=0&rp=all", status(500), 1},
		"endless redirects":    {"rc=5&rp=all,4xx,5xx", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/twilio/voice", 307) }, 11},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t)
			s.on("/twilio/voice", test.first)
			twilio := s.twilio()
			twilio.NoFallback = true
			twilio.ConnectionOverrides = test.overrides
			if _, err := twilio.Place(t.Context(), simulate.Call{From: caller, To: dialled}); err != nil {
				if _, ok := errors.AsType[*simulate.Error](err); !ok {
					t.Fatalf("Place: %v", err)
				}
			}
			tokens := map[string]bool{}
			got := s.got("/twilio/voice")
			for _, r := range got {
				tokens[r.Header.Get(simulate.IdempotencyHeader)] = true
			}
			if len(got) != test.tries || len(tokens) != 1 || tokens[""] {
				t.Errorf("%d requests with tokens %v, want %d with one", len(got), tokens, test.tries)
			}
		})
	}
}

func TestConnectionOverridesRefused(t *testing.T) {
	t.Parallel()
	for _, fragment := range []string{"rc=6", "rc=x", "rt=99", "tt=15001"} {
		_, err := (&simulate.Twilio{BaseURL: "http://127.0.0.1:1"}).Post(t.Context(), "/twilio/voice#"+fragment, nil)
		if err == nil || !strings.Contains(err.Error(), "connection override "+fragment) {
			t.Errorf("%s: %v", fragment, err)
		}
	}
}

func TestPost(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(hello))
	form := simulate.VoiceForm(simulate.Call{SID: "CA1", From: caller, To: dialled})
	for name, test := range map[string]struct {
		target string
		mods   []simulate.Mod
		status int
	}{
		"path":       {"/twilio/voice", nil, 200},
		"URL":        {s.URL + "/twilio/voice?a=b#rc=1", nil, 200},
		"user info":  {strings.Replace(s.URL, "http://", "http://user:secret@", 1) + "/twilio/voice", nil, 200},
		"forged":     {"/twilio/voice", []simulate.Mod{simulate.WithHeader(simulate.SignatureHeader, "AAAA")}, 403},
		"unsigned":   {"/twilio/voice", []simulate.Mod{simulate.WithoutHeader(simulate.SignatureHeader)}, 403},
		"not found":  {"/nowhere", nil, 404},
		"other body": {"/twilio/voice", []simulate.Mod{func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("")); r.ContentLength = 0 }}, 403},
	} {
		r, err := s.twilio().Post(t.Context(), test.target, form, test.mods...)
		if err != nil || r.Status != test.status {
			t.Errorf("%s: Post = %+v, %v; want status %d", name, r, err, test.status)
			continue
		}
		if r.Status == 200 && (!bytes.Equal(r.Body, []byte(hello)) || r.Latency <= 0 || r.Tries != 1) {
			t.Errorf("%s: Post = %+v", name, r)
		}
	}
	for _, target := range []string{"", "twilio/voice", "http://%zz"} {
		if r, err := s.twilio().Post(t.Context(), target, form); err == nil {
			t.Errorf("Post(%q) = %+v, want an error", target, r)
		}
	}
}
