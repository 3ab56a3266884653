package dashboard

import (
	"slices"
	"strings"
	"time"

	"ringside/contacts"
	"ringside/internal/audit"
	"ringside/internal/ledger"
	"ringside/internal/problem"
)

// contactPage is one contact, and what has happened with them.
type contactPage struct {
	frame
	Contact  contacts.Contact
	Last     moment
	OptedOut moment
	Origins  []originRow
	Timeline []timelineEntry
	Reach    bool              // whether they can be written to and called from here
	More     bool              // there is more than the timeline shows
	Into     *contacts.Contact // which this one is a part of
	MergeID  string            // by which, while that can be undone
}

func (*contactPage) template() string { return "contact" }

// originRow says where a detail came from.
type originRow struct {
	Label, Value, From string
	At                 moment
}

// timelineEntry is something that happened with a contact.
type timelineEntry struct {
	At    moment
	when  time.Time
	Kind  string // "call", "message" or "change"
	Title string
	Said  string // what a message says
	Text  string
	Link  string
	Heard []string // what the caller said of themselves, as it was kept
	Talk  []said   // how the call went, from its beginning
	Cut   bool     // it went on
	sid   string
}

// timelineLength is how many calls and changes a contact's page shows.
const timelineLength = 30

func showContact(v *visit) error {
	ctx := v.r.Context()
	c, err := v.Book.Get(ctx, v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	p := &contactPage{frame: frame{Title: readable(c.Name), Here: "contacts", Zone: v.zone()}, Contact: c}
	p.Last, p.OptedOut = p.Moment(c.LastContactedAt), p.Moment(c.OptedOutAt)
	p.Origins, p.Reach = p.origins(c), v.Desk != nil
	if c.MergedInto != nil {
		into, err := v.Book.Get(ctx, v.org.ID, *c.MergedInto)
		if err != nil {
			return err
		}
		p.Into = &into
		if p.MergeID, err = v.Book.MergeInto(ctx, v.org.ID, c.ID); err != nil {
			return err
		}
	}
	if err := v.fillTimeline(p); err != nil {
		return err
	}
	return v.ok(p)
}

// origins tells of each detail where it came from.
func (p *contactPage) origins(c contacts.Contact) (rows []originRow) {
	for _, f := range []struct{ name, label, value string }{
		{"name", "Name", c.Name}, {"phone", "Phone", readable(c.Phone)}, {"email", "E-mail", c.Email}, {"tags", "Tags", strings.Join(c.Tags, ", ")}, {"notes", "Notes", c.Notes},
	} {
		if origin := c.Origins[f.name]; f.value != "" {
			rows = append(rows, originRow{f.label, f.value, sourceWords[origin.Source], p.Moment(origin.At)})
		}
	}
	return rows
}

// fillTimeline puts calls, messages and changes together, the latest first.
func (v *visit) fillTimeline(p *contactPage) error {
	ctx := v.r.Context()
	list, err := v.Ledger.List(ctx, v.org.ID, ledger.Query{ContactID: p.Contact.ID, Limit: timelineLength})
	if err != nil {
		return err
	}
	changes, err := v.Audit.List(ctx, v.org.ID, audit.Query{Subject: p.Contact.ID, Limit: timelineLength})
	if err != nil {
		return err
	}
	p.More = list.NextCursor != nil || changes.NextCursor != nil
	var entries []timelineEntry
	for _, i := range list.Interactions {
		entries = append(entries, timelineEntry{At: p.Moment(i.StartedAt), when: i.StartedAt, Kind: i.Kind, Title: interactionTitle(i), Said: messageWords(i, talkText), Text: i.Summary, Link: "/calls/" + i.SID, sid: i.SID})
	}
	for _, e := range changes.Entries {
		entries = append(entries, timelineEntry{At: p.Moment(e.At), when: e.At, Kind: "change", Title: actorWords(e.Actor) + " " + actionWords(e.Action), Text: detailWords(e.Details)})
	}
	p.More = p.More || len(entries) > timelineLength
	p.Timeline = latestFirst(entries, timelineLength)
	return v.fillTalks(p)
}

// latestFirst puts entries in order, and keeps the first of them.
func latestFirst(entries []timelineEntry, most int) []timelineEntry {
	slices.SortStableFunc(entries, func(a, b timelineEntry) int { return b.when.Compare(a.when) })
	return entries[:min(len(entries), most)]
}

func archiveContact(v *visit) error {
	c, err := v.Book.Get(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := v.Book.Archive(v.r.Context(), v.org.ID, c.ID); err != nil {
		return err
	}
	v.changed(c.ID, c.Name, nil)
	return v.goTo("/contacts/"+c.ID, c.Name+" is archived. Their phone number is free again.")
}

func restoreContact(v *visit) error {
	c, err := v.Book.Restore(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.changed(c.ID, c.Name, nil)
	return v.goTo("/contacts/"+c.ID, c.Name+" is back in your contacts.")
}

// treatContact changes how calls from a contact are treated.
func treatContact(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	blocked, byName := f.Has("blocked", "1"), !f.Has("unnamed", "1")
	c, err := v.Book.Change(v.r.Context(), v.org, v.r.PathValue("id"), contacts.Change{Blocked: &blocked, GreetByName: &byName})
	if err != nil {
		return err
	}
	v.changed(c.ID, c.Name, map[string]any{"blocked": c.Blocked, "greeted by name": c.GreetByName})
	return v.goTo("/contacts/"+c.ID, "Saved. It holds from the next call on.")
}

// mergePage makes one contact of two.
type mergePage struct {
	frame
	Contact contacts.Contact
	Text    string             // what was searched for
	Found   []contacts.Contact // who may be the same person
	With    *contacts.Contact  // who was picked
}

func (*mergePage) template() string { return "merge" }

func showMerge(v *visit) error {
	ctx := v.r.Context()
	c, err := v.Book.Get(ctx, v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	query := v.r.URL.Query()
	p := &mergePage{frame: frame{Title: "Merge " + c.Name, Here: "contacts"}, Contact: c, Text: query.Get("q")}
	if with := query.Get("with"); with != "" {
		other, err := v.Book.Get(ctx, v.org.ID, with)
		if err != nil {
			return err
		}
		p.With = &other
		return v.ok(p)
	}
	if !query.Has("q") {
		p.Text = c.Name
	}
	list, err := v.Book.Search(ctx, v.org.ID, contacts.Query{Text: p.Text, Limit: 20})
	if err != nil {
		return err
	}
	for _, other := range list.Contacts {
		if other.ID != c.ID {
			p.Found = append(p.Found, other)
		}
	}
	return v.ok(p)
}

func mergeContact(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	m, err := v.Book.Merge(v.r.Context(), v.org.ID, ledger.Past{}, v.r.PathValue("id"), f.Get("with"))
	if err != nil {
		return err
	}
	v.changed(m.Contact.ID, m.Contact.Name, map[string]any{"merge": m.ID, "merged": m.MergedID})
	return v.goTo("/contacts/"+m.MergedID, "Two contacts are one now: "+m.Contact.Name+". You can undo it here for 30 days.")
}

func undoMerge(v *visit) error {
	kept, restored, err := v.Book.UndoMerge(v.r.Context(), v.org.ID, ledger.Past{}, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.changed(restored.ID, restored.Name, map[string]any{"from": kept.ID})
	return v.goTo("/contacts/"+restored.ID, restored.Name+" is a contact of their own again.")
}

// erasePage asks before somebody is erased.
type erasePage struct {
	frame
	Form    form
	Contact contacts.Contact
	Calls   int
	More    bool // there are more than Calls
}

func (*erasePage) template() string { return "erase" }

func (v *visit) erasePage(contactID string) (*erasePage, error) {
	c, err := v.Book.Get(v.r.Context(), v.org.ID, contactID)
	if err != nil {
		return nil, err
	}
	list, err := v.Ledger.List(v.r.Context(), v.org.ID, ledger.Query{ContactID: c.ID, Limit: ledger.MaxPage})
	if err != nil {
		return nil, err
	}
	return &erasePage{frame: frame{Title: "Erase " + c.Name, Here: "contacts"}, Contact: c, Calls: len(list.Interactions), More: list.NextCursor != nil}, nil
}

func showErase(v *visit) error {
	p, err := v.erasePage(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.ok(p)
}

// eraseContact erases somebody for good, if the name was typed as asked for.
func eraseContact(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	p, err := v.erasePage(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	p.Form = f
	if !strings.EqualFold(strings.TrimSpace(f.Get("name")), p.Contact.Name) {
		return v.again(problem.Invalid("name", "Type the name as it is written above, so that nobody is erased by mistake."), &p.Form, p)
	}
	erasure, err := v.Book.Erase(v.r.Context(), v.org.ID, ledger.Past{}, v.ErasureKey, p.Contact.ID)
	if err != nil {
		return err
	}
	v.changed(erasure.ID, "", nil) // not the contact's id: the log says that somebody was erased, and not who
	return v.goTo("/erasures/"+erasure.ID, "")
}

// erasurePage is the receipt of an erasure.
type erasurePage struct {
	frame
	Erasure contacts.Erasure
	At      moment
}

func (*erasurePage) template() string { return "erasure" }

func showErasure(v *visit) error {
	e, err := v.Book.Erasure(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	p := &erasurePage{frame: frame{Title: "Erased", Here: "contacts", Zone: v.zone()}, Erasure: e}
	p.At = p.Moment(e.ErasedAt)
	return v.ok(p)
}
