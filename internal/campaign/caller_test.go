package campaign_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/contacts"
	"ringside/internal/campaign"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

func TestACampaignFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.plan(campaign.Change{Greeting: new("Hello {{NAME}}, your order {{ORDER}} is ready."), Context: new("Tell them that it can be fetched."), Retries: new(1), HangUpOnMachines: new(true)})
	talks := s.add(newYork, map[string]string{"ORDER": "4711"})
	busy, robot, unknown := s.add("+12125550134", nil), s.add("+12125550135", nil), s.add("+12125550136", nil)
	if p, err := s.Store.Plan(t.Context(), s.org.ID, s.campaign); err != nil || p.State != campaign.Draft || p.Progress.Waiting != 4 {
		t.Fatalf("a draft is %+v: %v", p, err)
	}
	s.look()
	if n := s.count(`SELECT count(*) FROM outgoing`); n != 0 {
		t.Fatalf("%d calls of a campaign that was not started", n)
	}
	if p := s.act(campaign.Start); p.State != campaign.Running {
		t.Fatalf("started it is %s", p.State)
	}
	s.look()
	s.look() // again, changes nothing
	called := s.dispatch()
	if len(called) != 4 {
		t.Fatalf("%d were called", len(called))
	}
	to := map[phone.Number]outgoing.Item{}
	for _, i := range called {
		to[i.To] = i
	}
	first := to[newYork]
	if first.Greeting != "Hello {{NAME}}, your order {{ORDER}} is ready." || first.Variables["ORDER"] != "4711" || first.Context != "Tell them that it can be fetched." ||
		first.From != ours || first.AgentID != s.agent.ID || !first.DetectMachines || first.CampaignID != s.campaign {
		t.Errorf("the call is %+v", first)
	}
	if p := s.person(talks); p.CalledAt == nil || p.Attempts != 1 || p.Waiting || p.Outcome != "" {
		t.Errorf("while they are called: %+v", p)
	}

	s.end(first, "completed", "human")
	if err := s.recorder.Record(t.Context(), &ledger.Event{OrgID: s.org.ID, SID: "CA" + strings.Repeat("0", 31) + string('0'+byte(s.number(first))), Name: "summary", At: time.Now(),
		Kind: "call", Direction: "outbound", Summary: "Comes on Friday."}); err != nil {
		t.Fatal(err)
	}
	s.end(to["+12125550134"], "busy", "")
	s.end(to["+12125550135"], "completed", "machine_start")
	s.end(to["+12125550136"], "failed", "")
	s.look()
	for id, want := range map[string][2]string{talks: {"completed", "Comes on Friday."}, robot: {"machine", "A machine answered."}, unknown: {"failed", "They could not be reached."}, busy: {"busy", ""}} {
		p := s.person(id)
		if diff := cmp.Diff(want, [2]string{p.Outcome, p.Result}); diff != "" || p.Waiting != (id == busy) {
			t.Errorf("%s waits %v (-want +got):\n%s", p.Phone, p.Waiting, diff)
		}
	}
	s.look()
	if again := s.dispatch(); len(again) != 0 {
		t.Errorf("called again at once: %+v", again)
	}
	s.exec(`UPDATE campaign_people SET call_due_at = now() WHERE call_state = 'waiting'`) // an hour later
	s.look()
	again := s.dispatch()
	if len(again) != 1 || again[0].To != "+12125550134" {
		t.Fatalf("an hour later %+v was called", again)
	}
	s.end(again[0], "busy", "")
	s.look()
	if p := s.person(busy); p.Waiting || p.Attempts != 2 || p.Outcome != "busy" || p.Result != "The line was busy." {
		t.Errorf("after all attempts: %+v", p)
	}
	p, err := s.Store.Plan(t.Context(), s.org.ID, s.campaign)
	if err != nil || p.State != campaign.Finished || p.Progress.Done != 4 {
		t.Errorf("in the end %+v: %v", p, err)
	}
	if diff := cmp.Diff(map[string]int{"completed": 1, "busy": 1, "machine": 1, "failed": 1}, p.Progress.Outcomes); diff != "" {
		t.Errorf("the outcomes (-want +got):\n%s", diff)
	}
	_, err = s.Store.Act(t.Context(), s.desk, s.org, s.campaign, campaign.Start)
	refused(t, err, problem.CodeConflict, "")
	s.add(angeles, nil)
	if p := s.act(campaign.Start); p.State != campaign.Running || p.Progress.Waiting != 1 {
		t.Errorf("with somebody more %+v", p)
	}
}

