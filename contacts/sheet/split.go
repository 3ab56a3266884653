package sheet

import "bytes"

// verdict says what a splitter found in some data.
type verdict int

const (
	complete verdict = iota // a row
	short                   // the beginning of one: more data is needed
	torn                    // quotation marks that make no sense
)

// mark is what a byte means outside of quotation marks.
type mark uint8

const (
	plain mark = iota
	ends       // the cell, and maybe the row
	dropped
)

// splitter takes rows of cells out of data. It is lenient: spaces may stand around a quoted cell, and
// quotation marks within one line that are not doubled are text.
type splitter struct {
	marks     [256]mark
	delimiter byte
}

func newSplitter(delimiter byte) *splitter {
	s := &splitter{delimiter: delimiter}
	s.marks[0] = dropped
	s.marks[delimiter], s.marks['\n'], s.marks['\r'] = ends, ends, ends
	return s
}

// record is a row as the file has it.
type record struct {
	text  []byte // of all cells, one after the other
	ends  []int  // where in text each cell ends
	lines int    // of the file, that the row takes up
	nul   int    // NUL characters left out
	stray bool   // quotation marks were taken as text
	wide  bool   // there are characters beyond ASCII
}

func (r *record) reset() {
	*r = record{text: r.text[:0], ends: r.ends[:0]}
}

// cells appends the texts of the cells to those given, of which none are kept, and counts the repairs.
func (r *record) cells(into []string, tally *Tally) []string {
	into = into[:0]
	text, from := string(r.text), 0
	for _, to := range r.ends {
		cell := text[from:to]
		if r.wide {
			mended, ok := mend(cell)
			if ok {
				tally.Add(RepairWindows1252)
			}
			cell = mended
		}
		into, from = append(into, cell), to
	}
	if r.nul > 0 {
		tally.Add(RepairNUL)
	}
	if r.stray {
		tally.Add(RepairQuotes)
	}
	return into
}

// endCell keeps what was read since the last call as a cell.
func (r *record) endCell() { r.ends = append(r.ends, len(r.text)) }

// split reads a row from the beginning of data into rec and returns how many bytes it took. last
// says that nothing follows data.
func (s *splitter) split(data []byte, last bool, rec *record) (n int, v verdict) {
	rec.reset()
	for i := 0; ; {
		quote := s.skipBlanks(data, i)
		switch {
		case quote == len(data) && !last:
			return 0, short
		case quote < len(data) && data[quote] == '"':
			i, v = s.quoted(data, quote+1, last, rec)
		default:
			i, v = s.plain(data, i, last, rec)
		}
		if v != complete {
			return 0, v
		}
		rec.endCell()
		if i < len(data) && data[i] == s.delimiter {
			i++
			continue
		}
		end := endOfLine(data, i, last)
		if end < 0 {
			return 0, short
		}
		rec.lines++
		return end, complete
	}
}

// endOfLine returns where the line ends whose end is at i, or -1 if a line feed may follow.
func endOfLine(data []byte, i int, last bool) int {
	switch {
	case i == len(data):
		return i
	case data[i] == '\n':
		return i + 1
	case i+1 == len(data) && !last:
		return -1
	case i+1 < len(data) && data[i+1] == '\n':
		return i + 2
	default:
		return i + 1
	}
}

func (s *splitter) skipBlanks(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t') && data[i] != s.delimiter {
		i++
	}
	return i
}

// plain reads a cell that is not quoted, up to what ends it.
func (s *splitter) plain(data []byte, i int, last bool, rec *record) (int, verdict) {
	from, bits := i, byte(0)
	for ; i < len(data); i++ {
		c := data[i]
		bits |= c
		switch s.marks[c] {
		case plain:
			continue
		case dropped:
			rec.text, from = append(rec.text, data[from:i]...), i+1
			rec.nul++
			continue
		case ends:
		}
		break
	}
	if i == len(data) && !last {
		return 0, short
	}
	rec.text = append(rec.text, data[from:i]...)
	rec.wide = rec.wide || bits >= 0x80
	return i, complete
}

// quoted reads the rest of a cell after its opening quotation mark. A mark that is neither doubled
// nor the closing one is text, unless the cell has several lines: then it may well belong to another
// row, and the cell is torn.
func (s *splitter) quoted(data []byte, i int, last bool, rec *record) (int, verdict) {
	from, bits, lines, stray := i, byte(0), 0, false
	for ; i < len(data); i++ {
		c := data[i]
		bits |= c
		if c > '"' {
			continue
		}
		switch c {
		case '"':
			rec.text = append(rec.text, data[from:i]...)
			if i+1 < len(data) && data[i+1] == '"' {
				i++
				from = i // the second mark is the text
				continue
			}
			after := s.skipBlanks(data, i+1)
			if after == len(data) && !last {
				return 0, short
			}
			if after == len(data) || s.marks[data[after]] == ends {
				rec.lines += lines
				rec.wide, rec.stray = rec.wide || bits >= 0x80, rec.stray || stray
				return after, complete
			}
			from, stray = i, true
		case '\n', '\r':
			end := endOfLine(data, i, last)
			if end < 0 {
				return 0, short
			}
			i = end - 1
			lines++
		case 0:
			rec.text, from = append(rec.text, data[from:i]...), i+1
			rec.nul++
		}
		if stray && lines > 0 {
			return 0, torn
		}
	}
	if !last {
		return 0, short
	}
	return 0, torn
}

// splitLine reads one line as a row, for one that split found torn. Delimiters count also within
// quotation marks. If that gives the wanted number of cells (0: any), and each has its marks in
// pairs, it is complete, and marks within a cell are text; otherwise it is torn. Both times rec holds
// the cells and n is the length of the line.
func (s *splitter) splitLine(data []byte, last bool, wanted int, rec *record) (n int, v verdict) {
	rec.reset()
	pairs := true
	for i := 0; ; i++ {
		begin := len(rec.text)
		if i, v = s.plain(data, i, last, rec); v != complete {
			return 0, v
		}
		cell := bytes.TrimSpace(rec.text[begin:])
		marks := bytes.Count(cell, []byte{'"'})
		pairs = pairs && marks%2 == 0
		if marks > 0 && marks%2 == 0 && cell[0] == '"' && cell[len(cell)-1] == '"' {
			inner := bytes.ReplaceAll(cell[1:len(cell)-1], []byte(`""`), []byte{'"'})
			rec.text = append(rec.text[:begin], inner...)
		}
		rec.stray = rec.stray || marks > 0
		rec.endCell()
		if i < len(data) && data[i] == s.delimiter {
			continue
		}
		if n = endOfLine(data, i, last); n < 0 {
			return 0, short
		}
		rec.lines++
		if !pairs || wanted > 0 && len(rec.ends) != wanted {
			return n, torn
		}
		return n, complete
	}
}
