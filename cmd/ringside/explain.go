package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ringside/cache"
	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/recognize"
)

type explainCommand struct {
	Number string `arg:"" help:"The caller: as Twilio sends it (+14155551200, anonymous, client:…), or as a person writes it."`
	orgFlag
	To          string `help:"The number that is called, for its agent's greeting and threshold; default: the organisation's first agent." placeholder:"+12125550199"`
	Attestation string `help:"The StirVerstat that Twilio would send." placeholder:"TN-Validation-Passed-A"`
	jsonFlag
}

func (c *explainCommand) Help() string {
	return "Looks the caller up as a call would, without waiting for a call, and says what each tier answered, which rule decided about the name, and what the agent would be told. Near misses are hints only: recognition matches the whole number or nothing."
}

// explanation is the command's JSON.
type explanation struct {
	recognize.Trace
	Greeting   string              `json:"greeting"`
	Caller     recognize.Caller    `json:"caller"`
	NearMisses []contacts.NearMiss `json:"near_misses"`
}

func (c *explainCommand) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		o, err := c.find(ctx, org.NewStore(db.Pool))
		if err != nil {
			return err
		}
		e, err := c.explain(ctx, a, db, o)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(a, e)
		}
		e.write(a)
		return nil
	})
}

func (c *explainCommand) explain(ctx context.Context, a *app, db *database, o org.Org) (explanation, error) {
	lines := org.NewSwitchboard(db.Pool)
	if err := lines.Load(ctx); err != nil {
		return explanation{}, err
	}
	voiceAgent, err := c.agent(ctx, db, lines, o)
	if err != nil {
		return explanation{}, err
	}
	var directory recognize.Directory = recognize.NewDatabase(db.Pool)
	if a.config.RedisURL != "" {
		memory, err := cache.OpenRedis(string(a.config.RedisURL), a.log)
		if err != nil {
			return explanation{}, err
		}
		defer memory.Close()
		// Nothing is served from here, so what Redis holds is shown as a sidecar would take it.
		directory = cache.NewCallers(directory, memory, func() bool { return true })
	}
	call := recognize.Call{Org: &o, Agent: voiceAgent, Party: c.party(o.Country), Attestation: c.Attestation, At: time.Now()}
	call.Own = call.Party.Class == phone.ClassNumber && lines.Owns(o.ID, call.Party.Number)
	// No caller waits here: the look-up gets its time, so that the answer is the true one.
	d := recognize.NewRecognizer(directory, 10*time.Second).Decide(ctx, call)
	e := explanation{Trace: d.Trace, Greeting: d.Greeting, Caller: d.Caller, NearMisses: []contacts.NearMiss{}}
	if d.Number != "" && !d.Caller.Known {
		near, err := contacts.NewBook(db.Pool, contacts.NoFence{}).NearMisses(ctx, o.ID, d.Number)
		if err != nil {
			return explanation{}, err
		}
		e.NearMisses = append(e.NearMisses, near...)
	}
	return e, nil
}

// party reads the number as Twilio would send it, else as a person writes it.
func (c *explainCommand) party(country string) phone.Address {
	party := phone.Classify(c.Number)
	if party.Class == phone.ClassNumber || party.Class == phone.ClassWithheld || strings.Contains(c.Number, ":") {
		return party
	}
	if n, err := phone.Parse(c.Number, country); err == nil {
		read := phone.Classify(n.String())
		read.Raw = c.Number
		return read
	}
	return party
}

// agent returns the voice agent that a call would reach.
func (c *explainCommand) agent(ctx context.Context, db *database, lines *org.Switchboard, o org.Org) (*org.Agent, error) {
	if c.To != "" {
		n, err := phone.Parse(c.To, o.Country)
		if err != nil {
			return nil, problem.Invalid("to", "%s", err)
		}
		route := lines.Route(ctx, n)
		if route == nil || route.Org.ID != o.ID {
			return nil, problem.NotFound("The number %s leads to no voice agent of this organisation.", n)
		}
		return route.Agent, nil
	}
	agents, err := org.NewStore(db.Pool).Agents(ctx, o.ID)
	if err != nil {
		return nil, err
	}
	if len(agents) == 0 {
		return &org.Agent{Greeting: "Hello {{NAME}}!", Tell: org.Details()}, nil
	}
	return &agents[0], nil
}

// write prints the explanation for a person.
func (e *explanation) write(a *app) {
	fmt.Fprintln(a.out, e.Why)
	row := func(label, format string, args ...any) {
		fmt.Fprintf(a.out, "  %-12s %s\n", label, fmt.Sprintf(format, args...))
	}
	row("received", "%s (%s)", e.Received, e.Class)
	if e.Number != "" {
		row("read as", "%s", e.Number.Readable())
	}
	for _, step := range e.Steps {
		row(string(step.Tier), "%-24s %.2f ms", step.Outcome, float64(step.Micros)/1000)
	}
	row("rule", "%s", e.Rule)
	row("greeting", "%q", e.Greeting)
	told := "nothing"
	if len(e.Told) > 0 {
		told = strings.Join(e.Told, ", ")
	}
	row("agent told", "%s", told)
	for _, near := range e.NearMisses {
		row("near miss", "%s, %s, ends in the same digits but is another number", near.Name, near.Phone.Readable())
	}
}
