// Package configs holds the settings of the program: one struct, with defaults, read from a file
// and the environment and checked at start, so that a mistake is found before the first call.
//
// Every setting is an environment variable. A file of lines KEY=value (RINGSIDE_CONFIG) may set
// the same; the environment wins. A secret may be given as KEY_FILE, the path of a file that holds
// it, as container platforms do.
package configs

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"

	"ringside/internal/twilio"
)

// Config are the settings. The zero value is not usable: see [Load].
type Config struct {
	DatabaseURL       Secret        `env:"DATABASE_URL"`
	RedisURL          Secret        `env:"REDIS_URL"`
	Listen            string        `env:"RINGSIDE_LISTEN" envDefault:"127.0.0.1:8080"`
	OpsListen         string        `env:"RINGSIDE_OPS_LISTEN" envDefault:"127.0.0.1:8081"`
	PublicURL         string        `env:"RINGSIDE_PUBLIC_URL"`
	DataDir           string        `env:"RINGSIDE_DATA_DIR" envDefault:"./.ringside"`
	TwilioAccountSID  string        `env:"TWILIO_ACCOUNT_SID"`
	TwilioAuthToken   Secret        `env:"TWILIO_AUTH_TOKEN"`
	SecretKey         Secret        `env:"RINGSIDE_SECRET_KEY"`
	RecognitionBudget time.Duration `env:"RINGSIDE_RECOGNITION_BUDGET" envDefault:"150ms"`
	WriteBudget       time.Duration `env:"RINGSIDE_WRITE_BUDGET" envDefault:"2s"`
	DrainTimeout      time.Duration `env:"RINGSIDE_DRAIN_TIMEOUT" envDefault:"60s"`
	LogLevel          slog.Level    `env:"RINGSIDE_LOG_LEVEL" envDefault:"info"`
	LogFormat         string        `env:"RINGSIDE_LOG_FORMAT" envDefault:"text"`
}

// fileKey names the file of settings.
const fileKey = "RINGSIDE_CONFIG"

// Secret is a setting that is never shown: every way of printing it gives "[redacted]".
type Secret string

const redacted = "[redacted]"

// String returns "[redacted]", or "" for an empty secret. The secret itself is string(s).
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString keeps %#v from showing the secret.
func (s Secret) GoString() string { return s.String() }

// LogValue keeps the secret out of logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps the secret out of JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Load reads the settings from an environment ("KEY=value" each, as os.Environ gives it) and the
// file that it names, and checks them. All mistakes are reported at once.
func Load(environ []string) (Config, error) {
	values, err := gather(environ)
	if err != nil {
		return Config{}, err
	}
	c, err := env.ParseAsWithOptions[Config](env.Options{Environment: values})
	if err != nil {
		return Config{}, fmt.Errorf("settings: %w", err)
	}
	if err := c.check(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// gather merges file, environment and secret files into one map.
func gather(environ []string) (map[string]string, error) {
	values := map[string]string{}
	for _, line := range environ {
		if key, value, ok := strings.Cut(line, "="); ok {
			values[key] = value
		}
	}
	if path := values[fileKey]; path != "" {
		fromFile, err := readFile(path)
		if err != nil {
			return nil, err
		}
		maps.Copy(fromFile, values)
		values = fromFile
	}
	for _, key := range Keys() {
		path := values[key+"_FILE"]
		if !isSecret(key) || path == "" {
			continue
		}
		if values[key] != "" {
			return nil, fmt.Errorf("%s and %s_FILE are both set; keep one", key, key)
		}
		secret, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s_FILE: %w", key, err)
		}
		values[key] = strings.TrimSpace(string(secret))
	}
	for key, value := range values { // an empty variable is as good as none: the default applies
		if value == "" {
			delete(values, key)
		}
	}
	return values, nil
}

// readFile reads a file of settings. A key that means nothing is a mistake worth stopping for.
func readFile(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fileKey, err)
	}
	defer file.Close()
	values, err := godotenv.Parse(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %s is not a file of KEY=value lines: %w", fileKey, path, err)
	}
	keys := Keys()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(keys, key) && !slices.Contains(keys, strings.TrimSuffix(key, "_FILE")) {
			return nil, fmt.Errorf("%s: %s sets %s, which is no setting; `ringside config print` lists them", fileKey, path, key)
		}
	}
	return values, nil
}

func (c *Config) check() error {
	var mistakes []error
	mistake := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	for _, l := range []struct{ key, value string }{{"RINGSIDE_LISTEN", c.Listen}, {"RINGSIDE_OPS_LISTEN", c.OpsListen}} {
		if _, _, err := net.SplitHostPort(l.value); err != nil {
			mistake("%s=%q is not an address: write it like 127.0.0.1:8080 (port 0 takes a free one)", l.key, l.value)
		}
	}
	if c.Listen == c.OpsListen && !strings.HasSuffix(c.Listen, ":0") {
		mistake("RINGSIDE_LISTEN and RINGSIDE_OPS_LISTEN are both %s; the operations listener needs an address of its own", c.Listen)
	}
	if c.PublicURL != "" {
		if _, err := twilio.ParsePublicURL(c.PublicURL); err != nil {
			mistake("RINGSIDE_PUBLIC_URL: %w", err)
		}
	}
	if c.RecognitionBudget < time.Millisecond || c.RecognitionBudget > 10*time.Second {
		mistake("RINGSIDE_RECOGNITION_BUDGET=%s is out of range: a caller waits this long, 1ms to 10s", c.RecognitionBudget)
	}
	if c.WriteBudget < 10*time.Millisecond || c.WriteBudget > 14*time.Second {
		mistake("RINGSIDE_WRITE_BUDGET=%s is out of range: 10ms to 14s, since Twilio waits 15s", c.WriteBudget)
	}
	if c.DrainTimeout < 0 || c.DrainTimeout > 24*time.Hour {
		mistake("RINGSIDE_DRAIN_TIMEOUT=%s is out of range: 0s to 24h", c.DrainTimeout)
	}
	if c.SecretKey != "" && len(c.SecretKey) < 16 {
		mistake("RINGSIDE_SECRET_KEY is shorter than 16 characters; make one with `openssl rand -hex 32`")
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		mistake("RINGSIDE_LOG_FORMAT=%q is neither text nor json", c.LogFormat)
	}
	return errors.Join(mistakes...)
}

// Keys returns the names of all settings, in the order of the struct.
func Keys() []string {
	t := reflect.TypeFor[Config]()
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("env")
	}
	return keys
}

func isSecret(key string) bool {
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("env") == key {
			return f.Type == reflect.TypeFor[Secret]()
		}
	}
	return false
}

// Setting is one setting as `ringside config print` shows it.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Settings returns every setting with its value, secrets redacted, in a fixed order.
func (c *Config) Settings() []Setting {
	v := reflect.ValueOf(*c)
	settings := make([]Setting, v.NumField())
	for i, key := range Keys() {
		settings[i] = Setting{Key: key, Value: fmt.Sprint(v.Field(i).Interface())}
	}
	return settings
}

// NewLogger returns the program's logger: text for people or JSON for collectors, to stderr.
func (c *Config) NewLogger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
