package restapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"ringside/internal/simulate"
)

// Call is a call in Twilio's shape (Twilio: Call resource).
type Call struct {
	SID             string            `json:"sid"`
	AccountSID      string            `json:"account_sid"`
	APIVersion      string            `json:"api_version"`
	From            string            `json:"from"`
	FromFormatted   string            `json:"from_formatted"`
	To              string            `json:"to"`
	ToFormatted     string            `json:"to_formatted"`
	Status          string            `json:"status"`
	Direction       string            `json:"direction"`
	DateCreated     *string           `json:"date_created"` // null until the call is listed
	DateUpdated     *string           `json:"date_updated"`
	StartTime       *string           `json:"start_time"`
	EndTime         *string           `json:"end_time"`
	Duration        *string           `json:"duration"` // seconds
	Price           *string           `json:"price"`
	PriceUnit       string            `json:"price_unit"`
	AnsweredBy      *string           `json:"answered_by"`
	ParentCallSID   *string           `json:"parent_call_sid"`
	PhoneNumberSID  string            `json:"phone_number_sid"`
	ForwardedFrom   *string           `json:"forwarded_from"`
	GroupSID        *string           `json:"group_sid"`
	CallerName      *string           `json:"caller_name"`
	QueueTime       string            `json:"queue_time"`
	TrunkSID        *string           `json:"trunk_sid"`
	URI             string            `json:"uri"`
	SubresourceURIs map[string]string `json:"subresource_uris"`

	// Outcome is what the other side of the call was like, once it is over.
	Outcome *simulate.Outcome `json:"-"`
}

// liveCall is a call that may still go on.
type liveCall struct {
	Call
	began time.Time
	ended chan struct{} // closed when the account ends it
	over  bool          // ended is closed
}

func (s *Server) createCall(w http.ResponseWriter, r *http.Request) {
	s.create(w, r, "call", checkCall, func() any {
		form, account, sid := r.PostForm, r.PathValue("account"), simulate.NewSID("CA")
		c := &liveCall{ended: make(chan struct{}), Call: Call{SID: sid, AccountSID: account, APIVersion: apiVersion, From: form.Get("From"), To: form.Get("To"),
			FromFormatted: formatted(form.Get("From")), ToFormatted: formatted(form.Get("To")), Status: "queued", Direction: "outbound-api", PriceUnit: "USD",
			PhoneNumberSID: s.sidOf(account, form.Get("From")), QueueTime: "0", URI: "/" + apiVersion + "/Accounts/" + account + "/Calls/" + sid + ".json", SubresourceURIs: map[string]string{}}}
		made := c.Call
		c.DateCreated = now()
		c.DateUpdated = c.DateCreated
		s.mu.Lock()
		s.calls = append(s.calls, c)
		s.mu.Unlock()
		party := s.party(c.To)
		placed := &simulate.Placed{URL: form.Get("Url"), FallbackURL: form.Get("FallbackUrl"), StatusURL: form.Get("StatusCallback"),
			Result: party.Result, Rings: party.Rings, Ended: c.ended, Becomes: func(status string) { s.becomes(c, status) }}
		if form.Get("MachineDetection") != "" {
			placed.AnsweredBy, placed.Async, placed.AsyncURL = party.AnsweredBy, form.Get("AsyncAmd") == "true", form.Get("AsyncAmdStatusCallback")
		}
		call := simulate.Call{SID: sid, From: c.From, To: c.To, Script: party.Script, StatusEvents: form["StatusCallbackEvent"], Placed: placed}
		twilio := s.twilio(account, placed.URL)
		s.play(func() {
			outcome, _ := twilio.Place(s.ctx, call) // its alerts say what went wrong
			s.mu.Lock()
			defer s.mu.Unlock()
			c.Outcome = outcome
			if placed.AnsweredBy != "" && c.StartTime != nil {
				c.AnsweredBy = &placed.AnsweredBy
			}
		})
		return made
	})
}

// becomes follows a call's status.
func (s *Server) becomes(c *liveCall, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Status, c.DateUpdated = status, now()
	switch status {
	case "ringing":
	case "in-progress":
		c.began, c.StartTime = time.Now(), now()
	default:
		c.EndTime = now()
		seconds := "0"
		if c.StartTime != nil {
			seconds = strconv.Itoa(int(time.Since(c.began).Round(time.Second) / time.Second))
		}
		c.Duration = &seconds
	}
}

// changeCall ends a call (Twilio: Call resource, update with Status).
func (s *Server) changeCall(w http.ResponseWriter, r *http.Request) {
	c := s.findCall(w, r)
	if c == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := c.Status == "queued" || c.Status == "ringing"
	switch status := r.PostForm.Get("Status"); {
	case status == "canceled" && waiting, status == "completed" && (waiting || c.Status == "in-progress"):
		if !c.over {
			c.over = true
			close(c.ended)
		}
	case status == "completed":
	default:
		refuse(w, http.StatusBadRequest, 21220, "Call is not in-progress. Cannot redirect.")
		return
	}
	answer(w, http.StatusOK, c.Call)
}

func (s *Server) showCall(w http.ResponseWriter, r *http.Request) {
	if c := s.findCall(w, r); c != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		answer(w, http.StatusOK, c.Call)
	}
}

// findCall finds the call that a path names, or answers that there is none.
func (s *Server) findCall(w http.ResponseWriter, r *http.Request) *liveCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c.AccountSID == r.PathValue("account") && c.SID+".json" == r.PathValue("file") {
			return c
		}
	}
	missing(w, r)
	return nil
}

func (s *Server) listCalls(w http.ResponseWriter, r *http.Request) {
	var found []any
	for _, c := range s.Calls() {
		if c.AccountSID == r.PathValue("account") && matches(r, map[string]string{"From": c.From, "To": c.To, "Status": c.Status}) {
			found = append(found, c)
		}
	}
	list(w, r, "calls", found)
}

// formatted is a number as Twilio shows it: North American ones in groups.
func formatted(number string) string {
	if digits, ok := strings.CutPrefix(number, "+1"); ok && len(digits) == 10 {
		return "(" + digits[:3] + ") " + digits[3:6] + "-" + digits[6:]
	}
	return number
}
