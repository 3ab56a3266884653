package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"ringside/internal/member"
	"ringside/internal/problem"
)

// route is one path of the dashboard.
type route struct {
	method, path string
	// role is the least that may; "" lets in whoever is not signed in, too.
	role member.Role
	// action names what a path that changes something does, for the audit log: "contact.add". Paths
	// that change nothing of the organisation have none.
	action string
	serve  func(*visit) error
	// body is how many bytes a request may have; 0 is maxBody.
	body int64
}

// maxBody is the most that an ordinary form may have, in bytes: the longest notes, percent-encoded.
const maxBody = 512 << 10

// guard does what all paths have in common, and has the request served.
func (d *Dashboard) guard(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		v := &visit{Dashboard: d, route: &r, w: w, r: req}
		d.protect(w)
		limit := r.body
		if limit == 0 {
			limit = maxBody
		}
		req.Body = http.MaxBytesReader(w, req.Body, limit)
		if err := v.enter(); err != nil {
			d.fail(v, err)
			return
		}
		if err := r.serve(v); err != nil {
			d.fail(v, err)
		}
	})
}

// enter finds out who asks, and whether they may.
func (v *visit) enter() error {
	if err := v.origins.Check(v.r); err != nil {
		return problem.New(problem.CodeForbidden, "This came from another site, so nothing was changed. Open the page here and try again.")
	}
	if err := v.recognise(); err != nil {
		return err
	}
	switch {
	case v.route.role == "":
		return nil
	case v.session == nil:
		return errNotSignedIn
	case !v.may(v.route.role):
		return problem.New(problem.CodeForbidden, "This needs the role %q, and yours is %q. Ask an owner of the organisation.", v.route.role, v.session.Member.Role)
	}
	return nil
}

// errNotSignedIn sends the browser to the sign-in page, and back from there.
var errNotSignedIn = errors.New("nobody is signed in")

// protect sets the headers of every page. Nothing comes from elsewhere and no page may be framed;
// styles and scripts are files of ours.
func (d *Dashboard) protect(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store") // pages are somebody's
}

// fail is the one place where an error becomes a page.
func (d *Dashboard) fail(v *visit, err error) {
	if v.r.Context().Err() != nil {
		return // they have gone
	}
	if errors.Is(err, errNotSignedIn) {
		if err = v.askToSignIn(); err == nil {
			return
		}
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		err = problem.New(problem.CodeTooLarge, "This is more than fits into one form.")
	}
	p, shown := problem.From(err)
	if !shown {
		d.Log.Error("a page could not be served", "path", v.route.path, "error", err)
	}
	if err := v.showError(p); err != nil {
		d.Log.Error("a page about an error could not be shown", "path", v.route.path, "error", err)
	}
}

// showError answers with what is wrong: beside what a script has asked for, else as a page, which keeps what was typed
// where it may be sent again.
func (v *visit) showError(p *problem.Error) error {
	page := &errorPage{frame: frame{Title: titleOf(p.Code)}, Detail: p.Detail, SignedIn: v.session != nil}
	if strings.HasPrefix(v.route.path, "/contacts") {
		page.Contact = p.ID
	}
	if v.byScript() {
		return v.alert(p.Code.Status(), page)
	}
	passing := p.Code == problem.CodeUnavailable || p.Code == problem.CodeInternal
	if kept := v.keepTyped(); passing && v.route.role != "" && len(kept.Typed) > 0 {
		kept.frame, kept.Lead = frame{Title: page.Title}, p.Detail+" What you typed is kept on this page."
		return v.show(p.Code.Status(), kept)
	}
	return v.show(p.Code.Status(), page)
}

// alert answers a script with an error that stands on top of the page, which stays as it is.
func (v *visit) alert(status int, p *errorPage) error {
	body, err := render(p.template(), "alert", p)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("HX-Retarget", "#alert")
	h.Set("HX-Reswap", "innerHTML")
	h.Set("HX-Reselect", "#alert-text")
	h.Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(body) // the viewer has gone
	return nil
}

// errorPage says what is wrong, and what to do next.
type errorPage struct {
	frame
	Detail   string
	SignedIn bool
	Contact  string // the id of the contact that stands in the way, or ""
	SignIn   string // where to, of an alert for whoever is signed in no more
}

func (*errorPage) template() string { return "error" }

func titleOf(c problem.Code) string {
	switch c {
	case problem.CodeNotFound:
		return "Not found"
	case problem.CodeForbidden:
		return "Not allowed"
	case problem.CodeUnavailable, problem.CodeInternal:
		return "That did not work"
	}
	return "That cannot be done"
}

// local returns a path of this dashboard that a request asked to be sent to, or "/": never another site.
func local(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n") {
		return "/"
	}
	return path
}
