package events_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/agent"
	"ringside/internal/ledger"
	"ringside/internal/problem"
)

// What the relay's tools do about the socket's call, they do here about any call or message.
func TestToolsAboutACallOrMessage(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	p := d.listen("")
	d.ends("CA1")
	d.receives("SM1", "Hello")
	for about, sid := range map[string]string{"call_sid": "CA1", "message_sid": "SM1"} {
		for _, test := range []struct{ tool, message string }{
			{`"type":"ringside.capture_contact","name":"Jane Doe","email":"jane@acme.io"`, ""},
			{`"type":"ringside.note","note":"Has a dog"`, ""},
			{`"type":"ringside.summary","summary":"Asked about pricing"`, ""},
			{`"type":"ringside.not_me"`, ""},
		} {
			p.say(`{%s,"id":%q,%q:%q}`, test.tool, sid, about, sid)
			m := p.next()
			for m.Type != "ringside.result" { // what the tools change is told as well
				m = p.next()
			}
			if !m.OK || string(m.ID) != fmt.Sprintf("%q", sid) {
				t.Errorf("%s of %s is answered %+v", test.tool, sid, m)
			}
		}
		var summary string
		var disowned bool
		err := d.pool.QueryRow(t.Context(), `SELECT summary, disowned FROM interactions WHERE sid = $1`, sid).Scan(&summary, &disowned)
		if err != nil || summary != "Asked about pricing" || !disowned {
			t.Errorf("%s has the summary %q, disowned %t, %v", sid, summary, disowned, err)
		}
		said, err := ledger.NewReader(d.pool).Conversation(t.Context(), d.org.ID, sid)
		if err != nil || len(said.Notes) != 1 || said.Notes[0].Text != "Has a dog" {
			t.Errorf("%s has the notes %+v, %v", sid, said.Notes, err)
		}
	}
	var name string
	if err := d.pool.QueryRow(t.Context(), `SELECT name FROM contacts WHERE phone = $1`, jane).Scan(&name); err != nil || name != "Jane Doe" {
		t.Errorf("the contact is %q, %v", name, err)
	}
}

func TestSendingMessages(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.receives("SM1", "How much?")
	whatsapp := d.call("SM2")
	whatsapp.Kind, whatsapp.Name, whatsapp.Status, whatsapp.From, whatsapp.To = "message", "sms", "received", "whatsapp:"+string(jane), "whatsapp:"+dialled
	d.record(whatsapp)
	d.begins("CA1")
	outbound := d.call("CA2")
	outbound.Name, outbound.Direction, outbound.From, outbound.To = "voice", "outbound", dialled, string(jane)
	d.record(outbound)
	p := d.listen("")
	for _, test := range []struct {
		ask  string
		want agent.SMS
	}{
		{`"message_sid":"SM1"`, agent.SMS{InReplyTo: "SM1", From: dialled, To: string(jane)}},
		{`"message_sid":"SM2"`, agent.SMS{InReplyTo: "SM2", From: "whatsapp:" + dialled, To: "whatsapp:" + string(jane)}},
		{`"call_sid":"CA1","key":"k1"`, agent.SMS{From: dialled, To: string(jane), Key: "k1"}},
		{`"call_sid":"CA1","to":"(212) 555-0123"`, agent.SMS{From: dialled, To: "+12125550123"}},
		{`"message_sid":"SM2","to":"(212) 555-0123"`, agent.SMS{From: dialled, To: "+12125550123"}},
		{`"call_sid":"CA2"`, agent.SMS{From: dialled, To: string(jane)}},
	} {
		var keys [2]string
		for i := range keys {
			if m := p.ask(`{"type":"ringside.send_sms","text":" It is free. ",%s}`, test.ask); !m.OK || m.MessageSID != "SM9" || m.Status != "queued" {
				t.Errorf("%s is answered %+v", test.ask, m)
			}
			got := <-d.sent
			if keys[i] = got.Key; test.want.Key == "" {
				got.Key = ""
			}
			test.want.OrgID, test.want.AgentID, test.want.Text = d.org.ID, d.agent.ID, "It is free."
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.ask, diff)
			}
		}
		if keys[0] == "" || keys[0] != keys[1] {
			t.Errorf("%s twice has the keys %q", test.ask, keys)
		}
	}
}

