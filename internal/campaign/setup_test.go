package campaign_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"ringside/contacts"
	"ringside/internal/campaign"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
	"ringside/internal/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ours = phone.Number("+12125550199")

// shop is an organisation with a campaign, and a Twilio that places its calls.
type shop struct {
	*campaign.Caller
	t        *testing.T
	pool     *pgxpool.Pool
	org      org.Org
	agent    org.Agent
	desk     *outgoing.Desk
	recorder *ledger.Recorder
	campaign string
	// noon is when it is, long ago: hours are open in Europe and America.
	noon time.Time

	workers int // of dispatch; 0: 4

	mu     sync.Mutex
	placed []outgoing.Item
	ended  []string
	lost   []string // calls whose end was asked for
	// refuse keeps Twilio from placing a call; nil does not.
	refuse func(i *outgoing.Item) error
}

func openShop(t *testing.T) *shop {
	t.Helper()
	pool := pgtest.New(t)
	s := &shop{t: t, pool: pool, noon: time.Date(2025, 11, 24, 18, 0, 0, 0, time.UTC)}
	orgs := org.NewStore(pool).WithKeys(seal.Plain)
	var err error
	if s.org, err = orgs.CreateOrg(t.Context(), org.Org{Name: "Acme", Country: "US"}); err != nil {
		t.Fatal(err)
	}
	if s.agent, err = orgs.CreateAgent(t.Context(), org.Agent{OrgID: s.org.ID, Name: "Front desk", Greeting: "Hello {{NAME}}.", Language: "en-US", Transport: org.TransportRelay, RuntimeURL: "ws://127.0.0.1:9"}); err != nil {
		t.Fatal(err)
	}
	if _, err = orgs.AddNumber(t.Context(), org.Number{OrgID: s.org.ID, Phone: ours, AgentID: s.agent.ID, AccountSID: "AC" + strings.Repeat("1", 32)}, strings.Repeat("a", 32)); err != nil {
		t.Fatal(err)
	}
	lines := org.NewSwitchboard(pool)
	if err := lines.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	book, reader, log := contacts.NewBook(pool, contacts.NoFence{}), ledger.NewReader(pool), slog.New(slog.DiscardHandler)
	s.recorder = ledger.NewRecorder(pool, contacts.NoFence{}, nil, log)
	t.Cleanup(func() {
		if err := s.recorder.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s.desk = &outgoing.Desk{Store: outgoing.NewStore(pool), Lines: lines, Numbers: orgs, Book: book, OptOuts: reader, Wake: func() {}, Patience: time.Millisecond}
	s.Caller = &campaign.Caller{Store: campaign.NewStore(pool), Book: book, Orgs: orgs, Lines: s.desk, Owns: lines.Owns, Placed: func() {}, Log: log,
		Now: func() time.Time { return s.noon }, End: s.hangUp, Missed: s.missed}
	made, err := book.CreateCampaign(t.Context(), s.org.ID, "Spring")
	if err != nil {
		t.Fatal(err)
	}
	s.campaign = made.ID
	s.plan(campaign.Change{PerMinute: new(6000), AtOnce: new(1000)})
	return s
}

func (s *shop) plan(c campaign.Change) *campaign.Plan {
	s.t.Helper()
	p, err := s.Store.ChangePlan(s.t.Context(), s.org, s.campaign, c)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// add adds somebody to the campaign, and returns their id.
func (s *shop) add(n phone.Number, variables map[string]string) string {
	s.t.Helper()
	p, err := s.Book.AddCampaignPerson(s.t.Context(), s.org, contacts.CampaignPerson{Campaign: "Spring", Phone: string(n), Name: "Somebody", Variables: variables})
	if err != nil {
		s.t.Fatal(err)
	}
	return p.ID
}

func (s *shop) act(a campaign.Action) *campaign.Plan {
	s.t.Helper()
	p, err := s.Store.Act(s.t.Context(), s.desk, s.org, s.campaign, a)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *shop) look() {
	s.t.Helper()
	if err := s.Look(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// Send is what Twilio does with a call.
func (s *shop) Send(_ context.Context, i *outgoing.Item) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		if err := s.refuse(i); err != nil {
			return "", err
		}
	}
	s.placed = append(s.placed, *i)
	return fmt.Sprintf("CA%032d", len(s.placed)), nil
}

// Find is what Twilio lists: nothing is ever unclear here.
func (s *shop) Find(context.Context, *outgoing.Item) ([]string, error) { return nil, nil }

func (s *shop) missed(ctx context.Context, i *outgoing.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, bounded := ctx.Deadline(); !bounded {
		s.t.Error("a request of Twilio has no end")
	}
	s.lost = append(s.lost, i.SID)
	return nil
}

func (s *shop) hangUp(ctx context.Context, i *outgoing.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, bounded := ctx.Deadline(); !bounded {
		s.t.Error("a request of Twilio has no end")
	}
	s.ended = append(s.ended, i.SID)
	return nil
}

// dispatch places what was handed over, and returns whom Twilio has called since the last time.
func (s *shop) dispatch() (called []outgoing.Item) {
	s.t.Helper()
	before := len(s.placed)
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	d := &outgoing.Dispatcher{Store: s.desk.Store, Sender: s, Workers: cmp.Or(s.workers, 4), Log: slog.New(slog.DiscardHandler), Settled: s.Settled}
	running.Go(func() { d.Run(ctx) })
	s.until(`SELECT count(*) FROM outgoing WHERE state NOT IN ('sent', 'failed') AND (send_before IS NULL OR send_before > now())`, 0)
	cancel()
	running.Wait()
	return s.placed[before:]
}

func (s *shop) until(sql string, want int) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		n := s.count(sql)
		if n == want {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s: %d, not %d", sql, n, want)
		}
	}
}

func (s *shop) count(sql string, args ...any) (n int) {
	s.t.Helper()
	if err := s.pool.QueryRow(s.t.Context(), sql, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *shop) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// end is Twilio's word for the end of a call, some time ago.
func (s *shop) end(i outgoing.Item, status, answeredBy string) {
	s.t.Helper()
	sid := fmt.Sprintf("CA%032d", s.number(i))
	e := &ledger.Event{OrgID: s.org.ID, SID: sid, Name: "status:" + status, At: time.Now().Add(-time.Minute), Kind: "call", Direction: "outbound", From: string(i.From), To: string(i.To), Party: i.To,
		Status: status, StartedAt: time.Now().Add(-2 * time.Minute), EndedAt: time.Now().Add(-time.Minute)}
	if answeredBy != "" {
		e.Detail = []byte(fmt.Sprintf(`{"AnsweredBy": %q}`, answeredBy))
	}
	if err := s.recorder.Record(s.t.Context(), e); err != nil {
		s.t.Fatal(err)
	}
}

// number is which of Twilio's calls an item was.
func (s *shop) number(i outgoing.Item) int {
	for n, placed := range s.placed {
		if placed.ID == i.ID {
			return n + 1
		}
	}
	s.t.Fatalf("no call of %s was placed", i.To)
	return 0
}

// person is how somebody stands.
func (s *shop) person(id string) contacts.CampaignResult {
	s.t.Helper()
	p, err := s.Book.CampaignPerson(s.t.Context(), s.org.ID, s.campaign, id)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func refused(t *testing.T, err error, code problem.Code, field string) {
	t.Helper()
	if p, ok := problem.From(err); !ok || p.Code != code || p.Field != field {
		t.Errorf("%v, want %s of %q", err, code, field)
	}
}
