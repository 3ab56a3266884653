package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"ringside/internal/gather"
	"ringside/recognize"
)

// patience is how long Redis may take before it is done without.
type patience struct {
	look time.Duration // a look-up; without an answer it goes to Postgres
	// claim bounds the claim of a call's decision, without which two sidecars may answer a repeated
	// webhook differently. It is waited for once where Redis has just gone away.
	claim time.Duration
	write time.Duration // nobody's call waits for it
}

// ordinary is the patience of the program. Tests that are not about it have more: on a machine that
// is busy with them a healthy Redis may take longer.
var ordinary = patience{look: 8 * time.Millisecond, claim: 50 * time.Millisecond, write: 100 * time.Millisecond}

// After skipAfter failures in a row Redis is left out for skipFor, so that a Redis that hangs costs
// callers nothing but a try now and then.
const (
	skipAfter = 2
	skipFor   = 500 * time.Millisecond
)

// What callers' commands share: pipelines at once, and how many callers are in one.
const (
	pipelines    = 2
	pipelineMost = 64
)

// fenceMark is what stands under a caller's key while it is fenced.
const fenceMark = "!"

// Redis is the connection to the shared cache.
type Redis struct{ remote *remote }

// OpenRedis prepares the connection to Redis. It does not wait for one: a Redis that is away is
// left out until it is back. An error means that the address cannot be read.
func OpenRedis(url string, log *slog.Logger) (*Redis, error) { return openRedis(url, log, ordinary) }

// OpenRedisPatiently is [OpenRedis] for tests of what goes through Redis, on machines that are busy
// with others: it waits as long as that for each answer, where the program does without.
func OpenRedisPatiently(url string, log *slog.Logger, wait time.Duration) (*Redis, error) {
	return openRedis(url, log, patience{look: wait, claim: wait, write: wait})
}

func openRedis(url string, log *slog.Logger, p patience) (*Redis, error) {
	r, err := newRemote(url, log, p)
	if err != nil {
		return nil, err
	}
	return &Redis{remote: r}, nil
}

// Close ends the connection.
func (r *Redis) Close() error {
	r.remote.debt.close()
	return r.remote.client.Close()
}

// Ping asks Redis for a sign of life.
func (r *Redis) Ping(ctx context.Context) error {
	if err := r.remote.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ask Redis: %w", err)
	}
	return nil
}

// remote is the cache's part in Redis.
type remote struct {
	client   *redis.Client
	line     *gather.Line[[]redis.Cmder, struct{}] // the commands that callers wait for, and that hold the answers
	log      *slog.Logger
	patience patience

	asks    atomic.Uint64
	server  atomic.Pointer[server] // that the newest connection goes to; nil before the first
	evicted sync.Once              // the warning that fences may be

	failures  atomic.Int32 // in a row
	skipUntil atomic.Int64 // nanoseconds since start, whatever the clock is set to meanwhile
	start     time.Time
	debt      debt
}

func newRemote(url string, log *slog.Logger, p patience) (*remote, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL is not a Redis address: write it like redis://localhost:6379/0")
	}
	logging.Disable() // go-redis repeats on stderr what it returns, each time; here it is logged once an outage
	r := &remote{log: log, patience: p, debt: debt{quit: make(chan struct{})}, start: time.Now()}
	// go-redis' defaults retry for seconds; here a miss is cheap and a wait is not.
	options.MaxRetries = -1
	options.DialerRetries = 1
	options.DialTimeout = 200 * time.Millisecond
	options.ReadTimeout = p.write
	options.WriteTimeout = p.write
	options.PoolTimeout = p.look
	options.ContextTimeoutEnabled = true
	options.PoolSize = 64
	options.DisableIdentity = true
	options.OnConnect = r.connected
	r.client = redis.NewClient(options)
	r.line = gather.NewLine(pipelines, pipelineMost, r.pipeline)
	return r, nil
}

