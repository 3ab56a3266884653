package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"strings"

	"ringside/contacts"
)

// crowd is who is in the book before a file is imported, and who is in the file. Of twenty rows of the
// file one is bad, two are of people who are known, one has the phone of an earlier row, and sixteen
// are to be created.
type crowd struct{ rows int }

const rowsOfAKind = 20 // rows of a file that has all kinds

// known is how many are in the book at first: with those who are created, as many as the file has rows.
func (c crowd) known() int { return c.rows / 5 }

// fresh is how many a file creates. They come after those who are known.
func (c crowd) fresh() int { return c.rows * 16 / rowsOfAKind }

// all is how many are in the book in the end.
func (c crowd) all() int { return c.known() + c.fresh() }

// expected is what the report of an import has to say.
func (c crowd) expected() contacts.ImportReport {
	tenth, twentieth := c.rows/10, c.rows/20
	return contacts.ImportReport{State: contacts.ImportDone, Rows: c.rows, Created: c.fresh(), Known: tenth, Repeated: twentieth, Invalid: twentieth}
}

// mismatch is how a report differs from what the file was made for, or nil.
func (c crowd) mismatch(got contacts.ImportReport) error {
	counts := func(r contacts.ImportReport) string {
		return fmt.Sprintf("%s: %d rows, %d created, %d known, %d repeated, %d invalid, %d left out", r.State, r.Rows, r.Created, r.Known, r.Repeated, r.Invalid, r.LeftOut)
	}
	if got, want := counts(got), counts(c.expected()); got != want {
		return fmt.Errorf("the import has %s; the file was made for %s", got, want)
	}
	return nil
}

// write writes the file.
func (c crowd) write(path string) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the file to import: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := csv.NewWriter(file)
	_ = w.Write([]string{"Name", "Phone", "Email", "Tags", "Notes"}) // Flush has the error
	for row := range c.rows {
		_ = w.Write(c.row(row))
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("write the file to import: %w", err)
	}
	return nil
}

// row returns the cells of a row of the file.
func (c crowd) row(row int) []string {
	turn, place := row/rowsOfAKind, row%rowsOfAKind
	nth := c.known() + turn*16 // the turn's first who is created
	switch place {
	case 3:
		return badRow(turn, somebody(nth))
	case 7, 13:
		return cells(somebody(2*turn + place/10))
	case 17:
		again := somebody(nth)
		again.written, again.name = again.phone, again.name+" again"
		return cells(again)
	case 0, 1, 2:
		return cells(somebody(nth + place))
	case 4, 5, 6:
		return cells(somebody(nth + place - 1))
	case 8, 9, 10, 11, 12:
		return cells(somebody(nth + place - 2))
	case 14, 15, 16:
		return cells(somebody(nth + place - 3))
	}
	return cells(somebody(nth + place - 4)) // 18 and 19
}

func cells(p person) []string {
	return []string{p.name, p.written, p.email, strings.Join(p.tags, ", "), p.notes}
}

// badRow is a row that an import has to refuse.
func badRow(turn int, p person) []string {
	switch turn % 4 {
	case 0:
		p.written = "12"
	case 1:
		p.written = "ask the office"
	case 2:
		p.email = "nobody at example"
	case 3:
		p.name = ""
	}
	return cells(p)
}
