package webhook

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync"

	"ringside/internal/org"
	"ringside/internal/twilio"
)

// verify reads a request and checks who sent it (rule 19). A non-zero status refuses it.
func (g *Gate) verify(w http.ResponseWriter, r *http.Request) (*Request, Reply) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, Reply{Status: http.StatusMethodNotAllowed, Outcome: "method"}
	}
	if !isForm(r.Header.Get("Content-Type")) {
		return nil, Reply{Status: http.StatusUnsupportedMediaType, Outcome: "media_type"}
	}
	form, refused := readForm(w, r)
	if form == nil {
		return nil, refused
	}
	account := g.Lines.Account(r.Context(), form.Get("AccountSid"))
	if account == nil {
		return nil, g.Refuse(r, form, "unknown_account")
	}
	if !g.verifier.Webhook(g.key(account), r.RequestURI, r.Header.Get(twilio.SignatureHeader), form) {
		return nil, g.Refuse(r, form, "signature")
	}
	return &Request{Form: form, Account: account}, Reply{}
}

// bodies are the buffers that bodies are read into; a form keeps nothing of them.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// readForm reads a request's body. Without a form, the reply refuses the request.
func readForm(w http.ResponseWriter, r *http.Request) (*twilio.Form, Reply) {
	body := bodies.Get().(*bytes.Buffer)
	defer func() {
		if body.Cap() <= 16<<10 { // a rare giant must not stay
			body.Reset()
			bodies.Put(body)
		}
	}()
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, twilio.MaxForm))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, Reply{Status: http.StatusRequestEntityTooLarge, Outcome: "too_large"}
	}
	if err != nil {
		return nil, Reply{Status: http.StatusBadRequest, Outcome: "unreadable"}
	}
	form, err := twilio.ParseForm(body.Bytes())
	if err != nil {
		return nil, Reply{Status: http.StatusBadRequest, Outcome: "unreadable"}
	}
	return form, Reply{}
}

func isForm(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";") // a charset may follow
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/x-www-form-urlencoded")
}

// key returns the signing key of an account, made once.
func (g *Gate) key(account *org.Account) *twilio.Key {
	if key, ok := g.keys.Load(account.AuthToken); ok {
		return key.(*twilio.Key)
	}
	key, _ := g.keys.LoadOrStore(account.AuthToken, twilio.NewKey(account.AuthToken))
	return key.(*twilio.Key)
}

// Handshake returns the account whose token signed the handshake of a WebSocket, which names none, or
// nil. Each account costs a few microseconds.
func (g *Gate) Handshake(r *http.Request) *org.Account {
	signature := r.Header.Get(twilio.SignatureHeader)
	if signature == "" {
		return nil
	}
	for _, account := range g.Lines.Accounts() {
		if g.verifier.Handshake(g.key(account), r.RequestURI, signature) {
			return account
		}
	}
	return nil
}
