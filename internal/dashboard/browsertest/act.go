package browsertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Keys for [Tab.Press] that are not letters.
const (
	KeyTab    = kb.Tab
	KeyEnter  = kb.Enter
	KeyEscape = kb.Escape
	KeyDown   = kb.ArrowDown
)

// entries are the roles of what one types into.
var entries = []string{"textbox", "searchbox", "spinbutton", "combobox", "Date"}

// pasted is how long a text is that people do not type.
const pasted = 60

// Click clicks what has a role and a name, and stays on the page: Click("button", "Play").
func (tab *Tab) Click(role, name string) {
	tab.t.Helper()
	tab.try(func(ctx context.Context, t *chromedp.Target) error {
		return tab.click(ctx, t, role, name)
	})
}

// Follow clicks what leads to another page, such as a link or the button of a form, and returns
// once that page is there.
func (tab *Tab) Follow(role, name string) {
	tab.t.Helper()
	tab.Sees(role, name)
	tab.load(fmt.Sprintf("click the %s %q", role, name), func(ctx context.Context, _ *chromedp.Target) (*network.Response, error) {
		return chromedp.RunResponse(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			return tab.click(ctx, t, role, name)
		}))
	})
}

func (tab *Tab) click(ctx context.Context, t *chromedp.Target, role, name string) error {
	node, err := tab.find(ctx, t, locator{[]string{role}, []string{name}})
	if err != nil {
		return err
	}
	x, y, err := reach(ctx, t, node)
	if err != nil {
		return fmt.Errorf("%s %q: %w", role, name, err)
	}
	for _, kind := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMouseMoved, input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased} {
		event := input.DispatchMouseEventParams{Type: kind, X: x, Y: y}
		if kind != input.DispatchMouseEventTypeMouseMoved {
			event.Button, event.ClickCount = input.MouseButtonLeft, 1
		}
		if _, err := cdp.Call(ctx, t, input.DispatchMouseEvent, event); err != nil {
			return err
		}
	}
	return nil
}

// hits tells whether a click at a point of the window reaches an element.
const hits = `function(x, y) {
	const top = document.elementFromPoint(x, y);
	return top !== null && (this === top || this.contains(top) || top.contains(this) || Array.from(this.labels || []).some(l => l.contains(top)));
}`

// reach scrolls to something, and returns the middle of it. What other things cover cannot be
// reached.
func reach(ctx context.Context, t *chromedp.Target, node cdp.BackendNodeID) (x, y float64, err error) {
	if _, err := cdp.Call(ctx, t, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: node}); err != nil {
		return 0, 0, err
	}
	shape, err := cdp.Call(ctx, t, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: node})
	if err != nil {
		return 0, 0, err
	}
	if len(shape.Quads) == 0 || len(shape.Quads[0]) != 8 {
		return 0, 0, errors.New("it has no size")
	}
	corners := shape.Quads[0]
	x, y = (corners[0]+corners[4])/2, (corners[1]+corners[5])/2
	free, err := on[bool](ctx, t, node, hits, x, y)
	if err == nil && !free {
		err = errors.New("something else covers it")
	}
	return x, y, err
}

// on calls a function on a node.
func on[T any](ctx context.Context, t *chromedp.Target, node cdp.BackendNodeID, function string, args ...any) (result T, err error) {
	object, err := cdp.Call(ctx, t, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: node})
	if err != nil {
		return result, err
	}
	onObject := func(p *runtime.CallFunctionOnParams) { p.ObjectID = object.Object.ObjectID }
	return chromedp.CallFunctionOn[T](function, onObject, args...)(ctx, t)
}

// field finds an entry by its label, which may say that it is optional.
func (tab *Tab) field(ctx context.Context, t *chromedp.Target, label string) (cdp.BackendNodeID, error) {
	return tab.find(ctx, t, locator{entries, []string{label, label + " optional"}})
}

