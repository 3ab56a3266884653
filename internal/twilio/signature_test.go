package twilio_test

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"ringside/internal/twilio"
)

func TestRule19_VectorsAreAcceptedOrRefusedAsMarked(t *testing.T) {
	t.Parallel()
	all := loadVectors(t)
	key, stranger := twilio.NewKey(all.Token), twilio.NewKey("another-accounts-token")
	for _, v := range all.Twilio {
		t.Run(v.name(), func(t *testing.T) {
			t.Parallel()
			if got := verifyVector(t, key, v); got == v.negative() {
				t.Errorf("accepted = %v, want %v", got, !v.negative())
			}
			if verifyVector(t, stranger, v) {
				t.Error("accepted with another account's token")
			}
		})
	}
}

func verifyVector(t *testing.T, key *twilio.Key, v vector) bool {
	t.Helper()
	public, requestURI := splitURL(t, v.URL)
	verifier := twilio.NewVerifier(public)
	switch {
	case v.Method == "GET (Upgrade)":
		return verifier.Handshake(key, requestURI, v.Signature)
	case v.Method == "GET":
		return verifier.Webhook(key, requestURI, v.Signature, nil)
	case strings.HasSuffix(v.File, ".json"):
		return verifier.JSONBody(key, requestURI, v.Signature, readTestdata(t, v.File))
	default:
		return verifier.Webhook(key, requestURI, v.Signature, mustParseForm(t, string(readTestdata(t, v.File))))
	}
}

func TestRule19_DocumentedVectorsAreAccepted(t *testing.T) {
	t.Parallel()
	for _, v := range loadVectors(t).Documented {
		public, requestURI := splitURL(t, v.URL)
		if !twilio.NewVerifier(public).Webhook(twilio.NewKey(v.Token), requestURI, v.Signature, mustParseForm(t, v.Form)) {
			t.Errorf("%s: refused", v.URL)
		}
		params, err := url.ParseQuery(v.Form)
		if err != nil {
			t.Fatal(err)
		}
		if got := twilio.Sign(v.Token, v.URL, params); got != v.Signature {
			t.Errorf("Sign(%s) = %s, want %s", v.URL, got, v.Signature)
		}
	}
}

func TestRule19_ChangedRequestIsRefused(t *testing.T) {
	t.Parallel()
	const token, uri, body = "12345", "/twilio/voice?x=1", "CallSid=CA1&From=%2B14155550123&To=%2B12125550199"
	key := twilio.NewKey(token)
	verifier := twilio.NewVerifier(mustPublicURL(t, "https://sidecar.example.com"))
	signature := twilio.Sign(token, "https://sidecar.example.com"+uri,
		url.Values{"CallSid": {"CA1"}, "From": {"+14155550123"}, "To": {"+12125550199"}})
	if !verifier.Webhook(key, uri, signature, mustParseForm(t, body)) {
		t.Fatal("the request as it was signed is refused")
	}

	changedBit := []byte(signature)
	changedBit[0] ^= 1
	tests := []struct {
		name           string
		key            *twilio.Key
		uri, sig, body string
	}{
		{"other value", key, uri, signature, strings.Replace(body, "0123", "0124", 1)},
		{"added pair", key, uri, signature, body + "&Z=1"},
		{"added empty pair", key, uri, signature, body + "&Z="},
		{"missing pair", key, uri, signature, strings.TrimPrefix(body, "CallSid=CA1&")},
		{"repeated name in front", key, uri, signature, "From=%2B15005550006&" + body},
		{"no form", key, uri, signature, ""},
		{"other case of a name", key, uri, signature, strings.Replace(body, "From", "from", 1)},
		{"trimmed value", key, uri, signature, body + "+"},
		{"other path", key, "/twilio/sms?x=1", signature, body},
		{"slash added", key, "/twilio/voice/?x=1", signature, body},
		{"no query", key, "/twilio/voice", signature, body},
		{"encoded path", key, "/twilio/%76oice?x=1", signature, body},
		{"absolute URI", key, "https://sidecar.example.com" + uri, signature, body},
		{"no URI", key, "", signature, body},
		{"no signature", key, uri, "", body},
		{"one bit of the signature", key, uri, string(changedBit), body},
		{"shortened signature", key, uri, signature[:27], body},
		{"lengthened signature", key, uri, signature + "=", body},
		{"signature with a line break", key, uri, signature[:14] + "\n" + signature[14:], body},
		{"signature in URL alphabet", key, uri, strings.NewReplacer("+", "-", "/", "_", "=", ".").Replace(signature), body},
		{"other account", twilio.NewKey("54321"), uri, signature, body},
		{"no account", nil, uri, signature, body},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if verifier.Webhook(tt.key, tt.uri, tt.sig, mustParseForm(t, tt.body)) {
				t.Error("accepted")
			}
		})
	}
}

