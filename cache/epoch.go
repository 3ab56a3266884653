package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringside/internal/org"
)

// quietFor is how long nothing is stored in Redis after its epoch was lost, and perhaps fences with
// it: by its end every writer whose fence is gone has committed (see postgres.FencedCommit).
const quietFor = fenceLife - fillAge

// keyEpoch is where the epoch of all entries is: "<run id>.<random>.<opens>", where opens is the
// moment on Redis' clock, in µs, from which on a read may begin whose result is stored.
const keyEpoch = "ringside:epoch"

// keyOrgEpoch is where the epoch of one organisation's entries is, a random text.
func keyOrgEpoch(id org.ID) string { return keyEpoch + ":" + string(id) }

// readEpoch returns when an epoch opens. It is not ok if the epoch is missing, rubbish, of another
// life of the server, or of a clock that has been set back since. epochLua is the same in Redis.
func (r *remote) readEpoch(epoch string, now time.Time) (opens time.Time, ok bool) {
	server := r.server.Load()
	if server == nil || !strings.HasPrefix(epoch, server.runID+".") {
		return time.Time{}, false
	}
	micros, err := strconv.ParseUint(epoch[strings.LastIndexByte(epoch, '.')+1:], 10, 63)
	opens = time.UnixMicro(int64(micros))
	return opens, err == nil && opens.Sub(now) <= quietFor
}

// epochLua begins a script with the epoch at KEYS 1 (held), whether it is lost, and when it or its
// successor opens, for the server whose run id and a dot are ARGV 1, with a quiet time of ARGV 2 µs.
const epochLua = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local held = redis.pcall('GET', KEYS[1])
local opens = type(held) == 'string' and string.sub(held, 1, #ARGV[1]) == ARGV[1] and string.match(held, '%.(%d+)$')
local lost = not opens or tonumber(opens) > now + ARGV[2]
if lost then opens = string.format('%.0f', now + ARGV[2]) end
`

// renewScript makes what is missing of the epoch and an organisation's epoch (KEYS 2), from the
// random texts ARGV 3 and 4.
var renewScript = redis.NewScript(epochLua + `
if lost then redis.call('SET', KEYS[1], ARGV[1] .. ARGV[3] .. '.' .. opens) end
local org = redis.pcall('GET', KEYS[2])
if type(org) ~= 'string' or org == '' then redis.call('SET', KEYS[2], ARGV[4]) end
return 1`)

// moveScript moves the epoch on, by the random text ARGV 3. A quiet time that has begun goes on.
var moveScript = redis.NewScript(epochLua + `
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[3] .. '.' .. opens)
return 1`)

// renewEpochs makes the epochs that are missing or of another life of the server.
func (r *remote) renewEpochs(ctx context.Context, id org.ID) error {
	server := r.server.Load()
	if server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.patience.write)
	defer cancel()
	return r.noted(renewScript.Run(ctx, r.client, []string{keyEpoch, keyOrgEpoch(id)},
		server.runID+".", quietFor.Microseconds(), rand.Text(), rand.Text()).Err())
}

// moveOrg makes one organisation's entries in Redis worthless.
func (r *remote) moveOrg(ctx context.Context, id org.ID) {
	if r.debt.addIfDue() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.patience.write)
	defer cancel()
	if err := r.client.Set(ctx, keyOrgEpoch(id), rand.Text(), 0).Err(); err != nil {
		r.oblige(err)
	}
}

// tryMoveEpoch makes every entry in Redis worthless.
func (r *remote) tryMoveEpoch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.patience.write)
	defer cancel()
	// The first request of a fresh pool connects and so learns the run id.
	if err := r.client.Ping(ctx).Err(); err != nil {
		return err
	}
	server := r.server.Load()
	if server == nil {
		return errors.New("the server's run id is not known yet")
	}
	return moveScript.Run(ctx, r.client, []string{keyEpoch},
		server.runID+".", quietFor.Microseconds(), rand.Text()).Err()
}