// Fill puts a text into the entry with a label, instead of what was there. It types it, or pastes
// it if it is long.
func (tab *Tab) Fill(label, text string) {
	tab.t.Helper()
	tab.try(func(ctx context.Context, t *chromedp.Target) error {
		node, err := tab.field(ctx, t, label)
		if err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, t, dom.Focus, dom.FocusParams{BackendNodeID: node}); err != nil {
			return err
		}
		for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
			all := input.DispatchKeyEventParams{Type: kind, Key: "a", Code: "KeyA", WindowsVirtualKeyCode: 65, Modifiers: int64(chromedp.ModifierCtrl)}
			if kind == input.DispatchKeyEventTypeRawKeyDown {
				all.Commands = []string{"selectAll"}
			}
			if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, all); err != nil {
				return err
			}
		}
		switch {
		case text == "":
			_, err = chromedp.KeyEvent(kb.Backspace)(ctx, t)
		case strings.Contains(text, "\n") || utf8.RuneCountInString(text) > pasted:
			_, err = cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
		default:
			_, err = chromedp.KeyEvent(text)(ctx, t)
		}
		return err
	})
}

// Value returns what is in the entry with a label.
func (tab *Tab) Value(label string) (value string) {
	tab.t.Helper()
	tab.try(func(ctx context.Context, t *chromedp.Target) error {
		node, err := tab.field(ctx, t, label)
		if err == nil {
			value, err = on[string](ctx, t, node, "function() { return this.value; }")
		}
		return err
	})
	return value
}

// choose picks an option by what it says.
const choose = `function(text) {
	const option = Array.from(this.options).find(o => o.label.trim() === text);
	if (!option) return Array.from(this.options).map(o => o.label).join(", ");
	this.value = option.value;
	this.dispatchEvent(new Event("input", {bubbles: true}));
	this.dispatchEvent(new Event("change", {bubbles: true}));
	return "";
}`

// Choose picks an option of the list with a label.
func (tab *Tab) Choose(label, option string) {
	tab.t.Helper()
	tab.try(func(ctx context.Context, t *chromedp.Target) error {
		node, err := tab.find(ctx, t, locator{[]string{"combobox", "listbox"}, []string{label, label + " optional"}})
		if err != nil {
			return err
		}
		others, err := on[string](ctx, t, node, choose, option)
		if err == nil && others != "" {
			err = fmt.Errorf("%q is none of %s", option, others)
		}
		return err
	})
}

// Upload chooses a file for the entry that a CSS selector names: the browser's own window for it
// cannot be tested.
func (tab *Tab) Upload(selector, path string) {
	tab.t.Helper()
	tab.try(func(ctx context.Context, t *chromedp.Target) error {
		found, err := cdp.Call(ctx, t, runtime.Evaluate, runtime.EvaluateParams{Expression: fmt.Sprintf("document.querySelector(%q)", selector)})
		if err != nil {
			return err
		}
		if found.Result.ObjectID == "" {
			return fmt.Errorf("there is no %s", selector)
		}
		_, err = cdp.Call(ctx, t, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{path}, ObjectID: found.Result.ObjectID})
		return err
	})
}

// Press presses keys one after the other, wherever the focus is: [KeyTab], [KeyEnter], "a".
func (tab *Tab) Press(keys ...string) {
	tab.t.Helper()
	for _, key := range keys {
		if err := chromedp.Do(tab.ctx, chromedp.KeyEvent(key)); err != nil {
			tab.t.Fatalf("press %q: %v", key, err)
		}
	}
}

// FollowKey presses a key that leads to another page, and returns once that is there.
func (tab *Tab) FollowKey(key string) {
	tab.t.Helper()
	tab.load(fmt.Sprintf("press %q", key), func(ctx context.Context, _ *chromedp.Target) (*network.Response, error) {
		return chromedp.RunResponse(ctx, chromedp.KeyEvent(key))
	})
}

// Focused returns what has the focus: what it is called, or its text.
func (tab *Tab) Focused() string {
	tab.t.Helper()
	name, err := chromedp.Run(tab.ctx, chromedp.Evaluate[string](`(e => (e.labels && e.labels.length ? e.labels[0].innerText : e.getAttribute("aria-label") || e.innerText || e.id || "").trim())(document.activeElement)`))
	if err != nil {
		tab.t.Fatalf("ask what has the focus: %v", err)
	}
	return name
}
