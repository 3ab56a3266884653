package sms_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"testing"
	"time"

	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/sms"
)

func TestKeywordsAreWholeMessages(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.runtime.connect()
	for text, out := range map[string]bool{"STOP": true, " stop\n": true, "Unsubscribe": true, "stopall": true, "cancel": true, "END": true, "quit": true, "revoke": true, "OptOut": true,
		"HELP": false, "info": false, "START": false} {
		e.receive(form("SM"+url.QueryEscape(text), stranger, text)) // at once: no runtime is asked
		if got := e.optedOut(stranger); got != out {
			t.Errorf("after %q: opted out is %v", text, got)
		}
		e.receive(form("SMback"+url.QueryEscape(text), stranger, "unstop"))
	}
}

func TestASentenceWithAKeywordIsAMessage(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for i, text := range []string{"please stop by", "stop it", "Yes", "the end", "can you help", "START now", "stop."} {
		e.receive(form(fmt.Sprintf("SM%d", i), stranger, text))
	}
	if e.optedOut(stranger) {
		t.Error("a sentence opted somebody out")
	}
}

func TestYesBringsBackOnlyWhoLeft(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.receive(form("SM1", jane, "stop"))
	e.receive(form("SM2", jane, "yes"))
	if e.optedOut(jane) {
		t.Error("yes did not bring her back")
	}
	var rows int
	e.receive(form("SM3", stranger, "yes"))
	if err := e.pool.QueryRow(t.Context(), `SELECT count(*) FROM opt_outs WHERE phone = $1`, stranger).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("an ordinary yes is kept as consent (%d, %v)", rows, err)
	}
}

// silent is a ledger that cannot be asked.
type silent struct{ sms.Ledger }

func (silent) OptedOut(context.Context, org.ID, phone.Number) (*time.Time, error) {
	return nil, errors.New("away")
}

// Whether a "yes" brings somebody back is not known while the ledger is silent: it does, and it may be the answer to a
// question of the runtime's.
func TestYesWhileTheLedgerIsSilent(t *testing.T) {
	t.Parallel()
	e := newEdge(t, func(c *sms.Config) { c.Ledger = silent{c.Ledger} })
	e.receive(form("SM1", jane, "stop"))
	e.receive(form("SM2", jane, "yes"))
	if e.optedOut(jane) {
		t.Error("yes did not bring her back")
	}
	var told int
	if err := e.pool.QueryRow(t.Context(), `SELECT count(*) FROM runtime_events WHERE sid = 'SM2'`).Scan(&told); err != nil || told != 1 {
		t.Errorf("programs are told of it %d times, %v", told, err)
	}
}

func TestOptOutTypeIsBelieved(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	word := form("SM1", jane, "basta")
	word.Set("OptOutType", "STOP")
	e.receive(word)
	if !e.optedOut(jane) {
		t.Error("a word of the service's own did not opt her out")
	}
	e.receive(sample(t, "sms_inbound_start_advanced"))
	if e.optedOut(jane) {
		t.Error("START did not bring her back")
	}
}

func TestAnErrorOfTwiliosTellsOfAnOptOut(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.tell("/twilio/sms/status", sample(t, "sms_status_failed_optout"))
	if !e.optedOut(jane) {
		t.Error("error 21610 is not believed")
	}
}

// The wish is the number's: it outlives the contact.
func TestAnOptOutOutlivesTheContact(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.receive(form("SM1", jane, "stop"))
	id := e.row("SM1").ContactID
	if err := e.book.Archive(t.Context(), e.org.ID, id); err != nil {
		t.Fatal(err)
	}
	e.receive(form("SM2", jane, "hello"))
	if id == e.row("SM2").ContactID || !e.optedOut(jane) {
		t.Error("with another contact the opt-out is gone")
	}
}

// Rule 15 for messages: any order, with repeats, ends in the same rows.
func TestRule15_AnyOrderOfMessageEventsEndsTheSame(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	events := func() []*ledger.Event {
		var all []*ledger.Event
		add := func(ev ledger.Event) {
			ev.OrgID, ev.Kind, ev.From, ev.To = e.org.ID, "message", ours, stranger
			ev.Party, ev.StartedAt = stranger, at
			all = append(all, &ev)
		}
		for i, state := range []string{"queued", "sending", "sent", "delivered", "read", "undelivered"} {
			add(ledger.Event{SID: "SMout", Name: "status:" + state, At: at.Add(time.Duration(i) * time.Second), Direction: "outbound", Status: state, Text: "See you"})
		}
		add(ledger.Event{SID: "SMin1", Name: "sms", At: at.Add(time.Minute), Direction: "inbound", Status: "received", Text: "stop", Consent: ledger.OptOut})
		add(ledger.Event{SID: "SMin2", Name: "sms", At: at.Add(2 * time.Minute), Direction: "inbound", Status: "received", Text: "start", Consent: ledger.OptIn})
		add(ledger.Event{SID: "SMin3", Name: "sms", At: at.Add(3 * time.Minute), Direction: "inbound", Status: "received", Text: "stop", Consent: ledger.OptOut})
		return append(all, all[rand.IntN(len(all))], all[rand.IntN(len(all))])
	}
	const ends = `SELECT string_agg(concat_ws('|', sid, status, state_rank, started_at, ended_at, duration_s, text), ' ' ORDER BY sid) ||
		(SELECT string_agg(concat_ws('|', phone, opted_out_at, opted_in_at), ' ') FROM opt_outs) || (SELECT string_agg(concat_ws('|', phone, last_contacted_at), ' ' ORDER BY phone) FROM contacts) FROM interactions`
	var want string
	for round := range 12 {
		if _, err := e.pool.Exec(t.Context(), `DELETE FROM interactions; DELETE FROM interaction_events; DELETE FROM opt_outs; DELETE FROM contacts`); err != nil {
			t.Fatal(err)
		}
		all := events()
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, ev := range all {
			if err := e.recorder.Record(t.Context(), ev); err != nil {
				t.Fatal(err)
			}
		}
		got := must[string](t)(value(e, ends))
		if round == 0 {
			want = got
		} else if got != want {
			t.Fatalf("round %d ended in\n%s\nnot in\n%s", round, got, want)
		}
	}
	if row := e.row("SMout"); row.Status != "read" || row.Text != "See you" || row.DurationS != nil {
		t.Errorf("the message that was sent: %+v", row)
	}
	if !e.optedOut(stranger) {
		t.Error("the last wish does not hold")
	}
}

func value(e *edge, sql string) (v string, err error) {
	err = e.pool.QueryRow(e.t.Context(), sql).Scan(&v)
	return v, err
}