func TestRule19_EmptyTokenAcceptsNothing(t *testing.T) {
	t.Parallel()
	verifier := twilio.NewVerifier(mustPublicURL(t, "https://h.example.com"))
	key := twilio.NewKey("")
	if verifier.Webhook(key, "/v", twilio.Sign("", "https://h.example.com/v", nil), nil) {
		t.Error("a webhook signed with the empty token is accepted")
	}
	if verifier.Handshake(key, "/v", twilio.Sign("", "wss://h.example.com/v", nil)) {
		t.Error("a handshake signed with the empty token is accepted")
	}
}

// The same account may sign for a host whose name begins like ours.
func TestRule19_RequestURICannotLengthenTheHost(t *testing.T) {
	t.Parallel()
	const token = "tok"
	verifier := twilio.NewVerifier(mustPublicURL(t, "https://h.example.com"))
	if verifier.Webhook(twilio.NewKey(token), ".evil.example/v", twilio.Sign(token, "https://h.example.com.evil.example/v", nil), nil) {
		t.Error("a webhook signed for another host is accepted")
	}
	if verifier.Handshake(twilio.NewKey(token), ".evil.example/v", twilio.Sign(token, "wss://h.example.com.evil.example/v", nil)) {
		t.Error("a handshake signed for another host is accepted")
	}
}

// Whatever pairs Twilio sends, they are all signed, and changing any byte of one is noticed.
func TestRule19_EveryPairIsSigned(t *testing.T) {
	t.Parallel()
	const token, address = "tok", "https://sidecar.example.com/twilio/voice"
	key := twilio.NewKey(token)
	verifier := twilio.NewVerifier(mustPublicURL(t, "https://sidecar.example.com"))
	rapid.Check(t, func(t *rapid.T) {
		values := url.Values{}
		for name, value := range rapid.MapOfN(rapid.String(), rapid.String(), 1, 20).Draw(t, "pairs") {
			values.Set(name, value)
		}
		signature := twilio.Sign(token, address, values)
		form, err := twilio.ParseForm([]byte(values.Encode()))
		if err != nil {
			t.Fatalf("ParseForm: %v", err)
		}
		if !verifier.Webhook(key, "/twilio/voice", signature, form) {
			t.Fatal("the form as it was signed is refused")
		}

		name := rapid.SampledFrom(slices.Sorted(maps.Keys(values))).Draw(t, "changed")
		values.Set(name, values.Get(name)+rapid.StringN(1, 3, -1).Draw(t, "suffix"))
		changed, err := twilio.ParseForm([]byte(values.Encode()))
		if err != nil {
			t.Fatalf("ParseForm: %v", err)
		}
		accepted := verifier.Webhook(key, "/twilio/voice", signature, changed)
		if accepted != (signature == twilio.Sign(token, address, values)) { // a suffix can make the same text
			t.Fatalf("changed form accepted = %v", accepted)
		}
	})
}

