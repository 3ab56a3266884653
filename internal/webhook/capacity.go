package webhook

import (
	"cmp"
	"net/http"
	"sync/atomic"
)

// Capacity is how many signed webhooks are at work at once before something is left out, the dearest and least missed first:
// look-ups and the wait for an agent's reply to a message; then messages and status callbacks themselves, which
// Twilio sends to the fallback, or again. Calls are always answered.
type Capacity struct {
	Calls int64 // that are looked up (2000); the others are greeted without a name
	Kept  int64 // messages and status callbacks (4000); past half of it they are hurried
}

// capacity counts the webhooks at work.
type capacity struct {
	most        Capacity
	calls, kept atomic.Int64
}

func newCapacity(c Capacity) capacity {
	return capacity{most: Capacity{Calls: cmp.Or(c.Calls, 2000), Kept: cmp.Or(c.Kept, 4000)}}
}

// Handle wraps the handler of what a caller waits for, which is never refused. Requests that Twilio did not sign get
// a plain HTTP error and write nothing: nobody hears it. A handler that panics is answered by rescue.
func (g *Gate) Handle(path string, handle, rescue Handler) http.Handler {
	return g.handler(path, handle, rescue, func() (hurried, refused bool, leave func()) {
		now := g.calls.Add(1)
		return now > g.most.Calls, false, func() { g.calls.Add(-1) }
	})
}

// HandleKept wraps the handler of what is acknowledged once it is kept. Past the capacity it answers 503.
func (g *Gate) HandleKept(path string, handle Handler) http.Handler {
	return g.handler(path, handle, Unavailable, func() (hurried, refused bool, leave func()) {
		now := g.kept.Add(1)
		return now > g.most.Kept/2, now > g.most.Kept, func() { g.kept.Add(-1) }
	})
}

// Unavailable is the answer where an event cannot be made durable: Twilio's fallback or retry applies, if set.
func Unavailable(*http.Request, *Request) Reply {
	return Reply{Status: http.StatusServiceUnavailable, Outcome: "unavailable"}
}
