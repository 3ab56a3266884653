package org_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
)

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o, other := newOffice(t, pool, "Acme"), newOffice(t, pool, "Other")
	key, plain, err := o.CreateKey(t.Context(), o.org.ID, " Dashboard ")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(plain, "rsk_") || len(plain) < 4+43 || key.OrgID != o.org.ID || key.Name != "Dashboard" {
		t.Errorf("key %+v, %d characters", key, len(plain))
	}
	if diff := cmp.Diff([]string{"read", "write", "tools", "events"}, key.Scopes); diff != "" {
		t.Errorf("scopes (-want, +got):\n%s", diff)
	}
	_, otherPlain, err := other.CreateKey(t.Context(), other.org.ID, "Dashboard")
	if err != nil {
		t.Fatal(err)
	}
	if otherPlain == plain {
		t.Error("two keys are the same")
	}
	found, err := o.Authenticate(t.Context(), plain)
	if diff := cmp.Diff(key, found); diff != "" || err != nil {
		t.Errorf("error %v (-want, +got):\n%s", err, diff)
	}
	if found, err := o.Authenticate(t.Context(), otherPlain); err != nil || found.OrgID != other.org.ID {
		t.Errorf("the other organisation's key: %+v, %v", found, err)
	}
	for _, wrong := range []string{"", "rsk_", plain[:len(plain)-1], plain + "x", " " + plain, strings.ToUpper(plain), "sk_" + plain[4:], plain[4:], "rsk_\x00"} {
		_, err := o.Authenticate(t.Context(), wrong)
		wantProblem(t, err, problem.CodeUnauthorized, "")
	}
	if _, err := pool.Exec(t.Context(), `UPDATE api_keys SET revoked_at = now() WHERE id = $1::text::uuid`, key.ID); err != nil {
		t.Fatal(err)
	}
	_, err = o.Authenticate(t.Context(), plain)
	wantProblem(t, err, problem.CodeUnauthorized, "")
}

// A key that does not start as ours do is refused without a question to Postgres.
func TestAuthenticateAsksOnlyForKeysOfOurs(t *testing.T) {
	t.Parallel()
	_, err := closed(t).Authenticate(t.Context(), "sk_live_1")
	wantProblem(t, err, problem.CodeUnauthorized, "")
}

func TestRule21_TheKeyItselfIsNotKept(t *testing.T) {
	t.Parallel()
	o := newOffice(t, pgtest.New(t), "Acme")
	_, plain, err := o.CreateKey(t.Context(), o.org.ID, "Dashboard")
	if err != nil {
		t.Fatal(err)
	}
	var row string
	if err := o.pool.QueryRow(t.Context(), `SELECT k::text || encode(k.hash, 'escape') FROM api_keys k`).Scan(&row); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(row, plain[4:]) {
		t.Errorf("the key is in its row: %s", row)
	}
}

func TestCreateKeyRefuses(t *testing.T) {
	t.Parallel()
	o := newOffice(t, pgtest.New(t), "Acme")
	for _, name := range []string{"", " ", strings.Repeat("ä", 201), "\x00", "\xff"} {
		_, plain, err := o.CreateKey(t.Context(), o.org.ID, name)
		wantProblem(t, err, problem.CodeInvalid, "name")
		if plain != "" {
			t.Errorf("named %q: a key all the same", name)
		}
	}
}

func TestKeysAreListedAndRevoked(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	store, acme, other := org.NewStore(pool), newOffice(t, pool, "Acme").org, newOffice(t, pool, "Umbrella").org
	reader, plain, err := store.CreateKey(t.Context(), acme.ID, "dashboard", "read")
	if err != nil || !slices.Equal(reader.Scopes, []string{"read"}) {
		t.Fatalf("created %+v, %v", reader, err)
	}
	all, _, err := store.CreateKey(t.Context(), acme.ID, "agent")
	if err != nil || !slices.Equal(all.Scopes, org.Scopes) {
		t.Fatalf("created %+v, %v", all, err)
	}
	_, _, err = store.CreateKey(t.Context(), acme.ID, "wrong", "admin")
	wantProblem(t, err, problem.CodeInvalid, "scopes")
	keys, err := store.Keys(t.Context(), acme.ID)
	if err != nil || len(keys) != 2 || keys[0].ID != reader.ID || keys[1].Name != "agent" {
		t.Errorf("listed %+v, %v", keys, err)
	}
	for _, id := range []string{reader.ID, "nothing"} {
		wantProblem(t, store.RevokeKey(t.Context(), other.ID, id), problem.CodeNotFound, "")
	}
	if err := store.RevokeKey(t.Context(), acme.ID, reader.ID); err != nil {
		t.Error(err)
	}
	_, err = store.Authenticate(t.Context(), plain)
	wantProblem(t, err, problem.CodeUnauthorized, "")
	wantProblem(t, store.RevokeKey(t.Context(), acme.ID, reader.ID), problem.CodeNotFound, "")
	if keys, err := store.Keys(t.Context(), acme.ID); err != nil || len(keys) != 1 {
		t.Errorf("listed %+v, %v", keys, err)
	}
}

