package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringside/internal/audit"
	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

var (
	somebody = member.Member{ID: "1", Email: "robin@example.com", Name: "<worked>", Role: member.Viewer}
	wrong    = form{Values: url.Values{"email": {"<worked>"}}, Problem: problem.Invalid("email", "It is wrong.")}
)

var _ = sample(
	&accountPage{Sessions: []sessionRow{{ID: "1", Browser: "Firefox", This: true}, {ID: "2", Browser: "<worked>"}}, Form: form{Problem: problem.Invalid("present", "It is wrong.")}},
	&membersPage{Rows: []memberRow{{Member: somebody, You: true}}, Roles: roleOptions(), Form: wrong},
	&membersPage{Link: "https://ringside.example.com/welcome/x", Whom: "<worked>"},
	&logPage{}, &logPage{Rows: []logRow{{Who: "<worked>", Did: "did", Label: "<worked>", About: "x", Link: "/contacts/1"}, {}}, Who: []option{{"", "everybody"}}},
	&keysPage{}, &keysPage{Rows: []keyRow{{Key: org.Key{ID: "1", Name: "<worked>", Scopes: []string{"read"}}}}, Plain: "rsk_x", Name: "<worked>", Old: moment{ISO: "x", Text: "then"}, Form: wrong},
	&numbersPage{}, &numbersPage{Rows: []numberRow{{Connected: org.Connected{Number: org.Number{ID: "1", Phone: "+12125550199"}, AgentName: "Reception"}, Never: true}},
		Agents: []option{{"1", "<worked>"}}, Accounts: []string{"AC1"}, Webhooks: []webhook{{"voice", "Voice", "https://x"}}, Form: wrong},
)

var (
	_ = rows("/settings/sessions/{id}/end", func(s *site) string { return "/settings/sessions/" + s.aSession() + "/end" })
	_ = rows("/settings/members/{id}/role", func(s *site) string { return "/settings/members/" + s.aMember() + "/role" })
	_ = rows("/settings/members/{id}/link", func(s *site) string { return "/settings/members/" + s.aMember() + "/link" })
	_ = rows("/settings/members/{id}/remove", func(s *site) string { return "/settings/members/" + s.aMember() + "/remove" })
	_ = rows("/settings/keys/{id}/rotate", func(s *site) string { return "/settings/keys/" + s.aKey() + "/rotate" })
	_ = rows("/settings/keys/{id}/revoke", func(s *site) string { return "/settings/keys/" + s.aKey() + "/revoke" })
	_ = rows("/settings/numbers/{id}/move", func(s *site) string { return "/settings/numbers/" + s.aNumber() + "/move" })
	_ = rows("/settings/numbers/{id}/remove", func(s *site) string { return "/settings/numbers/" + s.aNumber() + "/remove" })
)

func (s *site) aMember() string {
	s.t.Helper()
	m, _, err := s.dashboard.Members.Invite(s.t.Context(), s.acme.ID, member.Draft{Email: "m" + s.another()[1:] + "@example.com", Role: member.Viewer})
	if err != nil {
		s.t.Fatal(err)
	}
	return m.ID
}

