package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// bareTwiML is the constant answer of the bare handler, as long as one of Ringside's.
const bareTwiML = `<?xml version="1.0" encoding="UTF-8"?><Response>` +
	`<Connect action="` + publicURL + `/twilio/voice/after">` +
	`<ConversationRelay url="wss://voice.example.com/twilio/relay" welcomeGreeting="Hello Casey Morgan, how can I help?" language="en-US">` +
	`<Parameter name="token" value="0123456789abcdefghijklmn"/></ConversationRelay></Connect></Response>`

// bareMux is the bare handler of the design: net/http that parses the form, checks the signature and
// returns constant TwiML. It is written as one would write it down in an afternoon.
func bareMux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /twilio/voice", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, "bad form", http.StatusBadRequest)
			return
		}
		if !signed(r.Header.Get("X-Twilio-Signature"), publicURL+r.URL.RequestURI(), r.PostForm) {
			http.Error(w, "bad signature", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(w, bareTwiML) // the caller has gone
	})
	return mux
}

// signed checks a signature (Twilio: Security, "Validating requests").
func signed(signature, target string, form url.Values) bool {
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	var text strings.Builder
	text.WriteString(target)
	for _, name := range names {
		text.WriteString(name)
		text.WriteString(form.Get(name))
	}
	mac := hmac.New(sha1.New, []byte(authToken))
	mac.Write([]byte(text.String()))
	return hmac.Equal([]byte(base64.StdEncoding.EncodeToString(mac.Sum(nil))), []byte(signature))
}
