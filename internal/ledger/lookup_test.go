package ledger_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
)

func TestRecognition(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p, other := newPlace(t, pool), newPlace(t, pool)
	p.apply(t,
		p.inbound("CA1", "voice", func(e *ledger.Event) {
			e.Recognition = json.RawMessage(`{"call_sid": "CA1", "rule": "contact_name", "steps": []}`)
		}),
		p.ended("CA1", 60),
		p.ended("CA without", 60))

	trace, err := ledger.NewReader(pool).Recognition(t.Context(), p.org.ID, "CA1")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	decode(t, &got, trace)
	if diff := cmp.Diff(map[string]any{"call_sid": "CA1", "rule": "contact_name", "steps": []any{}}, got); diff != "" {
		t.Errorf("(-want, +got):\n%s", diff)
	}
	for _, miss := range []struct {
		name string
		org  org.ID
		sid  string
	}{
		{"a call of another organisation", other.org.ID, "CA1"},
		{"a call that was not recognised", p.org.ID, "CA without"},
		{"an unknown call", p.org.ID, "CA2"},
		{"no call", p.org.ID, ""},
		{"a NUL", p.org.ID, "CA\x00"},
		{"no UTF-8", p.org.ID, "\xff"},
		{"an organisation that is none", "acme", "CA1"},
	} {
		_, err := ledger.NewReader(pool).Recognition(t.Context(), miss.org, miss.sid)
		if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != problem.CodeNotFound {
			t.Errorf("%s: %v, want not found", miss.name, err)
		}
	}
	pool.Close()
	if _, err := ledger.NewReader(pool).Recognition(t.Context(), p.org.ID, "CA1"); err == nil {
		t.Error("no error although Postgres cannot be asked")
	} else if shown, ok := problem.From(err); ok {
		t.Errorf("Postgres cannot be asked, and the answer is %v", shown)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p, other := newPlace(t, pool), newPlace(t, pool)
	id := p.addContact(t, alex, "Alex Chen")
	p.apply(t, p.inbound("CA1", "summary:1", func(e *ledger.Event) { e.Summary = "Asked about pricing" }), p.ended("CA1", 64),
		p.status("CA2", "in-progress", 10))

	end := after(64)
	got, err := ledger.NewReader(pool).Find(t.Context(), p.org.ID, "CA1")
	seconds := 64
	want := ledger.Interaction{ID: got.ID, SID: "CA1", Kind: "call", Direction: "inbound", From: string(alex), To: "+12125550199", Status: "completed",
		StartedAt: noon, EndedAt: &end, DurationS: &seconds, ContactID: id, ContactName: "Alex Chen", Summary: "Asked about pricing"}
	if diff := cmp.Diff(want, got, cmp.Comparer(time.Time.Equal)); diff != "" || err != nil {
		t.Errorf("error %v (-want, +got):\n%s", err, diff)
	}
	if got, err := ledger.NewReader(pool).Find(t.Context(), p.org.ID, "CA2"); err != nil || got.EndedAt != nil || got.ContactID != "" {
		t.Errorf("a call that goes on: %+v, error %v", got, err)
	}
	for _, id := range []org.ID{other.org.ID, "acme"} {
		_, err := ledger.NewReader(pool).Find(t.Context(), id, "CA1")
		if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != problem.CodeNotFound {
			t.Errorf("in the organisation %s: %v, want not found", id, err)
		}
	}
}
