package voice

import (
	"net/url"
	"strconv"
)

// maxAttempts bounds how often one call is connected to its runtime.
const maxAttempts = 4

// action is what a call carries in the URL of its <Connect action>, which Twilio signs: it holds
// even where everything else about the call was lost with the sidecar that answered it.
type action struct {
	// attempt counts the connections to the runtime, from 0.
	attempt int
	// unverified: the caller's number may not be taken for the caller's (rule 12).
	unverified bool
}

// The names in the query stand in alphabetical order: Twilio may sort them after signing.
const (
	queryAttempt    = "attempt"
	queryUnverified = "unverified"
)

// actionURL returns the URL that Twilio asks when the session has ended.
func (s *Service) actionURL(a action) string {
	address, separator := s.PublicURL.Webhook(pathAfter), "?"
	if a.attempt > 0 {
		address += separator + queryAttempt + "=" + strconv.Itoa(a.attempt)
		separator = "&"
	}
	if a.unverified {
		address += separator + queryUnverified + "=1"
	}
	return address
}

// readAction reads what [Service.actionURL] wrote, within its bounds.
func readAction(u *url.URL) action {
	if u.RawQuery == "" {
		return action{}
	}
	query := u.Query()
	attempt, _ := strconv.Atoi(query.Get(queryAttempt)) // ours, or absent
	return action{attempt: min(max(attempt, 0), maxAttempts), unverified: query.Get(queryUnverified) != ""}
}
