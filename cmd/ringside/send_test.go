package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
)

// exchange stands in for Twilio's REST API: it makes calls and messages, and lists none.
type exchange struct {
	*httptest.Server
	mu   sync.Mutex
	made []url.Values
}

func openExchange(t *testing.T) *exchange {
	t.Helper()
	e := &exchange{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		must(t, r.ParseForm())
		e.mu.Lock()
		defer e.mu.Unlock()
		switch {
		case r.Method == http.MethodGet:
			fmt.Fprint(w, `{"calls": [], "messages": []}`)
		case r.PostForm.Get("To") == "+12015550110":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code": 21610, "message": "Attempt to send to unsubscribed recipient", "status": 400}`)
		default:
			e.made = append(e.made, r.PostForm)
			kind := "SM"
			if strings.HasSuffix(r.URL.Path, "/Calls.json") {
				kind = "CA"
			}
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"sid": "%s%032d", "status": "queued"}`, kind, len(e.made))
		}
	}))
	t.Cleanup(e.Close)
	return e
}

// last is what was made last, as it was asked for.
func (e *exchange) last() url.Values {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.made[len(e.made)-1]
}

func (e *exchange) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.made)
}

// sends is a shop whose sidecar sends through an exchange, and a key of it.
func sends(t *testing.T, settings ...string) (*shop, *serving, *exchange, string) {
	t.Helper()
	database := pgtest.URL(t)
	shop, twilio := openShop(t, database), openExchange(t)
	_, key, err := org.NewStore(shop.db).CreateKey(t.Context(), shop.org.ID, "test")
	must(t, err)
	settings = append(settings, "DATABASE_URL="+database, "TWILIO_API_URL="+twilio.URL, "RINGSIDE_CALL_PACE=10ms")
	return shop, serve(t, settings...), twilio, key
}

// tells posts what Twilio tells of something that was sent, to the address that was given for it.
func (s *shop) tells(side *serving, at string, form url.Values) *simulate.Response {
	s.t.Helper()
	form.Set("AccountSid", s.account)
	response, err := s.twilio(side.Listen).Post(s.t.Context(), at, form)
	must(s.t, err)
	return response
}

func TestMessagesAreSent(t *testing.T) {
	t.Parallel()
	shop, side, twilio, key := sends(t)
	send := func(to, text string, want int) map[string]any {
		return shop.ask("POST", side.Listen+"/v1/messages", key, fmt.Sprintf(`{"to": %q, "text": %q}`, to, text), want)
	}
	sent := send("(415) 555-1200", "See you on Friday.", 201)
	asked := twilio.last()
	if sent["state"] != "sent" || sent["to"] != alex || sent["from"] != shopNumber || asked.Get("Body") != "See you on Friday." || asked.Get("To") != alex {
		t.Fatalf("answered %v; Twilio was asked for %v", sent, asked)
	}
	sid := sent["sid"].(string)
	for _, state := range []string{"delivered", "sent"} {
		if r := shop.tells(side, asked.Get("StatusCallback"), url.Values{"MessageSid": {sid}, "From": {shopNumber}, "To": {alex}, "MessageStatus": {state}}); r.Status != http.StatusNoContent {
			t.Errorf("the callback was answered %d", r.Status)
		}
	}
	row, err := ledger.NewReader(shop.db).Find(t.Context(), shop.org.ID, sid)
	if err != nil || row.Text != "See you on Friday." || row.Status != "delivered" || row.Direction != "outbound" || row.ContactName != "Alex Chen" {
		t.Errorf("the ledger has %+v (%v)", row, err)
	}
	if again := shop.ask("GET", side.Listen+"/v1/outgoing/"+sent["id"].(string), key, "", 200); again["sid"] != sid {
		t.Errorf("asked again: %v", again)
	}

	// Nobody gets a message who wants none: whoever wrote STOP, and whom Twilio knows to have.
	_, err = shop.twilio(side.Listen).Send(t.Context(), simulate.Text{From: alex, To: shopNumber, Body: "Stop"})
	must(t, err)
	if refused := send(alex, "One more thing", 409); refused["code"] != "opted_out" {
		t.Errorf("%v", refused)
	}
	for range 2 { // the second time without asking Twilio
		if refused := send("+12015550110", "Hello", 409); refused["code"] != "opted_out" {
			t.Errorf("%v", refused)
		}
	}
	_, err = shop.twilio(side.Listen).Send(t.Context(), simulate.Text{From: alex, To: shopNumber, Body: "START"})
	must(t, err)
	send(alex, "Welcome back", 201)
	for to, text := range map[string]string{shopNumber: "to oneself", "12": "no number", "+19005550123": "premium", jamie: "", maria: strings.Repeat("x", 1601)} {
		send(to, text, 422)
	}
	if twilio.count() != 2 {
		t.Errorf("Twilio made %d messages", twilio.count())
	}
}

func TestCallsArePlaced(t *testing.T) {
	t.Parallel()
	shop, side, twilio, key := sends(t)
	placed := shop.ask("POST", side.Listen+"/v1/calls", key, `{"to": "+1 415 555 1200", "context": "They asked for a call about the offer."}`, 201)
	asked := twilio.last()
	if placed["state"] != "sent" || placed["to"] != alex || asked.Get("From") != shopNumber {
		t.Fatalf("answered %v; Twilio was asked for %v", placed, asked)
	}
	sid := placed["sid"].(string)
	call := func(state string) url.Values {
		return url.Values{"CallSid": {sid}, "From": {shopNumber}, "To": {alex}, "Direction": {"outbound-api"}, "CallStatus": {state}}
	}
	shop.tells(side, asked.Get("StatusCallback"), call("ringing"))
	picked := shop.tells(side, asked.Get("Url"), call("in-progress"))
	if !strings.Contains(string(picked.Body), greetsAlex) {
		t.Errorf("whoever picks up hears %s", picked.Body)
	}
	if again := shop.tells(side, asked.Get("FallbackUrl"), call("in-progress")); string(again.Body) != string(picked.Body) {
		t.Errorf("the fallback is answered %s", again.Body)
	}
	over := call("completed")
	over.Set("CallDuration", "42")
	shop.tells(side, asked.Get("StatusCallback"), over)
	if row := shop.ended(sid); row.Direction != "outbound" || row.ContactName != "Alex Chen" || *row.DurationS != 42 || !row.GreetedByName {
		t.Errorf("the ledger has %+v", row)
	}

	// Whom nobody answers for is called, and becomes no contact.
	other := shop.ask("POST", side.Listen+"/v1/calls", key, `{"to": "`+stranger+`"}`, 201)
	busy := url.Values{"CallSid": {other["sid"].(string)}, "From": {shopNumber}, "To": {stranger}, "Direction": {"outbound-api"}, "CallStatus": {"busy"}}
	shop.tells(side, twilio.last().Get("StatusCallback"), busy)
	row, err := ledger.NewReader(shop.db).Find(t.Context(), shop.org.ID, other["sid"].(string))
	if err != nil || row.Status != "busy" || row.ContactID != "" {
		t.Errorf("the ledger has %+v (%v)", row, err)
	}
	for body, want := range map[string]int{`{"to": "911"}`: 422, `{"to": "+19005550123"}`: 422, `{"to": "` + alex + `", "from": "+13035550100"}`: 422, `{"to": "` + alex + `", "agent_id": "6f1c2f0e-8a49-4c1e-9d0a-3b1d1b7a2c11"}`: 422, `{}`: 422} {
		shop.ask("POST", side.Listen+"/v1/calls", key, body, want)
	}
	if twilio.count() != 2 {
		t.Errorf("Twilio placed %d calls", twilio.count())
	}
}
