package restapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringside/internal/simulate"
	"ringside/internal/simulate/restapi"
	"ringside/internal/twilio"
	"ringside/internal/twilio/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	accountSID = "AC00000000000000000000000000000001"
	authToken  = "hunter2"
	ours       = "+12125550199"
	theirs     = "+14155550123"
)

var account = rest.Account{SID: accountSID, AuthToken: authToken}

// bench is a stand-in with a client of it, and somebody whom its webhooks reach.
type bench struct {
	t      *testing.T
	api    *restapi.Server
	url    string
	client *rest.Client
	hears  string // where webhooks go

	mu    sync.Mutex
	heard []heard
	twiml string
}

// heard is a webhook that has arrived.
type heard struct {
	Path string
	Form url.Values
}

func open(t *testing.T, o restapi.Options) *bench {
	t.Helper()
	b := &bench{t: t, twiml: `<Response><Say>Hello</Say></Response>`}
	sidecar := httptest.NewServer(http.HandlerFunc(b.hear))
	t.Cleanup(sidecar.Close)
	b.hears = sidecar.URL
	if o.Accounts == nil {
		o.Accounts = map[string]string{accountSID: authToken}
	}
	b.api = restapi.New(o)
	server := httptest.NewServer(b.api)
	b.url = server.URL
	t.Cleanup(func() { b.api.Close(); server.Close() })
	var err error
	if b.client, err = rest.NewClient(server.URL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.client.Close)
	return b
}

func (b *bench) hear(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		b.t.Error(err)
	}
	if want := twilio.Sign(authToken, b.hears+r.RequestURI, r.PostForm); r.Header.Get(simulate.SignatureHeader) != want {
		b.t.Errorf("%s is signed %q, not %q", r.RequestURI, r.Header.Get(simulate.SignatureHeader), want)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = append(b.heard, heard{r.URL.Path, r.PostForm})
	w.Header().Set("Content-Type", "text/xml")
	_, _ = io.WriteString(w, b.twiml)
}

// idle waits until everything is played, and returns what was heard of it.
func (b *bench) idle() []heard {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	if err := b.api.Idle(ctx); err != nil {
		b.t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.heard
}

func (b *bench) call() rest.Call {
	return rest.Call{From: ours, To: theirs, URL: b.hears + "/voice?outgoing=1", FallbackURL: b.hears + "/fallback", StatusURL: b.hears + "/status"}
}

func (b *bench) message() rest.Message {
	return rest.Message{From: ours, To: theirs, Text: "See you on Friday.", StatusURL: b.hears + "/sms"}
}
