package dashboard

import (
	"fmt"
	"net/url"
	"strings"

	"ringside/contacts"
	"ringside/internal/member"
)

// contactsPage is the list of contacts.
type contactsPage struct {
	frame
	Query    contacts.Query
	Rows     []contactRow
	Total    int
	Pager    pager
	Empty    *emptyState
	Columns  []column
	Sources  []option
	Usage    contacts.Usage
	Filtered bool
	Tags     []string // to choose from
}

func (*contactsPage) template() string { return "contacts" }

// contactRow is a contact in a list.
type contactRow struct {
	contacts.Contact
	LastContacted moment
	SourceWords   string
}

// column is a head of a table by which it can be sorted.
type column struct {
	Label, Link string
	Sorted      string // the aria-sort of the order it is in, or ""
}

func (d *Dashboard) contactRoutes() []route {
	return []route{
		{method: "GET", path: "/contacts", role: member.Viewer, serve: showContacts},
		{method: "GET", path: "/contacts/export", role: member.Editor, serve: exportContacts},
		{method: "POST", path: "/contacts/chosen", role: member.Editor, action: "contact.change_chosen", serve: changeChosen},
		{method: "GET", path: "/contacts/new", role: member.Editor, serve: showNewContact},
		{method: "POST", path: "/contacts", role: member.Editor, action: "contact.add", serve: addContact},
		{method: "GET", path: "/contacts/{id}", role: member.Viewer, serve: showContact},
		{method: "GET", path: "/contacts/{id}/edit", role: member.Editor, serve: showEditContact},
		{method: "POST", path: "/contacts/{id}", role: member.Editor, action: "contact.change", serve: changeContact},
		{method: "POST", path: "/contacts/{id}/archive", role: member.Editor, action: "contact.archive", serve: archiveContact},
		{method: "POST", path: "/contacts/{id}/restore", role: member.Editor, action: "contact.restore", serve: restoreContact},
		{method: "POST", path: "/contacts/{id}/treatment", role: member.Editor, action: "contact.block", serve: treatContact},
		{method: "GET", path: "/contacts/{id}/merge", role: member.Editor, serve: showMerge},
		{method: "POST", path: "/contacts/{id}/merge", role: member.Editor, action: "contact.merge", serve: mergeContact},
		{method: "POST", path: "/merges/{id}/undo", role: member.Editor, action: "contact.unmerge", serve: undoMerge},
		{method: "GET", path: "/contacts/{id}/erase", role: member.Editor, serve: showErase},
		{method: "POST", path: "/contacts/{id}/erase", role: member.Editor, action: "contact.erase", serve: eraseContact},
		{method: "GET", path: "/erasures/{id}", role: member.Viewer, serve: showErasure},
	}
}

// sourceWords say where a contact or a value came from.
var sourceWords = map[contacts.Source]string{
	contacts.SourcePerson:  "added by hand",
	contacts.SourceCapture: "said in a call",
	contacts.SourceImport:  "imported",
	contacts.SourceAuto:    "left by a call or message",
}

// contactQuery reads what is asked for from the address.
func contactQuery(values url.Values) contacts.Query {
	return contacts.Query{
		Text: values.Get("q"), Tag: values.Get("tag"), Source: contacts.Source(values.Get("source")),
		Archived: values.Get("archived") != "", Sort: contacts.Sort(values.Get("sort")), Cursor: values.Get("cursor"),
	}
}

func showContacts(v *visit) error {
	q := contactQuery(v.r.URL.Query())
	list, err := v.Book.Search(v.r.Context(), v.org.ID, q)
	if err != nil {
		return err
	}
	p := &contactsPage{frame: frame{Title: "Contacts", Here: "contacts", Wide: true, Zone: v.zone()}, Query: q, Total: list.Total, Pager: v.pages(list.NextCursor),
		Sources: []option{{"", "any"}}, Filtered: q.Text != "" || q.Tag != "" || q.Source != "" || q.Archived}
	if p.Usage, err = v.Book.Usage(v.r.Context(), v.org.ID); err != nil {
		return err
	}
	if !v.byScript() { // which only takes what was found
		if p.Tags, err = v.Book.Tags(v.r.Context(), v.org.ID); err != nil {
			return err
		}
	}
	for _, s := range []contacts.Source{contacts.SourcePerson, contacts.SourceCapture, contacts.SourceImport, contacts.SourceAuto} {
		p.Sources = append(p.Sources, option{string(s), sourceWords[s]})
	}
	for _, c := range list.Contacts {
		p.Rows = append(p.Rows, contactRow{c, p.Moment(c.LastContactedAt), sourceWords[c.Source]})
	}
	p.Columns = v.sortable(q.Sort)
	switch {
	case len(p.Rows) > 0:
	case q.Archived && q.Text == "" && q.Tag == "":
		p.Empty = &emptyState{"Nobody is archived.", "Archived contacts are kept here, and can be restored.", "/contacts", "Back to the contacts"}
	case p.Filtered:
		p.Empty = &emptyState{"Nobody was found.", "Try a part of a name, an e-mail address or a phone number, or take a filter away.", "/contacts", "Show everybody"}
	default:
		p.Empty = &emptyState{"There are no contacts yet.", "People who call or write are added by themselves. You can also add somebody, or import a file.", "/contacts/new", "Add a contact"}
		if !v.may(member.Editor) {
			p.Empty.Text, p.Empty.Link = "People who call or write are added by themselves.", ""
		}
	}
	return v.ok(p)
}

