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
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"ringside/internal/problem"
	"ringside/internal/reach"
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
	SecretKeyPrevious Secret        `env:"RINGSIDE_SECRET_KEY_PREVIOUS"`
	RecognitionBudget time.Duration `env:"RINGSIDE_RECOGNITION_BUDGET" envDefault:"150ms"`
	TwilioAPIURL      string        `env:"TWILIO_API_URL" envDefault:"https://api.twilio.com"`
	CallPace          time.Duration `env:"RINGSIDE_CALL_PACE" envDefault:"1s"`
	WriteBudget       time.Duration `env:"RINGSIDE_WRITE_BUDGET" envDefault:"250ms"`
	SpoolMaxBytes     int64         `env:"RINGSIDE_SPOOL_MAX_BYTES" envDefault:"268435456"`
	ReplyBudget       time.Duration `env:"RINGSIDE_REPLY_BUDGET" envDefault:"5s"`
	DrainTimeout      time.Duration `env:"RINGSIDE_DRAIN_TIMEOUT" envDefault:"60s"`
	ImportBytes       int64         `env:"RINGSIDE_IMPORT_BYTES" envDefault:"268435456"`
	ImportRows        int           `env:"RINGSIDE_IMPORT_ROWS" envDefault:"1000000"`
	ImportField       int           `env:"RINGSIDE_IMPORT_FIELD" envDefault:"20000"`
	APIRate           float64       `env:"RINGSIDE_API_RATE" envDefault:"50"`
	APIBurst          int           `env:"RINGSIDE_API_BURST" envDefault:"100"`
	RuntimeHosts      string        `env:"RINGSIDE_RUNTIME_HOSTS"`
	RuntimePrivate    bool          `env:"RINGSIDE_RUNTIME_PRIVATE" envDefault:"true"`
	TrustedProxies    string        `env:"RINGSIDE_TRUSTED_PROXIES"`
	OIDCIssuer        string        `env:"RINGSIDE_OIDC_ISSUER"`
	OIDCClientID      string        `env:"RINGSIDE_OIDC_CLIENT_ID"`
	OIDCClientSecret  Secret        `env:"RINGSIDE_OIDC_CLIENT_SECRET"`
	LogLevel          slog.Level    `env:"RINGSIDE_LOG_LEVEL" envDefault:"info"`
	LogFormat         string        `env:"RINGSIDE_LOG_FORMAT" envDefault:"text"`
}

// Load reads the settings from an environment ("KEY=value" each, as os.Environ gives it) and the
// file that it names, and checks them. All mistakes are reported at once, a line each; none repeats
// a secret.
func Load(environ []string) (Config, error) {
	values, mistakes := gather(environ)
	c, unread := parse(values)
	mistakes = append(mistakes, unread...)
	mistakes = append(mistakes, c.check()...)
	if len(mistakes) > 0 {
		return Config{}, errors.Join(mistakes...)
	}
	return c, nil
}

// parse reads the values. One that cannot be read is reported and left at its default, so that the
// others can be checked.
func parse(values map[string]string) (c Config, mistakes []error) {
	c, err := env.ParseAsWithOptions[Config](env.Options{Environment: values})
	if err == nil {
		return c, nil
	}
	failures, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		return c, []error{fmt.Errorf("settings: %w", err)}
	}
	values = maps.Clone(values)
	for _, failure := range failures.Errors {
		field, ok := errors.AsType[env.ParseError](failure)
		if !ok {
			return c, []error{fmt.Errorf("settings: %w", failure)}
		}
		f, _ := reflect.TypeFor[Config]().FieldByName(field.Name) // env names a field of this struct
		key := f.Tag.Get("env")
		mistakes = append(mistakes, fmt.Errorf("%s=%q is not %s", key, values[key], wanted(field.Type)))
		delete(values, key)
	}
	c, err = env.ParseAsWithOptions[Config](env.Options{Environment: values})
	if err != nil {
		mistakes = append(mistakes, fmt.Errorf("settings: %w", err))
	}
	return c, mistakes
}

// wanted says how a value of a type is written.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "a duration: write it like 150ms, 2s or 5m"
	case reflect.TypeFor[slog.Level]():
		return "a log level: debug, info, warn or error"
	case reflect.TypeFor[float64]():
		return "a number"
	case reflect.TypeFor[bool]():
		return "true or false"
	}
	return "a " + t.String()
}

