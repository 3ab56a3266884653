package phone_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"

	"ringside/internal/phone"
)

func TestRule02_PeoplesNumbersAreStoredAsE164(t *testing.T) {
	t.Parallel()
	tests := []struct {
		country string
		want    phone.Number
		inputs  []string
	}{
		{"US", "+14155551200", []string{
			"+14155551200", "+1 415 555 1200", "+1 (415) 555-1200", "(+1) 415 555 1200", "1-415-555-1200", "1.415.555.1200",
			"415-555-1200", "(415) 555-1200", "[415] 555 1200", "415.555.1200", "415/555-1200", "4155551200", "14155551200",
			"  415 555 1200\t\r\n", "415\u00a0555\u00a01200", "415\u2009555\u20091200", "415‐555–1200", "415—555−1200", "415·555·1200",
			"\u202a+1 415 555 1200\u202c", "\ufeff4155551200", "415\u200b555\u00ad1200", "'+14155551200", "'4155551200",
		}},
		{"US", "+12025550133", []string{"202 555 0133"}},   // fictional numbers are valid
		{"US", "+14165550123", []string{"416 555 0123"}},   // Canada, same plan
		{"US", "+17378742833", []string{"737 874 2833"}},   // spells RESTRICTED, and is a number in Texas
		{"US", "+14325551234", []string{"432 555 1234"}},   // +43 2555 1234 exists too, but this is how Texans write it
		{"US", "+80012345678", []string{"+800 1234 5678"}}, // freephone of no country
		{"US", "+442079460123", []string{"+44 20 7946 0123", "+44 (0)20 7946 0123", "+4402079460123", "011 44 20 7946 0123"}},
		{"US", "+390612345678", []string{"+39 06 1234 5678", "+39 (0)6 1234 5678"}}, // Italy's zero belongs to the number
		{"", "+442079460123", []string{"+44 20 7946 0123"}},
		{"ZZ", "+442079460123", []string{"+44 20 7946 0123"}},
		{"GB", "+442079460123", []string{
			"020 7946 0123", "(020) 7946 0123", "2079460123", "442079460123", "44 (0)20 7946 0123", "00442079460123", "0044 (0)20 7946 0123",
		}},
		{"GB", "+14155551200", []string{"001 415 555 1200"}},
		{"DE", "+49301234567", []string{"030 1234567", "030/1234567", "+49 30/1234567", "0049 30 1234567", "49 30 1234567", "301234567"}},
		{"AU", "+442079460123", []string{"0011 44 20 7946 0123"}},
		{"HK", "+442079460123", []string{"001 44 20 7946 0123", "00442079460123"}},
		{"JP", "+442079460123", []string{"010 44 20 7946 0123"}},
		{"JP", "+819012345678", []string{"090-1234-5678"}},
		{"BR", "+14155551200", []string{"0014 1 415 555 1200"}}, // 00, a carrier's code, then the number abroad
		{"BR", "+5551987654321", []string{"51 98765-4321", "(051) 98765-4321"}},
		{"CN", "+8613012345678", []string{"130 1234 5678"}},
		{"IN", "+916421234567", []string{"6421 234 567", "06421 234 567"}},
		{"RU", "+74951234567", []string{"8 (495) 123-45-67", "495 123-45-67", "+7 495 123-45-67"}},
		{"HU", "+36201234567", []string{"06-20-123-4567"}},
		{"AR", "+5491123456789", []string{"011 15 2345-6789", "+54 9 11 2345-6789"}},
		{"MX", "+525512345678", []string{"55 1234 5678", "+52 55 1234 5678"}},
		{"SM", "+3780549886377", []string{"0549 886377"}},
		{"NU", "+6834002", []string{"+683 4002"}},
	}
	for _, tt := range tests {
		for _, in := range tt.inputs {
			if got, err := phone.Parse(in, tt.country); got != tt.want || err != nil {
				t.Errorf("Parse(%q, %q) = %q, %v; want %q", in, tt.country, string(got), err, string(tt.want))
			}
		}
	}
}

