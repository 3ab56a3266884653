package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringside/internal/postgres/pgtest"
)

// dump is the database at url as pg_dump writes it: what a backup holds.
func dump(t *testing.T, url string) string {
	t.Helper()
	path, err := exec.LookPath("pg_dump")
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump") // as the server's own programs
		found = append(found, filepath.Join(os.Getenv("PG_BIN"), "pg_dump"))
		path = found[0]
	}
	out, err := exec.CommandContext(t.Context(), path, url).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	return string(out)
}

// What a sidecar has in its database is of no use to whoever has a copy of it.
func TestADumpHoldsNoSecretInPlain(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	settings := []string{"DATABASE_URL=" + url}
	shop := openShop(t, url) // with its token in plain, as from before there was sealing
	if !strings.Contains(dump(t, url), shop.token) {
		t.Fatal("this test begins with a token in plain")
	}
	s := serve(t, settings...)
	s.awaitCurrent()
	const bearer, second = "the-secret-of-the-runtime", "the-token-of-another-account"
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "secret")
		must(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
		return path
	}
	agent := id(t, settings, "agent", "create", "--name", "Night", "--greeting", "Hello!", "--runtime-url", shop.runtime.URL(), "--runtime-secret-file", write(bearer))
	id(t, settings, "number", "add", "+12125550188", "--agent", agent, "--account-sid", "AC"+strings.Repeat("9", 32), "--auth-token-file", write(second))
	key := object(t, settings, "key", "create", "--name", "test")["key"].(string)

	outcome := shop.call(s.Listen, alex, askAgent...)
	answered(t, outcome)
	s.stop()
	held := dump(t, url)
	for name, secret := range map[string]string{"auth token": shop.token, "runtime's secret": bearer, "other token": second, "API key": key,
		"secret key": "the key of everything under test"} {
		if strings.Contains(held, secret) {
			t.Errorf("the dump holds the %s in plain", name)
		}
	}
}

// A sidecar that cannot read the secrets would refuse every call: it does not start, and says what to do.
func TestAnotherSecretKeyIsRefused(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	before, after := "RINGSIDE_SECRET_KEY="+strings.Repeat("before", 6), "RINGSIDE_SECRET_KEY="+strings.Repeat("after", 7)
	previous := "RINGSIDE_SECRET_KEY_PREVIOUS=" + strings.Repeat("before", 6)
	base := []string{"DATABASE_URL=" + url}
	serve(t, append(base, before)...).stop()
	for _, tt := range []struct{ name, key, want string }{
		{"another key", after, "RINGSIDE_SECRET_KEY_PREVIOUS"},
		{"no key", "RINGSIDE_SECRET_KEY=", "no key is set: set RINGSIDE_SECRET_KEY, or RINGSIDE_DATA_DIR"},
	} {
		p := start(t, append(base, tt.key), "serve")
		if status := p.status(); status != exitFailed || !strings.Contains(p.stderr.String(), tt.want) || strings.Count(p.stderr.String(), "\n") != 1 {
			t.Errorf("%s: status %d, said %q", tt.name, status, p.stderr.String())
		}
		if status, _, said := command(t, append(base, tt.key), "secrets", "rotate"); status != exitFailed || !strings.Contains(said, tt.want) {
			t.Errorf("%s: rotate ends with %d, said %q", tt.name, status, said)
		}
	}
	// What needs no secret goes on.
	if status, _, said := command(t, append(base, after), "org", "list"); status != 0 {
		t.Errorf("org list: %d, said %q", status, said)
	}
	// Rotation: both keys, then seal anew, then the new one alone.
	s := serve(t, append(base, after, previous)...)
	answered(t, shop.call(s.Listen, alex, askAgent...))
	if got := object(t, append(base, after, previous), "secrets", "rotate")["sealed"]; got != float64(2) {
		t.Errorf("%v secrets were sealed anew, want the token and the erasure key", got)
	}
	s.stop()
	s = serve(t, append(base, after)...)
	answered(t, shop.call(s.Listen, alex, askAgent...))
	s.stop()
}
