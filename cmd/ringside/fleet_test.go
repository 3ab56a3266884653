package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"ringside/cache/redistest"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
)

// fleetURL is what Twilio calls and signs, whichever sidecar answers.
const fleetURL = "https://ringside.example.com/calls"

// fleet is two sidecars behind one address: one Postgres, one Redis, one secret.
func fleet(t *testing.T, settings ...string) (shop *shop, a, b *serving) {
	t.Helper()
	url := pgtest.URL(t)
	shop = openShop(t, url)
	settings = append([]string{"DATABASE_URL=" + url, "REDIS_URL=" + redistest.Start(t).URL(), "RINGSIDE_PUBLIC_URL=" + fleetURL,
		"RINGSIDE_SECRET_KEY=0123456789abcdef0123456789abcdef"}, settings...)
	return shop, serve(t, settings...), serve(t, settings...)
}

// fleetTwilio is the shop's account, calling the fleet at base.
func (s *shop) fleetTwilio(base string) *simulate.Twilio {
	twilio := s.twilio(base)
	twilio.PublicURL = fleetURL
	return twilio
}

func TestWebhookAtOneSidecarAndSocketAtAnother(t *testing.T) {
	t.Parallel()
	shop, a, b := fleet(t)
	front := balance(t, func(path string) string {
		if path == "/twilio/relay" {
			return b.Listen
		}
		return a.Listen
	})
	outcome := place(t, shop.fleetTwilio(front.URL), simulate.Call{From: alex, To: shopNumber, StirVerstat: "TN-Validation-Passed-B", Script: askAgent})
	_, setup := shop.session(1)
	if outcome.Greeting != greetsAlex || setup.Caller.Email != "alex@acme.io" || !setup.Caller.GreetedByName {
		t.Errorf("heard %q; the agent was told %+v", outcome.Greeting, setup.Caller)
	}
	answered(t, outcome)
	shop.ended(outcome.CallSID)
	if _, figures := get(t, b.Ops+"/metrics"); !strings.Contains(figures, `ringside_webhooks_total{outcome="accepted",path="/twilio/relay"} 1`) {
		t.Error("the socket was not the other sidecar's")
	}
	a.stop()
	b.stop()
}

// A decision is made once a call: a repeat gets the same bytes, also from another sidecar, also by the
// fallback webhook, and whatever has changed meanwhile. The sidecars know it from each other through
// Redis, whom they give milliseconds; on a machine that has none to spare, it takes several calls.
func TestRepeatedWebhookAtAnotherSidecar(t *testing.T) {
	t.Parallel()
	shop, a, b := fleet(t)
	until(t, "a repeat and the fallback get the answer that the first webhook got", func() bool {
		sid := simulate.NewSID("CA")
		first := rings(t, shop.fleetTwilio(a.Listen), sid, alex)
		if !strings.Contains(string(first), `welcomeGreeting="Hello Al`) {
			t.Fatalf("the first answer is %s", first)
		}
		_, err := shop.db.Exec(t.Context(), `UPDATE contacts SET name = 'Al ' || gen_random_uuid() WHERE phone = $1`, alex)
		must(t, err)
		again := rings(t, shop.fleetTwilio(b.Listen), sid, alex)
		form := simulate.VoiceForm(simulate.Call{SID: sid, AccountSID: shop.account, From: alex, To: shopNumber})
		fallback, err := shop.fleetTwilio(b.Listen).Post(t.Context(), "/twilio/voice/fallback", form)
		must(t, err)
		return string(again) == string(first) && string(fallback.Body) == string(first)
	})
}

// refusal opens a socket and waits for its end. It returns the close code and reason, or nothing if
// the socket stays open.
func refusal(t *testing.T, twilio *simulate.Twilio, url string, setup simulate.Setup) (code int, reason string) {
	t.Helper()
	session, err := twilio.OpenRelay(t.Context(), url, setup)
	must(t, err)
	defer session.Drop()
	select {
	case <-session.Done():
	case <-time.After(2 * time.Second):
	}
	end, _ := session.End()
	return end.CloseCode, end.CloseReason
}

