package dashboard

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"ringside/internal/member"
)

// A contact's page has what was said in the latest calls, and stays small however much that was.
func TestTheTimelineHasWhatWasSaid(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.alex()
	line := func(text string) string {
		return fmt.Sprintf(`{"at": "2026-11-23T10:00:00Z", "who": "caller", "text": %q}`, text)
	}
	for n := range talksShown + 2 {
		sid := s.call(callOf{from: "+14155551200", contact: id, at: time.Now().Add(-time.Duration(n) * time.Hour)})
		lines := []string{line(fmt.Sprintf("<Hello> of call %d", n)), line(strings.Repeat("blah ", talkText))}
		for i := range 2 * talkLines {
			lines = append(lines, line(fmt.Sprintf("Line %d of call %d", i, n)))
		}
		if n == 0 {
			lines = lines[:1]
		}
		for _, sql := range []string{
			`INSERT INTO transcripts VALUES ($1::text::uuid, $2, 'VX1', $3::jsonb)`,
			`INSERT INTO captures (org_id, sid, digest, result) SELECT $1::text::uuid, $2, 'x', '{"ok": true, "saved": ["name"]}' WHERE $3 <> ''`,
		} {
			if _, err := s.pool.Exec(t.Context(), sql, s.acme.ID, sid, "["+strings.Join(lines, ",")+"]"); err != nil {
				t.Fatal(err)
			}
		}
	}
	page := s.as(member.Viewer).get("/contacts/"+id).wants(t, http.StatusOK, "&lt;Hello&gt; of call 0", "&lt;Hello&gt; of call 4", "Line 0 of call 1", "Line 27 of call 1", "Saved: name", "blah …").
		lacks(t, "<Hello>", "of call 5", "Line 28 of call 1", strings.Repeat("blah ", talkText/5+1))
	if n := strings.Count(page.body, "How it went on"); n != talksShown-1 {
		t.Errorf("%d talks go on elsewhere, want all but the short one", n)
	}
	if len(page.body) > 60_000 {
		t.Errorf("the page has %d bytes", len(page.body))
	}
}
