package recognize

import (
	"fmt"

	"ringside/contacts"
)

// ExplainSender is [Explain] for a message: nobody is greeted, but whoever wrote is known or not. now
// and near are as there.
func ExplainSender(t *Trace, near []contacts.NearMiss, now *contacts.Contact) Explanation {
	e := Explain(t, "", near, now)
	number := readable(t)
	remedies := e.Remedies
	e.Headline, e.Remedies = "Not recognised", nil
	switch {
	case t.Rule == RuleBlocked:
		e.Headline, e.Remedies = "Kept, and told nobody", remedies
		e.Because = fmt.Sprintf("%s is the number of a contact who is blocked: no agent hears of what they write.", number)
	case t.Known && t.Source == "campaign":
		e.Headline, e.Because = "Recognised", fmt.Sprintf("%s is not in your contacts, but one of your campaigns called it.", number)
	case t.Known:
		e.Headline, e.Because = "Recognised", fmt.Sprintf("%s is in your contacts.", number)
	case t.Rule == RuleUnknownNumber:
		e.Because, e.Remedies = fmt.Sprintf("%s was not in your contacts, and no campaign had called it.", number), remedies
	case t.Rule == RuleNotANumber:
		e.Because = "The sender did not show a person's number: " + classWords(t.Class) + "."
	case t.Rule == RuleOwnNumber:
		e.Because = "The message came from one of your own numbers."
	default:
		e.Because = "The address book could not be asked in time."
	}
	return e
}
