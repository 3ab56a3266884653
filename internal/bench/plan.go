package main

import "time"

// plan is how much is measured. Every measurement is a number of rounds; in a round each program has
// its turn, so that what disturbs the machine for a while disturbs them all, and what is reported is
// the median over the rounds.
type plan struct {
	profiles string // a folder for CPU profiles, or ""
	program  string // a ringside that is there, or "" to build one

	// Voice: connections at once, and rounds at each; goals hold at goalConnections.
	voice           []voiceLoad
	goalConnections int
	turn, warmUp    time.Duration // of one program under one load; nothing counts in the warm-up
	settle          time.Duration // at most, for the events of a round to be written
	contacts        int           // in the address book, enough for no cold caller to call twice
	familiar        int           // callers that are in the process
	shared          int           // callers in Redis, too many for one second: the process forgets after that
	samples         int           // of a turn's calls that are asked how they were recognised

	// Faults.
	faultConnections int
	faultTurn        time.Duration

	// Relay: calls at once.
	calls       []int
	relayRounds int
	relayTurn   time.Duration
	relayWarmUp time.Duration
	profiled    time.Duration // how long a profile is taken

	// Book.
	people       int // rows of the file that is imported, and contacts after it; a multiple of rowsOfAKind
	importRounds int
	searches     int // of each kind
	writeRounds  int
	writeTurn    time.Duration
}

type voiceLoad struct{ connections, rounds int }

var fullPlan = plan{
	voice:           []voiceLoad{{1, 3}, {8, 3}, {32, 7}, {64, 3}},
	goalConnections: 32,
	turn:            600 * time.Millisecond, warmUp: 150 * time.Millisecond, settle: 15 * time.Second,
	contacts: 150_000, familiar: 200, shared: 30_000, samples: 25,
	faultConnections: 32, faultTurn: 6 * time.Second,
	calls: []int{100, 500}, relayRounds: 5, relayTurn: 3 * time.Second, relayWarmUp: 500 * time.Millisecond,
	profiled: 5 * time.Second,
	people:   1_000_000, importRounds: 1, searches: 30, writeRounds: 3, writeTurn: 2 * time.Second,
}

var quickPlan = plan{
	voice:           []voiceLoad{{1, 1}, {32, 2}},
	goalConnections: 32,
	turn:            250 * time.Millisecond, warmUp: 100 * time.Millisecond, settle: 3 * time.Second,
	contacts: 30_000, familiar: 100, shared: 6_000, samples: 10,
	faultConnections: 16, faultTurn: 2 * time.Second,
	calls: []int{100}, relayRounds: 2, relayTurn: time.Second, relayWarmUp: 200 * time.Millisecond,
	profiled: 2 * time.Second,
	people:   50_000, importRounds: 2, searches: 20, writeRounds: 2, writeTurn: 500 * time.Millisecond,
}
