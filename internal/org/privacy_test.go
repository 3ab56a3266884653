package org_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
)

func TestPrivacy(t *testing.T) {
	t.Parallel()
	o := newOffice(t, pgtest.New(t), "Acme")
	if p, err := o.Privacy(t.Context(), o.org.ID); p != (org.Privacy{}) || err != nil {
		t.Errorf("by default: %+v, %v", p, err)
	}
	month, year, never, long := 30, 365, 0, 3651
	for _, want := range []org.Privacy{{TranscriptDays: &month, InteractionDays: &year}, {TranscriptDays: &month}, {}} {
		if err := o.SetPrivacy(t.Context(), o.org.ID, want); err != nil {
			t.Fatal(err)
		}
		got, err := o.Privacy(t.Context(), o.org.ID)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("error %v (-want, +got):\n%s", err, diff)
		}
	}
	wantProblem(t, o.SetPrivacy(t.Context(), o.org.ID, org.Privacy{TranscriptDays: &never}), problem.CodeInvalid, "transcript_days")
	wantProblem(t, o.SetPrivacy(t.Context(), o.org.ID, org.Privacy{InteractionDays: &long}), problem.CodeInvalid, "interaction_days")
	for _, id := range []org.ID{nowhere, "acme"} {
		_, err := o.Privacy(t.Context(), id)
		wantProblem(t, err, problem.CodeNotFound, "")
		wantProblem(t, o.SetPrivacy(t.Context(), id, org.Privacy{}), problem.CodeNotFound, "")
	}
}
