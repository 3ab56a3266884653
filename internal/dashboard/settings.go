package dashboard

import (
	"errors"
	"net/url"

	"ringside/internal/audit"
	"ringside/internal/member"
	"ringside/internal/problem"
)

// tab is one of the pages of the settings.
type tab struct{ Name, Path, Label string }

// settingsFrame is the frame of a page of the settings.
func settingsFrame(title, tabName string) frame {
	return frame{Title: title, Here: "settings", Tab: tabName}
}

// Tabs are the pages of the settings that the viewer may see.
func (f *frame) Tabs() []tab {
	tabs := []tab{{"account", "/settings", "Your account"}}
	if f.May(member.Owner) {
		tabs = append(tabs, tab{"members", "/settings/members", "Members"}, tab{"numbers", "/settings/numbers", "Phone numbers"},
			tab{"keys", "/settings/keys", "API keys"}, tab{"privacy", "/settings/privacy", "Privacy"}, tab{"log", "/settings/log", "Log"})
	}
	return tabs
}

func (d *Dashboard) settingsRoutes() []route {
	return []route{
		{method: "GET", path: "/settings", role: member.Viewer, serve: showAccount},
		{method: "POST", path: "/settings/password", role: member.Viewer, action: "password.change", serve: changePassword},
		{method: "POST", path: "/settings/sessions/{id}/end", role: member.Viewer, action: "session.end", serve: endSession},
		{method: "POST", path: "/settings/sessions/others/end", role: member.Viewer, action: "session.end_others", serve: endOtherSessions},
		{method: "GET", path: "/settings/members", role: member.Owner, serve: showMembers},
		{method: "POST", path: "/settings/members", role: member.Owner, action: "member.invite", serve: inviteMember},
		{method: "POST", path: "/settings/members/{id}/role", role: member.Owner, action: "member.role", serve: changeRole},
		{method: "POST", path: "/settings/members/{id}/link", role: member.Owner, action: "member.link", serve: newMemberLink},
		{method: "POST", path: "/settings/members/{id}/remove", role: member.Owner, action: "member.remove", serve: removeMember},
		{method: "GET", path: "/settings/log", role: member.Owner, serve: showLog},
	}
}

// accountPage is what somebody sets for themselves.
type accountPage struct {
	frame
	Form     form
	Sessions []sessionRow
}

func (*accountPage) template() string { return "account" }

// sessionRow is a browser in which somebody is signed in.
type sessionRow struct {
	ID, Browser, Remote string
	Began, Seen         moment
	This                bool
}

func (v *visit) accountPage() (*accountPage, error) {
	sessions, err := v.Members.Sessions(v.r.Context(), v.session.Member.ID)
	if err != nil {
		return nil, err
	}
	p := &accountPage{frame: settingsFrame("Your account", "account")}
	p.Zone = v.zone()
	for _, s := range sessions {
		p.Sessions = append(p.Sessions, sessionRow{s.ID, browserName(s.UserAgent), s.Remote, p.Moment(s.CreatedAt), p.Moment(s.LastSeenAt), s.ID == v.session.ID})
	}
	return p, nil
}

func showAccount(v *visit) error {
	p, err := v.accountPage()
	if err != nil {
		return err
	}
	return v.ok(p)
}

// changePassword signs out everywhere, and in again here.
func changePassword(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	m := v.session.Member
	if err := v.Members.ChangePassword(v.r.Context(), m.ID, f.Get("present"), f.Get("password"), v.place(m.Email)); err != nil {
		p, pageErr := v.accountPage()
		if pageErr != nil {
			return errors.Join(err, pageErr)
		}
		return v.again(err, &p.Form, p) // passwords are not sent back
	}
	v.changed(m.ID, m.Email, nil)
	if err := v.signIn(m); err != nil {
		return err
	}
	return v.goTo("/settings", "Your password is changed. You are signed out everywhere else.")
}

func endSession(v *visit) error {
	id := v.r.PathValue("id")
	if err := v.Members.EndSession(v.r.Context(), v.session.Member.ID, id); err != nil {
		return err
	}
	v.changed(v.session.Member.ID, v.session.Member.Email, nil)
	return v.goTo("/settings", "That browser is signed out.")
}

func endOtherSessions(v *visit) error {
	n, err := v.Members.EndOtherSessions(v.r.Context(), v.session.Member.ID, v.session.ID)
	if err != nil {
		return err
	}
	v.changed(v.session.Member.ID, v.session.Member.Email, map[string]any{"count": n})
	return v.goTo("/settings", "Signed out of "+plural(n, "other browser", "other browsers")+".")
}

// membersPage is who may sign in.
type membersPage struct {
	frame
	Form  form
	Rows  []memberRow
	Roles []option
	// Link was made just now for Whom; it is shown this once.
	Link, Whom string
}

