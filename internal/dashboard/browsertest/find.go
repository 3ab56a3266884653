package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// locator says what something on a page is, and what it is called: what assistive technology says
// of it. A page whose controls cannot be found like this cannot be used by everybody.
type locator struct {
	roles []string
	names []string // one of them
}

func (l locator) String() string {
	return fmt.Sprintf("%s %q", strings.Join(l.roles, " or "), l.names[0])
}

// retryPause is how long to wait before looking again for what is not there yet.
const retryPause = 100 * time.Millisecond

// In returns the tab with its eyes on a part of the page: In("region", "Play a call"). Rows and
// entries of lists have no names: In("row", "Alex Chen") is the one that shows this text.
func (tab *Tab) In(role, name string) *Tab {
	part := *tab
	part.within = append(part.within[:len(part.within):len(part.within)], locator{[]string{role}, []string{name}})
	return &part
}

// Sees waits for something that has a role and a name to be on the page.
func (tab *Tab) Sees(role, name string) {
	tab.t.Helper()
	tab.try(func(ctx context.Context, t *chromedp.Target) error {
		_, err := tab.find(ctx, t, locator{[]string{role}, []string{name}})
		return err
	})
}

// try does something until it succeeds, or patience ends.
func (tab *Tab) try(do func(ctx context.Context, t *chromedp.Target) error) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	var last error
	for {
		err := chromedp.Do(ctx, chromedp.Func(do))
		switch {
		case err == nil:
			return
		case ctx.Err() == nil || last == nil:
			last = err
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			tab.t.Fatalf("on %s, for %s: %v\nThe page says:\n%s", tab.Path(), patience, last, tab.text())
		}
	}
}

// find returns the one thing that the last locator means, within what those before it mean.
func (tab *Tab) find(ctx context.Context, t *chromedp.Target, ls ...locator) (cdp.BackendNodeID, error) {
	root, err := cdp.Call(ctx, t, runtime.Evaluate, runtime.EvaluateParams{Expression: "document"})
	if err != nil {
		return 0, err
	}
	query := accessibility.QueryAXTreeParams{ObjectID: root.Result.ObjectID}
	var node cdp.BackendNodeID
	for _, part := range append(tab.within[:len(tab.within):len(tab.within)], ls...) {
		if node, err = lookUp(ctx, t, query, part); err != nil {
			return 0, err
		}
		query = accessibility.QueryAXTreeParams{BackendNodeID: node}
	}
	return node, nil
}

// lookUp finds the one thing below where query begins that l means.
func lookUp(ctx context.Context, t *chromedp.Target, query accessibility.QueryAXTreeParams, l locator) (cdp.BackendNodeID, error) {
	var found []cdp.BackendNodeID
	var others []string
	for _, role := range l.roles {
		query.Role = role
		result, err := cdp.Call(ctx, t, accessibility.QueryAXTree, query)
		if err != nil {
			return 0, err
		}
		for _, node := range result.Nodes {
			if node.Ignored || node.BackendDOMNodeID == 0 {
				continue
			}
			name := nameOf(node)
			shows := false
			if role == "row" || role == "listitem" {
				if name, err = on[string](ctx, t, node.BackendDOMNodeID, `function() { return this.innerText.replace(/\s+/g, " ").trim(); }`); err != nil {
					return 0, err
				}
				shows = strings.Contains(name, l.names[0])
			}
			others = append(others, name)
			if shows || slices.Contains(l.names, name) {
				found = append(found, node.BackendDOMNodeID)
			}
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return 0, fmt.Errorf("there is no %s, but %q", l, others)
	}
	return 0, fmt.Errorf("there are %d of %s: say in which part of the page", len(found), l)
}

// nameOf is what a node is called.
func nameOf(node *accessibility.Node) string {
	if node.Name == nil {
		return ""
	}
	var name string
	if json.Unmarshal(node.Name.Value, &name) != nil {
		return ""
	}
	return strings.Join(strings.Fields(name), " ")
}

// See waits until each text is shown, however it is broken into lines.
func (tab *Tab) See(texts ...string) {
	tab.t.Helper()
	tab.try(func(ctx context.Context, t *chromedp.Target) error {
		shown, err := tab.shown(ctx, t)
		if err != nil {
			return err
		}
		for _, text := range texts {
			if !strings.Contains(shown, text) {
				return fmt.Errorf("%q is not shown", text)
			}
		}
		return nil
	})
}

// ReloadUntil loads the page again until it shows a text, as one does where nothing changes by itself.
func (tab *Tab) ReloadUntil(text string) {
	tab.t.Helper()
	for end := time.Now().Add(patience); ; {
		tab.Reload()
		shown, err := chromedp.Run(tab.ctx, tab.shown)
		switch {
		case err == nil && strings.Contains(shown, text):
			return
		case time.Now().After(end):
			tab.t.Fatalf("on %s, for %s: %q is not shown (%v). The page says:\n%s", tab.Path(), patience, text, err, tab.text())
		}
	}
}

// SeeNo waits until none of the texts is shown.
func (tab *Tab) SeeNo(texts ...string) {
	tab.t.Helper()
	tab.try(func(ctx context.Context, t *chromedp.Target) error {
		shown, err := tab.shown(ctx, t)
		if err != nil {
			return err
		}
		for _, text := range texts {
			if strings.Contains(shown, text) {
				return fmt.Errorf("%q is shown", text)
			}
		}
		return nil
	})
}

// Is reports whether a script's expression is true of the page as it is now.
func (tab *Tab) Is(expression string) bool {
	tab.t.Helper()
	holds, err := chromedp.Run(tab.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
	if err != nil {
		tab.t.Fatalf("ask whether %s: %v", expression, err)
	}
	return holds
}

// Text returns what the element shows that a CSS selector names: something to be copied from the page.
func (tab *Tab) Text(selector string) (text string) {
	tab.t.Helper()
	tab.try(func(ctx context.Context, t *chromedp.Target) (err error) {
		text, err = chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q).innerText", selector))(ctx, t)
		return err
	})
	return text
}

// Fetch returns what the site answers at a path that is no page, such as a file to download.
func (tab *Tab) Fetch(path string) string {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	body, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("fetch(%q).then(r => r.ok ? r.text() : Promise.reject(r.status))", path), chromedp.EvalAwaitPromise))
	if err != nil {
		tab.t.Fatalf("fetch %s: %v", path, err)
	}
	return body
}

// Until waits until a script's expression is true: for what people see without reading it.
func (tab *Tab) Until(what, expression string) {
	tab.t.Helper()
	tab.try(func(ctx context.Context, t *chromedp.Target) error {
		holds, err := chromedp.Evaluate[bool]("Boolean("+expression+")")(ctx, t)
		if err == nil && !holds {
			err = errors.New("not so: " + what)
		}
		return err
	})
}

// text is what the page says, for messages.
func (tab *Tab) text() string {
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
	if err != nil {
		return err.Error()
	}
	return text
}

// shown is what the page shows, or the part of it that the tab has its eyes on, with single spaces.
func (tab *Tab) shown(ctx context.Context, t *chromedp.Target) (text string, err error) {
	if len(tab.within) == 0 {
		text, err = chromedp.Evaluate[string]("document.body ? document.body.innerText : ''")(ctx, t)
	} else {
		node, lost := tab.find(ctx, t)
		if lost != nil {
			return "", lost
		}
		text, err = on[string](ctx, t, node, "function() { return this.innerText; }")
	}
	return strings.Join(strings.Fields(text), " "), err
}
