package phone_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/phone"
)

// keypadWords are the withheld callers that look like numbers (Twilio, before November 2022).
var keypadWords = []string{"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253", "+464"}

func TestClassifyNumbers(t *testing.T) {
	t.Parallel()
	for _, n := range []phone.Number{
		"+14155550123", "+442079460123", "+12125550199", "+6834002",
		"+17378742833",  // spells 1-RESTRICTED, and is a number in Texas
		"+15005550006",  // Twilio's magic number
		"+999123456789", // no such country: the form alone decides on the path of a call
	} {
		want := phone.Address{Raw: string(n), Class: phone.ClassNumber, Number: n}
		if diff := cmp.Diff(want, phone.Classify(string(n))); diff != "" {
			t.Errorf("Classify(%q) (-want +got):\n%s", string(n), diff)
		}
		want.Raw, want.Channel = "whatsapp:"+string(n), phone.ChannelWhatsApp
		if diff := cmp.Diff(want, phone.Classify(want.Raw)); diff != "" {
			t.Errorf("Classify(%q) (-want +got):\n%s", want.Raw, diff)
		}
	}
}

func TestRule05_WhatIsNoPersonsNumberHasNone(t *testing.T) {
	t.Parallel()
	forms := map[phone.Class][]string{
		phone.ClassWithheld: append([]string{
			"", " ", "\t", "anonymous", "Anonymous", "ANONYMOUS", " anonymous ", "restricted", "RESTRICTED",
			"unknown", "Unavailable", "private", "Blocked", "WITHHELD",
		}, keypadWords...),
		phone.ClassClient: {"client:agent_7", "client:+14155550123", "client:"},
		phone.ClassSIP: {
			"sip:alice@example.com", "sip:+14155550123@example.com;user=phone", "sip:+14155550123",
			"sips:+14155550123@example.com", "sip:anonymous@anonymous.invalid",
		},
		phone.ClassSIM:          {"sim:HS00000000000000000000000000000001", "sim:+14155550123"},
		phone.ClassShortCode:    {"262966", "72975", "911", "12345678"},
		phone.ClassAlphanumeric: {"SUPPORT", "Acme", "A", "AT&T", "Store 24", "1-800-FLOWE", "JOHN SMITH"},
		phone.ClassChannel: {
			"rcs:+14155550123", "rcs:acme_agent", "messenger:1234567890", "messenger:+14155550123",
			"whatsapp:BR.1234567890abcdef", "whatsapp:", "whatsapp: +14155550123", "whatsapp:14155550123",
			"whatsapp:anonymous", "whatsapp:+266696687",
		},
		phone.ClassOther: {
			" 14155550123", "14155550123", " +14155550123", "+14155550123 ", "+1 415 555 0123", "+14155550123;ext=12",
			"+123456", "+1234567890123456", "+0123456789", "+", "12", "123456789", "++14155550123", "＋14155550123",
			"+1415555012３", "٣٤٥٦٧", "tel:+14155550123", "WhatsApp:+14155550123", "Whatsapp:x",
			"BR.1234567890abcdef", "A LONG SENDER", "Müller", "+-&_", "266696687", "\x00", "\xff\xfe", strings.Repeat("9", 1<<16),
		},
	}
	for class, raws := range forms {
		for _, raw := range raws {
			got := phone.Classify(raw)
			if got.Class != class || got.Number != "" || got.Raw != raw {
				t.Errorf("Classify(%.40q) = class %q, number %q, raw %.40q; want class %q, no number, the raw value",
					raw, got.Class, got.Number, got.Raw, class)
			}
			wantChannel := ""
			if strings.HasPrefix(raw, "whatsapp:") {
				wantChannel = phone.ChannelWhatsApp
			}
			if got.Channel != wantChannel {
				t.Errorf("Classify(%.40q).Channel = %q, want %q", raw, got.Channel, wantChannel)
			}
		}
	}
}

func FuzzClassify(f *testing.F) {
	for _, seed := range append([]string{
		"+14155550123", " 14155550123", "whatsapp:+14155550123", "whatsapp:BR.123", "whatsapp:whatsapp:+14155550123",
		"anonymous", "", "262966", "SUPPORT", "client:bob", "sip:+14155550123@example.com", "rcs:+14155550123", "\xff",
	}, keypadWords...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := phone.Classify(raw)
		if got.Raw != raw {
			t.Fatalf("Classify(%q) kept %q", raw, got.Raw)
		}
		value := strings.TrimPrefix(raw, "whatsapp:")
		person := strictForm.MatchString(value)
		for _, word := range keypadWords {
			person = person && value != word
		}
		if (got.Class == phone.ClassNumber) != person || (got.Number != "") != person {
			t.Fatalf("Classify(%q) = %q with number %q, want a number: %v", raw, got.Class, got.Number, person)
		}
		if person && string(got.Number) != value {
			t.Fatalf("Classify(%q) has number %q, want %q", raw, got.Number, value)
		}
		if logged := got.LogValue().String(); person && strings.Contains(logged, value) {
			t.Fatalf("Classify(%q) is logged as %q", raw, logged)
		}
	})
}

// Not parallel: AllocsPerRun counts what the whole process allocates.
func TestTheHotPathDoesNotAllocate(t *testing.T) {
	var address phone.Address
	var number phone.Number
	for _, raw := range []string{"+14155550123", "whatsapp:+14155550123", "anonymous", "+266696687", "262966", "client:agent_7", "SUPPORT"} {
		if n := testing.AllocsPerRun(100, func() { address = phone.Classify(raw) }); n != 0 {
			t.Errorf("Classify(%q) allocates %v times, want 0", raw, n)
		}
		if n := testing.AllocsPerRun(100, func() { number, _ = phone.Strict(raw) }); n != 0 {
			t.Errorf("Strict(%q) allocates %v times, want 0", raw, n)
		}
	}
	_, _ = address, number
}

func BenchmarkStrict(b *testing.B) {
	for b.Loop() {
		phone.Strict("+14155550123")
	}
}

func BenchmarkClassify(b *testing.B) {
	for _, raw := range []string{"+14155550123", "whatsapp:+14155550123", "anonymous", "client:agent_7"} {
		b.Run(raw, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				phone.Classify(raw)
			}
		})
	}
}
