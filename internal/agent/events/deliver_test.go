package events_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/agent/events"
	"ringside/internal/org"
)

func TestAProgramHearsWhatHappens(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.begins("CA0") // before anybody listens
	p := d.listen("")
	if p.Consumer != d.keyID {
		t.Errorf("the consumer is %q, want the key's id", p.Consumer)
	}
	d.begins("CA1")
	d.ends("CA1")
	d.receives("SM1", "How much is it? 🙂")
	started := p.next()
	if started.Type != "call.started" || started.CallSID != "CA1" || started.AgentID != d.agent.ID || started.From != string(jane) ||
		started.Caller.Name != "Jane Doe" || !started.Caller.GreetedByName || time.Since(started.At) > time.Minute {
		t.Errorf("the beginning is told as %+v", started)
	}
	// The call has made her a contact.
	change := p.next()
	completed := change
	if change.Type == "contact.changed" {
		completed = p.next()
	} else {
		change = p.next()
	}
	if change.Type != "contact.changed" || change.Change != "created" || completed.Type != "call.completed" || completed.Status != "completed" ||
		completed.DurationS != 12 || completed.ContactID == "" || completed.ContactID != change.ContactID {
		t.Errorf("the end is told as %+v and %+v", completed, change)
	}
	received := p.next()
	if received.Type != "sms.received" || received.MessageSID != "SM1" || received.Text != "How much is it? 🙂" || len(received.Media) != 1 || received.Caller.Known {
		t.Errorf("the message is told as %+v", received)
	}
}

func TestAfterAReconnectWhatWasMissedComes(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	p := d.listen("?consumer=crm")
	d.begins("CA1")
	d.begins("CA2")
	first, second := p.next(), p.next()
	p.ack(first.Cursor)
	p.conn.Close()
	d.begins("CA3")
	p = d.listen("?consumer=crm")
	if p.Cursor != first.Cursor {
		t.Errorf("it continues at %s, want %s", p.Cursor, first.Cursor)
	}
	for _, want := range []string{"CA2", "CA3"} {
		if m := p.next(); m.CallSID != want {
			t.Errorf("told of %s, want %s", m.CallSID, want)
		}
	}
	// An acknowledgement that nobody asks about is kept, too, also right before the end.
	p.say(`{"type":"ack","cursor":%q}`, second.Cursor)
	if err := p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	p.gone()
	awaitSockets(t, d, 0)
	if p = d.listen("?consumer=crm"); p.Cursor != second.Cursor {
		t.Errorf("it continues at %s, want %s", p.Cursor, second.Cursor)
	}
	p.conn.Close()
	all := d.listen("?consumer=another&from=beginning")
	for _, want := range []string{"CA1", "CA2", "CA3"} {
		if m := all.next(); m.CallSID != want {
			t.Errorf("told of %s, want %s", m.CallSID, want)
		}
	}
}

// awaitSockets waits until so many programs are connected.
func awaitSockets(t *testing.T, d *desk, want int) {
	t.Helper()
	for deadline := time.Now().Add(patient); ; time.Sleep(time.Millisecond) {
		listening := d.Listening(d.org.ID, "")
		if listening == (want > 0) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("listening is %t", listening)
		}
	}
}

// Where Postgres says so, an event does not wait for the next look.
func TestEventsComeAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil, func(tm *events.Timing) { tm.Poll = time.Hour })
	d.follow()
	p := d.listen("")
	d.begins("CA1")
	if m := p.next(); m.CallSID != "CA1" {
		t.Errorf("told %+v", m)
	}
}

func TestOneVoiceAgentsEvents(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	other := must(d.store.CreateAgent(t.Context(), org.Agent{OrgID: d.org.ID, Name: "Sales", Greeting: "Hello", RuntimeURL: "ws://localhost:9000"}))(t)
	p := d.listen("?consumer=sales&agent=" + other.ID)
	if !d.Listening(d.org.ID, other.ID) || d.Listening(d.org.ID, d.agent.ID) || d.Listening("another", other.ID) {
		t.Error("Listening is not as the sockets are")
	}
	d.begins("CA1")
	d.agent = other
	d.begins("CA2")
	if m := p.next(); m.CallSID != "CA2" {
		t.Errorf("told %+v", m)
	}
}

