package cache

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"ringside/recognize"
)

// Bounds on what Redis may cost. A look-up that Redis does not answer in lookWait goes to Postgres;
// after skipAfter failures in a row Redis is left out for skipFor, so that a Redis that hangs costs
// callers nothing but a try now and then.
const (
	lookWait  = 8 * time.Millisecond
	writeWait = 100 * time.Millisecond
	skipAfter = 2
	skipFor   = 500 * time.Millisecond
)

// fenceMark is what stands under a caller's key while it is fenced.
const fenceMark = "!"

// remote is the cache's part in Redis.
type remote struct {
	client *redis.Client
	log    *slog.Logger
	runID  atomic.Pointer[string] // of the server that the newest connection goes to

	failures  atomic.Int32
	skipUntil atomic.Int64 // unix nanoseconds
	// obliged: a fence could not be put up; the epoch has to move on before Redis is believed.
	obliged   atomic.Bool
	restoring sync.Mutex
	closed    context.Context
	close     context.CancelFunc
}

func newRemote(url string, log *slog.Logger) (*remote, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL is not a Redis address: write it like redis://localhost:6379/0")
	}
	r := &remote{log: log}
	r.closed, r.close = context.WithCancel(context.Background())
	// go-redis' defaults retry for seconds; here a miss is cheap and a wait is not.
	options.MaxRetries = -1
	options.DialerRetries = 1
	options.DialTimeout = 200 * time.Millisecond
	options.ReadTimeout = writeWait
	options.WriteTimeout = writeWait
	options.PoolTimeout = lookWait
	options.ContextTimeoutEnabled = true
	options.PoolSize = 64
	options.DisableIdentity = true
	options.OnConnect = r.connected
	r.client = redis.NewClient(options)
	return r, nil
}

// connected notes which server a new connection goes to, before the connection is used. All
// connections to a server that restarted are new ones.
func (r *remote) connected(ctx context.Context, conn *redis.Conn) error {
	info, err := conn.Info(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("ask Redis for its run id: %w", err)
	}
	for line := range strings.Lines(info) {
		if id, ok := strings.CutPrefix(line, "run_id:"); ok {
			id = strings.TrimSpace(id)
			r.runID.Store(&id)
			return nil
		}
	}
	return errors.New("Redis names no run id (INFO server)")
}

// usable reports whether a request of a caller should ask Redis at all.
func (r *remote) usable() bool {
	return !r.obliged.Load() && r.answering()
}

func (r *remote) answering() bool { return time.Now().UnixNano() >= r.skipUntil.Load() }

// noted counts a request's outcome.
func (r *remote) noted(err error) error {
	if err == nil || errors.Is(err, redis.Nil) {
		r.failures.Store(0)
		return nil
	}
	if r.failures.Add(1) >= skipAfter {
		if r.skipUntil.Swap(time.Now().Add(skipFor).UnixNano()) == 0 {
			r.log.Warn("Redis does not answer; calls are answered without it", "error", err)
		}
	}
	return err
}

// Keys. Every one carries the prefix of this program.
func keyEpoch() string               { return "ringside:epoch" }
func keyOrgEpoch(k callerKey) string { return "ringside:epoch:" + string(k.org) }
func keyCaller(k callerKey) string {
	return "ringside:caller:" + string(k.org) + ":" + string(k.number)
}
func newEpoch(runID string) string     { return runID + "." + rand.Text() }
func epochOf(epoch, org string) string { return epoch + " " + org + " " }

// view is what Redis holds for a caller at one moment.
type view struct {
	record *recognize.Record // nil: none that may be believed
	stored time.Time
	fenced bool
	// epoch and org are the epochs under which the read that follows may be stored; "" forbids it.
	epoch, org string
	at         time.Time // Redis' clock
	seen       string    // the epoch as found, valid or not
}

// look reads a caller's entry, the epochs and Redis' clock in one round trip.
func (r *remote) look(ctx context.Context, k callerKey) (view, error) {
	ctx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	pipe := r.client.Pipeline()
	clock := pipe.Time(ctx)
	values := pipe.MGet(ctx, keyEpoch(), keyOrgEpoch(k), keyCaller(k))
	_, err := pipe.Exec(ctx)
	if err := r.noted(err); err != nil {
		return view{}, fmt.Errorf("ask Redis: %w", err)
	}
	got := values.Val()
	epoch, _ := got[0].(string)
	org, _ := got[1].(string)
	entry, _ := got[2].(string)
	v := view{at: clock.Val(), fenced: entry == fenceMark, seen: epoch}
	runID := r.runID.Load()
	if runID == nil || !strings.HasPrefix(epoch, *runID+".") || org == "" {
		return v, nil
	}
	v.epoch, v.org = epoch, org
	if body, ok := strings.CutPrefix(entry, epochOf(epoch, org)); ok {
		var e entryJSON
		if json.Unmarshal([]byte(body), &e) == nil && e.Record != nil { // anything else is rubbish, and a miss
			v.record, v.stored = e.Record, time.UnixMilli(e.StoredMS)
		}
	}
	return v, nil
}

