package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Timing of the listener. Together they bound how late a change is noticed when the connection has
// died without a word: an answer to a beat proves that every change committed before the beat was
// sent has been delivered, so what is cached may be believed for trustFor after the last proof.
const (
	beatEvery    = 250 * time.Millisecond
	beatTimeout  = 5 * time.Second
	trustFor     = 800 * time.Millisecond
	reconnectMin = 50 * time.Millisecond
	reconnectMax = time.Second
)

// Listener follows the changes that Postgres announces with NOTIFY, on a connection of its own.
//
// Postgres delivers notifications in the order of commits and, to a connection that is asked
// something, before the answer. So an answered beat proves that nothing announced before it is
// still under way. [Listener.Current] turns that into a yes or no.
//
// The connection has to be one to Postgres itself, or through a pooler that keeps it to one session:
// a pooler that shares sessions between transactions loses notifications without a word.
type Listener struct {
	Pool     *pgxpool.Pool // its settings are used; no connection is taken from it
	Channels []string
	// Connected is called after each connect, when notifications are already being queued and
	// before the listener counts as current: whoever caches must forget what it may have missed.
	Connected func(context.Context)
	// Notified is called for each notification, in order, on the listener's goroutine.
	Notified func(ctx context.Context, channel, payload string)
	Log      *slog.Logger

	// proven is when the last answered beat was sent, in nanoseconds since start; 0: never, or
	// not since the connection was lost.
	proven atomic.Int64
	start  time.Time
}

// NewListener returns a listener; [Listener.Run] makes it listen.
func NewListener(pool *pgxpool.Pool, log *slog.Logger, channels ...string) *Listener {
	return &Listener{Pool: pool, Channels: channels, Log: log, start: time.Now()}
}

// Current reports whether every change committed up to a moment ago (0.8 s at most) has been
// announced here. It never blocks.
func (l *Listener) Current() bool {
	proven := l.proven.Load()
	return proven != 0 && time.Since(l.start)-time.Duration(proven) < trustFor
}

// Run listens until ctx ends, connecting anew as often as it must.
func (l *Listener) Run(ctx context.Context) {
	wait := reconnectMin
	for down := false; ctx.Err() == nil; {
		connected := time.Now()
		err := l.listen(ctx)
		l.proven.Store(0)
		if ctx.Err() != nil {
			return
		}
		if time.Since(connected) > 10*time.Second {
			wait, down = reconnectMin, false
		}
		if !down { // once an outage, not once a try
			l.Log.Warn("lost the connection that follows changes in Postgres; reconnecting", "error", err)
			down = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, reconnectMax)
	}
}

func (l *Listener) listen(ctx context.Context) error {
	config := l.Pool.Config().ConnConfig.Copy()
	config.ConnectTimeout = 2 * time.Second
	// As pg_stat_activity shows it, beside the pool's connections.
	config.RuntimeParams["application_name"] = strings.TrimSpace(config.RuntimeParams["application_name"] + " listener")
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing) // the server notices a lost connection by itself
	}()
	for _, channel := range l.Channels {
		if err := l.ask(ctx, conn, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return err
		}
	}
	if l.Connected != nil {
		l.Connected(ctx)
	}
	for {
		sent := time.Since(l.start)
		if err := l.ask(ctx, conn, "SELECT 1"); err != nil {
			return err
		}
		// What was announced before the beat has arrived with its answer; it counts only once
		// it has been handed on.
		if err := l.deliver(ctx, conn, 0); err != nil {
			return err
		}
		l.proven.Store(int64(sent))
		if err := l.deliver(ctx, conn, beatEvery); err != nil {
			return err
		}
	}
}

// deliver hands on the notifications that have arrived and those that arrive within the given
// time. An error means that the connection is lost.
func (l *Listener) deliver(ctx context.Context, conn *pgx.Conn, within time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(waiting)
		if n != nil && l.Notified != nil {
			l.Notified(ctx, n.Channel, n.Payload)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case waiting.Err() != nil && !conn.IsClosed():
			return nil
		default:
			return fmt.Errorf("wait for notifications: %w", err)
		}
	}
}

// ask runs one statement that answers nothing of interest.
func (l *Listener) ask(ctx context.Context, conn *pgx.Conn, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}