func (c *Config) check() (mistakes []error) {
	mistake := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	for _, l := range []struct{ key, value string }{{"RINGSIDE_LISTEN", c.Listen}, {"RINGSIDE_OPS_LISTEN", c.OpsListen}} {
		if !isAddress(l.value) {
			mistake("%s=%q is not an address: write it like 127.0.0.1:8080 (port 0 takes a free one)", l.key, l.value)
		}
	}
	if c.Listen == c.OpsListen && !strings.HasSuffix(c.Listen, ":0") {
		mistake("RINGSIDE_LISTEN and RINGSIDE_OPS_LISTEN are both %s; the operations listener needs an address of its own", c.Listen)
	}
	if c.PublicURL != "" {
		if _, err := twilio.ParsePublicURL(c.PublicURL); err != nil {
			p, _ := problem.From(err)
			mistake("RINGSIDE_PUBLIC_URL cannot be used. %s", p.Detail)
		}
	}
	if c.RecognitionBudget < time.Millisecond || c.RecognitionBudget > 10*time.Second {
		mistake("RINGSIDE_RECOGNITION_BUDGET=%s is out of range: a caller waits this long, 1ms to 10s", c.RecognitionBudget)
	}
	if c.WriteBudget < 10*time.Millisecond || c.WriteBudget > 10*time.Second {
		mistake("RINGSIDE_WRITE_BUDGET=%s is out of range: 10ms to 10s, since Twilio waits 15s", c.WriteBudget)
	}
	if c.SpoolMaxBytes < 1<<20 {
		mistake("RINGSIDE_SPOOL_MAX_BYTES=%d is too little: at least 1048576 bytes are for the events of an outage", c.SpoolMaxBytes)
	}
	if c.ReplyBudget < 0 || c.ReplyBudget > 14*time.Second {
		mistake("RINGSIDE_REPLY_BUDGET=%s is out of range: 0s to 14s, since Twilio waits 15s", c.ReplyBudget)
	}
	if c.CallPace < 0 || c.CallPace > time.Hour {
		mistake("RINGSIDE_CALL_PACE=%s is out of range: 0s to 1h between the calls that begin from one number", c.CallPace)
	}
	if u, err := url.Parse(c.TwilioAPIURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		mistake("TWILIO_API_URL=%q is no address of an API: write it like https://api.twilio.com", c.TwilioAPIURL)
	}
	if c.DrainTimeout < 0 || c.DrainTimeout > 24*time.Hour {
		mistake("RINGSIDE_DRAIN_TIMEOUT=%s is out of range: 0s to 24h", c.DrainTimeout)
	}
	if c.ImportBytes < 1 || c.ImportRows < 1 || c.ImportField < 1 {
		mistake("RINGSIDE_IMPORT_BYTES=%d, RINGSIDE_IMPORT_ROWS=%d and RINGSIDE_IMPORT_FIELD=%d must be at least 1", c.ImportBytes, c.ImportRows, c.ImportField)
	}
	if !(c.APIRate >= 0 && c.APIRate <= 1e6) { // NaN is neither
		mistake("RINGSIDE_API_RATE=%g is out of range: 0 (no limit) to 1000000 requests a second", c.APIRate)
	}
	if c.APIBurst < 1 {
		mistake("RINGSIDE_API_BURST=%d must be at least 1; RINGSIDE_API_RATE=0 sets no limit", c.APIBurst)
	}
	if _, err := reach.NewPolicy(c.RuntimeHosts, c.RuntimePrivate); err != nil {
		mistake("RINGSIDE_RUNTIME_HOSTS: %s", err)
	}
	for network := range strings.SplitSeq(c.TrustedProxies, ",") {
		if _, err := netip.ParsePrefix(strings.TrimSpace(network)); err != nil && c.TrustedProxies != "" {
			mistake("RINGSIDE_TRUSTED_PROXIES: %q is not a network: write it like 10.0.0.0/8, or 192.0.2.7/32 for one address, with commas between", network)
		}
	}
	if mistaken := c.checkOIDC(); mistaken != nil {
		mistakes = append(mistakes, mistaken)
	}
	if c.SecretKey != "" && len(c.SecretKey) < 16 {
		mistake("RINGSIDE_SECRET_KEY is shorter than 16 characters; make one with `openssl rand -hex 32`")
	}
	for _, key := range c.PreviousKeys() {
		if len(key) < 16 {
			mistake("RINGSIDE_SECRET_KEY_PREVIOUS has a key shorter than 16 characters; write keys that were in use with commas between")
			break
		}
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		mistake("RINGSIDE_LOG_FORMAT=%q is neither text nor json", c.LogFormat)
	}
	return mistakes
}

// checkOIDC returns what is wrong with the settings of the identity provider, or nil.
func (c *Config) checkOIDC() error {
	if c.OIDCIssuer == "" && c.OIDCClientID == "" && c.OIDCClientSecret == "" {
		return nil
	}
	issuer, err := url.Parse(c.OIDCIssuer)
	switch {
	case c.OIDCIssuer == "" || c.OIDCClientID == "":
		return errors.New("RINGSIDE_OIDC_ISSUER and RINGSIDE_OIDC_CLIENT_ID belong together: set both, or none of RINGSIDE_OIDC_…")
	case err != nil || issuer.Host == "" || issuer.Scheme != "https" && issuer.Scheme != "http":
		return fmt.Errorf("RINGSIDE_OIDC_ISSUER=%q is not an address: write it like https://login.example.com", c.OIDCIssuer)
	case c.PublicURL == "":
		return errors.New("RINGSIDE_OIDC_ISSUER needs RINGSIDE_PUBLIC_URL: the identity provider sends people back there, to /signin/oidc/return")
	}
	return nil
}

// Proxies are the networks of RINGSIDE_TRUSTED_PROXIES.
func (c *Config) Proxies() (networks []netip.Prefix) {
	for text := range strings.SplitSeq(c.TrustedProxies, ",") {
		if network, err := netip.ParsePrefix(strings.TrimSpace(text)); err == nil { // checked at start
			networks = append(networks, network.Masked())
		}
	}
	return networks
}

// Runtimes says where agents' runtimes may be.
func (c *Config) Runtimes() *reach.Policy {
	policy, err := reach.NewPolicy(c.RuntimeHosts, c.RuntimePrivate)
	if err != nil { // never: checked at start
		panic(err)
	}
	return policy
}

// isAddress reports whether a listener could be given this host and port.
func isAddress(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil && port != ""
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

// NewLogger returns the program's logger, which writes to w: text for people or JSON for collectors.
func (c *Config) NewLogger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
