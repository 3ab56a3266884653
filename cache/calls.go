package cache

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"ringside/internal/org"
	"ringside/recognize"
)

// CallLife is how long a call is remembered: Twilio ends a call after four hours unless told
// otherwise, and nothing is asked about it later that the ledger does not hold.
const CallLife = 4 * time.Hour

// callCapacity is how many calls' decisions a process holds; the oldest go first.
const callCapacity = 20_000

// Calls remembers what must hold for a whole call, whichever sidecar is asked: the decision about
// its caller, and marks. With Redis it is shared; what Redis cannot take, this process remembers.
// It never fails.
type Calls struct {
	decisions *shelf[string, *recognize.Decision]
	marks     *shelf[string, string]
	remote    *remote // nil without Redis
}

// NewCalls returns the memory of calls, shared through memory if it is not nil.
func NewCalls(memory *Redis) *Calls {
	c := &Calls{decisions: newShelf[string, *recognize.Decision](callCapacity), marks: newShelf[string, string](4 * callCapacity)}
	if memory != nil {
		c.remote = memory.remote
	}
	return c
}

// claimScript keeps ARGV 1 under KEYS 1 for ARGV 2 ms unless a text is there other than ARGV 3, and
// returns what was there (false: nothing, or what counts as nothing).
var claimScript = redis.NewScript(`
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and held ~= ARGV[3] then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false`)

func keyDecision(id org.ID, sid string) string { return "ringside:decision:" + string(id) + ":" + sid }
func keyMark(name string) string               { return "ringside:mark:" + name }

// Claim keeps d as its call's decision unless there is one, and returns the one that holds.
func (c *Calls) Claim(ctx context.Context, d *recognize.Decision) *recognize.Decision {
	key := keyDecision(d.OrgID, d.CallSID)
	if held, _, state := c.decisions.get(key); state == slotHeld {
		return held
	}
	shared, won := c.claimShared(ctx, key, d)
	if won {
		c.decisions.set(key, d, CallLife) // whoever has read it in Redis meanwhile holds a copy here
		return d
	}
	if shared != nil {
		d = shared
	}
	held, _ := c.decisions.claim(key, d, CallLife)
	return held
}

// claimShared claims in Redis, where either d has won or another's decision stands; where Redis cannot be asked,
// neither is known. Rubbish is claimed over, by one sidecar only.
func (c *Calls) claimShared(ctx context.Context, key string, d *recognize.Decision) (shared *recognize.Decision, won bool) {
	if c.remote == nil || !c.remote.answering() || d.OutOfTime && c.remote.failing() {
		return nil, false
	}
	body, err := json.Marshal(d)
	if err != nil {
		return nil, false // it has only strings, numbers and times in it
	}
	// Whoever hung up, the next webhook of the call has to find the same decision.
	wait := c.remote.patience.claim
	if d.OutOfTime { // the caller has waited long enough
		wait = c.remote.patience.look
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	defer cancel()
	first := redis.NewBoolCmd(ctx, "set", key, body, "px", CallLife.Milliseconds(), "nx")
	if c.remote.noted(c.remote.send(ctx, first)) != nil {
		return nil, false
	}
	if first.Val() {
		return nil, true
	}
	return c.heldShared(ctx, key, body, d)
}

// heldShared returns the decision that is in Redis already; d has won once it stands there instead of rubbish.
func (c *Calls) heldShared(ctx context.Context, key string, body []byte, d *recognize.Decision) (shared *recognize.Decision, won bool) {
	var rubbish string
	for range 2 {
		held, err := claimScript.Run(ctx, c.remote.client, []string{key}, body, CallLife.Milliseconds(), rubbish).Text()
		if c.remote.noted(err) != nil {
			return nil, errors.Is(err, redis.Nil)
		}
		if shared := decodeDecision(held, d.OrgID, d.CallSID); shared != nil {
			return shared, false
		}
		rubbish = held
	}
	return nil, false
}

// Decided returns the call's decision, or nil if none is remembered.
func (c *Calls) Decided(ctx context.Context, id org.ID, sid string) *recognize.Decision {
	key := keyDecision(id, sid)
	if held, _, state := c.decisions.get(key); state == slotHeld {
		return held
	}
	if c.remote == nil || !c.remote.answering() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.remote.patience.claim)
	defer cancel()
	held, err := c.remote.client.Get(ctx, key).Result()
	if c.remote.noted(err) != nil {
		return nil
	}
	return decodeDecision(held, id, sid)
}

// Forget drops what was decided about calls, here and in Redis: their callers were erased. A call that
// goes on is decided anew if it is asked about again.
func (c *Calls) Forget(ctx context.Context, id org.ID, sids ...string) {
	keys := make([]string, len(sids))
	for i, sid := range sids {
		keys[i] = keyDecision(id, sid)
	}
	if c.remote != nil && c.remote.answering() && len(keys) > 0 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.remote.patience.write)
		defer cancel()
		_ = c.remote.noted(c.remote.client.Del(ctx, keys...).Err()) // what stays there is gone after CallLife
	}
	for _, key := range keys { // then, so that nobody has put it back from there
		c.decisions.remove(key)
	}
}

// decodeDecision reads the decision of a call as Redis holds it. Anything else is rubbish, and nil.
func decodeDecision(text string, id org.ID, sid string) *recognize.Decision {
	var d recognize.Decision
	if json.Unmarshal([]byte(text), &d) != nil || d.OrgID != id || d.CallSID != sid {
		return nil
	}
	return &d
}

// Once reports whether name is claimed here for the first time, over all sidecars that share a
// Redis. A relay token is used up this way.
func (c *Calls) Once(ctx context.Context, name string) bool {
	if _, first := c.marks.claim(name, "", CallLife); !first {
		return false
	}
	if c.remote == nil || !c.remote.answering() {
		return true
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.remote.patience.write)
	defer cancel()
	first, err := c.remote.client.SetNX(ctx, keyMark(name), "", CallLife).Result()
	return c.remote.noted(err) != nil || first
}

// Mark remembers a value under name for the rest of a call.
func (c *Calls) Mark(ctx context.Context, name, value string) {
	c.marks.set(name, value, CallLife)
	if c.remote == nil || !c.remote.answering() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.remote.patience.write)
	defer cancel()
	_ = c.remote.noted(c.remote.client.Set(ctx, keyMark(name), value, CallLife).Err())
}

// Marked returns the value under name, or "".
func (c *Calls) Marked(ctx context.Context, name string) string {
	if c.remote != nil && c.remote.answering() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.remote.patience.claim)
		defer cancel()
		value, err := c.remote.client.Get(ctx, keyMark(name)).Result()
		if err == nil {
			return value
		}
		_ = c.remote.noted(err)
	}
	value, _, _ := c.marks.get(name)
	return value
}
