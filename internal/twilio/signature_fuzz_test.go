package twilio_test

import (
	"net/url"
	"testing"

	"github.com/twilio/twilio-go/client"

	"ringside/internal/twilio"
)

// FuzzSignature compares Webhook with the validator of twilio-go, on a public URL without a port.
//
// Both must agree on every request, except for these, where only the weaker claim is made that what
// twilio-go accepts is accepted (and where noted not even that):
//
//   - repeated names: twilio-go signs the first value only, here also the sorted distinct values;
//   - request URIs that net/url does not print as it read them: twilio-go changes them when it puts
//     the port in, here the bytes are signed as they came (no claim);
//   - request URIs that net/url cannot read or that hold a fragment (no claim);
//   - bodySHA256 in the query: there a form is no longer read as one (no claim);
//   - forms beyond our limits, which are refused before (no claim);
//   - an empty token, which accepts nothing here (no claim).
//
// A raw semicolon is refused by both. IPv6 hosts with a port, which twilio-go splits at the first
// colon, are not reached: the host here is a name.
func FuzzSignature(f *testing.F) {
	all := loadVectors(f)
	for _, v := range all.Twilio {
		if v.Method == "POST" {
			_, requestURI := splitURL(f, v.URL)
			f.Add(all.Token, requestURI, readTestdata(f, v.File), v.Signature)
		}
	}
	f.Add("12345", "/a?b=c&d=%2F", []byte("A=1&A=2&B=%ff;"), "")
	f.Add("12345", "/a//b/", []byte("=&&x&=y&+=%00"), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	f.Add("12345", "/a", []byte("z=1&Z=2&%7A1=&z=3"), "")

	const base = "https://sidecar.example.com"
	verifier := twilio.NewVerifier(mustPublicURL(f, base))
	f.Fuzz(func(t *testing.T, token, requestURI string, body []byte, otherSignature string) {
		if token == "" || requestURI == "" || requestURI[0] != '/' || !sameWhenReprinted(base+requestURI) {
			return
		}
		form, err := twilio.ParseForm(body)
		values, parseErr := url.ParseQuery(string(body))
		if err != nil || parseErr != nil {
			return // FuzzParseForm compares the errors
		}
		repeated := false
		for _, v := range values {
			repeated = repeated || len(v) > 1
		}
		key, theirs := twilio.NewKey(token), client.NewRequestValidator(token)
		signatures := []string{
			otherSignature,
			twilio.Sign(token, base+requestURI, values),
			twilio.Sign(token, base+":443"+requestURI, values),
			twilio.Sign(token, base+":8443"+requestURI, values),
			twilio.Sign(token, base+requestURI, firstValues(values)),
			twilio.Sign(token, base+requestURI+"/", values),
			twilio.Sign(token+"x", base+requestURI, values),
			twilio.Sign(token, base+requestURI, nil),
		}
		for i, signature := range signatures {
			ours := verifier.Webhook(key, requestURI, signature, form)
			library := theirs.ValidateBody(base+requestURI, body, signature)
			if library && !ours || ours && !library && !repeated {
				t.Errorf("signature %d: accepted = %v, twilio-go says %v", i, ours, library)
			}
		}
		if !verifier.Webhook(key, requestURI, signatures[1], form) {
			t.Error("the signature of Sign is refused")
		}
	})
}

// sameWhenReprinted reports whether twilio-go signs the URL as it stands.
func sameWhenReprinted(rawURL string) bool {
	u, err := url.Parse(rawURL)
	return err == nil && u.String() == rawURL && u.Fragment == "" && u.Host == "sidecar.example.com" &&
		u.Query().Get("bodySHA256") == ""
}

func firstValues(values url.Values) url.Values {
	first := url.Values{}
	for name, all := range values {
		first.Set(name, all[0])
	}
	return first
}
