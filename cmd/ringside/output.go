package main

import (
	"encoding/json"
	"fmt"

	"ringside/configs"
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

// readSecretFile reads the file that a flag names.
func readSecretFile(field, path string) (string, error) {
	secret, err := configs.ReadSecret(path)
	if err != nil {
		return "", problem.Invalid(field, "The secret cannot be read: %s.", err)
	}
	return secret, nil
}
