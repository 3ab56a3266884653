package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// auditor is where scripts/web.sh puts axe-core, below the module's root.
const auditor = "internal/dashboard/web/node_modules/axe-core/axe.min.js"

// readAuditor reads axe-core.
var readAuditor = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			script, err := os.ReadFile(filepath.Join(dir, auditor))
			return string(script), err
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.mod above the test")
		}
		dir = up
	}
})

// violation is a rule that a page breaks.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct{ Target, Summary string }
}

// Options of axe-core. Without any, it checks the page against all its rules: WCAG 2.0 to 2.2 and best
// practices.
const (
	everyRule    = `{}`
	coloursAlone = `{runOnly: {type: "rule", values: ["color-contrast", "link-in-text-block"]}}`
)

// runAuditor checks the page.
const runAuditor = `axe.run(document, {resultTypes: ["violations"], ...%s}).then(r => r.violations.map(v => ({
	ID: v.id, Impact: v.impact || "", Help: v.help,
	Nodes: v.nodes.map(n => ({Target: n.target.flat(9).join(" "), Summary: (n.failureSummary || "").replace(/\s+/g, " ")})),
})))`

// overflow finds what makes a page scroll sideways, which nobody with a phone wants.
const overflow = `(screen => {
	const width = Math.min(screen, document.documentElement.clientWidth); // a phone shows a page that is too wide as a whole
	if (document.documentElement.scrollWidth <= width) return "";
	const wide = Array.from(document.querySelectorAll("body *")).filter(e => e.getBoundingClientRect().right > width + 1).pop();
	return document.documentElement.scrollWidth + " pixels wide on a screen of " + width + (wide ? ", because of " + wide.outerHTML.slice(0, 200) : "");
})(%d)`

// Audit fails the test for each thing on the page that keeps people from using it: by axe-core's
// rules, and by its width. Where axe-core is not installed it only says so, except with CI set.
func (tab *Tab) Audit() {
	tab.t.Helper()
	tab.audit(everyRule)
}

// AuditColours is Audit for a page that has passed it in other colours: only what colours can break
// is checked.
func (tab *Tab) AuditColours() {
	tab.t.Helper()
	tab.audit(coloursAlone)
}

func (tab *Tab) audit(rules string) {
	tab.t.Helper()
	script, err := readAuditor()
	if err != nil {
		if os.Getenv("CI") != "" {
			tab.t.Fatalf("the page cannot be audited: %v", err)
		}
		tab.t.Logf("The page is not audited, since axe-core is not installed: run scripts/web.sh.")
		return
	}
	wrong, err := tab.wrong(script, rules)
	if err != nil {
		tab.t.Fatalf("audit the page: %v", err)
	}
	for _, text := range wrong {
		tab.t.Errorf("%s on a %s: %s", tab.Path(), tab.options.Screen.Name, text)
	}
}

// wrong is what keeps people from using the page.
func (tab *Tab) wrong(script, rules string) (wrong []string, err error) {
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	wide, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(overflow, tab.options.Screen.Width)))
	if err != nil {
		return nil, err
	}
	if wide != "" {
		wrong = append(wrong, wide)
	}
	found, err := chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) ([]violation, error) {
		if tab.options.NoScripts { // the auditor is one; the page's own were not loaded
			if err := runScripts(ctx, t, true); err != nil {
				return nil, err
			}
		}
		found, err := audit(ctx, t, script, rules)
		if tab.options.NoScripts {
			err = errors.Join(err, runScripts(ctx, t, false))
		}
		return found, err
	})
	for _, v := range found {
		var where strings.Builder
		for _, node := range v.Nodes {
			fmt.Fprintf(&where, "\n  %s: %s", node.Target, node.Summary)
		}
		wrong = append(wrong, fmt.Sprintf("%s (%s, %s)%s", v.Help, v.ID, v.Impact, where.String()))
	}
	return wrong, err
}

// audit runs axe-core in a world of its own, where the page's scripts do not meet it and its
// Content-Security-Policy does not hold.
func audit(ctx context.Context, t *chromedp.Target, script, rules string) ([]violation, error) {
	tree, err := cdp.Call(ctx, t, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		return nil, err
	}
	world, err := cdp.Call(ctx, t, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: tree.FrameTree.Frame.ID, WorldName: "audit"})
	if err != nil {
		return nil, err
	}
	there := func(p *runtime.EvaluateParams) { p.ContextID = world.ExecutionContextID }
	if _, err := chromedp.Evaluate[chromedp.Void](script, there)(ctx, t); err != nil {
		return nil, err
	}
	return chromedp.Evaluate[[]violation](fmt.Sprintf(runAuditor, rules), there, chromedp.EvalAwaitPromise)(ctx, t)
}
