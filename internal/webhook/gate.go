package webhook

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"ringside/internal/metrics"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/twilio"
)

// Config is what a gate is made of. All fields but the last are required.
type Config struct {
	PublicURL twilio.PublicURL
	Lines     *org.Switchboard
	Metrics   *metrics.Metrics
	Log       *slog.Logger
	// Capacity is how many webhooks may be at work at once; zero is as many as the program takes.
	Capacity Capacity
}

// Gate lets Twilio's requests in. See [NewGate].
type Gate struct {
	Config
	verifier *twilio.Verifier
	keys     sync.Map // auth token → *twilio.Key
	notice   *notice
	repeats  *repeats
	capacity
}

// NewGate returns a gate for the paths below a public URL, which is what Twilio signs for.
func NewGate(c Config) *Gate {
	return &Gate{Config: c, verifier: twilio.NewVerifier(c.PublicURL), notice: newNotice(time.Minute), repeats: newRepeats(), capacity: newCapacity(c.Capacity)}
}

// Request is a webhook whose signature has been checked.
type Request struct {
	Form    *twilio.Form
	Account *org.Account // who signed
	Path    string
	Arrived time.Time
	// Hurried: more come in than can be served as usual, and what may be left out is.
	Hurried bool
	// Repeated is a hint that Twilio tries again what it has sent before.
	Repeated bool
}

// Reply is the answer to a webhook: TwiML, or a bare status.
type Reply struct {
	TwiML   []byte
	Status  int    // of an answer without TwiML
	Outcome string // for the metrics
}

// Handler answers a webhook.
type Handler func(*http.Request, *Request) Reply

// alarming are the outcomes that there are alerts for.
var alarming = []string{"unavailable", "overloaded", "apology"}

// handler wraps a handler for requests that Twilio signed. enter is called for each request.
func (g *Gate) handler(path string, handle, rescue Handler, enter func() (hurried, refused bool, leave func())) http.Handler {
	seconds := g.Metrics.WebhookSeconds.WithLabelValues(path)
	for _, outcome := range alarming { // an increase from nothing is none to Prometheus
		g.Metrics.Webhooks.WithLabelValues(path, outcome)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived := time.Now()
		req, refused := g.verify(w, r)
		if refused.Status != 0 {
			g.Count(path, refused.Outcome)
			http.Error(w, Refusal(refused.Status), refused.Status)
			return
		}
		req.Path, req.Arrived = path, arrived
		if req.Repeated = g.repeats.again(r.Header.Get(repeatHeader)); req.Repeated {
			g.Metrics.Repeats.WithLabelValues(path).Inc()
		}
		answer := g.served(r, req, handle, rescue, enter)
		g.Count(path, answer.Outcome)
		write(w, answer)
		seconds.Observe(time.Since(arrived).Seconds())
	})
}

// served runs a handler if there is room for one more.
func (g *Gate) served(r *http.Request, req *Request, handle, rescue Handler, enter func() (hurried, refused bool, leave func())) Reply {
	hurried, refused, leave := enter()
	defer leave()
	if refused {
		return Reply{Status: http.StatusServiceUnavailable, Outcome: "overloaded"}
	}
	req.Hurried = hurried
	return g.guarded(r, req, handle, rescue)
}

// Count counts an answer at a path.
func (g *Gate) Count(path, outcome string) { g.Metrics.Webhooks.WithLabelValues(path, outcome).Inc() }

// Due reports whether a subject should be logged now: each at most once a minute.
func (g *Gate) Due(subject string) bool { return g.notice.due(subject) }

// guarded runs a handler; should it panic, the caller hears an apology instead of Twilio's error
// text, and the log has the rest.
func (g *Gate) guarded(r *http.Request, req *Request, handle, rescue Handler) (answer Reply) {
	defer func() {
		if cause := recover(); cause != nil {
			g.Log.Error("a webhook handler panicked", "path", req.Path, "sid", req.sid(), "cause", cause, "stack", string(debug.Stack()))
			answer = rescue(r, req)
		}
	}()
	return handle(r, req)
}

// sid names the call or message in the log.
func (req *Request) sid() string {
	if sid := req.Form.Text("CallSid"); sid != "" {
		return Bounded(sid, MaxSID)
	}
	return Bounded(req.Form.Text("MessageSid"), MaxSID)
}

func write(w http.ResponseWriter, answer Reply) {
	if answer.Status != 0 {
		w.WriteHeader(answer.Status)
		return
	}
	h := w.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(answer.TwiML))}
	_, _ = w.Write(answer.TwiML) // Twilio has hung up; its retry will ask again
}

var contentType = []string{twilio.ContentType}

// Refusal is the text of a plain HTTP error, which only somebody who is not Twilio reads.
func Refusal(status int) string {
	switch status {
	case http.StatusMethodNotAllowed:
		return "Twilio webhooks are POST requests. Set the number's webhook method to HTTP POST."
	case http.StatusUnsupportedMediaType:
		return "Send application/x-www-form-urlencoded, as Twilio does."
	case http.StatusRequestEntityTooLarge:
		return "The request is larger than any that Twilio sends."
	case http.StatusForbidden:
		return "The X-Twilio-Signature is missing or does not match. See docs/twilio.md, \"Signature refused\"."
	}
	return "The request could not be read."
}

// Refuse notes a request that is not Twilio's, or not this account's, and answers it: names of
// parameters are logged, never their values.
func (g *Gate) Refuse(r *http.Request, form *twilio.Form, why string) Reply {
	if g.Due(why) {
		g.Log.Warn("refused a webhook", "why", why, "path", r.URL.Path, "account_sid", Bounded(form.Text("AccountSid"), MaxSID),
			"public_url", g.PublicURL.String(), "signature_present", r.Header.Get(twilio.SignatureHeader) != "", "parameters", form.Names())
	}
	return Reply{Status: http.StatusForbidden, Outcome: why}
}

// Line returns where the called number leads. A route that is not the signing account's own is
// forbidden; a number that leads nowhere is nil.
func (g *Gate) Line(r *http.Request, req *Request, ours string) (route *org.Route, forbidden bool) {
	n, ok := phone.Strict(ours)
	if !ok {
		return nil, false
	}
	route = g.Lines.Route(r.Context(), n)
	return route, route != nil && (route.Org.ID != req.Account.OrgID || route.AccountSID != req.Account.SID)
}
