package dashboard

import (
	"net/http"
	"strings"
	"testing"

	"ringside/internal/member"
	"ringside/internal/postgres/pgtest"
)

// hostile is what somebody writes who wants a page to do something: end the element, the attribute or the
// script that it is in.
const hostile = `"'></title></textarea><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}`

// What callers, files and members write is text on every page, wherever it comes from: a name that a caller has said, a
// note, a message, the address of what came with it, a row of a file.
func TestWhatPeopleWriteIsText(t *testing.T) {
	t.Parallel()
	s := open(t)
	const id = "11111111-1111-4111-8111-111111111111"
	pgtest.Furnish(t, s.pool, id, 1)
	for _, sql := range []string{
		`UPDATE orgs SET name = $1 WHERE id = $2`, `UPDATE contacts SET name = $1, notes = $1, tags = ARRAY[$1] WHERE org_id = $2`, `UPDATE campaigns SET name = $1 WHERE org_id = $2`,
		`UPDATE campaign_people SET name = $1, notes = $1, result = $1 WHERE org_id = $2`, `UPDATE voice_agents SET name = $1, greeting = 'Hello ' || replace($1, '{{.}}', ''), apology = $1 WHERE org_id = $2`,
		`UPDATE interactions SET summary = $1, text = $1, from_address = $1, contact_id = org_id, agent_id = org_id, reason = $1, media = jsonb_build_array(jsonb_build_object('url', 'javascript:alert(1)', 'type', $1::text)) WHERE org_id = $2`,
		`UPDATE transcripts SET lines = jsonb_build_array(jsonb_build_object('at', now(), 'who', 'caller', 'text', $1::text)) WHERE org_id = $2`,
		`UPDATE members SET name = $1 WHERE org_id = $2`, `UPDATE sessions SET user_agent = $1 WHERE member_id = $2`, `UPDATE api_keys SET name = $1 WHERE org_id = $2`,
		`UPDATE audit_log SET label = $1, actor_name = $1, details = jsonb_build_object('name', $1::text) WHERE org_id = $2`, `UPDATE contact_imports SET file_name = $1 WHERE org_id = $2`,
	} {
		if _, err := s.pool.Exec(t.Context(), sql, hostile, id); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	token, _, err := s.dashboard.Members.StartSession(t.Context(), id, hostile, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	s.tokens["Hostile"] = token
	b := s.browser("Hostile")
	shown := 0
	for _, r := range s.dashboard.routes() {
		if r.changes() || r.role == "" || strings.HasSuffix(r.path, "/live") || strings.HasSuffix(r.path, "/lines") || strings.HasSuffix(r.path, "/progress") {
			continue
		}
		at := strings.TrimSuffix(r.path, "{$}")
		for strings.Contains(at, "{") { // everything has the organisation's id
			at = at[:strings.Index(at, "{")] + id + at[strings.Index(at, "}")+1:]
		}
		a := b.get(at)
		if a.status >= 500 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			if a.status >= 500 {
				t.Errorf("GET %s: %d\n%s", at, a.status, a.body)
			}
			continue
		}
		if strings.Contains(a.body, "alert(1)") {
			shown++
		}
		for _, active := range []string{"<script>alert", "<img src=x", `href="javascript:`, "</title></textarea>", `"'>`} {
			if strings.Contains(a.body, active) {
				t.Errorf("GET %s: %s is on the page", at, active)
			}
		}
	}
	if shown < 10 {
		t.Errorf("only %d pages show what was written: this test tries too little", shown)
	}
	if a := s.as(member.Viewer).get("/contacts?q=" + `%22%3E%3Cscript%3Ealert(1)%3C/script%3E`); a.status != http.StatusOK || strings.Contains(a.body, "<script>alert") {
		t.Errorf("what was searched for is on the page: %d", a.status)
	}
}
