package browsertest

import (
	"context"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// pages are a small site: good pages, and one for each thing that can go wrong.
var pages = map[string]string{
	"/": `<main><h1>Fruit</h1><p>Pick <b>one</b>
		fruit.</p><form action="/chosen">
		<p><label for="fruit">Fruit</label> <input id="fruit" name="fruit" value="plum"></p>
		<p><label for="note">Note <span>optional</span></label> <textarea id="note" name="note"></textarea></p>
		<p><label for="size">Size</label> <select id="size" name="size"><option value="s">Small<option value="l">Large</select></p>
		<button>Choose</button></form>
		<table><caption>Stock</caption><tr><th scope="row">Apples</th><td><button>Count</button></td></tr><tr><th scope="row">Pears</th><td><button>Count</button></td></tr></table>
		<p id="counted"></p><p><a href="/missing">Nowhere</a></p></main><script src="/count.js"></script>`,
	"/chosen":    `<main><h1>Chosen</h1><p>Thank you.</p><p>Scripts are <span id="scripts">off</span>.</p></main><script src="/on.js"></script>`,
	"/refused":   `<main><h1>Refused</h1></main>`,
	"/nameless":  `<main><h1>Nameless</h1><input name="fruit"><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="></main>`,
	"/wide":      `<main><h1>Wide</h1><p style="width: 2000px">Wide</p></main>`,
	"/pale":      `<main><h1>Pale</h1><p style="color: #ccc">Hard to read</p></main>`,
	"/covered":   `<main><h1>Covered</h1><button>Reach me</button><div style="position: fixed; inset: 0; background: #fff"></div></main>`,
	"/console":   `<main><h1>Console</h1></main><script>console.error("broken", 7)</script>`,
	"/throws":    `<main><h1>Throws</h1></main><script>nothing.there()</script>`,
	"/lacks":     `<main><h1>Lacks</h1></main><script src="/missing.js"></script>`,
	"/elsewhere": `<main><h1>Elsewhere</h1></main><img alt="" src="http://example.com/a.png">`,
	"/forbidden": `<main><h1>Forbidden</h1></main><script>1</script>`,
}

// files are what the pages are made of.
var files = map[string]string{
	"/count.js": `for (const b of document.querySelectorAll("table button")) b.addEventListener("click", () => setTimeout(() => {
		document.getElementById("counted").textContent = b.closest("tr").querySelector("th").textContent + " counted"; }, 50));`,
	"/icon.svg": `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><rect width="1" height="1"/></svg>`,
	"/on.js":    `document.getElementById("scripts").textContent = "on";`,
}

func site(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if file, ok := files[r.URL.Path]; ok {
			w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(r.URL.Path)))
			_, _ = w.Write([]byte(file))
			return
		}
		body, ok := pages[r.URL.Path]
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch {
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		case r.URL.Path == "/refused":
			w.WriteHeader(http.StatusUnprocessableEntity)
		case r.URL.Path == "/" || r.URL.Path == "/forbidden":
			w.Header().Set("Content-Security-Policy", "default-src 'self'")
		}
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>A page</title><link rel="icon" href="/icon.svg" type="image/svg+xml">` + body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestWhatPeopleDo(t *testing.T) {
	t.Parallel()
	for _, noScripts := range []bool{false, true} {
		tab := New(t, site(t), Options{NoScripts: noScripts})
		tab.Open("/")
		tab.ReloadUntil("Pears")
		tab.See("Pick one fruit.")
		tab.SeeNo("Thank you.")
		tab.Sees("heading", "Fruit")
		if got := tab.Value("Fruit"); got != "plum" {
			t.Errorf("the entry holds %q", got)
		}
		tab.Fill("Fruit", "a fig")
		tab.Fill("Note", "Ripe,\nplease")
		tab.Choose("Size", "Large")
		tab.In("table", "Stock").See("Apples Count")
		tab.In("row", "Apples").SeeNo("Pears")
		if !noScripts {
			tab.In("row", "Pears").Click("button", "Count")
			tab.See("Pears counted")
			tab.Until("the note tells", `document.getElementById("counted").textContent`)
		}
		tab.Follow("button", "Choose")
		if got := tab.Path(); got != "/chosen?fruit=a+fig&note=Ripe%2C%0D%0Aplease&size=l" {
			t.Errorf("the form led to %s", got)
		}
		state := "Scripts are on."
		if noScripts {
			state = "Scripts are off."
		}
		tab.See("Thank you.", state)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	tab := New(t, site(t), Options{})
	tab.Open("/")
	tab.Press(KeyTab)
	if got := tab.Focused(); got != "Fruit" {
		t.Errorf("%q has the focus", got)
	}
	tab.Fill("Fruit", "kiwi")
	tab.FollowKey(KeyEnter)
	if got := tab.Path(); got != "/chosen?fruit=kiwi&note=&size=s" {
		t.Errorf("the form led to %s", got)
	}
}

func TestRefusedAnswers(t *testing.T) {
	t.Parallel()
	tab := New(t, site(t), Options{})
	tab.Expect(http.StatusUnprocessableEntity, http.StatusNotFound)
	tab.Open("/refused")
	tab.See("Refused")
	tab.Open("/")
	tab.Follow("link", "Nowhere")
}

func TestScreens(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {Screen: Phone, Dark: true, Zone: "Asia/Tokyo"}} {
		tab := New(t, site(t), o)
		tab.Open("/")
		width, scheme, zone := "1280", "light", "Europe/Berlin"
		if o.Dark {
			width, scheme, zone = "390", "dark", o.Zone
		}
		tab.Until("the screen is "+width+" wide", "innerWidth === "+width)
		tab.Until("the scheme is "+scheme, `matchMedia("(prefers-color-scheme: `+scheme+`)").matches`)
		tab.Until("the zone is "+zone, `Intl.DateTimeFormat().resolvedOptions().timeZone === "`+zone+`"`)
		tab.Picture("fruit")
	}
}

func TestWeigh(t *testing.T) {
	t.Parallel()
	tab := New(t, site(t), Options{})
	for range 2 {
		if got := tab.Weigh("/chosen"); got < 200 || got > 2000 {
			t.Errorf("the page weighs %d bytes", got)
		}
	}
}

// What pages do wrong is complained of.
func TestComplaints(t *testing.T) {
	t.Parallel()
	base := site(t)
	for page, want := range map[string]string{
		"/console":   `the console says (error): "broken" 7`,
		"/throws":    "nothing is not defined",
		"/lacks":     "GET /missing.js was answered with status 404",
		"/elsewhere": "http://example.com/a.png was asked for, which is not on this host",
		"/forbidden": "Content Security Policy",
	} {
		tab := New(t, base, Options{})
		tab.Open(page)
		var got []string
		tab.try(func(context.Context, *chromedp.Target) error { // what the browser tells of may come after the page
			got = append(got, tab.watch.complaints()...)
			if len(got) == 0 {
				return context.Canceled
			}
			return nil
		})
		if !strings.Contains(got[0], want) {
			t.Errorf("%s: complained of %q instead of %q", page, got, want)
		}
		tab.watch.complaints()
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	script, err := readAuditor()
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("axe-core is not installed: run scripts/web.sh")
	}
	base := site(t)
	for _, tt := range []struct {
		path    string
		options Options
		rules   string
		want    []string
	}{
		{"/", Options{}, everyRule, nil}, // under a Content-Security-Policy
		{"/", Options{Screen: Phone, NoScripts: true}, everyRule, nil},
		{"/nameless", Options{}, everyRule, []string{"Form elements must have labels (label, critical)\n  input: ", "Images must have alternative text (image-alt, critical)\n  img: "}},
		{"/wide", Options{Screen: Phone}, everyRule, []string{"pixels wide on a screen of 390"}},
		{"/nameless", Options{}, coloursAlone, nil},
		{"/pale", Options{}, coloursAlone, []string{"(color-contrast, serious)\n  p: "}},
	} {
		tab := New(t, base, tt.options)
		tab.Open(tt.path)
		got, err := tab.wrong(script, tt.rules)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !slices.ContainsFunc(got, func(text string) bool { return strings.Contains(text, want) }) {
				t.Errorf("%s: not found: %q in %q", tt.path, want, got)
			}
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s: %q", tt.path, got)
		}
	}
}

func TestWhatCannotBeReached(t *testing.T) {
	t.Parallel()
	tab := New(t, site(t), Options{})
	for _, tt := range []struct{ path, role, name, want string }{
		{"/covered", "button", "Reach me", "something else covers it"},
		{"/", "button", "Sell", `there is no button "Sell", but ["Choose" "Count" "Count"]`},
		{"/", "button", "Count", `there are 2 of button "Count": say in which part of the page`},
	} {
		tab.Open(tt.path)
		err := chromedp.Do(tab.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error { return tab.click(ctx, t, tt.role, tt.name) }))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.path, err)
		}
	}
}