// send sends commands together with those of other callers, and returns the first error among its
// own. Their results may be read only if it returns nil, [redis.Nil] or a reply of Redis.
func (r *remote) send(ctx context.Context, commands ...redis.Cmder) error {
	if _, err := r.line.Ask(ctx, commands); err != nil {
		return err
	}
	for _, command := range commands {
		if err := command.Err(); err != nil {
			return err
		}
	}
	return nil
}

// pipeline sends the commands of several callers in one round trip.
func (r *remote) pipeline(callers [][]redis.Cmder) ([]struct{}, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.patience.write)
	defer cancel()
	pipe := r.client.Pipeline()
	for _, commands := range callers {
		for _, command := range commands {
			_ = pipe.Process(ctx, command) // it only queues
		}
	}
	_, _ = pipe.Exec(ctx) // every command has its own error
	return make([]struct{}, len(callers)), nil
}

// server is one life of a Redis server, as a connection to it has learned.
type server struct {
	asked uint64 // which of our questions it answered
	runID string
}

// connected notes which server a new connection goes to, before the connection is used. All
// connections to a server that restarted are new ones. Of answers that overtake each other, that to
// the latest question holds.
func (r *remote) connected(ctx context.Context, conn *redis.Conn) error {
	next := &server{asked: r.asks.Add(1)}
	info, err := conn.Info(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("ask Redis for its run id: %w", err)
	}
	if next.runID = infoField(info, "run_id"); next.runID == "" {
		return errors.New("Redis names no run id (INFO server)")
	}
	for known := r.server.Load(); known == nil || known.asked < next.asked; known = r.server.Load() {
		if r.server.CompareAndSwap(known, next) {
			break
		}
	}
	r.warnOfEviction(ctx, conn)
	return nil
}

// warnOfEviction says so once if Redis is set to throw fences out when its memory is full.
func (r *remote) warnOfEviction(ctx context.Context, conn *redis.Conn) {
	r.evicted.Do(func() {
		info, err := conn.Info(ctx, "memory").Result()
		if err != nil {
			return // Redis works without: it only cannot be checked
		}
		if policy := infoField(info, "maxmemory_policy"); policy != "noeviction" && infoField(info, "maxmemory") != "0" {
			r.log.Warn("when its memory is full, Redis may throw out what keeps callers true; set its maxmemory-policy to noeviction", "policy", policy)
		}
	})
}

// infoField returns a field of Redis' INFO, or "".
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// usable reports whether a request of a caller should ask Redis at all.
func (r *remote) usable() bool {
	return !r.debt.due.Load() && r.answering()
}

func (r *remote) answering() bool {
	until := r.skipUntil.Load()
	return until == 0 || int64(time.Since(r.start)) >= until
}

// failing reports whether Redis failed the last time that it was asked. Whoever has no time to lose
// leaves it out then.
func (r *remote) failing() bool { return r.failures.Load() > 0 }

// noted counts a request's outcome, and returns it. A key of another type is rubbish, but an answer.
func (r *remote) noted(err error) error {
	if err == nil || errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "WRONGTYPE") {
		if r.failures.Load() != 0 && r.failures.Swap(0) >= skipAfter {
			r.skipUntil.Store(0)
			r.log.Info("Redis answers again")
		}
		return err
	}
	failures := r.failures.Add(1)
	if failures >= skipAfter {
		r.skipUntil.Store(int64(time.Since(r.start) + skipFor))
	}
	if failures == skipAfter {
		r.log.Warn("Redis does not answer; calls are answered without it", "error", err)
	}
	return err
}

// keyCaller is where a caller's entry or fence is. Every key carries the prefix of this program.
func keyCaller(k callerKey) string {
	return "ringside:caller:" + string(k.org) + ":" + string(k.number)
}

// view is what Redis holds for a caller at one moment.
type view struct {
	record *recognize.Record // nil: none that may be believed
	age    time.Duration     // of the record, by Redis' clock
	fenced bool              // nothing that is read now may be stored
	// epoch and org are the epochs under which the read that follows may be stored; "" forbids it.
	epoch, org string
	at         time.Time // Redis' clock
}

