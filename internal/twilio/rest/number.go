package rest

import (
	"context"

	api "github.com/twilio/twilio-go/rest/api/v2010"

	"ringside/internal/phone"
	"ringside/internal/problem"
)

// Endpoint is an address that Twilio asks, and how.
type Endpoint struct {
	URL    string `json:"url"`    // "": none is set
	Method string `json:"method"` // "POST" or "GET"
}

// Endpoints are the addresses of a phone number.
type Endpoints struct {
	Voice, VoiceFallback, Status, SMS, SMSFallback Endpoint
}

// Number is a phone number of an account's, as it is set at Twilio (Twilio: IncomingPhoneNumbers
// resource).
type Number struct {
	SID   string
	Phone phone.Number
	Endpoints
	// What takes the place of the addresses for calls or messages, where it is set; else "".
	VoiceApplicationSID, TrunkSID, SMSApplicationSID string
}

// FindNumber returns how a phone number of the account's is set, or a problem: not found.
func (c *Client) FindNumber(ctx context.Context, a Account, n phone.Number) (Number, error) {
	params := &api.ListIncomingPhoneNumberParams{}
	params.SetPhoneNumber(n.String()).SetPageSize(lookAt)
	service, request := c.service(ctx, a)
	page, err := service.PageIncomingPhoneNumber(params, "", "")
	if err != nil {
		return Number{}, request.outcome(err)
	}
	for i := range page.IncomingPhoneNumbers {
		// Twilio looks for a pattern: a longer number may have this one in it.
		if found := numberOf(&page.IncomingPhoneNumbers[i]); found.Phone == n && found.SID != "" {
			return found, nil
		}
	}
	return Number{}, problem.NotFound("The Twilio account %s has no number %s: connect the number under the account that owns it, which may be a subaccount.", a.SID, n.Readable())
}

// UpdateNumber sets those addresses of a number that are not empty, and returns how it is set then. To do it
// twice is to do it once, so that it may be repeated after [ErrUnclear].
func (c *Client) UpdateNumber(ctx context.Context, a Account, sid string, set Endpoints) (Number, error) {
	params := &api.UpdateIncomingPhoneNumberParams{}
	for _, to := range []struct {
		Endpoint
		setURL, setMethod func(string) *api.UpdateIncomingPhoneNumberParams
	}{
		{set.Voice, params.SetVoiceUrl, params.SetVoiceMethod},
		{set.VoiceFallback, params.SetVoiceFallbackUrl, params.SetVoiceFallbackMethod},
		{set.Status, params.SetStatusCallback, params.SetStatusCallbackMethod},
		{set.SMS, params.SetSmsUrl, params.SetSmsMethod},
		{set.SMSFallback, params.SetSmsFallbackUrl, params.SetSmsFallbackMethod},
	} {
		if to.URL != "" {
			to.setURL(to.URL)
			to.setMethod(to.Method)
		}
	}
	service, request := c.service(ctx, a)
	updated, err := service.UpdateIncomingPhoneNumber(sid, params)
	if err != nil {
		return Number{}, request.outcome(err)
	}
	return numberOf(updated), nil
}

func numberOf(n *api.ApiV2010IncomingPhoneNumber) Number {
	endpoint := func(url, method *string) Endpoint { return Endpoint{text(url), text(method)} }
	return Number{SID: text(n.Sid), Phone: phone.Number(text(n.PhoneNumber)),
		Endpoints: Endpoints{
			Voice: endpoint(n.VoiceUrl, n.VoiceMethod), VoiceFallback: endpoint(n.VoiceFallbackUrl, n.VoiceFallbackMethod),
			Status: endpoint(n.StatusCallback, n.StatusCallbackMethod),
			SMS:    endpoint(n.SmsUrl, n.SmsMethod), SMSFallback: endpoint(n.SmsFallbackUrl, n.SmsFallbackMethod),
		},
		VoiceApplicationSID: text(n.VoiceApplicationSid), TrunkSID: text(n.TrunkSid), SMSApplicationSID: text(n.SmsApplicationSid)}
}

// text is what a member of an answer says, "" for null and for one that is missing.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
