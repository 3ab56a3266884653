package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"time"

	"ringside/internal/idempotency"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// replayedHeader marks an answer that was given before.
const replayedHeader = "Idempotency-Replayed"

// keepWithin is how long keeping an answer may take once the work is done.
const keepWithin = 5 * time.Second

// once has a request answered. A POST with an Idempotency-Key that was answered already gets that answer
// again.
func (a *API) once(op *operation, w http.ResponseWriter, r *http.Request, key org.Key) error {
	given := r.Header.Values(idempotency.Header)
	if op.method != http.MethodPost || len(given) == 0 {
		return op.does.handle(w, r, key)
	}
	if !op.repeatable() {
		return problem.Invalid(idempotency.Header, "A file is not held to compare it with the next. Leave the header out: importing a file again changes nothing of what is known.")
	}
	if len(given) > 1 || !idempotency.ValidKey(given[0]) {
		return problem.Invalid(idempotency.Header, "An Idempotency-Key is one text of 1 to 255 visible ASCII characters, such as a UUID.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return unreadable(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	lease, kept, err := a.Answers.Begin(r.Context(), key.OrgID, given[0], fingerprint(r, body))
	if err != nil {
		return err
	}
	if kept != nil {
		w.Header().Set(replayedHeader, "true")
		return send(w, *kept)
	}
	return a.answerAndKeep(op, w, r, key, lease)
}

// answerAndKeep has a request answered, keeps the answer if it will be the same next time, and sends it.
func (a *API) answerAndKeep(op *operation, w http.ResponseWriter, r *http.Request, key org.Key, lease *idempotency.Lease) error {
	kept := false
	defer func() { // also of a panic
		if !kept {
			a.free(r, lease)
		}
	}()
	held := &heldAnswer{header: http.Header{}, status: http.StatusOK}
	err := op.does.handle(held, r, key)
	if err != nil {
		a.fail(held, r, err)
	}
	answer := idempotency.Answer{Status: held.status, ContentType: held.header.Get("Content-Type"), Body: held.body.Bytes()}
	if !passing(err) {
		kept = a.keep(r, lease, answer)
	}
	return send(w, answer)
}

// passing reports whether a request may succeed when it is sent again as it is.
func passing(err error) bool {
	if err == nil {
		return false
	}
	p, _ := problem.From(err)
	return p.Code.Status() >= 500 || p.Code == problem.CodeConflict
}

// keep keeps an answer, also for a client that has gone. If that fails, the client gets the answer all
// the same: the work is done.
func (a *API) keep(r *http.Request, lease *idempotency.Lease, answer idempotency.Answer) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), keepWithin)
	defer cancel()
	kept, err := lease.Keep(ctx, answer)
	if err != nil {
		a.Log.Warn("an answer could not be kept for its Idempotency-Key", "path", r.Pattern, "error", err)
	}
	return kept
}

// free frees a key whose request may be carried out again. Without it, the lease runs out.
func (a *API) free(r *http.Request, lease *idempotency.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), keepWithin)
	defer cancel()
	if err := lease.Free(ctx); err != nil {
		a.Log.Warn("an Idempotency-Key could not be freed", "path", r.Pattern, "error", err)
	}
}

// fingerprint tells requests apart that bear the same Idempotency-Key.
func fingerprint(r *http.Request, body []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, part := range []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery} {
		fmt.Fprintf(h, "%d %s\n", len(part), part) // so that no two requests read the same
	}
	h.Write(body)
	h.Sum(sum[:0])
	return sum
}

// send sends an answer that was held.
func send(w http.ResponseWriter, answer idempotency.Answer) error {
	w.Header().Set("Cache-Control", "no-store")
	if answer.ContentType != "" {
		w.Header().Set("Content-Type", answer.ContentType)
	}
	w.WriteHeader(answer.Status)
	if _, err := w.Write(answer.Body); err != nil {
		return streamed{err}
	}
	return nil
}

// heldAnswer is a response that is not sent yet.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *heldAnswer) Header() http.Header         { return h.header }
func (h *heldAnswer) WriteHeader(status int)      { h.status = status }
func (h *heldAnswer) Write(p []byte) (int, error) { return h.body.Write(p) }
