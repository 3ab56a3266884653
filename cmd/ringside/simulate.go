package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/simulate"
)

type simulateCommands struct {
	Call     simulateCall     `cmd:"" help:"Place a call as Twilio would, and show the conversation as it happens."`
	SMS      simulateSMS      `cmd:"" name:"sms" help:"Send a message as Twilio would, and show what comes back."`
	Stream   simulateStream   `cmd:"" help:"Place a call whose sound goes to the agent (Media Streams), and show what is on its socket."`
	Outbound simulateOutbound `cmd:"" help:"Have the sidecar place a call, stand in for Twilio's REST API, and play whoever is called."`
}

// simulated are the settings of whatever is simulated: who it is from and to, and where the sidecar is.
type simulated struct {
	From          string `required:"" help:"Who calls or writes, as Twilio would send it: +14155551200, anonymous, client:…, whatsapp:+…" placeholder:"+14155551200"`
	To            string `required:"" help:"The number of yours that it goes to." placeholder:"+12125550199"`
	URL           string `name:"url" required:"" help:"The sidecar." placeholder:"http://127.0.0.1:8080"`
	PublicURL     string `name:"public-url" help:"What the sidecar has as RINGSIDE_PUBLIC_URL, which is what gets signed; default RINGSIDE_PUBLIC_URL, else the same as --url." placeholder:"https://…"`
	AuthTokenFile string `type:"path" help:"A file with the account's auth token; default TWILIO_AUTH_TOKEN." placeholder:"FILE"`
	AccountSID    string `name:"account-sid" help:"The account that owns the number; default TWILIO_ACCOUNT_SID, else looked up in the database." placeholder:"AC…"`
	Verbose       bool   `short:"v" help:"Show everything that is on the wire."`
	jsonFlag
}

type simulateCall struct {
	simulated
	Say         []string `help:"What the caller says; may be repeated." sep:"none"`
	Press       string   `help:"Digits that the caller presses after speaking." placeholder:"1234#"`
	Attestation string   `help:"The call's StirVerstat." placeholder:"TN-Validation-Passed-A"`
	CallerName  string   `help:"The caller name that a carrier look-up gave."`
}

type simulateSMS struct {
	simulated
	Text  string   `help:"What the message says." placeholder:"Hello"`
	Media []string `help:"The address of a picture that comes along; may be repeated." sep:"none" placeholder:"https://…"`
}

// sampleAccount is the made-up account of the documentation's examples.
const sampleAccount = "AC00000000000000000000000000000001"

// twilio is the account that simulates, or what is wrong with the settings.
func (c *simulated) twilio(a *app) (*simulate.Twilio, error) {
	base, err := baseURL(c.URL)
	if err != nil {
		return nil, err
	}
	token := string(a.config.TwilioAuthToken)
	if c.AuthTokenFile != "" {
		if token, err = readSecretFile("auth_token_file", c.AuthTokenFile); err != nil {
			return nil, err
		}
	}
	if token == "" {
		return nil, problem.Invalid("auth_token_file", "Give the account's auth token in a file, or in TWILIO_AUTH_TOKEN: the sidecar refuses what is not signed.")
	}
	account, err := c.account(a)
	if err != nil {
		return nil, err
	}
	t := &simulate.Twilio{BaseURL: base, PublicURL: cmp.Or(c.PublicURL, a.config.PublicURL), AccountSID: account, AuthToken: token}
	if !c.JSON {
		printer := simulate.NewPrinter(a.out)
		printer.Verbose = c.Verbose
		t.Observe = printer.Print
	}
	return t, nil
}

// wentWrong says what to do about what Twilio could not use.
func wentWrong(t *simulate.Twilio, what string, err error) error {
	if simulate.Refused(err) {
		return problem.New(problem.CodeForbidden, "The sidecar refused the signature. Check the auth token, the account (%s), and that --public-url (%s) is what the sidecar has as RINGSIDE_PUBLIC_URL; see docs/twilio.md.",
			t.AccountSID, cmp.Or(t.PublicURL, t.BaseURL))
	}
	return fmt.Errorf("the %s went wrong: %w", what, err)
}

func (c *simulateCall) Run(a *app) error {
	ctx, stop := untilSignal(a.ctx)
	defer stop()
	twilio, err := c.twilio(a)
	if err != nil {
		return err
	}
	outcome, err := twilio.Place(ctx, simulate.Call{From: c.From, To: c.To, StirVerstat: c.Attestation, CallerName: c.CallerName, Script: c.script()})
	if c.JSON && outcome != nil {
		if printErr := printJSON(a, outcome); printErr != nil {
			return printErr
		}
	}
	if err != nil {
		return wentWrong(twilio, "call", err)
	}
	if !c.JSON {
		fmt.Fprintf(a.out, "\nThe call was %s.\n", outcome.CallSID)
	}
	return nil
}

