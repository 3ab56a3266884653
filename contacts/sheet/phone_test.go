package sheet_test

import (
	"errors"
	"testing"

	"ringside/contacts/sheet"
	"ringside/internal/phone"
)

func TestReadPhoneRepairsWhatIsCertain(t *testing.T) {
	t.Parallel()
	const none = sheet.Repair(0)
	tests := []struct {
		cell, country string
		want          phone.Number
		repairs       sheet.Repair
	}{
		{"+14155551200", "US", "+14155551200", none},
		{" (415) 555-1200 ", "US", "+14155551200", none},
		{"1 415 555 1200", "US", "+14155551200", none},
		{"020 7946 0123", "GB", "+442079460123", none},
		{"'+14155551200", "US", "+14155551200", sheet.RepairApostrophe},
		{"’4155551200", "US", "+14155551200", sheet.RepairApostrophe},
		{`"+14155551200"`, "US", "+14155551200", sheet.RepairMarks},
		{"“+1 415 555 1200”", "US", "+14155551200", sheet.RepairMarks},
		{"'4155551200'", "US", "+14155551200", sheet.RepairMarks},
		{`="+14155551200"`, "US", "+14155551200", sheet.RepairFormula},
		{`'="'+14155551200"`, "US", "+14155551200", sheet.RepairFormula | sheet.RepairApostrophe},
		{"=+14155551200", "US", "+14155551200", sheet.RepairFormula},
		{"\u00a0415\u00a0555\u00a01200", "US", "+14155551200", sheet.RepairSpaces},
		{"\u202a+14155551200\u202c", "US", "+14155551200", sheet.RepairSpaces},
		{"\u200e'+14155551200", "US", "+14155551200", sheet.RepairSpaces | sheet.RepairApostrophe},
		{"14155551200", "US", "+14155551200", sheet.RepairPlus},
		{"14165550123", "CA", "+14165550123", sheet.RepairPlus},
		{"442079460123", "GB", "+442079460123", sheet.RepairPlus},
		{"00442079460123", "GB", "+442079460123", sheet.RepairPrefix},
		{"0044 20 7946 0123", "US", "+442079460123", sheet.RepairPrefix},
		{"0014155552671", "US", "+14155552671", sheet.RepairPrefix},
		{"14155551200.0", "US", "+14155551200", sheet.RepairDecimal | sheet.RepairPlus},
		{"4155551200.00", "US", "+14155551200", sheet.RepairDecimal},
		{"+14155551200.0", "US", "+14155551200", sheet.RepairDecimal},
		{"1.4155551200E+10", "US", "+14155551200", sheet.RepairExponent | sheet.RepairPlus},
		{"4,155551200e9", "US", "+14155551200", sheet.RepairExponent},
		{"4.42079460123E+11", "GB", "+442079460123", sheet.RepairExponent | sheet.RepairPlus},
	}
	for _, tt := range tests {
		got, repairs, err := sheet.ReadPhone(tt.cell, tt.country)
		if got != tt.want || repairs != tt.repairs || err != nil {
			t.Errorf("ReadPhone(%q, %q) = %q, %q, %v; want %q, %q", tt.cell, tt.country, string(got), repairs, err, string(tt.want), tt.repairs)
		}
	}
}

