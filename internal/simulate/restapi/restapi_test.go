package restapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/simulate"
	"ringside/internal/simulate/restapi"
	"ringside/internal/twilio/rest"
)

// ask sends a request with the account's credentials, and returns what is answered.
func (b *bench) ask(method, path string, form url.Values) (status int, body map[string]any) {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	request.SetBasicAuth(accountSID, authToken)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		b.t.Fatalf("%s %s is answered %d, and cannot be read: %v", method, path, response.StatusCode, err)
	}
	return response.StatusCode, body
}

const calls = "/2010-04-01/Accounts/" + accountSID + "/Calls.json"

func sample(t *testing.T, name string) (object map[string]any) {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err == nil {
		err = json.Unmarshal(raw, &object)
	}
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// What is answered looks like Twilio's, member by member.
func TestShapes(t *testing.T) {
	t.Parallel()
	b := open(t, restapi.Options{Numbers: []restapi.Number{{SID: "PN00000000000000000000000000000001", AccountSID: accountSID, Phone: ours}}})
	status, made := b.ask("POST", calls, url.Values{"To": {theirs}, "From": {ours}, "Url": {b.hears + "/voice"}})
	want := sample(t, "rest_call_created.json")
	want["sid"], want["uri"] = made["sid"], "/2010-04-01/Accounts/"+accountSID+"/Calls/"+fmt.Sprint(made["sid"])+".json"
	if diff := cmp.Diff(want, made); status != http.StatusCreated || diff != "" {
		t.Errorf("%d (-want +got):\n%s", status, diff)
	}
	status, refused := b.ask("POST", calls, url.Values{"To": {"12"}, "From": {ours}, "Url": {b.hears + "/voice"}})
	if diff := cmp.Diff(sample(t, "rest_error_21211.json"), refused); status != http.StatusBadRequest || diff != "" {
		t.Errorf("%d (-want +got):\n%s", status, diff)
	}
}

// A call that is answered: Twilio's webhooks in Twilio's order, and what the callee hears.
func TestACallIsPlayed(t *testing.T) {
	t.Parallel()
	b := open(t, restapi.Options{})
	sid, err := b.client.PlaceCall(t.Context(), account, b.call())
	if err != nil {
		t.Fatal(err)
	}
	got := b.idle()
	want := []struct{ path, status, sequence string }{{"/status", "initiated", "0"}, {"/status", "ringing", "1"}, {"/status", "in-progress", "2"}, {"/voice", "in-progress", ""}, {"/status", "completed", "3"}}
	if len(got) != len(want) {
		t.Fatalf("heard %v", got)
	}
	for i, w := range want {
		f := got[i].Form
		if got[i].Path != w.path || f.Get("CallStatus") != w.status || f.Get("SequenceNumber") != w.sequence || f.Get("CallSid") != sid || f.Get("Direction") != "outbound-api" || f.Get("From") != ours || f.Get("To") != theirs {
			t.Errorf("%d: heard %v, want %v", i, got[i], w)
		}
	}
	if last := got[4].Form; last.Get("CallDuration") != "0" || last.Get("SipResponseCode") != "200" {
		t.Errorf("the end is told as %v", last)
	}
	call := b.api.Calls()[0]
	if call.Status != "completed" || call.StartTime == nil || call.Duration == nil || len(call.Outcome.Heard) != 1 || call.Outcome.Heard[0] != "Hello" {
		t.Errorf("the call is %+v", call)
	}
	if n, _ := b.api.Made(theirs); n != 1 || b.api.Asked(theirs) != 1 {
		t.Errorf("%d calls were made in %d requests", n, b.api.Asked(theirs))
	}
}

func TestCallsThatNobodyAnswers(t *testing.T) {
	t.Parallel()
	for result, sip := range map[string]string{"busy": "486", "no-answer": "487", "failed": "404", "canceled": "487"} {
		t.Run(result, func(t *testing.T) {
			t.Parallel()
			b := open(t, restapi.Options{Party: func(string) restapi.Party { return restapi.Party{Result: result} }})
			if _, err := b.client.PlaceCall(t.Context(), account, b.call()); err != nil {
				t.Fatal(err)
			}
			got := b.idle()
			if len(got) != 3 || got[2].Path != "/status" || got[2].Form.Get("CallStatus") != result || got[2].Form.Get("CallDuration") != "0" || got[2].Form.Get("SipResponseCode") != sip {
				t.Errorf("heard %v", got)
			}
			if call := b.api.Calls()[0]; call.Status != result || call.StartTime != nil || call.EndTime == nil {
				t.Errorf("the call is %+v", call)
			}
		})
	}
}

func TestWhoAnsweredIsTold(t *testing.T) {
	t.Parallel()
	b := open(t, restapi.Options{Party: func(string) restapi.Party { return restapi.Party{AnsweredBy: "machine_start"} }})
	call := b.call()
	call.DetectMachines = true
	if _, err := b.client.PlaceCall(t.Context(), account, call); err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, h := range b.idle() {
		if h.Form.Get("AnsweredBy") == "machine_start" && h.Form.Get("MachineDetectionDuration") != "" {
			told++
		}
	}
	if got := b.api.Calls()[0].AnsweredBy; told != 1 || got == nil || *got != "machine_start" {
		t.Errorf("told %d times; the call has %v", told, got)
	}
}

// A call is ended over the API, whether it rings or is talked on; one that is over stays as it is.
func TestEndCall(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		party restapi.Party
		twiml string
		at    string // the status in which it is ended
		want  string
	}{
		"ringing": {restapi.Party{Rings: time.Hour}, `<Response/>`, "ringing", "canceled"},
		"talking": {restapi.Party{}, `<Response><Pause length="3600"/></Response>`, "in-progress", "completed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, restapi.Options{Party: func(string) restapi.Party { return test.party }})
			b.twiml = test.twiml
			sid, err := b.client.PlaceCall(t.Context(), account, b.call())
			if err != nil {
				t.Fatal(err)
			}
			for b.api.Calls()[0].Status != test.at {
				time.Sleep(time.Millisecond)
			}
			for range 2 {
				if err := b.client.EndCall(t.Context(), account, sid); err != nil {
					t.Fatal(err)
				}
			}
			heard := b.idle() // the webhook of a call that is ended as it begins may be the last
			var states []string
			for _, r := range heard {
				states = append(states, r.Form.Get("CallStatus"))
			}
			if call := b.api.Calls()[0]; call.Status != test.want || !slices.Contains(states, test.want) {
				t.Errorf("the call is %s; heard were %v", call.Status, states)
			}
			if err := b.client.EndCall(t.Context(), account, sid); err != nil {
				t.Errorf("ended again: %v", err)
			}
		})
	}
	b := open(t, restapi.Options{})
	if p, _ := problem.From(b.client.EndCall(t.Context(), account, "CA1")); p.Code != problem.CodeNotFound {
		t.Errorf("a call that is not there: %v", p)
	}
}

