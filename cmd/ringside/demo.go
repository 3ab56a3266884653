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
	"syscall"
	"time"

	"ringside/contacts"
	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/simulate"
	"ringside/internal/simulate/restapi"
)

type demoCommand struct {
	Once    bool `help:"Exit after the calls; non-zero if anything went wrong."`
	Verbose bool `short:"v" help:"Show everything that is on the wire."`
}

func (c *demoCommand) Help() string {
	return "Starts a sidecar with an organisation of its own, a built-in agent and a stand-in for Twilio, and plays calls, messages and a campaign's call over the real wire. " +
		"Then it stays up until Ctrl-C, so that you can place calls yourself with `ringside simulate call`. What it made is removed at the end."
}

// The people of the demo. Their numbers are from the range kept for fiction.
const (
	demoCampaign = "Spring offer"
	alexPhone    = "+14155551200"
	mariaPhone   = "+13125550142"
	demoGreeting = "Hello {{NAME}}, this is Acme. How can I help you?"
)

func (c *demoCommand) Run(a *app) (err error) {
	ctx, stop := untilSignal(a.ctx)
	defer stop()
	a.config.PublicURL = ""                                    // Twilio is simulated on this machine
	a.config.DataDir = filepath.Join(a.config.DataDir, "demo") // apart from anybody's data
	exchange, err := openDemoTwilio()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, exchange.close()) }()
	a.config.TwilioAPIURL = exchange.url
	s, err := bind(a.config, a.log, listenNearby)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.demo = &demoPage{opened: make(chan struct{})}
	err = s.start(ctx)
	if ctx.Err() != nil {
		return stoppedEarly(ctx)
	}
	if err != nil {
		return err
	}
	d, err := newDemo(ctx, a, s, exchange, c.Verbose)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	if c.Once {
		return d.play(ctx)
	}
	d.pace = 700 * time.Millisecond
	if err := d.welcome(ctx); err != nil {
		return err
	}
	err = d.play(ctx)
	if ctx.Err() != nil {
		return nil // Ctrl-C is how this demo ends
	}
	// What went wrong was said; the dashboard shows more of it.
	d.invite()
	<-ctx.Done()
	return err
}

// listenNearby takes the address, or the same host with a free port if somebody listens there.
func listenNearby(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return net.Listen("tcp", net.JoinHostPort(host, "0"))
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
	exchange *demoTwilio
	mail     *simulate.Correspondent // answers messages
	stranger string
	token    string        // path of the file with the auth token
	pace     time.Duration // before each thing a caller says, so that one can follow
	failures int
}

// newDemo seeds an organisation of its own, so that demos neither meet one another nor anybody's
// data. What a failure leaves is removed.
func newDemo(ctx context.Context, a *app, s *sidecar, exchange *demoTwilio, verbose bool) (_ *demo, err error) {
	printer := simulate.NewPrinter(a.out)
	printer.Verbose = verbose
	observe := func(e simulate.Event) {
		printer.Print(e)
		s.demo.told(e)
	}
	exchange.watch(observe)
	d := &demo{app: a, sidecar: s, store: org.NewStore(s.db.Pool).WithKeys(s.keys), exchange: exchange}
	if d.runtime, err = simulate.StartRuntime(simulate.RuntimeOptions{Behaviour: simulate.Receptionist, Observe: observe}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.remove())
		}
	}()
	d.twilio = &simulate.Twilio{BaseURL: localURL(s.public), AccountSID: exchange.account, AuthToken: exchange.token, Observe: observe}
	if err := d.seed(ctx); err != nil {
		return nil, err
	}
	if err := d.correspond(ctx, observe); err != nil {
		return nil, err
	}
	exchange.api.AddNumber(restapi.Number{AccountSID: exchange.account, Phone: string(d.number)})
	path := filepath.Join(a.config.DataDir, "demo-auth-token."+string(d.org.ID[:8]))
	if err := errors.Join(os.MkdirAll(a.config.DataDir, 0o755), os.WriteFile(path, []byte(exchange.token+"\n"), 0o600)); err != nil {
		return nil, fmt.Errorf("write the demo's auth token: %w", err)
	}
	d.token = path
	s.demo.open(d)
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
		{Name: "Alex Chen", Phone: alexPhone, Email: "alex@acme.io", Tags: []string{"vip"}, Notes: "Prefers morning calls"},
		{Name: "Jamie Lee", Phone: jamiePhone},
	} {
		if _, err := d.sidecar.book.Add(ctx, d.org, person); err != nil {
			return err
		}
	}
	_, err = d.sidecar.book.AddCampaignPerson(ctx, d.org, contacts.CampaignPerson{Campaign: demoCampaign, Name: "Maria Gomez", Phone: mariaPhone,
		Notes: "Asked for the yearly price", CalledAt: time.Now().Add(-72 * time.Hour)})
	if err != nil {
		return err
	}
	d.stranger = "+1206" + fictional()
	// Postgres announces the number as well, but the first call comes at once.
	return d.sidecar.lines.Load(ctx)
}

// connectNumber takes a number that no other demo on this database has.
func (d *demo) connectNumber(ctx context.Context, a org.Agent) error {
	n := org.Number{OrgID: d.org.ID, Phone: "+12125550199", AgentID: a.ID, AccountSID: d.twilio.AccountSID}
	for range 500 { // of a hundred numbers
		added, err := d.store.AddNumber(ctx, n, d.twilio.AuthToken)
		if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != problem.CodeConflict {
			d.number = added.Phone
			return err
		}
		n.Phone = phone.Number("+1212" + fictional())
	}
	return errors.New("every number that a demo may use is taken in this database: remove the organisations named \"Acme (demo)\" that killed demos have left")
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
	if d.mail != nil {
		d.mail.Close()
	}
	d.runtime.Close()
	err := d.sidecar.quiesce()
	if d.org.ID != "" {
		err = errors.Join(err, d.store.Delete(ctx, d.org.ID))
	}
	if d.token != "" {
		err = errors.Join(err, os.Remove(d.token))
	}
	return err
}

// welcome tells where the demo's pages are. The link signs in whoever opens it, on this machine.
func (d *demo) welcome(ctx context.Context) error {
	token, err := member.NewStore(d.sidecar.db.Pool).CreateDemo(ctx, d.org.ID)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.app.out, "\nThe dashboard, signed in to the demo's organisation:\n\n  %s/welcome/%s\n\n", localURL(d.sidecar.public), token)
	return nil
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
