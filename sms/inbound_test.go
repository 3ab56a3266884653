package sms_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/ledger"
	"ringside/internal/phone"
	"ringside/internal/twilio"
	"ringside/sms"
)

func TestEverySampleIsKept(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		text, contact string // contact: whose message it is
		media         []ledger.Media
	}{
		"sms_inbound":                   {text: "Hi, it's Jane; can you call me back & confirm 3+1 seats?", contact: "Jane Doe"},
		"sms_inbound_service":           {text: "Yes please", contact: "Jane Doe"},
		"sms_inbound_empty_body":        {contact: "Jane Doe"},
		"sms_inbound_unicode":           {contact: "Jane Doe"},
		"sms_inbound_short_code_sender": {text: "Your code is 123456"},
		"sms_inbound_stop_default":      {text: "Stop", contact: "Jane Doe"},
		"sms_inbound_stop_advanced":     {text: "STOP", contact: "Jane Doe"},
		"sms_inbound_start_advanced":    {contact: "Jane Doe"},
		"sms_inbound_help_advanced":     {contact: "Jane Doe"},
		"whatsapp_inbound":              {text: "hello from WhatsApp", contact: "Jane Doe"},
		"whatsapp_inbound_button":       {text: "hello from WhatsApp", contact: "Jane Doe"},
		"rcs_inbound":                   {text: "hello", contact: "Jane Doe"},
		"mms_inbound": {text: "photo of the leak", contact: "Jane Doe", media: []ledger.Media{
			{URL: "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages/MM00000000000000000000000000000001/Media/ME00000000000000000000000000000001", Type: "image/jpeg"},
			{URL: "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages/MM00000000000000000000000000000001/Media/ME00000000000000000000000000000002", Type: "text/x-vcard"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t)
			f := sample(t, name)
			e.receive(f)
			row := e.row(f.Get("MessageSid"))
			if row.Kind != "message" || row.Direction != "inbound" || row.Status != "received" || row.From != f.Get("From") || row.To != f.Get("To") || row.EndedAt == nil || row.DurationS != nil {
				t.Errorf("kept %+v", row)
			}
			if row.Text != f.Get("Body") || want.text != "" && row.Text != want.text {
				t.Errorf("kept the text %q", row.Text)
			}
			if row.ContactName != want.contact {
				t.Errorf("it is %q's", row.ContactName)
			}
			if diff := cmp.Diff(want.media, row.Media); diff != "" {
				t.Errorf("the files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhoWritesIsRecognisedAndBecomesAContact(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.receive(form("SM1", jane, "Hello"))
	if trace := e.trace("SM1"); !trace.Known || trace.Source != "contact" {
		t.Errorf("Jane's trace: %+v", trace)
	}
	e.receive(form("SM2", stranger, "Hello"))
	if trace := e.trace("SM2"); trace.Known {
		t.Errorf("the stranger's trace: %+v", trace)
	}
	for i, from := range []string{"whatsapp:+14155550177", "262966", "ACME", "whatsapp:US.13491208655302741918", "rcs:someone", "+266696687", ours, "messenger:123", ""} {
		e.receive(form(fmt.Sprintf("SM3%d", i), from, "Hello"))
	}
	want := map[phone.Number]string{jane: "Jane Doe", stranger: stranger, "+14155550177": "+14155550177"}
	if diff := cmp.Diff(want, e.people()); diff != "" {
		t.Errorf("the address book (-want +got):\n%s", diff)
	}
	// What was written is part of what is known of them next time.
	e.receive(form("SM4", stranger, "Hello again"))
	if trace := e.trace("SM4"); !trace.Known {
		t.Errorf("the second time: %+v", trace)
	}
}

func TestNumbersThatLeadNowhereLoseNoMessage(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	f := form("SM1", stranger, "Hello")
	f.Set("To", "+12125550111")
	e.receive(f)
	if row := e.row("SM1"); row.Text != "Hello" || e.people()[stranger] == "" {
		t.Errorf("kept %+v", row)
	}
}

func TestBadMessages(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	long := strings.Repeat("é", 11_000)
	for name, text := range map[string]string{"long": long, "emoji": "👩‍👩‍👧 \U0001F3F4", "right to left": "שלום \u202e abc", "not text": "a\xff\x00b", "empty": ""} {
		e.receive(form("SM"+name, jane, text))
		want := strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
		if name == "long" {
			want = long[:2*10_000]
		}
		if row := e.row("SM" + name); row.Text != want {
			t.Errorf("%s: kept %d bytes, %.40q", name, len(row.Text), row.Text)
		}
	}
	media := form("SMmedia", jane, "")
	media.Set("NumMedia", "4000000000")
	media.Set("MediaUrl0", "https://example.com/1")
	media.Set("MediaUrl2", "https://example.com/"+strings.Repeat("x", 3000))
	e.receive(media)
	if row := e.row("SMmedia"); len(row.Media) != 1 || row.Media[0].Type != "application/octet-stream" {
		t.Errorf("kept %+v", row.Media)
	}
	if w := e.post("/twilio/sms", form("", jane, "who am I")); w.Code != http.StatusBadRequest {
		t.Errorf("without a Sid: %d", w.Code)
	}
	if w := e.post("/twilio/sms", form(strings.Repeat("x", 65), jane, "who am I")); w.Code != http.StatusBadRequest {
		t.Errorf("with a long Sid: %d", w.Code)
	}
}

// Rule 19.
func TestOnlyTwilioIsHeard(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, path := range []string{"/twilio/sms", "/twilio/sms/status"} {
		f := form("SM1", jane, "Hello")
		f.Set("AccountSid", "AC00000000000000000000000000000009")
		if w := e.post(path, f); w.Code != http.StatusForbidden {
			t.Errorf("%s for an unknown account: %d", path, w.Code)
		}
	}
	var rows int
	if err := e.pool.QueryRow(t.Context(), `SELECT count(*) FROM interactions`).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows were written (%v)", rows, err)
	}
}

func TestWhatCannotBeKeptIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	e := newEdge(t, func(c *sms.Config) { c.WriteBudget = 1 })
	for _, path := range []string{"/twilio/sms", "/twilio/sms/status"} {
		if w := e.post(path, form("SM1", jane, "Hello")); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestAMessageDeliveredManyTimesIsOne(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { e.post("/twilio/sms", form("SM1", stranger, "Hello")) })
	}
	all.Wait()
	var rows, events int
	err := e.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM interactions), (SELECT count(*) FROM interaction_events)`).Scan(&rows, &events)
	if err != nil || rows != 1 || events != 1 {
		t.Errorf("%d rows of %d events (%v)", rows, events, err)
	}
}

func TestLineBreaksStay(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.receive(form("SM01", jane, "Hello,\r\n\tplease\x00 call\x07 me \U0001F600\nJane\xff"))
	var text string
	if err := e.pool.QueryRow(t.Context(), `SELECT text FROM interactions WHERE sid = 'SM01'`).Scan(&text); err != nil {
		t.Fatal(err)
	}
	if want := "Hello,\n\tplease call me \U0001F600\nJane\uFFFD"; text != want {
		t.Errorf("kept is %q, want %q", text, want)
	}
}

// A message is another than one with the same token of Twilio's, and the same as one with another.
func TestTokensOfRepeatsDecideNothing(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, m := range []struct{ sid, token string }{{"SM01", "token"}, {"SM02", "token"}, {"SM01", "another"}} {
		body := form(m.sid, jane, "Hello")
		r := httptest.NewRequest(http.MethodPost, "/twilio/sms", strings.NewReader(body.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(twilio.SignatureHeader, twilio.Sign(authToken, publicURL+"/twilio/sms", body))
		r.Header.Set("I-Twilio-Idempotency-Token", m.token)
		w := httptest.NewRecorder()
		if e.mux.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Fatalf("%+v: answered %d", m, w.Code)
		}
	}
	var rows int
	if err := e.pool.QueryRow(t.Context(), `SELECT count(*) FROM interactions`).Scan(&rows); err != nil || rows != 2 {
		t.Errorf("%d rows of two messages, %v", rows, err)
	}
}
