package configs_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/configs"
)

// write makes a file with the given content and returns its path.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, environ ...string) configs.Config {
	t.Helper()
	c, err := configs.Load(environ)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	want := configs.Config{
		Listen: "127.0.0.1:8080", OpsListen: "127.0.0.1:8081", DataDir: "./.ringside",
		RecognitionBudget: 150 * time.Millisecond, TwilioAPIURL: "https://api.twilio.com", CallPace: time.Second, WriteBudget: 250 * time.Millisecond, SpoolMaxBytes: 256 << 20, ReplyBudget: 5 * time.Second, DrainTimeout: time.Minute,
		ImportBytes: 256 << 20, ImportRows: 1_000_000, ImportField: 20_000, APIRate: 50, APIBurst: 100, RuntimePrivate: true,
		LogLevel: slog.LevelInfo, LogFormat: "text",
	}
	if diff := cmp.Diff(want, load(t)); diff != "" {
		t.Errorf("with nothing set (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, load(t, "RINGSIDE_LISTEN=", "REDIS_URL=", "RINGSIDE_WRITE_BUDGET=", "PATH=/bin", "nonsense")); diff != "" {
		t.Errorf("with empty and foreign variables (-want +got):\n%s", diff)
	}
}

func TestEverySettingIsRead(t *testing.T) {
	t.Parallel()
	got := load(t, "DATABASE_URL=postgres://u:p@h/d", "REDIS_URL=redis://:p@h:6379/0", "RINGSIDE_LISTEN=:80", "RINGSIDE_OPS_LISTEN=[::1]:0",
		"RINGSIDE_PUBLIC_URL=https://ringside.example.com/voice", "RINGSIDE_DATA_DIR=/data", "TWILIO_ACCOUNT_SID=AC1", "TWILIO_AUTH_TOKEN=token",
		"RINGSIDE_SECRET_KEY=0123456789abcdef", "RINGSIDE_RECOGNITION_BUDGET=20ms", "RINGSIDE_WRITE_BUDGET=1s", "RINGSIDE_SPOOL_MAX_BYTES=2000000", "RINGSIDE_REPLY_BUDGET=0s", "TWILIO_API_URL=http://127.0.0.1:9", "RINGSIDE_CALL_PACE=2s", "RINGSIDE_DRAIN_TIMEOUT=0s",
		"RINGSIDE_LOG_LEVEL=debug", "RINGSIDE_LOG_FORMAT=json", "RINGSIDE_IMPORT_BYTES=1000", "RINGSIDE_IMPORT_ROWS=10", "RINGSIDE_IMPORT_FIELD=100",
		"RINGSIDE_API_RATE=0.5", "RINGSIDE_API_BURST=3")
	want := configs.Config{
		ImportBytes: 1000, ImportRows: 10, ImportField: 100, APIRate: 0.5, APIBurst: 3, RuntimePrivate: true,
		DatabaseURL: "postgres://u:p@h/d", RedisURL: "redis://:p@h:6379/0", Listen: ":80", OpsListen: "[::1]:0",
		PublicURL: "https://ringside.example.com/voice", DataDir: "/data", TwilioAccountSID: "AC1", TwilioAuthToken: "token",
		SecretKey: "0123456789abcdef", RecognitionBudget: 20 * time.Millisecond, TwilioAPIURL: "http://127.0.0.1:9", CallPace: 2 * time.Second, WriteBudget: time.Second, SpoolMaxBytes: 2_000_000,
		LogLevel: slog.LevelDebug, LogFormat: "json",
	}
	same := cmp.Comparer(func(a, b configs.Secret) bool { return string(a) == string(b) })
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	empty, twoLines, secret := write(t, " \n"), write(t, "one\ntwo\n"), write(t, "0123456789abcdef\n")
	missing := filepath.Join(t.TempDir(), "missing")
	for _, tt := range []struct{ set, want string }{
		{"RINGSIDE_LISTEN=8080", `RINGSIDE_LISTEN="8080" is not an address: write it like 127.0.0.1:8080 (port 0 takes a free one)`},
		{"RINGSIDE_LISTEN=127.0.0.1:", `RINGSIDE_LISTEN="127.0.0.1:" is not an address`},
		{"RINGSIDE_LISTEN=127.0.0.1:65536", `RINGSIDE_LISTEN="127.0.0.1:65536" is not an address`},
		{"RINGSIDE_OPS_LISTEN=[::1", `RINGSIDE_OPS_LISTEN="[::1" is not an address`},
		{"RINGSIDE_OPS_LISTEN=127.0.0.1:8080", "RINGSIDE_LISTEN and RINGSIDE_OPS_LISTEN are both 127.0.0.1:8080"},
		{"RINGSIDE_PUBLIC_URL=ringside.example.com", "RINGSIDE_PUBLIC_URL cannot be used. It does not begin with https://"},
		{"RINGSIDE_PUBLIC_URL=https://me:hunter2@ringside.example.com", "RINGSIDE_PUBLIC_URL cannot be used. It has a user name or password in it"},
		{"RINGSIDE_RECOGNITION_BUDGET=150", `RINGSIDE_RECOGNITION_BUDGET="150" is not a duration: write it like 150ms, 2s or 5m`},
		{"RINGSIDE_RECOGNITION_BUDGET=11s", "RINGSIDE_RECOGNITION_BUDGET=11s is out of range"},
		{"RINGSIDE_RECOGNITION_BUDGET=-1s", "RINGSIDE_RECOGNITION_BUDGET=-1s is out of range"},
		{"RINGSIDE_API_RATE=-1", "RINGSIDE_API_RATE=-1 is out of range: 0 (no limit) to 1000000 requests a second"},
		{"RINGSIDE_API_RATE=NaN", "RINGSIDE_API_RATE=NaN is out of range: 0 (no limit) to 1000000 requests a second"},
		{"RINGSIDE_API_RATE=many", `RINGSIDE_API_RATE="many" is not a number`},
		{"RINGSIDE_API_BURST=0", "RINGSIDE_API_BURST=0 must be at least 1; RINGSIDE_API_RATE=0 sets no limit"},
		{"RINGSIDE_IMPORT_ROWS=0", "RINGSIDE_IMPORT_BYTES=268435456, RINGSIDE_IMPORT_ROWS=0 and RINGSIDE_IMPORT_FIELD=20000 must be at least 1"},
		{"RINGSIDE_CALL_PACE=2h", "RINGSIDE_CALL_PACE=2h0m0s is out of range: 0s to 1h between the calls that begin from one number"},
		{"TWILIO_API_URL=api.twilio.com", `TWILIO_API_URL="api.twilio.com" is no address of an API: write it like https://api.twilio.com`},
		{"RINGSIDE_REPLY_BUDGET=15s", "RINGSIDE_REPLY_BUDGET=15s is out of range: 0s to 14s, since Twilio waits 15s"},
		{"RINGSIDE_WRITE_BUDGET=15s", "RINGSIDE_WRITE_BUDGET=15s is out of range: 10ms to 10s, since Twilio waits 15s"},
		{"RINGSIDE_SPOOL_MAX_BYTES=1000", "RINGSIDE_SPOOL_MAX_BYTES=1000 is too little: at least 1048576 bytes are for the events of an outage"},
		{"RINGSIDE_DRAIN_TIMEOUT=-1s", "RINGSIDE_DRAIN_TIMEOUT=-1s is out of range"},
		{"RINGSIDE_DRAIN_TIMEOUT=soon", `RINGSIDE_DRAIN_TIMEOUT="soon" is not a duration`},
		{"RINGSIDE_SECRET_KEY=hunter2", "RINGSIDE_SECRET_KEY is shorter than 16 characters; make one with `openssl rand -hex 32`"},
		{"RINGSIDE_SECRET_KEY_PREVIOUS=0123456789abcdef,hunter2", "RINGSIDE_SECRET_KEY_PREVIOUS has a key shorter than 16 characters"},
		{"RINGSIDE_LOG_LEVEL=loud", `RINGSIDE_LOG_LEVEL="loud" is not a log level: debug, info, warn or error`},
		{"RINGSIDE_LOG_FORMAT=xml", `RINGSIDE_LOG_FORMAT="xml" is neither text nor json`},
		{"TWILIO_AUTH_TOKEN_FILE=" + missing, "TWILIO_AUTH_TOKEN_FILE: open " + missing},
		{"DATABASE_URL_FILE=" + empty, "DATABASE_URL_FILE: the file " + empty + " must hold the secret on one line"},
		{"REDIS_URL_FILE=" + twoLines, "REDIS_URL_FILE: the file " + twoLines + " must hold the secret on one line"},
		{"RINGSIDE_SECRET_KEY=fedcba9876543210\nRINGSIDE_SECRET_KEY_FILE=" + secret, "RINGSIDE_SECRET_KEY and RINGSIDE_SECRET_KEY_FILE are both set; keep one"},
		{"RINGSIDE_CONFIG=" + missing, "RINGSIDE_CONFIG: open " + missing},
	} {
		t.Run(strings.ReplaceAll(tt.set, "/", "_"), func(t *testing.T) {
			t.Parallel()
			_, err := configs.Load(strings.Split(tt.set, "\n"))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Fatalf("Load = %v, want an error that begins with %s", err, tt.want)
			}
			for _, leaked := range []string{"hunter2", "fedcba9876543210", "0123456789abcdef", "two"} {
				if strings.Contains(err.Error(), leaked) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("one mistake takes several lines:\n%v", err)
			}
		})
	}
}

