package outgoing

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// Limits of what is asked for, in characters.
const (
	MaxText    = 1600 // Twilio: messages.create, Body
	MaxContext = 2000
	maxKey     = 255
)

// OptOuts tells who wants no messages. Package ledger's Reader implements it.
type OptOuts interface {
	OptedOut(ctx context.Context, id org.ID, n phone.Number) (*time.Time, error)
}

// Desk takes what people and programs want sent, and refuses what must not be.
type Desk struct {
	Store   *Store
	Lines   *org.Switchboard
	Numbers *org.Store
	Book    *contacts.Book
	OptOuts OptOuts
	// Wake makes the dispatcher look at once.
	Wake func()
	// Patience is how long to wait for Twilio's answer before the item is returned as it is.
	Patience time.Duration
}

// CallRequest asks for a call.
type CallRequest struct {
	To, From string // From may be empty: a number that leads to the agent
	AgentID  string // who talks; "" is whoever From leads to
	Context  string // why they are called, for the agent
	Key      string // the same again is the same call
}

// MessageRequest asks for a message.
type MessageRequest struct {
	To, From  string // From may be empty: one of the organisation's numbers
	Text      string
	InReplyTo string
	Key       string
}

// Call places a call as soon as its number's turn comes, and returns what Twilio has said so far.
func (d *Desk) Call(ctx context.Context, o org.Org, r CallRequest) (*Item, error) {
	i, err := d.Prepare(ctx, o, r)
	if err != nil {
		return nil, err
	}
	return d.send(ctx, i)
}

// Prepare returns the call that is asked for, which is not kept yet, or says what is wrong with it.
func (d *Desk) Prepare(ctx context.Context, o org.Org, r CallRequest) (Item, error) {
	i := Item{OrgID: o.ID, Kind: KindCall, AgentID: r.AgentID, Context: strings.TrimSpace(r.Context), Key: r.Key}
	if utf8.RuneCountInString(i.Context) > MaxContext || !storable(i.Context) {
		return i, problem.Invalid("context", "What the agent is told has at most %d characters.", MaxContext)
	}
	if err := checkKey(i.Key); err != nil {
		return i, err
	}
	var err error
	if i.To, err = d.callee(ctx, o, r.To); err != nil {
		return i, err
	}
	line, err := d.Line(ctx, o, r.From, r.AgentID)
	i.From, i.AgentID = line.Phone, line.AgentID
	return i, err
}

// Message sends a message, and returns what Twilio has said so far.
func (d *Desk) Message(ctx context.Context, o org.Org, r MessageRequest) (*Item, error) {
	i := Item{OrgID: o.ID, Kind: KindMessage, Text: r.Text, InReply: r.InReplyTo, Key: r.Key}
	switch n := utf8.RuneCountInString(r.Text); {
	case strings.TrimSpace(r.Text) == "":
		return nil, problem.Invalid("text", "Write what the message says.")
	case n > MaxText:
		return nil, problem.Invalid("text", "A message has at most %d characters; this one has %d. Send it in parts.", MaxText, n)
	case !storable(r.Text):
		return nil, problem.Invalid("text", "The message is not valid text.")
	}
	var err error
	if i.To, err = d.callee(ctx, o, r.To); err != nil {
		return nil, err
	}
	if err := d.Wanted(ctx, o.ID, i.To); err != nil {
		return nil, err
	}
	line, err := d.Line(ctx, o, r.From, "")
	if err != nil {
		return nil, err
	}
	i.From = line.Phone
	return d.send(ctx, i)
}

// Wanted returns an opted-out problem if somebody has asked for no more messages.
func (d *Desk) Wanted(ctx context.Context, id org.ID, n phone.Number) error {
	at, err := d.OptOuts.OptedOut(ctx, id, n)
	if err != nil || at == nil {
		return err
	}
	p := problem.New(problem.CodeOptedOut, "They have asked for no more messages, on %s. They can take it back by writing START.", at.UTC().Format("2 January 2006"))
	p.Field = "to"
	return p
}

