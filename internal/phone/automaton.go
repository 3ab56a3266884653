package phone

import (
	"encoding/binary"
	"errors"
	"math"
	"regexp/syntax"
	"slices"
)

// automaton tells of digits of one length whether a set of patterns takes them, in one step for
// each digit: next[s][d] is the state that digit d leads to from state s.
type automaton struct{ next [][10]uint16 }

// The states of every automaton. It begins in stateFirst, nothing leads out of stateNone, and the
// last digit leads to stateNone or to stateTaken.
const (
	stateNone = iota
	stateTaken
	stateFirst
)

// takes tells whether the digits are taken. They must be ASCII digits, of the automaton's length.
func (a *automaton) takes(digits string) bool {
	state := uint16(stateFirst)
	for i := range len(digits) {
		state = a.next[state][digits[i]-'0']
	}
	return state == stateTaken
}

var errAutomaton = errors.New("the patterns make no automaton")

// patterns is several patterns run side by side over the same digits: the instructions of all their
// programs in one list. A mark is the index of the instruction where a pattern ends; it is in the
// set of live instructions as long as the digits so far match. No mark is 0, which always fails.
type patterns struct {
	instructions []syntax.Inst
	starts       []uint32
	beginnings   map[uint32]bool   // the marks of patterns that match for good once a beginning does
	marks        map[string]uint32 // of the patterns for whole numbers, so that each is there once
	seen         []int             // in which call of reach an instruction was last met
	calls        int
}

func newPatterns() *patterns {
	return &patterns{beginnings: make(map[uint32]bool), marks: make(map[string]uint32)}
}

// whole adds a pattern for all the digits, and returns its mark.
func (p *patterns) whole(pattern string) (uint32, error) {
	if mark, ok := p.marks[pattern]; ok {
		return mark, nil
	}
	mark, err := p.add(pattern, false)
	p.marks[pattern] = mark
	return mark, err
}

// beginning adds a pattern for the first of the digits, and returns its mark. If roughly, the mark
// may be there though the pattern does not match: conditions in it, such as $, are taken for met.
func (p *patterns) beginning(pattern string, roughly bool) (uint32, error) {
	mark, err := p.add(pattern, roughly)
	p.beginnings[mark] = true
	return mark, err
}

func (p *patterns) add(pattern string, roughly bool) (mark uint32, err error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0, err
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0, err
	}
	condition := func(in syntax.Inst) bool { return in.Op == syntax.InstEmptyWidth }
	if !roughly && slices.ContainsFunc(prog.Inst, condition) {
		return 0, errAutomaton
	}
	base := uint32(len(p.instructions))
	p.starts = append(p.starts, base+uint32(prog.Start))
	for i, in := range prog.Inst {
		in.Out += base
		switch in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			in.Arg += base
		case syntax.InstMatch:
			mark = base + uint32(i)
		}
		p.instructions = append(p.instructions, in)
		p.seen = append(p.seen, 0)
	}
	return mark, nil
}

// live is a set of instructions that wait for the next digit, and of marks, in order.
type live []uint32

func (l live) has(mark uint32) bool {
	_, ok := slices.BinarySearch(l, mark)
	return ok
}

func (l live) key() string {
	key := make([]byte, 0, 4*len(l))
	for _, at := range l {
		key = binary.LittleEndian.AppendUint32(key, at)
	}
	return string(key)
}

// reach returns the set that is reached from the instructions without a digit.
func (p *patterns) reach(from []uint32) live {
	p.calls++
	var reached live
	for len(from) > 0 {
		at := from[len(from)-1]
		from = from[:len(from)-1]
		if p.seen[at] == p.calls {
			continue
		}
		p.seen[at] = p.calls
		switch in := p.instructions[at]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			from = append(from, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop, syntax.InstEmptyWidth:
			from = append(from, in.Out)
		case syntax.InstFail:
		default:
			reached = append(reached, at)
		}
	}
	slices.Sort(reached)
	return reached
}

// step returns the set that a digit leads to.
func (p *patterns) step(l live, digit rune) live {
	var next []uint32
	for _, at := range l {
		switch in := &p.instructions[at]; {
		case p.beginnings[at]:
			next = append(next, at)
		case in.MatchRune(digit): // never at a mark
			next = append(next, in.Out)
		}
	}
	return p.reach(next)
}

// automaton returns the one that takes the digits of a length whose last set is taken.
func (p *patterns) automaton(length int, taken func(live) bool) (*automaton, error) {
	a := &automaton{next: make([][10]uint16, stateFirst+1)}
	sets := []live{p.reach(slices.Clone(p.starts))} // those after so many digits, from state first on
	first := stateFirst
	for left := length - 1; left >= 0; left-- {
		states := make(map[string]uint16) // those after one digit more
		var after []live
		for i, set := range sets {
			for digit := range 10 {
				next := p.step(set, rune('0'+digit))
				var state uint16
				switch key := next.key(); {
				case len(next) == 0, left == 0 && !taken(next):
					state = stateNone
				case left == 0:
					state = stateTaken
				case states[key] != 0:
					state = states[key]
				case len(a.next) > math.MaxUint16:
					return nil, errAutomaton
				default:
					state = uint16(len(a.next))
					states[key] = state
					a.next = append(a.next, [10]uint16{})
					after = append(after, next)
				}
				a.next[first+i][digit] = state
			}
		}
		first += len(sets)
		sets = after
	}
	return a, nil
}
