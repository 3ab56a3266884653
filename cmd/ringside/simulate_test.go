package main

import (
	"encoding/json"
	"net"
	"net/url"
	"strings"
	"testing"

	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
)

func TestSimulateCall(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	shop := openShop(t, database)
	side := serve(t, "DATABASE_URL="+database)
	token, wrong := file(t, shop.token+"\n"), file(t, "0123456789abcdef0123456789abcdef")
	call := func(settings []string, more ...string) (int, string, string) {
		return command(t, settings, append([]string{"simulate", "call", "--from", alex, "--to", shopNumber, "--url", side.Listen}, more...)...)
	}
	given := []string{"--account-sid", shop.account, "--auth-token-file", token}

	t.Run("shows the conversation", func(t *testing.T) {
		t.Parallel()
		status, out, errs := call(nil, append(given, "--say", "What do you know about me?", "--say", "Goodbye.")...)
		if status != 0 || errs != "" {
			t.Errorf("ended with %d: %s", status, errs)
		}
		at := 0
		for _, want := range []string{"POST /twilio/voice", greetsAlex, "What do you know about me?", "alex@acme.io", "Goodbye.", "POST /twilio/voice/status", "\nThe call was CA"} {
			i := strings.Index(out[at:], want)
			if i < 0 {
				t.Fatalf("%q is not shown, in its place:\n%s", want, out)
			}
			at += i
		}
	})
	t.Run("json", func(t *testing.T) {
		t.Parallel()
		status, out, errs := call(nil, append(given, "--json", "--say", "Hello?", "--attestation", "TN-Validation-Failed-A", "--caller-name", "A CHEN")...)
		var outcome struct {
			Status, Greeting string
			Turns            []struct{ Said, Reply string }
			Webhooks         []struct{ Form url.Values }
		}
		if err := json.Unmarshal([]byte(out), &outcome); err != nil || status != 0 || errs != "" {
			t.Fatalf("ended with %d (%v): %s%s", status, err, out, errs)
		}
		if outcome.Status != "completed" || outcome.Greeting != greetsUnknown || len(outcome.Turns) != 1 || outcome.Turns[0].Said != "Hello?" ||
			outcome.Webhooks[0].Form.Get("CallerName") != "A CHEN" {
			t.Errorf("the outcome is %s", out)
		}
	})
	t.Run("by the webhook's own address, settings and database", func(t *testing.T) {
		t.Parallel()
		settings := []string{"TWILIO_AUTH_TOKEN=" + shop.token, "DATABASE_URL=" + database}
		status, out, errs := command(t, settings, "simulate", "call", "--from", "anonymous", "--to", shopNumber, "--url", side.Listen+"/twilio/voice")
		if status != 0 || errs != "" || !strings.Contains(out, greetsUnknown) {
			t.Errorf("ended with %d:\n%s%s", status, out, errs)
		}
	})
	t.Run("by a file of settings", func(t *testing.T) {
		t.Parallel()
		settings := []string{"RINGSIDE_CONFIG=" + file(t, "TWILIO_ACCOUNT_SID="+shop.account+"\nTWILIO_AUTH_TOKEN_FILE="+token+"\n")}
		if status, out, errs := call(settings); status != 0 || !strings.Contains(out, greetsAlex) {
			t.Errorf("ended with %d:\n%s%s", status, out, errs)
		}
	})
	t.Run("wrong token", func(t *testing.T) {
		t.Parallel()
		status, out, errs := call(nil, "--account-sid", shop.account, "--auth-token-file", wrong)
		if status != exitFailed || !strings.HasPrefix(errs, "ringside: The sidecar refused the signature. Check the auth token, the account ("+shop.account+")") || strings.Count(errs, "\n") != 1 {
			t.Errorf("ended with %d: %q", status, errs)
		}
		if !strings.Contains(out, "403") {
			t.Errorf("the refusal is not shown:\n%s", out)
		}
	})
	t.Run("wrong token, as json", func(t *testing.T) {
		t.Parallel()
		status, out, _ := call(nil, "--account-sid", shop.account, "--auth-token-file", wrong, "--json")
		var outcome struct{ Alerts []struct{ Status int } }
		if err := json.Unmarshal([]byte(out), &outcome); err != nil || status != exitFailed || len(outcome.Alerts) == 0 || outcome.Alerts[0].Status != 403 {
			t.Errorf("ended with %d (%v): %s", status, err, out)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		status, _, errs := command(t, nil, append([]string{"simulate", "call", "--from", alex, "--to", shopNumber, "--url", "http://" + nobody}, given...)...)
		if status != exitFailed || !strings.Contains(errs, "could not connect") || strings.Count(errs, "\n") != 1 {
			t.Errorf("ended with %d: %q", status, errs)
		}
	})
}

func TestSimulateSMS(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	shop := openShop(t, database)
	side := serve(t, "DATABASE_URL="+database)
	send := func(more ...string) (int, string, string) {
		return command(t, nil, append([]string{"simulate", "sms", "--from", alex, "--to", shopNumber, "--url", side.Listen,
			"--account-sid", shop.account, "--auth-token-file", file(t, shop.token)}, more...)...)
	}
	status, out, errs := send("--text", "Are you open on Sunday?")
	if status != 0 || errs != "" || !strings.Contains(out, "“Are you open on Sunday?”") || !strings.Contains(out, "POST /twilio/sms  answered 200") || !strings.Contains(out, "\nThe message was SM") {
		t.Errorf("ended with %d:\n%s%s", status, out, errs)
	}
	status, out, errs = send("--text", "A picture", "--media", "https://example.com/cat.jpg", "--json")
	var receipt struct {
		SID    string `json:"message_sid"`
		Status int
	}
	if err := json.Unmarshal([]byte(out), &receipt); err != nil || status != 0 || receipt.Status != 200 {
		t.Fatalf("ended with %d (%v): %s%s", status, err, out, errs)
	}
	var said, media, contact string
	must(t, shop.db.QueryRow(t.Context(), `SELECT i.text, i.media->0->>'url', c.name FROM interactions i JOIN contacts c ON c.id = i.contact_id WHERE i.sid = $1`, receipt.SID).
		Scan(&said, &media, &contact))
	if said != "A picture" || media != "https://example.com/cat.jpg" || contact != "Alex Chen" {
		t.Errorf("kept %q, %q of %q", said, media, contact)
	}
}

func TestSimulateOutbound(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	shop := openShop(t, database)
	listener, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free in a moment
	must(t, err)
	api := listener.Addr().String()
	must(t, listener.Close())
	side := serve(t, "DATABASE_URL="+database, "TWILIO_API_URL=http://"+api, "RINGSIDE_CALL_PACE=10ms")
	_, plain, err := org.NewStore(shop.db).CreateKey(t.Context(), shop.org.ID, "test")
	must(t, err)
	key, token := writeFile(t, plain), writeFile(t, shop.token)
	outbound := func(more ...string) (int, string, string) {
		t.Helper()
		return command(t, nil, append([]string{"simulate", "outbound", "--url", side.Listen, "--api-listen", api, "--key-file", key, "--auth-token-file", token, "--account-sid", shop.account, "--rings", "10ms"}, more...)...)
	}
	status, out, errs := outbound("--to", alex, "--context", "The order is ready.", "--say", "What do you know about me?", "--say", "Goodbye.")
	for _, want := range []string{"“" + greetsAlex + "”", "caller says        “Goodbye.”", ": completed.\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s%s", want, out, errs)
		}
	}
	if status != 0 {
		t.Errorf("ended with %d", status)
	}
	status, out, errs = outbound("--to", jamie, "--result", "busy", "--json")
	var report struct{ SID, Status string }
	if err := json.Unmarshal([]byte(out), &report); status != 0 || err != nil || report.Status != "busy" {
		t.Errorf("busy: %d %s %s", status, out, errs)
	}
	if status, _, errs := outbound("--to", "12"); status != exitFailed || !strings.Contains(errs, "too few digits") {
		t.Errorf("to nobody: %d %s", status, errs)
	}
	if status, _, errs := command(t, nil, "simulate", "outbound", "--url", side.Listen, "--to", alex, "--key-file", key); status != exitFailed || !strings.Contains(errs, "auth_token_file: ") && !strings.Contains(errs, "--account-sid") {
		t.Errorf("without an account: %d %s", status, errs)
	}
	if status, _, errs := outbound("--to", alex, "--key-file", token); status != exitFailed || errs == "" {
		t.Errorf("with a wrong key: %d %s", status, errs)
	}
}

