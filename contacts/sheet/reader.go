package sheet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// reader reads a text row by row and knows in which line each begins. It holds the part of the text
// that has been read and not yet returned, so that a row can be read once more in another way.
type reader struct {
	src      io.Reader
	splitter *splitter
	record   record // the latest row

	buf      []byte
	from, to int  // what of buf is still to be returned
	longest  int  // bytes of a row
	last     bool // nothing follows what is in buf
	err      error
	line     int // lines returned so far
}

// longestRow returns how many bytes of a row are held: more than a row of good fields has, so that
// the message is about the field. A quotation mark without its closing one takes no more than that.
func longestRow(field int) int { return max(1<<20, 2*utf8.UTFMax*field) }

func newReader(src io.Reader, longest int) *reader {
	return &reader{src: src, buf: make([]byte, firstBlock), longest: longest}
}

// peek returns the beginning of the text, and whether that is all.
func (r *reader) peek() (block []byte, whole bool, err error) {
	for r.to < firstBlock/2 && !r.last {
		if err := r.fill(); err != nil {
			return nil, false, err
		}
	}
	// Windows knows the byte order mark as a character too, and programs write it twice.
	for bytes.HasPrefix(r.buf[r.from:r.to], []byte("\uFEFF")) {
		r.from += len("\uFEFF")
	}
	return r.buf[r.from:r.to], r.last, nil
}

// skipLine leaves a first line of n bytes out.
func (r *reader) skipLine(n int) {
	r.from += n
	r.line++
}

// fill reads more of the text: at least as much again as there is, so that a row which is begun anew
// each time costs no more than twice its length.
func (r *reader) fill() error {
	if r.err != nil {
		return r.err
	}
	if r.from > 0 && 2*(r.to-r.from) <= len(r.buf) {
		r.to = copy(r.buf, r.buf[r.from:r.to])
		r.from = 0
	} else if held := r.to - r.from; len(r.buf)-r.to < held || r.to == len(r.buf) {
		larger := make([]byte, 2*max(len(r.buf), held))
		r.to = copy(larger, r.buf[r.from:r.to])
		r.buf, r.from = larger, 0
	}
	wanted := max(1, r.to-r.from)
	for idle := 0; wanted > 0 && !r.last && r.err == nil; {
		n, err := r.src.Read(r.buf[r.to:])
		r.to += n
		wanted -= n
		if idle++; n > 0 {
			idle = 0
		}
		switch {
		case errors.Is(err, io.EOF):
			r.last = true
		case err != nil:
			r.err = readFailed(err)
		case idle == 100:
			r.err = readFailed(io.ErrNoProgress)
		}
	}
	if wanted > 0 {
		return r.err // nil at the end of the text
	}
	return nil
}

// next reads the next row into r.record and returns the line in which it begins. Damage is why its
// cells are not to be trusted, or "". Such a row takes up one line, so that an error costs no other.
// If wanted is not 0, it is how many cells a row should have.
func (r *reader) next(wanted int) (line int, damage string, err error) {
	for {
		data := r.buf[r.from:r.to]
		if len(data) == 0 && r.last {
			return 0, "", io.EOF
		}
		n, v := r.splitter.split(data, r.last, &r.record)
		if v == torn || v == short && len(data) >= r.longest {
			if n, v = r.splitter.splitLine(data, r.last, wanted, &r.record); v == torn {
				damage = "A quotation mark has no closing one; put the cell into quotation marks, and write those within it twice."
			}
		}
		switch {
		case v != short:
			line = r.line + 1
			r.from += n
			r.line += r.record.lines
			return line, damage, nil
		case len(data) >= r.longest:
			return r.skipRow()
		}
		if err := r.fill(); err != nil {
			return 0, "", err
		}
	}
}

// skipRow leaves out a line that is longer than any row.
func (r *reader) skipRow() (line int, damage string, err error) {
	r.record.reset()
	r.line++
	damage = fmt.Sprintf("The line is longer than %d bytes.", r.longest)
	for {
		data := r.buf[r.from:r.to]
		if i := bytes.IndexAny(data, "\r\n"); i >= 0 {
			if end := endOfLine(data, i, r.last); end >= 0 {
				r.from += end
				return r.line, damage, nil
			}
			r.from += i
		} else {
			r.from = r.to
		}
		if r.last {
			r.from = r.to
			return r.line, damage, nil
		}
		if err := r.fill(); err != nil {
			return 0, "", err
		}
	}
}
