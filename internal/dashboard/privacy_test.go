package dashboard

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/problem"
)

var _ = sample(
	&privacyPage{},
	&privacyPage{Agents: []privacyRow{{agentSample, "<worked>"}}, Form: form{Values: url.Values{"transcript_days": {"<worked>"}}, Problem: problem.Invalid("sure", "<worked>")}},
)

func TestPrivacySettings(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.anAgent()
	owner := s.as(member.Owner)
	owner.get("/settings/privacy").wants(t, http.StatusOK, "/agents/"+a.ID, "everything", `name="transcript_days" type="number" value=""`)
	is := func(want org.Privacy) {
		t.Helper()
		got, err := s.orgs.Privacy(t.Context(), s.acme.ID)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
	}
	typed := url.Values{"transcript_days": {" 30 "}, "interaction_days": {""}}
	owner.post("/settings/privacy", typed).wants(t, http.StatusUnprocessableEntity, "This removes what is older", `id="f-sure-error"`)
	is(org.Privacy{})
	typed.Set("sure", "1")
	owner.postAnd("/settings/privacy", typed).wants(t, http.StatusOK, "What is older goes within an hour.", `value="30"`)
	is(org.Privacy{TranscriptDays: ptr(30)})
	// Keeping for longer, or changing nothing, needs no tick.
	owner.postAnd("/settings/privacy", url.Values{"transcript_days": {"60"}}).wants(t, http.StatusOK, `value="60"`)
	owner.post("/settings/privacy", url.Values{"transcript_days": {"60"}, "interaction_days": {"365"}}).wants(t, http.StatusUnprocessableEntity, "Tick the box")
	owner.postAnd("/settings/privacy", url.Values{"transcript_days": {"60"}, "interaction_days": {"365"}, "sure": {"1"}})
	is(org.Privacy{TranscriptDays: ptr(60), InteractionDays: ptr(365)})
	for field, value := range map[string]string{"transcript_days": "a month", "interaction_days": "0"} {
		owner.post("/settings/privacy", url.Values{field: {value}, "sure": {"1"}}).wants(t, http.StatusUnprocessableEntity, `id="f-`+field+`-error"`, `value="`+value+`"`)
	}
	owner.get("/settings/log").wants(t, http.StatusOK, "changed the privacy settings", "transcripts: 60 days", "calls: 365 days")
	s.elsewhere().get("/settings/privacy").wants(t, http.StatusOK).lacks(t, "Reception", `value="60"`)
}

func TestToldWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		tell []org.Detail
		want string
	}{{nil, "nothing"}, {org.Details(), "everything"}, {[]org.Detail{org.DetailName, org.DetailTags}, "name, tags"}} {
		if got := toldWords(tt.tell); got != tt.want {
			t.Errorf("toldWords(%v) = %q instead of %q", tt.tell, got, tt.want)
		}
	}
}
