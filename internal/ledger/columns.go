package ledger

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"ringside/contacts"
)

// columns turns events into the arrays that applySQL unnests, one an argument.
func columns(events []*Event, key contacts.ErasureKey) []any {
	return []any{
		column(events, func(e *Event) string { return string(e.OrgID) }),
		column(events, func(e *Event) string { return e.SID }),
		column(events, func(e *Event) string { return e.Name }),
		column(events, func(e *Event) time.Time { return e.At }),
		column(events, func(e *Event) string { return e.Kind }),
		column(events, func(e *Event) string { return e.Direction }),
		column(events, func(e *Event) string { return e.From }),
		column(events, func(e *Event) string { return e.To }),
		column(events, func(e *Event) *string { return optional(string(e.Party)) }),
		column(events, func(e *Event) *string { return optional(e.AgentID) }),
		column(events, func(e *Event) *string { return optional(e.ContactID) }),
		column(events, func(e *Event) string { return fmt.Sprintf("%02d %s", Rank(e.Status), e.Status) }),
		column(events, (*Event).startedAt),
		column(events, (*Event).endedAt),
		column(events, (*Event).seconds),
		column(events, func(e *Event) bool { return e.Untrusted }),
		column(events, func(e *Event) bool { return e.Disowned }),
		column(events, func(e *Event) string { return e.Reason }),
		column(events, func(e *Event) string { return e.Summary }),
		column(events, func(e *Event) *string { return optional(string(e.Recognition)) }),
		column(events, func(e *Event) *string { return optional(string(e.detail())) }),
		column(events, (*Event).arrivedAt),
		column(events, (*Event).session),
		column(events, (*Event).lines),
		column(events, (*Event).changesHistory),
		column(events, func(e *Event) []byte { return key.Person(e.OrgID, e.Party) }),
		column(events, func(e *Event) string { return e.Text }),
		column(events, (*Event).media),
		column(events, func(e *Event) *string { return optional(string(e.Consent)) }),
		column(events, func(e *Event) *string { return optional(e.Announce.kind()) }),
		column(events, func(e *Event) *string { return optional(string(e.Announce.payload())) }),
	}
}

func column[T any](events []*Event, value func(*Event) T) []T {
	values := make([]T, len(events))
	for i, e := range events {
		values[i] = value(e)
	}
	return values
}

// optional returns nil, which Postgres reads as NULL, for an empty text.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (e *Event) startedAt() time.Time {
	if e.StartedAt.IsZero() {
		return e.At
	}
	return e.StartedAt
}

// endedAt is nil while the interaction may go on.
func (e *Event) endedAt() *time.Time {
	switch {
	case !e.EndedAt.IsZero():
		return &e.EndedAt
	case Final(e.Status), e.Status == statusSent:
		return &e.At
	}
	return nil
}

// seconds is nil where the event does not know the duration, or there is none. It fits the database's integer,
// whatever was claimed: a value that the driver cannot send would be tried for ever.
func (e *Event) seconds() *int {
	if e.DurationS == 0 && !Final(e.Status) || e.Kind == "message" {
		return nil
	}
	s := min(max(e.DurationS, 0), math.MaxInt32)
	return &s
}

// arrivedAt is when the parties were last in contact, for last_contacted_at; nil if the event does
// not say that they were.
func (e *Event) arrivedAt() *time.Time {
	if !e.contacted() {
		return nil
	}
	return e.endedAt()
}

func (e *Event) session() *string {
	if e.Transcript == nil {
		return nil
	}
	return &e.Transcript.SessionID
}

func (e *Event) lines() *string {
	if e.Transcript == nil {
		return nil
	}
	text, err := json.Marshal(e.Transcript.Lines)
	if err != nil { // a time beyond the year 9999: better no transcript than none of the batch
		text = []byte("[]")
	}
	s := string(text)
	return &s
}

func (e *Event) media() *string {
	if len(e.Media) == 0 {
		return nil
	}
	text, _ := json.Marshal(e.Media) // strings always marshal
	s := string(text)
	return &s
}
