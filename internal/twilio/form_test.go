package twilio_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/problem"
	"ringside/internal/twilio"
)

func TestParseForm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		get        map[string]string
		names      []string
	}{
		{"empty", "", map[string]string{"A": ""}, nil},
		{"plain", "To=x&From=y", map[string]string{"To": "x", "From": "y", "from": "", "": ""}, []string{"From", "To"}},
		{"escapes", "From=%2B1415+5%e4%BD%a0", map[string]string{"From": "+1415 5你"}, []string{"From"}},
		{"escaped name", "A%26B=1", map[string]string{"A&B": "1", "A": ""}, []string{"A&B"}},
		{"empty value", "A=&B", map[string]string{"A": "", "B": ""}, []string{"A", "B"}},
		{"equals sign in value", "A=b=c", map[string]string{"A": "b=c"}, []string{"A"}},
		{"empty name", "=x", map[string]string{"": "x"}, []string{""}},
		{"empty parts", "&&A=1&&", map[string]string{"A": "1"}, []string{"A"}},
		{"first of repeated", "A=2&B=0&A=1", map[string]string{"A": "2"}, []string{"A", "B"}},
		{"escaped semicolon", "A=%3B", map[string]string{"A": ";"}, []string{"A"}},
		{"invalid UTF-8 is kept", "A=%ff%00", map[string]string{"A": "\xff\x00"}, []string{"A"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := mustParseForm(t, tt.body)
			for name, want := range tt.get {
				if got := f.Get(name); got != want {
					t.Errorf("Get(%q) = %q, want %q", name, got, want)
				}
			}
			if diff := cmp.Diff(tt.names, f.Names()); diff != "" {
				t.Errorf("Names (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseFormRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"bare semicolon":         "A=1;B=2",
		"semicolon in name":      "A;B=2",
		"cut escape":             "A=%2",
		"lone percent":           "A=100%",
		"escape of no hex digit": "A=%2G",
		"broken name":            "%zz=secret",
		"too many pairs":         strings.Repeat("a=b&", twilio.MaxPairs+1),
		"too long":               "a=" + strings.Repeat("b", twilio.MaxForm),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := twilio.ParseForm([]byte(body))
			p, ok := errors.AsType[*problem.Error](err)
			if !ok || p.Code != problem.CodeInvalid {
				t.Fatalf("ParseForm = %v, %v; want an invalid problem", f, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows what was sent: %v", err)
			}
		})
	}
}

func TestParseFormTakesAsMuchAsItSays(t *testing.T) {
	t.Parallel()
	if _, err := twilio.ParseForm([]byte(strings.Repeat("a=b&", twilio.MaxPairs))); err != nil {
		t.Errorf("%d pairs: %v", twilio.MaxPairs, err)
	}
	long := mustParseForm(t, "a="+strings.Repeat("b", twilio.MaxForm-2))
	if got := len(long.Get("a")); got != twilio.MaxForm-2 {
		t.Errorf("long value has %d bytes", got)
	}
}

func TestFormText(t *testing.T) {
	t.Parallel()
	tests := []struct{ sent, want string }{
		{"Alex", "Alex"},
		{"Zoë 你好 👋", "Zoë 你好 👋"},
		{"two\nlines\tand a tab", "two lines and a tab"},
		{"nul\x00 bell\a del\x7f c1\u0085", "nul bell del c1"},
		{"broken \xff\xfe UTF-8", "broken \uFFFD\uFFFD UTF-8"},
		{"", ""},
	}
	for _, tt := range tests {
		f := mustParseForm(t, url.Values{"Name": {tt.sent}}.Encode())
		if got := f.Text("Name"); got != tt.want {
			t.Errorf("Text of %q = %q, want %q", tt.sent, got, tt.want)
		}
		if got := f.Get("Name"); got != tt.sent {
			t.Errorf("Get of %q = %q", tt.sent, got)
		}
	}
}

// Names are logged before anybody vouches for the request.
func TestRule21_NamesHoldNoValuesAndAreBounded(t *testing.T) {
	t.Parallel()
	f := mustParseForm(t, "From=%2B14155550123&Evil%0Aline=secret&"+strings.Repeat("N", 1000)+"=secret")
	want := []string{"Evil line", "From", strings.Repeat("N", 64)}
	if diff := cmp.Diff(want, f.Names()); diff != "" {
		t.Errorf("Names (-want +got):\n%s", diff)
	}
	var many []string
	for i := range twilio.MaxPairs {
		many = append(many, fmt.Sprintf("n%d=", i))
	}
	if got := len(mustParseForm(t, strings.Join(many, "&")).Names()); got != 100 {
		t.Errorf("%d names, want 100", got)
	}
}

// FuzzParseForm compares ParseForm with net/url: the same bodies are read, with the same values.
func FuzzParseForm(f *testing.F) {
	for _, v := range loadVectors(f).Twilio {
		if strings.HasSuffix(v.File, ".form") {
			f.Add(readTestdata(f, v.File))
		}
	}
	for _, seed := range []string{"", "&", "=", "a=%", "a=%4", "a;b", "a=1&a=2&A=3", "%ff=%00", "a+b=c+d", "a==b&&c"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		values, wantErr := url.ParseQuery(string(body))
		pairs := 0
		for _, v := range values {
			pairs += len(v)
		}
		form, err := twilio.ParseForm(body)
		if len(body) > twilio.MaxForm || pairs > twilio.MaxPairs {
			if err == nil {
				t.Fatalf("read a form of %d bytes and %d pairs", len(body), pairs)
			}
			return
		}
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("error = %v, net/url says %v", err, wantErr)
		}
		if err != nil {
			return
		}
		for name, want := range values {
			if got := form.Get(name); got != want[0] {
				t.Errorf("Get(%q) = %q, want %q", name, got, want[0])
			}
			text := form.Text(name)
			if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("Text(%q) = %q is not safe to store", name, text)
			}
		}
		names := form.Names()
		if len(names) > len(values) || !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("names are not sorted and distinct: %q", names)
		}
	})
}
