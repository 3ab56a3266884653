package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate/restapi"
)

// A campaign calls everybody exactly once, and has a result of everybody, whenever the sidecar is killed and started
// again. Twilio loses some answers, too: it has acted, and nobody was told.
func TestACampaignOfAThousandThatIsKilled(t *testing.T) {
	t.Parallel()
	const people = 1000
	database := pgtest.URL(t)
	shop := openShop(t, database)
	results := []string{"busy", "no-answer", "failed", "no-answer", "busy", "canceled", "no-answer", "busy", "no-answer", "completed"}
	twilio := restapi.New(restapi.Options{
		Accounts: map[string]string{shop.account: shop.token},
		Party: func(to string) restapi.Party {
			return restapi.Party{Result: results[to[len(to)-1]-'0'], Rings: 10 * time.Millisecond}
		},
		Fault: func(c restapi.Create) restapi.Fault {
			return restapi.Fault{Drops: strings.HasSuffix(c.To, "7") && rand.IntN(5) == 0, Acts: true}
		},
	})
	exchange := httptest.NewServer(twilio)
	t.Cleanup(func() { twilio.Close(); exchange.Close() })
	_, key, err := org.NewStore(shop.db).CreateKey(t.Context(), shop.org.ID, "test")
	must(t, err)
	settings := []string{"DATABASE_URL=" + database, "TWILIO_API_URL=" + exchange.URL, "RINGSIDE_CALL_PACE=1ms", "RINGSIDE_DATA_DIR=" + t.TempDir(), "RINGSIDE_API_RATE=0"}
	side := serve(t, settings...)
	settings = append(settings, "RINGSIDE_LISTEN="+side.address())

	campaign := shop.ask("POST", side.Listen+"/v1/campaigns", key, `{"name": "Spring"}`, 201)["id"].(string)
	at := side.Listen + "/v1/campaigns/" + campaign
	shop.ask("PATCH", at+"/calling", key, `{"calls_per_minute": 6000, "calls_at_once": 200, "retries": 0, "opens": "00:00", "closes": "24:00",
		"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "greeting": "Hello {{NAME}}, order {{ORDER}} is ready."}`, 200)
	_, err = shop.db.Exec(t.Context(), `INSERT INTO campaign_people (org_id, campaign_id, phone, name, variables)
		SELECT org_id, id, '+1415' || 5550000 + n, 'Person ' || n, jsonb_build_object('ORDER', n::text) FROM campaigns, generate_series(0, $1 - 1) n`, people)
	must(t, err)
	if begun := shop.ask("POST", at+"/start", key, "", 200); begun["state"] != "running" {
		t.Fatalf("started: %v", begun)
	}
	kills := killRounds()
	for range kills {
		time.Sleep(time.Duration(500+rand.IntN(1500)) * time.Millisecond)
		side.kill()
		side = serve(t, settings...)
	}
	done := func() (n int) {
		must(t, shop.db.QueryRow(t.Context(), `SELECT count(*) FROM campaign_people WHERE call_state = 'done'`).Scan(&n))
		return n
	}
	for end := time.Now().Add(4 * time.Minute); done() < people; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d have a result: %v", done(), people, shop.ask("GET", at+"/calling", key, "", 200))
		}
	}
	idle, cancel := context.WithTimeout(t.Context(), eventually)
	defer cancel()
	must(t, twilio.Idle(idle))
	called := map[string]int{}
	for _, c := range twilio.Calls() {
		called[c.To]++
		if c.Outcome != nil && c.Outcome.Greeting != "" {
			n := strings.TrimLeft(strings.TrimPrefix(c.To, "+1415555"), "0")
			if n == "" {
				n = "0"
			}
			if want := fmt.Sprintf("Hello Person %s, order %s is ready.", n, n); c.Outcome.Greeting != want {
				t.Errorf("%s heard %q, want %q", c.To, c.Outcome.Greeting, want)
			}
		}
	}
	for to, times := range called {
		if times != 1 {
			t.Errorf("%s was called %d times", to, times)
		}
	}
	if len(called) != people {
		t.Errorf("%d people were called, want %d", len(called), people)
	}
	progress := shop.ask("GET", at+"/calling", key, "", 200)["progress"].(map[string]any)
	want := map[string]float64{"busy": 300, "no-answer": 400, "failed": 100, "canceled": 100, "completed": 100}
	for outcome, n := range progress["outcomes"].(map[string]any) {
		if n != want[outcome] {
			t.Errorf("%v people are %s, want %v", n, outcome, want[outcome])
		}
	}
	until(t, "the campaign is finished", func() bool { return shop.ask("GET", at+"/calling", key, "", 200)["state"] == "finished" })

	// Somebody who was called calls back, and is known.
	back := shop.call(side.Listen, "+14155550001", askAgent...)
	if !strings.Contains(back.Greeting, "Person 1") {
		t.Errorf("calling back they hear %q", back.Greeting)
	}
	side.stop()
}

// Whom a campaign calls may pick up before the sidecar that had Twilio's answer could note that they were called, since
// it was killed: they are greeted by name all the same.
func TestSomebodyPicksUpBeforeItIsNoted(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	shop := openShop(t, database)
	side := serve(t, "DATABASE_URL="+database)
	var item string
	must(t, shop.db.QueryRow(t.Context(), `
		WITH c AS (INSERT INTO campaigns (org_id, name) VALUES ($1::text::uuid, 'Spring') RETURNING id, org_id),
			p AS (INSERT INTO campaign_people (org_id, campaign_id, phone, name, call_state) SELECT org_id, id, '+13125550178', 'Robin Park', 'calling' FROM c RETURNING id, org_id, campaign_id)
		INSERT INTO outgoing (org_id, kind, from_number, to_number, state, campaign_id, person_id, greeting)
		SELECT org_id, 'call', $2, '+13125550178', 'sending', campaign_id, id, 'Hello {{NAME}}, it is us.' FROM p RETURNING id::text`, shop.org.ID, shopNumber).Scan(&item))
	for range 2 {
		picked := shop.tells(side, side.Listen+"/twilio/voice?outgoing="+item, url.Values{"CallSid": {"CA" + strings.Repeat("7", 32)}, "From": {shopNumber}, "To": {"+13125550178"},
			"Direction": {"outbound-api"}, "CallStatus": {"in-progress"}})
		if !strings.Contains(string(picked.Body), "Hello Robin Park, it is us.") {
			t.Errorf("they hear %s", picked.Body)
		}
	}
	var called bool
	must(t, shop.db.QueryRow(t.Context(), `SELECT called_at IS NOT NULL FROM campaign_people`).Scan(&called))
	if !called {
		t.Error("they are not noted as called")
	}
}
