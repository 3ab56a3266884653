package campaign_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"ringside/contacts"
	"ringside/internal/campaign"
	"ringside/internal/outgoing"
	"ringside/internal/phone"
)

// dispatchPast runs a dispatcher until it has placed a call that was handed over after all others, and returns who was
// called but for that one.
func (s *shop) dispatchPast() (called []phone.Number) {
	s.t.Helper()
	const last = phone.Number("+12125550198")
	if _, _, err := s.desk.Store.Add(s.t.Context(), outgoing.Item{OrgID: s.org.ID, Kind: outgoing.KindCall, From: ours, To: last, AgentID: s.agent.ID}); err != nil {
		s.t.Fatal(err)
	}
	before := len(s.placed)
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	d := &outgoing.Dispatcher{Store: s.desk.Store, Sender: s, Workers: 1, Log: slog.New(slog.DiscardHandler), Settled: s.Settled}
	running.Go(func() { d.Run(ctx) })
	s.until(`SELECT count(*) FROM outgoing WHERE campaign_id IS NULL AND state <> 'sent'`, 0)
	cancel()
	running.Wait()
	for _, i := range s.placed[before:] {
		if i.To != last {
			called = append(called, i.To)
		}
	}
	return called
}

// What happens between the handing over of a call and its placing counts.
func TestWhoIsNotWantedAnyMoreIsNotCalled(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		happens string // $1 is the person's number
		outcome string // after the next look; "": they wait
	}{
		"they opt out":           {`INSERT INTO opt_outs (org_id, phone, opted_out_at) SELECT id, $1, now() FROM orgs`, campaign.OutcomeOptedOut},
		"they are blocked":       {`INSERT INTO contacts (org_id, name, phone, blocked_at) SELECT id, 'Blocked', $1, now() FROM orgs`, campaign.OutcomeBlocked},
		"the campaign is paused": {`UPDATE campaigns SET state = CASE WHEN $1 <> '' THEN 'paused' END`, ""},
		"it is too late":         {`UPDATE outgoing SET send_before = now() WHERE to_number = $1`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			id := s.add(newYork, nil)
			s.act(campaign.Start)
			s.look()
			s.exec(tt.happens, newYork)
			if called := s.dispatchPast(); len(called) != 0 {
				t.Fatalf("called %q", called)
			}
			s.exec(`UPDATE campaigns SET next_at = now() + interval '1 hour' WHERE $1 = ''`, tt.outcome)
			s.look()
			if p := s.person(id); p.Outcome != tt.outcome || p.Waiting != (tt.outcome == "") || p.Attempts != 0 {
				t.Errorf("then they are %+v", p)
			}
			if n := s.count(`SELECT count(*) FROM outgoing WHERE campaign_id IS NOT NULL`); n != 0 {
				t.Errorf("%d calls are left", n)
			}
		})
	}
}

// A person who is removed is not called, and what was handed over of them goes as well.
func TestWhoIsRemovedIsNotCalled(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.add(newYork, nil)
	s.act(campaign.Start)
	s.look()
	s.exec(`DELETE FROM campaign_people`)
	if called := s.dispatchPast(); len(called) != 0 {
		t.Fatalf("called %q", called)
	}
	s.look()
	if n := s.count(`SELECT count(*) FROM outgoing WHERE campaign_id IS NOT NULL`); n != 0 {
		t.Errorf("%d calls are left", n)
	}
}

// Undoing an import keeps whoever is being called: there will be a result, and they may call back.
func TestUndoneImportKeepsWhoIsCalled(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	file := strings.NewReader("Name,Phone,Order no.\nJo Park," + string(newYork) + ",4711\nMaria,+81312345678,4712\n")
	plan, err := s.Book.PlanImport(t.Context(), s.org, contacts.ImportFile{Name: "people.csv", Content: file, Campaign: s.campaign})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Book.ApplyImport(t.Context(), s.org, plan.ID, nil); err != nil {
		t.Fatal(err)
	}
	s.act(campaign.Start)
	s.look() // in Tokyo it is night
	undone, err := s.Book.UndoImport(t.Context(), s.org.ID, plan.ID)
	if err != nil || undone.Removed != 1 || undone.KeptCount != 1 || undone.Kept[0].Phone != newYork {
		t.Fatalf("undone: %+v, %v", undone, err)
	}
	called := s.dispatch()
	if len(called) != 1 || called[0].Variables["ORDER_NO"] != "4711" {
		t.Errorf("called %+v", called)
	}
}

// Whoever erases people takes them before their calls; a campaign that takes calls back does so in the same order.
func TestRecallDoesNotDeadlockWithAnErasure(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.add(newYork, nil)
	s.act(campaign.Start)
	s.look()
	s.exec(`UPDATE outgoing SET send_before = now()`)
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	if _, err := tx.Exec(t.Context(), `DELETE FROM campaign_people`); err != nil {
		t.Fatal(err)
	}
	looked := make(chan error, 1)
	go func() { looked <- s.Look(t.Context()) }()
	s.until(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`, 1)
	if _, err := tx.Exec(t.Context(), `DELETE FROM outgoing`); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-looked:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the campaign waits for ever")
	}
}
