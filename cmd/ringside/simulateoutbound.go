package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"ringside/internal/problem"
	"ringside/internal/simulate"
	"ringside/internal/simulate/restapi"
)

type simulateOutbound struct {
	To            string        `required:"" help:"Whom the sidecar calls." placeholder:"+14155551200"`
	From          string        `help:"The number of yours that they see; default one of the organisation's." placeholder:"+12125550199"`
	Context       string        `help:"Why they are called, for the voice agent."`
	Campaign      string        `help:"The id of the campaign whose call it is." placeholder:"ID"`
	URL           string        `name:"url" required:"" help:"The sidecar. It has to run with TWILIO_API_URL=http://ADDRESS, where ADDRESS is that of --api-listen." placeholder:"http://127.0.0.1:8080"`
	APIListen     string        `name:"api-listen" default:"127.0.0.1:8089" help:"Where Twilio's REST API is simulated for the sidecar."`
	KeyFile       string        `type:"path" required:"" help:"A file with an API key that may read and write." placeholder:"FILE"`
	AuthTokenFile string        `type:"path" help:"A file with the account's auth token; default TWILIO_AUTH_TOKEN." placeholder:"FILE"`
	AccountSID    string        `name:"account-sid" help:"The account that owns the number; default TWILIO_ACCOUNT_SID." placeholder:"AC…"`
	Result        string        `enum:"completed,busy,no-answer,failed,canceled" default:"completed" help:"What becomes of the call: completed, busy, no-answer, failed or canceled."`
	AnsweredBy    string        `help:"What machine detection says, where a campaign asks for it: human, machine_start or fax."`
	Rings         time.Duration `default:"1s" help:"How long it rings."`
	Say           []string      `help:"What they say; may be repeated." sep:"none"`
	Verbose       bool          `short:"v" help:"Show everything that is on the wire."`
	jsonFlag
}

// Help is what --help says beyond the sentence.
func (*simulateOutbound) Help() string {
	return "Stands in for Twilio's REST API, asks the sidecar to place a call (POST /v1/calls), and plays whoever is called. Start the sidecar with TWILIO_API_URL=http://127.0.0.1:8089 for it, so that nobody is really called."
}

func (c *simulateOutbound) Run(a *app) error {
	ctx, stop := untilSignal(a.ctx)
	defer stop()
	base, err := baseURL(c.URL)
	if err != nil {
		return err
	}
	key, err := readSecretFile("key_file", c.KeyFile)
	if err != nil {
		return err
	}
	token := string(a.config.TwilioAuthToken)
	if c.AuthTokenFile != "" {
		if token, err = readSecretFile("auth_token_file", c.AuthTokenFile); err != nil {
			return err
		}
	}
	account := cmp.Or(c.AccountSID, a.config.TwilioAccountSID)
	if token == "" || account == "" {
		return problem.Invalid("auth_token_file", "Give the account that owns the number and its auth token: --account-sid and --auth-token-file, or TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.")
	}
	listener, err := net.Listen("tcp", c.APIListen)
	if err != nil {
		return problem.Invalid("api_listen", "%s", err)
	}
	twilio := restapi.New(c.options(a, account, token, base))
	server := &http.Server{Handler: twilio, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // it ends with Close
	defer func() { _ = server.Close(); twilio.Close() }()
	placed, err := c.place(ctx, base, key)
	if err != nil {
		return err
	}
	if err := twilio.Idle(ctx); err != nil {
		return err
	}
	return c.report(a, placed, twilio)
}

func (c *simulateOutbound) options(a *app, account, token, base string) restapi.Options {
	var script []simulate.Step
	for _, text := range c.Say {
		script = append(script, simulate.Say(text))
	}
	o := restapi.Options{Accounts: map[string]string{account: token},
		Party: func(string) restapi.Party {
			return restapi.Party{Result: c.Result, AnsweredBy: c.AnsweredBy, Rings: c.Rings, Script: script}
		},
		Twilio: simulate.Twilio{BaseURL: base, PublicURL: a.config.PublicURL}}
	if !c.JSON {
		printer := simulate.NewPrinter(a.out)
		printer.Verbose = c.Verbose
		o.Twilio.Observe = printer.Print
	}
	return o
}

// placedCall is what the sidecar answers.
type placedCall struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	SID    string `json:"sid"`
	Detail string `json:"detail"` // of a problem
}

// place asks the sidecar for the call, and waits until Twilio has it.
func (c *simulateOutbound) place(ctx context.Context, base, key string) (placed placedCall, err error) {
	body, err := json.Marshal(map[string]string{"to": c.To, "from": c.From, "context": c.Context, "campaign_id": c.Campaign})
	if err != nil {
		return placed, err
	}
	if err := c.ask(ctx, http.MethodPost, base+"/v1/calls", key, body, &placed); err != nil {
		return placed, err
	}
	for wait := time.After(c.patience()); placed.State != "sent"; {
		select {
		case <-time.After(200 * time.Millisecond):
		case <-wait:
			return placed, fmt.Errorf("nobody has asked Twilio for the call: start the sidecar with TWILIO_API_URL=http://%s", c.APIListen)
		case <-ctx.Done():
			return placed, context.Cause(ctx)
		}
		if err := c.ask(ctx, http.MethodGet, base+"/v1/outgoing/"+placed.ID, key, nil, &placed); err != nil {
			return placed, err
		}
		if placed.State == "failed" {
			return placed, errors.New("the call was refused")
		}
	}
	return placed, nil
}

// patience is how long the sidecar may take to ask for the call.
func (*simulateOutbound) patience() time.Duration { return 20 * time.Second }

func (c *simulateOutbound) ask(ctx context.Context, method, at, key string, body []byte, answer *placedCall) error {
	request, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Ringside-Simulated", "true") // a sidecar that asks Twilio itself refuses
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask the sidecar for the call: %w", err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("ask the sidecar for the call: %w", err)
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("the sidecar answers %s, and nothing that can be read", response.Status)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return errors.New(cmp.Or(answer.Detail, "the sidecar answers "+response.Status))
	}
	return nil
}

// report tells how the call went.
func (c *simulateOutbound) report(a *app, placed placedCall, twilio *restapi.Server) error {
	for _, call := range twilio.Calls() {
		if call.SID != placed.SID {
			continue
		}
		if c.JSON {
			return printJSON(a, map[string]any{"id": placed.ID, "sid": call.SID, "status": call.Status, "outcome": call.Outcome})
		}
		_, err := fmt.Fprintf(a.out, "\nThe call was %s (%s): %s.\n", call.SID, placed.ID, call.Status)
		return err
	}
	return errors.New("the call was placed elsewhere: the sidecar's TWILIO_API_URL is another one")
}
