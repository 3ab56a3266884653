package phone

import "strings"

// dialling is how numbers are dialled inside a country, where that can be told without the library.
type dialling struct {
	code  string // the calling code
	trunk byte   // the digit in front of a national number, or 0 if there is none
	bare  bool   // the national number alone is how the country writes it, so that no plus was lost
}

// homes are the countries whose national numbers need not go through the library. They have the
// main plan of their calling code, but for Canada, whose plan is that of the United States. What is
// dialled there begins with a prefix for calls abroad, a trunk prefix or the national number, and
// the first digits tell which. Any other country may be added of which the tests say the same.
var homes = map[string]dialling{
	"US": {"1", '1', true}, "CA": {"1", '1', true},

	"AE": {"971", '0', false}, "AT": {"43", '0', false}, "BE": {"32", '0', false}, "BG": {"359", '0', false},
	"CH": {"41", '0', false}, "DE": {"49", '0', false}, "EG": {"20", '0', false}, "FI": {"358", '0', false},
	"FR": {"33", '0', false}, "GB": {"44", '0', false}, "GH": {"233", '0', false}, "HR": {"385", '0', false},
	"IE": {"353", '0', false}, "MA": {"212", '0', false}, "MY": {"60", '0', false}, "NL": {"31", '0', false},
	"PE": {"51", '0', false}, "PH": {"63", '0', false}, "PK": {"92", '0', false}, "RO": {"40", '0', false},
	"RS": {"381", '0', false}, "SA": {"966", '0', false}, "SE": {"46", '0', false}, "SI": {"386", '0', false},
	"SK": {"421", '0', false}, "UA": {"380", '0', false}, "ZA": {"27", '0', false},

	"IN": {"91", '0', true}, "TR": {"90", '0', true}, "VN": {"84", '0', true},

	"CY": {"357", 0, true}, "CZ": {"420", 0, true}, "DK": {"45", 0, true}, "EE": {"372", 0, true},
	"ES": {"34", 0, true}, "GR": {"30", 0, true}, "HK": {"852", 0, true}, "IT": {"39", 0, true},
	"LT": {"370", 0, true}, "LU": {"352", 0, true}, "LV": {"371", 0, true}, "MT": {"356", 0, true},
	"MX": {"52", 0, true}, "NO": {"47", 0, true}, "PL": {"48", 0, true}, "PT": {"351", 0, true},
	"SG": {"65", 0, true},
}

// dialledAtHome returns the digits of the international number that digits without 00 in front are
// in the country, if that number is valid as it stands. It returns "" where they may be something
// else too: where they begin with the country's calling code, or with a zero that is no trunk prefix.
func dialledAtHome(digits, country string) string {
	h, known := homes[country]
	switch {
	case !known:
		return ""
	case digits[0] == h.trunk:
		return h.code + digits[1:]
	case h.bare && digits[0] != '0' && !strings.HasPrefix(digits, h.code):
		return h.code + digits
	default:
		return ""
	}
}
