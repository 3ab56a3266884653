package phone

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"
)

// library reads everything with the library, which is what any other *plans must agree with.
var library *plans

// readyPlans returns all the plans with their automata, as a sidecar has them that has seen numbers
// of all lengths from everywhere.
var readyPlans = sync.OnceValue(func() *plans {
	ready := new(plans)
	for _, code := range callingCodes() {
		for digits := minDigits; digits <= maxDigits; digits++ {
			a, err := compilePlan(code, digits)
			if err != nil {
				panic(fmt.Sprintf("plan of +%d: %v", code, err))
			}
			ready[code][digits].valid.Store(a)
		}
	}
	return ready
})

func callingCodes() []int {
	var codes []int
	for code := range phonenumbers.GetSupportedCallingCodes() {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}

// checkAgrees compares what the plans make of an input with what the library does.
func checkAgrees(t rapid.TB, p *plans, input, country string) {
	t.Helper()
	want, got := library.parse(input, country), p.parse(input, country)
	want.bare, got.bare = false, false // which nobody looks at once an input is parsed
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(reading{})); diff != "" {
		t.Errorf("parse(%q, %q) (-library +plans):\n%s", input, country, diff)
	}
}

// TestAutomataTakeWhatTheLibraryTakes goes through the states of every plan's automaton: some digits
// that lead there, then some that lead on to a number it takes. If two numbers of which the library
// takes only one came to the same state, one of those would be refused by the library, or taken for
// another number. A digit changed at random finds what the automaton takes too little or too much of.
func TestAutomataTakeWhatTheLibraryTakes(t *testing.T) {
	t.Parallel()
	const statesOfAPlan = 30
	random := rand.New(rand.NewPCG(1, 2))
	taken := 0
	for _, code := range callingCodes() {
		for digits := minDigits; digits <= maxDigits; digits++ {
			walk := walkOf(&readyPlans()[code][digits])
			for state := stateFirst; state < len(walk.to); state += 1 + len(walk.to)/statesOfAPlan {
				rest, ok := walk.on(state, random)
				if !ok {
					continue // nothing but what is not valid
				}
				number := strconv.Itoa(code) + walk.to[state] + rest
				if r := library.parse("+"+number, ""); r.number != Number("+"+number) && !spellsWithheld("+"+number) {
					t.Errorf("the automaton takes +%s, which the library reads as %+v", number, r)
				}
				taken++
				other := []byte(number)
				other[random.IntN(len(other))] = '0' + byte(random.IntN(10))
				checkAgrees(t, readyPlans(), "+"+string(other), "")
			}
		}
	}
	if taken < 5000 {
		t.Errorf("%d numbers were compared, want those of every plan", taken)
	}
}

// walk finds the ways through an automaton.
type walk struct {
	a  *automaton
	to []string // by state, the first digits that lead there
	ok []bool   // by state, whether a number that is taken leads on from there
}

func walkOf(p *plan) walk {
	a := p.valid.Load()
	w := walk{a, make([]string, len(a.next)), make([]bool, len(a.next))}
	for state := stateFirst; state < len(a.next); state++ { // states come after those that lead there
		for digit, next := range a.next[state] {
			if next >= stateFirst && w.to[next] == "" {
				w.to[next] = w.to[state] + string(rune('0'+digit))
			}
		}
	}
	w.ok[stateTaken] = true
	for state := len(a.next) - 1; state >= stateFirst; state-- {
		w.ok[state] = slices.ContainsFunc(a.next[state][:], func(next uint16) bool { return w.ok[next] })
	}
	return w
}

// on returns digits at random that lead from the state to a number that is taken.
func (w walk) on(state int, random *rand.Rand) (string, bool) {
	var rest strings.Builder
	for state != stateTaken {
		if !w.ok[state] {
			return "", false
		}
		digit := random.IntN(10)
		if next := int(w.a.next[state][digit]); w.ok[next] {
			rest.WriteByte('0' + byte(digit))
			state = next
		}
	}
	return rest.String(), true
}

