package org

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"ringside/internal/phone"
	"ringside/internal/problem"
)

var languageTag = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// check refuses settings with which no call could be answered, and tidies up the others.
func (a *Agent) check() error {
	a.Name = strings.TrimSpace(a.Name)
	if a.RelaySettings == nil {
		a.RelaySettings = map[string]string{}
	}
	if err := checkName(a.Name, "A voice agent needs a name."); err != nil {
		return err
	}
	if err := a.checkTexts(); err != nil {
		return err
	}
	switch {
	case !languageTag.MatchString(a.Language):
		return problem.Invalid("language", "%q is not a language tag: write it like en-US or es-ES.", a.Language)
	case a.Transport != TransportRelay && a.Transport != TransportStream && a.Transport != TransportDirect:
		return problem.Invalid("transport", "%q is not a transport; use conversationrelay (text), stream (sound) or direct (sound, past Ringside).", a.Transport)
	case a.Transport == TransportDirect && strings.Contains(a.RuntimeURL, "?"):
		return problem.Invalid("runtime_url", "Twilio opens no stream at an address with a question mark. Leave it out.")
	case a.MinAttestation != "" && a.MinAttestation != "A" && a.MinAttestation != "B" && a.MinAttestation != "C":
		return problem.Invalid("min_attestation", "%q is not an attestation level; use A, B or C, or leave it out.", a.MinAttestation)
	case strings.ContainsAny(a.RuntimeSecret, "\r\n"):
		return problem.Invalid("runtime_secret", "The secret has a line break in it; it must be one line.")
	}
	for _, d := range a.Tell {
		if !slices.Contains(Details(), d) {
			return problem.Invalid("tell", "%q is nothing that an agent is told; use %s.", d, joined(Details()))
		}
	}
	a.Tell = slices.DeleteFunc(Details(), func(d Detail) bool { return !a.Tells(d) }) // each once, in their order
	if _, ok := phone.Strict(string(a.FallbackNumber)); !ok && a.FallbackNumber != "" {
		return problem.Invalid("fallback_number", "%q is not a phone number in E.164: write it like +12125550123.", string(a.FallbackNumber))
	}
	return a.checkRuntimeURL()
}

// checkTexts holds what is said and sent to the database's limits, in characters.
func (a *Agent) checkTexts() error {
	for _, t := range []struct {
		field, text string
		limit       int
	}{
		{"greeting", a.Greeting, 2000},
		{"unknown_greeting", a.UnknownGreeting, 2000},
		{"apology", a.Apology, 1000},
		{"runtime_secret", a.RuntimeSecret, 1000},
		{"runtime_url", a.RuntimeURL, 2000},
	} {
		if utf8.RuneCountInString(t.text) > t.limit {
			return problem.Invalid(t.field, "The text is longer than %d characters.", t.limit)
		}
		if err := storable(t.field, t.text); err != nil {
			return err
		}
	}
	for name, value := range a.RelaySettings {
		if err := storable("relay_settings", name+value); err != nil {
			return err
		}
	}
	return nil
}

// checkRuntimeURL refuses, before a caller is on the line, what cannot be dialled.
func (a *Agent) checkRuntimeURL() error {
	u, err := url.Parse(a.RuntimeURL)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "ws" && u.Scheme != "wss":
		return problem.Invalid("runtime_url", "%q is not a WebSocket address: write it like wss://agent.example.com/socket.", a.RuntimeURL)
	case u.User != nil: // not shown: it holds a password
		return problem.Invalid("runtime_url", "A WebSocket address has no user and password in it; give the runtime a secret instead, which is sent as a bearer token.")
	}
	a.RuntimeURL = u.String() // with the scheme in lower case
	return nil
}

// joined lists details for a sentence.
func joined(details []Detail) string {
	words := make([]string, len(details))
	for i, d := range details {
		words[i] = string(d)
	}
	return strings.Join(words, ", ")
}

// hostOf returns scheme, host and port of an address.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
