package contacts

import (
	"time"

	"ringside/contacts/sheet"
)

// ImportState is how far an import has come.
type ImportState string

// The states of an import.
const (
	ImportReading ImportState = "reading" // or it was killed while it read
	ImportPlanned ImportState = "planned" // nothing is written yet
	ImportRunning ImportState = "running"
	ImportStopped ImportState = "stopped" // cancelled: the rows up to StoppedAt are in the book
	ImportDone    ImportState = "done"
	ImportUndone  ImportState = "undone"
)

// ImportReport says what becomes, or has become, of each row of a file. Every row is one of created,
// known, repeated, invalid and left out.
type ImportReport struct {
	ID       string      `json:"id"`
	State    ImportState `json:"state"`
	FileName string      `json:"file_name,omitempty"`
	// CampaignID is the campaign whose people they are; "": they are contacts.
	CampaignID string `json:"campaign_id,omitempty"`
	Rows       int    `json:"rows"` // without header and blank lines
	Created    int    `json:"created"`
	// Known have a phone that the book has; they are left as they are. Archived says how many of them
	// are archived: an import brings nobody back.
	Known    int `json:"known"`
	Archived int `json:"archived"`
	Repeated int `json:"repeated"` // have the phone of an earlier row
	Invalid  int `json:"invalid"`
	LeftOut  int `json:"left_out"` // are past the plan's limit
	// Problems are the first invalid rows, at most maxProblems; all are in the file of rejected rows.
	Problems []ImportProblem `json:"problems"`
	// First are the first rows of the other kinds, of a plan.
	First map[string][]ImportRow `json:"first,omitempty"`

	Encoding       string         `json:"encoding"`
	Delimiter      string         `json:"delimiter"`
	Columns        []ImportColumn `json:"columns"`
	UnknownColumns []string       `json:"unknown_columns"`
	Repairs        map[string]int `json:"repairs,omitempty"` // by kind
	StoppedAt      int            `json:"stopped_at,omitempty"`
	CreatedAt      time.Time      `json:"created_at"`
	// FileID is the kept file that was planned, while there is one: see [Book.PlanKept].
	FileID string `json:"-"`
	// Held says that somebody works on the import just now.
	Held bool `json:"-"`
}

// Written is how many rows of the file are settled so far: in the book, or not to be in it.
func (r *ImportReport) Written() int {
	return r.Created + r.Known + r.LeftOut + r.Invalid + r.Repeated
}

// ImportProblem is why a row was rejected.
type ImportProblem struct {
	Line   int    `json:"line"`
	Column string `json:"column"`
	Value  string `json:"value"`
	Reason string `json:"reason"`
}

// ImportRow is a row of a file as it was understood.
type ImportRow struct {
	Line  int    `json:"line"`
	Name  string `json:"name"`
	Phone string `json:"phone"`
}

// ImportColumn is a column of a file and what it was read as; "" is nothing.
type ImportColumn struct {
	Name  string      `json:"name"`
	Field sheet.Field `json:"field"`
	// Variable is the variable that it is, of a campaign's people.
	Variable string `json:"variable,omitempty"`
}

// Bounds of a report.
const (
	maxProblems = 100
	maxFirst    = 10
)

// ImportProgress is how far an import has come.
type ImportProgress struct {
	Reading   bool          `json:"reading"` // the file is read; then rows are written
	Rows      int           `json:"rows"`    // of the file, read so far or written so far
	Of        int           `json:"of"`      // rows of the file; 0 while it is read
	Created   int           `json:"created"`
	Skipped   int           `json:"skipped"`
	PerSecond float64       `json:"per_second"`
	Remaining time.Duration `json:"remaining_ns"`
}