// Somebody who has made three mistakes should not have to start three times.
func TestMistakesAreReportedTogether(t *testing.T) {
	t.Parallel()
	file := write(t, "RINGSIDE_LISTN=:1\nRINGSIDE_LISTEN_FILE=x\nRINGSIDE_DRAIN_TIMEOUT=soon\n")
	_, err := configs.Load([]string{"RINGSIDE_CONFIG=" + file, "RINGSIDE_LISTEN=8080", "RINGSIDE_WRITE_BUDGET=15", "RINGSIDE_RECOGNITION_BUDGET=1h",
		"RINGSIDE_LOG_FORMAT=xml", "REDIS_URL_FILE=/nonexistent", "RINGSIDE_SECRET_KEY=short"})
	if err == nil {
		t.Fatal("Load accepted nothing but mistakes")
	}
	var keys []string
	for line := range strings.Lines(err.Error()) {
		key, _, _ := strings.Cut(strings.TrimPrefix(line, "RINGSIDE_CONFIG: "+file+" sets "), " ")
		key, _, _ = strings.Cut(key, "=")
		key, _, _ = strings.Cut(key, ",")
		keys = append(keys, strings.TrimSuffix(key, ":"))
	}
	want := []string{"REDIS_URL_FILE", "RINGSIDE_LISTEN_FILE", "RINGSIDE_LISTN", "RINGSIDE_WRITE_BUDGET", "RINGSIDE_DRAIN_TIMEOUT",
		"RINGSIDE_LISTEN", "RINGSIDE_RECOGNITION_BUDGET", "RINGSIDE_SECRET_KEY", "RINGSIDE_LOG_FORMAT"}
	slices.Sort(want)
	slices.Sort(keys)
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("keys named, a line each (-want +got):\n%s\n%v", diff, err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	token := write(t, "from-a-file\n")
	file := write(t, `# a comment
RINGSIDE_LISTEN=127.0.0.1:1
RINGSIDE_OPS_LISTEN=127.0.0.1:2   # another
export RINGSIDE_DATA_DIR="/data dir"
DATABASE_URL='postgres://u:pa$$word#1@h/d'
TWILIO_AUTH_TOKEN_FILE=`+token+`
RINGSIDE_LOG_LEVEL=
`)
	c := load(t, "RINGSIDE_CONFIG="+file, "RINGSIDE_OPS_LISTEN=127.0.0.1:3", "RINGSIDE_LISTEN=")
	for _, tt := range []struct{ key, got, want string }{
		{"RINGSIDE_LISTEN, which is empty in the environment", c.Listen, "127.0.0.1:1"},
		{"RINGSIDE_OPS_LISTEN, which the environment sets as well", c.OpsListen, "127.0.0.1:3"},
		{"RINGSIDE_DATA_DIR, quoted", c.DataDir, "/data dir"},
		{"DATABASE_URL, in single quotes", string(c.DatabaseURL), "postgres://u:pa$$word#1@h/d"},
		{"TWILIO_AUTH_TOKEN, by its file", string(c.TwilioAuthToken), "from-a-file"},
		{"RINGSIDE_LOG_LEVEL, empty", c.LogLevel.String(), "INFO"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %q, want %q", tt.key, tt.got, tt.want)
		}
	}
}

// The environment wins, whichever of the two ways of giving a secret each side uses.
func TestSecretInEnvironmentWinsOverFile(t *testing.T) {
	t.Parallel()
	mine, theirs := write(t, "environment"), write(t, "file")
	for _, environment := range []string{"TWILIO_AUTH_TOKEN=environment", "TWILIO_AUTH_TOKEN_FILE=" + mine} {
		for _, file := range []string{"TWILIO_AUTH_TOKEN=file", "TWILIO_AUTH_TOKEN_FILE=" + theirs} {
			c := load(t, environment, "RINGSIDE_CONFIG="+write(t, file+"\n"))
			if got := string(c.TwilioAuthToken); got != "environment" {
				t.Errorf("with %s and a file that says %s, the token is the one of the %s", environment, file, got)
			}
		}
	}
}

// What the parser of such files says quotes them, and there may be secrets in them.
func TestUnreadableFileIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"hunter2\nRINGSIDE_LISTEN=:1\n", "DATABASE_URL='postgres://u:hunter2@h/d\n", "DATABASE-URL=hunter2\n"} {
		path := write(t, content)
		_, err := configs.Load([]string{"RINGSIDE_CONFIG=" + path})
		if err == nil {
			t.Errorf("a file with %q was accepted", content)
			continue
		}
		if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a file with %q: the error must name the file and quote nothing of it: %v", content, err)
		}
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{"text": `level=WARN msg=said key=value`, "json": `"level":"WARN","msg":"said","key":"value"`} {
		var out strings.Builder
		c := load(t, "RINGSIDE_LOG_FORMAT="+format, "RINGSIDE_LOG_LEVEL=warn")
		log := c.NewLogger(&out)
		log.Info("unsaid")
		log.Warn("said", "key", "value")
		if got := out.String(); !strings.Contains(got, want) || strings.Contains(got, "unsaid") {
			t.Errorf("%s at warn wrote %q, want %s alone", format, got, want)
		}
	}
}

