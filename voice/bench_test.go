package voice_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"ringside/internal/ledger"
	"ringside/recognize"
	"ringside/voice"
)

// BenchmarkInbound measures what the sidecar itself does for a call that comes in, from the request
// to the TwiML: no network, and nobody who writes what is recorded.
func BenchmarkInbound(b *testing.B) {
	for name, from := range map[string]string{"known": jane, "unknown": stranger} {
		b.Run(name, func(b *testing.B) {
			e := newEdge(b, parts{config: func(c *voice.Config) {
				c.Calls = forgetting{c.Calls}
				c.Recorder = dropping{}
				c.Log = slog.New(slog.DiscardHandler)
			}})
			calls := make([]*replayed, 512)
			for i := range calls {
				calls[i] = replay(inboundRequest(fmt.Sprintf("CA%032d", i), from))
			}
			w := &discarded{header: http.Header{}}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				call := calls[i%len(calls)]
				w.status = 0
				e.mux.ServeHTTP(w, call.again())
				if w.status != 0 {
					b.Fatalf("answered %d", w.status)
				}
			}
		})
	}
}

func inboundRequest(callSID, from string) *http.Request {
	form := inbound(callSID, from)
	return signed("/twilio/voice", form.Encode(), form)
}

// replayed is a request that can be handled many times.
type replayed struct {
	*http.Request
	body   string
	reader strings.Reader
}

func replay(r *http.Request) *replayed {
	body, _ := io.ReadAll(r.Body) // of a strings.Reader, which cannot fail
	return &replayed{Request: r, body: string(body)}
}

func (r *replayed) again() *http.Request {
	r.reader.Reset(r.body)
	r.Body = io.NopCloser(&r.reader)
	return r.Request
}

// discarded is an answer that nobody reads.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) WriteHeader(status int)      { d.status = status }
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }

// forgetting decides every call anew.
type forgetting struct{ voice.Calls }

func (forgetting) Claim(_ context.Context, d *recognize.Decision) *recognize.Decision { return d }

// dropping records nothing.
type dropping struct{}

func (dropping) Record(context.Context, *ledger.Event) error { return nil }
func (dropping) Later(*ledger.Event)                         {}
