package phone_test

import (
	"encoding/json"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ringside/internal/phone"
)

// strictForm is the form of a Number written another way than the code under test.
var strictForm = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func TestStrictTakesE164AsItStands(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want bool
	}{
		{"+14155551200", true},
		{"+442079460123", true},
		{"+6834002", true},
		{"+123456789012345", true},
		{"+80012345678", true},
		{"", false},
		{"+", false},
		{"+123456", false},
		{"+1234567890123456", false},
		{"+04155551200", false},
		{"14155551200", false},
		{" +14155551200", false},
		{"+14155551200 ", false},
		{"+14155551200\n", false},
		{"++14155551200", false},
		{"+1415555120O", false},
		{"+1 4155551200", false},
		{"+1415555120٣", false},
		{"＋14155551200", false},
		{"whatsapp:+14155551200", false},
	}
	for _, tt := range tests {
		got, ok := phone.Strict(tt.in)
		if ok != tt.want {
			t.Errorf("Strict(%q) ok = %v, want %v", tt.in, ok, tt.want)
		}
		if want := map[bool]string{true: tt.in}[tt.want]; got.String() != want {
			t.Errorf("Strict(%q) = %q, want %q", tt.in, got, want)
		}
	}
}

func TestStrictAgreesWithThePattern(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.StringMatching(`\+?[0-9 ]{5,17}`), rapid.String()).Draw(t, "s")
		if _, ok := phone.Strict(s); ok != strictForm.MatchString(s) {
			t.Fatalf("Strict(%q) ok = %v, the pattern says otherwise", s, ok)
		}
	})
}

func TestUnmarshalTextIsStrict(t *testing.T) {
	t.Parallel()
	var got struct {
		Phone    phone.Number            `json:"phone"`
		Absent   phone.Number            `json:"absent"`
		ByNumber map[phone.Number]string `json:"by_number"`
	}
	body := `{"phone": "+14155551200", "absent": "", "by_number": {"+12025550133": "Jamie"}}`
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Phone != "+14155551200" || got.Absent != "" || got.ByNumber["+12025550133"] != "Jamie" {
		t.Errorf("decoded %+v", got)
	}

	for _, bad := range []string{"4155551200", "+1 415 555 1200", "anonymous", "+1415555120x", " "} {
		n := phone.Number("+12025550133")
		err := n.UnmarshalText([]byte(bad))
		if err == nil || n != "+12025550133" {
			t.Errorf("UnmarshalText(%q) = %v and left %q, want an error and the old value", bad, err, n)
		}
	}
	if err := json.Unmarshal([]byte(`{"phone": "+1 415 555 1200"}`), &got); err == nil || !strings.Contains(err.Error(), "E.164") {
		t.Errorf("decoding a number with spaces: error %v, want one that names E.164", err)
	}
}

func TestMasked(t *testing.T) {
	t.Parallel()
	tests := map[phone.Number]string{
		"":                 "",
		"+14155551200":     "+1415•••1200",
		"+123456789012345": "+1234•••2345",
		"+4930123456":      "+493•••456",
		"+298201234":       "+298•••234",
		"+24740123":        "+24•••23",
		"+6834002":         "+68•••02",
		"anonymous":        "•••",
		"+1415":            "•••",
		"Alex Chen":        "•••",
	}
	for n, want := range tests {
		if got := n.Masked(); got != want {
			t.Errorf("Number(%q).Masked() = %q, want %q", string(n), got, want)
		}
	}
}

func TestReadableAndCountry(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in                phone.Number
		readable, country string
	}{
		{"", "", ""},
		{"+14155551200", "+1 415-555-1200", "US"},
		{"+14165550123", "+1 416-555-0123", "CA"},
		{"+442079460123", "+44 20 7946 0123", "GB"},
		{"+390612345678", "+39 06 1234 5678", "IT"},
		{"+80012345678", "+800 1234 5678", ""}, // freephone of no country
		{"+9991234567", "+9991234567", ""},     // no such calling code
		{"+114155551200", "+114155551200", ""}, // must not be shown as +1 415-555-1200
		{"anonymous", "anonymous", ""},
	}
	for _, tt := range tests {
		if got := tt.in.Readable(); got != tt.readable {
			t.Errorf("Number(%q).Readable() = %q, want %q", string(tt.in), got, tt.readable)
		}
		if got := tt.in.Country(); got != tt.country {
			t.Errorf("Number(%q).Country() = %q, want %q", string(tt.in), got, tt.country)
		}
	}
}

func TestValidCountry(t *testing.T) {
	t.Parallel()
	for iso, want := range map[string]bool{
		"US": true, "GB": true, "DE": true, "XK": true,
		"": false, "us": false, "UK": false, "ZZ": false, "001": false, "USA": false, "U": false,
	} {
		if got := phone.ValidCountry(iso); got != want {
			t.Errorf("ValidCountry(%q) = %v, want %v", iso, got, want)
		}
	}
}

func TestRule21_NumbersAreMaskedInLogs(t *testing.T) {
	t.Parallel()
	const n = phone.Number("+14155551200")
	_, refused := phone.Parse("+1 415 555 1200 ext. 7", "US")
	tests := []struct {
		name  string
		value any
		want  string
	}{
		{"number", n, "+1415•••1200"},
		{"caller", phone.Classify(string(n)), "+1415•••1200"},
		{"caller on WhatsApp", phone.Classify("whatsapp:" + string(n)), "whatsapp:+1415•••1200"},
		{"caller who lost the plus", phone.Classify("14155551200"), "other"},
		{"SIP user", phone.Classify("sip:" + string(n) + "@example.com"), "sip"},
		{"client", phone.Classify("client:" + string(n)), "client"},
		{"RCS user", phone.Classify("rcs:" + string(n)), "channel"},
		{"name in letters", phone.Classify("CHEN ALEX"), "alphanumeric"},
		{"short code", phone.Classify("262966"), "262966"},
		{"refused input", refused, "phone number refused: extension"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var text, encoded strings.Builder
			slog.New(slog.NewTextHandler(&text, nil)).Info("call", "value", tt.value)
			slog.New(slog.NewJSONHandler(&encoded, nil)).Info("call", "value", tt.value)
			for _, line := range []string{text.String(), encoded.String()} {
				if !strings.Contains(line, tt.want) {
					t.Errorf("logged %q, want %q in it", line, tt.want)
				}
				for _, leak := range []string{"4155551200", "415 555 1200", "CHEN"} {
					if strings.Contains(line, leak) {
						t.Errorf("logged %q, which shows %q", line, leak)
					}
				}
			}
		})
	}
}

func TestRule21_EveryMaskHidesThreeDigitsAndIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := phone.Number(rapid.StringMatching(`\+[1-9][0-9]{6,14}`).Draw(t, "n"))
		masked := n.Masked()
		if masked != phone.Number(strings.Clone(string(n))).Masked() {
			t.Fatalf("%q is masked in two ways", string(n))
		}
		start, end, ok := strings.Cut(masked, "•••")
		if !ok || !strings.HasPrefix(string(n), start) || !strings.HasSuffix(string(n), end) {
			t.Fatalf("%q is masked as %q", string(n), masked)
		}
		if hidden := len(n) - len(start) - len(end); hidden < 3 {
			t.Fatalf("%q hides %d digits of %q, want at least 3", masked, hidden, string(n))
		}
		if len(end) < 2 || len(end) > 4 {
			t.Fatalf("%q shows %d digits at the end of %q, want 2 to 4", masked, len(end), string(n))
		}
	})
}