func ExampleConfig_Settings() {
	c, err := configs.Load([]string{"DATABASE_URL=postgres://me:hunter2@db/ringside", "RINGSIDE_LISTEN=:8080"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range c.Settings()[:4] {
		fmt.Printf("%s=%s\n", s.Key, s.Value)
	}
	// Output:
	// DATABASE_URL=[redacted]
	// REDIS_URL=
	// RINGSIDE_LISTEN=:8080
	// RINGSIDE_OPS_LISTEN=127.0.0.1:8081
}

func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	c, err := configs.Load([]string{"RINGSIDE_TRUSTED_PROXIES=10.0.0.0/8, 2001:db8::/32"})
	if err != nil || len(c.Proxies()) != 2 || c.Proxies()[1].String() != "2001:db8::/32" {
		t.Errorf("%v: %v", c.Proxies(), err)
	}
	if _, err := configs.Load([]string{"RINGSIDE_TRUSTED_PROXIES=10.0.0.1"}); err == nil || !strings.Contains(err.Error(), "is not a network") {
		t.Errorf("an address without a mask: %v", err)
	}
}

func TestIdentityProviderSettings(t *testing.T) {
	t.Parallel()
	public := "RINGSIDE_PUBLIC_URL=https://ringside.example.com"
	for _, c := range []struct {
		want    string // "" is no mistake
		environ []string
	}{
		{"", []string{"RINGSIDE_OIDC_ISSUER=https://login.example.com", "RINGSIDE_OIDC_CLIENT_ID=ringside", public}},
		{"belong together", []string{"RINGSIDE_OIDC_ISSUER=https://login.example.com", public}},
		{"belong together", []string{"RINGSIDE_OIDC_CLIENT_SECRET=x", public}},
		{"is not an address", []string{"RINGSIDE_OIDC_ISSUER=login.example.com", "RINGSIDE_OIDC_CLIENT_ID=ringside", public}},
		{"needs RINGSIDE_PUBLIC_URL", []string{"RINGSIDE_OIDC_ISSUER=https://login.example.com", "RINGSIDE_OIDC_CLIENT_ID=ringside"}},
	} {
		_, err := configs.Load(c.environ)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.environ, err, c.want)
		}
	}
}
