package configs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// secretKeyFile is where a generated secret key lives in the data folder.
const secretKeyFile = "secret.key"

// PreviousKeys are the keys of RINGSIDE_SECRET_KEY_PREVIOUS.
func (c *Config) PreviousKeys() (keys [][]byte) {
	for key := range strings.SplitSeq(string(c.SecretKeyPrevious), ",") {
		if key = strings.TrimSpace(key); key != "" {
			keys = append(keys, []byte(key))
		}
	}
	return keys
}

// HasSigningKey reports whether there is a secret already, so that [Config.SigningKey] makes none.
func (c *Config) HasSigningKey() bool {
	if c.SecretKey != "" {
		return true
	}
	_, err := os.Stat(filepath.Join(c.DataDir, secretKeyFile))
	return err == nil
}

// SigningKey returns the program's secret: the one that is set, else one that is made the first
// time and kept in the data folder, readable by its owner alone.
func (c *Config) SigningKey() ([]byte, error) {
	if c.SecretKey != "" {
		return []byte(c.SecretKey), nil
	}
	path := filepath.Join(c.DataDir, secretKeyFile)
	if _, err := os.Stat(path); err == nil {
		return readSigningKey(path) // which a full disk does not keep anybody from
	}
	if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	made := rand.Text() + rand.Text()
	// The key is written aside and linked into place, so that of two programs that start at once
	// both read the same whole key.
	temporary, err := os.CreateTemp(c.DataDir, secretKeyFile+".*")
	if err != nil {
		return nil, fmt.Errorf("make the secret key: %w", err)
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.WriteString(made)
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return nil, fmt.Errorf("make the secret key: %w", err)
	}
	if err := os.Link(temporary.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("keep the secret key: %w", err)
	}
	return readSigningKey(path)
}

func readSigningKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the secret key: %w", err)
	}
	if len(key) < 16 {
		return nil, fmt.Errorf("%s holds no usable key; remove it to have one made anew (calls in progress reconnect)", path)
	}
	return key, nil
}
