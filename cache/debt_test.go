package cache

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestDebtIsSettledOnlyByAMoveThatBeganAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := debt{quit: make(chan struct{})}
		if d.addIfDue() || d.due.Load() {
			t.Fatal("at first something is owed")
		}
		if !d.add() {
			t.Fatal("the first reason is for nobody to pay")
		}
		var tries, settled atomic.Int32
		d.pay(func(context.Context) error {
			switch tries.Add(1) {
			case 1:
				return errors.New("connection refused")
			case 2: // a fence cannot be put up just as the epoch moves on
				if d.add() {
					t.Error("somebody else is to pay as well")
				}
			case 3:
				if !d.addIfDue() {
					t.Error("a fence is tried although the debt is due")
				}
			}
			return nil
		}, func() { settled.Add(1) })
		synctest.Wait()
		if tries.Load() != 1 || !d.due.Load() {
			t.Errorf("after %d failed tries it is due: %t", tries.Load(), d.due.Load())
		}
		time.Sleep(payMin)
		synctest.Wait()
		if tries.Load() != 4 || settled.Load() != 1 || d.due.Load() {
			t.Errorf("after %d tries it is settled %d times and due: %t; want 4, once, false", tries.Load(), settled.Load(), d.due.Load())
		}
		if !d.add() || !d.due.Load() {
			t.Error("a reason after that is for nobody to pay")
		}
		d.close()
	})
}

func TestDebtIsTriedUntilTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := debt{quit: make(chan struct{})}
		d.add()
		var waits []time.Duration
		last := time.Now()
		d.pay(func(context.Context) error {
			waits = append(waits, time.Since(last))
			last = time.Now()
			return errors.New("connection refused")
		}, func() { t.Error("settled") })
		time.Sleep(10 * time.Second)
		d.close()
		d.close() // changes nothing
		if n := len(waits); n < 10 || n > 20 || waits[n-1] != payMax {
			t.Errorf("it was tried after %v", waits)
		}
		if d.add() || !d.due.Load() {
			t.Error("after the end a debt is paid, or not owed")
		}
	})
}
