package dashboard

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

// ask gets a file as a browser does that takes what is compressed, or not.
func ask(address, encoding string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, address, nil)
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	loadAssets().ServeHTTP(w, r)
	return w.Result()
}

func TestAssets(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]string{"ringside.css": "text/css", "ringside.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		address := loadAssets().path(name)
		if !regexp.MustCompile(`^/assets/[a-z]+\.[0-9a-f]{12}\.[a-z]+$`).MatchString(address) {
			t.Errorf("%s is at %q, which does not change with its content", name, address)
		}
		want, err := os.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		plain, packed := ask(address, ""), ask(address, "br, gzip")
		for _, answer := range []*http.Response{plain, packed} {
			h := answer.Header
			if answer.StatusCode != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), kind) || h.Get("X-Content-Type-Options") != "nosniff" ||
				!strings.Contains(h.Get("Cache-Control"), "immutable") || h.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: %d %v", name, answer.StatusCode, h)
			}
		}
		if got, _ := io.ReadAll(plain.Body); !bytes.Equal(got, want) {
			t.Errorf("%s is not sent as it is", name)
		}
		var body io.Reader = packed.Body
		if packed.Header.Get("Content-Encoding") == "gzip" {
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		} else if len(want) > 1000 {
			t.Errorf("%s is sent uncompressed", name)
		}
		if got, _ := io.ReadAll(body); !bytes.Equal(got, want) {
			t.Errorf("%s is not sent as it is when compressed", name)
		}
	}
}

// What comes from the npm registry is served if the program was built with it, and missed by nobody
// otherwise; what is beside it is not served.
func TestVendoredAssets(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"vendor/htmx.min.js", "vendor/sse.js"} {
		_, err := os.Stat("assets/" + name)
		if built := err == nil; loadAssets().has(name) != built {
			t.Errorf("%s: has says %v", name, !built)
		} else if built && ask(loadAssets().path(name), "gzip").StatusCode != http.StatusOK {
			t.Errorf("%s is not served", name)
		}
	}
	for _, name := range []string{"vendor/README", "vendor/htmx.LICENSE", "no.css"} {
		if loadAssets().has(name) {
			t.Errorf("%s is served", name)
		}
	}
	for _, address := range []string{"/assets/", "/assets/ringside.css", "/assets/ringside.000000000000.css", "/assets/../web/package.json"} {
		if status := ask(address, "").StatusCode; status != http.StatusNotFound {
			t.Errorf("%s: %d", address, status)
		}
	}
}
