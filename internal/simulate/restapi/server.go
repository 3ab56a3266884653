// Package restapi stands in for Twilio's REST API, for the demo and for tests: it places calls, sends
// messages and keeps phone numbers, answers in Twilio's shapes, and plays Twilio for what was made, with
// signed webhooks (package simulate). It dials nobody: what becomes of a call or message is chosen.
//
// Where a comment names "Twilio:", the behaviour follows Twilio's documentation of that name.
package restapi

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
	"time"

	"ringside/internal/simulate"
)

// Options are what the server knows and how it behaves.
type Options struct {
	// Accounts are the auth tokens by account SID.
	Accounts map[string]string
	// Suspended are accounts that Twilio has suspended, Trials those that were never paid for.
	Suspended, Trials []string
	// Numbers are the accounts' phone numbers. An account that has any can use only these.
	Numbers []Number

	// Party says what becomes of calls and messages to a number. Nil: calls are answered by somebody who hears
	// the greeting and hangs up, messages are delivered.
	Party func(to string) Party
	// Refuse returns Twilio's error for a call or message, or 0. Nil refuses only the magic numbers of
	// Twilio's test credentials, which are always refused.
	Refuse func(Create) int
	// Fault spoils what is created. Nil spoils nothing.
	Fault func(Create) Fault

	// Twilio is how webhooks are sent: its account and token are the request's, and its BaseURL, where it is
	// empty, is taken from the address that is asked.
	Twilio simulate.Twilio
}

// Party is whoever is called or written to.
type Party struct {
	// Result, AnsweredBy and Rings are as in [simulate.Placed]. AnsweredBy counts where detection was asked for.
	Result     string
	AnsweredBy string
	Rings      time.Duration
	// Script is what they do on the call; then they hang up.
	Script []simulate.Step

	// Delivery is the last state of a message to them: "delivered" (the default), "sent", "undelivered" or
	// "failed", the last two with a DeliveryError such as 30003.
	Delivery      string
	DeliveryError int
}

// Create is a request to make something.
type Create struct {
	Kind     string // "call" or "message"
	From, To string
	Text     string // of a message
	Attempt  int    // 1 for the first to this number, and so on
}

// Fault is what goes wrong with one request. The zero value is nothing.
type Fault struct {
	// Delay is waited out before, and Late after Twilio has acted.
	Delay, Late time.Duration
	// Status is answered instead of what Twilio would answer, such as 429, 500 or 503.
	Status int
	// Drops loses the connection instead of answering.
	Drops bool
	// Acts tells whether Twilio acts although it answers with Status, or not at all.
	Acts bool
}

// Server stands in for Twilio's REST API. It implements [http.Handler]. Close it after the last request.
type Server struct {
	options Options
	mux     *http.ServeMux
	ctx     context.Context // of what is played
	stop    context.CancelFunc

	mu       sync.Mutex
	calls    []*liveCall
	messages []*Message
	numbers  []*Number
	asked    map[string]int
	playing  int
	idle     chan struct{} // closed and replaced when nothing is played any more
}

// New returns a server. It is to be closed.
func New(o Options) *Server {
	s := &Server{options: o, mux: http.NewServeMux(), asked: map[string]int{}, idle: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(context.Background())
	for _, n := range o.Numbers {
		s.numbers = append(s.numbers, n.withDefaults())
	}
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request){
		"GET /2010-04-01/Accounts/{file}":                                 s.showAccount,
		"POST /2010-04-01/Accounts/{account}/Calls.json":                  s.createCall,
		"GET /2010-04-01/Accounts/{account}/Calls.json":                   s.listCalls,
		"GET /2010-04-01/Accounts/{account}/Calls/{file}":                 s.showCall,
		"POST /2010-04-01/Accounts/{account}/Calls/{file}":                s.changeCall,
		"POST /2010-04-01/Accounts/{account}/Messages.json":               s.createMessage,
		"GET /2010-04-01/Accounts/{account}/Messages.json":                s.listMessages,
		"GET /2010-04-01/Accounts/{account}/Messages/{file}":              s.showMessage,
		"GET /2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json":    s.listNumbers,
		"GET /2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{file}":  s.showNumber,
		"POST /2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{file}": s.changeNumber,
	} {
		s.mux.HandleFunc(pattern, handle)
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, codeNotFound, "The requested resource "+r.URL.Path+" was not found")
	})
	return s
}

// Close ends what is being played, as the end of the network would, and returns when it is over.
func (s *Server) Close() {
	s.stop()
	_ = s.Idle(context.Background()) // has no end of its own
}

// Idle waits until all webhooks of all that was made so far are played.
func (s *Server) Idle(ctx context.Context) error {
	for {
		s.mu.Lock()
		playing, idle := s.playing, s.idle
		s.mu.Unlock()
		if playing == 0 {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// play plays something beside the request that has made it.
func (s *Server) play(f func()) {
	s.mu.Lock()
	s.playing++
	s.mu.Unlock()
	go func() {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.playing--; s.playing == 0 {
				close(s.idle)
				s.idle = make(chan struct{})
			}
		}()
		f()
	}()
}

// ServeHTTP answers a request of somebody who has an account's credentials.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sid, token, _ := r.BasicAuth()
	want, known := s.options.Accounts[sid]
	named := strings.TrimSuffix(r.URL.Path, ".json") + "/"
	if !known || subtle.ConstantTimeCompare([]byte(token), []byte(want)) != 1 || !strings.HasPrefix(named, "/2010-04-01/Accounts/"+sid+"/") {
		w.Header().Set("WWW-Authenticate", `Basic realm="Twilio API"`)
		refuse(w, http.StatusUnauthorized, codeCredentials, "Authenticate")
		return
	}
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, codeUnreadable, "The request could not be read")
		return
	}
	s.mux.ServeHTTP(w, r)
}

// Asked is how many requests there were to make something for a number, whatever they were answered.
func (s *Server) Asked(to string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[to]
}

// Made is how many calls and messages were made to a number.
func (s *Server) Made(to string) (calls, messages int) {
	for _, c := range s.Calls() {
		if c.To == to {
			calls++
		}
	}
	for _, m := range s.Messages() {
		if m.To == to {
			messages++
		}
	}
	return calls, messages
}

// Calls returns what was made, the oldest first, as it is now.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := make([]Call, len(s.calls))
	for i, c := range s.calls {
		calls[i] = c.Call
	}
	return calls
}

// Messages returns what was made, the oldest first, as it is now.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	messages := make([]Message, len(s.messages))
	for i, m := range s.messages {
		messages[i] = *m
	}
	return messages
}

// twilio is who plays the webhooks of something that an account has made, with its first address.
func (s *Server) twilio(account, address string) *simulate.Twilio {
	t := s.options.Twilio
	t.AccountSID, t.AuthToken = account, s.options.Accounts[account]
	if t.BaseURL == "" {
		t.BaseURL = origin(address)
	}
	return &t
}

func (s *Server) party(to string) Party {
	if s.options.Party == nil {
		return Party{}
	}
	return s.options.Party(to)
}
