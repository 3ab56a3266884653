package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"ringside/internal/problem"
)

// jsonFlag is on every command whose output has a machine's use.
type jsonFlag struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// print writes value as JSON if that is asked for, else the sentence.
func (f jsonFlag) print(a *app, value any, sentence string, args ...any) error {
	if f.JSON {
		return printJSON(a, value)
	}
	_, err := fmt.Fprintf(a.out, sentence+"\n", args...)
	return err
}

func printJSON(a *app, value any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}

// readSecretFile reads a file that holds one secret on one line.
func readSecretFile(field, path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", problem.Invalid(field, "The file cannot be read: %s.", err)
	}
	secret := strings.TrimSpace(string(raw))
	if secret == "" || strings.ContainsAny(secret, "\r\n") {
		return "", problem.Invalid(field, "The file %s must hold the secret on one line.", path)
	}
	return secret, nil
}
