package dashboard

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringside/internal/member"
)

var _ = sample(&signInPage{OIDC: "/signin/oidc?next=%2F"})

// identity is an identity provider that signs in whoever the test says.
type identity struct {
	t      *testing.T
	url    string
	key    *ecdsa.PrivateKey
	claims map[string]any // of the next ID token, beside those that every token has
	asked  url.Values     // of the browser's last visit
}

const clientID, clientSecret = "ringside", "a secret between the two"

func newIdentity(t *testing.T) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &identity{t: t, key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.write(w, map[string]any{"issuer": p.url, "authorization_endpoint": p.url + "/authorize", "token_endpoint": p.url + "/token", "jwks_uri": p.url + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"}, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		public, err := key.PublicKey.Bytes()
		if err != nil {
			t.Error(err)
			return
		}
		p.write(w, map[string]any{"keys": []map[string]string{{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", "x": b64(public[1:33]), "y": b64(public[33:])}}})
	})
	mux.HandleFunc("POST /token", p.token)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

func (p *identity) write(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		p.t.Error(err)
	}
}

// token exchanges the code, for whoever has the verifier of the challenge.
func (p *identity) token(w http.ResponseWriter, r *http.Request) {
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	id, secret, _ := r.BasicAuth()
	if b64(sum[:]) != p.asked.Get("code_challenge") || id != clientID || secret != url.QueryEscape(clientSecret) || r.PostFormValue("code") != "the-code" {
		http.Error(w, `{"error": "invalid_grant"}`, http.StatusBadRequest)
		return
	}
	claims := map[string]any{"iss": p.url, "aud": clientID, "sub": "1", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "nonce": p.asked.Get("nonce")}
	for name, value := range p.claims {
		claims[name] = value
	}
	body, err := json.Marshal(claims)
	if err != nil {
		p.t.Error(err)
	}
	signed := b64([]byte(`{"alg":"ES256","kid":"1"}`)) + "." + b64(body)
	digest := sha256.Sum256([]byte(signed))
	first, second, err := ecdsa.Sign(rand.Reader, p.key, digest[:])
	if err != nil {
		p.t.Error(err)
	}
	signature := append(first.FillBytes(make([]byte, 32)), second.FillBytes(make([]byte, 32))...)
	p.write(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": signed + "." + b64(signature)})
}

// visit goes to the provider and back, as a browser does; change may change what comes back.
func (p *identity) visit(b *browser, next string, change func(url.Values)) answer {
	p.t.Helper()
	to := b.get(oidcPath + "?next=" + url.QueryEscape(next))
	if to.status != http.StatusSeeOther || !strings.HasPrefix(to.location, p.url+"/authorize?") {
		p.t.Fatalf("%d to %q\n%s", to.status, to.location, to.body)
	}
	at, err := url.Parse(to.location)
	if err != nil {
		p.t.Fatal(err)
	}
	p.asked = at.Query()
	back := url.Values{"code": {"the-code"}, "state": {p.asked.Get("state")}}
	if change != nil {
		change(back)
	}
	return b.get(oidcPath + "/return?" + back.Encode())
}

func TestSigningInByAnIdentityProvider(t *testing.T) {
	t.Parallel()
	p := newIdentity(t)
	s := open(t, func(d *Dashboard) { d.OIDC = &OIDC{Issuer: p.url, ClientID: clientID, ClientSecret: clientSecret} })
	s.invite("robin@example.com", member.Viewer)
	s.nobody().get("/signin").wants(t, http.StatusOK, "Sign in with your organisation", oidcPath)

	p.claims = map[string]any{"email": "Robin@Example.com", "email_verified": true}
	b := s.nobody()
	if a := p.visit(b, "/contacts?q=x", nil); a.status != http.StatusSeeOther || a.location != "/contacts?q=x" {
		t.Fatalf("%d to %q\n%s", a.status, a.location, a.body)
	}
	b.get("/contacts").wants(t, http.StatusOK, "robin@example.com")
	if a := p.visit(s.nobody(), "https://evil.example/", nil); a.location != "/" {
		t.Errorf("sent to %q", a.location)
	}

	for _, c := range []struct {
		name   string
		claims map[string]any
		change func(url.Values)
		want   string
		status int
	}{
		{"nobody's address", map[string]any{"email": "eve@example.com", "email_verified": true}, nil, "Nobody with this e-mail address", http.StatusUnauthorized},
		{"an address that is not verified", map[string]any{"email": "robin@example.com"}, nil, "has not verified", http.StatusForbidden},
		{"a token for another program", map[string]any{"email": "robin@example.com", "email_verified": true, "aud": "another"}, nil, "could not be used", http.StatusForbidden},
		{"an old token", map[string]any{"email": "robin@example.com", "email_verified": true, "exp": 1}, nil, "could not be used", http.StatusForbidden},
		{"another's nonce", map[string]any{"email": "robin@example.com", "email_verified": true, "nonce": "another"}, nil, "could not be used", http.StatusForbidden},
		{"another issuer", map[string]any{"email": "robin@example.com", "email_verified": true, "iss": "https://evil.example"}, nil, "could not be used", http.StatusForbidden},
		{"another state", nil, func(v url.Values) { v.Set("state", "another") }, "does not belong", http.StatusForbidden},
		{"another code", nil, func(v url.Values) { v.Set("code", "another") }, "could not be used", http.StatusForbidden},
		{"a refusal", nil, func(v url.Values) { v.Set("error", "access_denied") }, "did not sign you in", http.StatusForbidden},
	} {
		p.claims = c.claims
		b := s.nobody()
		if a := p.visit(b, "/", c.change); a.status != c.status || !strings.Contains(a.body, c.want) {
			t.Errorf("%s: %d\n%s", c.name, a.status, a.body)
		}
		if a := b.get("/contacts"); a.status != http.StatusSeeOther {
			t.Errorf("%s signs in", c.name)
		}
	}
	// What was begun is good for one return.
	b = s.nobody()
	p.claims = map[string]any{"email": "robin@example.com", "email_verified": true}
	p.visit(b, "/", nil)
	b.get(oidcPath+"/return?code=the-code&state="+p.asked.Get("state")).wants(t, http.StatusForbidden, "does not belong")
	s.nobody().get(oidcPath+"/return?code=x&state=").wants(t, http.StatusForbidden, "does not belong")
}

func TestIdentityProviderThatIsAway(t *testing.T) {
	t.Parallel()
	s := open(t, func(d *Dashboard) { d.OIDC = &OIDC{Issuer: "http://127.0.0.1:1", ClientID: clientID} })
	s.nobody().get("/signin").wants(t, http.StatusOK)
	s.nobody().get(oidcPath).wants(t, http.StatusServiceUnavailable, "cannot be reached just now", "sign in with your password")
}
