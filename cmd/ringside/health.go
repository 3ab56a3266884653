package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"ringside/internal/dashboard"
	"ringside/internal/org"
	"ringside/voice"
)

// readiness is what /readyz says. The sidecar answers callers whatever is down, so that only
// stopping makes it unready; what is degraded is named.
type readiness struct {
	Status   string `json:"status"` // ready, degraded, draining
	Postgres string `json:"postgres"`
	Redis    string `json:"redis"`
	Calls    int    `json:"open_calls"`
	Waiting  int64  `json:"events_waiting"`
	// Spooled are events on this machine's disk; the oldest has been there so many seconds.
	Spooled     int64  `json:"events_spooled"`
	SpoolOldest int64  `json:"spool_oldest_s"`
	Spool       string `json:"spool"` // ok, full, failed
}

func (s *sidecar) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	stats := s.recorder.Stats()
	report := readiness{Status: "ready", Postgres: "ok", Redis: "not used", Calls: s.voice.OpenCalls(), Waiting: stats.Waiting, Spooled: stats.Spool.Records, Spool: "ok"}
	if !stats.Spool.Oldest.IsZero() {
		report.SpoolOldest = int64(time.Since(stats.Spool.Oldest).Seconds())
	}
	if stats.Spool.Full {
		report.Status, report.Spool = "degraded", "full"
	}
	if stats.Spool.Failed != nil {
		report.Status, report.Spool = "degraded", "failed"
	}
	if err := s.db.Ping(ctx); err != nil {
		report.Status, report.Postgres = "degraded", "away"
	}
	if s.redis != nil {
		report.Redis = "ok"
		if err := s.redis.Ping(ctx); err != nil {
			report.Status, report.Redis = "degraded", "away"
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if s.draining.Load() {
		report.Status = "draining"
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(report) // the asker has gone
}

// health says for the dashboard what /readyz says for programs, and what follows from it.
func (s *sidecar) health(ctx context.Context) []dashboard.Health {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	all := []dashboard.Health{{Name: "Database", State: "good", Text: "It answers."}}
	if err := s.db.Ping(ctx); err != nil {
		all[0].State, all[0].Text = "bad", "It does not answer. Calls are still answered; callers who are not in the cache are greeted as unknown."
	}
	if s.redis != nil {
		redis := dashboard.Health{Name: "Cache (Redis)", State: "good", Text: "It answers."}
		if err := s.redis.Ping(ctx); err != nil {
			redis.State, redis.Text = "warn", "It does not answer. Callers are looked up in the database, which takes a little longer."
		}
		all = append(all, redis)
	}
	stats := s.recorder.Stats()
	if stats.Spool.Failed != nil {
		all = append(all, dashboard.Health{Name: "Disk", State: "bad", Text: "The disk of this sidecar has failed: events that the database does not take in time are not acknowledged. Start it again once the disk is well."})
	} else if stats.Spool.Records > 0 {
		all = append(all, dashboard.Health{Name: "Disk", State: "warn", Text: fmt.Sprintf("%d events of calls wait on this sidecar's disk to be written to the database. None is lost.", stats.Spool.Records)})
	}
	if waiting := stats.Waiting; waiting > manyWaiting {
		all = append(all, dashboard.Health{Name: "Writing", State: "warn", Text: fmt.Sprintf("%d events of calls wait to be written to the database.", waiting)})
	}
	if s.db.unguarded != nil {
		all = append(all, dashboard.Health{Name: "Organisations", State: "warn", Text: "The database does not keep organisations apart by itself; the program's own checks do. The log says what an administrator has to do."})
	}
	if !s.listener.Current() {
		all = append(all, dashboard.Health{Name: "Changes", State: "warn", Text: "The database's announcements of changes are not heard just now; what is cached is not trusted until they are."})
	}
	return all
}

// probe tries the connection to a runtime for the dashboard.
func (s *sidecar) probe(ctx context.Context, a *org.Agent) dashboard.Probe {
	found := voice.ProbeRuntime(ctx, s.config.Runtimes(), a)
	shown := dashboard.Probe{OK: found.OK, Text: found.Text}
	for _, step := range found.Steps {
		shown.Steps = append(shown.Steps, dashboard.ProbeStep(step))
	}
	return shown
}

// manyWaiting is how many events may wait in an ordinary moment.
const manyWaiting = 1000
