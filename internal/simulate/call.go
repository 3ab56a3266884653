package simulate

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Call is one call: who calls whom, and what the other party does. Only To must be set. It is an inbound one
// unless it is Placed.
type Call struct {
	SID        string // default: a made-up CA…
	AccountSID string // default: the Twilio's
	// From is the caller as Twilio reports it: E.164, a withheld marker such as "anonymous",
	// "client:…", "sip:…", or empty.
	From string
	To   string

	FromCity, FromState, FromZip, FromCountry string // Twilio's guess from the number; sent even if empty
	ToCity, ToState, ToZip, ToCountry         string

	StirVerstat   string // STIR/SHAKEN verdict, such as "TN-Validation-Passed-A"; not sent if empty
	CallerName    string // caller-ID look-up; not sent if empty
	ForwardedFrom string // not sent if empty

	// Extra form values of every webhook; they replace those of the same name.
	Extra url.Values

	// Script is what the caller does once a ConversationRelay session is open. When it is over, the
	// caller hangs up. If a session ends early, the rest goes on in the next one, if there is any.
	Script []Step

	// Talk is how long the caller stays on a Media Streams session, and Digits what they press on it; the
	// script is for ConversationRelay.
	Talk   time.Duration
	Digits string

	// StatusEvents are the events that the status callback is told: "initiated", "ringing",
	// "answered", "completed". Default: "completed" only, as for a number's status callback.
	StatusEvents []string
	// DialStatus is how a <Dial> ends: "completed" (the default), "busy", "no-answer", "failed" or
	// "canceled".
	DialStatus string

	// Placed is set for a call that the account places over the REST API: From is its number then, and the
	// script is what whoever is called does.
	Placed *Placed
}

// The values of CallStatus that the simulator sends (Twilio: Call resource, status values).
const (
	statusRinging    = "ringing"
	statusInProgress = "in-progress"
	statusCompleted  = "completed"
	statusNoAnswer   = "no-answer"
	statusBusy       = "busy"
	statusFailed     = "failed"
	statusCanceled   = "canceled"
)

// statusOfEvent maps an event that can be subscribed to onto the CallStatus that it is sent with;
// "completed" is sent with whatever final status the call has.
var statusOfEvent = map[string]string{
	"initiated": "initiated",
	"ringing":   statusRinging,
	"answered":  statusInProgress,
	"completed": statusCompleted,
}

// sipCodes are the SIP answers that calls end with (Twilio: Call resource, SipResponseCode).
var sipCodes = map[string]string{statusCompleted: "200", statusBusy: "486", statusNoAnswer: "487", statusCanceled: "487", statusFailed: "404"}

// withDefaults fills what may be left out, and refuses what no call can have.
func (c Call) withDefaults(accountSID string) (Call, error) {
	if c.To == "" {
		return c, fmt.Errorf("simulate: a call needs To, the number that is called")
	}
	if c.SID == "" {
		c.SID = NewSID("CA")
	}
	if c.AccountSID == "" {
		c.AccountSID = accountSID
	}
	if c.AccountSID == "" {
		c.AccountSID = NewSID("AC")
	}
	if c.StatusEvents == nil {
		c.StatusEvents = []string{"completed"}
	}
	for _, event := range c.StatusEvents {
		if _, ok := statusOfEvent[event]; !ok {
			return c, fmt.Errorf("simulate: status event %q is none of initiated, ringing, answered, completed", event)
		}
	}
	dialStatuses := []string{statusCompleted, statusBusy, statusNoAnswer, statusFailed, statusCanceled}
	if c.DialStatus == "" {
		c.DialStatus = statusCompleted
	}
	if !slices.Contains(dialStatuses, c.DialStatus) {
		return c, fmt.Errorf("simulate: DialStatus %q is none of %q", c.DialStatus, dialStatuses)
	}
	if c.Placed != nil && !slices.Contains(dialStatuses, c.Placed.result()) {
		return c, fmt.Errorf("simulate: the result %q of a call is none of %q", c.Placed.Result, dialStatuses)
	}
	return c, nil
}

