package dashboard

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"
	"sync"

	"time"

	"ringside/internal/member"
	"ringside/internal/org"
)

// page is what a template shows: a struct that embeds [frame].
type page interface {
	template() string // the file in templates/pages, without .html
	base() *frame
}

// frame is what every page has: its title, who looks at it, and the way to the other pages.
type frame struct {
	Title string
	Here  string // the section of the navigation that the page belongs to: see sections
	Tab   string // of the settings
	Wide  bool   // tables that need room

	Member  *member.Member // nil: nobody is signed in
	Org     org.Org
	Notice  string // what the last form has to say
	Zone    *time.Location
	Demo    bool
	Scripts []string // addresses of scripts; without htmx the pages work by forms alone
	Style   string
	Icon    string
}

func (f *frame) base() *frame { return f }

// section is an entry of the navigation.
type section struct{ Name, Path, Label string }

// Sections are the entries of the navigation, for people with the viewer's role.
func (f *frame) Sections() []section {
	return []section{
		{"overview", "/", "Overview"},
		{"calls", "/calls", "Calls & messages"},
		{"contacts", "/contacts", "Contacts"},
		{"campaigns", "/campaigns", "Campaigns"},
		{"agents", "/agents", "Voice agents"},
		{"billing", "/billing", "Billing"},
		{"settings", "/settings", "Settings"},
	}
}

// May reports whether who looks at the page has at least this role, so that it offers no button
// that would be refused.
func (f *frame) May(role member.Role) bool { return f.Member != nil && f.Member.Role.AtLeast(role) }

//go:embed templates
var templateFiles embed.FS

// templates are the pages' templates by name, each with the layout and all parts.
var templates = sync.OnceValue(func() map[string]*template.Template {
	shared := template.Must(template.New("").Funcs(functions).ParseFS(templateFiles, "templates/layout.html", "templates/parts/*.html"))
	files, err := templateFiles.ReadDir("templates/pages")
	if err != nil {
		panic(err) // they are part of the program
	}
	pages := map[string]*template.Template{}
	for _, file := range files {
		own := template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, path.Join("templates/pages", file.Name())))
		pages[strings.TrimSuffix(file.Name(), ".html")] = own
	}
	return pages
})

// show answers with a page.
func (v *visit) show(status int, p page) error {
	f := p.base()
	f.Org, f.Notice, f.Zone, f.Demo = v.org, v.notice(), v.zone(), v.Dashboard.Demo != nil
	f.Style, f.Icon = v.assets.path("ringside.css"), v.assets.path("icon.svg")
	if v.session != nil {
		f.Member = &v.session.Member
	}
	for _, script := range []string{"vendor/htmx.min.js", "vendor/sse.js", "ringside.js"} {
		if v.assets.has(script) {
			f.Scripts = append(f.Scripts, v.assets.path(script))
		}
	}
	body, err := render(p.template(), "layout", p)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(body) // the viewer has gone
	return nil
}

// part answers with one of a page's templates alone, for a script that puts it into the page.
func (v *visit) part(p page, name string) error {
	p.base().Zone = v.zone()
	body, err := render(p.template(), name, p)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = v.w.Write(body)
	return nil
}

// render executes a template of a page, whole, before a byte is sent.
func render(pageName, name string, data any) ([]byte, error) {
	t, ok := templates()[pageName]
	if !ok {
		return nil, fmt.Errorf("there is no page %q", pageName)
	}
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, name, data); err != nil {
		return nil, fmt.Errorf("page %s: %w", pageName, err)
	}
	return body.Bytes(), nil
}

// ok answers with a page that is as it should be.
func (v *visit) ok(p page) error { return v.show(http.StatusOK, p) }
