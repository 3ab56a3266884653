// Package sheet reads people from spreadsheet exports as people have them, row by row, for the
// import of an address book, and writes such files. It finds out the encoding, the delimiter and
// which column is which, repairs what is certain, and says of every other row what is wrong with it
// and in which line. It holds one row at a time, so that the size of a file costs no memory.
//
// It knows no database and no contacts: what becomes of a row, whether an e-mail address is one, and
// who is in the book already is not decided here. [ReadPhone] reads the phone of a row.
package sheet

import (
	"errors"
	"io"
	"slices"

	"ringside/internal/problem"
)

// Limits of what is read. Zero takes the default.
type Limits struct {
	Bytes int64 // of the file as it is stored
	Rows  int   // without the header and blank lines
	Field int   // characters of one field
}

// The default limits.
const (
	DefaultBytes = 256 << 20
	DefaultRows  = 1_000_000
	DefaultField = 20_000
)

func (l Limits) orDefault() Limits {
	if l.Bytes == 0 {
		l.Bytes = DefaultBytes
	}
	if l.Rows == 0 {
		l.Rows = DefaultRows
	}
	if l.Field == 0 {
		l.Field = DefaultField
	}
	return l
}

// Options say how a file is read.
type Options struct {
	Limits Limits
	// Columns maps columns of the file to fields, for those whose names say too little. A column
	// mapped to FieldNone is left out; one that is not in the map is told by its name, as long as no
	// other column is mapped to the same field.
	Columns map[string]Field
}

// Sheet is a file that is being read.
type Sheet struct {
	limits    Limits
	encoding  Encoding
	delimiter byte
	records   *reader
	header    header
	rows      int
	row       Row
	err       error // that Next repeats
}

// Open reads a file up to its header. What is wrong with the file as a whole is a problem that says
// how to mend it. If that is about the columns alone, the sheet is returned too: its Columns are what
// people can choose from, and its Next repeats the problem.
func Open(r io.Reader, o Options) (*Sheet, error) {
	limits := o.Limits.orDefault()
	text, encoding, err := decode(&bounded{src: r, left: limits.Bytes, limit: limits.Bytes})
	if err != nil {
		return nil, err
	}
	s := &Sheet{limits: limits, encoding: encoding, records: newReader(text, longestRow(limits.Field))}
	block, whole, err := s.records.peek()
	if err != nil {
		return nil, err
	}
	var announced int
	s.delimiter, announced = announcedDelimiter(block)
	if announced > 0 {
		s.records.skipLine(announced)
	} else {
		s.delimiter = findDelimiter(block, whole)
	}
	s.records.splitter = newSplitter(s.delimiter)
	cells, err := s.readHeader()
	if err != nil {
		return nil, err
	}
	s.header, s.err = readHeader(cells, o.Columns)
	return s, s.err
}

// readHeader returns the cells of the first line that is not blank.
func (s *Sheet) readHeader() ([]string, error) {
	for {
		_, damage, err := s.records.next(0)
		switch {
		case errors.Is(err, io.EOF):
			return nil, problem.Invalid("file", "The file is empty. Its first line names the columns, such as Name,Phone,Email,Tags,Notes, and each line after it is a person.")
		case err != nil:
			return nil, err
		case damage != "":
			return nil, problem.Invalid("file", "The first line, which names the columns, cannot be read. %s", damage)
		}
		var tally Tally
		cells := s.records.record.cells(nil, &tally)
		if !blank(cells) {
			return cells, nil
		}
	}
}

// Next returns the next row, and io.EOF after the last one. The row and its slices are those of the
// row before, filled anew; its strings stay. Any other error ends the reading and is returned from
// then on: a problem, such as that the file is too large, or what the reader of the file returned.
func (s *Sheet) Next() (*Row, error) {
	for s.err == nil {
		line, damage, err := s.records.next(len(s.header.columns))
		if err != nil {
			s.err = err
			break
		}
		row := &s.row
		row.reset(line)
		row.Cells = s.records.record.cells(row.Cells, &row.Repairs)
		if damage == "" && blank(row.Cells) {
			continue
		}
		if s.rows++; s.rows > s.limits.Rows {
			s.err = tooLarge("The file has more than %d rows. Split it into smaller ones, each with the line of column names on top.", s.limits.Rows)
			break
		}
		s.fill(row, damage)
		return row, nil
	}
	return nil, s.err
}

// Encoding returns how the characters of the file are stored.
func (s *Sheet) Encoding() Encoding { return s.encoding }

// Delimiter returns what stands between the cells: a comma, semicolon, tab or pipe, or what the
// file's first line announced.
func (s *Sheet) Delimiter() rune { return rune(s.delimiter) }

// Columns returns the columns of the file, each with the field that it is read as.
func (s *Sheet) Columns() []Column { return slices.Clone(s.header.columns) }

// Unknown returns the names of the columns that are read as no field, also of one that claims a
// field which a column before it has. A column without a name is called by its place.
func (s *Sheet) Unknown() []string {
	var names []string
	for _, c := range s.header.columns {
		if c.Field == FieldNone {
			names = append(names, c.Name)
		}
	}
	return names
}
