package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"hash"
	"net/url"
	"strconv"
	"sync/atomic"
)

// Callers are numbered: the contacts from firstNumber on under one prefix, people whom nobody knows
// under another.
const (
	knownPrefix   = "+1415"
	unknownPrefix = "+1628"
	firstNumber   = 2_000_000
)

func known(n int) string   { return knownPrefix + strconv.Itoa(firstNumber+n) }
func unknown(n int) string { return unknownPrefix + strconv.Itoa(firstNumber+n) }

// sids makes CallSids that never repeat.
type sids struct{ last atomic.Int64 }

func (s *sids) next() string { return fmt.Sprintf("CA%032x", s.last.Add(1)) }

// field is one parameter of a webhook.
type field struct{ name, value string }

// inboundForm is what Twilio sends of a call that comes in, by name as it is signed. The caller's
// fields and the CallSid are empty.
var inboundForm = []field{
	{"AccountSid", accountSID}, {"ApiVersion", "2010-04-01"}, {"CallSid", ""}, {"CallStatus", "ringing"},
	{"CallToken", `{"parentCallInfoToken":"eyJhbGciOiJFUzI1NiJ9.ZXhhbXBsZQ.c2ln","identityHeaderTokens":[]}`},
	{"Called", calledNumber}, {"CalledCity", ""}, {"CalledCountry", "US"}, {"CalledState", "NY"}, {"CalledZip", ""},
	{"Caller", ""}, {"CallerCity", "SAN FRANCISCO"}, {"CallerCountry", "US"}, {"CallerState", "CA"}, {"CallerZip", "94103"},
	{"Direction", "inbound"}, {"From", ""}, {"FromCity", "SAN FRANCISCO"}, {"FromCountry", "US"}, {"FromState", "CA"}, {"FromZip", "94103"},
	{"StirVerstat", "TN-Validation-Passed-A"},
	{"To", calledNumber}, {"ToCity", ""}, {"ToCountry", "US"}, {"ToState", "NY"}, {"ToZip", ""},
}

// signer writes signed webhooks as they stand on the wire. It is for one goroutine.
type signer struct {
	mac        hash.Hash
	body, text []byte
}

func newSigner() *signer { return &signer{mac: hmac.New(sha1.New, []byte(authToken))} }

// inbound is the webhook of a call that comes in (Twilio: Security, "Validating requests").
func (s *signer) inbound(callSID, from string) []byte {
	s.body, s.text = s.body[:0], append(s.text[:0], publicURL+"/twilio/voice"...)
	for _, f := range inboundForm {
		value := f.value
		switch f.name {
		case "CallSid":
			value = callSID
		case "Caller", "From":
			value = from
		}
		if len(s.body) > 0 {
			s.body = append(s.body, '&')
		}
		s.body = append(append(append(s.body, f.name...), '='), url.QueryEscape(value)...)
		s.text = append(append(s.text, f.name...), value...)
	}
	request := make([]byte, 0, len(s.body)+400)
	request = append(request, "POST /twilio/voice HTTP/1.1\r\nHost: voice.example.com\r\nUser-Agent: TwilioProxy/1.1\r\nAccept: */*\r\n"+
		"Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\nX-Twilio-Signature: "...)
	request = base64.StdEncoding.AppendEncode(request, s.sum())
	request = fmt.Appendf(request, "\r\nContent-Length: %d\r\n\r\n", len(s.body))
	return append(request, s.body...)
}

// handshake is the signature of a request without parameters, such as a socket's.
func (s *signer) handshake(target string) string {
	s.text = append(s.text[:0], target...)
	return base64.StdEncoding.EncodeToString(s.sum())
}

func (s *signer) sum() []byte {
	s.mac.Reset()
	s.mac.Write(s.text)
	return s.mac.Sum(nil)
}

// supply hands out requests that were signed beforehand, so that signing is no part of the load.
type supply struct {
	requests [][]byte
	sids     []string
	again    bool // from the beginning when all have been used, for a server that remembers nothing
	used     atomic.Int64
}

// newSupply signs n calls, each from the caller that from names for it.
func newSupply(n int, sids *sids, from func(i int) string) *supply {
	s := &supply{requests: make([][]byte, n), sids: make([]string, n)}
	signer := newSigner()
	for i := range n {
		s.sids[i] = sids.next()
		s.requests[i] = signer.inbound(s.sids[i], from(i))
	}
	return s
}

// next returns a request that was not sent before, or nil when there is none left.
func (s *supply) next() []byte {
	i := int(s.used.Add(1)) - 1
	if s.again {
		return s.requests[i%len(s.requests)]
	}
	if i >= len(s.requests) {
		return nil
	}
	return s.requests[i]
}

// taken is how many requests were handed out.
func (s *supply) taken() int { return min(int(s.used.Load()), len(s.requests)) }
