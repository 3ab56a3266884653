package phone

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// This file alone reads numbers with the phonenumbers library (plan.go takes its patterns). Left to
// itself the library reads almost anything: letters as keypad digits, "whatsapp:+1…", other scripts'
// digits, extensions. So it is only ever given ASCII digits, with or without a plus, and what it
// makes of them is compared with them.

// reading is what a string of digits means under a numbering plan.
type reading struct {
	number     Number   // "" if there is a reason
	reason     Reason   // why the digits are no number, or ""
	candidates []Number // what they may have been meant to be, if there is a reason
	bare       bool     // a national number without the prefix that its country writes in front
}

func (r reading) valid() bool { return r.reason == "" }

// refuse returns a reading that is none, with the valid ones among the given readings as candidates.
func refuse(reason Reason, meant ...reading) reading {
	r := reading{reason: reason}
	for _, m := range meant {
		if m.valid() {
			r.candidates = append(r.candidates, m.number)
		}
	}
	return r
}

// readInternational reads digits that begin with a country's calling code.
func (p *plans) readInternational(digits string) reading {
	if p.validAsItStands(digits) {
		return reading{number: Number("+" + digits)}
	}
	parsed, r := p.read("+"+digits, "")
	if !r.valid() {
		return r
	}
	if prefix, ok := cutNumber(digits, parsed, r.number); !ok || prefix != "" {
		return refuse(ReasonNotValid, r)
	}
	return r
}

// readNational reads digits as they are dialled inside a country: a national number with or
// without its trunk prefix or the country's calling code, or the country's prefix for calls abroad
// and a foreign number.
func (p *plans) readNational(digits, country string) reading {
	parsed, r := p.read(digits, country)
	if !r.valid() {
		return r
	}
	if parsed.GetCountryCodeSource() == phonenumbers.PhoneNumber_FROM_NUMBER_WITH_IDD {
		if _, ok := cutNumber(digits, parsed, r.number); !ok {
			return refuse(ReasonNotValid, r)
		}
	}
	r.bare = !phonenumbers.IsNationalPrefixPresentIfRequired(parsed)
	return r
}

// cutNumber returns what stands in front of an international number at the end of digits. The
// number must stand there as it is, but for a trunk zero after the calling code, as in
// +44 (0)20 7946 0123, which nobody dials from abroad. The library makes other corrections too,
// which turn one well-formed number into another: then ok is false, or the prefix too long.
func cutNumber(digits string, parsed *phonenumbers.PhoneNumber, number Number) (prefix string, ok bool) {
	code := strconv.Itoa(int(parsed.GetCountryCode()))
	subscriber := strings.TrimPrefix(string(number), "+"+code)
	if prefix, ok = strings.CutSuffix(digits, code+subscriber); ok {
		return prefix, true
	}
	return strings.CutSuffix(digits, code+"0"+subscriber)
}

// read returns the reading of the text and, where it is valid, the library's number.
func (p *plans) read(text, region string) (*phonenumbers.PhoneNumber, reading) {
	parsed, err := phonenumbers.ParseAndKeepRawInput(text, region)
	switch {
	case errors.Is(err, phonenumbers.ErrInvalidCountryCode):
		return nil, refuse(ReasonCountryCode)
	case errors.Is(err, phonenumbers.ErrTooShortNSN), errors.Is(err, phonenumbers.ErrTooShortAfterIDD):
		return nil, refuse(ReasonTooShort)
	case errors.Is(err, phonenumbers.ErrNumTooLong):
		return nil, refuse(ReasonTooLong)
	case err != nil:
		return nil, refuse(ReasonNotValid)
	case !phonenumbers.IsValidNumber(parsed):
		return nil, refuse(lengthReason(parsed))
	}
	number, ok := Strict(phonenumbers.Format(parsed, phonenumbers.E164))
	if !ok {
		return nil, refuse(ReasonNotValid)
	}
	p.countRead(int(parsed.GetCountryCode()), len(number)-1)
	return parsed, reading{number: number}
}

// lengthReason tells why a number that is not valid is not, as far as its length shows.
func lengthReason(invalid *phonenumbers.PhoneNumber) Reason {
	switch phonenumbers.IsPossibleNumberWithReason(invalid) {
	case phonenumbers.TOO_SHORT:
		return ReasonTooShort
	case phonenumbers.TOO_LONG:
		return ReasonTooLong
	case phonenumbers.IS_POSSIBLE_LOCAL_ONLY:
		return ReasonAreaCode
	default:
		return ReasonNotValid
	}
}

// callingCode returns the calling code of a valid country, such as "44".
func callingCode(country string) string {
	return strconv.Itoa(phonenumbers.GetCountryCodeForRegion(country))
}

// ValidCountry tells whether iso is the code of a country whose national numbers can be read:
// ISO 3166-1 alpha-2 in capitals, such as "US".
func ValidCountry(iso string) bool {
	return len(iso) == 2 && phonenumbers.GetSupportedRegions()[iso]
}

// Country returns the ISO 3166-1 alpha-2 code of the country or territory the number belongs to,
// or "" where that is not known or where it belongs to none, as under the freephone code +800.
func (n Number) Country() string {
	parsed, ok := n.exact()
	if !ok {
		return ""
	}
	if region := phonenumbers.GetRegionCodeForNumber(parsed); ValidCountry(region) {
		return region
	}
	return ""
}

// Readable returns the number in groups, for people: +1 415-555-1200. [Parse] reads a valid one
// back to the same number. One that no numbering plan can group is returned as it is.
func (n Number) Readable() string {
	parsed, ok := n.exact()
	if !ok {
		return string(n)
	}
	return phonenumbers.Format(parsed, phonenumbers.INTERNATIONAL)
}

// exact returns the library's form of n, and false where that would be another number: the library
// takes the second 1 of +114155551200 for a prefix, say, and drops it.
func (n Number) exact() (*phonenumbers.PhoneNumber, bool) {
	if _, ok := Strict(string(n)); !ok {
		return nil, false
	}
	parsed, err := phonenumbers.Parse(string(n), "")
	if err != nil || phonenumbers.Format(parsed, phonenumbers.E164) != string(n) {
		return nil, false
	}
	return parsed, true
}

// TimeZones returns the time zones, by their IANA names, of the area that the number is of: several where it is
// of more than one, such as a mobile number's country, none where that is not known.
func (n Number) TimeZones() []string {
	parsed, ok := n.exact()
	if !ok {
		return nil
	}
	zones, err := phonenumbers.GetTimezonesForNumber(parsed)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(zones, func(zone string) bool { return zone == phonenumbers.UNKNOWN_TIMEZONE })
}

// Premium reports whether calling the number costs more than a call: premium-rate and shared-cost
// numbers. Of one that no numbering plan knows it is false.
func (n Number) Premium() bool {
	parsed, ok := n.exact()
	if !ok {
		return false
	}
	kind := phonenumbers.GetNumberType(parsed)
	return kind == phonenumbers.PREMIUM_RATE || kind == phonenumbers.SHARED_COST
}
