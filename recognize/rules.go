package recognize

import (
	"fmt"
	"strings"

	"ringside/contacts"
	"ringside/internal/phone"
)

// Rule names what decided whether the caller was greeted by name. Rules are part of the API.
type Rule string

// The rules, each with its sentence in [Rule.sentence].
const (
	RuleContactName       Rule = "contact_name"
	RuleCampaignName      Rule = "campaign_name"
	RuleNoRealName        Rule = "no_real_name"
	RuleNotByName         Rule = "not_by_name" // the contact does not want to be
	RuleBlocked           Rule = "blocked"
	RuleNoPlaceForName    Rule = "greeting_without_name"
	RuleUnknownNumber     Rule = "unknown_number"
	RuleNotANumber        Rule = "not_a_persons_number"
	RuleOwnNumber         Rule = "own_number"
	RuleAttestationFailed Rule = "attestation_failed"
	RuleAttestationBelow  Rule = "attestation_below_threshold"
	RuleOutOfTime         Rule = "out_of_time"
	RuleLookupFailed      Rule = "lookup_failed"
	RuleOverloaded        Rule = "overloaded"
)

// verdict is what can be decided before anybody is looked up.
type verdict struct {
	lookUp  bool
	trusted bool
	rule    Rule // set where lookUp is false
}

// judge decides whether the caller may be looked up at all (rules 5 and 12).
func judge(call Call) verdict {
	if call.Party.Class != phone.ClassNumber {
		return verdict{rule: RuleNotANumber, trusted: true}
	}
	if call.Own {
		return verdict{rule: RuleOwnNumber, trusted: true}
	}
	if call.Judged != nil {
		if !*call.Judged {
			return verdict{rule: RuleAttestationFailed}
		}
		return verdict{lookUp: true, trusted: true}
	}
	level, failed := attestation(call.Attestation)
	switch {
	case failed:
		return verdict{rule: RuleAttestationFailed}
	case level < levelOf(call.Agent.MinAttestation):
		return verdict{rule: RuleAttestationBelow}
	}
	return verdict{lookUp: true, trusted: true}
}

// attestation reads Twilio's StirVerstat: 3 for A (the carrier vouches for the number), 2 for B, 1
// for C, 0 for nothing to verify. A suffix such as "-Diverted" changes nothing.
func attestation(verstat string) (level int, failed bool) {
	if strings.HasPrefix(verstat, "TN-Validation-Failed") {
		return 0, true
	}
	passed, ok := strings.CutPrefix(verstat, "TN-Validation-Passed-")
	if !ok {
		return 0, false
	}
	letter, _, _ := strings.Cut(passed, "-")
	return levelOf(letter), false
}

func levelOf(letter string) int {
	switch letter {
	case "A":
		return 3
	case "B":
		return 2
	case "C":
		return 1
	}
	return 0
}

// settle turns a verdict and what was found into the decision.
func settle(call Call, v verdict, record *Record) *Decision {
	d := &Decision{
		CallSID: call.SID, OrgID: call.Org.ID, AgentID: call.Agent.ID, At: call.At, Trusted: v.trusted,
		Caller: Unknown(),
		Trace: Trace{CallSID: call.SID, At: call.At, Received: received(call.Party.Raw), Class: call.Party.Class, Number: call.Party.Number,
			Attestation: clean(call.Attestation, maxQuoted), Rule: v.rule, Told: []string{}},
	}
	if call.Party.Class == phone.ClassNumber && !call.Own {
		d.Number = call.Party.Number
	}
	switch {
	case v.rule != "":
	case !record.Known():
		d.Trace.Rule = RuleUnknownNumber
	case record.Contact != nil && record.Contact.Blocked:
		d.Trace.Rule, d.Blocked, d.ContactID = RuleBlocked, true, record.Contact.ID
	default:
		d.Caller = describe(record, call)
		d.Caller.Name, d.Trace.Rule = nameOf(record)
		if record.Contact != nil {
			d.ContactID = record.Contact.ID
		}
	}
	said := d.Caller.Name
	if said != "" && record.Contact != nil && record.Contact.Unnamed {
		said, d.Trace.Rule = "", RuleNotByName
	}
	d.greet(call, said)
	d.Trace.Known, d.Trace.Source, d.Trace.ContactID = d.Caller.Known, d.Caller.Source, d.ContactID
	d.Trace.GreetedByName = d.Caller.GreetedByName
	d.Trace.Why = d.Trace.Rule.sentence(d, call) // for people, who may know the name
	d.Caller.withhold(call.Agent)
	d.Caller.CallContext = clean(call.Context, maxNotes)
	d.Trace.Told = d.Caller.told()
	return d
}

