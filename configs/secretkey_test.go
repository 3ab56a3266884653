package configs_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ringside/configs"
)

func signingKey(t *testing.T, c configs.Config) string {
	t.Helper()
	key, err := c.SigningKey()
	if err != nil {
		t.Fatalf("SigningKey: %v", err)
	}
	return string(key)
}

func TestSigningKeyThatIsSetIsUsed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if got := signingKey(t, configs.Config{SecretKey: "0123456789abcdef", DataDir: dir}); got != "0123456789abcdef" {
		t.Errorf("the key is %q", got)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a data folder was made for nothing: %v", err)
	}
}

// A restart must not cut off the calls in progress: the key that was made is kept.
func TestSigningKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	c := configs.Config{DataDir: filepath.Join(t.TempDir(), "some", "data")}
	first := signingKey(t, c)
	if len(first) < 32 {
		t.Errorf("the key %q is short", first)
	}
	if again := signingKey(t, c); again != first {
		t.Errorf("the second start has another key: %q, %q", first, again)
	}
	info, err := os.Stat(filepath.Join(c.DataDir, "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the key's file has the mode %o, want 600", mode)
	}
	left, err := filepath.Glob(filepath.Join(c.DataDir, "secret.key.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if other := signingKey(t, configs.Config{DataDir: t.TempDir()}); other == first {
		t.Error("another data folder has the same key")
	}
}

func TestSigningKeyIsTheSameForAllWhoStartAtOnce(t *testing.T) {
	t.Parallel()
	c := configs.Config{DataDir: t.TempDir()}
	keys := make([]string, 16)
	var starting sync.WaitGroup
	for i := range keys {
		starting.Go(func() {
			key, err := c.SigningKey()
			if err != nil {
				t.Errorf("SigningKey: %v", err)
			}
			keys[i] = string(key)
		})
	}
	starting.Wait()
	for _, key := range keys {
		if key != keys[0] {
			t.Fatalf("two keys: %q and %q", keys[0], key)
		}
	}
}

func TestSigningKeyRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	c := configs.Config{DataDir: t.TempDir()}
	path := filepath.Join(c.DataDir, "secret.key")
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SigningKey(); err == nil || !strings.Contains(err.Error(), path+" holds no usable key; remove it") {
		t.Errorf("with a broken key file: %v", err)
	}
	blocked := configs.Config{DataDir: path} // a file where the folder should be
	if _, err := blocked.SigningKey(); err == nil || !strings.Contains(err.Error(), "make the data folder") {
		t.Errorf("with a data folder that is a file: %v", err)
	}
}
