package dashboard

import (
	"errors"
	"net/http"
	"net/url"

	"ringside/internal/problem"
)

// form is what somebody typed, with what is wrong about it. A form that cannot be taken is shown
// again with both: nothing that was typed is lost.
type form struct {
	Values  url.Values
	Problem *problem.Error
}

// form reads the posted form.
func (v *visit) form() (form, error) {
	if err := v.r.ParseForm(); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return form{}, err
		}
		return form{}, problem.New(problem.CodeInvalid, "The form did not arrive whole. Go back and send it again.")
	}
	return form{Values: v.r.PostForm}, nil
}

// secrets are the fields that are never sent back to a browser.
var secrets = []string{"password", "present", "auth_token", "runtime_secret"}

// hush takes the secrets out of a form.
func (f form) hush() {
	for _, name := range secrets {
		f.Values.Del(name)
	}
}

// again shows a page whose form f could not be taken, with the problem. An error that nobody can help
// by typing something else goes on to [Dashboard.fail].
func (v *visit) again(err error, f *form, p page) error {
	wrong, ok := asProblem(err)
	if !ok {
		return err
	}
	switch wrong.Code {
	case problem.CodeUnauthorized, problem.CodeForbidden, problem.CodeNotFound, problem.CodeUnavailable:
		return err
	}
	f.Problem = wrong
	return v.show(wrong.Code.Status(), p)
}

// Get returns what was typed into a field.
func (f form) Get(name string) string { return f.Values.Get(name) }

// Has reports whether a box of this name and value is ticked.
func (f form) Has(name, value string) bool {
	for _, v := range f.Values[name] {
		if v == value {
			return true
		}
	}
	return false
}

// General is what is wrong with the form as a whole, or with none of the given fields; "" is nothing.
func (f form) General(fields ...string) string {
	if f.Problem == nil {
		return ""
	}
	for _, name := range fields {
		if f.Problem.Field == name {
			return ""
		}
	}
	return f.Problem.Detail
}

// Field is an entry of a form for the templates "input", "textarea" and "select".
func (f form) Field(name, label string) field {
	e := field{Name: name, ID: "f-" + name, Label: label, Value: f.Get(name), Type: "text"}
	if f.Problem != nil && f.Problem.Field == name {
		e.Error, e.ErrorLink = f.Problem.Detail, f.Problem.ID
	}
	return e
}

// field is an entry of a form. Its methods return it changed, so that templates can chain them:
// ((.Form.Field "phone" "Phone").Required.As "tel").Hinted "As you would dial it."
type field struct {
	Name, ID, Label, Value, Type string
	Hint, Error                  string
	// ErrorLink is the id of the row that stands in the way.
	ErrorLink    string
	Needed       bool
	Autocomplete string
	Rows         int
	Options      []option
}

// option is one choice of a select.
type option struct{ Value, Label string }

// Required marks a field that must not be left empty.
func (e field) Required() field { e.Needed = true; return e }

// As sets the type of an input: tel, email, password, number, url.
func (e field) As(kind string) field { e.Type = kind; return e }

// Hinted adds a sentence on what to type.
func (e field) Hinted(hint string) field { e.Hint = hint; return e }

// Completed lets the browser fill the field in (the HTML autocomplete token).
func (e field) Completed(token string) field { e.Autocomplete = token; return e }

// Apart gives the field an id of its own, where another form of the page has one of the same name.
func (e field) Apart(id string) field { e.ID = id; return e }

// Tall makes a textarea of so many lines.
func (e field) Tall(rows int) field { e.Rows = rows; return e }

// OneOf makes a select of the options.
func (e field) OneOf(options []option) field { e.Options = options; return e }

// Or fills a field that nothing was typed into.
func (e field) Or(value string) field {
	if e.Value == "" && e.Error == "" {
		e.Value = value
	}
	return e
}

// Describes are the ids of what is to be read with the field.
func (e field) Describes() string {
	switch {
	case e.Hint != "" && e.Error != "":
		return e.ID + "-hint " + e.ID + "-error"
	case e.Hint != "":
		return e.ID + "-hint"
	case e.Error != "":
		return e.ID + "-error"
	}
	return ""
}

// asProblem returns the problem inside an error, if it is one that may be shown.
func asProblem(err error) (*problem.Error, bool) { return errors.AsType[*problem.Error](err) }