func TestReadPhoneRefusesWhatMayBeAnotherNumber(t *testing.T) {
	t.Parallel()
	tests := []struct {
		cell, country string
		reason        phone.Reason
	}{
		{"1.41556E+10", "US", phone.ReasonSpreadsheet},
		{"1,41556E+10", "US", phone.ReasonSpreadsheet},
		{"4.155551E+9", "US", phone.ReasonSpreadsheet},       // may end in 000, or not
		{"4.4E+11", "GB", phone.ReasonSpreadsheet},           //
		{"1.41555512001E+10", "US", phone.ReasonSpreadsheet}, // a digit behind the point
		{"0.4155551200E+10", "US", phone.ReasonSpreadsheet},
		{"1.415555120000000000E+18", "US", phone.ReasonSpreadsheet},
		{"4E+11", "US", phone.ReasonSpreadsheet},
		{"4155551200.5", "US", phone.ReasonPlus},
		{"4155551200,00", "US", phone.ReasonSpreadsheet},
		{"442079460123", "US", phone.ReasonPlus},      // from another country
		{"442079460123", "DE", phone.ReasonAmbiguous}, // or a German one
		{"3906123456", "IT", phone.ReasonAmbiguous},   // both Italian
		{"442079460123.0", "DE", phone.ReasonAmbiguous},
		{"0055 33 98765-4321", "BR", phone.ReasonAmbiguous},
		{"+1 1 415 555 1200", "US", phone.ReasonNotValid}, // a guess, also if there is but one candidate
		{"415 555 1200", "", phone.ReasonCountry},
		{"14155551200", "", phone.ReasonCountry},
		{"", "US", phone.ReasonEmpty},
		{`=""`, "US", phone.ReasonEmpty},
		{"'", "US", phone.ReasonEmpty},
		{"=4155551200+1", "US", phone.ReasonCharacter},
		{`=HYPERLINK("x")`, "US", phone.ReasonCharacter},
		{"415 555 1200 ::: 415 555 1201", "US", phone.ReasonSeveral},
		{"eleven", "US", phone.ReasonLetters},
		{"+266696687", "US", phone.ReasonWithheld},
	}
	for _, tt := range tests {
		got, repairs, err := sheet.ReadPhone(tt.cell, tt.country)
		refused, ok := errors.AsType[*phone.ParseError](err)
		if !ok || got != "" || repairs != 0 {
			t.Errorf("ReadPhone(%q, %q) = %q, %q, %v; want it refused", tt.cell, tt.country, string(got), repairs, err)
			continue
		}
		if refused.Reason != tt.reason || refused.Input != tt.cell {
			t.Errorf("ReadPhone(%q, %q): reason %s of %q, want %s of the cell as it stands", tt.cell, tt.country, refused.Reason, refused.Input, tt.reason)
		}
	}
}

func FuzzReadPhone(f *testing.F) {
	for _, seed := range [][2]string{
		{"'+14155551200", "US"}, {`="1.4155551200E+10"`, "US"}, {"14155551200.0", "US"}, {"00442079460123", "GB"}, {"\u00a0“4155551200”", "US"},
		{"442079460123", "DE"}, {"=+1", ""}, {"E+", "US"}, {"1e0", "US"}, {"'''\"\"", "x"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, cell, country string) {
		n, repairs, err := sheet.ReadPhone(cell, country)
		if err != nil {
			refused, ok := errors.AsType[*phone.ParseError](err)
			if !ok || n != "" || repairs != 0 || refused.Input != cell || refused.Reason == "" {
				t.Fatalf("ReadPhone(%q, %q) = %q, %v, %#v", cell, country, string(n), repairs, err)
			}
			return
		}
		if again, err := phone.Parse(string(n), ""); again != n {
			t.Fatalf("ReadPhone(%q, %q) = %q, which is no number: %v", cell, country, string(n), err)
		}
		if plain, err := phone.Parse(cell, country); err == nil && plain != n {
			t.Fatalf("ReadPhone(%q, %q) = %q, and phone.Parse reads %q", cell, country, string(n), string(plain))
		}
	})
}

func BenchmarkReadPhone(b *testing.B) {
	for _, bb := range []struct{ kind, cell string }{
		{"E164", "+14155551200"}, {"ten digits", "4155551200"}, {"written", "(415) 555-1200"}, {"apostrophe", "'+14155551200"},
		{"formula", `="+14155551200"`}, {"lost plus", "14155551200"}, {"00", "0014155551200"}, {"decimal", "14155551200.0"},
		{"exponent", "1.4155551200E+10"}, {"refused exponent", "1.41556E+10"}, {"refused abroad", "442079460123"}, {"refused letters", "0800 FLOWERS"},
	} {
		b.Run(bb.kind, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, _ = sheet.ReadPhone(bb.cell, "US")
			}
		})
	}
}
