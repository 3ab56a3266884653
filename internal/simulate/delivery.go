package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Delivery spoils the delivery of the webhooks of a call, as a network does. The functions are
// given the path below the public URL, such as "/twilio/voice", and may be called from several goroutines at once.
type Delivery struct {
	// Repeat sends each webhook so many times at once; the answer to the first copy that has one
	// counts. 0 and 1 send it once.
	Repeat int
	// Delay holds each webhook back so long before it is sent.
	Delay time.Duration
	// Delayed picks the webhooks that Delay applies to. Default: all.
	Delayed func(path string) bool
	// Drop picks webhooks that never reach the sidecar (error 11205).
	Drop func(path string) bool
	// LoseAnswer picks webhooks that reach the sidecar but whose answer is lost (error 11205).
	LoseAnswer func(path string) bool
	// Reorder holds back the requests that await no TwiML, which are the status callbacks and the
	// <Connect action> of a caller who hung up, until the call is over, and sends them in the order
	// it returns: a permutation of 0 to n-1, such as [math/rand/v2.Perm] gives.
	Reorder func(n int) []int
}

var (
	errDropped    = errors.New("dropped on the way, as Delivery asked")
	errAnswerLost = errors.New("the answer was lost on the way, as Delivery asked")
)

// Webhook is one request of a call as it went.
type Webhook struct {
	Path    string        `json:"path"`
	Form    url.Values    `json:"form"`
	Copy    int           `json:"copy"`   // 0, and 1 and up for the repeats that Delivery asked for
	Status  int           `json:"status"` // 0 without an answer
	Body    []byte        `json:"body,omitempty"`
	Latency time.Duration `json:"latency_ns"`
	Err     error         `json:"-"` // why there is no answer

	header http.Header
	url    string
}

// MarshalJSON writes the body and the error as text.
func (w Webhook) MarshalJSON() ([]byte, error) {
	type plain Webhook
	text := ""
	if w.Err != nil {
		text = w.Err.Error()
	}
	return json.Marshal(struct {
		plain
		Body  string `json:"body,omitempty"`
		Error string `json:"error,omitempty"`
	}{plain(w), string(w.Body), text})
}

// deliver sends one webhook through the faults and returns its copies, the first one first.
func (t *Twilio) deliver(ctx context.Context, f fetch) ([]Webhook, error) {
	to, err := t.resolve(f.target)
	if err != nil {
		return nil, err
	}
	path := to.path
	if t.Delivery.Delay > 0 && (t.Delivery.Delayed == nil || t.Delivery.Delayed(path)) {
		if err := t.sleep(ctx, t.Delivery.Delay); err != nil {
			return nil, err
		}
	}
	f.token = NewSID("RT") // the same for all copies
	copies := make([]Webhook, max(1, t.Delivery.Repeat))
	var sent sync.WaitGroup
	for i := range copies {
		sent.Go(func() {
			copies[i] = t.deliverCopy(ctx, f, path)
			copies[i].Copy = i
		})
	}
	sent.Wait()
	return copies, ctx.Err()
}

func (t *Twilio) deliverCopy(ctx context.Context, f fetch, path string) Webhook {
	w := Webhook{Path: path, Form: f.form, url: f.target}
	if t.Delivery.Drop != nil && t.Delivery.Drop(path) {
		w.Err = &Error{Code: CodeConnection, URL: f.target, Detail: failedToConnect.String(), Err: errDropped}
		return w
	}
	r, err := t.fetch(ctx, f)
	if err != nil {
		w.Err = err
		return w
	}
	w.Latency = r.Latency
	if t.Delivery.LoseAnswer != nil && t.Delivery.LoseAnswer(path) {
		w.Err = &Error{Code: CodeConnection, URL: r.URL, Detail: failedToAnswer.String(), Err: errAnswerLost}
		return w
	}
	w.Status, w.Body, w.header, w.url = r.Status, r.Body, r.Header, r.URL
	return w
}

// counting picks the copy whose answer Twilio acts on.
func counting(copies []Webhook) Webhook {
	if i := slices.IndexFunc(copies, func(w Webhook) bool { return w.Err == nil }); i >= 0 {
		return copies[i]
	}
	return copies[0]
}

// order is the order in which n held-back requests are sent.
func (d Delivery) order(n int) ([]int, error) {
	asHappened := make([]int, n)
	for i := range asHappened {
		asHappened[i] = i
	}
	if d.Reorder == nil {
		return asHappened, nil
	}
	order := d.Reorder(n)
	if !slices.Equal(slices.Sorted(slices.Values(order)), asHappened) {
		return nil, errors.New("simulate: Delivery.Reorder must return a permutation of 0 to n-1")
	}
	return order, nil
}
