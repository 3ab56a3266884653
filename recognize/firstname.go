package recognize

import "strings"

// titles stand before a name and are no part of it; suffixes stand after it. Both in lower case,
// without dots.
var (
	titles = wordSet("mr mrs ms miss mx dr prof sir madam herr frau señor señora sr sra m mme mlle")
	// suffixes follow a comma in "Alex Chen, PhD", where a given name does in "Chen, Alex".
	suffixes = wordSet("jr sr ii iii iv md phd dds dvm esq cpa rn mba inc llc ltd llp gmbh co corp plc ceo cto cfo coo cmo vp")
	// particles begin a family name of several words: "van der Berg, Jan".
	particles = wordSet("van von de del della der den di da do dos das du la le el al bin ibn ter ten zu af av mac san st")
)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// FirstName returns the name to address somebody by: the first word that is no title, or what
// follows the comma in "Chen, Alex". Somebody known by title and one name alone is addressed so:
// "Mr. Smith". A name of one word is that word.
//
// What follows the comma of a longer name may be a given name ("Garcia Lopez, Maria") or no name at all ("Alex Chen,
// Sales"): they are addressed by what stands before it, which is their name in any case.
func FirstName(name string) string {
	family, given, _ := strings.Cut(name, ",")
	given, _, _ = strings.Cut(given, ",")
	before, after := strings.Fields(family), strings.Fields(given)
	switch {
	case len(after) == 0 || isIn(suffixes, after[0]):
		return first(before, false)
	case len(before) > 1 && !isIn(particles, before[0]):
		return strings.Join(before, " ")
	}
	return first(after, true)
}

// spoken returns a name as it is said: "Alex Chen" for "Chen, Alex" and for "Alex Chen, PhD". Of what may be either, only
// what stands before the comma is said, as by [FirstName].
func spoken(name string) string {
	family, given, inTwo := strings.Cut(name, ",")
	if !inTwo || strings.TrimSpace(family) == "" {
		return name
	}
	given, _, _ = strings.Cut(given, ",")
	before, after := strings.Fields(family), strings.Fields(given)
	if len(after) == 0 || isIn(suffixes, after[0]) || len(before) > 1 && !isIn(particles, before[0]) {
		return strings.Join(before, " ")
	}
	return strings.Join(append(after, before...), " ")
}

// first returns the first word that is no title. Of a family name alone the title stays.
func first(words []string, given bool) string {
	titled := 0
	for titled < len(words) && isIn(titles, words[titled]) {
		titled++
	}
	switch rest := words[titled:]; {
	case len(rest) == 0, len(rest) == 1 && titled > 0 && !given:
		return strings.Join(words, " ")
	default:
		return rest[0]
	}
}

// isIn looks a word up in any case, with or without dots.
func isIn(set map[string]bool, word string) bool {
	return set[strings.ToLower(strings.ReplaceAll(word, ".", ""))]
}
