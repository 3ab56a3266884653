package dashboard

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"ringside/contacts"
	"ringside/internal/member"
	"ringside/internal/problem"
	"ringside/recognize"
)

// callPage is one call or message: what happened, why the caller was or was not greeted by name, and
// what was said.
type callPage struct {
	frame
	Call    callRow
	Agent   string
	Trace   *recognize.Trace // nil: nobody was looked up
	Why     recognize.Explanation
	Repairs []remedy
	Told    []string
	Reply   string // what a message was answered at once
	Lines   []said
	Notes   []said
	Heard   []capture
}

func (*callPage) template() string { return "call" }

// said is something that was said or noted.
type said struct {
	At   moment
	Who  string // "caller" or "agent"
	Text string
}

// capture is what the agent kept of what a caller said of themselves.
type capture struct {
	At     moment
	Fields []string
}

// remedy is something that would change how the next call is answered, with where that is done.
type remedy struct{ Text, Link, Label string }

func showCall(v *visit) error {
	ctx := v.r.Context()
	sid := v.r.PathValue("sid")
	i, err := v.Ledger.Find(ctx, v.org.ID, sid)
	if err != nil {
		return err
	}
	p := &callPage{frame: frame{Title: "Call", Here: "calls", Zone: v.zone()}}
	if i.Kind == "message" {
		p.Title = "Message"
	}
	p.Call = p.row(i)
	if err := v.fillWhy(p, sid); err != nil {
		return err
	}
	if i.Kind == "message" {
		if p.Reply, err = v.Ledger.Reply(ctx, v.org.ID, sid); err != nil {
			return err
		}
	}
	talk, err := v.Ledger.Conversation(ctx, v.org.ID, sid)
	if err != nil {
		return err
	}
	for _, l := range talk.Lines {
		p.Lines = append(p.Lines, said{p.Moment(l.At), l.Who, l.Text})
	}
	for _, n := range talk.Notes {
		p.Notes = append(p.Notes, said{p.Moment(n.At), "agent", n.Text})
	}
	for _, c := range talk.Captures {
		p.Heard = append(p.Heard, capture{p.Moment(c.At), capturedFields(c.Result)})
	}
	return v.ok(p)
}

// capturedFields says what a capture kept, as the agent was told.
func capturedFields(result json.RawMessage) (said []string) {
	var told contacts.CaptureResult
	if json.Unmarshal(result, &told) != nil {
		return nil
	}
	if len(told.Saved) > 0 {
		said = append(said, "Saved: "+strings.Join(told.Saved, ", "))
	}
	if len(told.Kept) > 0 {
		said = append(said, "Left as it was: "+strings.Join(told.Kept, ", "))
	}
	if !told.OK {
		said = append(said, "Not saved: "+told.Message)
	}
	return said
}

// fillWhy explains the recognition, if there was one.
func (v *visit) fillWhy(p *callPage, sid string) error {
	ctx := v.r.Context()
	raw, err := v.Ledger.Recognition(ctx, v.org.ID, sid)
	if gone, ok := asProblem(err); ok && gone.Code == problem.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	p.Trace = &recognize.Trace{}
	if err := json.Unmarshal(raw, p.Trace); err != nil {
		return fmt.Errorf("read the recognition of a call: %w", err)
	}
	parties, err := v.Ledger.Parties(ctx, v.org.ID, sid)
	if err != nil {
		return err
	}
	explain := func(near []contacts.NearMiss, now *contacts.Contact) recognize.Explanation {
		if p.Call.Kind == "message" {
			return recognize.ExplainSender(p.Trace, near, now)
		}
		return recognize.Explain(p.Trace, parties.AgentID, near, now)
	}
	p.Why = explain(nil, nil)
	if n := p.Trace.Number; n != "" && !p.Trace.Known {
		near, err := v.Book.NearMisses(ctx, v.org.ID, n)
		if err != nil {
			return err
		}
		now, err := v.Book.ByPhone(ctx, v.org.ID, n)
		if err != nil {
			return err
		}
		p.Why = explain(near, now)
	}
	for _, r := range p.Why.Remedies {
		repair := remedyOf(r)
		if !v.may(member.Editor) {
			repair.Link = ""
		}
		p.Repairs = append(p.Repairs, repair)
	}
	p.Told = p.Trace.Told
	return nil
}

// remedyOf says where a remedy is done.
func remedyOf(r recognize.Remedy) remedy {
	switch r.Does {
	case recognize.AddContact:
		return remedy{r.Text, "/contacts/new?phone=" + url.QueryEscape(string(r.Number)), "Add contact"}
	case recognize.EditContact:
		return remedy{r.Text, "/contacts/" + r.ID, "Open the contact"}
	case recognize.EditAgent:
		if r.ID != "" {
			return remedy{r.Text, "/agents/" + r.ID, "Open the voice agent"}
		}
	}
	return remedy{Text: r.Text}
}

// Party is the other party's number, to stand beside a name; the channel is told by What.
func (r callRow) Party() string {
	number, _, _ := strings.Cut(readable(r.theirs()), " on ")
	return number
}

// What is what kind of call or message it is.
func (r callRow) What() string {
	switch {
	case r.Kind == "call":
		return "Call"
	case strings.HasPrefix(r.theirs(), "whatsapp:"):
		return "WhatsApp"
	case strings.HasPrefix(r.theirs(), "rcs:"):
		return "RCS"
	}
	return "Message"
}

func (r callRow) theirs() string {
	if r.Direction == "outbound" {
		return r.To
	}
	return r.From
}
