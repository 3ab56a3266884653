package sheet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"ringside/contacts/sheet"
	"ringside/internal/problem"
)

func TestColumnsThatPeopleHaveChosen(t *testing.T) {
	t.Parallel()
	const file = "Kürzel,Mobile,Fax,Name\nAnna,+14155551200,+14155551299,AB\n"
	tests := []struct {
		name    string
		columns map[string]sheet.Field
		want    string // name/phone of the row
		unknown []string
		err     string
	}{
		{"by their names", nil, "AB/+14155551200", []string{"Kürzel", "Fax"}, ""},
		{"another name", map[string]sheet.Field{"Kürzel": sheet.FieldName}, "Anna/+14155551200", []string{"Fax", "Name"}, ""},
		{"another phone", map[string]sheet.Field{"Fax": sheet.FieldPhone, "Mobile": sheet.FieldNone}, "AB/+14155551299", []string{"Kürzel", "Mobile"}, ""},
		{"a name in two parts", map[string]sheet.Field{"Kürzel": sheet.FieldFirstName, "Name": sheet.FieldLastName}, "Anna AB/+14155551200", []string{"Fax"}, ""},
		{"not there", map[string]sheet.Field{"Cell": sheet.FieldPhone}, "", nil, `columns: The file has no column "Cell"; it has "Kürzel", "Mobile", "Fax", "Name".`},
		{"no such field", map[string]sheet.Field{"Fax": "fax"}, "", nil, `columns: There is no field "fax"; a column can be one of name, first_name, last_name, phone, email, tags, notes, variable.`},
		{"twice", map[string]sheet.Field{"Fax": sheet.FieldPhone, "Mobile": sheet.FieldPhone}, "", nil, `columns: The columns "Fax" and "Mobile" are both to be the phone; choose one.`},
		{"none left", map[string]sheet.Field{"Mobile": sheet.FieldNone}, "", nil, `phone: No column is the phone. The file has "Kürzel", "Mobile", "Fax", "Name". Rename the one that holds it to "Phone", or choose it.`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := sheet.Open(strings.NewReader(file), sheet.Options{Columns: tt.columns})
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("error %v, want %s", err, tt.err)
				}
				if len(s.Columns()) != 4 {
					t.Errorf("columns %v, want the four to choose from", s.Columns())
				}
				if _, again := s.Next(); !errors.Is(again, err) {
					t.Errorf("Next: %v, want the same problem", again)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			row, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if got := row.Name + "/" + row.Phone; got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if diff := cmp.Diff(tt.unknown, s.Unknown()); diff != "" {
				t.Errorf("unknown (-want, +got):\n%s", diff)
			}
		})
	}
}

func TestLimitOfBytes(t *testing.T) {
	t.Parallel()
	const file = "name,phone\nAnna,+14155551200\n"
	rep := readAll(strings.NewReader(file), sheet.Options{Limits: sheet.Limits{Bytes: int64(len(file))}})
	if rep.Error != "" || len(rep.Rows) != 1 {
		t.Errorf("a file as large as allowed: %+v", rep)
	}
	_, err := sheet.Open(strings.NewReader(file), sheet.Options{Limits: sheet.Limits{Bytes: int64(len(file)) - 1}})
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != problem.CodeTooLarge || p.Field != "file" {
		t.Errorf("a file one byte larger: %v", err)
	}
	large := "name,phone\n" + strings.Repeat("Anna,+14155551200\n", 20_000)
	rep = readAll(strings.NewReader(large), sheet.Options{Limits: sheet.Limits{Bytes: int64(len(large)) - 1}})
	if !strings.Contains(rep.Error, "larger than") || len(rep.Rows) < 10_000 || len(rep.Rows) == 20_000 {
		t.Errorf("a file that is too large by its end: %d rows, %s", len(rep.Rows), rep.Error)
	}
}

func TestWhatTheReaderReturns(t *testing.T) {
	t.Parallel()
	const file = "name,phone\r\nAnna,+14155551200\r\n\"Ben\",+14155551201"
	want := readAll(strings.NewReader(file), sheet.Options{})
	if len(want.Rows) != 2 {
		t.Fatalf("%+v", want)
	}
	for name, r := range map[string]io.Reader{
		"byte by byte": iotest.OneByteReader(strings.NewReader(file)), "error with data": iotest.DataErrReader(strings.NewReader(file)),
	} {
		if diff := cmp.Diff(want, readAll(r, sheet.Options{})); diff != "" {
			t.Errorf("%s (-want, +got):\n%s", name, diff)
		}
	}
	away := errors.New("connection reset")
	many := strings.Repeat("Anna,+14155551200\n", 20_000)
	s, err := sheet.Open(io.MultiReader(strings.NewReader("name,phone\n"+many), iotest.ErrReader(away)), sheet.Options{})
	for err == nil {
		_, err = s.Next()
	}
	if !errors.Is(err, away) {
		t.Errorf("%v, want the reader's error", err)
	}
	if _, err := s.Next(); !errors.Is(err, away) {
		t.Errorf("again: %v, want the reader's error", err)
	}
}

