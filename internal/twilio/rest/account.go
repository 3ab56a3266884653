package rest

import (
	"context"
	"strconv"
	"time"

	api "github.com/twilio/twilio-go/rest/api/v2010"
)

// State is how an account stands with Twilio (Twilio: Accounts resource).
type State struct {
	Active bool
	Trial  bool      // only numbers that were verified can be called and written to
	Clock  time.Time // what Twilio's clock said, in whole seconds; zero if it did not
}

// State asks how an account stands, which also tells whether Twilio takes its credentials.
func (c *Client) State(ctx context.Context, a Account) (State, error) {
	service, request := c.service(ctx, a)
	found, err := service.FetchAccount(a.SID)
	if err != nil {
		return State{Clock: request.dated}, request.outcome(err)
	}
	return State{Active: text(found.Status) == "active", Trial: text(found.Type) == "Trial", Clock: request.dated}, nil
}

// CallState is how a call stands (Twilio: Call resource).
type CallState struct {
	Status     string // Twilio's word
	AnsweredBy string // what machine detection has said, or ""
	DurationS  int
	Ended      time.Time // zero: it goes on, or never began
}

// CallState asks how a call stands.
func (c *Client) CallState(ctx context.Context, a Account, sid string) (CallState, error) {
	service, request := c.service(ctx, a)
	call, err := service.FetchCall(sid, &api.FetchCallParams{})
	if err != nil {
		return CallState{}, request.outcome(err)
	}
	state := CallState{Status: text(call.Status), AnsweredBy: text(call.AnsweredBy)}
	state.DurationS, _ = strconv.Atoi(text(call.Duration))         // null while it goes on
	state.Ended, _ = time.Parse(time.RFC1123Z, text(call.EndTime)) // likewise
	return state, nil
}

// EndCall ends a call, whether it still waits, rings or is talked on. One that is over stays as it is.
func (c *Client) EndCall(ctx context.Context, a Account, sid string) error {
	params := &api.UpdateCallParams{}
	params.SetStatus("completed")
	service, request := c.service(ctx, a)
	_, err := service.UpdateCall(sid, params)
	if err != nil {
		return request.outcome(err)
	}
	return nil
}
