package contacts

import (
	"strings"
)

// placeholders are the names that name nobody. The database's ringside_real_name has the same list.
var placeholders = map[string]bool{}

func init() {
	for _, p := range []string{
		"unknown", "unknown caller", "unknown name", "unknown contact", "anonymous", "anonymous caller",
		"caller", "new caller", "new contact", "contact", "customer", "guest", "visitor", "no name", "noname",
		"n/a", "na", "none", "null", "nil", "undefined", "not provided", "not given", "private", "private caller",
		"private number", "restricted", "unavailable", "withheld", "blocked", "wireless caller", "test", "tbd",
	} {
		placeholders[p] = true
	}
}

// RealName reports whether a name may be said to a caller: it is not blank, not a placeholder such
// as "Unknown", not a template token, and not a number (it has at least one letter). It is the rule
// of ringside_real_name in the database.
func RealName(name string) bool {
	if !hasLetter(name) || strings.Contains(name, "{{") || strings.Contains(name, "<<") {
		return false
	}
	if len(name) > 40 { // longer than any placeholder: spare the folding
		return true
	}
	return !placeholders[strings.ToLower(strings.Join(strings.Fields(name), " "))]
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
