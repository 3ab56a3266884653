package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ringside/cache/redistest"
	"ringside/internal/metrics"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
)

// measured returns every metric of the program with its labels, by the names that a query uses, and
// what Prometheus adds.
func measured() map[string][]string {
	s := &sidecar{metrics: metrics.New()}
	s.gauges()
	all := map[string][]string{"up": nil}
	for name, labels := range s.metrics.Labels() {
		all[name] = labels
		if strings.HasSuffix(name, "_seconds") {
			all[name+"_count"], all[name+"_sum"], all[name+"_bucket"] = labels, labels, append(slices.Clone(labels), "le")
		}
	}
	return all
}

var (
	quoted   = regexp.MustCompile(`"[^"]*"`)
	selector = regexp.MustCompile(`\b([a-z_]\w*)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
	grouping = regexp.MustCompile(`\bby \(([^)]*)\)`)
	asked    = regexp.MustCompile(`\b(?:ringside|go|process)_\w+|\bup\b`)
)

// faults returns what a query asks for that is not there, be it a metric or a label: it would be
// silent for ever.
func faults(query string, known map[string][]string) (found []string) {
	added := []string{"job", "instance"}
	plain := quoted.ReplaceAllString(query, `""`)
	carried := slices.Clone(added)
	names := asked.FindAllString(plain, -1)
	if len(names) == 0 {
		found = append(found, "no metric")
	}
	for _, name := range names {
		labels, ok := known[name]
		if !ok {
			found = append(found, name)
		}
		carried = append(carried, labels...)
	}
	for _, chosen := range selector.FindAllStringSubmatch(plain, -1) {
		for _, label := range matcher.FindAllStringSubmatch(chosen[2], -1) {
			if !slices.Contains(added, label[1]) && !slices.Contains(known[chosen[1]], label[1]) {
				found = append(found, chosen[1]+"{"+label[1]+"}")
			}
		}
	}
	for _, group := range grouping.FindAllStringSubmatch(plain, -1) {
		for _, label := range strings.Split(group[1], ",") {
			if label = strings.TrimSpace(label); !slices.Contains(carried, label) {
				found = append(found, "by "+label)
			}
		}
	}
	return found
}

func checkQuery(t *testing.T, where, query string, known map[string][]string) {
	t.Helper()
	if missing := faults(query, known); missing != nil {
		t.Errorf("%s asks for %q, which there is not: %s", where, missing, query)
	}
}

func TestQueriesForWhatIsNotThere(t *testing.T) {
	t.Parallel()
	known := measured()
	for query, want := range map[string][]string{
		`sum by (instance, le) (rate(ringside_webhook_seconds_bucket{path="/twilio/voice"}[5m])) > 0`: nil,
		`up{job="ringside"} == 0`:                        nil,
		`ringside_events_waiting > 0`:                    nil,
		`ringside_event_waiting > 0`:                     {"ringside_event_waiting"},
		`ringside_webhooks_total{result="apology"}`:      {"ringside_webhooks_total{result}"},
		`sum by (le) (ringside_write_seconds_count)`:     {"by le"},
		`sum by (tier) (rate(go_goroutines[5m]))`:        {"by tier"},
		`rate(ringside_relay_frame_seconds_buckets[5m])`: {"ringside_relay_frame_seconds_buckets"},
		`vector(1)`: {"no metric"},
	} {
		if got := faults(query, known); !slices.Equal(got, want) {
			t.Errorf("%s: found %q at fault, want %q", query, got, want)
		}
	}
}

// alert is a rule of deploy/alerts.yml, as far as the tests read it.
var alert = regexp.MustCompile(`(?m)^      - alert: (\w+)\n        expr: (.+)\n(?:        for: \w+\n)?        labels:\n          severity: (\w+)\n        annotations:\n          summary: ".+"\n          runbook: docs/operations\.md#(\w+)\n`)

func TestAlerts(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("../../deploy/alerts.yml")
	must(t, err)
	document, err := os.ReadFile("../../docs/operations.md")
	must(t, err)
	known := measured()
	found := alert.FindAllStringSubmatch(string(rules), -1)
	if all := strings.Count(string(rules), "- alert:"); len(found) != all || all < 10 {
		t.Fatalf("of %d rules only %d are in the form that this test reads", all, len(found))
	}
	severities := map[string]string{"critical": "Critical.", "warning": "Warning."}
	var names []string
	for _, rule := range found {
		name, query, severity, runbook := rule[1], rule[2], rule[3], rule[4]
		names = append(names, name)
		checkQuery(t, name, query, known)
		if runbook != strings.ToLower(name) {
			t.Errorf("%s leads to #%s", name, runbook)
		}
		said, ok := severities[severity]
		if !ok || !strings.Contains(string(document), "\n### "+name+"\n"+said+" ") {
			t.Errorf("docs/operations.md does not say under a heading of its own what %s means, beginning with its severity %q", name, severity)
		}
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (Ringside\w+)$`).FindAllStringSubmatch(string(document), -1) {
		if !slices.Contains(names, heading[1]) {
			t.Errorf("docs/operations.md explains %s, which is no alert", heading[1])
		}
	}
}

func TestGrafanaDashboard(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../deploy/grafana.json")
	must(t, err)
	var dashboard struct {
		Title, UID string
		Panels     []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	must(t, json.Unmarshal(raw, &dashboard))
	if dashboard.Title != "Ringside" || dashboard.UID == "" {
		t.Errorf("the dashboard is called %q (%q)", dashboard.Title, dashboard.UID)
	}
	known, queries, ids := measured(), "", map[int]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] {
			t.Errorf("two panels have the id %d", panel.ID)
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			checkQuery(t, panel.Title, target.Expr, known)
			queries += target.Expr + "\n"
		}
	}
	for name := range known { // nothing of ours is left out
		if labels := known[name]; strings.HasPrefix(name, "ringside_") && !slices.Contains(labels, "le") && !strings.HasSuffix(name, "_sum") &&
			!strings.HasSuffix(name, "_count") && !strings.Contains(queries, name) {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}

// A call and a message leave their times in every histogram.
func TestCallsAndMessagesAreTimed(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	side := serve(t, "DATABASE_URL="+url, "REDIS_URL="+redistest.Start(t).URL())
	side.awaitCurrent()
	call := shop.call(side.Listen, alex, askAgent...)
	shop.ended(call.CallSID)
	form := simulate.MessageForm(simulate.Text{SID: simulate.NewSID("SM"), AccountSID: shop.account, From: jamie, To: shopNumber, Body: "Hello"})
	response, err := shop.twilio(side.Listen).Post(t.Context(), "/twilio/sms", form)
	must(t, err)
	if response.Status != 200 {
		t.Fatalf("the message was answered %d", response.Status)
	}
	_, text := get(t, side.Ops+"/metrics")
	for _, want := range []string{
		`ringside_webhook_seconds_count{path="/twilio/voice"}`,
		`ringside_webhook_seconds_count{path="/twilio/sms"}`,
		`ringside_recognition_seconds_count`,
		`ringside_lookup_seconds_count{tier="process"}`,
		`ringside_lookup_seconds_count{tier="redis"}`,
		`ringside_lookup_seconds_count{tier="postgres"}`,
		`ringside_write_seconds_count{kind="call"}`,
		`ringside_write_seconds_count{kind="message"}`,
		`ringside_relay_frame_seconds_count{from="caller",path="/twilio/relay"}`,
		`ringside_relay_frame_seconds_count{from="runtime",path="/twilio/relay"}`,
		`ringside_runtime_connect_seconds_count{path="/twilio/relay"}`,
	} {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(want) + ` [1-9]`).MatchString(text) {
			t.Errorf("nothing was counted under %s", want)
		}
	}
	side.stop()
}
