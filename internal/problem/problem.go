// Package problem holds the one error type that people are shown, and the one place where it
// becomes an HTTP response.
//
// A problem has a stable code for programs and a sentence for people; it never carries the text of
// an infrastructure error, which goes to the log instead. Any other error is "internal" to whoever
// asked: see [From]. TwiML answers are not problems: a caller hears an apology, never an error
// (design, rule 20).
package problem

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Code names a kind of problem. Codes are part of the API: they never change their meaning.
type Code string

// The codes in use. Each has one HTTP status, in [Code.Status].
const (
	CodeInvalid              Code = "invalid"
	CodeUnauthorized         Code = "unauthorized"
	CodeForbidden            Code = "forbidden"
	CodeNotFound             Code = "not_found"
	CodeConflict             Code = "conflict"
	CodeDuplicatePhone       Code = "duplicate_phone"
	CodeContactLimitReached  Code = "contact_limit_reached"
	CodeTooLarge             Code = "too_large"
	CodeMediaType            Code = "unsupported_media_type"
	CodeIdempotencyKeyReused Code = "idempotency_key_reused"
	CodeRateLimited          Code = "rate_limited"
	CodeUnavailable          Code = "unavailable"
	CodeOptedOut             Code = "opted_out"      // somebody who wants no messages
	CodeTwilioRefused        Code = "twilio_refused" // for a reason that has no code of its own
	CodeInternal             Code = "internal"
)

var statuses = map[Code]int{
	CodeInvalid:              http.StatusUnprocessableEntity,
	CodeUnauthorized:         http.StatusUnauthorized,
	CodeForbidden:            http.StatusForbidden,
	CodeNotFound:             http.StatusNotFound,
	CodeConflict:             http.StatusConflict,
	CodeDuplicatePhone:       http.StatusConflict,
	CodeContactLimitReached:  http.StatusPaymentRequired,
	CodeTooLarge:             http.StatusRequestEntityTooLarge,
	CodeMediaType:            http.StatusUnsupportedMediaType,
	CodeIdempotencyKeyReused: http.StatusUnprocessableEntity,
	CodeRateLimited:          http.StatusTooManyRequests,
	CodeUnavailable:          http.StatusServiceUnavailable,
	CodeOptedOut:             http.StatusConflict,
	CodeTwilioRefused:        http.StatusBadGateway,
	CodeInternal:             http.StatusInternalServerError,
}

// Status returns the HTTP status that a problem with this code is answered with.
func (c Code) Status() int {
	if s, ok := statuses[c]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// Codes returns all codes, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(statuses)) }

// Error is a problem that is safe to show: to an API client, on the command line, to an agent.
type Error struct {
	Code   Code
	Detail string // one or two sentences: what is wrong and what to do next
	Field  string // the input field at fault, or ""
	// ID names the row that stands in the way, such as the contact that already has a phone.
	ID string
	// RetryAfter is how long to wait before the same may succeed; 0 where waiting alone does not help.
	RetryAfter time.Duration
}

// Error returns the sentence for people, with the field in front where one is at fault.
func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + ": " + e.Detail
	}
	return e.Detail
}

// New returns a problem with the given code and sentence.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Invalid returns a problem with one input field.
func Invalid(field, format string, args ...any) *Error {
	return &Error{Code: CodeInvalid, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// NotFound says that no such thing exists for whoever asks. Another organisation's row is not
// found either, so that ids cannot be probed.
func NotFound(format string, args ...any) *Error {
	return New(CodeNotFound, format, args...)
}

// From returns the problem inside err, or an internal one that gives nothing away. The boolean is
// false for the latter: such an error belongs in the log.
func From(err error) (*Error, bool) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e, true
	}
	return New(CodeInternal, "Something went wrong here. Try again; if it stays, tell the operator the time of this request."), false
}