func TestWhoIsNotCalled(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.plan(campaign.Change{Closes: new("17:00")})
	want := map[string]string{}
	blocked, err := s.Book.Add(t.Context(), s.org, contacts.Draft{Name: "Blocked", Phone: "+12125550140"})
	if err != nil {
		t.Fatal(err)
	}
	s.exec(`UPDATE contacts SET blocked_at = now() WHERE id = $1::text::uuid`, blocked.ID)
	s.exec(`INSERT INTO opt_outs (org_id, phone, opted_out_at) VALUES ($1::text::uuid, '+12125550141', now())`, s.org.ID)
	want[s.add("+12125550140", nil)] = campaign.OutcomeBlocked
	want[s.add("+12125550141", nil)] = campaign.OutcomeOptedOut
	want[s.add("+19005550123", nil)] = campaign.OutcomePremium
	want[s.add(tollFree, nil)] = campaign.OutcomeNoHour
	s.exec(`INSERT INTO campaign_people (org_id, campaign_id, phone) SELECT org_id, id, '+12125550150' FROM campaigns`)
	s.exec(`INSERT INTO phone_numbers (org_id, agent_id, phone, account_sid) SELECT org_id, agent_id, '+12125550150', account_sid FROM phone_numbers`)
	if err := s.desk.Lines.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	early := s.add("+81312345678", nil) // Tokyo, where it is three at night
	s.act(campaign.Start)
	s.look()
	if called := s.dispatch(); len(called) != 0 {
		t.Fatalf("called %+v", called)
	}
	for id, outcome := range want {
		if p := s.person(id); p.Outcome != outcome || p.Waiting || p.Attempts != 0 || p.CalledAt != nil {
			t.Errorf("%s is %+v, want %s", p.Phone, p, outcome)
		}
	}
	if n := s.count(`SELECT count(*) FROM campaign_people WHERE outcome = 'own_number'`); n != 1 {
		t.Errorf("%d people with numbers of ours", n)
	}
	if p := s.person(early); !p.Waiting {
		t.Errorf("in Tokyo: %+v", p)
	}
	if p, err := s.Store.Plan(t.Context(), s.org.ID, s.campaign); err != nil || p.State != campaign.Running || p.Progress.Waiting != 1 {
		t.Errorf("the campaign is %+v: %v", p, err)
	}
	s.plan(campaign.Change{Opens: new("00:00"), Closes: new("24:00"), Days: &[]string{"mon", "TUE"}})
	s.look()
	if called := s.dispatch(); len(called) != 1 {
		t.Errorf("with other hours %+v are called", called)
	}
}

// Pausing takes back what Twilio was not asked for yet; nobody loses a turn by that, or is called twice.
func TestPauseAndStop(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	for n := range 9 {
		s.add(phone.Number("+1212555016"+string('0'+byte(n))), nil)
	}
	s.act(campaign.Start)
	s.look()
	s.exec(`UPDATE outgoing SET state = 'sending' WHERE id IN (SELECT id FROM outgoing LIMIT 2)`) // Twilio is being asked
	s.exec(`UPDATE outgoing SET attempts = 3, asked_at = now(), problem_code = 'unavailable' WHERE id IN (SELECT id FROM outgoing WHERE state = 'waiting' LIMIT 1)`)
	if p := s.act(campaign.Pause); p.State != campaign.Paused || p.Progress.Calling != 2 || p.Progress.Waiting != 7 {
		t.Fatalf("paused: %+v", p)
	}
	s.act(campaign.Pause)
	s.look()
	if n := s.count(`SELECT count(*) FROM outgoing`); n != 2 {
		t.Fatalf("%d calls are left", n)
	}
	if p := s.act(campaign.Resume); p.State != campaign.Running {
		t.Fatalf("resumed: %+v", p)
	}
	s.exec(`UPDATE outgoing SET state = 'waiting' WHERE state = 'sending'`)
	s.look()
	called := s.dispatch()
	var to []string
	for _, i := range called {
		to = append(to, string(i.To))
	}
	slices.Sort(to)
	if len(to) != 9 || len(slices.Compact(to)) != 9 {
		t.Errorf("called were %q", to)
	}
	if p := s.act(campaign.Stop); p.State != campaign.Stopped || p.Progress.Calling != 9 {
		t.Errorf("stopped: %+v", p)
	}
	for _, a := range []campaign.Action{campaign.Pause, campaign.Resume} {
		_, err := s.Store.Act(t.Context(), s.desk, s.org, s.campaign, a)
		refused(t, err, problem.CodeConflict, "")
	}
	for _, i := range called {
		s.end(i, "completed", "")
	}
	s.look()
	if p := s.act(campaign.Stop); p.State != campaign.Stopped || p.Progress.Done != 9 {
		t.Errorf("after the last call: %+v", p)
	}
}

