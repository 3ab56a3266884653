package twilio

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// SignatureHeader is the request header that carries Twilio's signature. WebSocket handshakes write
// it in lower case, which net/http hides.
const SignatureHeader = "X-Twilio-Signature"

// signatureLength is the length of a base64 encoded HMAC-SHA1.
const signatureLength = 28

// Key checks the signatures of one Twilio account. It is made once for an account and used by any
// number of requests at once. A subaccount has a token, and so a key, of its own; Twilio signs with
// the primary token until a secondary one is promoted.
//
// The token is in a closure and not in a field, so that no way of printing a Key can show it.
type Key struct {
	signers sync.Pool // of *signer, each ready for any request
	valid   bool
}

// NewKey returns the key for an account's auth token. An empty token makes a key that accepts
// nothing, since anybody can sign with it.
func NewKey(token string) *Key {
	secret := []byte(token)
	return &Key{
		valid:   token != "",
		signers: sync.Pool{New: func() any { return newSigner(secret) }},
	}
}

// signer is an HMAC with its padded key already hashed, and room to work in.
type signer struct {
	mac         hash.Hash
	url, params []byte
	sum         [sha1.Size]byte
	encoded     [signatureLength]byte
}

// maxIdleScratch bounds what a signer at rest keeps of its room, in bytes: one enormous form should
// not be remembered by every signer.
const maxIdleScratch = 16 << 10

func newSigner(secret []byte) *signer {
	s := &signer{mac: hmac.New(sha1.New, secret)}
	s.mac.Reset() // from here on resetting restores the hashed key instead of hashing it again
	return s
}

func (k *Key) signer() *signer { return k.signers.Get().(*signer) }

func (k *Key) release(s *signer) {
	if cap(s.params) <= maxIdleScratch && cap(s.url) <= maxIdleScratch {
		k.signers.Put(s)
	}
}

// sign returns the signature over base, path and s.params; it is overwritten by the next call.
func (s *signer) sign(base, path string) []byte {
	s.url = append(append(s.url[:0], base...), path...)
	s.mac.Reset()
	s.mac.Write(s.url)
	s.mac.Write(s.params)
	base64.StdEncoding.Encode(s.encoded[:], s.mac.Sum(s.sum[:0]))
	return s.encoded[:]
}

// signed reports whether signature is over base, path and s.params. How long it takes does not
// depend on how much of the signature is right.
func (s *signer) signed(signature, base, path string) bool {
	return subtle.ConstantTimeCompare(s.sign(base, path), []byte(signature)) == 1
}

// Verifier checks that requests come from Twilio (Twilio: Security, "Validating requests"). It
// knows the public URL and no account. Its methods take the request URI exactly as it came
// (http.Request.RequestURI), because decoding and encoding it again can change what was signed.
//
// Twilio is not consistent about ports and WebSocket URLs, so a few spellings of the one public URL
// are tried; each costs about a microsecond.
type Verifier struct {
	webhooks []string // what may stand before the request URI of a webhook
	sockets  []string // and before that of a WebSocket handshake
}

// NewVerifier returns a verifier for requests to p.
func NewVerifier(p PublicURL) *Verifier {
	v := &Verifier{}
	for _, host := range p.hosts() {
		v.webhooks = append(v.webhooks, p.scheme+"://"+host+p.prefix)
		v.sockets = append(v.sockets, p.socketScheme()+"://"+host+p.prefix)
	}
	// A handshake is signed for the wss URL; the https form is what older proxies made of it.
	v.sockets = append(v.sockets, v.webhooks...)
	return v
}

// Webhook reports whether signature is Twilio's for a request with this form, which is nil for a
// GET webhook. Of a repeated name only the first value is certain to be covered, which is the one
// that [Form.Get] returns.
func (v *Verifier) Webhook(key *Key, requestURI, signature string, f *Form) bool {
	if !checkable(key, requestURI, signature) {
		return false
	}
	s := key.signer()
	defer key.release(s)
	if f == nil {
		s.params = s.params[:0]
		return v.webhookSigned(s, requestURI, signature)
	}
	s.params = f.appendSigned(s.params[:0], firstValue)
	if v.webhookSigned(s, requestURI, signature) {
		return true
	}
	if !f.repeated {
		return false
	}
	s.params = f.appendSigned(s.params[:0], distinctValues)
	return v.webhookSigned(s, requestURI, signature)
}

func (v *Verifier) webhookSigned(s *signer, requestURI, signature string) bool {
	for _, base := range v.webhooks {
		if s.signed(signature, base, requestURI) {
			return true
		}
	}
	return false
}

// Handshake reports whether signature is Twilio's for a WebSocket handshake. Twilio signs the
// wss:// URL, sometimes with a slash at its end that was not in the TwiML.
//
// The signature covers neither the messages that follow nor the time: it can be replayed by whoever
// has seen it, so the session needs a one-time token of its own.
func (v *Verifier) Handshake(key *Key, requestURI, signature string) bool {
	if !checkable(key, requestURI, signature) {
		return false
	}
	s := key.signer()
	defer key.release(s)
	s.params = s.params[:0]
	slashed := toggleSlash(requestURI)
	for _, base := range v.sockets {
		if s.signed(signature, base, requestURI) || s.signed(signature, base, slashed) {
			return true
		}
	}
	return false
}

// toggleSlash returns requestURI with the slash at the end of its path taken away, or put there if
// it has none.
func toggleSlash(requestURI string) string {
	path, query := requestURI, ""
	if i := strings.IndexByte(requestURI, '?'); i >= 0 {
		path, query = requestURI[:i], requestURI[i:]
	}
	if trimmed, had := strings.CutSuffix(path, "/"); had {
		return trimmed + query
	}
	return path + "/" + query
}

// JSONBody reports whether signature is Twilio's for a request whose body is not a form. The
// signature is over the URL alone, which holds the body's SHA-256 as its bodySHA256 parameter.
func (v *Verifier) JSONBody(key *Key, requestURI, signature string, body []byte) bool {
	_, query, _ := strings.Cut(requestURI, "?")
	values, err := url.ParseQuery(query)
	if err != nil || len(values["bodySHA256"]) != 1 {
		return false
	}
	sum := sha256.Sum256(body)
	want := hex.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(want), []byte(values.Get("bodySHA256"))) == 1 &&
		v.Webhook(key, requestURI, signature, nil)
}

// checkable reports whether there is anything to compare: a key that can vouch, a path on our host
// and something that can be a signature.
func checkable(key *Key, requestURI, signature string) bool {
	return key != nil && key.valid && strings.HasPrefix(requestURI, "/") && len(signature) == signatureLength
}

// Sign returns the signature that Twilio puts on a request to rawURL, which is the URL as it is
// asked for: without fragment and credentials. params are the form's pairs, nil for a GET or a
// handshake. Of a repeated name each different value is signed, in sorted order.
func Sign(token, rawURL string, params url.Values) string {
	s := newSigner([]byte(token))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		for _, value := range slices.Compact(slices.Sorted(slices.Values(params[name]))) {
			s.params = append(append(s.params, name...), value...)
		}
	}
	return string(s.sign(rawURL, ""))
}
