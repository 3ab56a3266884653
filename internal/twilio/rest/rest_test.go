package rest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"ringside/internal/problem"
	"ringside/internal/twilio/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var account = rest.Account{SID: "AC00000000000000000000000000000001", AuthToken: "tok-en_with/odd.characters"}

// twilio answers requests as a test says, and returns a client of it.
func twilio(t *testing.T, answer http.HandlerFunc) *rest.Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	c, err := rest.NewClient(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func sample(t *testing.T, name string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

var call = rest.Call{From: "+12125550199", To: "+14155550123", URL: "https://x.example/voice?outgoing=1", FallbackURL: "https://x.example/fallback", StatusURL: "https://x.example/status"}

func TestPlaceCall(t *testing.T) {
	t.Parallel()
	var form url.Values
	c := twilio(t, func(w http.ResponseWriter, r *http.Request) {
		sid, token, _ := r.BasicAuth()
		if sid != account.SID || token != account.AuthToken || r.Method != http.MethodPost || r.URL.Path != "/2010-04-01/Accounts/"+account.SID+"/Calls.json" {
			t.Errorf("%s %s by %s", r.Method, r.URL, sid)
		}
		_ = r.ParseForm()
		form = r.PostForm
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(sample(t, "rest_call_created.json"))
	})
	sid, err := c.PlaceCall(t.Context(), account, call)
	if err != nil || !strings.HasPrefix(sid, "CA") {
		t.Fatalf("%q, %v", sid, err)
	}
	want := url.Values{"From": {"+12125550199"}, "To": {"+14155550123"}, "Url": {call.URL}, "FallbackUrl": {call.FallbackURL}, "StatusCallback": {call.StatusURL},
		"StatusCallbackEvent": {"initiated", "ringing", "answered", "completed"}}
	if diff := cmp.Diff(want, form); diff != "" {
		t.Errorf("the form (-want +got):\n%s", diff)
	}
}

func TestSendMessage(t *testing.T) {
	t.Parallel()
	c := twilio(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.PostForm.Get("Body") != "Bis später 🙂 & +1" || r.PostForm.Get("StatusCallback") == "" {
			t.Errorf("the form is %v", r.PostForm)
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"sid": "SM1", "status": "queued", "num_segments": "1", "error_code": null}`)
	})
	sid, err := c.SendMessage(t.Context(), account, rest.Message{From: "+12125550199", To: "+14155550123", Text: "Bis später 🙂 & +1", StatusURL: "https://x.example/"})
	if err != nil || sid != "SM1" {
		t.Errorf("%q, %v", sid, err)
	}
}

// What Twilio refuses is a problem, and certain: it has not acted.
func TestRefusals(t *testing.T) {
	t.Parallel()
	refused := func(status, code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"code": %d, "message": "Because of %d", "more_info": "…", "status": %d}`, code, code, status)
		}
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		code   problem.Code
		field  string
		says   string
		again  bool
	}{
		"a sample": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = w.Write(sample(t, "rest_error_21211.json"))
		}, problem.CodeInvalid, "to", "21211", false},
		"from":          {refused(400, 21212), problem.CodeInvalid, "from", "21212", false},
		"country":       {refused(403, 21216), problem.CodeForbidden, "to", "21216", false},
		"opted out":     {refused(400, 21610), problem.CodeOptedOut, "to", "START", false},
		"credentials":   {refused(401, 20003), problem.CodeTwilioRefused, "", "auth token", false},
		"unknown":       {refused(400, 12345), problem.CodeTwilioRefused, "", "Because of 12345", false},
		"too many":      {refused(429, 20429), problem.CodeUnavailable, "", "no more requests", true},
		"calls at once": {refused(400, 10004), problem.CodeUnavailable, "", "at once", true},
		"another server": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			fmt.Fprint(w, "<html>no such page</html>")
		}, problem.CodeUnavailable, "", "is not Twilio's API", false},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		}, problem.CodeUnavailable, "", "redirect", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := twilio(t, test.answer).PlaceCall(t.Context(), account, call)
			p, ok := problem.From(err)
			if !ok || errors.Is(err, rest.ErrUnclear) || p.Code != test.code || p.Field != test.field || !strings.Contains(p.Detail, test.says) || test.again != (p.RetryAfter > 0) {
				t.Errorf("%+v (%v)", p, err)
			}
		})
	}
}

// Where Twilio may have acted, nothing else is said.
func TestUnclearAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"the connection is lost": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			_ = conn.Close()
		},
		"the answer is cut short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(201)
			fmt.Fprint(w, `{"sid": "CA`)
		},
		"a server's failure":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"a gateway's failure": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503); fmt.Fprint(w, "<html>") },
		"no JSON":             func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); fmt.Fprint(w, "created!") },
		"no Sid":              func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); fmt.Fprint(w, "{}") },
		"10 MB": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(201)
			_, _ = w.Write([]byte(strings.Repeat(" ", 10<<20)))
		},
		"silence": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then it is noticed that nobody listens any more
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if name == "silence" {
				ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
			}
			_, err := twilio(t, answer).PlaceCall(ctx, account, call)
			if !errors.Is(err, rest.ErrUnclear) || strings.Contains(err.Error(), "4155550123") || strings.Contains(err.Error(), account.AuthToken) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestATwilioThatIsNotReachedHasNotActed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	c, err := rest.NewClient("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.PlaceCall(t.Context(), account, call)
	if p, ok := problem.From(err); !ok || p.Code != problem.CodeUnavailable || errors.Is(err, rest.ErrUnclear) {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "api.twilio.com", "ftp://api.twilio.com", "https://"} {
		if _, err := rest.NewClient(bad); err == nil {
			t.Errorf("%q is taken for an address", bad)
		}
	}
}

func TestWhatTwilioHas(t *testing.T) {
	t.Parallel()
	now := time.Now()
	at := func(d time.Duration) string { return now.Add(d).UTC().Format(time.RFC1123Z) }
	c := twilio(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Query().Get("To") != "+14155550123" || r.URL.Query().Get("From") != "+12125550199" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		if strings.HasSuffix(r.URL.Path, "/Calls.json") {
			fmt.Fprintf(w, `{"calls": [{"sid": "CA3", "date_created": %q}, {"sid": "CA2", "date_created": %q}, {"sid": "CA1", "date_created": %q}], "next_page_uri": "/more"}`, at(2*time.Second), at(0), at(-time.Hour))
			return
		}
		fmt.Fprintf(w, `{"messages": [{"sid": "SM2", "body": "Hello", "date_created": %q}, {"sid": "SM1", "body": "Old", "date_created": %q}]}`, at(0), at(-time.Hour))
	})
	calls, err := c.Calls(t.Context(), account, call.From, call.To, now)
	if err != nil || len(calls) != 2 || calls[0].SID != "CA2" || calls[1].SID != "CA3" {
		t.Errorf("%+v, %v", calls, err)
	}
	messages, err := c.Messages(t.Context(), account, call.From, call.To, now)
	if err != nil || len(messages) != 1 || messages[0].SID != "SM2" || messages[0].Text != "Hello" {
		t.Errorf("%+v, %v", messages, err)
	}
}
