package configs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"ringside/configs"
)

const hidden = "hunter2-0123456789abcdef"

// Rule 21: secrets are not logged. Whatever prints settings, by whichever verb, prints none.
func TestRule21_SecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	c := load(t, "DATABASE_URL="+hidden, "REDIS_URL="+hidden, "TWILIO_AUTH_TOKEN="+hidden, "RINGSIDE_SECRET_KEY="+hidden)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		for _, value := range []any{c, &c, c.SecretKey, []any{c.SecretKey, map[string]configs.Secret{"key": c.DatabaseURL}}} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	fmt.Fprintln(&out, c, c.DatabaseURL.String(), c.Settings())
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("settings", "config", c, "pointer", &c, "secret", c.TwilioAuthToken, "settings", c.Settings())
	}
	for _, v := range []any{c, &c, c.RedisURL, map[string]configs.Secret{"key": c.RedisURL}} {
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintln(&out, fmt.Errorf("open %s: %v", c.DatabaseURL, c))
	inHex := fmt.Sprintf("%x", []byte(hidden))
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, hidden) || strings.Contains(strings.ToLower(line), inHex) {
			t.Errorf("printed: %s", line)
		}
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Error("nothing says that something was redacted")
	}
	if string(c.SecretKey) != hidden {
		t.Errorf("the secret itself is %q", string(c.SecretKey))
	}
}

func TestEmptySecretPrintsNothing(t *testing.T) {
	t.Parallel()
	if got := fmt.Sprintf("%s|%v|%q", configs.Secret(""), configs.Secret(""), configs.Secret("")); got != "||" {
		t.Errorf("an empty secret prints as %s", got)
	}
}