func TestMessagesThatAreNotSent(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	withheld := d.call("CA1")
	withheld.Name, withheld.From, withheld.Party = "voice", "+266696687", ""
	d.record(withheld)
	forged := d.call("CA2")
	forged.Name, forged.Untrusted = "voice", true
	d.record(forged)
	d.begins("CA3")
	p := d.listen("")
	ask := func(sid, want string) {
		t.Helper()
		if m := p.ask(`{"type":"ringside.send_sms","text":"Hi","call_sid":%q}`, sid); m.OK || m.Code != want {
			t.Errorf("%s is answered %+v, want %s", sid, m, want)
		}
	}
	ask("CA1", "no_number")
	ask("CA2", "unverified")
	if m := p.ask(`{"type":"ringside.send_sms","text":"Hi","call_sid":"CA2","to":%q}`, jane); m.OK || m.Code != "unverified" { // the same number
		t.Errorf("to the number of the call it is answered %+v", m)
	}
	d.sending = func(agent.SMS) (agent.SentSMS, error) {
		return agent.SentSMS{}, problem.New("opted_out", "They want no messages.")
	}
	ask("CA3", "opted_out")
	d.sending = func(agent.SMS) (agent.SentSMS, error) { return agent.SentSMS{}, errors.New("secret detail") }
	ask("CA3", "unavailable")
	d.tools.Messages = nil
	ask("CA3", "unavailable_here")
	if len(d.sent) != 2 {
		t.Errorf("%d messages were tried, want 2", len(d.sent))
	}
}

// stuck keeps a tool waiting.
type stuck struct {
	*desk
	begun, release chan struct{}
}

func (s stuck) SendSMS(context.Context, agent.SMS) (agent.SentSMS, error) {
	s.begun <- struct{}{}
	<-s.release
	return agent.SentSMS{Status: "queued"}, nil
}

// Tools are done one after the other, and past some that wait, more are refused. Events come meanwhile.
func TestTooManyTools(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	s := stuck{d, make(chan struct{}, 100), make(chan struct{})}
	d.tools.Messages = s
	d.begins("CA1")
	p := d.listen("")
	for i := range 20 {
		p.say(`{"type":"ringside.send_sms","id":%d,"call_sid":"CA1","text":"Hi"}`, i)
		if i == 0 {
			<-s.begun
		}
	}
	for i := 17; i < 20; i++ { // one is being done, 16 wait
		if m := p.next(); m.Code != "busy" || string(m.ID) != fmt.Sprint(i) {
			t.Errorf("the %d. is answered %+v", i, m)
		}
	}
	d.begins("CA2")
	if m := p.next(); m.CallSID != "CA2" {
		t.Errorf("meanwhile is told %+v", m)
	}
	close(s.release)
	for i := range 17 {
		if m := p.next(); !m.OK || string(m.ID) != fmt.Sprint(i) {
			t.Errorf("the %d. is answered %+v", i, m)
		}
	}
}

// What was asked for before the socket was lost is done all the same.
func TestToolsOutliveTheSocket(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	s := stuck{d, make(chan struct{}, 1), make(chan struct{})}
	d.tools.Messages = s
	d.begins("CA1")
	p := d.listen("")
	p.say(`{"type":"ringside.send_sms","call_sid":"CA1","text":"Hi"}`)
	p.say(`{"type":"ringside.summary","call_sid":"CA1","summary":"Sent a link"}`)
	p.say(`{"type":"ack","id":1,"cursor":%q}`, p.Cursor)
	<-s.begun
	p.next() // so that all of it has been read
	p.conn.Close()
	close(s.release)
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	d.Close(ctx)
	var summary string
	if err := d.pool.QueryRow(t.Context(), `SELECT summary FROM interactions WHERE sid = 'CA1'`).Scan(&summary); err != nil || summary != "Sent a link" {
		t.Errorf("the summary is %q, %v", summary, err)
	}
}
