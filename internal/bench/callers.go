package main

// callers says who calls in the next turn of a subject.
type callers interface {
	// turn returns how many may call, at most want, and who the i-th of them is.
	turn(want int) (n int, from func(i int) string)
	// called notes how many of them did.
	called(n int)
}

// regulars are the same few callers over and over.
type regulars struct {
	number func(n int) string
	count  int
}

func (r regulars) turn(want int) (int, func(int) string) {
	return want, func(i int) string { return r.number(i % r.count) }
}

func (regulars) called(int) {}

// rota is so many contacts, each of whom calls again when all the others have: too late to be
// remembered by the process, which holds a caller for a second beside Redis.
type rota struct{ first, count, next int }

func (r *rota) turn(want int) (int, func(int) string) {
	next := r.next
	return want, func(i int) string { return known(r.first + (next+i)%r.count) }
}

func (r *rota) called(n int) { r.next = (r.next + n) % r.count }

// strangers are contacts who have never called before, as many in each turn as leave enough for the
// turns to come.
type strangers struct{ next, end, turns int }

func (s *strangers) turn(want int) (int, func(int) string) {
	next := s.next
	return min(want, (s.end-s.next)/max(1, s.turns)), func(i int) string { return known(next + i) }
}

func (s *strangers) called(n int) {
	s.next += n
	s.turns--
}
