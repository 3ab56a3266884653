package idempotency_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/idempotency"
	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
)

var print1, print2 = sha256.Sum256([]byte("1")), sha256.Sum256([]byte("2"))

func TestValidKey(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"8e03978e-40d5-43e8-bc93-6894a57f9324": true, `"8e03978e"`: true, "!": true, "~": true, strings.Repeat("k", 255): true,
		"": false, strings.Repeat("k", 256): false, "a b": false, "a\t": false, "\x7f": false, "ä": false,
	} {
		if got := idempotency.ValidKey(key); got != want {
			t.Errorf("ValidKey(%q) = %t, want %t", key, got, want)
		}
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o, err := org.NewStore(pool).CreateOrg(t.Context(), org.Org{Name: "Acme", Country: "US"})
	if err != nil {
		t.Fatal(err)
	}
	store := idempotency.NewStore(pool)
	begin := func(fingerprint [32]byte) (*idempotency.Lease, *idempotency.Answer, problem.Code) {
		t.Helper()
		lease, answer, err := store.Begin(t.Context(), o.ID, "key", fingerprint)
		if err == nil {
			return lease, answer, ""
		}
		p, ok := errors.AsType[*problem.Error](err)
		if !ok {
			t.Fatal(err)
		}
		return lease, answer, p.Code
	}
	keep := func(l *idempotency.Lease, a idempotency.Answer, want bool) {
		t.Helper()
		if kept, err := l.Keep(t.Context(), a); err != nil || kept != want {
			t.Errorf("kept: %t, %v; want %t", kept, err, want)
		}
	}
	first, answer, code := begin(print1)
	if first == nil || answer != nil || code != "" {
		t.Fatalf("begun with %v, %v, %s", first, answer, code)
	}
	if _, _, code := begin(print1); code != problem.CodeConflict {
		t.Errorf("while it runs: %q", code)
	}
	if _, _, code := begin(print2); code != problem.CodeIdempotencyKeyReused {
		t.Errorf("another request while it runs: %q", code)
	}
	keep(first, idempotency.Answer{Status: 200, Body: make([]byte, idempotency.MaxBody+1)}, false)
	if err := first.Free(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, _, code := begin(print2) // a free key is anybody's
	if second == nil {
		t.Fatalf("a free key: %q", code)
	}
	if _, err := pool.Exec(t.Context(), `UPDATE api_idempotency SET leased_until = now()`); err != nil {
		t.Fatal(err)
	}
	third, _, code := begin(print2)
	if third == nil {
		t.Fatalf("after the lease: %q", code)
	}
	keep(second, idempotency.Answer{Status: 200, Body: []byte("late")}, false)
	if err := second.Free(t.Context()); err != nil { // which is not its any more
		t.Fatal(err)
	}
	want := idempotency.Answer{Status: 201, ContentType: "application/json", Body: bytes.Repeat([]byte{0, 0xFF}, idempotency.MaxBody/2)}
	keep(third, want, true)
	if err := third.Free(t.Context()); err != nil { // too late: it is answered
		t.Fatal(err)
	}
	if _, answer, code := begin(print2); code != "" || cmp.Diff(&want, answer) != "" {
		t.Errorf("answered %q: %d bytes", code, len(answer.Body))
	}
}