func TestWebhookTriesThePortBothWays(t *testing.T) {
	t.Parallel()
	const token = "tok"
	tests := []struct {
		public, signed string
		want           bool
	}{
		{"https://h.example.com", "https://h.example.com/v", true},
		{"https://h.example.com", "https://h.example.com:443/v", true},
		{"https://h.example.com", "https://h.example.com:8443/v", false},
		{"https://h.example.com", "http://h.example.com/v", false},
		{"https://h.example.com", "https://evil.example.com/v", false},
		{"https://h.example.com:8443", "https://h.example.com:8443/v", true},
		{"https://h.example.com:8443", "https://h.example.com/v", true},
		{"https://h.example.com:443", "https://h.example.com/v", true},
		{"http://h.example.com", "http://h.example.com:80/v", true},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080/v", true},
		{"https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443/v", true},
		{"https://[2001:db8::1]:8443", "https://[2001:db8::1]/v", true},
		{"https://[2001:db8::1]", "https://[2001:db8::1]:443/v", true},
		{"https://h.example.com/ringside", "https://h.example.com/ringside/v", true},
		{"https://h.example.com/ringside", "https://h.example.com:443/ringside/v", true},
		{"https://h.example.com/ringside", "https://h.example.com/v", false},
	}
	for _, tt := range tests {
		verifier := twilio.NewVerifier(mustPublicURL(t, tt.public))
		if got := verifier.Webhook(twilio.NewKey(token), "/v", twilio.Sign(token, tt.signed, nil), nil); got != tt.want {
			t.Errorf("public URL %s, signed %s: accepted = %v, want %v", tt.public, tt.signed, got, tt.want)
		}
	}
}

func TestHandshakeTriesWhatTwilioMaySign(t *testing.T) {
	t.Parallel()
	const token = "tok"
	tests := []struct {
		public, requestURI, signed string
		want                       bool
	}{
		{"https://h.example.com", "/relay", "wss://h.example.com/relay", true},
		{"https://h.example.com", "/relay", "wss://h.example.com/relay/", true},
		{"https://h.example.com", "/relay/", "wss://h.example.com/relay", true},
		{"https://h.example.com", "/relay", "wss://h.example.com:443/relay", true},
		{"https://h.example.com", "/relay", "https://h.example.com/relay", true},
		{"https://h.example.com:8443", "/relay", "wss://h.example.com:8443/relay", true},
		{"https://h.example.com:8443", "/relay", "wss://h.example.com/relay", true},
		{"https://h.example.com/p", "/relay", "wss://h.example.com/p/relay", true},
		{"http://127.0.0.1:8080", "/relay", "ws://127.0.0.1:8080/relay", true},
		{"https://h.example.com", "/relay?a=1", "wss://h.example.com/relay/?a=1", true},
		{"https://h.example.com", "/relay", "wss://h.example.com/stream", false},
		{"https://h.example.com", "/relay", "wss://h.example.com/relay//", false},
		{"https://h.example.com", "/relay", "ws://h.example.com/relay", false},
		{"https://h.example.com", "/relay?a=1", "wss://h.example.com/relay", false},
		{"https://h.example.com", "/relay", "wss://evil.example.com/relay", false},
	}
	for _, tt := range tests {
		verifier := twilio.NewVerifier(mustPublicURL(t, tt.public))
		if got := verifier.Handshake(twilio.NewKey(token), tt.requestURI, twilio.Sign(token, tt.signed, nil)); got != tt.want {
			t.Errorf("public URL %s, request %s, signed %s: accepted = %v, want %v", tt.public, tt.requestURI, tt.signed, got, tt.want)
		}
	}
}

