package dashboard

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

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

// endedPage keeps what somebody typed whose session has ended.
type endedPage struct {
	frame
	Path  string
	Typed []typed
}

// typed is a field of a form.
type typed struct{ Name, Value string }

func (*endedPage) template() string { return "ended" }

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
// form is kept on a page, from which it can be sent once more; of passwords and files nothing is.
func (v *visit) askToSignIn() error {
	to := "/signin"
	if v.r.Method == http.MethodGet && v.r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(v.r.URL.RequestURI())
	}
	if v.byScript() { // the whole page goes, not the part that was asked for
		v.w.Header().Set("HX-Redirect", to)
		return nil
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	p := &endedPage{frame: frame{Title: "Your session has ended"}, Path: v.r.URL.RequestURI()}
	for _, name := range slices.Sorted(maps.Keys(f.Values)) {
		for _, value := range f.Values[name] {
			if !strings.Contains(name, "password") {
				p.Typed = append(p.Typed, typed{name, value})
			}
		}
	}
	if len(p.Typed) == 0 {
		return v.goTo(to, "")
	}
	return v.show(http.StatusUnauthorized, p)
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
	p.Form.Values.Del("password")
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
		f.Values.Del("password")
		p := &welcomePage{frame: frame{Title: "Welcome"}, Token: token, Link: link, Form: f}
		return v.again(err, &p.Form, p)
	}
	if err := v.signIn(m); err != nil {
		return err
	}
	return v.goTo("/", "Welcome. You are signed in.")
}
