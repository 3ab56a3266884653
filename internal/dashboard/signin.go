package dashboard

import (
	"maps"
	"net/http"
	"net/url"
	"slices"

	"ringside/internal/member"
)

// signInPage asks who somebody is.
type signInPage struct {
	frame
	Form form
	Next string // where they wanted to go
	OIDC string // where an identity provider signs in; "" if there is none
}

func (*signInPage) template() string { return "signin" }

// welcomePage is what a one-time link opens: somebody chooses a password.
type welcomePage struct {
	frame
	Form  form
	Token string
	Link  member.Link
}

func (*welcomePage) template() string { return "welcome" }

// keptPage keeps what somebody typed, to be sent once more.
type keptPage struct {
	frame
	Lead   string
	SignIn bool // first, in another tab
	Path   string
	Typed  []typed
}

// typed is a field of a form.
type typed struct{ Name, Value string }

func (*keptPage) template() string { return "kept" }

func (d *Dashboard) signInRoutes() []route {
	return []route{
		{method: "GET", path: "/signin", serve: showSignIn},
		{method: "POST", path: "/signin", serve: signIn},
		{method: "POST", path: "/signout", serve: signOut},
		{method: "GET", path: "/welcome/{token}", serve: showWelcome},
		{method: "POST", path: "/welcome/{token}", serve: acceptWelcome},
	}
}

func (v *visit) signInPage(f form, next string) *signInPage {
	p := &signInPage{frame: frame{Title: "Sign in"}, Form: f, Next: next}
	if v.OIDC != nil {
		p.OIDC = oidcPath + "?next=" + url.QueryEscape(next)
	}
	return p
}

func showSignIn(v *visit) error {
	next := local(v.r.URL.Query().Get("next"))
	if v.session != nil {
		return v.goTo(next, "")
	}
	return v.ok(v.signInPage(form{}, next))
}

// askToSignIn answers whoever is not signed in, and is sent back to the page that they asked for. What they typed into a
// form is kept on a page, and the page that a script has asked for a part of stays.
func (v *visit) askToSignIn() error {
	to := "/signin"
	if v.byScript() {
		return v.alert(http.StatusUnauthorized, &errorPage{Detail: "Your session has ended: sign in in another tab, and go on here.", SignIn: to})
	}
	if kept := v.keepTyped(); len(kept.Typed) > 0 {
		kept.frame, kept.SignIn = frame{Title: "Your session has ended"}, true
		kept.Lead = "Nothing was changed, and what you typed is kept on this page: sign in in another tab, come back, and send it again."
		return v.show(http.StatusUnauthorized, kept)
	}
	if v.r.Method == http.MethodGet && v.r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(v.r.URL.RequestURI())
	}
	return v.goTo(to, "")
}

// keepTyped returns what was typed into the form that was posted, but for secrets and files.
func (v *visit) keepTyped() *keptPage {
	p := &keptPage{Path: v.r.URL.RequestURI()}
	f, err := v.form()
	if err != nil { // it did not arrive whole
		return p
	}
	f.hush()
	for _, name := range slices.Sorted(maps.Keys(f.Values)) {
		for _, value := range f.Values[name] {
			p.Typed = append(p.Typed, typed{name, value})
		}
	}
	return p
}

func signIn(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	m, err := v.Members.SignIn(v.r.Context(), f.Get("email"), f.Get("password"), v.place(f.Get("email")))
	if err != nil {
		return v.refusedSignIn(err, v.signInPage(f, local(f.Get("next"))))
	}
	if err := v.signIn(m); err != nil {
		return err
	}
	return v.goTo(local(f.Get("next")), "")
}

// refusedSignIn shows the form again, whatever the reason; the password is not sent back.
func (v *visit) refusedSignIn(err error, p *signInPage) error {
	wrong, ok := asProblem(err)
	if !ok {
		return err
	}
	p.Form.hush()
	p.Form.Problem = wrong
	return v.show(wrong.Code.Status(), p)
}

func signOut(v *visit) error {
	if err := v.endSession(); err != nil {
		return err
	}
	return v.goTo("/signin", "You are signed out.")
}

// showWelcome changes nothing, since programs open links before people do. The demo's link, which
// can be used again and again on the machine that it was printed on, signs in at once.
func showWelcome(v *visit) error {
	token := v.r.PathValue("token")
	link, err := v.Members.Link(v.r.Context(), token)
	if err != nil {
		return err
	}
	if link.Kind == member.LinkDemo {
		m, err := v.Members.UseDemoLink(v.r.Context(), token)
		if err != nil {
			return err
		}
		if err := v.signIn(m); err != nil {
			return err
		}
		return v.goTo("/calls", "")
	}
	return v.ok(&welcomePage{frame: frame{Title: "Welcome"}, Token: token, Link: link})
}

func acceptWelcome(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	token := v.r.PathValue("token")
	link, err := v.Members.Link(v.r.Context(), token)
	if err != nil {
		return err
	}
	m, err := v.Members.Accept(v.r.Context(), token, f.Get("password"))
	if err != nil {
		f.hush()
		p := &welcomePage{frame: frame{Title: "Welcome"}, Token: token, Link: link, Form: f}
		return v.again(err, &p.Form, p)
	}
	if err := v.signIn(m); err != nil {
		return err
	}
	return v.goTo("/", "Welcome. You are signed in.")
}