// A call that has waited too long for its number's turn is not placed at night.
func TestACallThatIsTooLate(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	id := s.add(newYork, nil)
	s.act(campaign.Start)
	s.noon = time.Now()
	s.plan(campaign.Change{Opens: new("00:00"), Closes: new("24:00"), Days: &campaign.Weekdays})
	s.look()
	s.exec(`UPDATE outgoing SET send_before = now() - interval '1 second'`)
	if called := s.dispatch(); len(called) != 0 {
		t.Fatalf("called %+v", called)
	}
	s.exec(`UPDATE campaigns SET next_at = now() + interval '1 hour'`)
	s.look()
	if p := s.person(id); !p.Waiting || p.Attempts != 0 {
		t.Errorf("taken back: %+v", p)
	}
	s.exec(`UPDATE campaigns SET next_at = now()`)
	s.look()
	if called := s.dispatch(); len(called) != 1 {
		t.Errorf("called %+v", called)
	}
}

func TestPaceAndRoom(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	for n := range 9 {
		s.add(phone.Number("+1212555016"+string('0'+byte(n))), nil)
	}
	s.plan(campaign.Change{PerMinute: new(1), AtOnce: new(3)})
	s.act(campaign.Start)
	for range 3 {
		s.look()
	}
	if called := s.dispatch(); len(called) != 1 {
		t.Fatalf("%d were called in the first minute", len(called))
	}
	for range 4 {
		s.exec(`UPDATE campaigns SET next_at = now() - interval '1 minute'`) // a minute later
		s.look()
	}
	if called := s.dispatch(); len(called) != 2 || s.count(`SELECT count(*) FROM campaign_people WHERE call_state = 'calling'`) != 3 {
		t.Errorf("%d more were called, though three may be at once", len(called))
	}
}

// A number that is not connected any more pauses the campaign; what Twilio refuses is a result.
func TestCallsThatCannotBe(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	refusedByTwilio, wantsNone, later := s.add(newYork, nil), s.add(angeles, nil), s.add(london, nil)
	s.refuse = func(i *outgoing.Item) error {
		switch i.To {
		case newYork:
			return problem.New(problem.CodeTwilioRefused, "Twilio says no.")
		case angeles:
			return problem.New(problem.CodeOptedOut, "They want none.")
		}
		return problem.New(problem.CodeTwilioRefused, "Later.")
	}
	s.act(campaign.Start)
	s.look()
	s.dispatch()
	s.exec(`UPDATE outgoing SET problem_code = 'unavailable' WHERE to_number = $1`, london)
	s.look()
	for id, want := range map[string]string{refusedByTwilio: "failed", wantsNone: "opted_out", later: "failed"} {
		if p := s.person(id); p.Outcome != want || p.CalledAt != nil || p.Waiting != (id == later) {
			t.Errorf("%s is %+v, want %s", p.Phone, p, want)
		}
	}
	s.exec(`DELETE FROM phone_numbers`)
	s.exec(`UPDATE campaign_people SET call_due_at = now()`)
	s.look()
	if p, err := s.Store.Plan(t.Context(), s.org.ID, s.campaign); err != nil || p.State != campaign.Paused {
		t.Errorf("without a number it is %+v: %v", p, err)
	}
	_, err := s.Store.Act(t.Context(), s.desk, s.org, s.campaign, campaign.Resume)
	refused(t, err, problem.CodeInvalid, "from")
}