func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

// callee reads whom something is for, and refuses whom nothing must be sent to.
func (d *Desk) callee(ctx context.Context, o org.Org, to string) (phone.Number, error) {
	n, err := phone.Parse(to, o.Country)
	if err != nil {
		return "", problem.Invalid("to", "%s", err)
	}
	switch {
	case d.Lines.Owns(o.ID, n):
		return "", problem.Invalid("to", "%s is one of your own numbers.", n.Readable())
	case n.Premium():
		return "", problem.Invalid("to", "%s is a premium-rate number, which is never called or written to from here.", n.Readable())
	}
	c, err := d.Book.ByPhone(ctx, o.ID, n)
	if err != nil {
		return "", err
	}
	if c != nil && c.Blocked {
		p := problem.New(problem.CodeConflict, "%s is blocked. Take the block away on the contact's page first.", n.Readable())
		p.Field, p.ID = "to", c.ID
		return "", p
	}
	return n, nil
}

// Line finds the number of the organisation that something goes out from: from, or one that leads to the voice
// agent; without both, the first. What cannot be is a problem with the field.
func (d *Desk) Line(ctx context.Context, o org.Org, from, agentID string) (org.Connected, error) {
	numbers, err := d.Numbers.Numbers(ctx, o.ID)
	if err != nil {
		return org.Connected{}, err
	}
	var wanted phone.Number
	if from != "" {
		if wanted, err = phone.Parse(from, o.Country); err != nil {
			return org.Connected{}, problem.Invalid("from", "%s", err)
		}
	}
	for _, n := range numbers {
		switch {
		case wanted == "" && (agentID == "" || n.AgentID == agentID):
			return n, nil
		case wanted == "" || n.Phone != wanted:
		case agentID != "" && n.AgentID != agentID:
			return org.Connected{}, problem.Invalid("from", "%s leads to another voice agent, %s. Leave out one of from and agent_id.", wanted.Readable(), n.AgentName)
		default:
			return n, nil
		}
	}
	switch {
	case wanted != "":
		return org.Connected{}, problem.Invalid("from", "%s is not one of your numbers.", wanted.Readable())
	case agentID != "":
		return org.Connected{}, problem.Invalid("agent_id", "No phone number leads to the voice agent %s.", agentID)
	}
	return org.Connected{}, problem.Invalid("from", "No phone number is connected yet, which anything could go out from.")
}

// askEvery is how often it is looked whether Twilio has answered.
const askEvery = 30 * time.Millisecond

// send keeps an item, and waits for Twilio.
func (d *Desk) send(ctx context.Context, i Item) (*Item, error) {
	if err := checkKey(i.Key); err != nil {
		return nil, err
	}
	kept, _, err := d.Store.Add(ctx, i)
	if err != nil {
		return nil, err
	}
	return d.Await(ctx, kept)
}

func checkKey(key string) error {
	if len(key) > maxKey || !storable(key) {
		return problem.Invalid("key", "A key has at most %d bytes.", maxKey)
	}
	return nil
}

// Await waits a moment for what Twilio says of an item that is kept: an error if it is refused.
func (d *Desk) Await(ctx context.Context, kept *Item) (*Item, error) {
	d.Wake()
	within, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	for kept.State == Waiting && kept.Attempts == 0 || kept.State == Sending {
		select {
		case <-time.After(askEvery):
		case <-within.Done():
			return kept, nil
		}
		now, err := d.Store.Get(ctx, kept.OrgID, kept.ID)
		if err != nil {
			return kept, nil // it is kept, and will be sent
		}
		kept = now
	}
	if kept.State == Failed {
		return nil, &problem.Error{Code: kept.Code, Field: kept.Field(), Detail: kept.Problem, ID: kept.ID}
	}
	return kept, nil
}

// Field is the field that a failed item failed for, as far as its code tells.
func (i *Item) Field() string {
	if i.Code == problem.CodeOptedOut {
		return "to"
	}
	return ""
}
