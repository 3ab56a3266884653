package outgoing

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/twilio"
	"ringside/internal/twilio/rest"
)

// QueryID names, in the addresses that Twilio asks about a call or message, the item that it is.
const QueryID = "outgoing"

// Twilio is the [Sender] that asks Twilio's REST API.
type Twilio struct {
	API       *rest.Client
	Lines     *org.Switchboard
	PublicURL twilio.PublicURL
}

var _ Sender = (*Twilio)(nil)

// Send places the call or sends the message, from the account that owns the number.
func (t *Twilio) Send(ctx context.Context, i *Item) (string, error) {
	account, err := t.account(ctx, i)
	if err != nil {
		return "", err
	}
	if i.Kind == KindMessage {
		return t.API.SendMessage(ctx, account, rest.Message{From: i.From, To: i.To, Text: i.Text, StatusURL: t.address("/twilio/sms/status", i)})
	}
	return t.API.PlaceCall(ctx, account, rest.Call{From: i.From, To: i.To, URL: t.address("/twilio/voice", i),
		FallbackURL: t.address("/twilio/voice/fallback", i), StatusURL: t.address("/twilio/voice/status", i), DetectMachines: i.DetectMachines})
}

// Ended returns the event of a call's end, as Twilio's callback would have brought it, or nil if it is not over.
func (t *Twilio) Ended(ctx context.Context, i *Item) (*ledger.Event, error) {
	account, err := t.account(ctx, i)
	if err != nil {
		return nil, err
	}
	call, err := t.API.CallState(ctx, account, i.SID)
	if err != nil || !ledger.Final(call.Status) {
		return nil, err
	}
	if call.Ended.IsZero() {
		call.Ended = time.Now()
	}
	e := &ledger.Event{OrgID: i.OrgID, SID: i.SID, Name: "status:" + call.Status, At: call.Ended, Kind: string(KindCall), Direction: "outbound", From: string(i.From), To: string(i.To), Party: i.To,
		Status: call.Status, EndedAt: call.Ended, DurationS: call.DurationS, StartedAt: call.Ended.Add(-time.Duration(call.DurationS) * time.Second)}
	if call.AnsweredBy != "" {
		e.Detail, _ = json.Marshal(map[string]string{"AnsweredBy": call.AnsweredBy}) // strings always marshal
	}
	return e, nil
}

// End ends a call that was placed, whatever it is at.
func (t *Twilio) End(ctx context.Context, i *Item) error {
	account, err := t.account(ctx, i)
	if err != nil {
		return err
	}
	return t.API.EndCall(ctx, account, i.SID)
}

// Find returns what Twilio has that may be the item.
func (t *Twilio) Find(ctx context.Context, i *Item) (sids []string, err error) {
	account, err := t.account(ctx, i)
	if err != nil {
		return nil, err
	}
	look := t.API.Calls
	if i.Kind == KindMessage {
		look = t.API.Messages
	}
	made, err := look(ctx, account, i.From, i.To, i.Created)
	for _, m := range made {
		if m.Text == i.Text {
			sids = append(sids, m.SID)
		}
	}
	return sids, err
}

// account is whose number an item goes out from.
func (t *Twilio) account(ctx context.Context, i *Item) (rest.Account, error) {
	route := t.Lines.Route(ctx, phone.Number(i.From))
	if route == nil || route.Org.ID != i.OrgID {
		return rest.Account{}, problem.Invalid("from", "The number is not connected any more.")
	}
	account := t.Lines.Account(ctx, route.AccountSID)
	if account == nil {
		return rest.Account{}, problem.New(problem.CodeUnavailable, "The number's Twilio account is not known just now.")
	}
	return rest.Account{SID: account.SID, AuthToken: account.AuthToken}, nil
}

func (t *Twilio) address(path string, i *Item) string {
	return t.PublicURL.Webhook(path) + "?" + QueryID + "=" + url.QueryEscape(i.ID)
}
