package voice_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringside/internal/simulate"
	"ringside/internal/twilio"
)

// The bad input that the issue names, each with its definite answer.
func TestBadInput(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	form := inbound(callSID("bad"), jane)
	body := form.Encode()
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, test := range map[string]struct {
		method, body string
		change       func(*http.Request)
		status       int
		counted      string
	}{
		"GET":                  {"GET", "", nil, 405, "method"},
		"HEAD":                 {"HEAD", "", nil, 405, "method"},
		"PUT":                  {"PUT", body, nil, 405, "method"},
		"an invented method":   {"TWILIO", body, nil, 405, "method"},
		"JSON":                 {"POST", `{"CallSid":"CA1"}`, header("Content-Type", "application/json"), 415, "media_type"},
		"multipart":            {"POST", body, header("Content-Type", "multipart/form-data; boundary=x"), 415, "media_type"},
		"no content type":      {"POST", body, header("Content-Type", ""), 415, "media_type"},
		"too large":            {"POST", body + "&x=" + strings.Repeat("x", twilio.MaxForm), nil, 413, "too_large"},
		"too many parameters":  {"POST", body + strings.Repeat("&x=1", twilio.MaxPairs), nil, 400, "unreadable"},
		"broken escape":        {"POST", body + "&x=%zz", nil, 400, "unreadable"},
		"cut short":            {"POST", body + "&x=%4", nil, 400, "unreadable"},
		"raw semicolon":        {"POST", body + "&x=1;y=2", nil, 400, "unreadable"},
		"an error while read":  {"POST", body, func(r *http.Request) { r.Body = io.NopCloser(failing{}) }, 400, "unreadable"},
		"empty":                {"POST", "", nil, 403, "unknown_account"},
		"a body that is a URL": {"POST", "https://example.com/?a=b", nil, 403, "unknown_account"},
	} {
		for _, path := range webhookPaths {
			before := e.counted(path, test.counted)
			r := httptest.NewRequest(test.method, path, strings.NewReader(test.body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			params, _ := url.ParseQuery(test.body) // what Twilio would sign, as far as that is a form
			r.Header.Set(twilio.SignatureHeader, twilio.Sign(authToken, publicURL+path, params))
			if test.change == nil {
				test.change = func(*http.Request) {}
			}
			a := e.send(r, test.change)
			if a.status != test.status {
				t.Errorf("%s: %s answered %d %s, want %d", name, path, a.status, a.body, test.status)
			}
			if got := e.counted(path, test.counted) - before; got != 1 {
				t.Errorf("%s: %s was counted %d times as %s", name, path, got, test.counted)
			}
			if a.status == 405 && a.header.Get("Allow") != "POST" {
				t.Errorf("%s: Allow = %q", name, a.header.Get("Allow"))
			}
		}
	}
	e.settle()
	if n := e.rows(); n != 0 {
		t.Errorf("bad input left %d rows", n)
	}
}

// failing is a body whose sender went away.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// What Twilio may send some day, or an odd carrier does today, is answered like any call.
func TestOddInputIsAnswered(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	base := inbound(callSID("odd"), jane)
	for name, body := range map[string]string{
		"unknown parameters":       with(base, "NewParameter", "1", "Another[0][x]", "ü").Encode(),
		"all others empty":         "AccountSid=" + accountSID + "&CallSid=" + callSID("odd1") + "&From=%2B14155550123&To=%2B12125550199&Direction=&CallStatus=&StirVerstat=",
		"no others":                "AccountSid=" + accountSID + "&CallSid=" + callSID("odd2") + "&From=%2B14155550123&To=%2B12125550199",
		"no From":                  "AccountSid=" + accountSID + "&CallSid=" + callSID("odd3") + "&To=%2B12125550199",
		"repeated From":            with(base, "CallSid", callSID("odd4")).Encode() + "&From=%2B15005550006&To=%2B15005550006",
		"repeated and equal":       with(base, "CallSid", callSID("odd5")).Encode() + "&From=%2B14155550123",
		"empty names and pairs":    with(base, "CallSid", callSID("odd6")).Encode() + "&&=&=x&x&",
		"invalid UTF-8":            with(base, "CallSid", callSID("odd7"), "CallerName", "\xff\xfe", "FromCity", "S\xe3o").Encode(),
		"NUL":                      with(base, "CallSid", callSID("odd8"), "CallStatus", "rin\x00ging", "StirVerstat", "\x00", "From", "sip:a\x00b@c").Encode(),
		"line breaks":              with(base, "CallSid", callSID("odd9"), "CallerName", "a\r\nb", "From", "client:a\nb").Encode(),
		"enormous address":         with(base, "CallSid", callSID("odda"), "From", "sip:"+strings.Repeat("ü", 20_000)+"@example.com").Encode(),
		"enormous state":           with(base, "CallSid", callSID("oddb"), "CallStatus", strings.Repeat("x", 50_000)).Encode(),
		"CallSid of another shape": with(base, "CallSid", "v3:Æ not-a-sid").Encode(),
		"control characters in it": with(base, "CallSid", "CA\x00\x01").Encode(),
	} {
		params := must(url.ParseQuery(body))(t)
		a := e.send(signed("/twilio/voice", body, params))
		if a.status != 200 {
			t.Errorf("%s: answered %d", name, a.status)
			continue
		}
		readConnect(t, a.body)
		for _, path := range []string{"/twilio/voice/status", "/twilio/voice/after"} {
			if a := e.send(signed(path, body, params)); a.status != 204 && a.status != 200 {
				t.Errorf("%s: %s answered %d", name, path, a.status)
			}
		}
	}
	e.settle()
	if n := e.rows(); n != 14 {
		t.Errorf("%d rows of 14 calls", n)
	}
	if n := e.recorder.Stats().Dropped; n != 0 {
		t.Errorf("Postgres refused %d events:\n%s", n, e.log)
	}
	if got := value[string](e, `SELECT from_address FROM interactions WHERE sid = $1`, callSID("odd8")); got != "sip:ab@c" {
		t.Errorf("an address with a NUL is kept as %q", got)
	}
	// Of a repeated parameter the first counts: it is the one that is certain to be signed.
	if got := e.row(callSID("odd4")); got.From != jane || got.Contact != "Jane Doe" {
		t.Errorf("a repeated From was read as %+v", got)
	}
}

// The content type is Twilio's in any spelling.
func TestContentTypeSpellings(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	for _, contentType := range []string{"application/x-www-form-urlencoded", "Application/X-WWW-Form-URLencoded", "application/x-www-form-urlencoded; charset=UTF-8",
		"application/x-www-form-urlencoded;charset=utf-8", " application/x-www-form-urlencoded ; charset"} {
		a := e.post("/twilio/voice", inbound(callSID("ct"), jane), func(r *http.Request) { r.Header.Set("Content-Type", contentType) })
		if a.status != 200 {
			t.Errorf("%q: answered %d", contentType, a.status)
		}
	}
}

// Over a real connection too: an oversized body does not get read to its end, and the connection
// ends with the answer.
func TestOversizedBodyOverTheWire(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	form := with(inbound(callSID("large"), jane), "X", strings.Repeat("x", 4*twilio.MaxForm))
	r, err := e.twilio.Post(t.Context(), "/twilio/voice", form)
	if err == nil && r.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("answered %d", r.Status)
	}
	// The connection may be cut while the body is still being sent, which a client sees as an error.
	if n := e.counted("/twilio/voice", "too_large"); n < 1 {
		t.Error("too_large was not counted")
	}
}

// FuzzWebhook: whatever is posted, signed or not, gets a definite answer: never a server error, and
// never anything but TwiML where a call could be on the line.
func FuzzWebhook(f *testing.F) {
	e := newEdge(f, parts{})
	for _, file := range []string{"voice_inbound_known.form", "voice_inbound_anonymous_word.form", "voice_fallback.form", "status_outbound_busy.form",
		"status_inbound_completed.form", "cr_action_ended.form", "cr_action_failed.form", "cr_action_completed.form"} {
		for i := range webhookPaths {
			f.Add(sample(f, file), byte(i), "", true)
		}
		f.Add(sample(f, file), byte(1), "?attempt=2&unverified=1", true)
	}
	f.Add("AccountSid="+accountSID+"&To=%2B12125550199&From=%00", byte(0), "?attempt=%zz;", true)
	f.Add("%", byte(0), "", false)
	f.Fuzz(func(t *testing.T, body string, path byte, query string, sign bool) {
		target := webhookPaths[int(path)%len(webhookPaths)]
		r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
		if strings.HasPrefix(query, "?") && !strings.ContainsAny(query, " \t\r\n\x00") {
			r.URL.RawQuery = query[1:]
			r.RequestURI = target + query
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		params, err := url.ParseQuery(body)
		if sign {
			r.Header.Set(twilio.SignatureHeader, twilio.Sign(authToken, publicURL+r.RequestURI, params))
		}
		w := httptest.NewRecorder()
		began := time.Now()
		e.mux.ServeHTTP(w, r)
		if w.Code >= 500 || time.Since(began) > patience {
			t.Errorf("%s answered %d after %s", target, w.Code, time.Since(began))
		}
		if !sign && w.Code < 400 {
			t.Errorf("unsigned, and answered %d", w.Code)
		}
		if err != nil && w.Code < 400 {
			t.Errorf("no form, and answered %d", w.Code)
		}
		if w.Code == 200 {
			if _, err := simulate.ParseTwiML(w.Body.Bytes()); err != nil {
				t.Errorf("%s: %v: %s", target, err, w.Body)
			}
		}
	})
}
