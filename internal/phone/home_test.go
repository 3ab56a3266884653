package phone

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"
)

// TestHomesMayBypassTheLibrary checks what makes dialledAtHome right for a country, in the metadata
// that the library goes by: then the library takes a trunk prefix away, and nothing else, and takes
// national digits for what they are.
func TestHomesMayBypassTheLibrary(t *testing.T) {
	t.Parallel()
	for country, h := range homes {
		if callingCode(country) != h.code {
			t.Errorf("%s has the calling code %s, not %s", country, callingCode(country), h.code)
		}
		regions, err := metadata(phonenumbers.GetCountryCodeForRegion(country))
		if err != nil {
			t.Fatal(err)
		}
		own := regions[0]
		for _, m := range regions {
			if m.GetId() == country {
				own = m
			}
		}
		general := regions[0].GetGeneralDesc().GetNationalNumberPattern()
		if own.GetId() != country || own.GetGeneralDesc().GetNationalNumberPattern() != general ||
			own.GetNationalPrefixForParsing() != regions[0].GetNationalPrefixForParsing() {
			t.Errorf("%s has another plan than the main country of +%s", country, h.code)
		}
		for first := '1'; first <= '9'; first++ {
			begun := string(first)
			if h.trunk != 0 {
				if prefix := own.GetNationalPrefixForParsing(); prefixOf(t, prefix, string(h.trunk)+begun) != string(h.trunk) {
					t.Errorf("%s: in front of %c, %q is not the trunk prefix alone", country, first, prefix)
				}
				begun = string(h.trunk) + begun
			}
			for _, digits := range []string{string(first), begun} {
				if begins(t, own.GetInternationalPrefix(), digits) && (digits == begun && h.trunk != 0 || h.bare) {
					t.Errorf("%s dials %q abroad, which may begin with %s", country, own.GetInternationalPrefix(), digits)
				}
			}
		}
		if string(h.trunk) == h.code && (begins(t, general, "0") || begins(t, general, h.code)) {
			t.Errorf("%s: behind +%s there may be a zero or the same digits again", country, h.code)
		}
		for _, format := range regions[0].GetNumberFormat() {
			rule := strings.Trim(format.GetNationalPrefixFormattingRule(), "()")
			if h.bare && rule != "" && rule != "$1" && !format.GetNationalPrefixOptionalWhenFormatting() {
				t.Errorf("%s writes %s in front of a number", country, rule)
			}
		}
	}
}

// begins tells whether text that the pattern matches at its beginning may begin with the digits.
func begins(t *testing.T, pattern, digits string) bool {
	p, _ := patternOf(t, pattern)
	at := p.reach(p.starts)
	for _, digit := range digits {
		at = p.step(at, digit)
	}
	return len(at) > 0
}

// prefixOf returns what the pattern matches of digits and whatever follows them, or "" if that
// depends on it, or if the pattern keeps a part of the match.
func prefixOf(t *testing.T, pattern, digits string) string {
	if regexp.MustCompile(pattern).NumSubexp() > 0 {
		return ""
	}
	p, mark := patternOf(t, pattern)
	matched := ""
	at := p.reach(p.starts)
	for i, digit := range digits {
		at = p.step(at, digit)
		if matched == "" && at.has(mark) {
			matched = digits[:i+1]
		}
	}
	if len(at) != 1 || !at.has(mark) {
		return "" // more may be matched than that
	}
	return matched
}

func patternOf(t *testing.T, pattern string) (*patterns, uint32) {
	t.Helper()
	p := newPatterns()
	mark, err := p.beginning(pattern, true)
	if err != nil {
		t.Fatal(err)
	}
	return p, mark
}

// TestNumbersDialledAtHome dials valid numbers of all lengths, with and without what may stand in front.
func TestNumbersDialledAtHome(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	for country, h := range homes {
		short := 0
		for digits := minDigits; digits <= maxDigits; digits++ {
			w := walkOf(&readyPlans()[phonenumbers.GetCountryCodeForRegion(country)][digits])
			for state := stateFirst; state < len(w.to); state += 1 + len(w.to)/5 {
				rest, ok := w.on(state, random)
				if !ok {
					continue
				}
				national := w.to[state] + rest
				for _, input := range []string{national, "0" + national, "1" + national, h.code + national, "00" + national, national[1:]} {
					if len(input) >= minDigits && dialledAtHome(input, country) != "" {
						short++
					}
					checkAgrees(t, readyPlans(), input, country)
				}
			}
		}
		if short == 0 {
			t.Errorf("no number of %s takes the short way", country)
		}
	}
}

func TestTheSpreadsheetPatternIsLeftOutOnlyWhereItDoesNotMatch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`\+?[0-9]{1,9}([.,][0-9]{1,9})?([eE]\+?[0-9]{1,2})?`),
			rapid.StringMatching(`\+?[0-9]{6,9}[.,]0{0,3}`),
			rapid.String(),
		).Draw(t, "text")
		if spreadsheet.MatchString(text) && !maySpreadsheet(text) {
			t.Fatalf("%q is what a spreadsheet leaves, and is not seen as such", text)
		}
	})
	for _, text := range []string{"+1 415-555-1200", "415.555.1200", "(020) 7946 0000"} {
		if maySpreadsheet(text) {
			t.Errorf("%q has to be matched with the pattern", fmt.Sprint(text))
		}
	}
}
