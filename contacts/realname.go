package contacts

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// placeholders are the names that name nobody. The database's ringside_real_name has the same list.
var placeholders = map[string]bool{
	"unknown": true, "unknown caller": true, "unknown name": true, "unknown contact": true, "anonymous": true,
	"anonymous caller": true, "caller": true, "new caller": true, "new contact": true, "contact": true, "customer": true,
	"guest": true, "visitor": true, "no name": true, "noname": true, "n/a": true, "na": true, "none": true, "null": true,
	"nil": true, "undefined": true, "not provided": true, "not given": true, "private": true, "private caller": true,
	"private number": true, "restricted": true, "unavailable": true, "withheld": true, "blocked": true,
	"wireless caller": true, "test": true, "tbd": true,
}

const longestPlaceholder = len("anonymous caller")

// RealName reports whether a name may be said to a caller: it is not blank, not a placeholder such
// as "Unknown", not a template token, and not a number (it has at least one letter). It agrees with
// ringside_real_name in the database on every name that Ringside stores; such a name is one line.
// It does not allocate.
func RealName(name string) bool {
	return hasLetter(name) && !strings.Contains(name, "{{") && !strings.Contains(name, "<<") && !isPlaceholder(name)
}

// letters are the parts of Unicode that hold letters, roughly: without digits, punctuation, symbols, emoji and the blank of
// Hangul. An empty cell of a sheet is often a dash. The database's ringside_real_name has the same ranges.
var letters = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x0041, 0x005A, 1}, {0x0061, 0x007A, 1}, {0x00AA, 0x00AA, 1}, {0x00B5, 0x00B5, 1}, {0x00BA, 0x00BA, 1},
		{0x00C0, 0x00D6, 1}, {0x00D8, 0x00F6, 1}, {0x00F8, 0x065F, 1}, {0x066A, 0x06EF, 1}, {0x06FA, 0x0965, 1},
		{0x0970, 0x1FFF, 1}, {0x2C00, 0x2DFF, 1}, {0x2E80, 0x2FEF, 1}, {0x3005, 0x3007, 1}, {0x3041, 0x3163, 1},
		{0x3165, 0xD7FF, 1}, {0xF900, 0xFDFF, 1}, {0xFE70, 0xFEFC, 1}, {0xFF21, 0xFF3A, 1}, {0xFF41, 0xFF5A, 1},
		{0xFF66, 0xFF9F, 1}, {0xFFA1, 0xFFDC, 1},
	},
	R32: []unicode.Range32{
		{0x10000, 0x1CFFF, 1}, {0x1D400, 0x1D7FF, 1}, {0x1E000, 0x1EFFF, 1}, {0x20000, 0x3FFFF, 1},
	},
	LatinOffset: 7,
}

// hasLetter reports whether there is a letter in a name.
func hasLetter(name string) bool {
	for _, r := range name {
		if unicode.Is(letters, r) {
			return true
		}
	}
	return false
}

// isPlaceholder looks the name up with case and runs of white space folded.
func isPlaceholder(name string) bool {
	folded := make([]byte, 0, longestPlaceholder+2*utf8.UTFMax)
	gap := false
	for _, r := range name {
		if unicode.IsSpace(r) {
			gap = len(folded) > 0
			continue
		}
		if gap {
			folded, gap = append(folded, ' '), false
		}
		folded = utf8.AppendRune(folded, unicode.ToLower(r))
		if len(folded) > longestPlaceholder {
			return false
		}
	}
	return placeholders[string(folded)]
}