// entryJSON is a caller as Redis holds it, behind the epochs it was stored in.
type entryJSON struct {
	StoredMS int64             `json:"at"`
	Record   *recognize.Record `json:"record"`
}

// fillScript stores an entry (ARGV 3, for ARGV 4 ms) if the epochs (KEYS 1 and 2) are still those
// under which its read began (ARGV 1 and 2), the read began (ARGV 5, Redis' clock in µs) less than
// ARGV 6 µs ago, and there is neither a fence nor an entry of these epochs.
var fillScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
local t = redis.call('TIME')
local age = t[1] * 1000000 + t[2] - ARGV[5]
if age < 0 or age >= tonumber(ARGV[6]) then return 0 end
local held = redis.call('GET', KEYS[3])
local own = ARGV[1] .. ' ' .. ARGV[2] .. ' '
if held and (held == '!' or string.sub(held, 1, #own) == own) then return 0 end
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])
return 1`)

// fill stores what a read found that began after v was looked at.
func (r *remote) fill(ctx context.Context, k callerKey, v view, record *recognize.Record, life time.Duration) error {
	if v.epoch == "" {
		return r.renew(ctx, k, v)
	}
	body, err := json.Marshal(entryJSON{StoredMS: time.Now().UnixMilli(), Record: record})
	if err != nil {
		return fmt.Errorf("encode caller: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	err = fillScript.Run(ctx, r.client, []string{keyEpoch(), keyOrgEpoch(k), keyCaller(k)},
		v.epoch, v.org, epochOf(v.epoch, v.org)+string(body), life.Milliseconds(),
		v.at.UnixMicro(), fillAge.Microseconds()).Err()
	return r.noted(err)
}

// renewScript makes the epochs that are missing or of another server's life. KEYS 1 is replaced
// only if it is still what was seen (ARGV 1; ” for none).
var renewScript = redis.NewScript(`
if (redis.call('GET', KEYS[1]) or '') == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end
redis.call('SET', KEYS[2], ARGV[3], 'NX')
return 1`)

func (r *remote) renew(ctx context.Context, k callerKey, v view) error {
	runID := r.runID.Load()
	if runID == nil {
		return nil
	}
	next := v.seen
	if !strings.HasPrefix(v.seen, *runID+".") {
		next = newEpoch(*runID)
	}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	return r.noted(renewScript.Run(ctx, r.client, []string{keyEpoch(), keyOrgEpoch(k)}, v.seen, next, rand.Text()).Err())
}

// raise puts up fences. It reports whether they stand.
func (r *remote) raise(ctx context.Context, keys []callerKey) bool {
	if r.obliged.Load() {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeWait)
	defer cancel()
	pipe := r.client.Pipeline()
	for _, k := range keys {
		pipe.Set(ctx, keyCaller(k), fenceMark, fenceLife)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		r.oblige(err)
		return false
	}
	return true
}

// moveOrg moves one organisation's epoch on.
func (r *remote) moveOrg(ctx context.Context, k callerKey) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeWait)
	defer cancel()
	if err := r.client.Set(ctx, keyOrgEpoch(k), rand.Text(), 0).Err(); err != nil {
		r.oblige(err)
	}
}

// moveEpoch makes every entry in Redis worthless.
func (r *remote) moveEpoch(ctx context.Context) {
	r.obliged.Store(true)
	if err := r.tryMoveEpoch(ctx); err != nil {
		r.oblige(err)
	}
}

func (r *remote) tryMoveEpoch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeWait)
	defer cancel()
	// The first request of a fresh pool connects and so learns the run id.
	if err := r.client.Ping(ctx).Err(); err != nil {
		return err
	}
	runID := r.runID.Load()
	if runID == nil {
		return errors.New("the server's run id is not known yet")
	}
	if err := r.client.Set(ctx, keyEpoch(), newEpoch(*runID), 0).Err(); err != nil {
		return err
	}
	r.obliged.Store(false)
	return nil
}

// oblige stops believing Redis until the epoch has moved on, which is tried until it succeeds.
func (r *remote) oblige(cause error) {
	r.obliged.Store(true)
	if !r.restoring.TryLock() {
		return
	}
	r.log.Warn("Redis cannot be kept true; it is not believed until its epoch has moved on", "error", cause)
	go func() {
		defer r.restoring.Unlock()
		for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
			select {
			case <-r.closed.Done():
				return
			case <-time.After(wait):
			}
			if r.tryMoveEpoch(r.closed) == nil {
				r.log.Info("Redis is believed again")
				return
			}
		}
	}()
}