// nameOf returns the name that may be said: the contact's, else the one under which a campaign
// called (rule 8; an auto-filled contact has no name of its own). A name is judged as it would be
// said: "Unknown" behind a character that cannot be seen is still no name.
func nameOf(record *Record) (string, Rule) {
	if p := record.Contact; p != nil {
		if name := clean(p.Name, maxName); sayable(name) {
			return name, RuleContactName
		}
	}
	if p := record.Campaign; p != nil {
		if name := clean(p.Name, maxName); sayable(name) {
			return name, RuleCampaignName
		}
	}
	return "", RuleNoRealName
}

// sayable judges a cleaned name, of which only the joiner of emoji is left that cannot be seen.
func sayable(name string) bool { return contacts.RealName(strings.ReplaceAll(name, "\u200D", "")) }

// greet renders the greeting. A stored greeting was checked when it was saved; one that cannot be
// read any more is said without its brackets rather than not at all.
func (d *Decision) greet(call Call, name string) {
	text, parse := call.Agent.Greeting, ParseGreeting
	switch {
	case call.Greeting != "":
		text, parse = call.Greeting, ParseCampaignGreeting
	case name == "" && call.Agent.UnknownGreeting != "":
		text = call.Agent.UnknownGreeting
	}
	g, err := parse(text)
	if err != nil {
		bare := strings.NewReplacer("{{", "", "}}", "", "<<", "", ">>", "").Replace(text)
		g = Greeting{parts: []part{{text: bare}}}
	}
	d.Greeting = g.RenderWith(spoken(clean(name, maxSpokenName)), call.Variables)
	d.Caller.GreetedByName = name != "" && g.Named()
	if name != "" && !g.Named() {
		d.Trace.Rule = RuleNoPlaceForName
	}
}

// sentence explains a rule to somebody who asks why the caller was, or was not, greeted by name.
func (r Rule) sentence(d *Decision, call Call) string {
	switch r {
	case RuleContactName:
		return fmt.Sprintf("Greeted by name: the number %s is that of the contact %q.", string(d.Number), d.Caller.Name)
	case RuleCampaignName:
		return fmt.Sprintf("Greeted by name: the campaign %q called the number %s as %q.", d.Caller.Campaign.Name, string(d.Number), d.Caller.Name)
	case RuleNoRealName:
		return fmt.Sprintf("Not greeted by name: the number %s is in the address book, but without a real name.", string(d.Number))
	case RuleNotByName:
		return fmt.Sprintf("Not greeted by name: the number %s is that of the contact %q, who is not to be greeted by name.", string(d.Number), d.Caller.Name)
	case RuleBlocked:
		return fmt.Sprintf("Rejected: the number %s is that of a contact who is blocked.", string(d.Number))
	case RuleNoPlaceForName:
		return "Not greeted by name: the greeting has no {{NAME}}."
	case RuleUnknownNumber:
		return fmt.Sprintf("Not greeted by name: the number %s is not in the address book, and no campaign has called it.", string(d.Number))
	case RuleNotANumber:
		return fmt.Sprintf("Not greeted by name: the caller came as %q (%s), which is no person's number.", clean(call.Party.Raw, maxQuoted), call.Party.Class)
	case RuleOwnNumber:
		return "Not greeted by name: the call came from one of the organisation's own numbers."
	case RuleAttestationFailed:
		if call.Judged != nil {
			return "Not greeted by name: the caller's number could not be trusted when the call began."
		}
		return fmt.Sprintf("Not greeted by name: the caller's number failed verification (%s), so it may be forged.", clean(call.Attestation, maxQuoted))
	case RuleAttestationBelow:
		return fmt.Sprintf("Not greeted by name: the voice agent asks for attestation %s, and the call had %q.", call.Agent.MinAttestation, clean(call.Attestation, maxQuoted))
	case RuleOutOfTime:
		return "Not greeted by name: the address book did not answer in time. What it finds goes to the agent later."
	case RuleLookupFailed:
		return "Not greeted by name: the address book could not be asked. What is found later goes to the agent."
	case RuleOverloaded:
		return "Not greeted by name: more came in at once than could be looked up."
	}
	return ""
}