func TestMessagesAreDelivered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		party restapi.Party
		want  string // the states, and the error of the last
	}{
		"delivered":   {restapi.Party{}, "queued sent delivered "},
		"unreachable": {restapi.Party{Delivery: "undelivered", DeliveryError: 30003}, "queued sent undelivered 30003"},
		"opted out":   {restapi.Party{Delivery: "failed", DeliveryError: 21610}, "queued failed 21610"},
		"on its way":  {restapi.Party{Delivery: "sent"}, "queued sent "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, restapi.Options{Party: func(string) restapi.Party { return test.party }})
			sid, err := b.client.SendMessage(t.Context(), account, b.message())
			if err != nil {
				t.Fatal(err)
			}
			var states, last string
			for _, h := range b.idle() {
				if h.Form.Get("MessageSid") != sid || h.Path != "/sms" {
					t.Errorf("heard %v", h)
				}
				states += h.Form.Get("MessageStatus") + " "
				last = h.Form.Get("ErrorCode")
			}
			if states+last != test.want {
				t.Errorf("heard %q", states+last)
			}
			if m := b.api.Messages()[0]; m.Body != "See you on Friday." || !strings.Contains(test.want, m.Status) || (m.ErrorCode != nil) != (last != "") {
				t.Errorf("the message is %+v", m)
			}
		})
	}
}

