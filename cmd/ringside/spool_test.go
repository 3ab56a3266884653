package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/ledger"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
	"ringside/internal/spool"
)

// Postgres is away, and the sidecar is killed: everything that was acknowledged is in Postgres once, when both are back.
func TestAcknowledgedEventsOutliveEverything(t *testing.T) {
	t.Parallel()
	database := pgtest.Stoppable(t)
	shop := openShop(t, database.URL())
	settings := []string{"DATABASE_URL=" + database.URL(), "RINGSIDE_DATA_DIR=" + t.TempDir()}
	side := serve(t, settings...)
	side.awaitCurrent()
	database.Kill()
	var acknowledged []string
	for n := range 40 {
		sid, path := fmt.Sprintf("CA%032d", n), "/twilio/voice/status"
		form := url.Values{"CallSid": {sid}, "From": {alex}, "To": {shopNumber}, "Direction": {"inbound"}, "CallStatus": {"completed"}, "CallDuration": {"7"}}
		if n%2 == 1 {
			sid, path = fmt.Sprintf("SM%032d", n), "/twilio/sms/status"
			form = url.Values{"MessageSid": {sid}, "From": {shopNumber}, "To": {alex}, "MessageStatus": {"delivered"}}
		}
		for range 1 + n%3 { // Twilio repeats some
			if r := shop.tells(side, side.Listen+path, form); r.Status != http.StatusNoContent {
				t.Fatalf("%s was answered %d", sid, r.Status)
			}
		}
		acknowledged = append(acknowledged, sid)
	}
	receipt, err := shop.twilio(side.Listen).Send(t.Context(), simulate.Text{From: jamie, To: shopNumber, Body: "Are you there?"})
	must(t, err)
	acknowledged = append(acknowledged, receipt.MessageSID)
	if _, report := side.ready(); report.Spooled < int64(len(acknowledged)) {
		t.Errorf("/readyz: %+v", report)
	}
	side.kill()

	database.Start()
	shop.db.Reset()
	side = serve(t, settings...)
	until(t, "the spool is drained", func() bool { _, report := side.ready(); return report.Spooled == 0 && report.Status == "ready" })
	for _, sid := range acknowledged {
		row, err := ledger.NewReader(shop.db).Find(t.Context(), shop.org.ID, sid)
		if err != nil || row.EndedAt == nil {
			t.Errorf("%s: %+v, %v", sid, row, err)
		}
	}
	var rows, events int
	must(t, shop.db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM interactions), (SELECT count(*) FROM interaction_events WHERE event LIKE 'status:%')`).Scan(&rows, &events))
	if rows != len(acknowledged) || events != len(acknowledged)-1 {
		t.Errorf("%d rows and %d statuses of %d calls and messages", rows, events, len(acknowledged))
	}
	side.stop()
}

// A folder that cannot be written, or is another sidecar's, is found out at the start.
func TestSpoolsThatCannotBeHad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	settings := []string{"DATABASE_URL=" + pgtest.URL(t), "RINGSIDE_DATA_DIR=" + dir}
	side := serve(t, settings...)
	if status, _, errs := command(t, settings, "serve"); status != exitFailed || !strings.Contains(errs, "give each a RINGSIDE_DATA_DIR of its own") {
		t.Errorf("a second sidecar on the folder: %d %s", status, errs)
	}
	side.stop()
	broken := t.TempDir()
	must(t, os.WriteFile(filepath.Join(broken, "spool"), nil, 0o600))
	if status, _, errs := command(t, append(settings, "RINGSIDE_DATA_DIR="+broken), "serve"); status != exitFailed || !strings.Contains(errs, "spool") {
		t.Errorf("a file in the folder's place: %d %s", status, errs)
	}
}

func TestSpoolCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	settings := []string{"DATABASE_URL=" + pgtest.URL(t), "RINGSIDE_DATA_DIR=" + dir}
	if status, out, errs := command(t, settings, "spool", "list"); status != 0 || !strings.HasPrefix(out, "Nothing is set aside in ") {
		t.Errorf("without a spool: %d %s %s", status, out, errs)
	}
	folder, err := spool.OpenDir(spoolFolder(dir))
	must(t, err)
	log, _, err := spool.Open(folder, spool.Options{})
	must(t, err)
	must(t, log.Append([]byte("\x01"+`{"SID":"CA1","Name":"status:completed","Summary":"Asked about the price","At":"2026-11-20T10:00:00Z"}`)))
	records, err := log.Oldest(1, 1<<20)
	must(t, err)
	must(t, log.SetAside(records[0], "Postgres says no"))
	must(t, log.Close())
	must(t, folder.Close())
	status, out, errs := command(t, settings, "spool", "list")
	if status != 0 || !strings.HasSuffix(out, "CA1 status:completed: Postgres says no\n") || strings.Contains(out, "price") {
		t.Errorf("list: %d %s %s", status, out, errs)
	}
	if status, out, _ := command(t, settings, "spool", "list", "--json"); status != 0 || !strings.Contains(out, `"sid":"CA1"`) || strings.Contains(out, "price") {
		t.Errorf("list as JSON: %d %s", status, out)
	}
	if status, out, _ := command(t, settings, "spool", "export"); status != 0 || !strings.Contains(out, "Asked about the price") {
		t.Errorf("export: %d %s", status, out)
	}
	if status, out, _ := command(t, settings, "spool", "retry"); status != 0 || !strings.Contains(out, "tries 1 events again") {
		t.Errorf("retry: %d %s", status, out)
	}
	side := serve(t, settings...) // which finds that it belongs to no organisation, and sets it aside again
	until(t, "it was tried again", func() bool {
		aside, err := spool.ReadAside(spool.LookAt(spoolFolder(dir)))
		return err == nil && len(aside) == 1 && aside[0].Reason != "Postgres says no" && time.Since(aside[0].Set) < time.Hour
	})
	side.stop()
}

// What is in the spool may be written again, whole, and changes nothing: that is what makes it safe to write it after a crash.
func TestTheSpoolWrittenTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	database := pgtest.Stoppable(t)
	shop := openShop(t, database.URL())
	data := t.TempDir()
	settings := []string{"DATABASE_URL=" + database.URL(), "RINGSIDE_DATA_DIR=" + data}
	side := serve(t, settings...)
	side.awaitCurrent()
	database.Kill()
	for _, from := range []string{alex, stranger} {
		shop.call(side.Listen, from, askAgent...)
		_, err := shop.twilio(side.Listen).Send(t.Context(), simulate.Text{From: from, To: shopNumber, Body: "STOP"})
		must(t, err)
	}
	side.kill()
	kept := filepath.Join(t.TempDir(), "spool")
	must(t, os.CopyFS(kept, os.DirFS(spoolFolder(data))))
	database.Start()
	shop.db.Reset()

	drained := func() string {
		side := serve(t, settings...)
		until(t, "the spool is drained", func() bool { _, report := side.ready(); return report.Spooled == 0 && report.Status == "ready" })
		side.stop()
		var all string
		must(t, shop.db.QueryRow(t.Context(), `
			SELECT jsonb_pretty(jsonb_build_object(
				'events', (SELECT jsonb_agg(to_jsonb(e) ORDER BY sid, event) FROM interaction_events e),
				'interactions', (SELECT jsonb_agg(to_jsonb(i) ORDER BY sid) FROM interactions i),
				'transcripts', (SELECT jsonb_agg(to_jsonb(t) ORDER BY sid, session_id) FROM transcripts t),
				'contacts', (SELECT jsonb_agg(to_jsonb(c) ORDER BY id) FROM contacts c),
				'opt-outs', (SELECT jsonb_agg(to_jsonb(o) ORDER BY phone) FROM opt_outs o),
				'told', (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.sid, r.type) FROM runtime_events r)))`).Scan(&all))
		return all
	}
	before := drained()
	if events := strings.Count(before, `"event": "status:completed"`); events != 2 {
		t.Errorf("%d calls have ended:\n%s", events, before)
	}
	must(t, os.RemoveAll(spoolFolder(data)))
	must(t, os.CopyFS(spoolFolder(data), os.DirFS(kept)))
	if diff := cmp.Diff(before, drained()); diff != "" {
		t.Errorf("written again (-before, +after):\n%s", diff)
	}
}
