package main

import (
	"context"
	"errors"
	"fmt"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/twilio"
	"ringside/recognize"
	"ringside/voice"
)

type agentCommands struct {
	Create agentCreate `cmd:"" help:"Create a voice agent."`
	List   agentList   `cmd:"" help:"List an organisation's voice agents."`
	Test   agentTest   `cmd:"" help:"Connect to a voice agent's program as a call would, and say what was found."`
}

type agentCreate struct {
	orgFlag
	Name              string            `required:"" help:"What it is called."`
	Greeting          string            `required:"" help:"What callers hear first. {{NAME}}, {{FIRST_NAME}} and {{NAME|there}} become the caller's name; without a name they vanish with the comma and space around them."`
	UnknownGreeting   string            `help:"What callers without a name hear instead."`
	RuntimeURL        string            `name:"runtime-url" required:"" help:"Where your agent program takes WebSocket connections." placeholder:"ws://localhost:9000/agent"`
	RuntimeSecretFile string            `help:"A file with the secret to send to your agent program as Authorization: Bearer." type:"path" placeholder:"FILE"`
	Transport         string            `default:"conversationrelay" help:"How Twilio carries the call: conversationrelay, as text; stream, as sound (Media Streams); or direct, as sound from Twilio straight to your program."`
	Language          string            `default:"en-US" help:"The language that is spoken and understood."`
	MinAttestation    string            `help:"The lowest STIR/SHAKEN attestation at which a caller is recognised: A, B or C."`
	FallbackNumber    string            `help:"Dialled when your agent program cannot be reached or hands over." placeholder:"+12125550123"`
	Apology           string            `help:"Said before hanging up when your agent program cannot be reached and there is no fallback number."`
	NoTranscript      bool              `help:"Do not keep what is said."`
	Tell              []string          `help:"What the agent may be told of a caller: name, email, tags, notes, campaign, history; default: all of it." placeholder:"DETAIL,…"`
	Set               map[string]string `help:"A ConversationRelay attribute, such as voice=… or dtmfDetection=true; may be repeated." placeholder:"NAME=VALUE" mapsep:"none"`
	jsonFlag
}

func (c *agentCreate) Run(a *app) error {
	agent := org.Agent{Name: c.Name, Greeting: c.Greeting, UnknownGreeting: c.UnknownGreeting, RuntimeURL: c.RuntimeURL, Transport: c.Transport,
		Language: c.Language, MinAttestation: c.MinAttestation, Apology: c.Apology, KeepTranscript: !c.NoTranscript, RelaySettings: c.Set}
	for _, detail := range c.Tell {
		agent.Tell = append(agent.Tell, org.Detail(detail))
	}
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
		if agent.RuntimeSecret != "" {
			var err error
			if store, err = db.orgs(ctx, a.config); err != nil {
				return err
			}
		}
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
		ofGreeting, ofUnknown := recognize.CheckGreetings(created.Greeting, created.UnknownGreeting)
		for _, advice := range append(ofGreeting, ofUnknown...) {
			fmt.Fprintln(a.err, advice.Text)
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

type agentTest struct {
	ID string `arg:"" help:"The voice agent's id, as agent list shows it."`
	orgFlag
	jsonFlag
}

// probeReport is the command's JSON.
type probeReport struct {
	OK    bool        `json:"ok"`
	Text  string      `json:"text"`
	Steps []probeStep `json:"steps"`
}

type probeStep struct {
	Name   string `json:"name"`
	Micros int64  `json:"micros"`
	Failed string `json:"failed,omitempty"`
}

func (c *agentTest) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		store, err := db.orgs(ctx, a.config)
		if err != nil {
			return err
		}
		o, err := c.find(ctx, store)
		if err != nil {
			return err
		}
		agent, err := store.Agent(ctx, o.ID, c.ID)
		if err != nil {
			return err
		}
		return c.report(a, voice.ProbeRuntime(ctx, a.config.Runtimes(), &agent))
	})
}

// report prints what was found; what went wrong ends the command with an error.
func (c *agentTest) report(a *app, p voice.Probe) error {
	report := probeReport{OK: p.OK, Text: p.Text, Steps: []probeStep{}}
	for _, step := range p.Steps {
		report.Steps = append(report.Steps, probeStep{step.Name, step.Took.Microseconds(), step.Failed})
	}
	if c.JSON {
		if err := printJSON(a, report); err != nil || p.OK {
			return err
		}
		return errors.New("the agent program cannot be used as it is")
	}
	for _, step := range p.Steps {
		state := "ok"
		if step.Failed != "" {
			state = "failed"
		}
		fmt.Fprintf(a.out, "  %-18s %-6s %7.1f ms\n", step.Name, state, float64(step.Took.Microseconds())/1000)
	}
	if !p.OK {
		return problem.New(problem.CodeUnavailable, "%s", p.Text)
	}
	_, err := fmt.Fprintln(a.out, p.Text)
	return err
}
