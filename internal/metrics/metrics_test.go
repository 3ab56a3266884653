package metrics_test

import (
	"net/http/httptest"
	"os"
	"regexp"
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

// docs/operations.md says of every metric what to watch for.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	m := metrics.New()
	use(m)
	names := regexp.MustCompile(`(?m)^# TYPE (ringside_\w+)`).FindAllStringSubmatch(scrape(t, m), -1)
	if len(names) < 7 {
		t.Fatalf("only %d metrics of ours: %v", len(names), names)
	}
	for _, name := range names {
		if !regexp.MustCompile("`" + name[1] + `\b`).Match(document) {
			t.Errorf("docs/operations.md does not mention %s", name[1])
		}
	}
}