func TestSimulateStream(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	shop := openShop(t, database)
	agents, err := org.NewStore(shop.db).Agents(t.Context(), shop.org.ID)
	must(t, err)
	operator, err := simulate.StartRuntime(simulate.RuntimeOptions{Behaviour: simulate.Operator})
	must(t, err)
	t.Cleanup(operator.Close)
	side := serve(t, "DATABASE_URL="+database)
	token := writeFile(t, shop.token)
	stream := func(more ...string) (int, string, string) {
		t.Helper()
		return command(t, nil, append([]string{"simulate", "stream", "--from", alex, "--to", shopNumber, "--url", side.Listen, "--auth-token-file", token, "--account-sid", shop.account, "--talk", "1200ms"}, more...)...)
	}
	if status, _, errs := stream(); status != exitFailed || !strings.Contains(errs, "answered without a stream") {
		t.Errorf("of an agent on the relay: %d %s", status, errs)
	}
	agents[0].Transport, agents[0].RuntimeURL = org.TransportStream, operator.URL()
	_, err = org.NewStore(shop.db).ChangeAgent(t.Context(), agents[0], nil)
	must(t, err)
	until(t, "the sidecar knows the transport", func() bool {
		status, _, _ := stream("--talk", "20ms")
		return status == 0
	})
	status, out, errs := stream("--press", "2#")
	for _, want := range []string{"“" + greetsAlex + "”", `"name":"second-1"`, "the caller hung up; ", "caller presses     2"} {
		if status != 0 || !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s%s", want, out, errs)
		}
	}
	status, out, errs = stream("--json")
	var report struct{ Streams []simulate.StreamEnd }
	if err := json.Unmarshal([]byte(out), &report); status != 0 || err != nil || len(report.Streams) != 1 || report.Streams[0].Heard < 20 || len(report.Streams[0].Unknown) > 0 {
		t.Errorf("as JSON: %d %s %s", status, out, errs)
	}
	if setup, _ := operator.Sessions()[len(operator.Sessions())-1].Setup(); setup.Caller.Name != "Alex Chen" {
		t.Errorf("the runtime was told %s", setup.Raw)
	}
}