func TestALaterSocketTakesOver(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	other := newDesk(t, d)
	for _, at := range []*desk{d, other} { // at the same sidecar, and at another one
		name := fmt.Sprintf("?consumer=crm-%p", at)
		earlier := d.listen(name)
		later := at.listen(name)
		if code, reason := earlier.gone(); code != events.CloseTakenOver || reason == "" {
			t.Errorf("the earlier one is closed with %d %q", code, reason)
		}
		d.begins("CA" + name)
		if m := later.next(); m.CallSID != "CA"+name {
			t.Errorf("the later one is told %+v", m)
		}
		later.conn.Close()
	}
}

// A program that does not acknowledge is sent no more than it may have, and no other program waits for it.
func TestUnacknowledgedEventsAreBounded(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	if _, err := d.pool.Exec(t.Context(), `
		INSERT INTO runtime_events (org_id, type, payload) SELECT $1::text::uuid, 'contacts.changed', '{"count": 101}' FROM generate_series(1, 1200)`, d.org.ID); err != nil {
		t.Fatal(err)
	}
	p := d.listen("?consumer=slow&from=beginning")
	var last message
	for range events.MaxInFlight {
		last = p.next()
	}
	if m := p.ask(`{"type":"ringside.note","id":1,"call_sid":"CA1","note":"x"}`); m.Code != "not_found" { // and no event before it
		t.Fatalf("%+v", m)
	}
	quick := d.listen("?consumer=quick")
	d.begins("CA1")
	if m := quick.next(); m.CallSID != "CA1" {
		t.Errorf("another program is told %+v", m)
	}
	p.say(`{"type":"ack","cursor":%q}`, last.Cursor)
	for range 200 {
		last = p.next()
	}
	if m := p.next(); m.CallSID != "CA1" {
		t.Errorf("after the acknowledgement: %+v", m)
	}
}

// A program that takes nothing is lost after a while, and nobody else has waited for it.
func TestAProgramThatDoesNotRead(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil, func(tm *events.Timing) { tm.Write = 200 * time.Millisecond })
	d.listen("?consumer=deaf")
	// More than the network takes for somebody who does not read.
	if _, err := d.pool.Exec(t.Context(), `
		INSERT INTO runtime_events (org_id, type, payload) SELECT $1::text::uuid, 'large', json_build_object('x', repeat('x', 100000)) FROM generate_series(1, 300)`, d.org.ID); err != nil {
		t.Fatal(err)
	}
	quick := d.listen("?consumer=quick")
	d.begins("CA1")
	if m := quick.next(); m.CallSID != "CA1" {
		t.Errorf("another program is told %+v", m)
	}
	quick.conn.Close()
	awaitSockets(t, d, 0)
}

// Programs are told why, and come back to another sidecar.
func TestStopping(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	p := d.listen("")
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		d.Close(ctx)
	}()
	if code, reason := p.gone(); code != websocket.CloseServiceRestart || reason != "restarting" {
		t.Errorf("closed with %d %q", code, reason)
	}
	<-stopped
	if ctx.Err() != nil {
		t.Error("it has not ended in time")
	}
	if _, response, err := d.dial("", nil); err == nil || response.StatusCode != 503 {
		t.Errorf("a new socket: %v", err)
	}
}

// A program that is no longer there, without a word, is noticed.
func TestSilence(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil, func(tm *events.Timing) { tm.Ping, tm.Silence = 20*time.Millisecond, 100*time.Millisecond })
	d.listen("") // whose pings nobody answers, since nobody reads
	awaitSockets(t, d, 0)
}

func TestAKeyThatIsRevoked(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil, func(tm *events.Timing) { tm.Renew = 20 * time.Millisecond })
	p := d.listen("")
	if err := d.store.RevokeKey(t.Context(), d.org.ID, d.keyID); err != nil {
		t.Fatal(err)
	}
	if code, reason := p.gone(); code != websocket.ClosePolicyViolation || reason != "the API key is no longer valid for events" {
		t.Errorf("closed with %d %q", code, reason)
	}
}
