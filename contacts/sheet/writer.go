package sheet

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"
)

// Writer writes a CSV file that spreadsheets and [Open] read: UTF-8, commas, CRLF.
//
// A spreadsheet takes a cell that begins with = + - @ for a formula, which may reach out to the
// network, and so may one after a tab or line break at its beginning. Writer puts an apostrophe in
// front of such a cell, which makes it text. That hits every phone number too, +14155551200, which a
// spreadsheet would otherwise turn into an amount. Open takes the apostrophe away again: where it
// stands in front of such a character, and nowhere else, so that 't Hooft keeps his. A text that has
// an apostrophe there of its own gets a second one, so that every text comes back as it was.
type Writer struct {
	w   *bufio.Writer
	err error
}

// WriterOptions say how a file is written.
type WriterOptions struct {
	// BOM puts a byte order mark in front, by which Excel knows UTF-8.
	BOM bool
}

// NewWriter returns a writer to w. Nothing is sure to have arrived before [Writer.Flush].
func NewWriter(w io.Writer, o WriterOptions) *Writer {
	to := &Writer{w: bufio.NewWriter(w)}
	if o.BOM {
		_, to.err = to.w.WriteString("\uFEFF")
	}
	return to
}

// Write writes a row. Of an error the later calls return the same.
func (w *Writer) Write(cells ...string) error {
	for i, cell := range cells {
		if i > 0 {
			w.put(",")
		}
		w.cell(cell, len(cells) == 1)
	}
	w.put("\r\n")
	return w.err
}

// Flush writes what is held back to the underlying writer.
func (w *Writer) Flush() error {
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.err
}

func (w *Writer) put(s string) {
	if w.err == nil {
		_, w.err = w.w.WriteString(s)
	}
}

// cell writes a cell. It is quoted also for what other readers may divide cells by. One that is alone
// in its row is quoted even if empty, since the line would be blank.
func (w *Writer) cell(text string, alone bool) {
	neutral := ""
	if formulaLike(text) {
		neutral = "'"
	}
	quoted := strings.ContainsAny(text, "\",;|\t\r\n") || strings.TrimSpace(text) != text || alone && text == ""
	if !quoted {
		w.put(neutral)
		w.put(text)
		return
	}
	w.put(`"` + neutral)
	w.put(strings.ReplaceAll(text, `"`, `""`))
	w.put(`"`)
}

// formulaLike tells whether a spreadsheet may take a text for a formula, or would but for the
// apostrophes in front of it.
func formulaLike(text string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, "'"))
	switch r {
	case '=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠': // full-width ones count in Japanese
		return true
	}
	return false
}
