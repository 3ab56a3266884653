package voice_test

import (
	"context"
	"strings"
	"testing"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/webhook"
	"ringside/recognize"
	"ringside/voice"
)

// gated is a directory that tells who is looked up, and lets nobody go before it is opened.
type gated struct {
	recognize.Directory
	asked chan phone.Number
	open  chan struct{}
}

func (g *gated) Find(ctx context.Context, id org.ID, n phone.Number) (recognize.Finding, error) {
	g.asked <- n
	<-g.open
	return g.Directory.Find(ctx, id, n)
}

// However many call, each is answered; past what can be looked up at once they are greeted without a name.
func TestTooManyCallersAreAnsweredWithoutALookUp(t *testing.T) {
	t.Parallel()
	directory := &gated{asked: make(chan phone.Number, 10), open: make(chan struct{})}
	e := newEdge(t, parts{
		directory: func(d recognize.Directory) recognize.Directory { directory.Directory = d; return directory },
		config: func(c *voice.Config) {
			config := c.Gate.Config
			config.Capacity.Calls = 1
			c.Gate = webhook.NewGate(config)
		},
	})
	first := make(chan string)
	go func() { first <- e.ring("CA01", jane).Greeting }()
	<-directory.asked
	if heard := e.ring("CA02", jane).Greeting; heard == "" || strings.Contains(heard, "Jane") {
		t.Errorf("one too many hears %q", heard)
	}
	if len(directory.asked) > 0 {
		t.Error("one too many is looked up")
	}
	close(directory.open)
	if heard := <-first; !strings.Contains(heard, "Jane") {
		t.Errorf("the first hears %q", heard)
	}
	if heard := e.ring("CA03", jane).Greeting; !strings.Contains(heard, "Jane") {
		t.Errorf("afterwards a caller hears %q", heard)
	}
	e.flush()
	if rule := e.row("CA02").Rule; rule != string(recognize.RuleOverloaded) {
		t.Errorf("the ledger says %s of one too many", rule)
	}
}
