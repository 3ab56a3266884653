package main

import "fmt"

type configCommands struct {
	Print configPrint `cmd:"" help:"Print every setting as it is in force, secrets redacted."`
}

type configPrint struct{ jsonFlag }

func (c *configPrint) Run(a *app) error {
	settings := a.config.Settings()
	if c.JSON {
		object := map[string]string{}
		for _, s := range settings {
			object[s.Key] = s.Value
		}
		return printJSON(a, object)
	}
	for _, s := range settings {
		if _, err := fmt.Fprintf(a.out, "%s=%s\n", s.Key, s.Value); err != nil {
			return err
		}
	}
	return nil
}
