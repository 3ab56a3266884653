package main

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ringside/internal/dashboard/browsertest"
	"ringside/internal/postgres/pgtest"
)

// The dashboard in a real browser. No test of the program runs beside: browsers leave others little of
// a small machine, and some of those tell how quick the program is.
func TestDashboard(t *testing.T) {
	for name, story := range map[string]func(*testing.T){
		"every page":    everyPage,
		"of people":     storyOfPeople,
		"of an import":  storyOfAnImport,
		"of a call":     storyOfACall,
		"of a greeting": storyOfAGreeting,
		"of a member":   storyOfAMember,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(t)
		})
	}
}

// office is a demo whose dashboard people use, each from a browser of their own.
type office struct {
	*program
	t    *testing.T
	link string // signs in
	url  string
}

var welcome = regexp.MustCompile(`(?m)^  (http://\S+)(/welcome/\S+)$`)

// rooms bounds how many offices are open at once: each is a program and a browser's tabs, which
// compute.
var rooms = make(chan struct{}, 4)

// openOffice starts a demo, and returns when its dashboard can be used; its own calls go on.
func openOffice(t *testing.T) *office {
	t.Helper()
	rooms <- struct{}{}
	t.Cleanup(func() { <-rooms })
	o := &office{t: t, program: start(t, []string{"DATABASE_URL=" + pgtest.URL(t)}, "demo")}
	shown := o.stdout.await(t, "1 of 6: ", o.ended)
	found := welcome.FindStringSubmatch(shown)
	if found == nil {
		t.Fatalf("the demo tells no link:\n%s", shown)
	}
	o.url, o.link = found[1], found[2]
	return o
}

// quiet waits until the demo's own calls are over.
func (o *office) quiet() {
	o.t.Helper()
	o.stdout.await(o.t, "Ctrl-C ends the demo", o.ended)
}

// enter signs somebody in by the link that the demo prints.
func (o *office) enter(t *testing.T, options browsertest.Options) *browsertest.Tab {
	t.Helper()
	tab := browsertest.New(t, o.url, options)
	tab.Open(o.link)
	tab.Sees("button", "Sign out")
	return tab
}

// live reports whether pages change by themselves in a tab: where scripts run, and the program was
// built with what it takes, as CI's is. Without, one presses the button.
func live(t *testing.T, tab *browsertest.Tab) bool {
	t.Helper()
	switch {
	case tab.NoScripts():
		return false
	case tab.Is("window.htmx"):
		return true
	case os.Getenv("CI") != "":
		t.Fatal("the program was built without htmx: run scripts/web.sh before")
	}
	return false
}

// withAndWithoutScripts tells a story to two browsers. Pages have to work in both.
func withAndWithoutScripts(t *testing.T, story func(t *testing.T, o *office, tab *browsertest.Tab)) {
	t.Helper()
	for name, options := range map[string]browsertest.Options{"scripts": {}, "no scripts": {NoScripts: true, Screen: browsertest.Phone}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := openOffice(t)
			story(t, o, o.enter(t, options))
		})
	}
}

// rowID is what tells pages of one kind apart.
var rowID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|\b(CA|SM|VX)[0-9a-f]{32}`)

// maxPage is the most that a page may weigh, in bytes over the wire, with styles and scripts.
const maxPage = 100_000

// crawl follows the links from the overview on, and returns a page of each kind. None may weigh too much.
func crawl(t *testing.T, tab *browsertest.Tab) (pages []string) {
	t.Helper()
	kinds := map[string]bool{}
	found := func(link string) {
		path, _, _ := strings.Cut(link, "?")
		if kind := rowID.ReplaceAllString(path, "*"); !kinds[kind] && !strings.HasSuffix(path, "/export") {
			kinds[kind] = true
			pages = append(pages, path)
		}
	}
	found("/")
	for n := 0; n < len(pages); n++ {
		if bytes := tab.Weigh(pages[n]); bytes > maxPage {
			t.Errorf("%s weighs %d bytes", pages[n], bytes)
		}
		for _, link := range tab.Links() {
			found(link)
		}
	}
	return pages
}

// Every page that can be reached by links can be read and used by everybody, on every screen.
func everyPage(t *testing.T) {
	o := openOffice(t)
	o.quiet()
	tab := o.enter(t, browsertest.Options{})
	pages := crawl(t, tab)
	for _, must := range []string{"/", "/calls", "/contacts", "/contacts/new", "/campaigns", "/agents", "/billing", "/settings", "/settings/privacy"} {
		if !slices.Contains(pages, must) {
			t.Errorf("no link leads to %s", must)
		}
	}
	t.Logf("looking at %q", pages)
	for _, options := range []browsertest.Options{
		{Screen: browsertest.Desktop}, {Screen: browsertest.Phone}, {Screen: browsertest.Desktop, Dark: true}, {Screen: browsertest.Phone, Dark: true},
	} {
		name := options.Screen.Name
		if options.Dark {
			name += ", dark"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			look(browsertest.New(t, o.url, options), "/signin", options)
			tab := o.enter(t, options)
			for _, page := range pages {
				look(tab, page, options)
			}
			tab.Expect(http.StatusNotFound)
			look(tab, "/nowhere", options)
		})
	}
}

// look opens a page, audits it and takes a picture of it. A dark page is the light one in other
// colours, which are the same on every screen.
func look(tab *browsertest.Tab, page string, o browsertest.Options) {
	tab.Open(page)
	switch {
	case !o.Dark:
		tab.Audit()
	case o.Screen == browsertest.Desktop:
		tab.AuditColours()
	}
	name := strings.Trim(rowID.ReplaceAllString(page, "one"), "/")
	if name == "" {
		name = "overview"
	}
	tab.Picture(strings.ReplaceAll(name, "/", "-"))
}