func TestRulesDecideInTheLibrarysOrder(t *testing.T) {
	t.Parallel()
	const prefix, leading, general, fixed, otherGeneral, otherFixed = 1, 2, 3, 4, 5, 6
	r := rules{prefix: prefix, regions: []regionRules{
		{general: general, kinds: []uint32{fixed}},
		{leading: leading, general: otherGeneral, kinds: []uint32{otherFixed}},
	}}
	tests := []struct {
		name string
		live live
		want bool
	}{
		{"main region", live{general, fixed}, true},
		{"no kind of number", live{general}, false},
		{"a kind alone", live{fixed}, false},
		{"something to strip", live{prefix, general, fixed}, false},
		{"other region", live{leading, general, otherGeneral, otherFixed}, true},
		{"other region without its leading digits", live{general, otherGeneral, otherFixed}, false},
		{"other region against its general pattern", live{leading, general, otherFixed}, false},
		{"not in the main region's plan", live{leading, otherGeneral, otherFixed}, false},
	}
	for _, tt := range tests {
		if got := r.valid(tt.live); got != tt.want {
			t.Errorf("%s: valid(%v) = %v, want %v", tt.name, tt.live, got, tt.want)
		}
	}
	r.regions[0], r.regions[1] = r.regions[1], r.regions[0]
	r.regions[0].general = general
	if r.valid(live{leading, general, fixed}) {
		t.Error("a number is valid in a region behind the one whose leading digits it has")
	}
}

// TestEveryAreaCodeOfNorthAmerica holds the plan that most numbers have against the library.
func TestEveryAreaCodeOfNorthAmerica(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for area := range 1000 {
		checkAgrees(t, readyPlans(), fmt.Sprintf("+1%03d%03d%04d", area, 200+random.IntN(800), random.IntN(10000)), "")
	}
}

func TestPlansReadAnythingAsTheLibraryDoes(t *testing.T) {
	t.Parallel()
	countries := []string{"", "us", "ZZ", "AR", "AU", "BR", "BS", "CN", "GG", "HU", "ID", "JP", "KR", "KZ", "LS", "NZ", "RU", "SM", "VA"}
	for country := range homes {
		countries = append(countries, country)
	}
	slices.Sort(countries)
	rapid.Check(t, func(t *rapid.T) {
		country := rapid.SampledFrom(countries).Draw(t, "country")
		checkAgrees(t, readyPlans(), drawInput(t, country), country)
	})
}

// drawInput draws a number as people write it, of the country or another one, often with a wrong
// digit, one too many or too few, or another prefix.
func drawInput(t *rapid.T, country string) string {
	from := country
	if !ValidCountry(country) || rapid.Bool().Draw(t, "abroad") {
		from = rapid.SampledFrom([]string{"US", "CA", "GB", "DE", "FR", "IN", "IT", "ES", "DK", "BR", "JP"}).Draw(t, "from")
	}
	kind := rapid.IntRange(int(phonenumbers.FIXED_LINE), int(phonenumbers.VOICEMAIL)).Draw(t, "kind")
	example := phonenumbers.GetExampleNumberForType(from, phonenumbers.PhoneNumberType(kind))
	if example == nil {
		example = phonenumbers.GetExampleNumber(from)
	}
	bare := phonenumbers.GetNationalSignificantNumber(example)
	tail := rapid.StringMatching(`[0-9]{1,8}`).Draw(t, "tail")
	bare = bare[:max(0, len(bare)-len(tail))] + tail
	code := strconv.Itoa(int(example.GetCountryCode()))
	prefix := rapid.SampledFrom([]string{"+" + code, code, "00" + code, "011" + code, "", "0", "1", "8", "+" + code + "0", "00"}).Draw(t, "prefix")
	text := prefix + bare
	switch rapid.IntRange(0, 5).Draw(t, "change") {
	case 0:
		text += rapid.StringMatching(`[0-9]{1,3}`).Draw(t, "more")
	case 1:
		text = text[:len(text)-1]
	case 2:
		text = rapid.StringMatching(`[0-9]{1,2}`).Draw(t, "before") + text
	}
	at := rapid.IntRange(0, len(text)).Draw(t, "at")
	sign := rapid.SampledFrom([]string{"", " ", "-", ".", "(", ") ", "/", "\u00a0", "\u200b", "x", ".0", "é", "\xff"}).Draw(t, "sign")
	return text[:at] + sign + text[at:]
}

