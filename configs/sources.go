package configs

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/joho/godotenv"
)

// fileKey names the file of settings; fileSuffix makes a secret's key that of a file holding it.
const (
	fileKey    = "RINGSIDE_CONFIG"
	fileSuffix = "_FILE"
)

// gather merges the environment, the file that it names and the files of secrets into one map. An
// empty value is as good as none.
func gather(environ []string) (values map[string]string, mistakes []error) {
	values = map[string]string{}
	for _, line := range environ {
		if key, value, ok := strings.Cut(line, "="); ok && value != "" {
			values[key] = value
		}
	}
	mistakes = resolveSecrets(values)
	if path := values[fileKey]; path != "" {
		fromFile, wrong := readFile(path)
		maps.Copy(fromFile, values)
		return fromFile, append(mistakes, wrong...)
	}
	return values, mistakes
}

// resolveSecrets replaces each KEY_FILE of one source by the KEY that its file holds.
func resolveSecrets(values map[string]string) (mistakes []error) {
	for _, key := range Keys() {
		path := values[key+fileSuffix]
		if !isSecret(key) || path == "" {
			continue
		}
		secret, err := ReadSecret(path)
		switch {
		case values[key] != "":
			mistakes = append(mistakes, fmt.Errorf("%s and %s%s are both set; keep one", key, key, fileSuffix))
		case err != nil:
			mistakes = append(mistakes, fmt.Errorf("%s%s: %w", key, fileSuffix, err))
		default:
			values[key] = secret
		}
	}
	return mistakes
}

// ReadSecret reads a file that holds one secret on one line. An empty file is a mistake: a secret
// that failed to arrive must not look like one that was never set.
func ReadSecret(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(raw))
	if secret == "" || strings.ContainsAny(secret, "\r\n") {
		return "", fmt.Errorf("the file %s must hold the secret on one line", path)
	}
	return secret, nil
}

// readFile reads a file of settings. A key that means nothing is a mistake worth stopping for. The
// parser's own words are not repeated, since they quote the file, and there may be secrets in it.
func readFile(path string) (values map[string]string, mistakes []error) {
	file, err := os.Open(path)
	if err != nil {
		return map[string]string{}, []error{fmt.Errorf("%s: %w", fileKey, err)}
	}
	defer file.Close()
	values, err = godotenv.Parse(file)
	if err != nil {
		return map[string]string{}, []error{fmt.Errorf("%s: %s is not a file of KEY=value lines: look for a line without =, "+
			"for a key with other characters than letters, digits and _, and for a quote that is not closed", fileKey, path)}
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !isKey(key) {
			mistakes = append(mistakes, fmt.Errorf("%s: %s sets %s, which is no setting; `ringside config print` lists them", fileKey, path, key))
		}
	}
	maps.DeleteFunc(values, func(_, value string) bool { return value == "" })
	return values, append(mistakes, resolveSecrets(values)...)
}

// isKey reports whether a file may set key.
func isKey(key string) bool {
	secret, ok := strings.CutSuffix(key, fileSuffix)
	return slices.Contains(Keys(), key) || ok && isSecret(secret)
}
