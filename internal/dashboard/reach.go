package dashboard

import (
	"context"
	"crypto/rand"
	"net/url"

	"ringside/contacts"
	"ringside/internal/campaign"
	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/problem"
)

// Desk sends messages and calls. Package outgoing's Desk implements it.
type Desk interface {
	Call(ctx context.Context, o org.Org, r outgoing.CallRequest) (*outgoing.Item, error)
	Message(ctx context.Context, o org.Org, r outgoing.MessageRequest) (*outgoing.Item, error)
	campaign.Lines
}

// reachPage writes to a contact, or calls them.
type reachPage struct {
	frame
	Contact contacts.Contact
	Since   moment // when they asked for no more messages
	Numbers []option
	// Message and Call are the two forms; each has a key, so that one that is sent twice is sent once.
	Message, Call form
}

func (*reachPage) template() string { return "reach" }

// Wrong is what is wrong with neither of the fields.
func (p *reachPage) Wrong() string {
	return p.Message.General("text", "from") + p.Call.General("context", "from")
}

func (d *Dashboard) reachRoutes() []route {
	return []route{
		{method: "GET", path: "/contacts/{id}/reach", role: member.Editor, serve: showReach},
		{method: "POST", path: "/contacts/{id}/message", role: member.Editor, action: "message.send", serve: writeTo},
		{method: "POST", path: "/contacts/{id}/call", role: member.Editor, action: "call.place", serve: callTo},
	}
}

func (v *visit) reachPage() (*reachPage, error) {
	c, err := v.Book.Get(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if v.Desk == nil {
		return nil, problem.NotFound("Nothing can be sent from here: Twilio is only simulated.")
	}
	numbers, err := v.Orgs.Numbers(v.r.Context(), v.org.ID)
	if err != nil {
		return nil, err
	}
	p := &reachPage{frame: frame{Title: "Reach " + readable(c.Name), Here: "contacts", Zone: v.zone()}, Contact: c, Message: keyed(), Call: keyed()}
	p.Since = p.Moment(c.OptedOutAt)
	for _, n := range numbers {
		p.Numbers = append(p.Numbers, option{string(n.Phone), n.Phone.Readable() + " (" + n.AgentName + ")"})
	}
	return p, nil
}

// keyed is an empty form with a key of its own.
func keyed() form { return form{Values: url.Values{"key": {rand.Text()}}} }

func showReach(v *visit) error {
	p, err := v.reachPage()
	if err != nil {
		return err
	}
	return v.ok(p)
}

// reachForm is what was filled in, and the page that shows it again.
func (v *visit) reachForm() (p *reachPage, f form, err error) {
	if f, err = v.form(); err == nil {
		p, err = v.reachPage()
	}
	return p, f, err
}

// writeTo sends a message.
func writeTo(v *visit) error {
	p, f, err := v.reachForm()
	if err != nil {
		return err
	}
	p.Message = f
	item, err := v.Desk.Message(v.r.Context(), v.org, outgoing.MessageRequest{To: string(p.Contact.Phone), From: f.Get("from"), Text: lines(f.Get("text")), Key: keyOf(f)})
	if err != nil {
		return v.again(err, &p.Message, p)
	}
	v.changed(item.ID, "", nil)
	return v.goTo("/contacts/"+p.Contact.ID, "Your message to "+readable(p.Contact.Name)+" "+onItsWay(item)+".")
}

// callTo lets a voice agent call.
func callTo(v *visit) error {
	p, f, err := v.reachForm()
	if err != nil {
		return err
	}
	p.Call = f
	item, err := v.Desk.Call(v.r.Context(), v.org, outgoing.CallRequest{To: string(p.Contact.Phone), From: f.Get("from"), Context: lines(f.Get("context")), Key: keyOf(f)})
	if err != nil {
		return v.again(err, &p.Call, p)
	}
	v.changed(item.ID, "", nil)
	return v.goTo("/contacts/"+p.Contact.ID, "The call to "+readable(p.Contact.Name)+" "+onItsWay(item)+".")
}

// keyOf is the key of a form, apart from those that programs choose.
func keyOf(f form) string {
	if f.Get("key") == "" {
		return ""
	}
	return "page:" + f.Get("key")
}

func onItsWay(i *outgoing.Item) string {
	if i.State == outgoing.Sent {
		return "is on its way"
	}
	return "goes out as soon as Twilio takes it"
}
