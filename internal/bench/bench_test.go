package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"ringside/internal/twilio"
)

// A test's binary plays the roles as the program does.
func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// tinyPlan measures nothing worth knowing, by every means of a real run.
var tinyPlan = plan{
	voice: []voiceLoad{{2, 1}}, goalConnections: 2,
	turn: 100 * time.Millisecond, warmUp: 20 * time.Millisecond, settle: time.Second,
	contacts: 3000, familiar: 5, shared: 200, samples: 2,
	faultConnections: 2, faultTurn: 300 * time.Millisecond,
	calls: []int{3}, relayRounds: 1, relayTurn: 200 * time.Millisecond, relayWarmUp: 20 * time.Millisecond,
	people: 1000, importRounds: 1, searches: 2, writeRounds: 1, writeTurn: 30 * time.Millisecond,
}

func TestARunMeasuresEverything(t *testing.T) {
	t.Parallel()
	var report, progress bytes.Buffer
	if err := measure(t.Context(), tinyPlan, parts, &report, &progress); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	for _, want := range []string{
		"PostgreSQL ", "Redis ",
		"known caller, in process: requests a second at 2 connections | ≥ 75 % of the bare handler's | ",
		"known caller, in Redis: requests a second at 2 connections | ≥ 50 % of the bare handler's | ",
		"known caller, cold: requests a second at 2 connections | ≥ 37 % of the bare handler's | ",
		"| TwiML with Redis silent and Postgres 2s slower: p99 | ≤ 160 ms (budget + 10 ms) | ",
		"| relay, 3 calls at 50 frames a second each way: added p99 | ≤ 1.2 times the byte proxy's | ",
		"| 2 | bare handler | ", "| 2 | unknown caller, in process | ",
		"| 3 | nothing between | ", "| 3 | byte proxy | ", "| 3 | ringside | ",
		"| import of 1000 rows: wall time | ≤ 2.5 times COPY's | ", "| import of 1000 rows: peak memory | ≤ 150 MB | ",
		"| search of 1000 contacts, first page, with the total: p99 | ≤ 20 ms | ", "| search of 1000 contacts, later page: p99 | ≤ 20 ms | ",
		"| a rare tag | ", "| 1 | add, with a limit | ", "| 32 | archive | ",
		" calls asked about, ", "events to the ledger and dropped ",
	} {
		if !strings.Contains(report.String(), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(report.String())
	}
}

func TestTheProgramBuildsForProfiling(t *testing.T) {
	t.Parallel()
	if _, err := buildProgram(t.Context(), t.TempDir(), true); err != nil {
		t.Error(err)
	}
}

func TestOnlyKnownPartsAreMeasured(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), []string{"-only", "voice,sms"}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), `no part "sms"`) {
		t.Errorf("got %v, want an error that names the part", err)
	}
}

// What the load sends has to be what Twilio would: otherwise refusals would be measured.
func TestRequestsAreSigned(t *testing.T) {
	t.Parallel()
	requests := newSupply(2, &sids{}, known)
	public, err := twilio.ParsePublicURL(publicURL)
	if err != nil {
		t.Fatal(err)
	}
	verifier, key := twilio.NewVerifier(public), twilio.NewKey(authToken)
	for range requests.requests {
		r := parseRequest(t, requests.next())
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		form, err := twilio.ParseForm(body)
		if err != nil {
			t.Fatal(err)
		}
		if !verifier.Webhook(key, r.RequestURI, r.Header.Get(twilio.SignatureHeader), form) {
			t.Errorf("the call of %s is not signed as Twilio would", form.Get("From"))
		}
	}
	if left := requests.next(); left != nil {
		t.Errorf("a third request of two: %q", left)
	}
	if requests.sids[0] == requests.sids[1] {
		t.Errorf("two calls share the CallSid %s", requests.sids[0])
	}
	if signature := newSigner().handshake(socketURL); !verifier.Handshake(key, "/twilio/relay", signature) {
		t.Error("a handshake is not signed as Twilio would")
	}
}

func TestBareHandlerChecksSignatures(t *testing.T) {
	t.Parallel()
	request := newSupply(1, &sids{}, known).next()
	for name, test := range map[string]struct {
		request []byte
		status  int
	}{
		"signed": {request, http.StatusOK},
		"forged": {bytes.Replace(request, []byte("CallStatus=ringing"), []byte("CallStatus=RINGING"), 1), http.StatusForbidden},
	} {
		w := httptest.NewRecorder()
		bareMux().ServeHTTP(w, parseRequest(t, test.request))
		if w.Code != test.status {
			t.Errorf("%s: answered %d, want %d", name, w.Code, test.status)
		}
	}
}

func parseRequest(t *testing.T, raw []byte) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
