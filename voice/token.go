package voice

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// tokenParameter is the custom parameter that carries the relay token. Nothing else is put into
// parameters: Twilio does not treat them as sensitive.
const tokenParameter = "ringside"

// maxAttempts bounds how often one call is connected to its runtime.
const maxAttempts = 4

// A token is two bytes and sixteen of their HMAC over the CallSid, so that every sidecar with the
// same secret can check it, a repeated webhook carries the same, and one call's fits no other.
const (
	tokenMACSize = 16
	flagTrusted  = 1
)

// token returns the relay token of a call's connection attempt. Whether the caller's number may be
// trusted is part of it, so that this holds even where the decision is lost.
func (s *Service) token(callSID string, attempt int, trusted bool) string {
	head := [2]byte{byte(attempt)}
	if trusted {
		head[1] = flagTrusted
	}
	return base64.RawURLEncoding.EncodeToString(append(head[:], s.tokenMAC(callSID, head)...))
}

func (s *Service) tokenMAC(callSID string, head [2]byte) []byte {
	mac := hmac.New(sha256.New, s.Secret)
	mac.Write([]byte("relay\x00" + callSID + "\x00"))
	mac.Write(head[:])
	return mac.Sum(nil)[:tokenMACSize]
}

// checkToken reads a token and reports whether it is this call's.
func (s *Service) checkToken(callSID, token string) (attempt int, trusted, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 2+tokenMACSize {
		return 0, false, false
	}
	head := [2]byte(raw[:2])
	if !hmac.Equal(raw[2:], s.tokenMAC(callSID, head)) {
		return 0, false, false
	}
	return int(head[0]), head[1]&flagTrusted != 0, true
}