// VoiceForm returns the parameters of the first webhook of an inbound call (Twilio: TwiML for
// Programmable Voice, request parameters), with CallStatus "ringing". What Twilio sends even when
// it is empty is there and empty. Defaults of Call are not filled in.
func VoiceForm(call Call) url.Values {
	return call.form(statusRinging)
}

// form holds the parameters that every request about a call has.
func (c Call) form(status string) url.Values {
	form := url.Values{}
	for name, value := range map[string]string{
		"AccountSid": c.AccountSID, "ApiVersion": "2010-04-01", "CallSid": c.SID,
		"CallStatus": status, "Direction": c.direction(),
		"From": c.From, "FromCity": c.FromCity, "FromState": c.FromState, "FromZip": c.FromZip, "FromCountry": c.FromCountry,
		"To": c.To, "ToCity": c.ToCity, "ToState": c.ToState, "ToZip": c.ToZip, "ToCountry": c.ToCountry,
		"Caller": c.From, "CallerCity": c.FromCity, "CallerState": c.FromState, "CallerZip": c.FromZip, "CallerCountry": c.FromCountry,
		"Called": c.To, "CalledCity": c.ToCity, "CalledState": c.ToState, "CalledZip": c.ToZip, "CalledCountry": c.ToCountry,
	} {
		form.Set(name, value)
	}
	for name, value := range map[string]string{
		"StirVerstat": c.StirVerstat, "CallerName": c.CallerName, "ForwardedFrom": c.ForwardedFrom,
	} {
		if value != "" {
			form.Set(name, value)
		}
	}
	if c.Placed != nil && c.Placed.AnsweredBy != "" && status == statusInProgress && !c.Placed.Async {
		form.Set("AnsweredBy", c.Placed.AnsweredBy)
	}
	maps.Copy(form, c.Extra)
	return form
}

// statusForm holds the parameters of a status callback (Twilio: Call resource, StatusCallback).
// The talk time is nil unless the call is over.
func (c Call) statusForm(status string, sequence int, at time.Time, talked *time.Duration) url.Values {
	form := c.form(status)
	form.Set("CallbackSource", "call-progress-events")
	form.Set("SequenceNumber", strconv.Itoa(sequence))
	form.Set("Timestamp", at.UTC().Format(time.RFC1123Z))
	if talked != nil {
		seconds := wholeSeconds(*talked)
		form.Set("CallDuration", strconv.Itoa(seconds))
		form.Set("Duration", strconv.Itoa((seconds+59)/60)) // minutes begun, for billing
		if c.Placed != nil {
			form.Set("SipResponseCode", sipCodes[status])
		}
	}
	return form
}

// relayActionForm holds the parameters of the <Connect action> request after a session (Twilio:
// ConversationRelay, "action" URL).
func (c Call) relayActionForm(status string, end SessionEnd) url.Values {
	form := url.Values{}
	for name, value := range map[string]string{
		"AccountSid": c.AccountSID, "CallSid": c.SID, "CallStatus": status, "Direction": c.direction(),
		"From": c.From, "To": c.To, "SessionId": end.SessionID, "SessionStatus": end.Status,
		"SessionDuration": strconv.Itoa(wholeSeconds(end.Duration)),
	} {
		form.Set(name, value)
	}
	if end.HandoffData != "" {
		form.Set("HandoffData", end.HandoffData)
	}
	if end.ErrorCode != 0 {
		form.Set("ErrorCode", strconv.Itoa(end.ErrorCode))
		form.Set("ErrorMessage", end.ErrorMessage)
	}
	maps.Copy(form, c.Extra)
	return form
}

// dialActionForm holds the parameters of the <Dial action> request.
func (c Call) dialActionForm() url.Values {
	form := c.form(statusInProgress)
	form.Set("DialCallSid", NewSID("CA"))
	form.Set("DialCallStatus", c.DialStatus)
	form.Set("DialBridged", strconv.FormatBool(c.DialStatus == statusCompleted))
	if c.DialStatus == statusCompleted {
		form.Set("DialCallDuration", "1")
	}
	return form
}

func wholeSeconds(d time.Duration) int { return int(d.Round(time.Second) / time.Second) }
