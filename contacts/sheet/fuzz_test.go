package sheet_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"ringside/contacts/sheet"
)

func FuzzSheet(f *testing.F) {
	files, err := filepath.Glob("testdata/*.csv")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := sheet.Open(bytes.NewReader(data), sheet.Options{Limits: smallLimits})
		if err != nil {
			if text := err.Error(); text == "" || len(text) > 20_000 {
				t.Fatalf("error %q", text)
			}
			return
		}
		for line, rows := 1, 0; ; rows++ {
			row, err := s.Next()
			if err != nil {
				if _, again := s.Next(); again == nil || !errors.Is(again, err) {
					t.Fatalf("%v, then %v", err, again)
				}
				if !errors.Is(err, io.EOF) && rows <= smallLimits.Rows && len(data) <= int(smallLimits.Bytes) && rows != smallLimits.Rows {
					t.Fatalf("row %d: %v", rows, err)
				}
				return
			}
			if row.Line <= line || row.Line > 1+len(data) {
				t.Fatalf("line %d after %d", row.Line, line)
			}
			line = row.Line
			checkRow(t, row)
			if rows > len(data) {
				t.Fatal("more rows than bytes")
			}
		}
	})
}

func checkRow(t *testing.T, row *sheet.Row) {
	t.Helper()
	if row.Invalid == nil && (strings.TrimSpace(row.Name) == "" || strings.TrimSpace(row.Phone) == "") {
		t.Fatalf("neither invalid nor a person: %+v", row)
	}
	if row.Invalid != nil && row.Invalid.Reason == "" {
		t.Fatalf("invalid without a reason: %+v", row)
	}
	for _, text := range append([]string{row.Name, row.Phone, row.Email, row.Notes}, append(row.Tags, row.Cells...)...) {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			t.Fatalf("%q cannot be stored", text)
		}
	}
}
