package voice

import (
	"bytes"
	"errors"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/twilio"
)

// request is a webhook whose signature has been checked.
type request struct {
	form    *twilio.Form
	account *org.Account
	path    string
	action  action // of the <Connect>, from the URL; the zero value elsewhere
	arrived time.Time
}

// reply is the answer to a webhook: TwiML, or a bare status.
type reply struct {
	twiml   []byte
	status  int    // of an answer without TwiML
	outcome string // for the metrics
}

// webhook wraps a handler for requests that Twilio signed. Anything else gets a plain HTTP error
// and writes nothing: it is not Twilio's, so nobody hears it. A handler that panics is answered by
// rescue.
func (s *Service) webhook(path string, handle func(*http.Request, *request) reply, rescue func(*http.Request, *request) reply) http.Handler {
	seconds := s.Metrics.WebhookSeconds.WithLabelValues(path)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived := time.Now()
		req, refused := s.verify(w, r)
		if refused.status != 0 {
			s.count(path, refused.outcome)
			http.Error(w, refusal(refused.status), refused.status)
			return
		}
		req.path, req.arrived = path, arrived
		answer := s.guarded(r, req, handle, rescue)
		s.count(path, answer.outcome)
		write(w, answer)
		seconds.Observe(time.Since(arrived).Seconds())
	})
}

func (s *Service) count(path, outcome string) {
	s.Metrics.Webhooks.WithLabelValues(path, outcome).Inc()
}

// guarded runs a handler; should it panic, the caller hears an apology instead of Twilio's error
// text, and the log has the rest.
func (s *Service) guarded(r *http.Request, req *request, handle, rescue func(*http.Request, *request) reply) (answer reply) {
	defer func() {
		if cause := recover(); cause != nil {
			s.Log.Error("a webhook handler panicked", "path", req.path, "call_sid", req.form.Text("CallSid"), "cause", cause, "stack", string(debug.Stack()))
			answer = rescue(r, req)
		}
	}()
	return handle(r, req)
}

func write(w http.ResponseWriter, answer reply) {
	if answer.status != 0 {
		w.WriteHeader(answer.status)
		return
	}
	h := w.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(answer.twiml))}
	_, _ = w.Write(answer.twiml) // Twilio has hung up; its retry will ask again
}

var contentType = []string{twilio.ContentType}

// refusal is the text of a plain HTTP error, which only somebody who is not Twilio reads.
func refusal(status int) string {
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

// verify reads a request and checks who sent it (rule 19). A non-zero status refuses it.
func (s *Service) verify(w http.ResponseWriter, r *http.Request) (*request, reply) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, reply{status: http.StatusMethodNotAllowed, outcome: "method"}
	}
	if !isForm(r.Header.Get("Content-Type")) {
		return nil, reply{status: http.StatusUnsupportedMediaType, outcome: "media_type"}
	}
	form, refused := readForm(w, r)
	if form == nil {
		return nil, refused
	}
	account := s.Lines.Account(r.Context(), form.Get("AccountSid"))
	if account == nil {
		return nil, s.refuse(r, form, "unknown_account")
	}
	if !s.verifier.Webhook(s.key(account), r.RequestURI, r.Header.Get(twilio.SignatureHeader), form) {
		return nil, s.refuse(r, form, "signature")
	}
	return &request{form: form, account: account, action: readAction(r.URL)}, reply{}
}

// bodies are the buffers that bodies are read into; a form keeps nothing of them.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// readForm reads a request's body. Without a form, the reply refuses the request.
func readForm(w http.ResponseWriter, r *http.Request) (*twilio.Form, reply) {
	body := bodies.Get().(*bytes.Buffer)
	defer func() {
		if body.Cap() <= 16<<10 { // a rare giant must not stay
			body.Reset()
			bodies.Put(body)
		}
	}()
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, twilio.MaxForm))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, reply{status: http.StatusRequestEntityTooLarge, outcome: "too_large"}
	}
	if err != nil {
		return nil, reply{status: http.StatusBadRequest, outcome: "unreadable"}
	}
	form, err := twilio.ParseForm(body.Bytes())
	if err != nil {
		return nil, reply{status: http.StatusBadRequest, outcome: "unreadable"}
	}
	return form, reply{}
}

func isForm(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";") // a charset may follow
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/x-www-form-urlencoded")
}

// refuse notes a request that is not Twilio's, or not this account's: names of parameters, never
// their values.
func (s *Service) refuse(r *http.Request, form *twilio.Form, why string) reply {
	if s.notice.due(why) {
		s.Log.Warn("refused a webhook", "why", why, "path", r.URL.Path, "account_sid", bounded(form.Text("AccountSid"), maxSID),
			"public_url", s.PublicURL.String(), "signature_present", r.Header.Get(twilio.SignatureHeader) != "", "parameters", form.Names())
	}
	return reply{status: http.StatusForbidden, outcome: why}
}

// key returns the signing key of an account, made once.
func (s *Service) key(account *org.Account) *twilio.Key {
	if key, ok := s.keys.Load(account.AuthToken); ok {
		return key.(*twilio.Key)
	}
	key, _ := s.keys.LoadOrStore(account.AuthToken, twilio.NewKey(account.AuthToken))
	return key.(*twilio.Key)
}

// parties are the two ends of a call, as form fields. What is classified is the raw value; what is
// stored is the cleaned one: cleaning must not turn something else into a number.
type parties struct {
	form                 *twilio.Form
	ourField, theirField string
	direction            string // of the ledger
}

// partiesOf tells our number from the other party's. On a call that we placed, Twilio's From is ours.
func partiesOf(form *twilio.Form) parties {
	if strings.HasPrefix(form.Get("Direction"), "outbound") {
		return parties{form, "From", "To", "outbound"}
	}
	return parties{form, "To", "From", "inbound"}
}

func (p parties) ours() string   { return p.form.Get(p.ourField) }
func (p parties) theirs() string { return p.form.Get(p.theirField) }

// from and to are the call's addresses as they are stored: clean, and bounded as a SIP URI is.
func (p parties) from() string { return bounded(p.form.Text("From"), maxAddress) }
func (p parties) to() string   { return bounded(p.form.Text("To"), maxAddress) }

// Bounds of what is kept of a request, in bytes. Nothing that Twilio sends comes near them; a row
// that Postgres would refuse must not cost an event.
const (
	maxSID     = 64
	maxWord    = 40 // a state such as "in-progress"
	maxAddress = 300
	maxDetail  = 2000
)

// bounded cuts a text and takes out control characters, which Postgres cannot hold all of.
func bounded(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	if !strings.ContainsFunc(text, unicode.IsControl) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}

// line returns where the called number leads. A route that is not the signing account's own is
// forbidden; a number that leads nowhere is nil.
func (s *Service) line(r *http.Request, req *request, ours string) (route *org.Route, forbidden bool) {
	n, ok := phone.Strict(ours)
	if !ok {
		return nil, false
	}
	route = s.Lines.Route(r.Context(), n)
	return route, route != nil && (route.Org.ID != req.account.OrgID || route.AccountSID != req.account.SID)
}
