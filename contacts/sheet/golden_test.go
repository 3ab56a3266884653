package sheet_test

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/contacts/sheet"
)

// update rewrites what is expected of the files, to be read before it is kept.
var update = flag.Bool("update", false, "write testdata/*.want.json anew")

// smallLimits are such that a small file can go beyond them.
var smallLimits = sheet.Limits{Bytes: 4096, Rows: 6, Field: 50}

// report is all that is read from a file.
type report struct {
	Error     string   `json:"error,omitempty"` // of Open or Next
	Encoding  string   `json:"encoding,omitempty"`
	Delimiter string   `json:"delimiter,omitempty"`
	Columns   []string `json:"columns,omitempty"` // "name in the file → field"
	Unknown   []string `json:"unknown,omitempty"`
	Rows      []rowIn  `json:"rows,omitempty"`
}

// rowIn is a row in a report.
type rowIn struct {
	Line    int            `json:"line"`
	Name    string         `json:"name,omitempty"`
	Phone   string         `json:"phone,omitempty"`
	Email   string         `json:"email,omitempty"`
	Tags    []string       `json:"tags,omitempty"`
	Notes   string         `json:"notes,omitempty"`
	Repairs map[string]int `json:"repairs,omitempty"`
	Invalid string         `json:"invalid,omitempty"` // "column | value | reason"
}

// readAll reads a file to its end, in pieces of an awkward size.
func readAll(r io.Reader, o sheet.Options) report {
	var rep report
	s, err := sheet.Open(r, o)
	if s != nil {
		rep.Encoding, rep.Delimiter, rep.Unknown = string(s.Encoding()), string(s.Delimiter()), s.Unknown()
		for _, c := range s.Columns() {
			rep.Columns = append(rep.Columns, c.Name+" → "+string(c.Field))
		}
	}
	for err == nil {
		var row *sheet.Row
		if row, err = s.Next(); err != nil {
			break
		}
		in := rowIn{Line: row.Line, Name: row.Name, Phone: row.Phone, Email: row.Email, Tags: slices.Clone(row.Tags), Notes: row.Notes, Repairs: row.Repairs.Counts()}
		if len(in.Tags) == 0 {
			in.Tags = nil
		}
		if p := row.Invalid; p != nil {
			in.Invalid = p.Column + " | " + p.Value + " | " + p.Reason
		}
		rep.Rows = append(rep.Rows, in)
	}
	if !errors.Is(err, io.EOF) {
		rep.Error = err.Error()
	}
	return rep
}

// Each file in testdata has one oddity, which its name tells. They were written byte by byte with
// printf; an editor may mend them unasked.
func TestFilesAsPeopleHaveThem(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.csv")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".csv")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got := readAll(f, sheet.Options{Limits: smallLimits})
			wanted := "testdata/" + name + ".want.json"
			if *update {
				text, err := json.MarshalIndent(got, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(wanted, append(text, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(wanted)
			if err != nil {
				t.Fatal(err)
			}
			var want report
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want, +got):\n%s", diff)
			}
		})
	}
}
