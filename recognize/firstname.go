package recognize

import "strings"

// titles stand before a name and are no part of it; suffixes stand after it. Both in lower case,
// without dots.
var (
	titles = wordSet("mr mrs ms miss mx dr prof sir madam herr frau señor señora sr sra m mme mlle")
	// suffixes follow a comma in "Alex Chen, PhD", where a given name does in "Chen, Alex".
	suffixes = wordSet("jr sr ii iii iv md phd dds dvm esq cpa rn mba inc llc ltd llp gmbh co corp plc")
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
func FirstName(name string) string {
	family, given, _ := strings.Cut(name, ",")
	words, inverted := strings.Fields(given), true
	if len(words) == 0 || isIn(suffixes, words[0]) {
		words, inverted = strings.Fields(family), false
	}
	titled := 0
	for titled < len(words) && isIn(titles, words[titled]) {
		titled++
	}
	switch rest := words[titled:]; {
	case len(rest) == 0, len(rest) == 1 && titled > 0 && !inverted:
		return strings.Join(words, " ")
	default:
		return rest[0]
	}
}

// isIn looks a word up in any case, with or without dots.
func isIn(set map[string]bool, word string) bool {
	return set[strings.ToLower(strings.ReplaceAll(word, ".", ""))]
}
