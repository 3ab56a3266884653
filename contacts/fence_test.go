package contacts_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
)

// fence records whose callers are hidden.
type fence struct{ raised map[string]bool }

func (f *fence) Raise(_ context.Context, id org.ID, numbers ...phone.Number) bool {
	for _, n := range numbers {
		f.raised[string(id)+" "+string(n)] = true
	}
	return true
}

func TestEveryWriterRaisesTheFenceOfWhomItWrites(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	f := &fence{}
	b := contacts.NewBook(s.pool, f)
	for _, tt := range []struct {
		writer string
		write  func() error
		number string
	}{
		{"Add", func() error {
			_, err := b.Add(t.Context(), s.org, contacts.Draft{Name: "Alex", Phone: "(415) 555-1200"})
			return err
		}, "+14155551200"},
		{"Archive", func() error {
			return b.Archive(t.Context(), s.org.ID, one[string](t, s, `SELECT id::text FROM contacts`))
		}, "+14155551200"},
		{"AddCampaignPerson", func() error {
			_, err := b.AddCampaignPerson(t.Context(), s.org, contacts.CampaignPerson{Campaign: "Spring", Phone: "+12025550133", CalledAt: when(0)})
			return err
		}, "+12025550133"},
		{"Capture", func() error {
			_, err := b.Capture(t.Context(), contacts.Capture{Org: s.org, CallSID: "CA1", Phone: "+14155551200", OtherPhone: "+12025550134", Name: "Sam", At: when(0)})
			return err
		}, "+12025550134"},
	} {
		f.raised = map[string]bool{}
		if err := tt.write(); err != nil {
			t.Fatalf("%s: %v", tt.writer, err)
		}
		if diff := cmp.Diff(map[string]bool{string(s.org.ID) + " " + tt.number: true}, f.raised); diff != "" {
			t.Errorf("%s raised (-want +got):\n%s", tt.writer, diff)
		}
	}
}

// Whatever concerns a caller with several numbers hides what is cached under each of them.
func TestRule17_EveryNumberOfAContactIsFenced(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	f := &fence{}
	b := contacts.NewBook(s.pool, f)
	one, two := s.pairOf(t, "+14155551200", "+12025550133")
	both := map[string]bool{string(s.org.ID) + " +12025550133": true, string(s.org.ID) + " +14155551200": true}
	var m contacts.Merge
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"merge", func() (err error) { m, err = b.Merge(t.Context(), s.org.ID, ledger.Past{}, one.ID, two.ID); return err }},
		{"change", func() error {
			_, err := b.Change(t.Context(), s.org, one.ID, contacts.Change{Notes: new("Likes tea")})
			return err
		}},
		{"capture", func() error {
			_, err := b.Capture(t.Context(), contacts.Capture{Org: s.org, CallSID: "CA1", Phone: "+12025550133", Name: "Alex Chen", At: time.Now()})
			return err
		}},
		{"archive", func() error { return b.Archive(t.Context(), s.org.ID, one.ID) }},
		{"restore", func() error { _, err := b.Restore(t.Context(), s.org.ID, one.ID); return err }},
		{"undo", func() error {
			_, _, err := b.UndoMerge(t.Context(), s.org.ID, ledger.Past{}, m.ID)
			return err
		}},
		{"merge again", func() error { _, err := b.Merge(t.Context(), s.org.ID, ledger.Past{}, one.ID, two.ID); return err }},
		{"erase", func() error {
			_, err := b.Erase(t.Context(), s.org.ID, ledger.Past{}, erasureKey, one.ID)
			return err
		}},
	} {
		f.raised = map[string]bool{}
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(both, f.raised); diff != "" {
			t.Errorf("%s fences (-want, +got):\n%s", step.name, diff)
		}
	}
}
