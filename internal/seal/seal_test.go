package seal_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ringside/internal/seal"
)

var at = seal.Place{Table: "twilio_accounts", Column: "auth_token", Row: "AC1"}

func ring(t interface{ Fatal(...any) }, secret string, others ...string) *seal.Ring {
	var more [][]byte
	for _, o := range others {
		more = append(more, []byte(o))
	}
	r, err := seal.NewRing([]byte(secret), more...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatIsSealedOpensAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := ring(t, "0123456789abcdef")
		plain := rapid.String().Draw(t, "plain")
		sealed := r.Seal(at, plain)
		if plain != "" && (!seal.Sealed(sealed) || !r.Current(sealed) || len(plain) > 3 && strings.Contains(sealed, plain)) {
			t.Fatalf("%q is sealed as %q", plain, sealed)
		}
		if got, err := r.Open(at, sealed); err != nil || got != plain {
			t.Fatalf("opened %q, %v; want %q", got, err, plain)
		}
	})
}

// Somebody who may write in the database but has no key can neither read a secret by moving it to a
// row of their own nor change one unnoticed.
func TestASealedValueOpensAtItsPlaceOnly(t *testing.T) {
	t.Parallel()
	r := ring(t, "0123456789abcdef")
	sealed := r.Seal(at, "hunter2")
	for _, other := range []seal.Place{
		{Table: "voice_agents", Column: "auth_token", Row: "AC1"}, {Table: "twilio_accounts", Column: "runtime_secret", Row: "AC1"},
		{Table: "twilio_accounts", Column: "auth_token", Row: "AC2"}, {},
	} {
		if got, err := r.Open(other, sealed); err == nil || got != "" {
			t.Errorf("it opens at %+v: %q", other, got)
		}
	}
	for i := range len(sealed) {
		changed := []byte(sealed)
		changed[i] ^= 1
		got, err := r.Open(at, string(changed))
		if err == nil && got == "hunter2" && i < len(sealed)-1 { // the last digit has bits that no byte is made of
			t.Errorf("it opens although byte %d was changed", i)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Error("the error tells the secret")
		}
	}
	if a, b := r.Seal(at, "hunter2"), r.Seal(at, "hunter2"); a == b {
		t.Error("the same secret is sealed to the same text twice")
	}
}

func TestPreviousKeysOpen(t *testing.T) {
	t.Parallel()
	before, after := ring(t, "old key old key"), ring(t, "new key new key", "older key", "old key old key")
	sealed := before.Seal(at, "hunter2")
	if got, err := after.Open(at, sealed); err != nil || got != "hunter2" {
		t.Errorf("the previous key opens %q, %v", got, err)
	}
	if after.Current(sealed) || !after.Current(after.Seal(at, "hunter2")) || !after.Current("") || after.Current("plain") {
		t.Error("what has to be sealed anew is what the current key has not sealed")
	}
	_, err := ring(t, "another key").Open(at, sealed)
	if e, ok := errors.AsType[*seal.Error](err); !ok || !strings.Contains(err.Error(), "RINGSIDE_SECRET_KEY_PREVIOUS") || e.At != at {
		t.Errorf("without the key: %v", err)
	}
	if got, err := after.Open(at, "a plain one"); err != nil || got != "a plain one" {
		t.Errorf("what was never sealed is %q, %v", got, err)
	}
	if _, err := seal.NewRing(nil); err == nil {
		t.Error("a ring without a secret was made")
	}
}
