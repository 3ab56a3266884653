package dashboard

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ringside/contacts"
	"ringside/internal/problem"
)

// contactFormPage adds or edits a contact.
type contactFormPage struct {
	frame
	Form    form
	Contact *contacts.Contact // nil: a new one
	Theirs  []theirs          // what somebody else has changed meanwhile
}

func (*contactFormPage) template() string { return "contact-form" }

// contactFields are the fields of the form, whose problems stand beside them.
var contactFields = []string{"name", "phone", "email", "tags", "notes"}

// Full reports whether the plan's limit is in the way.
func (p *contactFormPage) Full() bool {
	return p.Form.Problem != nil && p.Form.Problem.Code == problem.CodeContactLimitReached
}

// Fields are the names of the fields.
func (*contactFormPage) Fields() []string { return contactFields }

// General is what is wrong with none of the fields.
func (p *contactFormPage) General() string { return p.Form.General(contactFields...) }

// showNewContact may be led to with a phone and a name, such as those of a call.
func showNewContact(v *visit) error {
	query := v.r.URL.Query()
	values := url.Values{"phone": {query.Get("phone")}, "name": {query.Get("name")}}
	return v.ok(&contactFormPage{frame: frame{Title: "Add contact", Here: "contacts"}, Form: form{Values: values}})
}

func addContact(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	c, err := v.Book.Add(v.r.Context(), v.org, contacts.Draft{
		Name: f.Get("name"), Phone: f.Get("phone"), Email: f.Get("email"), Notes: lines(f.Get("notes")), Tags: splitTags(f.Get("tags"))})
	if err != nil {
		p := &contactFormPage{frame: frame{Title: "Add contact", Here: "contacts"}, Form: f}
		return v.again(err, &p.Form, p)
	}
	v.changed(c.ID, c.Name, nil)
	return v.goTo("/contacts/"+c.ID, c.Name+" is in your contacts.")
}

func showEditContact(v *visit) error {
	c, err := v.Book.Get(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	values := url.Values{"seen": {c.UpdatedAt.Format(time.RFC3339Nano)}}
	for name, value := range contactValues(c) {
		values.Set(name, value)
		values.Set("was."+name, value)
	}
	return v.ok(editPage(&c, form{Values: values}))
}

func editPage(c *contacts.Contact, f form) *contactFormPage {
	return &contactFormPage{frame: frame{Title: "Edit " + c.Name, Here: "contacts"}, Contact: c, Form: f}
}

// changeContact changes the fields that differ: what was given by hand is not overwritten by what
// callers say later.
func changeContact(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	ctx := v.r.Context()
	held, err := v.Book.Get(ctx, v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	change, fields := changeFrom(f, held)
	if len(fields) == 0 {
		return v.goTo("/contacts/"+held.ID, "Nothing was changed.")
	}
	c, err := v.Book.Change(ctx, v.org, held.ID, change)
	if p, ok := asProblem(err); ok && p.Code == problem.CodeConflict && held.MergedInto == nil {
		// What they typed stays; what somebody else has changed is shown beside it.
		f.Values.Set("seen", held.UpdatedAt.Format(time.RFC3339Nano))
		page := editPage(&held, f)
		for name, value := range contactValues(held) {
			if value != f.Get("was."+name) {
				page.Theirs = append(page.Theirs, theirs{name, value})
			}
		}
		slices.SortFunc(page.Theirs, func(a, b theirs) int { return strings.Compare(a.Field, b.Field) })
		page.Form.Problem = problem.New(problem.CodeConflict, "Somebody else changed this contact while you were editing. Save again: what you changed becomes as you typed it, everything else stays as it is now.")
		return v.show(http.StatusConflict, page)
	}
	if err != nil {
		page := editPage(&held, f)
		return v.again(err, &page.Form, page)
	}
	v.changed(c.ID, c.Name, map[string]any{"fields": fields})
	return v.goTo("/contacts/"+c.ID, "Saved.")
}

// contactValues are a contact's fields as the form has them.
func contactValues(c contacts.Contact) map[string]string {
	return map[string]string{"name": c.Name, "phone": string(c.Phone), "email": c.Email, "tags": strings.Join(c.Tags, ", "), "notes": c.Notes}
}

// theirs is a field that somebody else has changed while a form was open, as it is now.
type theirs struct{ Field, Value string }

// changeFrom returns what a form changes of a contact, and the names of the fields: those that are
// not as the form was when it was opened, so that what somebody else has changed meanwhile stays.
func changeFrom(f form, held contacts.Contact) (change contacts.Change, fields []string) {
	to := map[string]**string{"name": &change.Name, "phone": &change.Phone, "email": &change.Email, "notes": &change.Notes}
	values := contactValues(held)
	for _, name := range contactFields {
		given, was := strings.TrimSpace(lines(f.Get(name))), values[name]
		if f.Values.Has("was." + name) {
			was = lines(f.Get("was." + name))
		}
		tags := contacts.CleanTags(splitTags(given))
		switch {
		case !f.Values.Has(name):
			continue
		case name == "tags" && strings.Join(tags, ", ") != was:
			change.Tags = &tags
		case name != "tags" && given != strings.TrimSpace(was):
			*to[name] = &given
		default:
			continue
		}
		fields = append(fields, name)
	}
	if seen, err := time.Parse(time.RFC3339Nano, f.Get("seen")); err == nil {
		change.Seen = &seen
	}
	return change, fields
}

// splitTags reads tags with commas between.
func splitTags(text string) []string { return strings.Split(text, ",") }

// lines has the line ends of a form's textarea (CRLF) as we keep them.
func lines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }
