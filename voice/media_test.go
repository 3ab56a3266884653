package voice_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ringside/internal/agent"
	"ringside/voice"
)

func TestWhatIsSound(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]bool{
		`{"event":"media","streamSid":"MZ1","media":{"payload":"AA=="}}`:           true,
		` { "streamSid" : "MZ1" , "event" : "media" , "media":{"payload":"AA=="}}`: true,
		`{"streamSid":"MZ1","media":{"payload":"AA=="},"event":"media"}`:           true,
		`{"event":"mark","mark":{"name":"media"}}`:                                 false,
		`{"event":"clear"}`:                        false,
		`{"type":"ringside.note","note":"media"}`:  false,
		`{"type":"ringside.note","event":"media"}`: false,
		`{"id":"media","type":"ringside.note"}`:    false,
		`{"n":1,"event":"media"}`:                  false, // looked at closely, then passed on
		`["media"]`:                                false, `"media"`: false, ``: false, `{`: false, `{"event`: false, `{"event":`: false, `{}`: false, `{"event":"media`: false,
	} {
		if got := voice.IsMedia([]byte(message)); got != want {
			t.Errorf("%s: %v", message, got)
		}
	}
}

// What a runtime asks of Ringside is never taken for sound, whatever it says and in whatever order.
func TestToolsAreNotSound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.MapOf(rapid.StringMatching(`[a-z_]{1,12}`).Filter(func(name string) bool { return name != "media" && name != "event" }), rapid.String()).Draw(t, "members")
		m["type"] = "ringside." + rapid.SampledFrom([]string{"note", "summary", "capture_contact", "media"}).Draw(t, "type")
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if voice.IsMedia(raw) {
			t.Fatalf("%s is taken for sound", raw)
		}
		if _, ours, _ := agent.ParseMessage(raw); !ours {
			t.Fatalf("%s is not taken for ours", raw)
		}
	})
}

// FuzzSound: however a message begins, looking at it does no harm, costs no memory, and reads no further than its head.
func FuzzSound(f *testing.F) {
	for _, name := range []string{"ms_out_media.json", "ms_out_mark.json", "ms_out_clear.json", "ms_in_start.json"} {
		f.Add([]byte(sample(f, name)))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		got := voice.IsMedia(message)
		if len(message) > 256 && got != voice.IsMedia(append([]byte{}, message[:256]...)) {
			t.Errorf("%q is read beyond its head", message)
		}
	})
}

// A frame of sound costs no memory, and as long as it may be no more time: what is in it is not read.
func BenchmarkSound(b *testing.B) {
	for name, message := range map[string]string{
		"20ms": sample(b, "ms_out_media.json"), "1MB": `{"event":"media","streamSid":"MZ1","media":{"payload":"` + strings.Repeat("A", 1<<20) + `"}}`,
	} {
		raw := []byte(message)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !voice.IsMedia(raw) {
					b.Fatal("not sound")
				}
			}
		})
		b.Run(name+"/parsed", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ours, _ := agent.ParseMessage(raw); ours {
					b.Fatal("ours")
				}
			}
		})
	}
}

func TestSoundCostsNoMemory(t *testing.T) {
	raw := []byte(sample(t, "ms_out_media.json"))
	if n := testing.AllocsPerRun(1000, func() { voice.IsMedia(raw) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}
