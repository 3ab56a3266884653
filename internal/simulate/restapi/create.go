package restapi

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxText is the longest text of a message, in characters (Twilio: Message resource, Body).
const maxText = 1600

// create lets something be made, through the faults. Make returns what is answered.
func (s *Server) create(w http.ResponseWriter, r *http.Request, kind string, check func(url.Values) *failure, make func() any) {
	form := r.PostForm
	asked := Create{Kind: kind, From: form.Get("From"), To: form.Get("To"), Text: form.Get("Body")}
	s.mu.Lock()
	s.asked[asked.To]++
	asked.Attempt = s.asked[asked.To]
	s.mu.Unlock()
	var fault Fault
	if s.options.Fault != nil {
		fault = s.options.Fault(asked)
	}
	s.sleep(fault.Delay)
	spoiled := fault.Status != 0 || fault.Drops
	if !spoiled || fault.Acts {
		if refused := s.refusal(r.PathValue("account"), asked, form, check); refused != nil {
			refused.write(w)
			return
		}
		made := make()
		s.sleep(fault.Late)
		if !spoiled {
			answer(w, http.StatusCreated, made)
			return
		}
	}
	if fault.Drops {
		drop(w)
		return
	}
	code, message := codeServer, http.StatusText(fault.Status)
	if fault.Status == http.StatusTooManyRequests {
		code = codeTooMany
	}
	refuse(w, fault.Status, code, message)
}

// sleep waits whether or not somebody still waits for the answer: Twilio would go on, too.
func (s *Server) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
}

// drop loses the connection.
func drop(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close() // lost is what it is to be
	}
}

// refusal is why Twilio does not make something, or nil.
func (s *Server) refusal(account string, asked Create, form url.Values, check func(url.Values) *failure) *failure {
	if slices.Contains(s.options.Suspended, account) {
		return &failure{http.StatusForbidden, codeInactive, "Account is not active"}
	}
	code := magic[asked.Kind+" to "+asked.To]
	if code == 0 {
		code = magic[asked.Kind+" from "+asked.From]
	}
	if code == 0 && s.options.Refuse != nil {
		code = s.options.Refuse(asked)
	}
	if code != 0 {
		return failed(code, asked)
	}
	if refused := check(form); refused != nil {
		return refused
	}
	if !s.owns(account, strings.TrimPrefix(asked.From, "whatsapp:")) {
		if asked.Kind == "call" {
			return failed(21210, asked)
		}
		return failed(21659, asked)
	}
	return nil
}

// magic are the numbers of Twilio's test credentials that are refused, and its errors (Twilio: Test
// credentials).
var magic = map[string]int{
	"call to +15005550001":      21217,
	"call to +15005550002":      21214,
	"call to +15005550003":      21215,
	"call to +15005550004":      21216,
	"call from +15005550001":    21212,
	"message to +15005550001":   21211,
	"message to +15005550002":   21612,
	"message to +15005550003":   21408,
	"message to +15005550004":   21610,
	"message to +15005550009":   21614,
	"message from +15005550001": 21212,
	"message from +15005550007": 21606,
	"message from +15005550008": 21611,
}

// magicSender is the number that test credentials can use.
const magicSender = "+15005550006"

func (s *Server) owns(account, from string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	any := false
	for _, n := range s.numbers {
		if n.AccountSID == account {
			any = true
			if n.Phone == from {
				return true
			}
		}
	}
	return !any || from == magicSender
}

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// checkCall tells what is wrong with a call's form.
func checkCall(form url.Values) *failure {
	to := form.Get("To")
	switch {
	case to == "":
		return failed(21201, Create{})
	case form.Get("From") == "":
		return failed(21213, Create{})
	case !e164.MatchString(to) && !strings.HasPrefix(to, "client:") && !strings.HasPrefix(to, "sip:"):
		return failed(21211, Create{To: to})
	case origin(form.Get("Url")) == "":
		return failed(21205, Create{})
	}
	return nil
}

// checkMessage tells what is wrong with a message's form.
func checkMessage(form url.Values) *failure {
	to := form.Get("To")
	switch {
	case to == "":
		return failed(21604, Create{})
	case form.Get("From") == "" && form.Get("MessagingServiceSid") == "":
		return failed(21603, Create{})
	case form.Get("Body") == "" && form.Get("MediaUrl") == "":
		return failed(21602, Create{})
	case utf8.RuneCountInString(form.Get("Body")) > maxText:
		return failed(21617, Create{})
	case !e164.MatchString(strings.TrimPrefix(to, "whatsapp:")):
		return failed(21211, Create{To: to})
	}
	return nil
}

// origin is scheme and host of an address that Twilio can ask, or "".
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
