package dashboard

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"ringside/contacts"
	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/problem"
)

var (
	_ = sample(
		&reachPage{Contact: contacts.Contact{ID: "1", Name: "<worked>", Phone: "+14155551200"}, Numbers: []option{{"+12125550199", "<worked>"}},
			Message: form{Problem: problem.Invalid("text", "Write something."), Values: url.Values{"text": {"<worked>"}, "key": {"k"}}}},
		&reachPage{Contact: contacts.Contact{ID: "1", Name: "+14155551200"}, Call: form{Problem: problem.Invalid("to", "<worked>")}},
	)
	_ = rows("/contacts/{id}/reach", func(s *site) string { return "/contacts/" + s.alex() + "/reach" })
	_ = rows("/contacts/{id}/message", func(s *site) string { return "/contacts/" + s.alex() + "/message" })
	_ = rows("/contacts/{id}/call", func(s *site) string { return "/contacts/" + s.alex() + "/call" })
)

// outbox is a desk that sends nothing.
type outbox struct {
	calls    []outgoing.CallRequest
	messages []outgoing.MessageRequest
	refusal  error
}

func (o *outbox) Call(_ context.Context, _ org.Org, r outgoing.CallRequest) (*outgoing.Item, error) {
	o.calls = append(o.calls, r)
	return &outgoing.Item{ID: "1", State: outgoing.Waiting}, o.refusal
}

func (o *outbox) Message(_ context.Context, _ org.Org, r outgoing.MessageRequest) (*outgoing.Item, error) {
	o.messages = append(o.messages, r)
	return &outgoing.Item{ID: "1", State: outgoing.Sent}, o.refusal
}

func (o *outbox) Line(context.Context, org.Org, string, string) (org.Connected, error) {
	return org.Connected{}, o.refusal
}

var hiddenKey = regexp.MustCompile(`name="key" value="([^"]+)"`)

func TestWriteAndCall(t *testing.T) {
	t.Parallel()
	desk := &outbox{}
	s := open(t, func(d *Dashboard) { d.Desk = desk })
	b, at := s.as(member.Editor), "/contacts/"+s.add(contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"}).ID
	b.get(at).wants(t, http.StatusOK, "Write or call")
	s.as(member.Viewer).get(at).wants(t, http.StatusOK).lacks(t, "Write or call")
	b.get(at+"/reach").wants(t, http.StatusOK, "No phone number is connected yet.")
	s.aNumber()
	numbers, err := s.orgs.Numbers(t.Context(), s.acme.ID)
	if err != nil {
		t.Fatal(err)
	}
	from := string(numbers[0].Phone)

	page := b.get(at+"/reach").wants(t, http.StatusOK, "Write to them", numbers[0].Phone.Readable()+" (Reception)", "Call +1 415-555-1200")
	keys := hiddenKey.FindAllStringSubmatch(page.body, -1)
	if len(keys) != 2 || keys[0][1] == keys[1][1] {
		t.Fatalf("the keys are %v", keys)
	}
	b.postAnd(at+"/message", url.Values{"text": {"See you\r\non Friday"}, "from": {from}, "key": {keys[0][1]}}).wants(t, http.StatusOK, "Your message to Alex Chen is on its way.")
	b.postAnd(at+"/call", url.Values{"context": {"The offer"}, "from": {from}, "key": {keys[1][1]}}).wants(t, http.StatusOK, "The call to Alex Chen goes out as soon as Twilio takes it.")
	if want := (outgoing.MessageRequest{To: "+14155551200", From: from, Text: "See you\non Friday", Key: "page:" + keys[0][1]}); len(desk.messages) != 1 || desk.messages[0] != want {
		t.Errorf("sent %+v", desk.messages)
	}
	if want := (outgoing.CallRequest{To: "+14155551200", From: from, Context: "The offer", Key: "page:" + keys[1][1]}); len(desk.calls) != 1 || desk.calls[0] != want {
		t.Errorf("called %+v", desk.calls)
	}

	// What was typed stays, beside what is wrong with it.
	desk.refusal = problem.Invalid("text", "A message has at most 1600 characters.")
	b.post(at+"/message", url.Values{"text": {"A long <message>"}, "key": {"k"}}).wants(t, http.StatusUnprocessableEntity, `id="f-text-error"`, "A long &lt;message&gt;", `value="k"`)
	desk.refusal = problem.New(problem.CodeConflict, "Somebody is blocked.")
	b.post(at+"/call", url.Values{"context": {"About <it>"}}).wants(t, http.StatusConflict, "Somebody is blocked.", "About &lt;it&gt;")

	if _, err := s.pool.Exec(t.Context(), `INSERT INTO opt_outs (org_id, phone, opted_out_at) VALUES ($1::text::uuid, '+14155551200', now())`, s.acme.ID); err != nil {
		t.Fatal(err)
	}
	b.get(at+"/reach").wants(t, http.StatusOK, "They asked for no more messages").lacks(t, "/message\"")
	if page := open(t).as(member.Editor).get("/contacts"); strings.Contains(page.body, "/reach") {
		t.Error("where nothing can be sent, it is offered")
	}
}
