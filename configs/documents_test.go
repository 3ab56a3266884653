package configs_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ringside/configs"
)

var exampleLine = regexp.MustCompile(`(?m)^#([A-Z_]+)=(.*)$`)

// inForce is how a setting is shown once it is given this value: 60s as 1m0s, info as INFO.
func inForce(t *testing.T, key, value string) string {
	t.Helper()
	c := load(t, key+"="+value)
	for _, s := range c.Settings() {
		if s.Key == key {
			return s.Value
		}
	}
	t.Fatalf("there is no setting %s", key)
	return ""
}

// The example file shows every setting, commented out, with the default that is in force.
func TestExampleFileShowsEverySetting(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("ringside.example.env")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, line := range exampleLine.FindAllStringSubmatch(string(raw), -1) {
		if _, twice := shown[line[1]]; twice {
			t.Errorf("%s is in the example twice", line[1])
		}
		shown[line[1]] = line[2]
	}
	c := load(t)
	for _, s := range c.Settings() {
		value, ok := shown[s.Key]
		if !ok {
			t.Errorf("%s is not in the example", s.Key)
		}
		// A setting without a default may show what a value looks like.
		if s.Value != "" && inForce(t, s.Key, value) != s.Value {
			t.Errorf("the example has %s=%s, but the default is %s", s.Key, value, s.Value)
		}
		delete(shown, s.Key)
	}
	for key := range shown {
		t.Errorf("the example has %s, which is no setting", key)
	}
	if c := load(t, "RINGSIDE_CONFIG=ringside.example.env"); c != load(t) {
		t.Errorf("the example as it is changes a setting: %v", c)
	}
}

// Every line of the example can be uncommented as it stands.
func TestExampleFileCanBeUncommented(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("ringside.example.env")
	if err != nil {
		t.Fatal(err)
	}
	c := load(t, "RINGSIDE_CONFIG="+write(t, exampleLine.ReplaceAllString(string(raw), "$1=$2")))
	if got, want := string(c.DatabaseURL), "postgres://ringside:password@localhost:5432/ringside"; got != want {
		t.Errorf("DATABASE_URL = %q, want %q", got, want)
	}
}

var tableRow = regexp.MustCompile("(?m)^\\| `([A-Z_]+)`( \\(secret\\))? \\| ([^|]*) \\|")

// docs/configuration.md has a row for every setting, in order, with the default that is in force.
func TestDocumentHasEverySetting(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	c := load(t, "DATABASE_URL=set", "REDIS_URL=set", "TWILIO_AUTH_TOKEN=set", "RINGSIDE_SECRET_KEY=0123456789abcdef", "RINGSIDE_SECRET_KEY_PREVIOUS=0123456789abcdef")
	var rows []string
	for _, row := range tableRow.FindAllStringSubmatch(string(raw), -1) {
		key, secret, text := row[1], row[2] != "", row[3]
		rows = append(rows, key)
		i := slices.IndexFunc(c.Settings(), func(s configs.Setting) bool { return s.Key == key })
		if i < 0 {
			t.Errorf("docs/configuration.md has %s, which is no setting", key)
			continue
		}
		value := c.Settings()[i].Value
		if redacted := value == "[redacted]"; redacted != secret {
			t.Errorf("%s is a secret: %t; docs/configuration.md says: %t", key, redacted, secret)
		} else if !secret && value != "" && inForce(t, key, strings.Trim(text, "`")) != value {
			t.Errorf("the default of %s is %s; docs/configuration.md says %s", key, value, text)
		}
	}
	if want := configs.Keys(); !slices.Equal(rows, want) {
		t.Errorf("docs/configuration.md has the rows %v, want %v", rows, want)
	}
}
