// Package seal keeps secrets that the program must be able to read again: sealed with AES-256-GCM
// under a key that is not in the database, so that whoever has the database, or a copy, has none of them.
//
// A sealed value is a text, "ringside.1.<key id>.<base64>": it names its format and the key that
// opens it. It is bound to its place (table, column and row) and does not open at another.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// prefix begins every sealed value; what follows it is "<key id>.<base64 of nonce and ciphertext>".
const prefix = "ringside.1."

// Place is where a value is kept. It is authenticated with the value, and is no secret.
type Place struct{ Table, Column, Row string }

func (p Place) bytes() []byte { return []byte(p.Table + "\x00" + p.Column + "\x00" + p.Row) }

// Ring holds the program's keys: one seals, and all of them open. Its methods may be called by
// several goroutines at once.
type Ring struct {
	keys []key // the first one seals
}

// Plain seals nothing, and opens nothing that is sealed. It is for programs that write secrets before
// there is a key, such as tests: the sidecar seals what they wrote when it starts.
var Plain = &Ring{}

type key struct {
	id   string
	aead cipher.AEAD
}

// NewRing returns a ring that seals under secret and opens also what was sealed under one of the others.
// From each secret a key of its own is derived (HKDF-SHA256), since it serves other purposes as well.
func NewRing(secret []byte, others ...[]byte) (*Ring, error) {
	r := &Ring{}
	for _, s := range append([][]byte{secret}, others...) {
		k, err := newKey(s)
		if err != nil {
			return nil, fmt.Errorf("derive a key for sealing: %w", err)
		}
		r.keys = append(r.keys, k)
	}
	return r, nil
}

func newKey(secret []byte) (key, error) {
	if len(secret) == 0 {
		return key{}, errors.New("the secret is empty")
	}
	raw, err := hkdf.Key(sha256.New, secret, nil, "ringside seal 1 key", 32)
	if err != nil {
		return key{}, err
	}
	id, err := hkdf.Key(sha256.New, secret, nil, "ringside seal 1 id", 4)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return key{id: hex.EncodeToString(id), aead: aead}, err
}

// Seal returns the value sealed for its place. "" is no secret and stays "".
func (r *Ring) Seal(at Place, plain string) string {
	if plain == "" || len(r.keys) == 0 {
		return plain
	}
	k := r.keys[0]
	return prefix + k.id + "." + base64.RawURLEncoding.EncodeToString(k.aead.Seal(nil, nil, []byte(plain), at.bytes()))
}

// Open returns the value that was sealed for this place. What is not sealed, as from before there was
// sealing or from a program that knows nothing of it, is returned as it is.
func (r *Ring) Open(at Place, stored string) (string, error) {
	if !Sealed(stored) {
		return stored, nil
	}
	id, text, _ := strings.Cut(strings.TrimPrefix(stored, prefix), ".")
	box, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", &Error{At: at, KeyID: id, damaged: true}
	}
	e := &Error{At: at, KeyID: id}
	for _, k := range r.keys {
		if k.id != id {
			continue
		}
		if plain, err := k.aead.Open(nil, nil, box, at.bytes()); err == nil {
			return string(plain), nil
		}
		e.damaged = true
	}
	return "", e
}

// Current reports whether a value needs no sealing: it is sealed under the key that seals, or empty.
func (r *Ring) Current(stored string) bool {
	return stored == "" || len(r.keys) > 0 && strings.HasPrefix(stored, prefix+r.keys[0].id+".")
}

// Sealed reports whether a value is a sealed one.
func Sealed(stored string) bool { return strings.HasPrefix(stored, prefix) }

// Error says that a sealed value does not open. It holds nothing of the value.
type Error struct {
	At      Place
	KeyID   string
	damaged bool // the key is there, and the value is not what was sealed for this place
}

// Error returns a sentence for whoever runs the program.
func (e *Error) Error() string {
	if e.damaged {
		return fmt.Sprintf("%s.%s of %q cannot be opened: it was changed, or sealed for another row; set it again", e.At.Table, e.At.Column, e.At.Row)
	}
	return fmt.Sprintf("%s.%s of %q is sealed under another key (%s) than RINGSIDE_SECRET_KEY: set the key that it was sealed under, here or in RINGSIDE_SECRET_KEY_PREVIOUS",
		e.At.Table, e.At.Column, e.At.Row, e.KeyID)
}
