package restapi

import (
	"net/http"
	"slices"
	"strings"

	"ringside/internal/simulate"
)

// Number is a phone number of an account's.
type Number struct {
	SID        string // default: a made-up PN…
	AccountSID string
	Phone      string
	// Settings are the members that can be changed, such as "voice_url" and "sms_application_sid" (Twilio:
	// IncomingPhoneNumbers resource). Methods are POST unless they say otherwise, all else is empty.
	Settings map[string]string
}

// AddNumber gives an account one more phone number.
func (s *Server) AddNumber(n Number) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers = append(s.numbers, n.withDefaults())
}

// settings are the members of a number that can be changed, and the names of their parameters.
var settings = map[string]string{
	"voice_url": "VoiceUrl", "voice_method": "VoiceMethod", "voice_fallback_url": "VoiceFallbackUrl", "voice_fallback_method": "VoiceFallbackMethod",
	"status_callback": "StatusCallback", "status_callback_method": "StatusCallbackMethod", "voice_application_sid": "VoiceApplicationSid", "trunk_sid": "TrunkSid",
	"sms_url": "SmsUrl", "sms_method": "SmsMethod", "sms_fallback_url": "SmsFallbackUrl", "sms_fallback_method": "SmsFallbackMethod", "sms_application_sid": "SmsApplicationSid",
	"friendly_name": "FriendlyName",
}

func (n Number) withDefaults() *Number {
	given := n.Settings
	n.Settings = map[string]string{}
	for member := range settings {
		if strings.HasSuffix(member, "_method") {
			n.Settings[member] = http.MethodPost
		}
		if value, ok := given[member]; ok {
			n.Settings[member] = value
		}
	}
	if n.SID == "" {
		n.SID = simulate.NewSID("PN")
	}
	return &n
}

// shape is a number in Twilio's shape. The caller has the lock.
func (n *Number) shape() map[string]any {
	shape := map[string]any{"sid": n.SID, "account_sid": n.AccountSID, "phone_number": n.Phone, "friendly_name": formatted(n.Phone), "api_version": apiVersion,
		"beta": false, "origin": "twilio", "status": "in-use", "voice_receive_mode": "voice", "voice_caller_id_lookup": false, "date_created": now(), "date_updated": now(),
		"capabilities": map[string]bool{"voice": true, "sms": true, "mms": true, "fax": false}, "address_sid": nil, "address_requirements": "none", "identity_sid": nil, "bundle_sid": nil,
		"uri": "/" + apiVersion + "/Accounts/" + n.AccountSID + "/IncomingPhoneNumbers/" + n.SID + ".json"}
	for member := range settings {
		if value := n.Settings[member]; value != "" || member != "friendly_name" {
			shape[member] = value
		}
		if strings.HasSuffix(member, "_sid") && n.Settings[member] == "" {
			shape[member] = nil
		}
	}
	return shape
}

// Setting returns a member of a number as it is now, such as "voice_url".
func (s *Server) Setting(phone, member string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.numbers {
		if n.Phone == phone {
			return n.Settings[member]
		}
	}
	return ""
}

// sidOf is the SID of a number, or "".
func (s *Server) sidOf(account, phone string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.numbers {
		if n.AccountSID == account && n.Phone == phone {
			return n.SID
		}
	}
	return ""
}

func (s *Server) listNumbers(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []any
	for _, n := range s.numbers {
		if n.AccountSID == r.PathValue("account") && strings.Contains(n.Phone, r.Form.Get("PhoneNumber")) { // a pattern
			found = append(found, n.shape())
		}
	}
	list(w, r, "incoming_phone_numbers", found)
}

func (s *Server) showNumber(w http.ResponseWriter, r *http.Request) { s.changeNumber(w, r) }

// changeNumber sets what the form has.
func (s *Server) changeNumber(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.numbers, func(n *Number) bool {
		return n.AccountSID == r.PathValue("account") && n.SID+".json" == r.PathValue("file")
	})
	if i < 0 {
		missing(w, r)
		return
	}
	n := s.numbers[i]
	for member, parameter := range settings {
		if value := r.PostForm.Get(parameter); value != "" && (strings.HasSuffix(member, "_url") || member == "status_callback") && origin(value) == "" {
			failed(21402, Create{}).write(w)
			return
		}
	}
	for member, parameter := range settings {
		if values, ok := r.PostForm[parameter]; ok {
			n.Settings[member] = values[0]
		}
	}
	answer(w, http.StatusOK, n.shape())
}

// showAccount answers how an account stands (Twilio: Accounts resource).
func (s *Server) showAccount(w http.ResponseWriter, r *http.Request) {
	sid, named := strings.CutSuffix(r.PathValue("file"), ".json")
	if _, known := s.options.Accounts[sid]; !named || !known {
		missing(w, r)
		return
	}
	status, kind := "active", "Full"
	if slices.Contains(s.options.Suspended, sid) {
		status = "suspended"
	}
	if slices.Contains(s.options.Trials, sid) {
		kind = "Trial"
	}
	answer(w, http.StatusOK, map[string]any{"sid": sid, "owner_account_sid": sid, "friendly_name": "An account", "status": status, "type": kind,
		"date_created": now(), "date_updated": now(), "uri": "/" + apiVersion + "/Accounts/" + sid + ".json", "subresource_uris": map[string]string{}})
}