// Twilio's libraries sign repeated names in two ways. Either is accepted, and nothing else.
func TestWebhookRepeatedNames(t *testing.T) {
	t.Parallel()
	const token, address = "tok", "https://h.example.com/v"
	const body = "B=2&A=z&A=a&A=z&C="
	tests := []struct {
		name, signedText string // what follows the URL
		want             bool
	}{
		{"first value only", "AzB2C", true},
		{"distinct values, sorted", "AaAzB2C", true},
		{"every value", "AzAaAzB2C", false},
		{"last value", "AaB2C", false},
		{"none", "B2C", false},
	}
	verifier := twilio.NewVerifier(mustPublicURL(t, "https://h.example.com"))
	for _, tt := range tests {
		signature := twilio.Sign(token, address+tt.signedText, nil)
		if got := verifier.Webhook(twilio.NewKey(token), "/v", signature, mustParseForm(t, body)); got != tt.want {
			t.Errorf("%s: accepted = %v, want %v", tt.name, got, tt.want)
		}
	}
	asSigned := twilio.Sign(token, address, url.Values{"B": {"2"}, "A": {"z", "a", "z"}, "C": {""}})
	if !verifier.Webhook(twilio.NewKey(token), "/v", asSigned, mustParseForm(t, body)) {
		t.Error("the signature that Sign makes is refused")
	}
}

func TestJSONBodyCoversTheBody(t *testing.T) {
	t.Parallel()
	const token = "tok"
	const sum = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // of {}
	verifier := twilio.NewVerifier(mustPublicURL(t, "https://h.example.com"))
	tests := []struct {
		name, uri, body string
		want            bool
	}{
		{"as signed", "/j?bodySHA256=" + sum, "{}", true},
		{"among others", "/j?a=1&bodySHA256=" + sum, "{}", true},
		{"other body", "/j?bodySHA256=" + sum, "{ }", false},
		{"no sum", "/j", "{}", false},
		{"empty sum", "/j?bodySHA256=", "", false},
		{"two sums", "/j?bodySHA256=" + sum + "&bodySHA256=" + sum, "{}", false},
		{"broken query", "/j?%zz&bodySHA256=" + sum, "{}", false},
	}
	for _, tt := range tests {
		signature := twilio.Sign(token, "https://h.example.com"+tt.uri, nil)
		if got := verifier.JSONBody(twilio.NewKey(token), tt.uri, signature, []byte(tt.body)); got != tt.want {
			t.Errorf("%s: accepted = %v, want %v", tt.name, got, tt.want)
		}
	}
	if verifier.JSONBody(twilio.NewKey(token), "/j?bodySHA256="+sum, twilio.Sign("other", "https://h.example.com/j?bodySHA256="+sum, nil), []byte("{}")) {
		t.Error("a body whose URL was signed with another token is accepted")
	}
}

// One key serves all requests of an account at once: no request may see another's form.
func TestKeyIsSharedBetweenRequests(t *testing.T) {
	t.Parallel()
	const token = "tok"
	key := twilio.NewKey(token)
	verifier := twilio.NewVerifier(mustPublicURL(t, "https://h.example.com"))
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 200 {
				value := strings.Repeat(fmt.Sprint(worker), i)
				form, err := twilio.ParseForm([]byte("A=" + value))
				if err != nil {
					t.Error(err)
					return
				}
				right := twilio.Sign(token, "https://h.example.com/v", url.Values{"A": {value}})
				wrong := twilio.Sign(token, "https://h.example.com/v", url.Values{"A": {value + "x"}})
				if !verifier.Webhook(key, "/v", right, form) || verifier.Webhook(key, "/v", wrong, form) {
					t.Errorf("worker %d, request %d: wrong verdict", worker, i)
				}
			}
		})
	}
	wg.Wait()
}

func TestRule21_KeyNeverPrintsItsToken(t *testing.T) {
	t.Parallel()
	const token = "b7e151628aed2a6abf7158809cf4f3c7"
	key := twilio.NewKey(token)
	twilio.NewVerifier(mustPublicURL(t, "https://h.example.com")).Webhook(key, "/v", strings.Repeat("A", 28), nil)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		printed := fmt.Sprintf(verb, key)
		if strings.Contains(printed, token) || strings.Contains(printed, fmt.Sprintf("%x", token)) {
			t.Errorf("%s prints the token", verb)
		}
	}
}
