package main

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
)

// While Postgres is away: a message's webhook does not wait for an answer that nobody can give, a status callback is
// answered as fast as the disk, and what it tells of is whole when Postgres is back.
func TestMessagesWhilePostgresIsAway(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	shop, twilio := openShop(t, database), openExchange(t)
	_, key, err := org.NewStore(shop.db).CreateKey(t.Context(), shop.org.ID, "crm", "events")
	must(t, err)
	proxy, through := faulty(t, database)
	side := serve(t, "DATABASE_URL="+through, "TWILIO_API_URL="+twilio.URL, "RINGSIDE_RECOGNITION_BUDGET=150ms")
	conn := listenAt(t, side, key, "?consumer=crm")
	answered := make(chan string, 1)
	sid := simulate.NewSID("SM")
	post := func(path string, form url.Values) *simulate.Response {
		response, err := shop.twilio(side.Listen).Post(t.Context(), path, form)
		must(t, err)
		return response
	}
	message := func(sid string) url.Values {
		return simulate.MessageForm(simulate.Text{SID: sid, AccountSID: shop.account, From: alex, To: shopNumber, Body: "Is Friday fine?"})
	}
	go func() { answered <- string(post("/twilio/sms", message(sid)).Body) }()
	event := hear(t, conn, "sms.received")
	must(t, conn.WriteJSON(map[string]any{"type": "ringside.send_sms", "id": "1", "message_sid": event["message_sid"], "text": "Friday is fine."}))
	found := regexp.MustCompile(`statusCallback="[^"]*(/twilio/sms/status\?reply=\w+)`).FindStringSubmatch(<-answered)
	if found == nil {
		t.Fatal("no reply in the answer")
	}
	until(t, "the reply is kept", func() bool {
		var n int
		must(t, shop.db.QueryRow(t.Context(), `SELECT count(*) FROM interaction_events WHERE sid = $1 AND event = 'reply'`, sid).Scan(&n))
		return n == 1
	})

	proxy.BlackHole(true)
	reply := simulate.NewSID("SM")
	for _, state := range []string{"sent", "delivered"} {
		form := url.Values{"AccountSid": {shop.account}, "MessageSid": {reply}, "MessageStatus": {state}, "From": {shopNumber}, "To": {alex}}
		response := post(found[1], form)
		t.Logf("%s: %d after %s", state, response.Status, response.Latency)
		if response.Latency > time.Second {
			t.Errorf("the callback %s took %s", state, response.Latency)
		}
	}
	for range 2 {
		response := post("/twilio/sms", message(simulate.NewSID("SM")))
		t.Logf("a message: %d after %s", response.Status, response.Latency)
		if response.Latency > time.Second {
			t.Errorf("a message took %s", response.Latency)
		}
	}
	proxy.BlackHole(false)
	var text string
	until(t, "the reply's row is there", func() bool {
		return shop.db.QueryRow(t.Context(), `SELECT text FROM interactions WHERE sid = $1 AND status = 'delivered'`, reply).Scan(&text) == nil
	})
	if text != "Friday is fine." {
		t.Errorf("of the reply is kept %q", text)
	}
	if s := side.stderr.String(); strings.Contains(s, "panic") {
		t.Error(s)
	}
}
