package browsertest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// watch sees what pages do: what they ask for, and what goes wrong.
type watch struct {
	host string // the only one that may be asked

	mu       sync.Mutex
	wrong    []string
	statuses []int64 // that are as they should be
	asked    map[network.RequestID]*asked
	weight   float64 // bytes that came over the wire for the page that is open
}

// asked is a request under way.
type asked struct {
	what    string // "GET /contacts"
	awaited bool   // its end is told: not of streams, nor of the site's icon, which is nobody's in particular
}

func newWatch(host string) *watch {
	return &watch{host: host, asked: map[network.RequestID]*asked{}}
}

// see takes an event of the tab.
func (w *watch) see(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		w.said(e)
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if thrown := e.ExceptionDetails.Exception; thrown != nil {
			text += " " + thrown.Description
		}
		w.complain("a script threw: %s (%s:%d)", text, e.ExceptionDetails.URL, e.ExceptionDetails.LineNumber+1)
	case *log.EventEntryAdded:
		// What network requests came to is seen below.
		if severe := e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning; severe && e.Entry.Source != log.EntrySourceNetwork {
			w.complain("the browser says: %s (%s)", e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		w.requested(e)
	case *network.EventResponseReceived:
		if a := w.asked[e.RequestID]; a != nil && e.Response.Status >= 400 && !slices.Contains(w.statuses, e.Response.Status) {
			w.complain("%s was answered with status %d", a.what, e.Response.Status)
		}
	case *network.EventLoadingFinished:
		delete(w.asked, e.RequestID)
		w.weight += e.EncodedDataLength
	case *network.EventLoadingFailed:
		a := w.asked[e.RequestID]
		delete(w.asked, e.RequestID)
		// A page that is left gives up what it waits for.
		if gaveUp := e.Canceled || e.ErrorText == "net::ERR_ABORTED"; a != nil && !gaveUp {
			w.complain("%s failed: %s %s", a.what, e.ErrorText, e.BlockedReason)
		}
	}
}

// said takes what a script wrote to the console.
func (w *watch) said(e *runtime.EventConsoleAPICalled) {
	switch e.Type {
	case runtime.ConsoleAPICalledTypeError, runtime.ConsoleAPICalledTypeWarning, runtime.ConsoleAPICalledTypeAssert:
	default:
		return
	}
	var words []string
	for _, argument := range e.Args {
		if argument.Description != "" {
			words = append(words, argument.Description)
		} else {
			words = append(words, string(argument.Value))
		}
	}
	w.complain("the console says (%s): %s", e.Type, strings.Join(words, " "))
}

// requested takes a request that is about to be sent.
func (w *watch) requested(e *network.EventRequestWillBeSent) {
	u, err := url.Parse(e.Request.URL)
	if err != nil || (u.Host != w.host && u.Scheme != "data" && u.Scheme != "blob" && u.Scheme != "about") {
		w.complain("%s was asked for, which is not on this host", e.Request.URL)
		return
	}
	if e.Type == network.ResourceTypeDocument && e.RedirectResponse == nil {
		w.weight = 0 // another page
	}
	w.asked[e.RequestID] = &asked{what: e.Request.Method + " " + u.RequestURI(),
		awaited: e.Type != network.ResourceTypeEventSource && e.Type != network.ResourceTypeOther}
	if e.RedirectResponse != nil {
		w.weight += e.RedirectResponse.EncodedDataLength
	}
}

func (w *watch) complain(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// complaints are what went wrong since it was asked last.
func (w *watch) complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	wrong := w.wrong
	w.wrong = nil
	return wrong
}

func (w *watch) expect(statuses []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.statuses = append(w.statuses, statuses...)
}

func (w *watch) expected(status int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.statuses, status)
}

// weighed returns the bytes that came for the page, and what is still to come.
func (w *watch) weighed() (bytes int, coming []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		if a.awaited {
			coming = append(coming, a.what)
		}
	}
	return int(w.weight), coming
}
