// Package gather lets questions that are asked at the same time share one round trip to the server
// that answers them. While some are on their way, the next gather; nobody waits for a timer, so that
// a lone question goes at once.
package gather

import (
	"context"
	"sync"
)

// Line carries questions to a server.
type Line[Q, A any] struct {
	ask   func(questions []Q) ([]A, error)
	lanes int // round trips at once
	most  int // questions in one

	mu      sync.Mutex
	waiting []*entry[Q, A]
	away    int // round trips that are on their way
}

// entry is a question that waits for its answer. Its answer may be read once done is closed.
type entry[Q, A any] struct {
	question Q
	answer   A
	err      error
	done     chan struct{}
}

// NewLine returns a line of so many round trips at once, each of so many questions at most. ask
// makes a round trip: it returns the answers in the order of the questions, or an error for all. It
// has to end by itself, since it is nobody's in particular.
func NewLine[Q, A any](lanes, most int, ask func(questions []Q) ([]A, error)) *Line[Q, A] {
	return &Line[Q, A]{ask: ask, lanes: lanes, most: most}
}

// Ask returns the answer to a question, or ctx's error if that ends first. A question that has not
// set out by then never will be asked; one that has is answered to nobody.
func (l *Line[Q, A]) Ask(ctx context.Context, question Q) (A, error) {
	e := &entry[Q, A]{question: question, done: make(chan struct{})}
	l.mu.Lock()
	l.waiting = append(l.waiting, e)
	sets := l.away < l.lanes
	if sets {
		l.away++
	}
	l.mu.Unlock()
	if sets {
		go l.run()
	}
	select {
	case <-e.done:
		return e.answer, e.err
	case <-ctx.Done():
	}
	l.withdraw(e)
	var none A
	return none, ctx.Err()
}

// withdraw takes a question back that has not set out.
func (l *Line[Q, A]) withdraw(e *entry[Q, A]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.waiting {
		if other == e {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return
		}
	}
}

// run makes round trips until no question waits.
func (l *Line[Q, A]) run() {
	for {
		batch := l.take()
		if batch == nil {
			return
		}
		l.settle(batch)
	}
}

// take removes the oldest questions. Without any, the round trip's place is free again.
func (l *Line[Q, A]) take() []*entry[Q, A] {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.waiting), l.most)
	if n == 0 {
		l.away--
		return nil
	}
	batch := append([]*entry[Q, A](nil), l.waiting[:n]...)
	rest := copy(l.waiting, l.waiting[n:])
	clear(l.waiting[rest:])
	l.waiting = l.waiting[:rest]
	return batch
}

// settle makes one round trip and tells everybody.
func (l *Line[Q, A]) settle(batch []*entry[Q, A]) {
	questions := make([]Q, len(batch))
	for i, e := range batch {
		questions[i] = e.question
	}
	answers, err := l.ask(questions)
	for i, e := range batch {
		if e.err = err; err == nil {
			e.answer = answers[i]
		}
		close(e.done)
	}
}
