package voice

import (
	"strings"

	"ringside/internal/twilio"
	"ringside/internal/webhook"
)

// parties are the two ends of a call, as form fields. What is classified is the raw value; what is
// stored is the cleaned one: cleaning must not turn something else into a number.
type parties struct {
	form                 *twilio.Form
	ourField, theirField string
	direction            string // of the ledger
}

// The ledger's directions: of a call that comes in, and of one that we placed.
const (
	inboundCall  = "inbound"
	outboundCall = "outbound"
)

// partiesOf tells our number from the other party's. On a call that we placed, Twilio's From is ours.
func partiesOf(form *twilio.Form) parties {
	if strings.HasPrefix(form.Get("Direction"), "outbound") {
		return parties{form, "From", "To", outboundCall}
	}
	return parties{form, "To", "From", inboundCall}
}

func (p parties) ours() string   { return p.form.Get(p.ourField) }
func (p parties) theirs() string { return p.form.Get(p.theirField) }

// ends are the same, without the form.
func (p parties) ends() ends { return ends{p.form.Get("From"), p.form.Get("To"), p.direction} }

// from and to are the call's addresses as they are stored: clean, and bounded as a SIP URI is.
func (p parties) from() string { return webhook.Bounded(p.form.Text("From"), webhook.MaxAddress) }
func (p parties) to() string   { return webhook.Bounded(p.form.Text("To"), webhook.MaxAddress) }