func TestRule02_WhatIsNotCertainIsRefusedWithAReason(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason  phone.Reason
		country string
		inputs  []string
	}{
		{phone.ReasonEmpty, "US", []string{"", "  ", "\u00a0\u200b", "-", "()", "+", "'"}},
		{phone.ReasonLetters, "US", []string{
			"0800 FLOWERS", "+1800FLOWERS", "anonymous", "n/a", "tel:+14155551200", "whatsapp:+14155551200", "BR.1234567890abcdef",
			"415555l200", "41555512OO", "415 555 12 ж", "sip:a@b", "phone 415 555 1200",
		}},
		{phone.ReasonForeignDigits, "US", []string{"４１５５５５１２００", "+٤٤٢٠٧٩٤٦٠١٢٣", "415 555 120３"}},
		{phone.ReasonCharacter, "US", []string{
			"＋14155551200", "415+5551200", "++14155551200", "415*5551200", "=4155551200", "\"4155551200\"", "415\xff5551200",
			"415,555,1200", "415/555/1200", "1234567/8", "(415)\n555-1200", "41²5551200", "/4155551200",
		}},
		{phone.ReasonExtension, "US", []string{
			"415 555 1200 x12", "415-555-1200 ext. 12", "+1 415 555 1200 EXT12", "415 555 1200 extension 4", "4155551200,12",
			"4155551200;ext=12", "+14155551200;12", "415 555 1200 #12",
		}},
		{phone.ReasonSeveral, "US", []string{
			"415 555 1200, 202 555 0133", "+14155551200;+12025550133", "415 555 1200 or 202 555 0133", "4155551200\n2025550133",
			"555-1200/555-0133", "+14155551200+12025550133",
		}},
		{phone.ReasonSpreadsheet, "US", []string{"1.41556E+10", "1,41556e+10", "4E+11", "+1.41556E10", "14155551200.0", "4155551200,00"}},
		{phone.ReasonTooShort, "US", []string{"1", "911", "262966", "+123456", "+4420", "+44 20 79", "555012 "}},
		{phone.ReasonTooLong, "US", []string{"+1234567890123456", "99955512001", "020 7946 01234", strings.Repeat("4", 300), "+44207946012345"}},
		{phone.ReasonAreaCode, "US", []string{"555-0123", "5551200"}},
		{phone.ReasonCountry, "", []string{"415 555 1200", "0014155551200", "020 7946 0123"}},
		{phone.ReasonCountry, "us", []string{"415 555 1200"}},
		{phone.ReasonCountry, "ZZ", []string{"415 555 1200"}},
		{phone.ReasonCountryCode, "GB", []string{"+999 123 4567", "+0 20 7946 0123", "+020 7946 0123"}},
		{phone.ReasonPlus, "US", []string{"442079460123", "44 (0)20 7946 0123", "41555512001"}},
		{phone.ReasonInternationalPrefix, "US", []string{"0014155552671", "00442079460123"}},
		{phone.ReasonAmbiguous, "DE", []string{"442079460123", "436641234567", "33612345678"}},
		{phone.ReasonAmbiguous, "IT", []string{"3906123456"}},
		{phone.ReasonAmbiguous, "BR", []string{"0055 33 98765-4321"}},
		{phone.ReasonNotValid, "US", []string{
			"+1 015 555 1200", "115 555 1200", "+1 1 415 555 1200", "+54 11 15 2345 6789", "011 54 11 15 2345 6789", "+7 8 495 123 45 67",
		}},
		{phone.ReasonNotValid, "GB", []string{"00 1 1 415 555 1200"}},
		{phone.ReasonCharacter, "DE", []string{"0301234/567", "654321/123456", "03012345/67890"}}, // two endings, two local numbers
		{phone.ReasonNotValid, "GB", []string{"00989601"}},                                        // valid in Iran, but shorter than any Number
		{phone.ReasonTooShort, "KR", []string{"0070044"}},
		{phone.ReasonTooLong, "US", []string{"999555120012345678901", "9995551200123456789012"}},
		{phone.ReasonTooLong, "MX", []string{"+52 1 55 1234 5678"}},
	}
	for _, tt := range tests {
		for _, in := range tt.inputs {
			got, err := phone.Parse(in, tt.country)
			refused, ok := errors.AsType[*phone.ParseError](err)
			if !ok || got != "" {
				t.Errorf("Parse(%.40q, %q) = %q, %v; want a ParseError", in, tt.country, string(got), err)
				continue
			}
			want := &phone.ParseError{Input: in, Reason: tt.reason, Country: tt.country}
			if diff := cmp.Diff(want, refused, cmpopts.IgnoreFields(phone.ParseError{}, "Candidates")); diff != "" {
				t.Errorf("Parse(%.40q, %q) (-want +got):\n%s", in, tt.country, diff)
			}
		}
	}
}

