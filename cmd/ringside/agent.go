package main

import (
	"context"
	"fmt"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/twilio"
	"ringside/recognize"
)

type agentCommands struct {
	Create agentCreate `cmd:"" help:"Create a voice agent."`
	List   agentList   `cmd:"" help:"List an organisation's voice agents."`
}

type agentCreate struct {
	orgFlag
	Name              string            `required:"" help:"What it is called."`
	Greeting          string            `required:"" help:"What callers hear first. {{NAME}}, {{FIRST_NAME}} and {{NAME|there}} become the caller's name; without a name they vanish with the comma and space around them."`
	UnknownGreeting   string            `help:"What callers without a name hear instead."`
	RuntimeURL        string            `name:"runtime-url" required:"" help:"Where your agent program takes WebSocket connections." placeholder:"ws://localhost:9000/agent"`
	RuntimeSecretFile string            `help:"A file with the secret to send to your agent program as Authorization: Bearer." type:"path" placeholder:"FILE"`
	Transport         string            `default:"conversationrelay" help:"How Twilio carries the call: conversationrelay."`
	Language          string            `default:"en-US" help:"The language that is spoken and understood."`
	MinAttestation    string            `help:"The lowest STIR/SHAKEN attestation at which a caller is recognised: A, B or C."`
	FallbackNumber    string            `help:"Dialled when your agent program cannot be reached or hands over." placeholder:"+12125550123"`
	Apology           string            `help:"Said before hanging up when your agent program cannot be reached and there is no fallback number."`
	NoTranscript      bool              `help:"Do not keep what is said."`
	Set               map[string]string `help:"A ConversationRelay attribute, such as voice=… or dtmfDetection=true; may be repeated." placeholder:"NAME=VALUE" mapsep:"none"`
	jsonFlag
}

func (c *agentCreate) Run(a *app) error {
	agent := org.Agent{Name: c.Name, Greeting: c.Greeting, UnknownGreeting: c.UnknownGreeting, RuntimeURL: c.RuntimeURL, Transport: c.Transport,
		Language: c.Language, MinAttestation: c.MinAttestation, Apology: c.Apology, KeepTranscript: !c.NoTranscript, RelaySettings: c.Set}
	for _, greeting := range []struct{ field, text string }{{"greeting", c.Greeting}, {"unknown_greeting", c.UnknownGreeting}} {
		if _, err := recognize.ParseGreeting(greeting.text); err != nil {
			return problem.Invalid(greeting.field, "%s", err)
		}
	}
	if err := twilio.CheckRelaySettings(c.Set); err != nil {
		return err
	}
	if c.RuntimeSecretFile != "" {
		secret, err := readSecretFile("runtime_secret", c.RuntimeSecretFile)
		if err != nil {
			return err
		}
		agent.RuntimeSecret = secret
	}
	return a.withDatabase(func(ctx context.Context, db *database) error {
		store := org.NewStore(db.Pool)
		o, err := c.find(ctx, store)
		if err != nil {
			return err
		}
		agent.OrgID = o.ID
		if c.FallbackNumber != "" {
			if agent.FallbackNumber, err = phone.Parse(c.FallbackNumber, o.Country); err != nil {
				return problem.Invalid("fallback_number", "%s", err)
			}
		}
		created, err := store.CreateAgent(ctx, agent)
		if err != nil {
			return err
		}
		return c.print(a, created, "Created the voice agent %s: %s\nNext: `ringside number add +1… --org %s --agent %s --account-sid AC… --auth-token-file FILE`",
			created.Name, created.ID, o.ID, created.ID)
	})
}

type agentList struct {
	orgFlag
	jsonFlag
}

func (c *agentList) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		store := org.NewStore(db.Pool)
		o, err := c.find(ctx, store)
		if err != nil {
			return err
		}
		agents, err := store.Agents(ctx, o.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(a, map[string]any{"agents": agents})
		}
		for _, agent := range agents {
			fmt.Fprintf(a.out, "%s  %s  %q\n", agent.ID, agent.Name, agent.Greeting)
		}
		return nil
	})
}