func (*membersPage) template() string { return "members" }

// memberRow is a member in the list.
type memberRow struct {
	member.Member
	Seen moment
	You  bool
}

// roleOptions are the roles, with what they may.
func roleOptions() []option {
	return []option{
		{string(member.Editor), "Member: keeps contacts, campaigns and voice agents"},
		{string(member.Viewer), "Viewer: only looks"},
		{string(member.Owner), "Owner: also members, keys and settings"},
	}
}

func (v *visit) membersPage() (*membersPage, error) {
	all, err := v.Team.Members(v.r.Context(), v.org.ID)
	if err != nil {
		return nil, err
	}
	p := &membersPage{frame: settingsFrame("Members", "members"), Roles: roleOptions()}
	p.Wide, p.Zone = true, v.zone()
	for _, m := range all {
		p.Rows = append(p.Rows, memberRow{m, p.Moment(m.LastSeenAt), m.ID == v.session.Member.ID})
	}
	return p, nil
}

func showMembers(v *visit) error {
	p, err := v.membersPage()
	if err != nil {
		return err
	}
	var made newLink
	v.shown(&made)
	p.Link, p.Whom = made.Link, made.Whom
	return v.ok(p)
}

func inviteMember(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	m, token, err := v.Team.Invite(v.r.Context(), v.org.ID, member.Draft{Email: f.Get("email"), Name: f.Get("name"), Role: member.Role(f.Get("role"))})
	if err != nil {
		p, pageErr := v.membersPage()
		if pageErr != nil {
			return errors.Join(err, pageErr)
		}
		p.Form = f
		return v.again(err, &p.Form, p)
	}
	v.changed(m.ID, m.Email, map[string]any{"role": m.Role})
	return v.showLink(m, token)
}

// newLink is a link that was made just now, and for whom.
type newLink struct{ Link, Whom string }

// showLink shows the link of a member, this once.
func (v *visit) showLink(m member.Member, token string) error {
	return v.goShow("/settings/members", newLink{v.PublicURL.Webhook("/welcome/" + url.PathEscape(token)), m.Email})
}

func newMemberLink(v *visit) error {
	m, token, err := v.Team.NewLink(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.changed(m.ID, m.Email, nil)
	return v.showLink(m, token)
}

func changeRole(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	m, err := v.Team.Member(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	m, err = v.Team.SetRole(v.r.Context(), v.org.ID, m.ID, member.Role(f.Get("role")))
	if p, ok := asProblem(err); ok && p.Code == problem.CodeConflict {
		return v.goTo("/settings/members", p.Detail)
	}
	if err != nil {
		return err
	}
	v.changed(m.ID, m.Email, map[string]any{"role": m.Role})
	return v.goTo("/settings/members", m.Email+" is now "+string(m.Role)+".")
}

func removeMember(v *visit) error {
	m, err := v.Team.Remove(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if p, ok := asProblem(err); ok && p.Code == problem.CodeConflict {
		return v.goTo("/settings/members", p.Detail)
	}
	if err != nil {
		return err
	}
	v.changed(m.ID, m.Email, nil)
	return v.goTo("/settings/members", m.Email+" can no longer sign in.")
}

// logPage is who changed what.
type logPage struct {
	frame
	Rows  []logRow
	Who   []option
	Actor string
	Pager pager
}

func (*logPage) template() string { return "log" }

// logRow is an entry of the log.
type logRow struct {
	At                     moment
	Who, Did, Label, About string
	Link                   string
}

func showLog(v *visit) error {
	ctx := v.r.Context()
	query := v.r.URL.Query()
	list, err := v.Audit.List(ctx, v.org.ID, audit.Query{ActorID: query.Get("who"), Subject: query.Get("subject"), Cursor: query.Get("cursor")})
	if err != nil {
		return err
	}
	p := &logPage{frame: settingsFrame("Log", "log"), Actor: query.Get("who"), Pager: v.pages(list.NextCursor), Who: []option{{"", "everybody"}}}
	p.Wide, p.Zone = true, v.zone()
	for _, e := range list.Entries {
		p.Rows = append(p.Rows, logRow{At: p.Moment(e.At), Who: actorWords(e.Actor), Did: actionWords(e.Action), Label: e.Label, About: detailWords(e.Details), Link: subjectLink(e)})
	}
	members, err := v.Team.Members(ctx, v.org.ID)
	if err != nil {
		return err
	}
	for _, m := range members {
		p.Who = append(p.Who, option{m.ID, m.Email})
	}
	keys, err := v.Orgs.Keys(ctx, v.org.ID)
	if err != nil {
		return err
	}
	for _, k := range keys {
		p.Who = append(p.Who, option{k.ID, "API key " + quote(k.Name)})
	}
	return v.ok(p)
}
