package dashboard

import (
	"net/http"
	"testing"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/member"
	"ringside/recognize"
)

var messageSample = callRow{Interaction: ledger.Interaction{SID: "SM1", Kind: "message", Direction: "inbound", From: "whatsapp:+14155551200", Text: "<worked>", Media: []ledger.Media{{URL: "https://example.com/1", Type: "image/png"}},
	ContactID: "1", ContactName: "+14155551200", Rule: "no_real_name"}, Who: "+1 415-555-1200", Said: "<worked>", Outcome: "received"}

var _ = sample(
	&callsPage{Rows: []callRow{messageSample}},
	&callPage{Call: messageSample, Trace: &recognize.Trace{Number: "+14155551200"}, Reply: "<worked>"},
)

// write makes a message of Acme's out of a call.
func (s *site) write(from, text, media string, trace recognize.Trace, contactID string) (sid string) {
	s.t.Helper()
	sid = s.call(callOf{from: "+14155551200", status: "received", trace: &trace, contact: contactID})
	_, err := s.pool.Exec(s.t.Context(), `UPDATE interactions SET kind = 'message', duration_s = NULL, from_address = $2, text = $3, media = nullif($4, '')::jsonb WHERE sid = $1`, sid, from, text, media)
	if err != nil {
		s.t.Fatal(err)
	}
	return sid
}

func TestMessagesAreShown(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	alex := s.add(contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	known := s.write("whatsapp:+14155551200", "Could you call <me>?\nThanks", `[{"url": "https://example.com/cat", "type": "image/jpeg"}]`,
		recognize.Trace{Rule: recognize.RuleContactName, Known: true, Source: "contact", Number: "+14155551200", Received: "whatsapp:+14155551200"}, alex.ID)
	unknown := s.write("+12065550100", "", "", recognize.Trace{Rule: recognize.RuleUnknownNumber, Number: "+12065550100", Received: "+12065550100"}, "")

	b.get("/calls").wants(t, http.StatusOK, "WhatsApp in", "Could you call &lt;me&gt;?", "(1 file)", "received", "Message in").lacks(t, "call <me>")
	b.get("/calls?q=could+you+CALL").wants(t, http.StatusOK, "Could you call").lacks(t, "206-555-0100")
	b.get("/calls/"+known).wants(t, http.StatusOK, "Message from Alex Chen", "Recognised.", "+1 415-555-1200 is in your contacts.", "Could you call &lt;me&gt;?", "https://example.com/cat", "image/jpeg",
		"+1 415-555-1200 on WhatsApp").lacks(t, "reeted by name", "The agent was told")
	b.get("/calls/"+unknown).wants(t, http.StatusOK, "Not recognised.", "+1 206-555-0100 was not in your contacts", "Add contact", "The message says nothing.")
	b.get("/contacts/"+alex.ID).wants(t, http.StatusOK, "Message from them", "Could you call &lt;me&gt;?").lacks(t, "wants no messages")

	if _, err := s.pool.Exec(t.Context(), `INSERT INTO opt_outs (org_id, phone, opted_out_at) VALUES ($1::text::uuid, '+14155551200', now())`, s.acme.ID); err != nil {
		t.Fatal(err)
	}
	b.get("/contacts/"+alex.ID).wants(t, http.StatusOK, "wants no messages", "they answered STOP")
}
