package voice

import (
	"crypto/hmac"
	"encoding/base64"
	"hash"

	"ringside/internal/org"
)

// tokenParameter is the custom parameter that carries the relay token. Nothing else is put into
// parameters: Twilio does not treat them as sensitive.
const tokenParameter = "ringside"

// A token is two bytes and sixteen of their HMAC over organisation and CallSid, so that every sidecar
// with the same secret can check it, a repeated webhook carries the same, and one call's fits no
// other, nor another organisation that names the same CallSid.
const (
	tokenMACSize = 16
	flagTrusted  = 1
)

// token returns the relay token of a call's connection attempt.
func (s *Service) token(id org.ID, callSID string, a action) string {
	head := [2]byte{byte(a.attempt)}
	if !a.unverified {
		head[1] = flagTrusted
	}
	return base64.RawURLEncoding.EncodeToString(append(head[:], s.tokenMAC(id, callSID, head)...))
}

func (s *Service) tokenMAC(id org.ID, callSID string, head [2]byte) []byte {
	mac := s.macs.Get().(hash.Hash)
	defer s.macs.Put(mac)
	mac.Reset()
	mac.Write([]byte("relay\x00" + string(id) + "\x00" + callSID + "\x00"))
	mac.Write(head[:])
	return mac.Sum(nil)[:tokenMACSize]
}

// checkToken reads a token and reports whether it is this call's.
func (s *Service) checkToken(id org.ID, callSID, token string) (a action, ok bool) {
	if len(token) != base64.RawURLEncoding.EncodedLen(2+tokenMACSize) {
		return action{}, false // with a line break in it, the decoder would take a used token for a new one
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 2+tokenMACSize {
		return action{}, false
	}
	head := [2]byte(raw[:2])
	if !hmac.Equal(raw[2:], s.tokenMAC(id, callSID, head)) {
		return action{}, false
	}
	return action{attempt: int(head[0]), unverified: head[1]&flagTrusted == 0}, true
}
