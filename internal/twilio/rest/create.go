package rest

import (
	"context"
	"errors"
	"slices"
	"time"

	api "github.com/twilio/twilio-go/rest/api/v2010"

	"ringside/internal/phone"
)

// Call is a call to be placed.
type Call struct {
	From, To phone.Number
	// URL is asked for TwiML once it is answered, FallbackURL if that fails, StatusURL told of each event.
	URL, FallbackURL, StatusURL string
	RingSeconds                 int  // how long it rings; 0 is Twilio's default of 60
	DetectMachines              bool // whether Twilio says if a person answered, beside the call
}

// PlaceCall places a call and returns its Sid. An error wraps [ErrUnclear] if Twilio may have placed it.
func (c *Client) PlaceCall(ctx context.Context, a Account, call Call) (sid string, err error) {
	params := &api.CreateCallParams{}
	params.SetFrom(call.From.String()).SetTo(call.To.String()).SetUrl(call.URL).SetStatusCallback(call.StatusURL)
	params.SetStatusCallbackEvent([]string{"initiated", "ringing", "answered", "completed"})
	if call.FallbackURL != "" {
		params.SetFallbackUrl(call.FallbackURL)
	}
	if call.RingSeconds > 0 {
		params.SetTimeout(call.RingSeconds)
	}
	if call.DetectMachines {
		params.SetMachineDetection("Enable").SetAsyncAmd("true").SetAsyncAmdStatusCallback(call.StatusURL)
	}
	service, request := c.service(ctx, a)
	made, err := service.CreateCall(params)
	if err != nil {
		return "", request.outcome(err)
	}
	return sidOf(made.Sid)
}

// Message is a message to be sent.
type Message struct {
	From, To  phone.Number
	Text      string
	StatusURL string // is told of each state
}

// SendMessage sends a message and returns its Sid. An error wraps [ErrUnclear] if Twilio may have sent it.
func (c *Client) SendMessage(ctx context.Context, a Account, m Message) (sid string, err error) {
	params := &api.CreateMessageParams{}
	params.SetFrom(m.From.String()).SetTo(m.To.String()).SetBody(m.Text).SetStatusCallback(m.StatusURL)
	service, request := c.service(ctx, a)
	made, err := service.CreateMessage(params)
	if err != nil {
		return "", request.outcome(err)
	}
	return sidOf(made.Sid)
}

// sidOf reads the Sid of what was made.
func sidOf(sid *string) (string, error) {
	if sid == nil || *sid == "" {
		return "", errors.Join(ErrUnclear, errors.New("the answer has no Sid"))
	}
	return *sid, nil
}

// Made is a call or message that Twilio has.
type Made struct {
	SID     string
	Text    string // of a message
	Created time.Time
}

// lookAt is how many of the latest are looked at.
const lookAt = 100

// slack is what the clocks of Twilio's and ours may differ by, and Twilio's whole seconds.
const slack = 5 * time.Second

// Calls returns the calls between two numbers that Twilio has made since then, the oldest first.
func (c *Client) Calls(ctx context.Context, a Account, from, to phone.Number, since time.Time) (made []Made, err error) {
	params := &api.ListCallParams{}
	params.SetFrom(from.String()).SetTo(to.String()).SetPageSize(lookAt)
	service, request := c.service(ctx, a)
	page, err := service.PageCall(params, "", "")
	if err != nil {
		return nil, request.outcome(err)
	}
	for _, call := range page.Calls {
		made = add(made, call.Sid, nil, call.DateCreated, since)
	}
	return oldestFirst(made), nil
}

// Messages returns the messages between two numbers that Twilio has made since then, the oldest first.
func (c *Client) Messages(ctx context.Context, a Account, from, to phone.Number, since time.Time) (made []Made, err error) {
	params := &api.ListMessageParams{}
	params.SetFrom(from.String()).SetTo(to.String()).SetPageSize(lookAt)
	service, request := c.service(ctx, a)
	page, err := service.PageMessage(params, "", "")
	if err != nil {
		return nil, request.outcome(err)
	}
	for _, m := range page.Messages {
		made = add(made, m.Sid, m.Body, m.DateCreated, since)
	}
	return oldestFirst(made), nil
}

// add adds what was made since then; what has no date is taken for new.
func add(made []Made, sid, text, created *string, since time.Time) []Made {
	if sid == nil {
		return made
	}
	m := Made{SID: *sid, Created: time.Now()}
	if text != nil {
		m.Text = *text
	}
	if created != nil {
		if at, err := time.Parse(time.RFC1123Z, *created); err == nil {
			m.Created = at
		}
	}
	if m.Created.Before(since.Add(-slack)) {
		return made
	}
	return append(made, m)
}

func oldestFirst(made []Made) []Made {
	slices.SortStableFunc(made, func(a, b Made) int { return a.Created.Compare(b.Created) })
	return made
}
