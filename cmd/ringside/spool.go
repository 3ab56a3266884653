package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"ringside/internal/ledger"
	"ringside/internal/spool"
)

// spoolPatience is how long a webhook may wait, after Postgres' budget, until its event is on the disk.
const spoolPatience = 2 * time.Second

// spoolFolder is where events are kept while Postgres is away.
func spoolFolder(dataDir string) string { return filepath.Join(dataDir, "spool") }

// openSpool opens the spool in the data folder, and tells what was left there.
func (s *sidecar) openSpool() (*spool.Log, error) {
	folder, err := spool.OpenDir(spoolFolder(s.config.DataDir))
	if err != nil {
		return nil, err
	}
	log, found, err := spool.Open(folder, spool.Options{MaxBytes: s.config.SpoolMaxBytes,
		Synced: func(took time.Duration) { s.metrics.SyncSeconds.Observe(took.Seconds()) }})
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	s.closeSpool = func() error { return errors.Join(log.Close(), folder.Close()) }
	if found.Records > 0 {
		s.log.Info("events that were left on the disk are written now", "events", found.Records)
	}
	if found.Damaged > 0 {
		s.log.Error("the disk has spoiled parts of the spool: what is there in their place is set aside, see `ringside spool list`", "places", found.Damaged)
	}
	return log, nil
}

// spoolGauges registers how the spool stands.
func (s *sidecar) spoolGauges() {
	stat := func(read func(ledger.Stats) float64) func() float64 {
		return func() float64 { return read(s.recorder.Stats()) }
	}
	s.metrics.Gauge("ringside_spool_records", "Events on this machine's disk that Postgres does not have yet.", stat(func(st ledger.Stats) float64 { return float64(st.Spool.Records) }))
	s.metrics.Gauge("ringside_spool_bytes", "What the spool takes up on the disk.", stat(func(st ledger.Stats) float64 { return float64(st.Spool.Bytes) }))
	s.metrics.Gauge("ringside_spool_oldest_seconds", "The age of the oldest of them; 0 without any.", stat(func(st ledger.Stats) float64 {
		if st.Spool.Oldest.IsZero() {
			return 0
		}
		return time.Since(st.Spool.Oldest).Seconds()
	}))
	s.metrics.Gauge("ringside_spool_failed", "1 once the disk has failed: nothing more is taken until the next start.", stat(func(st ledger.Stats) float64 {
		if st.Spool.Failed != nil {
			return 1
		}
		return 0
	}))
	s.metrics.Gauge("ringside_spool_set_aside", "Events that Postgres refused, and damaged parts of the spool, that wait for a person.", stat(func(st ledger.Stats) float64 { return float64(st.Spool.SetAside) }))
	s.metrics.Counter("ringside_spool_events_total", "Events that were kept on the disk.", stat(func(st ledger.Stats) float64 { return float64(st.Spooled) }))
	s.metrics.Counter("ringside_spool_drained_total", "Events that went from the disk to Postgres.", stat(func(st ledger.Stats) float64 { return float64(st.Drained) }))
	s.metrics.Counter("ringside_spool_set_aside_total", "Events that Postgres refused and that wait for a person.", stat(func(st ledger.Stats) float64 { return float64(st.SetAside) }))
}

type spoolCommands struct {
	List   spoolList   `cmd:"" help:"List the events in RINGSIDE_DATA_DIR that Postgres has refused, and damaged parts, with the reason."`
	Retry  spoolRetry  `cmd:"" help:"Have the sidecar try what is set aside again."`
	Export spoolExport `cmd:"" help:"Print them whole, one JSON object a line."`
}

// asideEvent is an event that was set aside, as it is shown.
type asideEvent struct {
	ID     string          `json:"id"`
	At     time.Time       `json:"at,omitzero"`
	Set    time.Time       `json:"set_aside_at,omitzero"`
	Reason string          `json:"reason"`
	SID    string          `json:"sid,omitempty"`
	Name   string          `json:"event,omitempty"`
	Event  json.RawMessage `json:"data,omitempty"` // whole, where it is exported
	Raw    []byte          `json:"raw,omitempty"`  // of what is no event that this version can read
}

// aside reads what was set aside in the data folder, also beside a running sidecar.
func (a *app) aside() (events []asideEvent, err error) {
	all, err := spool.ReadAside(spool.LookAt(spoolFolder(a.config.DataDir)))
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		shown := asideEvent{ID: r.ID, At: r.At, Set: r.Set, Reason: r.Reason}
		if e, err := ledger.DecodeSpooled(r.Data); err == nil {
			shown.SID, shown.Name = e.SID, e.Name
			if shown.Event, err = json.Marshal(e); err != nil {
				return nil, err
			}
		} else {
			shown.Raw = r.Data
		}
		events = append(events, shown)
	}
	return events, nil
}

type spoolList struct{ jsonFlag }

func (c *spoolList) Run(a *app) error {
	events, err := a.aside()
	if err != nil {
		return err
	}
	for i := range events {
		events[i].Event, events[i].Raw = nil, nil // names and what was said are for export alone
	}
	if c.JSON {
		return printJSON(a, map[string]any{"events": append([]asideEvent{}, events...)})
	}
	if len(events) == 0 {
		_, err := fmt.Fprintf(a.out, "Nothing is set aside in %s.\n", spoolFolder(a.config.DataDir))
		return err
	}
	for _, e := range events {
		what := e.SID + " " + e.Name
		if e.SID == "" {
			what = "(damaged)"
		}
		at := e.At.Format(time.RFC3339)
		if e.At.IsZero() {
			at = "when is not known"
		}
		if _, err := fmt.Fprintf(a.out, "%s  %s  %s: %s\n", e.ID, at, what, e.Reason); err != nil {
			return err
		}
	}
	return nil
}

type spoolRetry struct {
	IDs []string `arg:"" optional:"" name:"id" help:"Which, by the ids that list shows; without any, all."`
	jsonFlag
}

func (c *spoolRetry) Run(a *app) error {
	asked, err := spool.AskRetry(spool.LookAt(spoolFolder(a.config.DataDir)), c.IDs...)
	if err != nil {
		return err
	}
	if asked < len(c.IDs) {
		return fmt.Errorf("%d of the %d ids are not set aside; `ringside spool list` shows those that are. What is damaged cannot be tried again", len(c.IDs)-asked, len(c.IDs))
	}
	if asked == 0 && !c.JSON {
		_, err := fmt.Fprintf(a.out, "Nothing is set aside in %s.\n", spoolFolder(a.config.DataDir))
		return err
	}
	return c.print(a, map[string]int{"events": asked}, "The sidecar tries %d events again within a second, or when it is started.", asked)
}

type spoolExport struct{}

func (c *spoolExport) Run(a *app) error {
	events, err := a.aside()
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := printJSON(a, e); err != nil {
			return err
		}
	}
	return nil
}
