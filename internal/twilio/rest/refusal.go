package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"ringside/internal/problem"
)

// refusal is the problem that Twilio has with a request (Twilio: REST API, errors). A refusal says
// that it has not acted; one of a server that failed says nothing.
func refusal(response *http.Response, body []byte) error {
	var said struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	readable := json.Unmarshal(body, &said) == nil && said.Code != 0
	switch {
	case response.StatusCode == http.StatusTooManyRequests || said.Code == 20429:
		p := problem.New(problem.CodeUnavailable, "Twilio takes no more requests just now.")
		p.RetryAfter = retryAfter(response)
		return p
	case response.StatusCode >= 500:
		return fmt.Errorf("%w: it answered %d", ErrUnclear, response.StatusCode)
	case !readable:
		return problem.New(problem.CodeUnavailable, "What answered is not Twilio's API (status %d): check TWILIO_API_URL and the proxy between.", response.StatusCode)
	}
	if known, ok := refusals[said.Code]; ok {
		return &problem.Error{Code: known.code, Field: known.field, Detail: fmt.Sprintf("%s (Twilio's error %d.)", known.text, said.Code), RetryAfter: known.again}
	}
	return problem.New(problem.CodeTwilioRefused, "Twilio refused: %s (Twilio's error %d, explained at https://www.twilio.com/docs/errors/%d.)", sentence(said.Message), said.Code, said.Code)
}

// known is a refusal in our words.
type known struct {
	code        problem.Code
	field, text string
	again       time.Duration // after which the same may succeed; 0: never by waiting
}

// refusals are those that callers meet.
var refusals = map[int]known{
	20003: {problem.CodeTwilioRefused, "", "Twilio does not take the account's auth token. Set the new one.", 0},
	20404: {problem.CodeNotFound, "", "The account has no such thing at Twilio (any more).", 0},
	20005: {problem.CodeTwilioRefused, "", "Twilio has suspended or closed the account. See its console.", 0},
	21211: {problem.CodeInvalid, "to", "This is no number that can be reached.", 0},
	21217: {problem.CodeInvalid, "to", "This is no number that can be reached.", 0},
	21214: {problem.CodeInvalid, "to", "This number cannot be reached.", 0},
	21612: {problem.CodeInvalid, "to", "This number cannot be written to from yours.", 0},
	21212: {problem.CodeInvalid, "from", "This number cannot be called or written from. It has to be one of the account's.", 0},
	21216: {problem.CodeForbidden, "to", "The account may not call this number. Allow its country in Twilio's console, under Voice geographic permissions.", 0},
	21215: {problem.CodeForbidden, "to", "The account may not call this country. Allow it in Twilio's console, under Voice geographic permissions.", 0},
	21408: {problem.CodeForbidden, "to", "The account may not write to this country. Allow it in Twilio's console, under Messaging geographic permissions.", 0},
	21210: {problem.CodeInvalid, "from", "This number is not one of the account's.", 0},
	21606: {problem.CodeInvalid, "from", "Messages cannot be sent from this number: it has no SMS, or none to that country.", 0},
	21659: {problem.CodeInvalid, "from", "This number is not one of the account's.", 0},
	21610: {problem.CodeOptedOut, "to", "They have asked for no more messages. They can take it back by writing START.", 0},
	21614: {problem.CodeInvalid, "to", "This number takes no messages: it is not a mobile number.", 0},
	21611: {problem.CodeUnavailable, "", "Twilio has as many messages of this number waiting as it takes.", time.Minute},
	10004: {problem.CodeUnavailable, "", "The account has as many calls at once as it may.", 10 * time.Second},
	22005: {problem.CodeUnavailable, "", "Twilio has as many calls waiting as it takes.", time.Minute},
}

// maxSentence bounds what is shown of Twilio's words, in characters.
const maxSentence = 300

func sentence(message string) string {
	if message == "" {
		return "it did not say why."
	}
	if runes := []rune(message); len(runes) > maxSentence {
		return string(runes[:maxSentence]) + "…"
	}
	return message
}

// retryAfter is how long Twilio asks to wait, within bounds.
func retryAfter(response *http.Response) time.Duration {
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		return time.Second
	}
	return min(time.Duration(seconds)*time.Second, 10*time.Minute)
}
