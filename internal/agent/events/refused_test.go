package events_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/agent/events"
	"ringside/internal/org"
)

func TestSocketsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	elsewhere := must(d.store.CreateOrg(t.Context(), org.Org{Name: "Elsewhere", Country: "US"}))(t)
	theirs := must(d.store.CreateAgent(t.Context(), org.Agent{OrgID: elsewhere.ID, Name: "Theirs", Greeting: "Hello", RuntimeURL: "ws://localhost:9000"}))(t)
	reader, _ := d.newKey(d.org.ID, "read", "tools")
	bearer := func(key string) http.Header { return http.Header{"Authorization": {"Bearer " + key}} }
	for name, test := range map[string]struct {
		query  string
		header http.Header
		status int
		code   string
	}{
		"no key":                      {"", http.Header{}, 401, "unauthorized"},
		"a wrong key":                 {"", bearer("rsk_wrong"), 401, "unauthorized"},
		"a key without the scope":     {"", bearer(reader), 403, "forbidden"},
		"an unknown parameter":        {"?token=x", nil, 422, "invalid"},
		"a parameter twice":           {"?from=now&from=now", nil, 422, "invalid"},
		"from nowhere":                {"?from=yesterday", nil, 422, "invalid"},
		"a query that is none":        {"?a=%zz", nil, 422, "invalid"},
		"a name that is none":         {"?consumer=a%20b", nil, 422, "invalid"},
		"an agent that is none":       {"?agent=reception", nil, 404, "not_found"},
		"somebody else's agent":       {"?agent=" + theirs.ID, nil, 404, "not_found"},
		"a name that is far too long": {"?consumer=" + strings.Repeat("x", 5000), nil, 422, "invalid"},
	} {
		conn, response, err := d.dial(test.query, test.header)
		if err == nil {
			conn.Close()
			t.Errorf("%s: accepted", name)
			continue
		}
		body := must(io.ReadAll(response.Body))(t)
		if response.StatusCode != test.status || !strings.Contains(string(body), `"code":"`+test.code+`"`) {
			t.Errorf("%s: %d %s", name, response.StatusCode, body)
		}
	}
	// Without a WebSocket, it is said what this is.
	request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, d.server.URL+events.Path, nil))(t)
	request.Header = bearer(d.key)
	response := must(http.DefaultTransport.RoundTrip(request))(t)
	response.Body.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if response.StatusCode != http.StatusUpgradeRequired || response.Header.Get("Upgrade") != "websocket" {
		t.Errorf("a plain request is answered %d", response.StatusCode)
	}
	if d.Listening(d.org.ID, "") {
		t.Error("somebody listens")
	}
}

func TestAsManySocketsAsThereMayBe(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	for i := range events.MaxSockets {
		d.listen("?consumer=c" + strings.Repeat("x", i))
	}
	_, response, err := d.dial("", nil)
	if err == nil || response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") == "" {
		t.Errorf("one more: %v", err)
	}
}

func TestMessagesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.begins("CA1")
	p := d.listen("")
	for text, want := range map[string]string{
		"":                               "invalid",
		"hello":                          "invalid",
		"{":                              "invalid",
		"[]":                             "invalid",
		`"ack"`:                          "invalid",
		`{"type":7}`:                     "invalid",
		"{}":                             "unknown_type",
		"null":                           "unknown_type",
		`{"type":"text","token":"Hi"}`:   "unknown_type",
		`{"type":"capture_contact"}`:     "unknown_type",
		`{"type":"ringside.unheard_of"}`: "unknown_type",
		`{"type":"` + strings.Repeat("x", 5000) + `"}`: "unknown_type",
		`{"type":"ack"}`:                                                                                    "invalid_cursor",
		`{"type":"ack","cursor":""}`:                                                                        "invalid_cursor",
		`{"type":"ack","cursor":"x"}`:                                                                       "invalid_cursor",
		`{"type":"ack","cursor":"-1"}`:                                                                      "invalid_cursor",
		`{"type":"ack","cursor":1.5}`:                                                                       "invalid_cursor",
		`{"type":"ack","cursor":"99999999999999999999"}`:                                                    "invalid_cursor",
		`{"type":"ack","cursor":"1000"}`:                                                                    "invalid_cursor",
		`{"type":"ringside.note","call_sid":"CA1","note":7}`:                                                "invalid",
		`{"type":"ringside.note","note":"x"}`:                                                               "invalid",
		`{"type":"ringside.note","note":"x","call_sid":"CA1","message_sid":"SM1"}`:                          "invalid",
		`{"type":"ringside.note","note":"x","call_sid":"CA2"}`:                                              "not_found",
		`{"type":"ringside.note","note":"x","message_sid":"CA1"}`:                                           "not_found",
		`{"type":"ringside.note","note":"x","call_sid":"CA1\u0000"}`:                                        "not_found",
		`{"type":"ringside.note","note":" ","call_sid":"CA1"}`:                                              "nothing_to_save",
		`{"type":"ringside.send_sms","text":"","call_sid":"CA1"}`:                                           "nothing_to_send",
		`{"type":"ringside.send_sms","text":"` + strings.Repeat("🙂", 1601) + `","call_sid":"CA1"}`:          "too_long",
		`{"type":"ringside.send_sms","text":"x","to":"12","call_sid":"CA1"}`:                                "invalid_phone",
		`{"type":"ringside.send_sms","text":"x","key":"` + strings.Repeat("k", 201) + `","call_sid":"CA1"}`: "invalid",
	} {
		p.send(text)
		if m := p.next(); m.Type != "ringside.result" || m.OK || m.Code != want || m.Message == "" {
			t.Errorf("%.100s is answered %+v, want the code %s", text, m, want)
		}
	}
	// And the socket is as good as before.
	if m := p.ask(`{"type":"ringside.note","id":{"a":[1]},"call_sid":"CA1","note":"x"}`); !m.OK || string(m.ID) != `{"a":[1]}` {
		t.Errorf("a note is answered %+v", m)
	}
}

func TestMessagesThatEndTheSocket(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	p := d.listen("")
	if err := p.conn.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"ack","cursor":"1"}`)); err != nil {
		t.Fatal(err)
	}
	if code, reason := p.gone(); code != websocket.CloseUnsupportedData || reason == "" {
		t.Errorf("binary data: closed with %d %q", code, reason)
	}
	p = d.listen("")
	large := `{"type":"ringside.note","note":"` + strings.Repeat("x", 10<<20) + `"}`
	written := make(chan error, 1)
	go func() { written <- p.conn.WriteMessage(websocket.TextMessage, []byte(large)) }()
	if code, _ := p.gone(); code != websocket.CloseMessageTooBig {
		t.Errorf("10 MB: closed with %d", code)
	}
	select {
	case <-written: // whatever became of it
	case <-time.After(patient):
		t.Error("10 MB are still being written")
	}
}
