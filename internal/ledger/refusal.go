package ledger

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
)

// classOf is the class of Postgres' answer (SQLSTATE's first two characters), or "" for an error that is none.
func classOf(err error) string {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(pgErr.Code) != 5 || errors.Is(err, errUnsent) {
		return ""
	}
	return pgErr.Code[:2]
}

// refusedData reports whether Postgres refused the data itself (classes 22, bad values, and 23, constraints), which
// no repetition will change.
func refusedData(err error) bool { return slices.Contains([]string{"22", "23"}, classOf(err)) }

// notReady are the classes of a Postgres that is away, starting, stopping, out of something, or in another's way: connection, transaction
// state, rollback, resources, state of objects, operators, the system, faults of its own.
var notReady = []string{"08", "25", "40", "53", "55", "57", "58", "XX"}

// refused reports whether Postgres has answered no. It may be because of the data, of another program's trigger, or since Postgres
// takes nothing more at all (class 54 is also of transaction ids that are used up).
func refused(err error) bool {
	class := classOf(err)
	return class != "" && !slices.Contains(notReady, class)
}

// tooSlow reports whether a batch was not committed in time, by a Postgres to which there was a connection.
func tooSlow(err error) bool {
	return cancelled(err) || errors.Is(err, errInTime) && errors.Is(err, context.DeadlineExceeded)
}

// cancelled reports whether Postgres itself ended a batch that took too long, as one does that waits for rows which somebody
// else has locked. Where it does not even that, it hangs.
func cancelled(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == "57014" && !errors.Is(err, errUnsent) // query_canceled
}

// halved reports whether half of a batch may do better.
func halved(err error) bool { return refused(err) || tooSlow(err) }

// errUnsent marks the error of a batch that Postgres has not seen.
var errUnsent = errors.New("no connection")

// errInTime marks the error of a batch that was sent.
var errInTime = errors.New("the batch was not committed in time")

// pace is how many events go in one batch: fewer while Postgres does not commit as many in time.
type pace struct{ now atomic.Int64 }

// most is how many there may be.
func (p *pace) most() int { return int(p.now.Load()) }

// slower halves what was not committed in time.
func (p *pace) slower(err error, events int) {
	if tooSlow(err) {
		p.now.Store(int64(max(1, min(events, p.most())/2)))
	}
}

// faster takes more, once as many as there may be were committed.
func (p *pace) faster(events int) {
	if most := p.most(); events >= most {
		p.now.Store(int64(min(maxBatch, 2*most)))
	}
}
