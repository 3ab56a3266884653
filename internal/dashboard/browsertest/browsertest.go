// Package browsertest looks at web pages with a real Chromium, for tests: it finds what is on a page
// as people do, by what it is and what it is called, and waits for what has to appear.
//
// All tabs of a test process share one browser; each has cookies and a cache of its own. A test
// fails at its end if a page of it wrote an error or warning to the console, threw, asked for
// something that could not be had, or asked another host for anything at all.
//
// Where there is no Chromium, tests that need one are skipped, and fail with CI set.
package browsertest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience bounds how long what has to appear on a page may take. It never has to pass for a test
// to succeed.
const patience = 30 * time.Second

// Screens that pages have to be good on.
var (
	Desktop = Screen{Name: "desktop", Width: 1280, Height: 800}
	Phone   = Screen{Name: "phone", Width: 390, Height: 844, Mobile: true}
)

// Screen is what a page is looked at on, in CSS pixels.
type Screen struct {
	Name          string
	Width, Height int64
	Mobile        bool
}

// Options are how somebody looks at pages.
type Options struct {
	Screen    Screen // Desktop if there is none
	Dark      bool   // whether they prefer dark pages
	NoScripts bool   // whether pages may not run scripts
	Zone      string // their time zone, by its IANA name; "" is Europe/Berlin
}

// Tab is a tab of the browser. Its methods fail the test when they cannot do what they say; they
// must be called on the test's goroutine.
type Tab struct {
	t       *testing.T
	ctx     context.Context
	base    *url.URL
	options Options
	watch   *watch
	within  []locator
}

// Main runs the tests of a package, and ends the browser that they have used. It returns the exit
// status. A TestMain has to call it instead of m.Run.
func Main(m *testing.M) int {
	defer theBrowser.end()
	return m.Run()
}

// New opens a tab for somebody who visits the site at base: "http://127.0.0.1:8080". It closes with
// the test.
func New(t *testing.T, base string, o Options) *Tab {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		t.Fatalf("the address of a site: %q, %v", base, err)
	}
	if o.Screen.Width == 0 {
		o.Screen = Desktop
	}
	if o.Zone == "" {
		o.Zone = "Europe/Berlin"
	}
	browser, err := theBrowser.start()
	switch {
	case err != nil && !theBrowser.found() && os.Getenv("CI") == "":
		t.Skip("no Chromium is installed: run `make test`, which installs it where it can, or name one in CHROME_BIN")
	case err != nil:
		t.Fatalf("start Chromium: %v", err)
	}
	w := newWatch(u.Host)
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(w.see))
	tab := &Tab{t: t, ctx: ctx, base: u, options: o, watch: w}
	t.ArtifactDir() // is there until the tab has been left
	t.Cleanup(func() {
		tab.leave()
		cancel()
	})
	if err := tab.prepare(); err != nil {
		t.Fatalf("open a tab of Chromium: %v", err)
	}
	return tab
}

// prepare makes the tab what the options say.
func (tab *Tab) prepare() error {
	o, scheme := tab.options, "light"
	if o.Dark {
		scheme = "dark"
	}
	return chromedp.Do(tab.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: o.Screen.Width, Height: o.Screen.Height, DeviceScaleFactor: 1, Mobile: o.Screen.Mobile})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		if err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, t, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: o.Zone}); err != nil {
			return err
		}
		return runScripts(ctx, t, !o.NoScripts)
	}))
}

// runScripts says whether pages run scripts.
func runScripts(ctx context.Context, t *chromedp.Target, on bool) error {
	_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
	return err
}

// leave fails the test for what pages have done wrong, and keeps a picture of where it failed.
func (tab *Tab) leave() {
	for _, wrong := range tab.watch.complaints() {
		tab.t.Errorf("%s", wrong)
	}
	if tab.t.Failed() {
		tab.picture("failed-" + strings.NewReplacer("/", "-", " ", "-").Replace(tab.t.Name()))
	}
}

// Expect says that answers with these statuses are as they should be: what a form that is refused
// is answered with.
func (tab *Tab) Expect(statuses ...int64) {
	tab.watch.expect(statuses)
}

// Open opens a page by its path, or by an address of the site. The page must be there.
func (tab *Tab) Open(path string) {
	tab.t.Helper()
	tab.load("open "+path, chromedp.NavigateResponse(tab.address(path)))
}