// Twilio's magic numbers are refused as it refuses them, and what an option refuses.
func TestRefusals(t *testing.T) {
	t.Parallel()
	b := open(t, restapi.Options{
		Numbers: []restapi.Number{{AccountSID: accountSID, Phone: ours}},
		Refuse: func(c restapi.Create) int {
			if c.To == "+12015550110" {
				return 21610
			}
			return 0
		}})
	call := func(from, to string) error {
		c := b.call()
		c.From, c.To = phone.Number(from), phone.Number(to)
		_, err := b.client.PlaceCall(t.Context(), account, c)
		return err
	}
	message := func(from, to, text string) error {
		m := b.message()
		m.From, m.To, m.Text = phone.Number(from), phone.Number(to), text
		_, err := b.client.SendMessage(t.Context(), account, m)
		return err
	}
	for name, test := range map[string]struct {
		err  error
		code problem.Code
		says string
	}{
		"call to an invalid number":    {call(ours, "+15005550001"), problem.CodeInvalid, "21217"},
		"call to a country":            {call(ours, "+15005550003"), problem.CodeForbidden, "21215"},
		"call to a blocked number":     {call(ours, "+15005550004"), problem.CodeForbidden, "21216"},
		"call from an invalid number":  {call("+15005550001", theirs), problem.CodeInvalid, "21212"},
		"call from another's number":   {call("+12125550100", theirs), problem.CodeInvalid, "21210"},
		"message to an invalid number": {message(ours, "+15005550001", "x"), problem.CodeInvalid, "21211"},
		"message to a country":         {message(ours, "+15005550003", "x"), problem.CodeForbidden, "21408"},
		"message to who opted out":     {message(ours, "+15005550004", "x"), problem.CodeOptedOut, "21610"},
		"message to a landline":        {message(ours, "+15005550009", "x"), problem.CodeInvalid, "21614"},
		"message by an option":         {message(ours, "+12015550110", "x"), problem.CodeOptedOut, "21610"},
		"message from another's":       {message("+12125550100", theirs, "x"), problem.CodeInvalid, "21659"},
		"message from a full queue":    {message("+15005550008", theirs, "x"), problem.CodeUnavailable, "waiting"},
		"message without a text":       {message(ours, theirs, ""), problem.CodeTwilioRefused, "body is required"},
		"message that is too long":     {message(ours, theirs, strings.Repeat("x", 1601)), problem.CodeTwilioRefused, "1600"},
	} {
		if p, known := problem.From(test.err); !known || p.Code != test.code || !strings.Contains(p.Detail, test.says) {
			t.Errorf("%s: %v", name, test.err)
		}
	}
	if err := message("+15005550006", theirs, "x"); err != nil {
		t.Errorf("from the magic number that is valid: %v", err)
	}
	if len(b.api.Calls()) != 0 || len(b.api.Messages()) != 1 {
		t.Errorf("made %d calls and %d messages", len(b.api.Calls()), len(b.api.Messages()))
	}
}

