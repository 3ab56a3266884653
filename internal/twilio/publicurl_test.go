package twilio_test

import (
	"errors"
	"strings"
	"testing"

	"ringside/internal/problem"
	"ringside/internal/twilio"
)

func TestParsePublicURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ raw, base, webhook, socket string }{
		{"https://h.example.com", "https://h.example.com", "https://h.example.com/v", "wss://h.example.com/v"},
		{"https://h.example.com/", "https://h.example.com", "https://h.example.com/v", "wss://h.example.com/v"},
		{"HTTPS://h.example.com:8443", "https://h.example.com:8443", "https://h.example.com:8443/v", "wss://h.example.com:8443/v"},
		{"https://h.example.com/in/ring-side/", "https://h.example.com/in/ring-side", "https://h.example.com/in/ring-side/v", "wss://h.example.com/in/ring-side/v"},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080/v", "ws://127.0.0.1:8080/v"},
		{"http://[::1]:8080", "http://[::1]:8080", "http://[::1]:8080/v", "ws://[::1]:8080/v"},
		{"https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example/v", "wss://xn--mnchen-3ya.example/v"},
	}
	for _, tt := range tests {
		p := mustPublicURL(t, tt.raw)
		if p.String() != tt.base || p.Webhook("/v") != tt.webhook || p.Socket("/v") != tt.socket {
			t.Errorf("%s: got %s, %s, %s", tt.raw, p, p.Webhook("/v"), p.Socket("/v"))
		}
	}
	if got := (twilio.PublicURL{}).String(); got != "" {
		t.Errorf("the zero value prints %q", got)
	}
}

func TestParsePublicURLRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ raw, complaint string }{
		{"", "empty"},
		{" ", "empty"},
		{"h.example.com", "https://"},
		{"wss://h.example.com", "https://"},
		{"https://", "no host"},
		{"https://:8443", "no host"},
		{"https:h.example.com", "no host"},
		{"https://me:hunter2@h.example.com", "password"},
		{"https://h.example.com?a=1", "query"},
		{"https://h.example.com/?", "query"},
		{"https://h.example.com/#rc=2", "fragment"},
		{"https://h.example.com#", "fragment"},
		{"https://side_car.example.com", "underscore"},
		{"https://münchen.example", "xn--"},
		{"https://h.example.com:", "port"},
		{"https://h.example.com:0", "port"},
		{"https://h.example.com:65536", "port"},
		{"https://h.example.com:hunter2", "not a URL"},
		{"https://h.example.com/a//b", "path"},
		{"https://h.example.com/a/../b", "path"},
		{"https://h.example.com/a%2Fb", "path"},
		{"https://h.example.com/%41", "path"},
		{"https://h.example.com/a b", "path"},
		{"https://h.example.com\n", "not a URL"},
	}
	for _, tt := range tests {
		_, err := twilio.ParsePublicURL(tt.raw)
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Code != problem.CodeInvalid || !strings.Contains(p.Detail, tt.complaint) {
			t.Errorf("ParsePublicURL(%q): error %v, want one about %q", tt.raw, err, tt.complaint)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParsePublicURL(%q): the error repeats a password: %v", tt.raw, err)
		}
	}
}