func TestMachinesAreHungUpOn(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.plan(campaign.Change{HangUpOnMachines: new(true)})
	s.add(newYork, nil)
	s.act(campaign.Start)
	s.look()
	called := s.dispatch()
	if err := s.recorder.Record(t.Context(), &ledger.Event{OrgID: s.org.ID, SID: "CA" + strings.Repeat("0", 31) + "1", Name: "answered_by", At: time.Now(), Kind: "call", Direction: "outbound",
		From: string(ours), To: string(newYork), Status: "in-progress", Detail: []byte(`{"AnsweredBy": "machine_start"}`)}); err != nil {
		t.Fatal(err)
	}
	s.look()
	if len(called) != 1 || len(s.ended) != 1 || s.ended[0] != "CA"+strings.Repeat("0", 31)+"1" {
		t.Errorf("hung up on %q", s.ended)
	}
	s.end(called[0], "completed", "")
	s.look()
	if n := s.count(`SELECT count(*) FROM campaign_people WHERE outcome = 'machine'`); n != 1 {
		t.Errorf("%d calls were a machine's", n)
	}
}

// Somebody can be called at once, out of turn; the campaign does not call them again.
func TestCallOutOfTurn(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	id := s.add(newYork, map[string]string{"ORDER": "1"})
	s.plan(campaign.Change{Greeting: new("Order {{ORDER}}."), Context: new("Because.")})
	call := func(to phone.Number, key string) (*outgoing.Item, error) {
		return s.Store.Call(t.Context(), s.desk, s.Book, s.org, s.campaign, outgoing.CallRequest{To: string(to), Key: key})
	}
	first, err := call(newYork, "k")
	if err != nil || first.Greeting != "Order {{ORDER}}." || first.Variables["ORDER"] != "1" || first.Context != "Because." || first.SendBefore != nil {
		t.Fatalf("called %+v: %v", first, err)
	}
	if again, err := call(newYork, "k"); err != nil || again.ID != first.ID {
		t.Errorf("again: %+v, %v", again, err)
	}
	_, err = call(newYork, "another")
	refused(t, err, problem.CodeConflict, "to")
	if _, err := call(london, ""); err != nil {
		t.Error(err)
	}
	if n := s.count(`SELECT count(*) FROM campaign_people`); n != 2 {
		t.Errorf("%d people are in the campaign", n)
	}
	s.look() // a campaign that does not run takes nothing back that was asked for so
	called := s.dispatch()
	if len(called) != 2 {
		t.Fatalf("%d were called", len(called))
	}
	_, err = s.Store.Act(t.Context(), s.desk, s.org, s.campaign, campaign.Start)
	if err != nil {
		t.Error(err) // two are being called
	}
	s.end(called[0], "completed", "")
	s.end(called[1], "no-answer", "")
	s.look()
	s.exec(`UPDATE campaign_people SET call_due_at = now()`) // an hour later
	s.look()
	if more := s.dispatch(); len(more) != 0 {
		t.Errorf("called again: %+v", more)
	}
	if p, err := s.Store.Plan(t.Context(), s.org.ID, s.campaign); err != nil || p.State != campaign.Finished || p.Progress.Outcomes["no-answer"] != 1 {
		t.Errorf("in the end %+v: %v", p, err)
	}
	if p := s.person(id); p.CalledAt == nil {
		t.Errorf("%+v", p)
	}
	_, err = s.Store.Call(t.Context(), s.desk, s.Book, s.org, "nonsense", outgoing.CallRequest{To: string(london)})
	refused(t, err, problem.CodeNotFound, "")
}

// renamer is a desk at which the campaign gets another name while a call is checked.
type renamer struct {
	*outgoing.Desk
	s *shop
}

func (r renamer) Prepare(ctx context.Context, o org.Org, call outgoing.CallRequest) (outgoing.Item, error) {
	if _, err := r.s.Book.RenameCampaign(ctx, o.ID, r.s.campaign, "Summer"); err != nil {
		return outgoing.Item{}, err
	}
	return r.Desk.Prepare(ctx, o, call)
}

