package campaign_test

import (
	"strings"
	"testing"
	"time"

	"ringside/contacts"
	"ringside/internal/campaign"
	"ringside/internal/ledger"
	"ringside/internal/outgoing"
)

// What came of a later call takes the place of a result that was written by itself, and never of one that somebody has
// written.
func TestResultsOfLaterCalls(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.plan(campaign.Change{Retries: new(0)})
	byItself, byHand := s.add(newYork, nil), s.add(angeles, nil)
	s.act(campaign.Start)
	s.look()
	for _, i := range s.dispatch() {
		s.end(i, "no-answer", "")
	}
	s.look()
	written := "They asked for Friday."
	if _, err := s.Book.ChangeCampaignPerson(t.Context(), s.org.ID, s.campaign, byHand, contacts.CampaignChange{Result: &written}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{byItself, byHand} {
		if _, err := s.Store.Call(t.Context(), s.desk, s.Book, s.org, s.campaign, outgoing.CallRequest{To: string(s.person(id).Phone)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range s.dispatch() {
		s.end(i, "busy", "")
	}
	s.look()
	for id, want := range map[string]string{byItself: "The line was busy.", byHand: written} {
		if p := s.person(id); p.Result != want || p.Outcome != "busy" {
			t.Errorf("%+v, want %q", p, want)
		}
	}
}

// A result that somebody writes while the campaign is about to write one stays.
func TestResultsThatAreWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	id, written, late, none := s.add(newYork, nil), "They asked for Friday.", "They did not answer.", ""
	if _, err := s.Book.ChangeCampaignPerson(t.Context(), s.org.ID, s.campaign, id, contacts.CampaignChange{Result: &written}); err != nil {
		t.Fatal(err)
	}
	r, err := s.Book.ChangeCampaignPerson(t.Context(), s.org.ID, s.campaign, id, contacts.CampaignChange{Result: &late, InsteadOf: &none})
	if err != nil || r.Result != written {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = s.Book.ChangeCampaignPerson(t.Context(), s.org.ID, s.campaign, id, contacts.CampaignChange{Result: &late, InsteadOf: &written})
	if err != nil || r.Result != late {
		t.Errorf("%+v, %v", r, err)
	}
}

// Calls whose results cannot be kept, here because the database refuses them, keep nobody else from theirs.
func TestOneResultsTroubleIsNotOthers(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.plan(campaign.Change{Retries: new(0)})
	bad, good := s.add(newYork, nil), s.add(angeles, nil)
	s.act(campaign.Start)
	s.look()
	for _, i := range s.dispatch() {
		s.end(i, "busy", "")
	}
	s.exec(`ALTER TABLE campaign_people ADD CHECK (phone <> '` + string(newYork) + `' OR result = '') NOT VALID`)
	if err := s.Look(t.Context()); err == nil {
		t.Error("it is not said that a result could not be kept")
	}
	if p := s.person(good); p.Outcome != "busy" || p.Result == "" {
		t.Errorf("%+v", p)
	}
	s.exec(`ALTER TABLE campaign_people DROP CONSTRAINT campaign_people_check`)
	s.look()
	if p := s.person(bad); p.Outcome != "busy" || p.Result == "" {
		t.Errorf("%+v", p)
	}
}

// A summary that comes when the call's result is kept already is its result all the same.
func TestSummariesThatComeLate(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	id := s.add(newYork, nil)
	s.act(campaign.Start)
	s.look()
	called := s.dispatch()
	s.end(called[0], "completed", "")
	s.look()
	if p := s.person(id); p.Outcome != "completed" || p.Result != "" {
		t.Fatalf("%+v", p)
	}
	if err := s.recorder.Record(t.Context(), &ledger.Event{OrgID: s.org.ID, SID: "CA" + strings.Repeat("0", 31) + "1", Name: "summary", At: time.Now(), Kind: "call", Direction: "outbound",
		Summary: "Comes on Friday."}); err != nil {
		t.Fatal(err)
	}
	s.HearNow()
	s.look()
	if p := s.person(id); p.Result != "Comes on Friday." {
		t.Errorf("%+v", p)
	}
}