// Reload loads the page again.
func (tab *Tab) Reload() {
	tab.t.Helper()
	tab.load("reload", func(ctx context.Context, _ *chromedp.Target) (*network.Response, error) {
		return chromedp.RunResponse(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, page.Reload, page.ReloadParams{})
			return err
		}))
	})
}

// NoScripts reports whether pages may not run scripts here.
func (tab *Tab) NoScripts() bool { return tab.options.NoScripts }

// Path returns the path and query of the page that is open.
func (tab *Tab) Path() string {
	tab.t.Helper()
	at, err := chromedp.Run(tab.ctx, chromedp.Location())
	if err != nil {
		tab.t.Fatalf("ask where the browser is: %v", err)
	}
	u, err := url.Parse(at)
	if err != nil {
		tab.t.Fatalf("read where the browser is: %v", err)
	}
	return u.RequestURI()
}

// Links returns the paths and queries of the links on the page that lead to other pages of the site.
// What is to be downloaded is no page.
func (tab *Tab) Links() (paths []string) {
	tab.t.Helper()
	links, err := chromedp.Run(tab.ctx, chromedp.Evaluate[[]string](`Array.from(document.querySelectorAll("a[href]:not([download])"), a => a.href)`))
	if err != nil {
		tab.t.Fatalf("read the links of %s: %v", tab.Path(), err)
	}
	for _, link := range links {
		if u, err := url.Parse(link); err == nil && u.Host == tab.base.Host {
			paths = append(paths, u.RequestURI())
		}
	}
	return paths
}

// address is the URL of a path of the site.
func (tab *Tab) address(path string) string {
	ref, err := url.Parse(path)
	if err != nil {
		tab.t.Fatalf("the address of a page: %v", err)
	}
	return tab.base.ResolveReference(ref).String()
}

// load does what loads a page, and returns once it is there and its scripts have begun.
func (tab *Tab) load(what string, do chromedp.Action[*network.Response]) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	response, err := chromedp.Run(ctx, do)
	switch {
	case err != nil:
		tab.t.Fatalf("%s: %v", what, err)
	case response != nil && response.Status >= 400 && !tab.watch.expected(response.Status):
		tab.t.Fatalf("%s: the answer has status %d:\n%s", what, response.Status, tab.text())
	}
}

// browser is the process that all tabs share.
type browser struct {
	mu   sync.Mutex
	ctx  context.Context
	stop func()
	err  error
}

var theBrowser browser

// names are what Chromium is called, beside what CHROME_BIN says.
var names = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"}

// path is where Chromium is, or "".
func (*browser) path() string {
	for _, name := range append([]string{os.Getenv("CHROME_BIN")}, names...) {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	return ""
}

func (b *browser) found() bool { return b.path() != "" }

// start starts the browser unless it runs, and returns its context.
func (b *browser) start() (context.Context, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx != nil || b.err != nil {
		return b.ctx, b.err
	}
	path := b.path()
	if path == "" {
		b.err = fmt.Errorf("none is installed (looked for %v)", names)
		return nil, b.err
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-domain-reliability", true),
		// Nothing but this machine is asked for anything, by whatever way.
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
		chromedp.Flag("hide-scrollbars", false),
		// All pages are one site, ours: a process for each that is opened would take most of the time.
		chromedp.Flag("process-per-site", true),
		chromedp.Flag("disable-features", "Translate,BlinkGenPropertyTrees,IsolateOrigins,site-per-process,SpareRendererForSitePerProcess,BackForwardCache"),
		chromedp.Flag("lang", "en-GB"),
	)
	if runtime.GOOS == "linux" && os.Getuid() != 0 && !canSandbox() {
		flags = append(flags, chromedp.NoSandbox)
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, stop := chromedp.NewContext(allocator)
	if b.err = chromedp.Do(ctx); b.err != nil { // starts it
		stop()
		stopAllocator()
		return nil, b.err
	}
	b.ctx, b.stop = ctx, func() {
		stop()
		stopAllocator()
	}
	return b.ctx, nil
}

// canSandbox reports whether the kernel lets an ordinary user make the namespaces of Chromium's
// sandbox; containers often do not. The pages are our own.
func canSandbox() bool {
	return exec.Command("unshare", "--user", "--pid", "--fork", "true").Run() == nil
}

// end ends the browser, and removes what it kept.
func (b *browser) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stop != nil {
		b.stop()
		b.ctx, b.stop = nil, nil
	}
}