func TestRule05_WithheldFormsAreNoPhoneNumbers(t *testing.T) {
	t.Parallel()
	for _, word := range keypadWords {
		for _, country := range []string{"US", "GB", "CN", "RU", "LS", ""} {
			_, err := phone.Parse(word, country)
			if refused, ok := errors.AsType[*phone.ParseError](err); !ok || refused.Reason != phone.ReasonWithheld {
				t.Errorf("Parse(%q, %q): %v; want it refused as withheld", word, country, err)
			}
			for _, written := range []string{word[1:], "00" + word[1:], "011" + word[1:]} {
				n, err := phone.Parse(written, country)
				if err == nil && phone.Classify(string(n)).Class != phone.ClassNumber {
					t.Errorf("Parse(%q, %q) = %q, which stands for a withheld caller", written, country, string(n))
				}
			}
		}
	}
}

func TestParseErrorTellsWhatToDo(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, country, want string }{
		{"", "US", `the phone number is empty; write it with its country code, such as +14155550123`},
		{"0800 FLOWERS", "US", `"0800 FLOWERS" has letters; write the number with digits only`},
		{"٤١٥", "US", `"٤١٥" has digits of another script; write the number with the digits 0 to 9`},
		{"415*555", "US", `"415*555" has a character that does not belong in a phone number; write digits only, with a plus in front of a country code`},
		{"4155551200;2025550133", "US", `"4155551200;2025550133" holds more than one number; write one`},
		{"911", "US", `"911" has too few digits; write the whole number with its country code, such as +14155550123`},
		{"99955512001", "US", `"99955512001" has too many digits; check them, and write a number from abroad with a plus and its country code`},
		{"555-0123", "US", `"555-0123" has no area code; write the whole number`},
		{"+999 1234567", "US", `"+999 1234567" begins with a country code that does not exist; check the digits after the plus`},
		{"115 555 1200", "US", `"115 555 1200" is not a valid phone number; check its digits`},
		{"+266696687", "US", `"+266696687" stands for a withheld number; leave it out`},
		{"1.41556E+10", "US", `"1.41556E+10" was changed by a spreadsheet; format the column as text, enter the number again and export it anew`},
		{"415 555 1200 x7", "US", `"415 555 1200 x7" has an extension; leave it out, or keep it in the notes`},
		{"442079460123", "US", `"442079460123" is not a number in US; if it is one from abroad, write it with a plus in front (+44 20 7946 0123?)`},
		{"0014155552671", "US", `"0014155552671" begins with 00, which does not lead abroad from US; write a plus in its place (+1 415-555-2671?)`},
		{"3906123456", "IT", `"3906123456" can be read in more than one way; write it with a plus and the country code (+39 390 612 3456 or +39 06 123456?)`},
		{"442079460123", "", `"442079460123" has no country code, and there is no country to read it with; write it with a plus and the country code (+44 20 7946 0123?)`},
		{"+1 1 415 555 1200", "US", `"+1 1 415 555 1200" is not a valid phone number; check its digits (+1 415-555-1200?)`},
		{"x\n\x00" + strings.Repeat("é", 50), "US", `"x\n\x00` + strings.Repeat("é", 37) + `…" has letters; write the number with digits only`},
	}
	for _, tt := range tests {
		_, err := phone.Parse(tt.in, tt.country)
		if got := fmt.Sprint(err); got != tt.want {
			t.Errorf("Parse(%q, %q):\n got %s\nwant %s", tt.in, tt.country, got, tt.want)
		}
	}
}

func TestParseErrorNamesCandidatesButNeverTakesThem(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, country string
		want        []phone.Number
	}{
		{"442079460123", "US", []phone.Number{"+442079460123"}},
		{"0014155552671", "US", []phone.Number{"+14155552671"}},
		{"442079460123", "DE", []phone.Number{"+49442079460123", "+442079460123"}},
		{"+1 1 415 555 1200", "US", []phone.Number{"+14155551200"}},
		{"0800 FLOWERS", "US", nil},
	}
	for _, tt := range tests {
		n, err := phone.Parse(tt.in, tt.country)
		refused, ok := errors.AsType[*phone.ParseError](err)
		if !ok || n != "" {
			t.Errorf("Parse(%q, %q) = %q, %v; want it refused", tt.in, tt.country, string(n), err)
			continue
		}
		if diff := cmp.Diff(tt.want, refused.Candidates); diff != "" {
			t.Errorf("Parse(%q, %q) candidates (-want +got):\n%s", tt.in, tt.country, diff)
		}
	}
}

// plan is a number that a country's plan gives as an example, how it is written there, and its
// digits without any prefix.
type plan struct {
	country, national, bare string
	number                  phone.Number
}

