package metrics_test

import (
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ringside/internal/metrics"
)

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	if recorder.Code != 200 || !strings.HasPrefix(recorder.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("answered %d %s", recorder.Code, recorder.Header().Get("Content-Type"))
	}
	return recorder.Body.String()
}

// use makes every collector show.
func use(m *metrics.Metrics) {
	m.Webhooks.WithLabelValues("/twilio/voice", "answered").Inc()
	m.WebhookSeconds.WithLabelValues("/twilio/voice").Observe(.003)
	m.Recognitions.WithLabelValues("contact_name").Add(2)
	m.RecognizeTime.Observe(.0002)
	m.Looked("redis", 700)
	m.WriteSeconds.WithLabelValues("message").Observe(.004)
	m.FrameSeconds.WithLabelValues("/twilio/relay", "caller").Observe(.00005)
	m.ConnectSeconds.WithLabelValues("/twilio/relay").Observe(.02)
	m.RelaySessions.WithLabelValues("/twilio/relay").Inc()
	m.RelayEnds.WithLabelValues("/twilio/relay", "caller").Inc()
	m.Tools.WithLabelValues("ringside.note").Inc()
}

func TestScrape(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	use(m)
	waiting := 3.0
	m.Gauge("ringside_test_waiting", "Waiting.", func() float64 { return waiting })
	m.Counter("ringside_test_total", "Total.", func() float64 { return 7 })
	waiting = 4
	text := scrape(t, m)
	for _, want := range []string{
		`ringside_webhooks_total{outcome="answered",path="/twilio/voice"} 1`,
		`ringside_webhook_seconds_bucket{path="/twilio/voice",le="0.005"} 1`,
		`ringside_webhook_seconds_bucket{path="/twilio/voice",le="0.0025"} 0`,
		`ringside_recognitions_total{rule="contact_name"} 2`,
		`ringside_recognition_seconds_count 1`,
		`ringside_lookup_seconds_bucket{tier="redis",le="0.001"} 1`,
		`ringside_lookup_seconds_bucket{tier="redis",le="0.0005"} 0`,
		`ringside_write_seconds_count{kind="message"} 1`,
		`ringside_relay_frame_seconds_bucket{from="caller",path="/twilio/relay",le="0.0001"} 1`,
		`ringside_runtime_connect_seconds_count{path="/twilio/relay"} 1`,
		`ringside_relay_sessions{path="/twilio/relay"} 1`,
		`ringside_relay_ends_total{by="caller",path="/twilio/relay"} 1`,
		`ringside_tool_messages_total{type="ringside.note"} 1`,
		`ringside_test_waiting 4`, // read when the metrics are
		`ringside_test_total 7`,
		`# TYPE ringside_test_total counter`,
		`go_goroutines `,
		`process_open_fds `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// Two programs in one process, as in tests, do not meet.
func TestRegistriesAreTheirOwn(t *testing.T) {
	t.Parallel()
	a, b := metrics.New(), metrics.New()
	use(a)
	if text := scrape(t, b); strings.Contains(text, `ringside_webhooks_total{`) {
		t.Errorf("one program's figures are in another's metrics")
	}
}

// What is measured by label is described before it is measured.
func TestLabels(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	m.Gauge("ringside_test_waiting", "Waiting.", func() float64 { return 0 })
	all := m.Labels()
	for name, want := range map[string][]string{
		"ringside_webhooks_total":       {"path", "outcome"},
		"ringside_relay_frame_seconds":  {"path", "from"},
		"ringside_recognition_seconds":  {},
		"ringside_test_waiting":         {},
		"go_goroutines":                 {},
		"process_resident_memory_bytes": {},
	} {
		if got, known := all[name]; !known || !slices.Equal(got, want) {
			t.Errorf("%s has the labels %q (known: %v), want %q", name, got, known, want)
		}
	}
}

// docs/operations.md says of every metric what to watch for.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	ours := 0
	for name := range metrics.New().Labels() {
		if !strings.HasPrefix(name, "ringside_") {
			continue
		}
		ours++
		if !regexp.MustCompile("`" + name + `\b`).Match(document) {
			t.Errorf("docs/operations.md does not mention %s", name)
		}
	}
	if ours < 13 {
		t.Fatalf("only %d metrics of ours", ours)
	}
}
