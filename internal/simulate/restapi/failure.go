package restapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// Twilio's errors that are no matter of what is asked for.
const (
	codeCredentials = 20003
	codeInactive    = 20005
	codeUnreadable  = 20001
	codeNotFound    = 20404
	codeTooMany     = 20429
	codeServer      = 20500
)

// messages are Twilio's words for its errors; {to} and {from} are the request's.
var messages = map[int]string{
	10004: "Call concurrency limit exceeded",
	21201: "No 'To' number is specified",
	21205: "Url is not a valid URL",
	21210: "The source phone number provided, {from}, is not yet verified for your account.",
	21211: "The 'To' number {to} is not a valid phone number.",
	21212: "The 'From' number {from} is not a valid phone number, shortcode, or alphanumeric sender ID.",
	21213: "No 'From' number is specified",
	21214: "'To' phone number cannot be reached",
	21215: "Account not authorized to call {to}.",
	21216: "Account not allowed to call {to}",
	21217: "Phone number {to} does not appear to be valid",
	21402: "Url is not a valid URL",
	21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}.",
	21602: "Message body is required.",
	21603: "A 'From' phone number is required.",
	21604: "A 'To' phone number is required.",
	21606: "The 'From' phone number provided ({from}) is not a valid message-capable Twilio phone number for this destination.",
	21610: "Attempt to send to unsubscribed recipient",
	21611: "This 'From' number has exceeded the maximum number of queued messages",
	21612: "The 'To' phone number: {to}, is not currently reachable using the 'From' phone number: {from} via SMS.",
	21614: "'To' number: {to} is not a valid mobile number",
	21617: "The concatenated message body exceeds the 1600 character limit.",
	21659: "The 'From' {from} is not a Twilio phone number or Short Code country mismatch",
	22005: "Call queue is full",
}

// failure is one of Twilio's errors.
type failure struct {
	status, code int
	message      string
}

// failed is the failure with a code.
func failed(code int, asked Create) *failure {
	status := http.StatusBadRequest
	switch code {
	case 10004, 22005:
		status = http.StatusTooManyRequests
	case 21215, 21216, 21408:
		status = http.StatusForbidden
	}
	words, ok := messages[code]
	if !ok {
		words = "Refused"
	}
	return &failure{status, code, strings.NewReplacer("{to}", asked.To, "{from}", asked.From).Replace(words)}
}

func (f *failure) write(w http.ResponseWriter) { refuse(w, f.status, f.code, f.message) }

// refuse answers with an error in Twilio's shape (Twilio: REST API, responses).
func refuse(w http.ResponseWriter, status, code int, message string) {
	answer(w, status, struct {
		Code     int    `json:"code"`
		Message  string `json:"message"`
		MoreInfo string `json:"more_info"`
		Status   int    `json:"status"`
	}{code, message, "https://www.twilio.com/docs/errors/" + strconv.Itoa(code), status})
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the asker has gone
}