func TestTokenIsGoodForOneSocketOfTheFleet(t *testing.T) {
	t.Parallel()
	shop, a, b := fleet(t)
	until(t, "a token that was used at one sidecar is refused by both", func() bool { // see above
		sid := simulate.NewSID("CA")
		document, err := simulate.ParseTwiML(rings(t, shop.fleetTwilio(a.Listen), sid, alex))
		must(t, err)
		connect, _ := document.Child("Connect")
		relay, _ := connect.Child("ConversationRelay")
		parameter, ok := relay.Child("Parameter")
		if !ok {
			t.Fatalf("no parameter in %+v", document)
		}
		url, setup := relay.Attr["url"], simulate.Setup{AccountSID: shop.account, CallSID: sid, From: alex, To: shopNumber,
			CustomParameters: map[string]string{parameter.Attr["name"]: parameter.Attr["value"]}}
		other := setup
		other.CallSID = simulate.NewSID("CA")
		if code, reason := refusal(t, shop.fleetTwilio(b.Listen), url, other); code != websocket.ClosePolicyViolation || reason != "token not valid" {
			t.Errorf("another call's token: closed with %d %q", code, reason)
		}
		first, err := shop.fleetTwilio(a.Listen).OpenRelay(t.Context(), url, setup)
		must(t, err)
		defer first.Drop()
		must(t, first.Prompt("Hello?", "en-US"))
		heard, cancel := context.WithTimeout(t.Context(), eventually)
		defer cancel()
		_, err = first.AwaitReplies(heard, 1) // so that it is this one that has used the token
		must(t, err)
		if code, reason := refusal(t, shop.fleetTwilio(a.Listen), url, setup); code != websocket.ClosePolicyViolation || reason != "token used" {
			t.Errorf("at the same sidecar: closed with %d %q", code, reason)
		}
		code, reason := refusal(t, shop.fleetTwilio(b.Listen), url, setup)
		if end, over := first.End(); over {
			t.Errorf("the first socket was ended: %+v", end)
		}
		return code == websocket.ClosePolicyViolation && reason == "token used"
	})
}

// Rule 17, from end to end: what another program changes in Postgres no call is answered without a
// second later, on any sidecar.
func TestRule17_PlainSQLIsKnownToAllSidecarsWithinASecond(t *testing.T) {
	t.Parallel()
	shop, a, b := fleet(t)
	sides := []*serving{a, b}
	greetedBy := func(side *serving, name string) bool {
		return strings.Contains(string(rings(t, shop.fleetTwilio(side.Listen), simulate.NewSID("CA"), alex)), "Hello "+name+", this is Acme.")
	}
	for _, side := range sides {
		side.awaitCurrent()
	}
	old := "Alex Chen"
	for _, name := range []string{"Alexandra Chen", "Alexandra Chen-Miller"} {
		for _, side := range sides { // known in Redis and in both processes
			if !greetedBy(side, old) {
				t.Fatalf("before the change, Alex is not greeted as %q", old)
			}
		}
		_, err := shop.db.Exec(t.Context(), `UPDATE contacts SET name = $2 WHERE phone = $1`, alex, name)
		committed := time.Now()
		must(t, err)
		// Calls keep coming in, as they do, each of which may fill a cache.
		for time.Since(committed) <= time.Second {
			for _, side := range sides {
				greetedBy(side, name)
			}
		}
		for _, side := range sides {
			if !greetedBy(side, name) {
				t.Errorf("%s after the change, Alex is not greeted as %q", time.Since(committed), name)
			}
		}
		old = name
	}
}

// A sidecar that stops closes the calls that do not end in time, and another one takes them on.
func TestAnotherSidecarTakesCallsOn(t *testing.T) {
	t.Parallel()
	shop, a, b := fleet(t, "RINGSIDE_DRAIN_TIMEOUT=200ms")
	front := balance(t, always(a.Listen))
	call := shop.lasts(shop.fleetTwilio(front.URL))
	front.to(always(b.Listen))
	a.stop()
	outcome := call.goesOn(t)
	shop.takenOn(outcome)
	if outcome.Sessions[0].CloseCode != websocket.CloseServiceRestart {
		t.Errorf("the first session was closed with %d, want 1012", outcome.Sessions[0].CloseCode)
	}
	first, _ := shop.session(1)
	if code, _, closed := first.Closed(); !closed || code != websocket.CloseServiceRestart {
		t.Errorf("the agent's first session was closed with %d, want 1012", code)
	}
	b.stop()
}
