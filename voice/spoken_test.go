package voice

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReadSpoken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, message string
		want          spoken
		ok, scanned   bool
	}{
		{"a token", `{"type":"text","token":"Hello ","last":false}`, spoken{"Hello ", false}, true, true},
		{"the last", `{"type":"text","token":"you.","last":true}`, spoken{"you.", true}, true, true},
		{"without last", `{"type":"text","token":"x"}`, spoken{"x", false}, true, true},
		{"with space and more", " { \"type\" : \"text\", \"token\" : \"a\" ,\n\"last\":true, \"interruptible\": false, \"lang\":\"en-US\"} ", spoken{"a", true}, true, true},
		{"the later of two", `{"type":"play","type":"text","token":"a","token":"b"}`, spoken{"b", false}, true, true},
		{"escapes", `{"type":"text","token":"\u00e9 \"x\"","last":true}`, spoken{`é "x"`, true}, true, false},
		{"other scripts", `{"type":"text","token":"Grüße","last":true}`, spoken{"Grüße", true}, true, false},
		{"capitals", `{"TYPE":"text","Token":"x"}`, spoken{"x", false}, true, false},
		{"nested", `{"type":"text","token":"x","meta":{"token":"y"}}`, spoken{"x", false}, true, false},
		{"null", `{"type":"text","token":"x","last":null}`, spoken{"x", false}, true, false},
		{"another type", `{"type":"play","source":"https://x.example/text"}`, spoken{}, false, true},
		{"a wrong form", `{"type":"text","token":true}`, spoken{}, false, false},
		{"something behind it", `{"type":"text","token":"x"}}`, spoken{}, false, false},
		{"cut off", `{"type":"text","token":"x"`, spoken{}, false, false},
		{"a comma too many", `{"type":"text","token":"x",}`, spoken{}, false, false},
		{"no object", `"text"`, spoken{}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			piece, ok := readSpoken([]byte(tt.message))
			if ok != tt.ok || ok && piece != tt.want {
				t.Errorf("read %+v, %t; want %+v, %t", piece, ok, tt.want, tt.ok)
			}
			if _, _, scanned := scanSpoken([]byte(tt.message)); scanned != tt.scanned {
				t.Errorf("scanned in place: %t, want %t", scanned, tt.scanned)
			}
		})
	}
}

// What is read in place is what the JSON decoder reads.
func FuzzSpoken(f *testing.F) {
	for _, message := range []string{`{"type":"text","token":"Hello ","last":false}`, `{"type":"text","last":true}`, `{ "type" : "text" , "a" : true }`, `{"type":"text","":"x"}`, `{}`, `{"a":tru}`} {
		f.Add([]byte(message))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		kind, piece, read := scanSpoken(message)
		if !read {
			return
		}
		var want struct {
			Type, Token string
			Last        bool
		}
		if err := json.Unmarshal(message, &want); err != nil {
			t.Fatalf("%q is read, but is no JSON: %v", message, err)
		}
		if got := (spoken{want.Token, want.Last}); kind != want.Type || piece != got {
			t.Errorf("%q is read as %q %+v, want %q %+v", message, kind, piece, want.Type, got)
		}
		if !utf8.Valid(message) || strings.Contains(piece.token, "\\") {
			t.Errorf("%q is read in place", message)
		}
	})
}