type simulateStream struct {
	simulated
	Talk        time.Duration `default:"2s" help:"How long the caller stays on the line, in silence."`
	Press       string        `help:"Digits that the caller presses." placeholder:"12#"`
	Attestation string        `help:"The call's StirVerstat." placeholder:"TN-Validation-Passed-A"`
	CallerName  string        `help:"The caller name that a carrier look-up gave."`
}

func (c *simulateStream) Run(a *app) error {
	ctx, stop := untilSignal(a.ctx)
	defer stop()
	if c.Talk < 0 || c.Talk > time.Hour {
		return problem.Invalid("talk", "A simulated call takes up to an hour.")
	}
	twilio, err := c.twilio(a)
	if err != nil {
		return err
	}
	outcome, err := twilio.Place(ctx, simulate.Call{From: c.From, To: c.To, StirVerstat: c.Attestation, CallerName: c.CallerName, Talk: c.Talk, Digits: c.Press})
	if c.JSON && outcome != nil {
		if printErr := printJSON(a, outcome); printErr != nil {
			return printErr
		}
	}
	if err != nil {
		return wentWrong(twilio, "call", err)
	}
	if len(outcome.Streams) == 0 {
		return problem.New(problem.CodeConflict, "The call was answered without a stream: the voice agent's transport is another one. `ringside agent create --transport stream` makes one for Media Streams.")
	}
	if !c.JSON {
		fmt.Fprintf(a.out, "\nThe call was %s.\n", outcome.CallSID)
	}
	return nil
}

func (c *simulateSMS) Run(a *app) error {
	ctx, stop := untilSignal(a.ctx)
	defer stop()
	twilio, err := c.twilio(a)
	if err != nil {
		return err
	}
	receipt, err := twilio.Send(ctx, simulate.Text{From: c.From, To: c.To, Body: c.Text, Media: c.Media})
	if c.JSON && receipt != nil {
		if printErr := printJSON(a, receipt); printErr != nil {
			return printErr
		}
	}
	if err != nil {
		return wentWrong(twilio, "message", err)
	}
	if !c.JSON {
		fmt.Fprintf(a.out, "\nThe message was %s.\n", receipt.MessageSID)
	}
	return nil
}

func (c *simulateCall) script() []simulate.Step {
	var script []simulate.Step
	for _, text := range c.Say {
		script = append(script, simulate.Say(text))
	}
	if c.Press != "" {
		script = append(script, simulate.Press(c.Press))
	}
	return script
}

// baseURL accepts the sidecar's address with or without the webhook's path.
func baseURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", problem.Invalid("url", "%q is not the sidecar's address: write it like http://127.0.0.1:8080.", raw)
	}
	return strings.TrimSuffix(strings.TrimSuffix(u.Scheme+"://"+u.Host+u.Path, "/twilio/voice"), "/"), nil
}

// account finds whose number is called: given, or in the database if there is one here.
func (c *simulated) account(a *app) (string, error) {
	if given := cmp.Or(c.AccountSID, a.config.TwilioAccountSID); given != "" {
		return given, nil
	}
	n, ok := phone.Strict(c.To)
	if !ok || !a.hasDatabase() {
		fmt.Fprintf(a.err, "ringside: no --account-sid given; using %s\n", sampleAccount)
		return sampleAccount, nil
	}
	account := sampleAccount
	err := a.withDatabase(func(ctx context.Context, db *database) error {
		found, err := org.NewStore(db.Pool).AccountOf(ctx, n)
		if err == nil {
			account = found
		}
		if p, ok := errors.AsType[*problem.Error](err); ok && p.Code == problem.CodeNotFound {
			fmt.Fprintf(a.err, "ringside: %s Using account %s.\n", p.Detail, sampleAccount)
			return nil
		}
		return err
	})
	return account, err
}

// hasDatabase reports whether a database is set, or a private one exists already.
func (a *app) hasDatabase() bool {
	if a.config.DatabaseURL != "" {
		return true
	}
	for _, name := range []string{"postgres", "postgres.location"} {
		if _, err := os.Stat(filepath.Join(a.config.DataDir, name)); err == nil {
			return true
		}
	}
	return false
}