// What goes wrong with a request is for the client unclear, or certain; and Twilio has acted, or not.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault   restapi.Fault
		unclear bool
		made    int
	}{
		"dropped before":       {restapi.Fault{Drops: true}, true, 0},
		"dropped after acting": {restapi.Fault{Drops: true, Acts: true}, true, 1},
		"too many":             {restapi.Fault{Status: 429}, false, 0},
		"a failure":            {restapi.Fault{Status: 500}, true, 0},
		"a failure that acted": {restapi.Fault{Status: 503, Acts: true}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, restapi.Options{Fault: func(c restapi.Create) restapi.Fault {
				if c.Attempt > 1 {
					return restapi.Fault{}
				}
				return test.fault
			}})
			since := time.Now()
			_, err := b.client.SendMessage(t.Context(), account, b.message())
			if err == nil || errors.Is(err, rest.ErrUnclear) != test.unclear {
				t.Fatalf("%v", err)
			}
			found, err := b.client.Messages(t.Context(), account, ours, theirs, since)
			if err != nil || len(found) != test.made {
				t.Errorf("Twilio has %v (%v)", found, err)
			}
			if _, err := b.client.SendMessage(t.Context(), account, b.message()); err != nil || b.api.Asked(theirs) != 2 {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	const suspended, trial = "AC00000000000000000000000000000002", "AC00000000000000000000000000000003"
	b := open(t, restapi.Options{Accounts: map[string]string{accountSID: authToken, suspended: "t", trial: "t"}, Suspended: []string{suspended}, Trials: []string{trial}})
	state, err := b.client.State(t.Context(), account)
	if err != nil || !state.Active || state.Trial || time.Since(state.Clock).Abs() > time.Minute {
		t.Errorf("%+v, %v", state, err)
	}
	if state, err := b.client.State(t.Context(), rest.Account{SID: suspended, AuthToken: "t"}); err != nil || state.Active {
		t.Errorf("suspended: %+v, %v", state, err)
	}
	if state, err := b.client.State(t.Context(), rest.Account{SID: trial, AuthToken: "t"}); err != nil || !state.Trial {
		t.Errorf("a trial: %+v, %v", state, err)
	}
	for name, a := range map[string]rest.Account{"a wrong token": {SID: accountSID, AuthToken: "hunter3"}, "an unknown account": {SID: "AC9", AuthToken: authToken}} {
		_, err := b.client.State(t.Context(), a)
		if p, _ := problem.From(err); p.Code != problem.CodeTwilioRefused || !strings.Contains(p.Detail, "auth token") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = b.client.SendMessage(t.Context(), rest.Account{SID: suspended, AuthToken: "t"}, b.message())
	if p, _ := problem.From(err); p.Code != problem.CodeTwilioRefused || !strings.Contains(p.Detail, "suspended") {
		t.Errorf("a message of a suspended account: %v", err)
	}
	// An account sees nothing of another's.
	if status, body := b.ask("GET", strings.Replace(calls, accountSID, trial, 1), nil); status != http.StatusUnauthorized || body["code"] != 20003. {
		t.Errorf("another's calls: %d %v", status, body)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	b := open(t, restapi.Options{Numbers: []restapi.Number{
		{AccountSID: accountSID, Phone: ours + "9"}, // the pattern finds this one, too
		{SID: "PN1", AccountSID: accountSID, Phone: ours, Settings: map[string]string{"voice_url": "https://demo.twilio.com/welcome", "voice_method": "GET", "trunk_sid": "TK1"}},
	}})
	found, err := b.client.FindNumber(t.Context(), account, ours)
	want := rest.Number{SID: "PN1", Phone: ours, TrunkSID: "TK1", Endpoints: rest.Endpoints{Voice: rest.Endpoint{URL: "https://demo.twilio.com/welcome", Method: "GET"},
		VoiceFallback: rest.Endpoint{Method: "POST"}, Status: rest.Endpoint{Method: "POST"}, SMS: rest.Endpoint{Method: "POST"}, SMSFallback: rest.Endpoint{Method: "POST"}}}
	if diff := cmp.Diff(want, found); err != nil || diff != "" {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	set := rest.Endpoints{Voice: rest.Endpoint{URL: "https://x.example/voice#rc=2", Method: "POST"}, SMSFallback: rest.Endpoint{URL: "https://x.example/sms", Method: "POST"}}
	updated, err := b.client.UpdateNumber(t.Context(), account, found.SID, set)
	want.Voice, want.SMSFallback = set.Voice, set.SMSFallback
	if diff := cmp.Diff(want, updated); err != nil || diff != "" || b.api.Setting(ours, "voice_url") != set.Voice.URL {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := b.client.UpdateNumber(t.Context(), account, found.SID, rest.Endpoints{Voice: rest.Endpoint{URL: "nowhere", Method: "POST"}}); err == nil {
		t.Error("an address that is none was set")
	}
	for _, n := range []phone.Number{"+13035550100", "+1212555019"} {
		_, err := b.client.FindNumber(t.Context(), account, n)
		if p, _ := problem.From(err); p.Code != problem.CodeNotFound || !strings.Contains(p.Detail, "subaccount") {
			t.Errorf("%s: %v", n, err)
		}
	}
	_, err = b.client.UpdateNumber(t.Context(), account, "PN9", set)
	if p, _ := problem.From(err); p.Code != problem.CodeNotFound {
		t.Errorf("a number that is not there: %v", err)
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	b := open(t, restapi.Options{Party: func(string) restapi.Party { return restapi.Party{Result: "busy"} }})
	since := time.Now()
	for range 3 {
		if _, err := b.client.PlaceCall(t.Context(), account, b.call()); err != nil {
			t.Fatal(err)
		}
	}
	b.idle()
	found, err := b.client.Calls(t.Context(), account, ours, theirs, since)
	if err != nil || len(found) != 3 {
		t.Errorf("%v, %v", found, err)
	}
	if other, err := b.client.Calls(t.Context(), account, theirs, ours, since); err != nil || len(other) != 0 {
		t.Errorf("the other way round: %v, %v", other, err)
	}
	var sids []any
	for page, pages := calls+"?PageSize=2&Status=busy", 0; page != ""; pages++ {
		status, body := b.ask("GET", page, nil)
		listed := body["calls"].([]any)
		if status != http.StatusOK || len(listed) > 2 || pages > 1 {
			t.Fatalf("page %d: %d %v", pages, status, body)
		}
		for _, call := range listed {
			sids = append(sids, call.(map[string]any)["sid"])
		}
		page, _ = body["next_page_uri"].(string)
	}
	made := b.api.Calls()
	if diff := cmp.Diff([]any{made[2].SID, made[1].SID, made[0].SID}, sids); diff != "" {
		t.Errorf("the pages (-want +got):\n%s", diff)
	}
	if status, body := b.ask("GET", "/2010-04-01/Accounts/"+accountSID+"/Calls/"+made[0].SID+".json", nil); status != http.StatusOK || body["status"] != "busy" {
		t.Errorf("one call: %d %v", status, body)
	}
	for _, path := range []string{"/2010-04-01/Accounts/" + accountSID + "/Faxes.json", "/2010-04-01/Accounts/" + accountSID + "/Messages/SM1.json"} {
		if status, body := b.ask("GET", path, nil); status != http.StatusNotFound || body["code"] != 20404. {
			t.Errorf("%s: %d %v", path, status, body)
		}
	}
}

// What was made is heard of by the voice agent's side as by Twilio's: a relay session is held.
func TestWhoeverIsCalledTalksToTheAgent(t *testing.T) {
	t.Parallel()
	runtime, err := simulate.StartRuntime(simulate.RuntimeOptions{Behaviour: simulate.Receptionist})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(runtime.Close)
	b := open(t, restapi.Options{Party: func(string) restapi.Party {
		return restapi.Party{Script: []simulate.Step{simulate.Say("Good morning")}}
	}})
	b.twiml = `<Response><Connect><ConversationRelay url="` + runtime.URL() + `" welcomeGreeting="Hello Alex"/></Connect></Response>`
	if _, err := b.client.PlaceCall(t.Context(), account, b.call()); err != nil {
		t.Fatal(err)
	}
	b.idle()
	call := b.api.Calls()[0]
	if call.Status != "completed" || call.Outcome.Greeting != "Hello Alex" || len(call.Outcome.Replies) == 0 {
		t.Errorf("the call is %s; heard %q; alerts %v", call.Status, call.Outcome.Heard, call.Outcome.Alerts)
	}
}