// sortable are the heads of the list's table. The head of the order that the list is in leads to the
// other way round.
func (v *visit) sortable(now contacts.Sort) []column {
	if now == "" {
		now = contacts.SortName
	}
	head := func(label string, first, other contacts.Sort) column {
		by := first
		if now == first {
			by = other
		}
		query := v.r.URL.Query()
		query.Del("cursor")
		query.Set("sort", string(by))
		c := column{Label: label, Link: "/contacts?" + query.Encode()}
		if now == first || now == other {
			c.Sorted = "ascending"
			if strings.HasPrefix(string(now), "-") {
				c.Sorted = "descending"
			}
		}
		return c
	}
	added := head("Source", contacts.SortCreated, contacts.SortCreatedEarlier)
	added.Sorted = "" // it is in the order of when they were added, which is not shown
	return []column{
		head("Name", contacts.SortName, contacts.SortNameDown), {Label: "Phone"}, {Label: "E-mail"}, {Label: "Tags"},
		head("Last contacted", contacts.SortLastContacted, contacts.SortLongestAgo), added,
	}
}

// exportContacts sends what a search finds as a file.
func exportContacts(v *visit) error {
	return v.exported(func(to *lateFile) error {
		return v.Book.Export(v.r.Context(), v.org.ID, contactQuery(v.r.URL.Query()), to)
	})
}

// exported sends contacts as a file, which is written to the audit log: whoever has it can take
// people's details elsewhere.
func (v *visit) exported(fill func(to *lateFile) error) error {
	v.record("contact.export", "", "", nil) // before the first byte: a download that breaks off has taken some along
	return v.csv("contacts", fill)
}

// changeChosen does something with the contacts that are ticked.
func changeChosen(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	back := "/contacts"
	if query := f.Get("query"); query != "" {
		back = local("/contacts?" + query)
	}
	ids := f.Values["id"]
	if len(ids) == 0 {
		return v.goTo(back, "Nobody was chosen: tick the contacts first.")
	}
	ctx := v.r.Context()
	var n int
	var said string
	switch f.Get("do") {
	case "export":
		return v.exported(func(to *lateFile) error {
			return v.Book.Export(ctx, v.org.ID, contacts.Query{IDs: ids, Archived: f.Get("archived") != ""}, to)
		})
	case "archive":
		n, err = v.Book.ArchiveChosen(ctx, v.org.ID, ids)
		said = "Archived " + plural(n, "contact", "contacts") + "."
	case "tag", "untag":
		n, err = v.Book.TagChosen(ctx, v.org, ids, f.Get("tag"), f.Get("do") == "untag")
		said = fmt.Sprintf("Tagged %s.", plural(n, "contact", "contacts"))
		if f.Get("do") == "untag" {
			said = fmt.Sprintf("Took the tag from %s.", plural(n, "contact", "contacts"))
		}
	default:
		return v.goTo(back, "Choose what to do with the ticked contacts.")
	}
	if n == 0 {
		said = "Nothing was to be changed."
	}
	if n > 0 {
		v.changed("", "", map[string]any{"do": f.Get("do"), "tag": strings.TrimSpace(f.Get("tag")), "count": n})
	}
	if p, ok := asProblem(err); ok && n > 0 {
		return v.goTo(back, said+" Not all: "+p.Detail)
	} else if ok {
		return v.goTo(back, p.Detail)
	}
	if err != nil {
		return err
	}
	return v.goTo(back, said)
}

// Nearly is for how many contacts the plan has room, if that is not many any more, and 0 otherwise.
func (p *contactsPage) Nearly() int {
	limit := p.Usage.Limit
	if limit == nil || p.Usage.Used < *limit-*limit/10 {
		return 0
	}
	return max(0, *limit-p.Usage.Used)
}

// Asked is the query of the page's address without its page, for the links that go on from it.
func (p *contactsPage) Asked() string {
	values := url.Values{}
	for name, value := range map[string]string{"q": p.Query.Text, "tag": p.Query.Tag, "source": string(p.Query.Source), "sort": string(p.Query.Sort)} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if p.Query.Archived {
		values.Set("archived", "1")
	}
	return values.Encode()
}
