package campaign_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"ringside/contacts"
	"ringside/internal/campaign"
	"ringside/internal/org"
	"ringside/internal/outgoing"
)

// However many people cannot be called at this hour, a turn is short: whoever pauses the campaign, or adds people to it,
// waits for it.
func TestTurnsAreShort(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	const sleeping = 2*campaign.LookAt + 1
	s.exec(`INSERT INTO campaign_people (org_id, campaign_id, phone) SELECT org_id, id, '+81312' || 100000 + n FROM campaigns, generate_series(1, $1) n`, sleeping)
	s.exec(`UPDATE campaign_people SET call_due_at = 'epoch'::timestamptz - interval '1 day'`) // before anybody else
	s.add(newYork, nil)
	s.act(campaign.Start)
	s.Hurry()
	for look := 1; look <= 3; look++ {
		s.look()
		if n := s.count(`SELECT count(*) FROM campaign_people WHERE call_due_at > 'epoch'`); n != min(look*campaign.LookAt, sleeping) {
			t.Errorf("after %d looks %d people wait for their hour", look, n)
		}
		if n := s.count(`SELECT count(*) FROM outgoing`); n != look/3 {
			t.Errorf("after %d looks there are %d calls", look, n)
		}
	}
}

// absent is who finds no number for calls from ours just now.
type absent struct{ campaign.Lines }

func (a absent) Line(ctx context.Context, o org.Org, from, agentID string) (org.Connected, error) {
	if from != "" {
		return org.Connected{}, errors.New("timeout: context deadline exceeded")
	}
	return a.Lines.Line(ctx, o, from, agentID)
}

// A campaign that cannot go on just now neither keeps others waiting, nor is it paused.
func TestOneCampaignsTroubleIsNotOthers(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.plan(campaign.Change{From: new(string(ours))})
	s.add(newYork, nil)
	s.act(campaign.Start)
	troubled := s.campaign
	other, err := s.Book.CreateCampaign(t.Context(), s.org.ID, "Autumn")
	if err != nil {
		t.Fatal(err)
	}
	s.campaign = other.ID
	if _, err := s.Book.AddCampaignPerson(t.Context(), s.org, contacts.CampaignPerson{Campaign: "Autumn", Phone: string(angeles)}); err != nil {
		t.Fatal(err)
	}
	s.act(campaign.Start)
	s.Lines = absent{s.desk}
	if err := s.Look(t.Context()); err == nil {
		t.Error("it is not said that a campaign cannot go on")
	}
	if called := s.dispatch(); len(called) != 1 || called[0].To != angeles {
		t.Errorf("called %+v", called)
	}
	s.Lines = s.desk
	s.look()
	if called := s.dispatch(); len(called) != 1 || called[0].To != newYork {
		t.Errorf("later called %+v", called)
	}
	if p, err := s.Store.Plan(t.Context(), s.org.ID, troubled); err != nil || p.State != campaign.Running {
		t.Errorf("%+v, %v", p, err)
	}
}

// A campaign for which somebody is added at the moment in which it would be finished goes on.
func TestACampaignIsNotFinishedForWhomIsAdded(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.exec(`UPDATE campaigns SET state = 'running', next_at = now() + interval '1 hour'`)
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	for _, sql := range []string{`SELECT FROM campaigns FOR UPDATE`, `INSERT INTO campaign_people (org_id, campaign_id, phone) SELECT org_id, id, '+12125550133' FROM campaigns`} {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	looked := make(chan error, 1)
	go func() { looked <- s.Look(t.Context()) }()
	for waits := 0; waits == 0 && len(looked) == 0; time.Sleep(5 * time.Millisecond) {
		waits = s.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-looked; err != nil {
		t.Fatal(err)
	}
	if p, err := s.Store.Plan(t.Context(), s.org.ID, s.campaign); err != nil || p.State != campaign.Running {
		t.Errorf("%+v, %v", p, err)
	}
}

// Whoever is in two campaigns is called by one at a time, and a call that somebody has asked for goes before both.
func TestNobodyIsCalledByTwoCampaignsAtOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.add(newYork, nil)
	s.act(campaign.Start)
	other, err := s.Book.CreateCampaign(t.Context(), s.org.ID, "Autumn")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Book.AddCampaignPerson(t.Context(), s.org, contacts.CampaignPerson{Campaign: "Autumn", Phone: string(newYork)}); err != nil {
		t.Fatal(err)
	}
	spring := s.campaign
	s.campaign = other.ID
	s.act(campaign.Start)
	s.look()
	s.look()
	if n := s.count(`SELECT count(*) FROM campaign_people WHERE call_state = 'calling'`); n != 1 {
		t.Errorf("%d campaigns call them", n)
	}
	if _, _, err := s.desk.Store.Add(t.Context(), outgoing.Item{OrgID: s.org.ID, Kind: outgoing.KindCall, From: ours, To: angeles, AgentID: s.agent.ID}); err != nil {
		t.Fatal(err)
	}
	s.workers = 1 // of several, each may hold one
	called := s.dispatch()
	if len(called) != 2 || called[0].To != angeles || called[1].CampaignID != spring {
		t.Fatalf("called %+v", called)
	}
	s.exec(`UPDATE campaign_people SET call_state = 'done', outcome = 'completed' WHERE campaign_id = $1::text::uuid`, spring)
	s.look()
	if called := s.dispatch(); len(called) != 1 || called[0].CampaignID != other.ID {
		t.Errorf("afterwards called %+v", called)
	}
}
