// Package metrics holds what the program counts and times, in the format of Prometheus. The names
// and what an alarm on each means are in docs/operations.md.
package metrics

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the collectors of one program. They are on a registry of their own, so that two
// programs in one process (as in tests) do not meet.
type Metrics struct {
	registry *prometheus.Registry

	Webhooks       *prometheus.CounterVec   // by path and outcome
	Repeats        *prometheus.CounterVec   // by path
	WebhookSeconds *prometheus.HistogramVec // by path
	Recognitions   *prometheus.CounterVec   // by the rule that decided about the name
	RecognizeTime  prometheus.Histogram
	LookupSeconds  *prometheus.HistogramVec // by tier
	WriteSeconds   *prometheus.HistogramVec // by kind
	SyncSeconds    prometheus.Histogram     // of the spool
	FrameSeconds   *prometheus.HistogramVec // by the path of the socket, and by who sent the frame
	ConnectSeconds *prometheus.HistogramVec // by the path of the socket
	RelaySessions  *prometheus.GaugeVec     // by the path of the socket
	RelayEnds      *prometheus.CounterVec   // by the path of the socket, and by who ended the session, and how
	Tools          *prometheus.CounterVec   // by message type
	EventSockets   prometheus.Gauge
	EventsSent     *prometheus.CounterVec // by type
}

// latency suits what should take microseconds and must not take a second.
var latency = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .15, .25, .5, 1, 2.5, 5, 15}

// New returns the collectors, registered.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		Webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringside_webhooks_total",
			Help: "Webhook requests, by path and outcome."}, []string{"path", "outcome"}),
		WebhookSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ringside_webhook_seconds",
			Help: "Time to answer a webhook.", Buckets: latency}, []string{"path"}),
		Repeats: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringside_webhook_repeats_total",
			Help: "Webhooks that Twilio has sent before, by path: an answer was lost, or came too late."}, []string{"path"}),
		Recognitions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringside_recognitions_total",
			Help: "Callers, by the rule that decided about their name."}, []string{"rule"}),
		RecognizeTime: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ringside_recognition_seconds",
			Help: "Time to decide who is calling.", Buckets: latency}),
		LookupSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ringside_lookup_seconds",
			Help: "Time that a place where callers are looked up took to answer, by place.", Buckets: latency}, []string{"tier"}),
		WriteSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ringside_write_seconds",
			Help: "Time that a webhook waited for its event to be durable, by what the event is of. One that was given up counts with the time until then.", Buckets: latency}, []string{"kind"}),
		SyncSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ringside_spool_sync_seconds",
			Help: "Time until what goes to the spool is safe on this machine's disk: one fsync, which all share that came at the same time.", Buckets: latency}),
		FrameSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ringside_relay_frame_seconds",
			Help: "Time from a frame's last byte read to its last byte written, by the path of the socket and who sent it.", Buckets: latency}, []string{"path", "from"}),
		ConnectSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ringside_runtime_connect_seconds",
			Help: "Time until an agent runtime has a call's first message, or could not be had, by the path of the call's socket.", Buckets: latency}, []string{"path"}),
		RelaySessions: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ringside_relay_sessions",
			Help: "Calls on the relay now, by the path of their socket."}, []string{"path"}),
		RelayEnds: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringside_relay_ends_total",
			Help: "Ended relay sessions, by the path of their socket and what ended them."}, []string{"path", "by"}),
		Tools: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringside_tool_messages_total",
			Help: "Messages of agent runtimes to Ringside, by type."}, []string{"type"}),
		EventSockets: prometheus.NewGauge(prometheus.GaugeOpts{Name: "ringside_event_sockets",
			Help: "Agents' programs on the events socket now."}),
		EventsSent: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringside_runtime_events_sent_total",
			Help: "Events sent over events sockets, by type. One that is sent again counts again."}, []string{"type"}),
	}
	m.registry.MustRegister(m.Webhooks, m.Repeats, m.WebhookSeconds, m.Recognitions, m.RecognizeTime, m.LookupSeconds, m.WriteSeconds, m.SyncSeconds, m.FrameSeconds,
		m.ConnectSeconds, m.RelaySessions, m.RelayEnds, m.Tools, m.EventSockets, m.EventsSent,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Looked times a look-up at one of the places where callers are looked up.
func (m *Metrics) Looked(tier string, micros int64) {
	m.LookupSeconds.WithLabelValues(tier).Observe(float64(micros) / 1e6)
}

// Gauge registers a figure that is read when the metrics are.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Counter registers a figure that only rises and is read when the metrics are.
func (m *Metrics) Counter(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
}

// described reads a metric's name and labels from what its description prints, the only place where
// the library says them.
var described = regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)

// Labels returns every metric there is, measured yet or not, with the names of its labels: what
// dashboards and alert rules may ask for.
func (m *Metrics) Labels() map[string][]string {
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		m.registry.Describe(descriptions)
	}()
	all := map[string][]string{}
	for d := range descriptions {
		if found := described.FindStringSubmatch(d.String()); found != nil {
			all[found[1]] = strings.FieldsFunc(found[2], func(r rune) bool { return r == ',' })
		}
	}
	return all
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