// look reads a caller's entry, the epochs and Redis' clock in one round trip.
func (r *remote) look(ctx context.Context, k callerKey) (view, error) {
	ctx, cancel := context.WithTimeout(ctx, r.patience.look)
	defer cancel()
	clock := redis.NewTimeCmd(ctx, "time")
	values := redis.NewSliceCmd(ctx, "mget", keyEpoch, keyOrgEpoch(k.org), keyCaller(k))
	if err := r.noted(r.send(ctx, clock, values)); err != nil {
		return view{}, fmt.Errorf("ask Redis: %w", err)
	}
	got := values.Val()
	if len(got) != 3 {
		return view{}, errors.New("ask Redis: it answers another question")
	}
	epoch, _ := got[0].(string)
	org, _ := got[1].(string)
	entry, _ := got[2].(string)
	v := view{at: clock.Val(), fenced: entry == fenceMark}
	opens, ok := r.readEpoch(epoch, v.at)
	if !ok || org == "" {
		return v, nil
	}
	v.epoch, v.org = epoch, org
	v.fenced = v.fenced || v.at.Before(opens)
	if body, ok := strings.CutPrefix(entry, v.prefix(k)); ok {
		var e entryJSON
		if json.Unmarshal([]byte(body), &e) == nil && e.Record != nil { // anything else is rubbish, and a miss
			v.record, v.age = e.Record, max(0, v.at.Sub(time.UnixMilli(e.ReadMS)))
		}
	}
	return v, nil
}

// prefix is what an entry of the view's epochs begins with. It repeats whose entry it is, so that
// one that has come under another key is not taken for that other caller.
func (v *view) prefix(k callerKey) string {
	return v.epoch + " " + v.org + " " + string(k.number) + " "
}

// entryJSON is a caller as Redis holds it, behind the prefix.
type entryJSON struct {
	ReadMS int64             `json:"at"` // when it was read, or a moment before; Redis' clock
	Record *recognize.Record `json:"record"`
}

// fillScript stores an entry (its prefix ARGV 3 and body ARGV 4, for ARGV 5 ms) if the epochs (KEYS 1
// and 2) are still those under which its read began (ARGV 1 and 2), the read began (ARGV 6, Redis'
// clock in µs) less than ARGV 7 µs ago, and there is neither a fence nor an entry of this prefix whose read began later.
var fillScript = redis.NewScript(`
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] or redis.pcall('GET', KEYS[2]) ~= ARGV[2] then return 0 end
local t = redis.call('TIME')
local age = t[1] * 1000000 + t[2] - ARGV[6]
if age < 0 or age >= tonumber(ARGV[7]) then return 0 end
local held = redis.pcall('GET', KEYS[3])
if held == '` + fenceMark + `' then return 0 end
if type(held) == 'string' and string.sub(held, 1, #ARGV[3]) == ARGV[3] then
	local read = tonumber(string.match(held, '^{"at":(%d+)', #ARGV[3] + 1))
	if read and read * 1000 >= tonumber(ARGV[6]) then return 0 end
end
redis.call('SET', KEYS[3], ARGV[3] .. ARGV[4], 'PX', ARGV[5])
return 1`)

// fill stores what a read found that began after v was looked at. It reports whether that is what is held now. An
// organisation's first fill only makes its epoch.
func (r *remote) fill(ctx context.Context, k callerKey, v view, record *recognize.Record, life time.Duration) bool {
	if v.epoch == "" {
		_ = r.renewEpochs(ctx, k.org)
		return false
	}
	body, err := json.Marshal(entryJSON{ReadMS: v.at.UnixMilli(), Record: record})
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, r.patience.write)
	defer cancel()
	stored, err := fillScript.Run(ctx, r.client, []string{keyEpoch, keyOrgEpoch(k.org), keyCaller(k)},
		v.epoch, v.org, v.prefix(k), body, life.Milliseconds(), v.at.UnixMicro(), fillAge.Microseconds()).Int()
	return r.noted(err) == nil && stored == 1
}

// raise puts up fences. It reports whether they stand.
func (r *remote) raise(ctx context.Context, keys []callerKey) bool {
	if r.debt.addIfDue() {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.patience.write)
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
