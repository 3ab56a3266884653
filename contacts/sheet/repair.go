package sheet

import "strings"

// Repair is a set of the kinds of repair that were made to a cell. Its zero value is none.
type Repair uint16

// The kinds of repair, each of which leaves no doubt about what was meant.
const (
	RepairApostrophe  Repair = 1 << iota // the apostrophe that marks a cell as text was taken away
	RepairFormula                        // the formula around a text, ="…", was taken away
	RepairWindows1252                    // bytes that are not UTF-8 were read as Windows-1252
	RepairNUL                            // NUL characters were left out
	RepairQuotes                         // quotation marks that ought to have been doubled were read as text
	RepairMarks                          // quotation marks around a phone number were taken away
	RepairSpaces                         // non-breaking spaces or invisible characters in a phone number were left out
	RepairPlus                           // a number that begins with the country's own calling code got its plus back
	RepairPrefix                         // 00 became a plus
	RepairDecimal                        // the .0 of a number that was kept as an amount was cut off
	RepairExponent                       // scientific notation that has every digit was written out
)

// repairNames are the names of the kinds, in their order. Reports count them; they never change.
var repairNames = [...]string{
	"apostrophe", "formula", "windows_1252", "nul", "quotes", "marks", "spaces", "plus", "international_prefix", "decimal", "exponent",
}

// Kinds returns the names of the kinds in the set, such as "apostrophe".
func (r Repair) Kinds() []string {
	var kinds []string
	for i, name := range repairNames {
		if r&(1<<i) != 0 {
			kinds = append(kinds, name)
		}
	}
	return kinds
}

// String returns the names of the kinds, joined by commas.
func (r Repair) String() string { return strings.Join(r.Kinds(), ",") }

// Tally counts repairs by their kind. Its zero value is empty, and it is copied by assignment.
type Tally struct {
	counts [len(repairNames)]int
}

// Add counts each kind in the set once.
func (t *Tally) Add(r Repair) {
	for i := range t.counts {
		if r&(1<<i) != 0 {
			t.counts[i]++
		}
	}
}

// Merge adds what another tally has counted.
func (t *Tally) Merge(other Tally) {
	for i, n := range other.counts {
		t.counts[i] += n
	}
}

// Of returns how often a kind was counted; of several kinds, their sum.
func (t *Tally) Of(r Repair) int {
	sum := 0
	for i, n := range t.counts {
		if r&(1<<i) != 0 {
			sum += n
		}
	}
	return sum
}

// Counts returns the counts by the kinds' names, without those that are zero; nil if all are.
func (t *Tally) Counts() map[string]int {
	var counts map[string]int
	for i, n := range t.counts {
		if n == 0 {
			continue
		}
		if counts == nil {
			counts = map[string]int{}
		}
		counts[repairNames[i]] = n
	}
	return counts
}
