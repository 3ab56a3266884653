package sheet_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ringside/contacts/sheet"
)

// text is any text that the address book can hold, with what is special to a file more often.
func text() *rapid.Generator[string] {
	special := rapid.StringOfN(rapid.SampledFrom([]rune("'\"=+-@,;|\t\r\n ab\u00a0\ufeff＝é:€")), 0, 12, -1)
	return rapid.OneOf(special, rapid.String()).Filter(func(s string) bool {
		return utf8.ValidString(s) && !strings.ContainsRune(s, 0)
	})
}

func filled() *rapid.Generator[string] {
	return text().Filter(func(s string) bool { return strings.TrimSpace(s) != "" })
}

func TestWhatIsWrittenIsReadBackTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var want []rowIn
		var file bytes.Buffer
		w := sheet.NewWriter(&file, sheet.WriterOptions{BOM: rapid.Bool().Draw(t, "bom")})
		_ = w.Write("Notes", "Name", "Tags", "Phone", "Email")
		for range rapid.IntRange(1, 5).Draw(t, "rows") {
			row := rowIn{
				Name: filled().Draw(t, "name"), Phone: rapid.SampledFrom([]string{"+14155551200", "4155551200", "'+1"}).Draw(t, "phone"),
				Email: text().Draw(t, "email"), Notes: text().Draw(t, "notes"),
				Tags: rapid.SliceOfN(filled(), 0, 4).Draw(t, "tags"),
			}
			if len(row.Tags) == 0 {
				row.Tags = nil
			}
			want = append(want, row)
			_ = w.Write(row.Notes, row.Name, sheet.JoinTags(row.Tags), row.Phone, row.Email)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		got := readAll(&file, sheet.Options{})
		for i := range got.Rows {
			got.Rows[i].Line, got.Rows[i].Repairs = 0, nil
		}
		if diff := cmp.Diff(want, got.Rows); diff != "" || got.Error != "" {
			t.Fatalf("%s (-want, +got):\n%s\n%q", got.Error, diff, file.String())
		}
	})
}

// Cells have what a refused row had in the file, to be written again beside the reason.
func TestRefusedRowsAreWrittenBack(t *testing.T) {
	t.Parallel()
	s, err := sheet.Open(strings.NewReader("name;phone;notes\r\nAnna;1.41556E+10;=SUM(A1)\r\n"), sheet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	row, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	_, _, refusal := sheet.ReadPhone(row.Phone, "US")
	var file bytes.Buffer
	w := sheet.NewWriter(&file, sheet.WriterOptions{})
	_ = w.Write(append(slices.Clone(row.Cells), refusal.Error())...)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	const want = "Anna,1.41556E+10,'=SUM(A1),\"\"\"1.41556E+10\"\" was changed by a spreadsheet; format the column as text, enter the number again and export it anew\"\r\n"
	if got := file.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWriterNeutralisesFormulas(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"=1+1": "'=1+1", "+14155551200": "'+14155551200", "-1": "'-1", "@x": "'@x", "\tx": "\"'\tx\"", "\rx": "\"'\rx\"", "＝1": "'＝1",
		"'=1": "''=1", "'t Hooft": "'t Hooft", "1+1": "1+1", "": `""`, "a,b": `"a,b"`, "a;=1": `"a;=1"`, `"`: `""""`, " a": `" a"`,
	} {
		var file bytes.Buffer
		w := sheet.NewWriter(&file, sheet.WriterOptions{})
		if err := errors.Join(w.Write(in), w.Flush()); err != nil {
			t.Fatal(err)
		}
		if got := file.String(); got != want+"\r\n" {
			t.Errorf("%q is written as %q, want %q", in, got, want)
		}
	}
}

func TestWriterRepeatsItsError(t *testing.T) {
	t.Parallel()
	r, pipe := io.Pipe()
	_ = r.Close()
	w := sheet.NewWriter(pipe, sheet.WriterOptions{BOM: true})
	_ = w.Write(strings.Repeat("x", 10_000))
	for range 2 {
		if err := errors.Join(w.Write("a")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Write: %v", err)
		}
		if err := w.Flush(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Flush: %v", err)
		}
	}
}
