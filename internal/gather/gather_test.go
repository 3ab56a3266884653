package gather

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Questions that are asked while others are away share the next round trip, in order.
func TestQuestionsGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var trips [][]int
		line := NewLine(1, 3, func(questions []int) ([]int, error) {
			trips = append(trips, slices.Clone(questions))
			time.Sleep(time.Second)
			answers := make([]int, len(questions))
			for i, q := range questions {
				answers[i] = 10 * q
			}
			return answers, nil
		})
		var all sync.WaitGroup
		for q := range 6 {
			all.Go(func() {
				if answer, err := line.Ask(t.Context(), q); answer != 10*q || err != nil {
					t.Errorf("%d is answered %d, %v", q, answer, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		if want := [][]int{{0}, {1, 2, 3}, {4, 5}}; !slices.EqualFunc(trips, want, slices.Equal) {
			t.Errorf("round trips %v", trips)
		}
		began := time.Now()
		if _, err := line.Ask(t.Context(), 6); err != nil || len(trips) != 4 {
			t.Errorf("a question to a line at rest: %v, %v", err, trips)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("a lone question took %s", took)
		}
	})
}

// As many round trips are away at once as the line has lanes.
func TestLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away, most := 0, 0
		var mu sync.Mutex
		line := NewLine(2, 1, func([]int) ([]int, error) {
			mu.Lock()
			away++
			most = max(most, away)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			away--
			mu.Unlock()
			return []int{1}, nil
		})
		began := time.Now()
		var all sync.WaitGroup
		for q := range 4 {
			all.Go(func() { _, _ = line.Ask(t.Context(), q) })
		}
		all.Wait()
		if took := time.Since(began); most != 2 || took != 2*time.Second {
			t.Errorf("%d at once, %s in all", most, took)
		}
	})
}

// A failed round trip fails for everybody on it, and for nobody else.
func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		first := true
		line := NewLine(1, 9, func(questions []int) ([]int, error) {
			defer func() { first = false }()
			time.Sleep(time.Second)
			if first {
				return nil, broken
			}
			return questions, nil
		})
		failed := make(chan error, 1)
		go func() {
			_, err := line.Ask(t.Context(), 1)
			failed <- err
		}()
		synctest.Wait()
		if answer, err := line.Ask(t.Context(), 2); answer != 2 || err != nil {
			t.Errorf("answered %d, %v", answer, err)
		}
		if err := <-failed; !errors.Is(err, broken) {
			t.Errorf("failed with %v", err)
		}
	})
}

// Who gives up gets away at once, and a question that has not set out is not asked.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []int
		line := NewLine(1, 9, func(questions []int) ([]int, error) {
			asked = append(asked, questions...)
			time.Sleep(time.Minute)
			return questions, nil
		})
		began := time.Now()
		var all sync.WaitGroup
		for q := range 2 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := line.Ask(ctx, q); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%d gave up with %v", q, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		if took := time.Since(began); took != time.Second {
			t.Errorf("giving up took %s", took)
		}
		if answer, err := line.Ask(t.Context(), 2); answer != 2 || err != nil {
			t.Errorf("the next is answered %d, %v", answer, err)
		}
		if !slices.Equal(asked, []int{0, 2}) {
			t.Errorf("asked %v", asked)
		}
	})
}
