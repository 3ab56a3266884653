package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/simulate"
)

type demoCommand struct {
	Once    bool `help:"Exit after the calls; non-zero if anything went wrong."`
	Verbose bool `short:"v" help:"Show everything that is on the wire."`
}

func (c *demoCommand) Help() string {
	return "Starts a sidecar with an organisation of its own and a built-in agent, and plays calls against it over the real wire. " +
		"Then it stays up until Ctrl-C, so that you can place calls yourself with `ringside simulate call`. What it made is removed at the end."
}

// The people of the demo. Their numbers are from the range kept for fiction.
const (
	demoCampaign = "Spring offer"
	mariaPhone   = "+13125550142"
	demoGreeting = "Hello {{NAME}}, this is Acme. How can I help you?"
)

func (c *demoCommand) Run(a *app) error {
	signals, undo := watchSignals()
	defer undo()
	a.config.Listen, a.config.OpsListen = freeIfTaken(a.config.Listen), freeIfTaken(a.config.OpsListen)
	a.config.PublicURL = "" // Twilio is simulated on this machine
	s, err := bind(a.config, a.log)
	if err != nil {
		return err
	}
	if err := s.startUnless(a.ctx, signals); err != nil {
		return errors.Join(err, s.close())
	}
	d, err := newDemo(a, s, c.Verbose)
	if err != nil {
		return errors.Join(err, s.close())
	}
	ctx, cancel := context.WithCancel(a.ctx)
	stopped := make(chan error, 1)
	go func() {
		if !c.Once {
			d.pace = 700 * time.Millisecond
		}
		err := d.play(ctx)
		if err == nil && !c.Once {
			d.invite()
			<-ctx.Done()
		}
		stopped <- err
	}()
	select {
	case err = <-stopped:
	case <-signals:
		cancel()
		err = <-stopped
		if errors.Is(err, context.Canceled) {
			err = nil
		}
	}
	cancel()
	return errors.Join(err, d.remove(), s.close())
}

// freeIfTaken returns the address, or the same host with a free port if somebody listens there.
func freeIfTaken(address string) string {
	l, err := net.Listen("tcp", address)
	if err == nil {
		_ = l.Close()
		return address
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return net.JoinHostPort(host, "0")
}

// demo is the seeded organisation, its agent, and Twilio.
type demo struct {
	app      *app
	sidecar  *sidecar
	store    *org.Store
	org      org.Org
	number   phone.Number
	runtime  *simulate.Runtime
	twilio   *simulate.Twilio
	stranger string
	token    string        // path of the file with the auth token
	pace     time.Duration // before each thing a caller says, so that one can follow
	failures int
}

// newDemo seeds an organisation of its own, so that demos neither meet one another nor anybody's
// data.
func newDemo(a *app, s *sidecar, verbose bool) (*demo, error) {
	printer := simulate.NewPrinter(a.out)
	printer.Verbose = verbose
	d := &demo{app: a, sidecar: s, store: org.NewStore(s.db.Pool)}
	var err error
	if d.runtime, err = simulate.StartRuntime(simulate.RuntimeOptions{Behaviour: simulate.Receptionist, Observe: printer.Print}); err != nil {
		return nil, err
	}
	token := strings.ToLower(rand.Text())
	d.twilio = &simulate.Twilio{BaseURL: localURL(s.public), AccountSID: simulate.NewSID("AC"), AuthToken: token, Observe: printer.Print}
	if err := d.seed(a.ctx); err != nil {
		d.runtime.Close()
		return nil, err
	}
	d.token = filepath.Join(a.config.DataDir, "demo-auth-token."+string(d.org.ID[:8]))
	if err := os.WriteFile(d.token, []byte(token+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("write the demo's auth token: %w", err), d.remove())
	}
	return d, nil
}

func (d *demo) seed(ctx context.Context) (err error) {
	if d.org, err = d.store.CreateOrg(ctx, org.Org{Name: "Acme (demo)", Country: "US"}); err != nil {
		return err
	}
	voiceAgent, err := d.store.CreateAgent(ctx, org.Agent{OrgID: d.org.ID, Name: "Reception", Greeting: demoGreeting,
		RuntimeURL: d.runtime.URL(), KeepTranscript: true})
	if err != nil {
		return err
	}
	if err := d.connectNumber(ctx, voiceAgent); err != nil {
		return err
	}
	for _, person := range []contacts.Draft{
		{Name: "Alex Chen", Phone: "+14155551200", Email: "alex@acme.io", Tags: []string{"vip"}, Notes: "Prefers morning calls"},
		{Name: "Jamie Lee", Phone: "+12025550133"},
	} {
		if _, err := d.sidecar.book.Add(ctx, d.org, person); err != nil {
			return err
		}
	}
	_, err = d.sidecar.book.AddCampaignPerson(ctx, d.org, contacts.CampaignPerson{Campaign: demoCampaign, Name: "Maria Gomez", Phone: mariaPhone,
		Notes: "Asked for the yearly price", CalledAt: time.Now().Add(-72 * time.Hour)})
	d.stranger = "+1206" + fictional()
	return err
}

// connectNumber takes a number that no other demo on this database has.
func (d *demo) connectNumber(ctx context.Context, a org.Agent) error {
	for candidate := "+12125550199"; ; candidate = "+1212" + fictional() {
		n := org.Number{OrgID: d.org.ID, Phone: phone.Number(candidate), AgentID: a.ID, AccountSID: d.twilio.AccountSID}
		added, err := d.store.AddNumber(ctx, n, d.twilio.AuthToken)
		if p, ok := errors.AsType[*problem.Error](err); ok && p.Code == problem.CodeConflict && ctx.Err() == nil {
			continue
		}
		d.number = added.Phone
		return err
	}
}

// fictional returns the last seven digits of a North American number kept for fiction: 555-0100 to
// 555-0199.
func fictional() string {
	n, err := rand.Int(rand.Reader, big.NewInt(100))
	if err != nil { // never: crypto/rand
		return "5550100"
	}
	return fmt.Sprintf("55501%02d", n)
}

// remove deletes what the demo made.
func (d *demo) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	d.runtime.Close()
	err := errors.Join(d.sidecar.quiesce(), d.store.Delete(ctx, d.org.ID))
	if d.token != "" {
		err = errors.Join(err, os.Remove(d.token))
	}
	return err
}

// invite tells how to go on by hand.
func (d *demo) invite() {
	fmt.Fprintf(d.app.out, `
The sidecar stays up: %s (operations: %s). Place a call yourself, from another terminal:

  bin/ringside simulate call --from +14155551200 --to %s --url %s \
    --account-sid %s --auth-token-file %s --say "What do you know about me?"

Ctrl-C ends the demo and removes what it made.
`, localURL(d.sidecar.public), localURL(d.sidecar.ops), d.number, localURL(d.sidecar.public), d.twilio.AccountSID, d.token)
}
