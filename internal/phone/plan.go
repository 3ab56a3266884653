package phone

import (
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/nyaruka/phonenumbers"
)

// plan is what is kept of the numbers of one calling code and one length.
type plan struct {
	read  atomic.Uint32             // how many of them the library has read
	valid atomic.Pointer[automaton] // takes those that are certainly valid as they stand, or nil
}

// plans reads numbers with the library, and without it where a plan is ready. It is indexed by
// calling code, which has up to three digits and is never the beginning of another one, and by the
// number of digits with the calling code. A nil *plans reads everything with the library.
//
// An automaton has some hundred states of 20 bytes, and 1200 under +1. There are as many as the
// library knows plans, so all of them together stay below 2 MB.
type plans [1000][maxDigits + 1]plan

// shared is what every call of [Parse] reads with.
var shared plans

// readsBefore is how many numbers of a plan the library reads before it gets an automaton. That
// costs about as much as those readings, so that one number alone never waits for it.
const readsBefore = 256

// validAsItStands tells whether the library takes digits, which begin with a calling code, for a
// valid number without changing one of them. If it says no, the library has to be asked.
func (p *plans) validAsItStands(digits string) bool {
	if p == nil || len(digits) > maxDigits {
		return false
	}
	code := 0
	for i := range min(3, len(digits)) {
		code = 10*code + int(digits[i]-'0')
		if a := p[code][len(digits)].valid.Load(); a != nil {
			return a.takes(digits[i+1:])
		}
	}
	return false
}

// countRead counts a number of so many digits that the library found valid as it stands, and
// prepares its plan where the time has come. What cannot be prepared is left to the library.
func (p *plans) countRead(code, digits int) {
	if p == nil {
		return
	}
	counted := &p[code][digits]
	if counted.read.Load() >= readsBefore || counted.read.Add(1) != readsBefore {
		return
	}
	if a, err := compilePlan(code, digits); err == nil {
		counted.valid.Store(a)
	}
}

// compilePlan returns an automaton for what stands behind the calling code, from the patterns that
// the library itself goes by.
func compilePlan(code, digits int) (*automaton, error) {
	regions, err := metadata(code)
	if err != nil {
		return nil, err
	}
	length := digits - len(strconv.Itoa(code))
	rules, p, err := rulesOf(regions, length)
	if err != nil {
		return nil, err
	}
	return p.automaton(length, rules.valid)
}

// metadata returns what the library knows of the regions that share a calling code, the main one
// first, in the library's order.
func metadata(code int) ([]*phonenumbers.PhoneMetadata, error) {
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		return nil, err
	}
	var regions []*phonenumbers.PhoneMetadata
	for _, id := range phonenumbers.GetRegionCodesForCountryCode(code) {
		i := slices.IndexFunc(all.GetMetadata(), func(m *phonenumbers.PhoneMetadata) bool {
			return m.GetId() == id && int(m.GetCountryCode()) == code
		})
		if i < 0 {
			return nil, errAutomaton
		}
		regions = append(regions, all.GetMetadata()[i])
	}
	if len(regions) == 0 {
		return nil, errAutomaton
	}
	return regions, nil
}

// rules is how the library decides about the numbers of a calling code, with marks for patterns.
type rules struct {
	prefix  uint32 // what it may strip or rewrite at the beginning, or 0
	regions []regionRules
}

type regionRules struct {
	leading uint32   // the digits that alone tell the region from its neighbours, or 0
	general uint32   // all numbers of the region, or 0 if it has none of this length
	kinds   []uint32 // fixed line, mobile and so on
}

// valid tells what the library's IsValidNumber does: the first region that has the leading digits,
// or without such digits the number, decides. It is stricter in two ways, which make sure that
// parsing leaves the digits as they are, also behind a national prefix: nothing may look like a
// prefix, and the number must fit the main region's plan.
func (r rules) valid(l live) bool {
	if l.has(r.prefix) || !l.has(r.regions[0].general) {
		return false
	}
	for _, region := range r.regions {
		numbered := l.has(region.general) && slices.ContainsFunc(region.kinds, l.has)
		if l.has(region.leading) || region.leading == 0 && numbered {
			return numbered
		}
	}
	return false
}

// rulesOf returns the rules for national numbers of a length, and their patterns.
func rulesOf(regions []*phonenumbers.PhoneMetadata, length int) (rules, *patterns, error) {
	p := newPatterns()
	var r rules
	var err error
	if prefix := regions[0].GetNationalPrefixForParsing(); prefix != "" {
		if r.prefix, err = p.beginning(prefix, true); err != nil {
			return r, nil, err
		}
	}
	for _, m := range regions {
		region, err := regionRulesOf(m, length, p)
		if err != nil {
			return r, nil, err
		}
		r.regions = append(r.regions, region)
	}
	if len(regions) == 1 {
		r.regions[0].leading = 0 // which is not looked at where there is nothing to tell apart
	}
	return r, p, nil
}

func regionRulesOf(m *phonenumbers.PhoneMetadata, length int, p *patterns) (r regionRules, err error) {
	if leading := m.GetLeadingDigits(); leading != "" {
		if r.leading, err = p.beginning(leading, false); err != nil {
			return r, err
		}
	}
	if !hasLength(m.GetGeneralDesc(), length) {
		return r, nil
	}
	if r.general, err = p.whole(m.GetGeneralDesc().GetNationalNumberPattern()); err != nil {
		return r, err
	}
	kinds := []*phonenumbers.PhoneNumberDesc{
		m.GetPremiumRate(), m.GetTollFree(), m.GetSharedCost(), m.GetVoip(), m.GetPersonalNumber(), m.GetPager(),
		m.GetUan(), m.GetVoicemail(), m.GetFixedLine(),
	}
	if !m.GetSameMobileAndFixedLinePattern() {
		kinds = append(kinds, m.GetMobile())
	}
	for _, kind := range kinds {
		if !hasLength(kind, length) {
			continue
		}
		mark, err := p.whole(kind.GetNationalNumberPattern())
		if err != nil {
			return r, err
		}
		r.kinds = append(r.kinds, mark)
	}
	return r, nil
}

// hasLength tells whether numbers of the kind have the length: any if the kind names none.
func hasLength(kind *phonenumbers.PhoneNumberDesc, length int) bool {
	return len(kind.GetPossibleLength()) == 0 || slices.Contains(kind.GetPossibleLength(), int32(length))
}