// Whoever is called becomes one of that campaign's people, also if it gets another name meanwhile.
func TestCallForACampaignThatIsRenamed(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	item, err := s.Store.Call(t.Context(), renamer{s.desk, s}, s.Book, s.org, s.campaign, outgoing.CallRequest{To: string(newYork)})
	if err != nil {
		t.Fatal(err)
	}
	if p := s.person(item.PersonID); p.Phone != newYork {
		t.Errorf("%+v", p)
	}
	if n := s.count(`SELECT count(*) FROM campaigns`); n != 1 {
		t.Errorf("there are %d campaigns", n)
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	for field, c := range map[string]campaign.Change{
		"greeting": {Greeting: new("Hello {{ORDER NO}}")}, "context": {Context: new(strings.Repeat("x", campaign.MaxContext+1))}, "calls_per_minute": {PerMinute: new(0)},
		"calls_at_once": {AtOnce: new(campaign.MaxAtOnce + 1)}, "retries": {Retries: new(-1)}, "retry_minutes": {RetryMinutes: new(0)}, "opens": {Opens: new("9 am")},
		"closes": {Closes: new("08:00")}, "days": {Days: &[]string{}}, "time_zone": {TimeZone: new("Mars/Olympus")}, "agent_id": {AgentID: new("00000000-0000-4000-8000-000000000000")},
		"from": {From: new("+1 212 555 0100")},
	} {
		_, err := s.Store.ChangePlan(t.Context(), s.org, s.campaign, c)
		refused(t, err, problem.CodeInvalid, field)
	}
	for _, c := range []campaign.Change{{Greeting: new("\x00")}, {Days: &[]string{"monday"}}, {From: new("12")}, {AgentID: new("nonsense")}, {TimeZone: new("Local")}} {
		if _, err := s.Store.ChangePlan(t.Context(), s.org, s.campaign, c); err == nil {
			t.Errorf("%+v is a plan", c)
		}
	}
	other := openShop(t)
	_, err := other.Store.ChangePlan(t.Context(), other.org, s.campaign, campaign.Change{})
	refused(t, err, problem.CodeNotFound, "")
	_, err = other.Store.Act(t.Context(), other.desk, other.org, s.campaign, campaign.Start)
	refused(t, err, problem.CodeNotFound, "")
	_, err = s.Store.Act(t.Context(), s.desk, s.org, s.campaign, campaign.Start)
	refused(t, err, problem.CodeConflict, "") // nobody is in it

	s.add(newYork, map[string]string{"ORDER": "1"})
	s.add(london, nil)
	p := s.plan(campaign.Change{Greeting: new("{{ORDER}} {{NAME}} {{PLAN|x}}"), From: new("(212) 555-0199"), AgentID: &s.agent.ID, TimeZone: new("America/New_York"), Days: &[]string{"Sun", "mon", "sun"}})
	if diff := cmp.Diff([]string{"mon", "sun"}, p.Days); diff != "" || p.From != ours || p.AgentID != s.agent.ID {
		t.Errorf("%+v %s", p, diff)
	}
	lack, err := s.Store.Missing(t.Context(), p)
	if diff := cmp.Diff(map[string]int{"ORDER": 1, "PLAN": 2}, lack); err != nil || diff != "" {
		t.Errorf("lacking (-want +got):\n%s %v", diff, err)
	}
}

// Twilio tells of a call's end once. Whoever was away then asks, once they are back.
func TestEndsThatWereMissed(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.add(newYork, nil)
	s.act(campaign.Start)
	s.look()
	s.dispatch()
	s.look()
	if len(s.lost) != 0 {
		t.Fatalf("asked for %q, of which there was no time to hear", s.lost)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) }) // a program that was started after the call was placed
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		asked := len(s.lost)
		s.mu.Unlock()
		if asked > 0 {
			break
		}
	}
	time.Sleep(campaign.Every + 100*time.Millisecond) // it is not asked for each time
	cancel()
	running.Wait()
	if len(s.lost) != 1 || s.lost[0] != "CA"+strings.Repeat("0", 31)+"1" {
		t.Errorf("asked for %q", s.lost)
	}
}