// examples returns an example of every kind of number in every country that the plans know.
func examples() []plan {
	var all []plan
	for country := range phonenumbers.GetSupportedRegions() {
		for kind := phonenumbers.FIXED_LINE; kind <= phonenumbers.VOICEMAIL; kind++ {
			example := phonenumbers.GetExampleNumberForType(country, kind)
			if example == nil {
				continue
			}
			if n, ok := phone.Strict(phonenumbers.Format(example, phonenumbers.E164)); ok {
				national := phonenumbers.Format(example, phonenumbers.NATIONAL)
				all = append(all, plan{country, national, phonenumbers.GetNationalSignificantNumber(example), n})
			}
		}
	}
	slices.SortFunc(all, func(a, b plan) int {
		return strings.Compare(a.country+string(a.number), b.country+string(b.number))
	})
	return all
}

func TestRule02_EveryCountrysNumbersAreReadAsThemselvesOrRefused(t *testing.T) {
	t.Parallel()
	all := examples()
	if len(all) < 1000 {
		t.Fatalf("%d example numbers, want those of every country", len(all))
	}
	refused := 0
	for _, p := range all {
		for _, in := range []string{string(p.number), p.number.Readable()} {
			if got, err := phone.Parse(in, "US"); got != p.number {
				t.Errorf("Parse(%q) = %q, %v; want %q", in, string(got), err, string(p.number))
			}
		}
		digits := string(p.number[1:])
		for _, in := range []string{p.national, digits, p.bare, "00" + digits} {
			got, err := phone.Parse(in, p.country)
			switch {
			case err != nil:
				refused++
			case got != p.number:
				t.Errorf("Parse(%q, %q) = %q, want %q or an error", in, p.country, string(got), string(p.number))
			}
		}
	}
	// Most of those are the local numbers of small countries, of fewer than seven digits.
	if ways := 4 * len(all); refused > ways/8 {
		t.Errorf("%d of %d ordinary ways to write a number are refused, want at most an eighth", refused, ways)
	}
}

func TestReadableParsesBack(t *testing.T) {
	t.Parallel()
	all := examples()
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(all).Draw(t, "plan")
		tail := rapid.StringMatching(`[0-9]{4}`).Draw(t, "tail")
		country := rapid.SampledFrom(all).Draw(t, "reader").country
		n := p.number[:len(p.number)-len(tail)] + phone.Number(tail)
		if _, err := phone.Parse(string(n), ""); err != nil {
			t.Skip("not a number of the plan")
		}
		if got, err := phone.Parse(n.Readable(), country); got != n {
			t.Fatalf("Parse(%q, %q) = %q, %v; want %q", n.Readable(), country, string(got), err, string(n))
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range [][2]string{
		{"+1 (415) 555-1200", "US"}, {"020 7946 0123", "GB"}, {"0049 30 1234567", "DE"}, {"0800 FLOWERS", "US"},
		{"1.41556E+10", "US"}, {"442079460123", "DE"}, {"0055 33 98765-4321", "BR"}, {"415 555 1200 x12", "US"},
		{"+44 (0)20 7946 0123", ""}, {"011 15 2345-6789", "AR"}, {"４１５", "JP"}, {"\xff", "zz"}, {"+266696687", "LS"},
		{"030/1234567", "DE"}, {"3906123456", "IT"}, {"", ""}, {"+1 1 415 555 1200", "US"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, input, country string) {
		n, err := phone.Parse(input, country)
		if err != nil {
			checkRefusal(t, input, n, err)
			return
		}
		if got := phone.Classify(string(n)); got.Class != phone.ClassNumber {
			t.Fatalf("Parse(%q, %q) = %q, which is classified as %q", input, country, string(n), got.Class)
		}
		for _, again := range []string{string(n), n.Readable()} {
			if got, err := phone.Parse(again, country); got != n {
				t.Fatalf("Parse(%q, %q) = %q, but Parse(%q) = %q, %v", input, country, string(n), again, string(got), err)
			}
		}
	})
}

func checkRefusal(t *testing.T, input string, n phone.Number, err error) {
	t.Helper()
	refused, ok := errors.AsType[*phone.ParseError](err)
	if !ok || n != "" || refused.Input != input || refused.Reason == "" {
		t.Fatalf("Parse(%q) = %q, %#v; want nothing but a ParseError with a reason", input, string(n), err)
	}
	if text := err.Error(); !utf8.ValidString(text) || strings.ContainsAny(text, "\n\x00") {
		t.Fatalf("Parse(%q): error text %q is not one clean line", input, text)
	}
	for _, candidate := range refused.Candidates {
		if got, err := phone.Parse(string(candidate), ""); got != candidate {
			t.Fatalf("Parse(%q) proposes %q, which is refused: %v", input, string(candidate), err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for name, in := range map[string]string{
		"E164": "+14155551200", "national": "(415) 555-1200", "refused": "0800 FLOWERS",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = phone.Parse(in, "US")
			}
		})
	}
}
