package org_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/seal"
)

const oldSecret, newSecret = "the secret key before", "the secret key after"

func ring(t *testing.T, secret string, others ...string) *seal.Ring {
	t.Helper()
	var more [][]byte
	for _, o := range others {
		more = append(more, []byte(o))
	}
	keys, err := seal.NewRing([]byte(secret), more...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func unlock(t *testing.T, pool *pgxpool.Pool, secret string, others ...string) *seal.Ring {
	t.Helper()
	keys := ring(t, secret, others...)
	if _, err := org.Unlock(t.Context(), pool, keys, []byte(secret)); err != nil {
		t.Fatal(err)
	}
	return keys
}

// stored returns everything that the database holds of secrets.
func stored(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	var all string
	err := pool.QueryRow(t.Context(), `SELECT string_agg(value, E'\n') FROM (SELECT auth_token AS value FROM twilio_accounts
		UNION ALL SELECT runtime_secret FROM voice_agents UNION ALL SELECT value FROM sealed_values) t`).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantSecrets fails the test unless the secrets are read as they were set: by the store and the switchboard.
func (o office) wantSecrets(t *testing.T, keys *seal.Ring) {
	t.Helper()
	lines := org.NewSwitchboard(o.pool).WithKeys(keys)
	load(t, lines)
	a, err := o.WithKeys(keys).Agent(t.Context(), o.org.ID, o.agent.ID)
	if err != nil || a.RuntimeSecret != "runtime secret" {
		t.Errorf("the store reads %q, %v", a.RuntimeSecret, err)
	}
	if got := lines.Account(t.Context(), account).AuthToken; got != "auth token" {
		t.Errorf("the switchboard has the token %q", got)
	}
	if got := lines.Route(t.Context(), number).Agent.RuntimeSecret; got != "runtime secret" {
		t.Errorf("the switchboard has the secret %q", got)
	}
}

// sealedOffice returns an office whose agent and account have secrets, set by a store with these keys.
func sealedOffice(t *testing.T, pool *pgxpool.Pool, keys *seal.Ring) office {
	t.Helper()
	o := newOffice(t, pool, "Acme")
	o.Store = o.WithKeys(keys)
	a := o.agent
	a.Name, a.RuntimeSecret = "Secretive", "runtime secret"
	a, err := o.CreateAgent(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	o.agent = a
	o.mustAddNumber(t, number, account, "auth token")
	return o
}

func TestSecretsAreSealed(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	keys := unlock(t, pool, oldSecret)
	o := sealedOffice(t, pool, keys)
	all := stored(t, pool)
	for _, plain := range []string{"auth token", "runtime secret", oldSecret} {
		if strings.Contains(all, plain) {
			t.Errorf("the database holds %q in plain", plain)
		}
	}
	o.wantSecrets(t, keys)
	// Changing one, and the settings around it.
	if err := o.SetAuthToken(t.Context(), o.org.ID, account, "auth token"); err != nil {
		t.Fatal(err)
	}
	secret := "another"
	a, err := o.ChangeAgent(t.Context(), o.agent, &secret)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = o.ChangeAgent(t.Context(), a, nil); err != nil || a.RuntimeSecret != secret {
		t.Errorf("kept, the secret is %q, %v", a.RuntimeSecret, err)
	}
	if all := stored(t, pool); strings.Contains(all, "auth token") || strings.Contains(all, "another") {
		t.Error("a changed secret is kept in plain")
	}
	// Without keys nothing is written in plain, and nothing sealed is read.
	keyless := org.NewStore(pool)
	if err := keyless.SetAuthToken(t.Context(), o.org.ID, account, "plain"); err == nil {
		t.Error("a store without keys has written a token")
	}
	if a, err := keyless.Agent(t.Context(), o.org.ID, o.agent.ID); err != nil || a.RuntimeSecret != "" {
		t.Errorf("a store without keys reads %q, %v", a.RuntimeSecret, err)
	}
}

// Whoever may write in the database cannot make another account's token theirs.
func TestASealedSecretCannotBeMoved(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	keys := unlock(t, pool, oldSecret)
	o := sealedOffice(t, pool, keys)
	other := newOffice(t, pool, "Other")
	other.Store = other.WithKeys(keys)
	other.mustAddNumber(t, otherNumber, otherAccount, "their token")
	if _, err := pool.Exec(t.Context(), `UPDATE twilio_accounts SET auth_token = (SELECT auth_token FROM twilio_accounts WHERE account_sid = $1) WHERE account_sid = $2`, account, otherAccount); err != nil {
		t.Fatal(err)
	}
	lines := org.NewSwitchboard(pool).WithKeys(keys)
	_, isSeal := errors.AsType[*seal.Error](lines.Load(t.Context()))
	if !isSeal || lines.Account(t.Context(), otherAccount) != nil {
		t.Errorf("the moved token is %+v", lines.Account(t.Context(), otherAccount))
	}
	if got := lines.Account(t.Context(), account); got == nil || got.OrgID != o.org.ID || got.AuthToken != "auth token" {
		t.Errorf("one bad token takes the others with it: %+v", got)
	}
}

// The upgrade: what lay there in plain works, and is sealed by the first who starts.
func TestPlainSecretsFromBeforeAreSealed(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o := sealedOffice(t, pool, seal.Plain)
	if all := stored(t, pool); !strings.Contains(all, "auth token") || !strings.Contains(all, "runtime secret") {
		t.Fatalf("this test begins with plain secrets, not with %s", all)
	}
	keys := ring(t, oldSecret)
	o.wantSecrets(t, keys)
	var starting sync.WaitGroup
	for range 4 { // sidecars that start at once
		starting.Go(func() {
			if key, err := org.Unlock(t.Context(), pool, keys, []byte(oldSecret)); err != nil || string(key) != oldSecret {
				t.Errorf("Unlock = %q, %v", key, err)
			}
		})
	}
	starting.Wait()
	if all := stored(t, pool); strings.Contains(all, "auth token") || strings.Contains(all, "runtime secret") {
		t.Errorf("secrets are still there in plain: %s", all)
	}
	o.wantSecrets(t, keys)
}

func TestRotation(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	before := unlock(t, pool, oldSecret)
	o := sealedOffice(t, pool, before)
	running := org.NewSwitchboard(pool).WithKeys(before)
	load(t, running)

	// With the new key alone nothing opens, and nobody starts.
	_, err := org.Unlock(t.Context(), pool, ring(t, newSecret), []byte(newSecret))
	if _, isSeal := errors.AsType[*seal.Error](err); !isSeal || !strings.Contains(err.Error(), "RINGSIDE_SECRET_KEY_PREVIOUS") {
		t.Errorf("with another key: %v", err)
	}
	both := unlock(t, pool, newSecret, oldSecret)
	o.wantSecrets(t, both)
	changed, err := org.Reseal(t.Context(), pool, both)
	if err != nil || changed != 3 {
		t.Errorf("sealed %d anew, %v; want the token, the secret and the erasure key", changed, err)
	}
	if changed, err := org.Reseal(t.Context(), pool, both); err != nil || changed != 0 {
		t.Errorf("a second time, %d are sealed anew, %v", changed, err)
	}
	after := ring(t, newSecret)
	o.wantSecrets(t, after)
	// Erased people stay erased: their key is the one from before.
	if key, err := org.Unlock(t.Context(), pool, after, []byte(newSecret)); err != nil || string(key) != oldSecret {
		t.Errorf("the erasure key is %q, %v", key, err)
	}
	// A sidecar that still has the old key alone says so, and goes on with what it knew.
	if err := running.Load(t.Context()); err == nil {
		t.Error("a sidecar without the new key does not say so")
	}
	if a, r := running.Account(t.Context(), account), running.Route(t.Context(), number); a == nil || a.AuthToken != "auth token" || r == nil || r.Agent.RuntimeSecret != "runtime secret" {
		t.Errorf("a sidecar without the new key has the account %+v and the route %+v", a, r)
	}
}

// A rotation that was interrupted goes on where it was.
func TestRotationIsResumable(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	before := unlock(t, pool, oldSecret)
	o := sealedOffice(t, pool, before)
	both := unlock(t, pool, newSecret, oldSecret)
	o.Store = o.WithKeys(both)
	if err := o.SetAuthToken(t.Context(), o.org.ID, account, "auth token"); err != nil { // one is done
		t.Fatal(err)
	}
	o.wantSecrets(t, both)
	if changed, err := org.Reseal(t.Context(), pool, both); err != nil || changed != 2 {
		t.Errorf("sealed %d anew, %v; want the two others", changed, err)
	}
	o.wantSecrets(t, ring(t, newSecret))
}
