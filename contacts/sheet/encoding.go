package sheet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"ringside/internal/problem"
)

// Encoding names how the characters of a file are stored.
type Encoding string

// The encodings that are told apart.
const (
	UTF8        Encoding = "utf-8"
	UTF16LE     Encoding = "utf-16le"
	UTF16BE     Encoding = "utf-16be"
	Windows1252 Encoding = "windows-1252"
)

// firstBlock is how much of a file is looked at before it is read, in bytes.
const firstBlock = 64 << 10

// decode returns a file's text in UTF-8, which may yet hold bytes that are none: see [mend].
func decode(src io.Reader) (io.Reader, Encoding, error) {
	r := bufio.NewReaderSize(src, firstBlock)
	block, err := r.Peek(firstBlock)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, "", readFailed(err)
	}
	if kind := foreign(block); kind != "" {
		return nil, "", problem.Invalid("file", "This is %s, not a CSV file. Open it in the program it comes from, save or export it as CSV (UTF-8), and send that.", kind)
	}
	encoding, mark := detect(block)
	_, _ = r.Discard(mark) // which was peeked
	switch encoding {
	case UTF16LE:
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder().Reader(r), encoding, nil
	case UTF16BE:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewDecoder().Reader(r), encoding, nil
	case Windows1252:
		return charmap.Windows1252.NewDecoder().Reader(r), encoding, nil
	default:
		return r, encoding, nil
	}
}

// foreign names what a file is that people send in place of an export.
func foreign(block []byte) string {
	for _, f := range []struct{ begins, kind string }{
		{"PK\x03\x04", "a workbook (such as .xlsx or .ods) or a zip file"},
		{"\xD0\xCF\x11\xE0", "an Excel workbook (.xls)"},
		{"%PDF-", "a PDF file"},
		{"\x1F\x8B", "a compressed file (.gz)"},
		{"BEGIN:VCARD", "a file of contact cards (.vcf)"},
	} {
		if bytes.HasPrefix(block, []byte(f.begins)) {
			return f.kind
		}
	}
	return ""
}

// detect tells the encoding by the beginning of a file, and how long its byte order mark is.
//
// A few bytes that are no UTF-8 do not make a file of another encoding: such files come about when
// exports are put together. Windows-1252 hardly ever happens to look like a character of UTF-8.
func detect(block []byte) (encoding Encoding, mark int) {
	switch {
	case bytes.HasPrefix(block, []byte("\xEF\xBB\xBF")):
		return UTF8, 3
	case bytes.HasPrefix(block, []byte("\xFF\xFE")):
		return UTF16LE, 2
	case bytes.HasPrefix(block, []byte("\xFE\xFF")):
		return UTF16BE, 2
	}
	if encoding := detectUTF16(block); encoding != "" {
		return encoding, 0
	}
	characters, strays := 0, 0 // beyond ASCII
	for rest := block; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size <= 1 {
			if len(block) == firstBlock && !utf8.FullRune(rest) {
				break // the block ends within a character
			}
			strays++
		} else if size > 1 {
			characters++
		}
		rest = rest[size:]
	}
	if strays > characters {
		return Windows1252, 0
	}
	return UTF8, 0
}

// detectUTF16 tells UTF-16 by the half of each ASCII character that is zero: the digits, delimiters
// and line ends of any export are ASCII, whatever script its names are in.
func detectUTF16(block []byte) Encoding {
	var zeros [2]int // at even and odd places
	for i, b := range block {
		if b == 0 {
			zeros[i&1]++
		}
	}
	enough := max(len(block)/10, 1)
	switch {
	case zeros[1] >= enough && zeros[0] <= zeros[1]/10:
		return UTF16LE
	case zeros[0] >= enough && zeros[1] <= zeros[0]/10:
		return UTF16BE
	}
	return ""
}

// mend returns a cell's text with each byte that is not UTF-8 read as Windows-1252, which is what
// it nearly always is, and whether there was one.
func mend(cell string) (string, bool) {
	if utf8.ValidString(cell) {
		return cell, false
	}
	var b strings.Builder
	for i := 0; i < len(cell); {
		r, size := utf8.DecodeRuneInString(cell[i:])
		if r == utf8.RuneError && size == 1 {
			r = charmap.Windows1252.DecodeByte(cell[i])
		}
		b.WriteRune(r)
		i += size
	}
	return b.String(), true
}

// bounded reads up to so many bytes; beyond them it fails.
type bounded struct {
	src         io.Reader
	left, limit int64
}

// Read implements [io.Reader].
func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 { // one more tells whether there is more
		p = p[:b.left+1]
	}
	n, err := b.src.Read(p)
	if int64(n) > b.left {
		return int(b.left), tooLarge("The file is larger than %d bytes. Split it into smaller ones, each with the line of column names on top.", b.limit)
	}
	b.left -= int64(n)
	return n, err
}

// readFailed returns a problem as it is, and any other error with what was being done.
func readFailed(err error) error {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	return fmt.Errorf("read the file: %w", err)
}

// tooLarge is the problem of a file that is beyond a limit.
func tooLarge(format string, args ...any) error {
	p := problem.New(problem.CodeTooLarge, format, args...)
	p.Field = "file"
	return p
}
