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

// hasLetter reports whether name holds an ASCII letter or anything beyond Latin-1's controls and
// no-break space, which in a name is a letter.
func hasLetter(name string) bool {
	for _, r := range name {
		if r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r > '\u00A0' {
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