func TestRotateKey(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	store, acme, other := org.NewStore(pool), newOffice(t, pool, "Acme").org, newOffice(t, pool, "Umbrella").org
	old, oldPlain, err := store.CreateKey(t.Context(), acme.ID, "dashboard", "read")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	fresh, plain, ends, err := store.RotateKey(t.Context(), acme.ID, old.ID, time.Hour)
	if err != nil || fresh.ID == old.ID || fresh.Name != "dashboard" || fresh.OrgID != acme.ID || !slices.Equal(fresh.Scopes, []string{"read"}) || fresh.ExpiresAt != nil {
		t.Fatalf("rotated to %+v, %v", fresh, err)
	}
	if left := ends.Sub(began); left < 55*time.Minute || left > 65*time.Minute {
		t.Errorf("the old key goes on for %s, want an hour", left)
	}
	if found, err := store.Authenticate(t.Context(), plain); err != nil || cmp.Diff(fresh, found) != "" {
		t.Errorf("the new key is %+v, %v", found, err)
	}
	if found, err := store.Authenticate(t.Context(), oldPlain); err != nil || found.ID != old.ID || found.ExpiresAt == nil || !found.ExpiresAt.Equal(ends) {
		t.Errorf("the old key is %+v, %v", found, err)
	}
	if keys, err := store.Keys(t.Context(), acme.ID); err != nil || len(keys) != 2 || keys[0].ExpiresAt == nil || keys[1].ExpiresAt != nil {
		t.Errorf("listed %+v, %v", keys, err)
	}
	// Whoever lost the new key rotates again; the old one ends no later for that.
	if _, _, again, err := store.RotateKey(t.Context(), acme.ID, old.ID, 48*time.Hour); err != nil || !again.Equal(ends) {
		t.Errorf("rotated again, the old key ends %s, %v; want %s", again, err, ends)
	}
	for _, grace := range []time.Duration{-1, 366 * 24 * time.Hour} {
		_, _, _, err := store.RotateKey(t.Context(), acme.ID, fresh.ID, grace)
		wantProblem(t, err, problem.CodeInvalid, "grace")
	}
	for id, of := range map[string]org.ID{fresh.ID: other.ID, "nothing": acme.ID, "00000000-0000-0000-0000-000000000000": acme.ID} {
		_, none, _, err := store.RotateKey(t.Context(), of, id, 0)
		wantProblem(t, err, problem.CodeNotFound, "")
		if none != "" {
			t.Errorf("a key all the same of %s", id)
		}
	}
	// After the grace the old key is none any more.
	if _, _, _, err := store.RotateKey(t.Context(), acme.ID, old.ID, 0); err != nil {
		t.Fatal(err)
	}
	_, err = store.Authenticate(t.Context(), oldPlain)
	wantProblem(t, err, problem.CodeUnauthorized, "")
	_, _, _, err = store.RotateKey(t.Context(), acme.ID, old.ID, 0)
	wantProblem(t, err, problem.CodeNotFound, "")
	wantProblem(t, store.RevokeKey(t.Context(), acme.ID, old.ID), problem.CodeNotFound, "")
	if keys, err := store.Keys(t.Context(), acme.ID); err != nil || len(keys) != 3 || slices.ContainsFunc(keys, func(k org.Key) bool { return k.ID == old.ID }) {
		t.Errorf("listed %+v, %v", keys, err)
	}
}
