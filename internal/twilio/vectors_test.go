package twilio_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringside/internal/twilio"
)

// vectors are requests with the signatures that Twilio's own libraries accept (testdata/signatures.json).
type vectors struct {
	Documented []struct {
		Token     string `json:"auth_token"`
		URL       string `json:"url"`
		Form      string `json:"form"`
		Signature string `json:"signature"`
	} `json:"doc_vectors"`
	Twilio []vector `json:"twilio"`
	Token  string   `json:"twilio_auth_token"`
}

type vector struct {
	File      string `json:"file"` // the body, or "" for none
	Method    string `json:"method"`
	URL       string `json:"url"`
	Signature string `json:"signature"`
	Note      string `json:"note"`
}

func (v vector) negative() bool { return strings.HasPrefix(v.Note, "NEGATIVE") }

func (v vector) name() string { return strings.Join([]string{v.Method, v.File, v.URL}, " ") }

func loadVectors(tb testing.TB) vectors {
	tb.Helper()
	var v vectors
	if err := json.Unmarshal(readTestdata(tb, "signatures.json"), &v); err != nil {
		tb.Fatalf("read signature vectors: %v", err)
	}
	if len(v.Twilio) == 0 || len(v.Documented) == 0 {
		tb.Fatal("signatures.json has no vectors")
	}
	return v
}

func readTestdata(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatalf("read test data: %v", err)
	}
	return b
}

// splitURL returns the public URL that a request to rawURL came in for, without a path, and the
// request URI.
func splitURL(tb testing.TB, rawURL string) (twilio.PublicURL, string) {
	tb.Helper()
	rawURL = strings.Replace(rawURL, "wss://", "https://", 1)
	scheme, rest, _ := strings.Cut(rawURL, "://")
	host, path, _ := strings.Cut(rest, "/")
	return mustPublicURL(tb, scheme+"://"+host), "/" + path
}

func mustPublicURL(tb testing.TB, raw string) twilio.PublicURL {
	tb.Helper()
	p, err := twilio.ParsePublicURL(raw)
	if err != nil {
		tb.Fatalf("ParsePublicURL(%q): %v", raw, err)
	}
	return p
}

func mustParseForm(tb testing.TB, body string) *twilio.Form {
	tb.Helper()
	f, err := twilio.ParseForm([]byte(body))
	if err != nil {
		tb.Fatalf("ParseForm(%q): %v", body, err)
	}
	return f
}
