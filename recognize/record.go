// Package recognize answers who is calling: it finds the caller by exact phone number within one
// organisation, decides whether the name may be said and what the agent may be told, renders the
// greeting, and keeps the trace of how it came to that.
//
// It does not cache (package cache wraps the [Directory] declared here) and it does not write.
package recognize

import (
	"context"
	"time"

	"ringside/internal/org"
	"ringside/internal/phone"
)

// Record is everything Postgres knows of one phone number in one organisation. A record with
// neither contact nor campaign is an unknown caller, and is as good a finding as any. Records are
// shared between goroutines and never changed.
type Record struct {
	Contact  *Contact  `json:"contact,omitempty"`
	Campaign *Campaign `json:"campaign,omitempty"`
	// History are the latest calls and messages, the newest first, at most [historyRead].
	History []Interaction `json:"history,omitempty"`
}

// Contact is what recognition needs of a contact.
type Contact struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Email string   `json:"email,omitempty"`
	Tags  []string `json:"tags,omitempty"`
	Notes string   `json:"notes,omitempty"`
	// Blocked callers are rejected; Unnamed ones have asked not to be greeted by name.
	Blocked bool `json:"blocked,omitempty"`
	Unnamed bool `json:"unnamed,omitempty"`
}

// Campaign is the last campaign that called the number.
type Campaign struct {
	Campaign string    `json:"campaign"`
	Name     string    `json:"name,omitempty"`
	Notes    string    `json:"notes,omitempty"`
	Result   string    `json:"result,omitempty"`
	CalledAt time.Time `json:"called_at"`
}

// Interaction is one earlier call or message, as the agent is told of it.
type Interaction struct {
	SID       string    `json:"sid,omitempty"`
	At        time.Time `json:"at"`
	EndedAt   time.Time `json:"ended_at"`
	Kind      string    `json:"kind"`
	Direction string    `json:"direction"`
	DurationS int       `json:"duration_s"`
	Summary   string    `json:"summary,omitempty"`
}

// Tier names a place where a caller was looked for.
type Tier string

// The tiers, from the nearest.
const (
	TierProcess  Tier = "process"
	TierRedis    Tier = "redis"
	TierPostgres Tier = "postgres"
)

// Step is one tier's part in a look-up, for the trace.
type Step struct {
	Tier    Tier   `json:"tier"`
	Outcome string `json:"outcome"` // hit, miss, fenced, distrusted, failed: …, timeout
	Micros  int64  `json:"micros"`
	// AgeMS is how old a cached entry was, in milliseconds.
	AgeMS int64 `json:"age_ms,omitempty"`
}

// Finding is the result of a look-up: the record and how it was found.
type Finding struct {
	Record *Record
	Steps  []Step
	// Stale: Postgres could not be asked, and what was held is served as it is.
	Stale bool
}

// Directory finds a caller by organisation and exact number. A number that nobody has is a Finding
// with an empty record, not an error: an error means that it is not known. Find returns as soon as
// ctx is done, with the steps it has taken: a caller is waiting.
type Directory interface {
	Find(ctx context.Context, id org.ID, n phone.Number) (Finding, error)
}
