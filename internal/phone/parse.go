package phone

import "strings"

// longestInput is how many digits an input may have: those of a number, and in front of them a
// prefix for calls abroad with a carrier's code.
const longestInput = maxDigits + 6

// Parse reads a number as a person writes it: international with a plus, or as it is dialled in
// country (ISO 3166-1 alpha-2 in capitals; with "" it takes international numbers only). Spaces,
// dashes, dots and brackets are stripped; so are a slash after the area code, invisible characters,
// and the apostrophe that spreadsheets put in front.
//
// A number must be valid under its country's plan, and certain: what may be two numbers, or may
// have lost its plus or a digit, is refused, and so are letters, extensions and other scripts'
// digits (design, rule 2). The error is a [*ParseError], safe to show to whoever wrote the input.
//
// A valid number in a usual form takes less than 1 µs once some hundred of its calling code and its
// length have been read, in an import say. The first of them and most other input take 20 to 100 µs,
// in the patterns of the numbering plans, and one of the first, which prepares the short way, up to
// 15 ms: webhooks use [Classify].
func Parse(input, country string) (Number, error) {
	r := shared.parse(input, country)
	if !r.valid() {
		return "", &ParseError{Input: input, Reason: r.reason, Country: country, Candidates: r.candidates}
	}
	return r.number, nil
}

func (p *plans) parse(input, country string) reading {
	text, reason := strip(input)
	digits, plus := strings.CutPrefix(text, "+")
	switch {
	case reason != "":
		return refuse(reason)
	case digits == "":
		return refuse(ReasonEmpty)
	case spellsWithheld(text):
		return refuse(ReasonWithheld)
	case len(digits) < minDigits:
		return refuse(ReasonTooShort)
	case len(digits) > longestInput:
		return refuse(ReasonTooLong)
	case plus:
		return p.readInternational(digits)
	case !ValidCountry(country):
		return refuse(ReasonCountry, p.readInternational(digits))
	case strings.HasPrefix(digits, "00"):
		return p.parseAbroad(digits, country)
	default:
		return p.parseNational(digits, country)
	}
}

// parseNational reads digits without a plus or 00 as a number of the country. The doubt is whether
// a plus was lost, as in a spreadsheet. It counts where the digits begin with the country's own
// calling code, and where they lack the zero that the country writes in front of its numbers (so in
// Germany; not in the United States, India or Brazil, where digits alone are a national number).
func (p *plans) parseNational(digits, country string) reading {
	if n := dialledAtHome(digits, country); n != "" && p.validAsItStands(n) {
		return reading{number: Number("+" + n)}
	}
	home := p.readNational(digits, country)
	if home.valid() && !home.bare && !strings.HasPrefix(digits, callingCode(country)) {
		return home
	}
	abroad := p.readInternational(digits)
	switch {
	case !abroad.valid() || abroad.number == home.number:
		return home
	case home.valid():
		return refuse(ReasonAmbiguous, home, abroad)
	default:
		return refuse(ReasonPlus, abroad)
	}
}

// parseAbroad reads digits that begin with 00. That leads abroad from most countries, but from some
// a longer prefix does (0011 in Australia, 00 and a carrier's code in Brazil), from others none
// that begins so (011 in the United States). It is taken where the country's own plan reads it,
// and where a plus in place of 00 would make no other number, nor one to be corrected.
func (p *plans) parseAbroad(digits, country string) reading {
	home, abroad := p.readNational(digits, country), p.readInternational(digits[len("00"):])
	switch {
	case len(abroad.candidates) > 0:
		return abroad
	case !abroad.valid() || abroad.number == home.number:
		return home
	case home.valid():
		return refuse(ReasonAmbiguous, home, abroad)
	default:
		return refuse(ReasonInternationalPrefix, abroad)
	}
}
