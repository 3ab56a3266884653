package restapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"ringside/internal/simulate"
)

// Message is a message in Twilio's shape (Twilio: Message resource).
type Message struct {
	Body                string            `json:"body"`
	NumSegments         string            `json:"num_segments"`
	Direction           string            `json:"direction"`
	From                string            `json:"from"`
	To                  string            `json:"to"`
	DateUpdated         *string           `json:"date_updated"`
	Price               *string           `json:"price"`
	ErrorMessage        *string           `json:"error_message"`
	URI                 string            `json:"uri"`
	AccountSID          string            `json:"account_sid"`
	NumMedia            string            `json:"num_media"`
	Status              string            `json:"status"`
	MessagingServiceSID *string           `json:"messaging_service_sid"`
	SID                 string            `json:"sid"`
	DateSent            *string           `json:"date_sent"`
	DateCreated         *string           `json:"date_created"`
	ErrorCode           *int              `json:"error_code"`
	PriceUnit           string            `json:"price_unit"`
	APIVersion          string            `json:"api_version"`
	SubresourceURIs     map[string]string `json:"subresource_uris"`
}

func (s *Server) createMessage(w http.ResponseWriter, r *http.Request) {
	s.create(w, r, "message", checkMessage, func() any {
		form, account, sid := r.PostForm, r.PathValue("account"), simulate.NewSID("SM")
		m := &Message{Body: form.Get("Body"), NumSegments: strconv.Itoa(segments(form.Get("Body"))), Direction: "outbound-api", From: form.Get("From"), To: form.Get("To"),
			URI: "/" + apiVersion + "/Accounts/" + account + "/Messages/" + sid + ".json", AccountSID: account, NumMedia: strconv.Itoa(len(form["MediaUrl"])), Status: "queued",
			SID: sid, DateCreated: now(), PriceUnit: "USD", APIVersion: apiVersion, SubresourceURIs: map[string]string{}}
		m.DateUpdated = m.DateCreated
		if service := form.Get("MessagingServiceSid"); service != "" {
			m.MessagingServiceSID = &service
		}
		made := *m
		s.mu.Lock()
		s.messages = append(s.messages, m)
		s.mu.Unlock()
		party, status := s.party(m.To), form.Get("StatusCallback")
		s.play(func() { s.deliver(m, made, party, status) })
		return made
	})
}

// deliver takes a message through its states, and tells each where the message says (Twilio: Message
// resource, StatusCallback).
func (s *Server) deliver(m *Message, made Message, party Party, status string) {
	last := party.Delivery
	if last == "" {
		last = "delivered"
	}
	states := []string{"queued", "sent", last}
	switch last {
	case "sent":
		states = states[:2]
	case "failed": // it never left
		states = []string{"queued", "failed"}
	}
	twilio := s.twilio(made.AccountSID, status)
	for _, state := range states {
		form := url.Values{"MessageSid": {made.SID}, "SmsSid": {made.SID}, "AccountSid": {made.AccountSID}, "ApiVersion": {apiVersion},
			"From": {made.From}, "To": {made.To}, "MessageStatus": {state}, "SmsStatus": {state}}
		s.mu.Lock()
		m.Status, m.DateUpdated = state, now()
		if state == "sent" {
			m.DateSent = now()
		}
		if state == last && (state == "failed" || state == "undelivered") && party.DeliveryError != 0 {
			m.ErrorCode = &party.DeliveryError
			form.Set("ErrorCode", strconv.Itoa(party.DeliveryError))
		}
		s.mu.Unlock()
		if origin(status) == "" {
			continue
		}
		if _, err := twilio.Post(s.ctx, status, form); s.ctx.Err() != nil || err != nil {
			return // Twilio does not tell more than once what it could not tell
		}
	}
}

func (s *Server) showMessage(w http.ResponseWriter, r *http.Request) {
	for _, m := range s.Messages() {
		if m.AccountSID == r.PathValue("account") && m.SID+".json" == r.PathValue("file") {
			answer(w, http.StatusOK, m)
			return
		}
	}
	missing(w, r)
}

func (s *Server) listMessages(w http.ResponseWriter, r *http.Request) {
	var found []any
	for _, m := range s.Messages() {
		if m.AccountSID == r.PathValue("account") && matches(r, map[string]string{"From": m.From, "To": m.To}) {
			found = append(found, m)
		}
	}
	list(w, r, "messages", found)
}

// segments is how many pieces a text is sent in: 160 characters of a simple one, 70 of any other, a few less
// where they are joined. Only ASCII counts as simple here.
func segments(text string) int {
	length, whole, joined := len(text), 160, 153
	if strings.ContainsFunc(text, func(c rune) bool { return c > unicode.MaxASCII }) {
		length, whole, joined = len(utf16.Encode([]rune(text))), 70, 67
	}
	if length <= whole {
		return 1
	}
	return (length + joined - 1) / joined
}
