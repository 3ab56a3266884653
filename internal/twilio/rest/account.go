package rest

import (
	"context"
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