// A byte that is no UTF-8 may come long after the encoding was decided on.
func TestLateWindows1252IsRepaired(t *testing.T) {
	t.Parallel()
	file := "name,phone\n" + strings.Repeat("Anna,+14155551200\n", 10_000) + "J\xfcrgen \xe2\x82\xac,+14155551201\n"
	rep := readAll(strings.NewReader(file), sheet.Options{})
	last := rep.Rows[len(rep.Rows)-1]
	want := rowIn{Line: 10_002, Name: "Jürgen €", Phone: "+14155551201", Repairs: map[string]int{"windows_1252": 1}}
	if diff := cmp.Diff(want, last); diff != "" || rep.Encoding != "utf-8" {
		t.Errorf("%s (-want, +got):\n%s", rep.Encoding, diff)
	}
}

// A character that the first block of the file cuts in two is no sign of another encoding.
func TestCharacterAcrossTheFirstBlock(t *testing.T) {
	t.Parallel()
	for shift := range 4 {
		file := "name,phone\n" + strings.Repeat(" ", shift) + strings.Repeat("€", 30_000) + ",+14155551200\n"
		rep := readAll(strings.NewReader(file), sheet.Options{Limits: sheet.Limits{Field: 40_000}})
		if rep.Encoding != "utf-8" || len(rep.Rows) != 1 || rep.Rows[0].Invalid != "" || len(rep.Rows[0].Repairs) > 0 {
			t.Errorf("shifted by %d: %s, %d rows", shift, rep.Encoding, len(rep.Rows))
		}
	}
}

func TestLineThatIsTooLongCostsNoOther(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"\n", "\r\n", "\r"} {
		long := strings.Repeat("x", 3<<20)
		file := strings.Join([]string{"name,phone", "Anna,+14155551200", long, `"Ben,` + long, "Cy,+14155551202", ""}, end)
		rep := readAll(iotest.HalfReader(strings.NewReader(file)), sheet.Options{})
		var lines []int
		for _, row := range rep.Rows {
			lines = append(lines, row.Line)
		}
		if !slices.Equal(lines, []int{2, 3, 4, 5}) || rep.Rows[1].Invalid == "" || rep.Rows[2].Invalid == "" || rep.Rows[3].Name != "Cy" {
			t.Errorf("%q: lines %v, %s", end, lines, rep.Error)
		}
	}
}

// people makes a file of so many rows as it is read.
type people struct {
	rows, at int
	rest     []byte
	buf      []byte
}

func (p *people) Read(to []byte) (int, error) {
	if len(p.rest) == 0 {
		if p.at > p.rows {
			return 0, io.EOF
		}
		p.buf = p.buf[:0]
		for range 500 {
			switch {
			case p.at == 0:
				p.buf = append(p.buf, "Name,Phone,Email,Tags,Notes\r\n"...)
			case p.at <= p.rows:
				p.buf = fmt.Appendf(p.buf, "Anna Berg %d,+1415%07d,anna%d@example.com,\"vip, press\",\"Calls, mostly on Mondays\"\r\n", p.at, p.at, p.at)
			}
			p.at++
		}
		p.rest = p.buf
	}
	n := copy(to, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// What is read ahead is what is held, so that the size of a file costs no memory.
func TestSizeCostsNoMemory(t *testing.T) {
	t.Parallel()
	const rows, ahead = 100_000, 6000 // rows of some 90 bytes
	file := &people{rows: rows}
	s, err := sheet.Open(file, sheet.Options{})
	for n := range rows {
		if err != nil {
			t.Fatal(err)
		}
		var row *sheet.Row
		if row, err = s.Next(); err != nil || row.Invalid != nil || row.Line != n+2 || len(row.Tags) != 2 {
			t.Fatalf("row %d: %+v, %v", n, row, err)
		}
		if file.at > n+ahead {
			t.Fatalf("%d rows are read ahead of row %d", file.at-n, n)
		}
	}
	if _, err := s.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last row: %v", err)
	}
}

func BenchmarkNext(b *testing.B) {
	for _, rows := range []int{1000, 1_000_000} {
		var file bytes.Buffer
		if _, err := io.Copy(&file, &people{rows: rows}); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			b.SetBytes(int64(file.Len()))
			b.ReportAllocs()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				s, err := sheet.Open(bytes.NewReader(file.Bytes()), sheet.Options{})
				for err == nil {
					_, err = s.Next()
				}
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/float64(rows), "allocs/row")
		})
	}
}
