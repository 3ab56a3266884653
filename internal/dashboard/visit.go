package dashboard

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"
	_ "time/tzdata" // a viewer's zone is known wherever the program runs

	"ringside/internal/audit"
	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// visit is one request for a page: who asks, and what the answer is made with.
type visit struct {
	*Dashboard
	route   *route
	w       http.ResponseWriter
	r       *http.Request
	session *member.Session // nil: nobody is signed in
	org     org.Org         // of who is signed in
}

// Cookies. All but the zone, which our script sets, are out of scripts' reach.
const (
	sessionCookie = "ringside_session"
	noticeCookie  = "ringside_notice"
	zoneCookie    = "ringside_zone"
)

// secure reports whether browsers reach this over TLS.
func (d *Dashboard) secure() bool { return d.PublicURL.Secure() }

// sessionCookieName has a prefix that keeps other hosts of the domain from setting it, which
// browsers grant over TLS only.
func (d *Dashboard) sessionCookieName() string {
	if d.secure() {
		return "__Host-" + sessionCookie
	}
	return sessionCookie
}

// recognise finds out who is signed in. A session that has ended is as good as none.
func (v *visit) recognise() error {
	cookie, err := v.r.Cookie(v.sessionCookieName())
	if err != nil {
		return nil
	}
	ctx := v.r.Context()
	session, err := v.Members.Session(ctx, cookie.Value)
	if p, ok := asProblem(err); ok && p.Code == problem.CodeUnauthorized {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find session: %w", err)
	}
	ctx = org.Within(ctx, session.Member.OrgID)
	v.r = v.r.WithContext(ctx)
	if v.org, err = v.Orgs.Org(ctx, session.Member.OrgID); err != nil {
		return err
	}
	v.session = &session
	return nil
}

// signIn begins a session of a member in this browser. It takes the place of any that it had.
func (v *visit) signIn(m member.Member) error {
	if err := v.endSession(); err != nil {
		return err
	}
	token, expires, err := v.Members.StartSession(v.r.Context(), m.ID, v.r.UserAgent(), v.remote())
	if err != nil {
		return err
	}
	v.setCookie(v.sessionCookieName(), token, expires)
	v.remember(m.Email)
	return nil
}

// endSession ends the session of this browser, if it has one.
func (v *visit) endSession() error {
	cookie, err := v.r.Cookie(v.sessionCookieName())
	if err != nil {
		return nil
	}
	if err := v.Members.EndSessionToken(v.r.Context(), cookie.Value); err != nil {
		return err
	}
	v.setCookie(v.sessionCookieName(), "", time.Unix(1, 0))
	return nil
}

func (v *visit) setCookie(name, value string, expires time.Time) {
	http.SetCookie(v.w, &http.Cookie{Name: name, Value: value, Path: "/", Expires: expires, HttpOnly: true, Secure: v.secure(), SameSite: http.SameSiteLaxMode})
}

// goTo answers a form: the browser loads a page, which shows the notice. Reloading it repeats nothing.
func (v *visit) goTo(path, notice string) error {
	if notice != "" {
		v.setCookie(noticeCookie, base64.RawURLEncoding.EncodeToString([]byte(notice)), time.Now().Add(time.Minute))
	}
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

// notice returns what the last form has to say, once.
func (v *visit) notice() string {
	cookie, err := v.r.Cookie(noticeCookie)
	if err != nil {
		return ""
	}
	v.setCookie(noticeCookie, "", time.Unix(1, 0))
	text, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(text) > 1000 {
		return ""
	}
	return string(text)
}

// changed writes to the audit log what this visit did: to which row, and the name that people know
// it by. details may be nil. The change has been made: a log that cannot be written is logged.
func (v *visit) changed(subject, label string, details map[string]any) {
	v.record(v.route.action, subject, label, details)
}

// record writes an entry of the audit log.
func (v *visit) record(action, subject, label string, details map[string]any) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.r.Context()), recordWithin) // also of whoever has gone
	defer cancel()
	err := v.Audit.Record(ctx, audit.Entry{OrgID: v.org.ID, Actor: audit.Member(v.session.Member.ID, v.session.Member.Email),
		Action: action, Subject: subject, Label: label, Details: details})
	if err != nil {
		v.Log.Error("a change was made and is missing in the audit log", "action", action, "subject", subject, "error", err)
	}
}

// recordWithin is how long writing an entry of the audit log may take.
const recordWithin = 5 * time.Second

// may reports whether whoever is signed in has at least this role.
func (v *visit) may(role member.Role) bool {
	return v.session != nil && v.session.Member.Role.AtLeast(role)
}

// zone is the viewer's time zone: what our script has found out, UTC until then.
func (v *visit) zone() *time.Location {
	cookie, err := v.r.Cookie(zoneCookie)
	if err != nil || cookie.Value == "" || len(cookie.Value) > 64 || strings.EqualFold(cookie.Value, "local") {
		return time.UTC
	}
	if known, ok := v.zones.Load(cookie.Value); ok {
		return known.(*time.Location)
	}
	zone, err := time.LoadLocation(cookie.Value)
	if err != nil {
		return time.UTC
	}
	v.zones.Store(cookie.Value, zone)
	return zone
}