func (s *site) aSession() string {
	s.t.Helper()
	id := s.aMember()
	if _, _, err := s.dashboard.Members.StartSession(s.t.Context(), id, "a browser", ""); err != nil {
		s.t.Fatal(err)
	}
	sessions, err := s.dashboard.Members.Sessions(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return sessions[0].ID
}

func (s *site) aKey() string {
	s.t.Helper()
	k, _, err := s.orgs.CreateKey(s.t.Context(), s.acme.ID, "CRM")
	if err != nil {
		s.t.Fatal(err)
	}
	return k.ID
}

// anAgent returns a voice agent of Acme.
func (s *site) anAgent() org.Agent {
	s.t.Helper()
	a, err := s.orgs.CreateAgent(s.t.Context(), org.Agent{OrgID: s.acme.ID, Name: "Reception", Greeting: "Hello {{NAME}}!", RuntimeURL: "wss://agent.example.com/"})
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

const testAccount = "AC00000000000000000000000000000001"

func (s *site) aNumber() string {
	s.t.Helper()
	number := phone.Number(strings.Replace(s.another(), "+1206", "+1212", 1))
	n, err := s.orgs.AddNumber(s.t.Context(), org.Number{OrgID: s.acme.ID, Phone: number, AgentID: s.anAgent().ID, AccountSID: testAccount}, "token")
	if err != nil {
		s.t.Fatal(err)
	}
	return n.ID
}

// between returns what stands between two texts of a page.
func (a answer) between(t *testing.T, before, after string) string {
	t.Helper()
	_, rest, found := strings.Cut(a.body, before)
	text, _, ended := strings.Cut(rest, after)
	if !found || !ended {
		t.Fatalf("nothing between %q and %q in:\n%s", before, after, a.body)
	}
	return text
}

func TestInvitingAMember(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.as(member.Owner)
	owner.post("/settings/members", url.Values{"email": {"nonsense"}, "role": {"member"}}).wants(t, http.StatusUnprocessableEntity, "not an e-mail address", `value="nonsense"`)
	a := owner.postAnd("/settings/members", url.Values{"email": {"Robin@example.com"}, "name": {"Robin"}, "role": {"member"}}).wants(t, http.StatusOK, "A link for Robin@example.com", "no password yet")
	link := strings.TrimPrefix(a.between(t, `<code id="the-link">`, "</code>"), s.url)
	owner.post("/settings/members", url.Values{"email": {"robin@EXAMPLE.com"}, "role": {"viewer"}}).wants(t, http.StatusConflict, "is a member already")

	robin := s.nobody()
	robin.postAnd(link, url.Values{"password": {password}}).wants(t, http.StatusOK, "Welcome.")
	robin.get("/contacts/new").wants(t, http.StatusOK)
	robin.get("/settings/members").wants(t, http.StatusForbidden, "needs the role")

	// A change of role holds at once, and removal signs out.
	page := owner.get("/settings/members").wants(t, http.StatusOK, "Robin@example.com")
	id := strings.Split(page.body[strings.Index(page.body, "Robin@example.com"):], "/settings/members/")[1][:36]
	owner.postAnd("/settings/members/"+id+"/role", url.Values{"role": {"viewer"}}).wants(t, http.StatusOK, "is now viewer")
	robin.get("/contacts/new").wants(t, http.StatusForbidden)
	owner.postAnd("/settings/members/"+id+"/remove", nil).wants(t, http.StatusOK, "can no longer sign in")
	if a := robin.get("/contacts"); a.status != http.StatusSeeOther {
		t.Errorf("who was removed gets %d", a.status)
	}
	owner.get("/settings/log").wants(t, http.StatusOK, "owner@acme.example", "invited a member", "changed a member&#39;s role", "removed a member", "role: viewer")
}

func TestTheLastOwnerStays(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.as(member.Owner)
	page := owner.get("/settings/members")
	me := page.between(t, `owner@acme.example <span class="badge">you</span>`, "/link")
	me = me[strings.Index(me, "/settings/members/")+len("/settings/members/"):][:36]
	owner.postAnd("/settings/members/"+me+"/role", url.Values{"role": {"viewer"}}).wants(t, http.StatusOK, "keeps at least one owner")
	owner.postAnd("/settings/members/"+me+"/remove", nil).wants(t, http.StatusOK, "keeps at least one owner")
}

func TestOwnPasswordAndSessions(t *testing.T) {
	t.Parallel()
	s := open(t)
	one, two := s.nobody(), s.nobody()
	link := "/welcome/" + s.invite("robin@example.com", member.Viewer)
	one.postAnd(link, url.Values{"password": {password}})
	two.postAnd("/signin", url.Values{"email": {"robin@example.com"}, "password": {password}})
	page := one.get("/settings").wants(t, http.StatusOK, "this one", "Sign out everywhere else")
	other := page.between(t, "/settings/sessions/", "/end")
	if other == "others" {
		other = strings.Split(page.body, "/settings/sessions/")[2][:36]
	}
	one.postAnd("/settings/sessions/"+other+"/end", nil).wants(t, http.StatusOK, "That browser is signed out.")
	if a := two.get("/settings"); a.status != http.StatusSeeOther {
		t.Errorf("a session that was ended gets %d", a.status)
	}
	two.postAnd("/signin", url.Values{"email": {"robin@example.com"}, "password": {password}})
	one.post("/settings/password", url.Values{"present": {"wrong"}, "password": {"another long password"}}).wants(t, http.StatusUnprocessableEntity, "not your present password").lacks(t, "another long password")
	one.postAnd("/settings/password", url.Values{"present": {password}, "password": {"another long password"}}).wants(t, http.StatusOK, "Your password is changed.")
	if a := two.get("/settings"); a.status != http.StatusSeeOther {
		t.Errorf("after a change of the password another browser gets %d", a.status)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.as(member.Owner)
	owner.get("/settings/keys").wants(t, http.StatusOK, "There are no keys yet.")
	owner.post("/settings/keys", url.Values{"name": {""}}).wants(t, http.StatusUnprocessableEntity, "needs a name")
	made := owner.postAnd("/settings/keys", url.Values{"name": {"CRM"}, "scope": {"read", "write"}}).wants(t, http.StatusOK, "rsk_", "not shown again", "read, write")
	plain := made.between(t, `<code id="the-key">`, "</code>")
	if key, err := s.orgs.Authenticate(t.Context(), plain); err != nil || key.OrgID != s.acme.ID {
		t.Errorf("the key that was shown is %+v: %v", key, err)
	}
	page := owner.get("/settings/keys").wants(t, http.StatusOK, "CRM").lacks(t, plain)
	id := page.between(t, "/settings/keys/", "/rotate")
	owner.postAnd("/settings/keys/"+id+"/rotate", nil).wants(t, http.StatusOK, "rsk_", "The old one works until")
	owner.postAnd("/settings/keys/"+id+"/revoke", nil).wants(t, http.StatusOK, "The key works no more.")
	if _, err := s.orgs.Authenticate(t.Context(), plain); err == nil {
		t.Error("a revoked key works")
	}
}

func TestNumbersPage(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.as(member.Owner)
	owner.get("/settings/numbers").wants(t, http.StatusOK, "No phone number is connected yet.", "Make a voice agent first")
	agent, second := s.anAgent(), s.anAgent()
	add := url.Values{"phone": {"(212) 555-0199"}, "agent": {agent.ID}, "account_sid": {"nonsense"}, "auth_token": {"secret-token"}}
	owner.post("/settings/numbers", add).wants(t, http.StatusUnprocessableEntity, "not a Twilio account SID", `value="(212) 555-0199"`).lacks(t, "secret-token")
	add.Set("account_sid", testAccount)
	page := owner.postAnd("/settings/numbers", add).wants(t, http.StatusOK, "+1 212-555-0199 is connected", "nothing in a month", s.url+"/twilio/voice/status").lacks(t, "secret-token")
	id := page.between(t, "/settings/numbers/", "/move")
	s.call(callOf{from: "+14155551200", at: time.Now().Add(-time.Hour)})
	owner.get("/settings/numbers").wants(t, http.StatusOK).lacks(t, "nothing in a month")
	owner.postAnd("/settings/numbers/"+id+"/move", url.Values{"agent": {second.ID}}).wants(t, http.StatusOK, "leads to another voice agent")
	owner.postAnd("/settings/accounts", url.Values{"account": {testAccount}, "auth_token": {"new-token"}}).wants(t, http.StatusOK, "new auth token is in use")
	owner.post("/settings/accounts", url.Values{"account": {testAccount}, "auth_token": {""}}).wants(t, http.StatusUnprocessableEntity, "auth token is empty")
	// Beside a token that is refused its account stays chosen.
	const otherAccount = "AC00000000000000000000000000000002"
	other, err := s.orgs.AddNumber(t.Context(), org.Number{OrgID: s.acme.ID, Phone: "+12125550198", AgentID: second.ID, AccountSID: otherAccount}, " token ")
	if err != nil {
		t.Fatal(err)
	}
	owner.post("/settings/accounts", url.Values{"account": {otherAccount}, "auth_token": {" "}}).wants(t, http.StatusUnprocessableEntity, `<option value="`+otherAccount+`" selected>`)
	owner.postAnd("/settings/numbers/"+other.ID+"/remove", nil).wants(t, http.StatusOK, "is disconnected")
	owner.postAnd("/settings/numbers/"+id+"/remove", nil).wants(t, http.StatusOK, "is disconnected")
	var token string
	if err := s.pool.QueryRow(t.Context(), `SELECT auth_token FROM twilio_accounts WHERE account_sid = $1`, testAccount).Scan(&token); err != nil || token != "new-token" {
		t.Errorf("the token is %q: %v", token, err)
	}
}

func TestLogPage(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.as(member.Owner)
	owner.get("/settings/log").wants(t, http.StatusOK, "Nothing was changed yet.")
	for _, e := range []audit.Entry{
		{Actor: audit.Operator(), Action: "agent.add", Subject: "1", Label: "Reception"},
		{Actor: audit.Key("k1", "CRM"), Action: "contact.change", Subject: "2", Label: "Alex", Details: map[string]any{"fields": []string{"email", "notes"}}},
	} {
		e.OrgID = s.acme.ID
		if err := s.audit.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	owner.get("/settings/log").wants(t, http.StatusOK, "An operator", "The API key “CRM”", "fields: email, notes", "/agents/1", "/contacts/2")
	owner.get("/settings/log?who=k1").wants(t, http.StatusOK, "Alex").lacks(t, "Reception")
	s.elsewhere().get("/settings/log").wants(t, http.StatusOK).lacks(t, "Reception")
	owner.get("/settings/log?cursor=x").wants(t, http.StatusUnprocessableEntity)
}

func TestBrowserName(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                             "Firefox on Linux",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 (KHTML, like Gecko) Version/18 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0":  "Edge on Windows",
		"": "A browser",
	} {
		if got := browserName(agent); got != want {
			t.Errorf("%q is %q instead of %q", agent, got, want)
		}
	}
}
