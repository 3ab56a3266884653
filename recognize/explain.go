package recognize

import (
	"fmt"
	"strings"

	"ringside/contacts"
	"ringside/internal/phone"
)

// Explanation says, for people who do not know the rules, why a caller was or was not greeted by
// name, and what would change it.
type Explanation struct {
	Headline string
	Because  string
	Steps    []string // what each place that was asked said, in the order in which they were asked
	Remedies []Remedy // what would change it; none if nothing has to be changed
}

// Remedy is something that would change how the next such call is answered.
type Remedy struct {
	Text string
	Does RemedyKind
	// ID is the contact or voice agent that it is about, Number the phone number; "" if none.
	ID     string
	Number phone.Number
}

// RemedyKind is what a remedy does.
type RemedyKind string

// The kinds of remedies.
const (
	AddContact  RemedyKind = "add_contact"  // with Number
	EditContact RemedyKind = "edit_contact" // ID is the contact's
	EditAgent   RemedyKind = "edit_agent"   // ID is the voice agent's
	NoRemedy    RemedyKind = ""             // something outside this program
)

// Explain puts a trace into plain words. agentID is the voice agent that answered. near are contacts
// whose number ends like the caller's; now is the contact who has the number by now, or nil.
func Explain(t *Trace, agentID string, near []contacts.NearMiss, now *contacts.Contact) Explanation {
	e := Explanation{Headline: "Not greeted by name"}
	if t.GreetedByName {
		e.Headline = "Greeted by name"
	}
	number := readable(t)
	for _, step := range t.Steps {
		e.Steps = append(e.Steps, step.inWords())
	}
	remedy := func(kind RemedyKind, id, format string, args ...any) {
		e.Remedies = append(e.Remedies, Remedy{Text: fmt.Sprintf(format, args...), Does: kind, ID: id, Number: t.Number})
	}
	switch t.Rule {
	case RuleContactName:
		e.Because = fmt.Sprintf("The caller's number %s is in your contacts.", number)
	case RuleCampaignName:
		e.Because = fmt.Sprintf("The caller's number %s is not in your contacts with a name, but one of your campaigns called it.", number)
	case RuleNoRealName:
		e.Because = fmt.Sprintf("The caller's number %s is in your contacts, but without a real name.", number)
		remedy(EditContact, t.ContactID, "Give the contact a name.")
	case RuleNotByName:
		e.Because = fmt.Sprintf("The caller's number %s is in your contacts, and they are not to be greeted by name.", number)
		remedy(EditContact, t.ContactID, "Allow it on the contact's page, if they do not mind any more.")
	case RuleBlocked:
		e.Headline = "Rejected"
		e.Because = fmt.Sprintf("The caller's number %s is that of a contact who is blocked: the call was not answered, and cost nothing.", number)
		remedy(EditContact, t.ContactID, "Take the block away on the contact's page.")
	case RuleNoPlaceForName:
		e.Because = "The caller was recognised, but the greeting has no place for a name."
		remedy(EditAgent, agentID, "Put {{NAME}} into the greeting.")
	case RuleUnknownNumber:
		e.Because = fmt.Sprintf("The caller's number %s was not in your contacts, and no campaign had called it.", number)
		if now != nil {
			remedy(EditContact, now.ID, "It is in your contacts by now, as %s: the next call is recognised.", now.Name)
			break
		}
		remedy(AddContact, "", "Add the number to your contacts.")
		for _, miss := range near {
			remedy(EditContact, miss.ContactID, "Did you mean %s, %s? That is another number, which ends the same. Correct it if it is wrong.", miss.Name, miss.Phone.Readable())
		}
	case RuleNotANumber:
		e.Because = "The caller did not show a person's number: " + classWords(t.Class) + "."
		remedy(NoRemedy, "", "Nothing here changes that: nobody can be recognised by such a call.")
	case RuleOwnNumber:
		e.Because = "The call came from one of your own numbers, behind which a voice agent answers."
		remedy(NoRemedy, "", "If a person calls from that number, disconnect it from its voice agent.")
	case RuleAttestationFailed:
		e.Because = "The carrier says that the caller's number failed verification, so it may be forged. Such a caller is treated as a stranger, so that nobody can pose as one of your contacts."
		remedy(NoRemedy, "", "If this was really them, their phone company can say why it does not vouch for the number.")
	case RuleAttestationBelow:
		e.Because = fmt.Sprintf("The carriers vouch for the caller's number less than this voice agent asks for (the call had %s).", attestationWords(t.Attestation))
		remedy(EditAgent, agentID, "Let the voice agent ask for less, if you accept that numbers can be forged more easily.")
	case RuleOutOfTime:
		e.Because = "The address book did not answer in time, and a caller must not wait. What it found went to the agent later."
		remedy(NoRemedy, "", "If this happens often, look at the database and the cache on the overview.")
	case RuleLookupFailed:
		e.Because = "The address book could not be asked just then. What was found later went to the agent."
		remedy(NoRemedy, "", "Look at the database and the cache on the overview.")
	case RuleOverloaded:
		e.Because = "More calls and messages came in at once than could be looked up, and nobody must wait."
		remedy(NoRemedy, "", "If this happens often, run more sidecars.")
	default:
		e.Because = t.Why
	}
	return e
}

// readable is the caller's number as people write it, or how it came.
func readable(t *Trace) string {
	if t.Number != "" {
		return t.Number.Readable()
	}
	return t.Received
}

// classWords says what kind of address is no person's number.
func classWords(c phone.Class) string {
	switch c {
	case phone.ClassWithheld:
		return "the number was withheld"
	case phone.ClassShortCode:
		return "it was a short code, as companies use for messages"
	}
	return "it was a " + strings.ReplaceAll(string(c), "_", " ") + " address"
}

// attestationWords says how much a carrier vouches for a number (STIR/SHAKEN).
func attestationWords(verstat string) string {
	switch level, _ := attestation(verstat); level {
	case 3:
		return "A, full"
	case 2:
		return "B, partial"
	case 1:
		return "C, the lowest"
	}
	return "none"
}

// inWords says where was looked, and what came of it.
func (s Step) inWords() string {
	where := map[Tier]string{TierProcess: "This program's memory", TierRedis: "The cache (Redis)", TierPostgres: "The database"}[s.Tier]
	if where == "" {
		where = string(s.Tier)
	}
	outcome := s.Outcome
	switch {
	case s.Outcome == "hit":
		outcome = "had the answer"
	case s.Outcome == "miss":
		outcome = "did not know"
	case s.Outcome == "fenced":
		outcome = "was being changed at that moment, so it was not asked further"
	case s.Outcome == "distrusted":
		outcome = "was not trusted just then"
	case s.Outcome == "too old":
		outcome = "had it for too long to be sure"
	case s.Outcome == "timeout":
		outcome = "did not answer in time"
	case strings.HasPrefix(s.Outcome, "failed"):
		outcome = "could not be asked"
	}
	said := fmt.Sprintf("%s %s (%.2f ms).", where, outcome, float64(s.Micros)/1000)
	if s.AgeMS > 0 {
		said += fmt.Sprintf(" What it had was %.1f s old.", float64(s.AgeMS)/1000)
	}
	return said
}
