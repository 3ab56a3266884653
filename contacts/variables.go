package contacts

import (
	"strings"
	"unicode/utf8"

	"ringside/internal/problem"
)

// Limits of a campaign person's variables. The name's length is in bytes, a value's in characters.
const (
	MaxVariables     = 30
	MaxVariableName  = 40
	MaxVariableValue = 200
)

// IsVariable reports whether name can be a variable's: capitals, digits and underlines, a letter first.
// NAME and FIRST_NAME are variables by that rule; they say the person's name.
func IsVariable(name string) bool {
	if name == "" || len(name) > MaxVariableName || name[0] < 'A' || name[0] > 'Z' {
		return false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// VariableName makes a variable's name of a column's: "Order no." becomes ORDER_NO. It is "" where
// nothing of it can be in one, and for NAME and FIRST_NAME, which are the person's name already.
func VariableName(column string) string {
	var b strings.Builder
	for _, r := range strings.ToUpper(column) {
		switch {
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	name := b.String()
	if len(name) > MaxVariableName {
		name = name[:MaxVariableName]
	}
	if name = strings.TrimRight(name, "_"); name == "NAME" || name == "FIRST_NAME" {
		return ""
	}
	return name
}

// checkedVariables returns variables tidied up, without those that say nothing, or says which is wrong.
func checkedVariables(given map[string]string) (map[string]string, error) {
	kept := make(map[string]string, len(given))
	for name, value := range given {
		upper := strings.ToUpper(strings.TrimSpace(name))
		switch {
		case !IsVariable(upper):
			return nil, problem.Invalid("variables", "%q cannot be a variable: its name has up to %d letters, digits and underlines, and begins with a letter.", cut(tidy(name), 60), MaxVariableName)
		case VariableName(upper) == "":
			return nil, problem.Invalid("variables", "%s is the person's name already; leave it out.", upper)
		}
		if err := storable("variables", value); err != nil {
			return nil, err
		}
		if value = tidy(value); utf8.RuneCountInString(value) > MaxVariableValue {
			return nil, problem.Invalid("variables", "%s is longer than %d characters.", upper, MaxVariableValue)
		}
		if value != "" {
			kept[upper] = value
		}
	}
	return kept, fewVariables(kept)
}

// fewVariables refuses more variables than somebody has, those that they had before included.
func fewVariables(v map[string]string) error {
	if len(v) > MaxVariables {
		return problem.Invalid("variables", "Somebody has at most %d variables; these are %d.", MaxVariables, len(v))
	}
	return nil
}