func TestPlansReadOddInputsAsTheLibraryDoes(t *testing.T) {
	t.Parallel()
	inputs := append([]string{
		"+", "+1", "0", "00", "0000000", "0000000000", "1111111", "11111111111", "+00000000", "0100000000", "02000000000",
		"+14155551200", "14155551200", "4155551200", "114155551200", "+114155551200", "014155551200", "5551200", "3101234",
		"1 284 496 6123", "12844966123", "2465220000", "+12465220000", "246 555 1200", "+1 900 555 1200", "800 555 0199",
		"+442079460123", "442079460123", "02079460123", "2079460123", "+4402079460123", "018002001234", "+44180020",
		"+4915112345678", "015112345678", "4915112345678", "+39 06 1234 5678", "06 1234 5678", "312 345 6789", "3906123456",
		"+54 9 11 2345-6789", "+55 90 1234 5678", "9012345678", "+79161234567", "+78001234567", "8 800 123 45 67", "+77012345678",
		"+80012345678", "+8881234567", "+882 1234 5678", "+999 1234567", "612345678", "+34612345678", "345 12 34 56", "34512345",
		"+52 55 1234 5678", "5512345678", "5212345678", "45123456", "65123456", "+65 6123 4567", "39123456", "911234567890",
	}, "+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253", "+464", "266696687", "86282452253")
	for _, country := range []string{"", "ZZ", "US", "CA", "BS", "GB", "GG", "DE", "FR", "IT", "ES", "DK", "SG", "IN", "MX", "BR", "AR", "RU", "KZ", "JP", "AU"} {
		for _, input := range inputs {
			checkAgrees(t, readyPlans(), input, country)
		}
	}
}

func TestAPlanIsPreparedOnceItIsWorthIt(t *testing.T) {
	t.Parallel()
	p := new(plans)
	for i := range readsBefore {
		if p[1][11].valid.Load() != nil {
			t.Fatalf("prepared after %d numbers, want %d", i, readsBefore)
		}
		p.parse(fmt.Sprintf("(415) 555-%04d", i), "US")
	}
	if !p.validAsItStands("14155551200") {
		t.Errorf("not prepared after %d numbers", readsBefore)
	}
	if p[44][12].valid.Load() != nil {
		t.Error("the plan of another country is prepared too")
	}
}

func TestPlansAreSharedByManyReaders(t *testing.T) {
	t.Parallel()
	p := new(plans)
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for i := range readsBefore {
				for _, in := range []struct{ form, country, want string }{
					{"(415) 555-%04d", "US", "+1415555%04d"}, {"020 7946 %04d", "GB", "+44207946%04d"},
				} {
					want := Number(fmt.Sprintf(in.want, i))
					if got := p.parse(fmt.Sprintf(in.form, i), in.country); got.number != want {
						t.Errorf("%s was read as %+v", want, got)
					}
				}
			}
		})
	}
	readers.Wait()
	if !p.validAsItStands("14155551200") || !p.validAsItStands("442079460123") {
		t.Error("the plans are not prepared")
	}
}

// usualForms are numbers as imports have them, all valid.
var usualForms = []struct{ name, input, country string }{
	{"E164", "+14155551200", ""},
	{"international", "+1 415-555-1200", "US"},
	{"national", "(415) 555-1200", "US"},
	{"digits", "4155551200", "US"},
	{"eleven", "1-415-555-1200", "US"},
	{"British", "020 7946 0123", "GB"},
	{"French", "+33612345678", "FR"},
	{"Spanish", "612 345 678", "ES"},
}

// Not parallel: AllocsPerRun counts what the whole process allocates.
func TestUsualFormsTakeTheShortWay(t *testing.T) {
	p := readyPlans()
	for _, tt := range usualForms {
		if r := p.parse(tt.input, tt.country); !r.valid() {
			t.Errorf("parse(%q) = %+v, want a number", tt.input, r)
		}
		// The digits and the number, and the international digits of a national number. The library
		// allocates some eighty times.
		if n := testing.AllocsPerRun(100, func() { p.parse(tt.input, tt.country) }); n > 3 {
			t.Errorf("parse(%q) allocates %v times, want 3 at most", tt.input, n)
		}
	}
}

func BenchmarkParsePlans(b *testing.B)   { benchmarkParse(b, readyPlans()) }
func BenchmarkParseLibrary(b *testing.B) { benchmarkParse(b, library) }

func benchmarkParse(b *testing.B, p *plans) {
	for _, bb := range usualForms {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.parse(bb.input, bb.country)
			}
		})
	}
}

// BenchmarkCompilePlan is what readsBefore weighs against the readings of the library.
func BenchmarkCompilePlan(b *testing.B) {
	for _, bb := range []struct{ code, digits int }{{1, 11}, {44, 12}, {33, 11}, {49, 13}} {
		b.Run(fmt.Sprintf("+%d", bb.code), func(b *testing.B) {
			for b.Loop() {
				if _, err := compilePlan(bb.code, bb.digits); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
