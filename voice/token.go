package voice

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"

	"ringside/internal/org"
)

// tokenParameter is the custom parameter that carries a socket's token. Nothing else is put into
// parameters: Twilio does not treat them as sensitive.
const tokenParameter = "ringside"

// A token is two bytes and sixteen of their HMAC over organisation and CallSid, so that every sidecar
// with the same secret can check it, a repeated webhook carries the same, and one call's fits no
// other, nor another organisation that names the same CallSid.
//
// Media Streams do not say between whom a call is. Their token does, after that, for sidecars that
// have not seen the call's webhook: encrypted, with the HMAC, which is over it as well, in the place
// of a nonce.
const (
	tokenMACSize  = 16
	tokenHead     = 2 + tokenMACSize
	flagTrusted   = 1
	flagOutbound  = 2
	maxTokenParty = 280 // bytes of both addresses: Twilio bounds a parameter at 500 characters
)

// token returns the token of a call's connection attempt on a dialect's socket.
func (s *Service) token(d *dialect, id org.ID, callSID string, a action, call ends) string {
	head := [2]byte{byte(a.attempt)}
	if !a.unverified {
		head[1] = flagTrusted
	}
	var inside []byte
	if d.sealed {
		if call.direction == outboundCall {
			head[1] |= flagOutbound
		}
		inside = packEnds(call)
	}
	mac := s.tokenMAC(d, id, callSID, head, inside)
	s.sealing(mac, inside)
	raw := append(make([]byte, 0, tokenHead+len(inside)), head[:]...)
	return base64.RawURLEncoding.EncodeToString(append(append(raw, mac...), inside...))
}

func (s *Service) tokenMAC(d *dialect, id org.ID, callSID string, head [2]byte, inside []byte) []byte {
	mac := s.macs.Get().(hash.Hash)
	defer s.macs.Put(mac)
	mac.Reset()
	mac.Write([]byte(d.bound + "\x00" + string(id) + "\x00" + callSID + "\x00"))
	mac.Write(head[:])
	mac.Write(inside)
	return mac.Sum(nil)[:tokenMACSize]
}

// checkToken reads a token and reports whether it is this call's, for this socket. call is the zero
// value where tokens do not say between whom it is.
func (s *Service) checkToken(d *dialect, id org.ID, callSID, token string) (a action, call ends, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	// With a line break in it, the decoder would take a used token for a new one.
	if err != nil || base64.RawURLEncoding.EncodeToString(raw) != token || len(raw) < tokenHead || !d.sealed && len(raw) > tokenHead {
		return action{}, ends{}, false
	}
	head, mac, inside := [2]byte(raw[:2]), raw[2:tokenHead], raw[tokenHead:]
	s.sealing(mac, inside)
	if !hmac.Equal(mac, s.tokenMAC(d, id, callSID, head, inside)) {
		return action{}, ends{}, false
	}
	if d.sealed {
		if call, ok = unpackEnds(inside); !ok {
			return action{}, ends{}, false
		}
		call.direction = inboundCall
		if head[1]&flagOutbound != 0 {
			call.direction = outboundCall
		}
	}
	return action{attempt: int(head[0]), unverified: head[1]&flagTrusted == 0}, call, true
}

// sealOf returns the cipher for what tokens keep to themselves, of a key of its own.
func sealOf(secret []byte) cipher.Block {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("ringside: what tokens keep to themselves"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		panic(err) // a hash of 32 bytes is a key of AES-256
	}
	return block
}

// sealing encrypts what is inside a token, or decrypts it.
func (s *Service) sealing(mac, inside []byte) {
	if len(inside) > 0 {
		cipher.NewCTR(s.seal, mac).XORKeyStream(inside, inside)
	}
}

// packEnds writes a call's addresses. Where they are too long, the other party's is left out: it is
// no number then, and nobody is recognised by it.
func packEnds(call ends) []byte {
	if len(call.from)+len(call.to) > maxTokenParty {
		short := ends{direction: call.direction}
		if call.direction == outboundCall {
			short.from = call.from
		} else {
			short.to = call.to
		}
		call = short
	}
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(call.from)+len(call.to)), uint16(len(call.from)))
	return append(append(b, call.from...), call.to...)
}

func unpackEnds(b []byte) (call ends, ok bool) {
	if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
		return ends{}, false
	}
	from := 2 + int(binary.BigEndian.Uint16(b))
	return ends{from: string(b[2:from]), to: string(b[from:])}, true
}
