package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ringside/contacts"
)

// writeRow is one way to write at one number of callers.
type writeRow struct {
	callers   int
	what      string
	perSecond float64 // the median of the rounds
	ratio     spread  // to a plain insert in the same round
	p50, p99  time.Duration
	failed    int // that took longer than a change may
}

// The ways to write. The first is the yardstick.
const (
	writeInsert  = "plain INSERT"
	writeAdd     = "add"
	writeLimited = "add, with a limit"
	writeArchive = "archive"
)

var writeWays = []string{writeInsert, writeAdd, writeLimited, writeArchive}

// writeCallers is how many write at once.
var writeCallers = []int{1, 32}

// bookLimit is a plan's limit that is not reached.
const bookLimit = 100_000_000

// measureWrites lets callers add and archive contacts, beside plain inserts of the same people.
func (b *bookBench) measureWrites(ctx context.Context) (rows []writeRow, err error) {
	for _, callers := range writeCallers {
		at := make([]writeRow, len(writeWays))
		rates, ratios, latencies := make([][]float64, len(at)), make([][]float64, len(at)), make([][]time.Duration, len(at))
		for round := range b.plan.writeRounds {
			b.say("Book: %d at once add and archive, round %d of %d", callers, round+1, b.plan.writeRounds)
			w := &writers{bookBench: b, book: contacts.NewBook(b.pool, contacts.NoFence{})}
			var plain float64
			for i, way := range writeWays {
				t, err := w.turn(ctx, callers, way)
				if err != nil {
					return nil, fmt.Errorf("%s, %d at once: %w", way, callers, err)
				}
				if i == 0 {
					plain = t.perSecond()
				}
				rates[i], ratios[i] = append(rates[i], t.perSecond()), append(ratios[i], t.perSecond()/plain)
				latencies[i] = append(latencies[i], t.latencies...)
				at[i].failed += t.unexpected
			}
		}
		for i, way := range writeWays {
			at[i] = writeRow{callers, way, median(rates[i]), spreadOf(ratios[i]), quantile(latencies[i], .5), quantile(latencies[i], .99), at[i].failed}
		}
		rows = append(rows, at...)
	}
	return rows, nil
}

// writers are the callers of a round.
type writers struct {
	*bookBench
	book *contacts.Book

	mu    sync.Mutex
	added []string // contacts that can be archived
}

// turn lets callers write in one way for a while, or until there is nobody left to archive.
func (w *writers) turn(ctx context.Context, callers int, way string) (*outcome, error) {
	limit := "NULL"
	if way == writeLimited {
		limit = fmt.Sprint(bookLimit)
	}
	if err := w.runSQL(ctx, `UPDATE orgs SET contact_limit = `+limit+` WHERE name = 'Book'`, `CHECKPOINT`); err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	took, late, errs := make([][]time.Duration, callers), make([]int, callers), make([]error, callers)
	began := time.Now()
	for i := range callers {
		all.Go(func() {
			for time.Since(began) < w.plan.writeTurn {
				from := time.Now()
				err := w.write(ctx, way)
				if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
					late[i]++
					continue
				}
				if errs[i] = err; err != nil {
					break
				}
				took[i] = append(took[i], time.Since(from))
			}
		})
	}
	all.Wait()
	o := &outcome{took: time.Since(began)}
	for i, err := range errs {
		if err != nil && !errors.Is(err, errNobodyLeft) {
			return nil, err
		}
		o.answers += len(took[i])
		o.latencies = append(o.latencies, took[i]...)
		o.unexpected += late[i]
	}
	if o.answers == 0 && way == writeInsert {
		return nil, errors.New("nothing was written")
	}
	return o, nil
}

var errNobodyLeft = errors.New("nobody is left to be archived")

// write writes once.
func (w *writers) write(ctx context.Context, way string) error {
	if way == writeArchive {
		id := w.take()
		if id == "" {
			return errNobodyLeft
		}
		return w.book.Archive(ctx, w.org.ID, id)
	}
	w.mu.Lock()
	p := somebody(w.next)
	w.next++
	w.mu.Unlock()
	if way == writeInsert {
		_, err := w.pool.Exec(ctx, `INSERT INTO `+yardstickTable+` (org_id, name, phone, email, tags, notes) VALUES ($1::text::uuid, $2, $3, nullif($4, ''), coalesce($5::text[], '{}'), $6)`,
			w.org.ID, p.name, p.phone, p.email, p.tags, p.notes)
		return err
	}
	c, err := w.book.Add(ctx, w.org, contacts.Draft{Name: p.name, Phone: p.written, Email: p.email, Tags: p.tags, Notes: p.notes})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.added = append(w.added, c.ID)
	return nil
}

// take returns a contact that was added, or "".
func (w *writers) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.added) == 0 {
		return ""
	}
	id := w.added[len(w.added)-1]
	w.added = w.added[:len(w.added)-1]
	return id
}
