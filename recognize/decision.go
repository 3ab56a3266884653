package recognize

import (
	"context"
	"time"

	"ringside/internal/org"
	"ringside/internal/phone"
)

// Call is what is known of a call when it comes in.
type Call struct {
	SID         string
	Org         *org.Org
	Agent       *org.Agent
	Party       phone.Address // the other party, as Twilio named it
	Own         bool          // the party is one of the organisation's own numbers
	Attestation string        // Twilio's StirVerstat; "" outside its reach
	// Judged is an earlier verdict on whether the number may be trusted, for a call whose
	// attestation is not known any more; nil judges by Attestation.
	Judged *bool
	At     time.Time // when the call began: history ends before it
	// Context is why the organisation has placed the call, for the agent.
	Context string
	// Greeting is a campaign's own, said in the place of the agent's; "" is the agent's. Variables are
	// what the campaign knows of this person, for it.
	Greeting  string
	Variables map[string]string
	// Hurried: more come in than can be looked up.
	Hurried bool
}

// Decision is what was decided about a call's caller, once: a repeated or fallback webhook gets the
// same answer, byte for byte, whatever has changed meanwhile.
type Decision struct {
	CallSID   string       `json:"call_sid"`
	OrgID     org.ID       `json:"org_id"`
	AgentID   string       `json:"agent_id"`
	Number    phone.Number `json:"number,omitempty"` // the caller's, if it is a person's number
	ContactID string       `json:"contact_id,omitempty"`
	At        time.Time    `json:"at"`
	Caller    Caller       `json:"caller"`
	Greeting  string       `json:"greeting"`
	// Trusted is false if the caller's number failed verification or lies below the agent's
	// threshold: nothing of this call goes into somebody's history or over their details.
	Trusted bool `json:"trusted"`
	// Blocked: the caller is a contact whose calls are rejected.
	Blocked bool `json:"blocked,omitempty"`
	// OutOfTime: the look-up had not ended when the answer had to go out. See [Recognizer.Late].
	OutOfTime bool  `json:"out_of_time,omitempty"`
	Trace     Trace `json:"trace"`
	// Answer is the TwiML that went out, kept by the edge that rendered it.
	Answer []byte `json:"answer,omitempty"`
}

// Trace tells how a decision came about, for people.
type Trace struct {
	CallSID       string       `json:"call_sid"`
	At            time.Time    `json:"at"`
	Received      string       `json:"received"`         // the caller's address as Twilio sent it
	Class         phone.Class  `json:"class"`            // what kind of address that is
	Number        phone.Number `json:"number,omitempty"` // as read; "" if it is no person's number
	Attestation   string       `json:"attestation,omitempty"`
	Steps         []Step       `json:"steps"`
	TookMicros    int64        `json:"took_micros"`
	BudgetMS      int64        `json:"budget_ms"`
	OutOfTime     bool         `json:"out_of_time"`
	Known         bool         `json:"known"`
	Source        string       `json:"source,omitempty"`
	ContactID     string       `json:"contact_id,omitempty"`
	GreetedByName bool         `json:"greeted_by_name"`
	Rule          Rule         `json:"rule"` // what decided about the name
	Why           string       `json:"why"`  // the same as a sentence
	Told          []string     `json:"told"` // the fields that went to the agent
}

// Decisions keeps each call's decision, for all sidecars where they share a Redis. It never fails:
// a decision that cannot be shared is kept by this process.
type Decisions interface {
	// Claim keeps d unless the call has a decision already, and returns the one that holds.
	Claim(ctx context.Context, d *Decision) *Decision
	// Decided returns the call's decision, or nil.
	Decided(ctx context.Context, id org.ID, callSID string) *Decision
}

// DefaultBudget is how long a caller may wait for being recognised (RINGSIDE_RECOGNITION_BUDGET).
const DefaultBudget = 150 * time.Millisecond

// lateBudget bounds a look-up that goes on after its call was answered.
const lateBudget = 30 * time.Second

// Recognizer decides who is calling, within a budget of time.
type Recognizer struct {
	directory Directory
	budget    time.Duration
}

// NewRecognizer returns a recognizer that waits at most budget for the directory.
func NewRecognizer(d Directory, budget time.Duration) *Recognizer {
	return &Recognizer{directory: d, budget: budget}
}

// Decide looks the caller up and decides. It returns within the budget, however slow the directory
// is: out of time, the caller is unknown for now, and [Recognizer.Late] finds who it was.
func (r *Recognizer) Decide(ctx context.Context, call Call) *Decision {
	began := time.Now()
	verdict := judge(call)
	var finding Finding
	var err error
	switch {
	case verdict.lookUp && call.Hurried:
		verdict.rule = RuleOverloaded
	case verdict.lookUp:
		ctx, cancel := context.WithTimeout(ctx, r.budget)
		finding, err = r.directory.Find(ctx, call.Org.ID, call.Party.Number)
		cancel()
	}
	outOfTime := err != nil && time.Since(began) >= r.budget
	switch {
	case outOfTime:
		verdict.rule = RuleOutOfTime
	case err != nil:
		verdict.rule = RuleLookupFailed
	}
	d := settle(call, verdict, finding.Record)
	// A look-up that failed is worth another try as well, once the call is answered.
	d.OutOfTime = err != nil
	d.Caller.Provisional = verdict.lookUp && (err != nil || finding.Stale || call.Hurried)
	d.Trace.Steps = finding.Steps
	d.Trace.TookMicros = time.Since(began).Microseconds()
	d.Trace.BudgetMS = r.budget.Milliseconds()
	d.Trace.OutOfTime = outOfTime
	return d
}

// Late finds the caller of a provisional decision, for the agent that is already talking to them: told says whether
// it was told of somebody who may be out of date. ok is false if there is nothing to tell: the caller is unknown, as the
// agent thinks, or the look-up fails for good. It waits for Postgres up to half a minute.
func (r *Recognizer) Late(ctx context.Context, call Call, told bool) (d *Decision, ok bool) {
	verdict := judge(call)
	if !verdict.lookUp {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, lateBudget)
	defer cancel()
	wait := 100 * time.Millisecond
	for {
		finding, err := r.directory.Find(ctx, call.Org.ID, call.Party.Number)
		if err == nil && !(finding.Stale && told) {
			d := settle(call, verdict, finding.Record)
			d.Greeting, d.Caller.GreetedByName, d.Trace.GreetedByName = "", false, false // they have been greeted
			d.Caller.Provisional = finding.Stale
			d.Trace.Rule = RuleOutOfTime
			d.Trace.Why = RuleOutOfTime.sentence(d, call)
			d.Trace.Steps = finding.Steps
			return d, d.Caller.Known || told
		}
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(wait):
			wait = min(2*wait, 2*time.Second)
		}
	}
}
