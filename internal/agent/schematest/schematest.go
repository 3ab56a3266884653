// Package schematest checks what goes over the agents' sockets against docs/schemas, in tests.
package schematest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// load returns a compiler that knows the schemas, by type.
var load = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	dir, err := folder()
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no schemas in %s: %w", dir, err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		complete(document)
		if err := compiler.AddResource("file:///"+filepath.Base(file), document); err != nil {
			return nil, err
		}
	}
	schemas := map[string]*jsonschema.Schema{}
	for _, file := range files {
		name := filepath.Base(file)
		if schemas[strings.TrimSuffix(name, ".json")], err = compiler.Compile("file:///" + name); err != nil {
			return nil, err
		}
	}
	return schemas, nil
})

// complete refuses members that a schema does not name. Those who read it have to ignore them, since
// members may be added; but then the schema has to say so.
func complete(schema any) {
	switch s := schema.(type) {
	case map[string]any:
		_, says := s["additionalProperties"]
		if _, object := s["required"]; object && s["type"] == "object" && !says {
			s["additionalProperties"] = false
		}
		for _, part := range s {
			complete(part)
		}
	case []any:
		for _, part := range s {
			complete(part)
		}
	}
}

// folder is docs/schemas, from wherever in the module a test runs.
func folder() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "docs", "schemas"), nil
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return "", fmt.Errorf("find docs/schemas: %w", err)
}

// Types returns the types of message that there are schemas of, and "caller".
func Types(tb testing.TB) map[string]bool {
	tb.Helper()
	schemas, err := load()
	if err != nil {
		tb.Fatal(err)
	}
	types := map[string]bool{}
	for name := range schemas {
		types[name] = true
	}
	return types
}

// Valid returns what is wrong with a message by the schema of its type, or nil.
func Valid(message []byte) error {
	schemas, err := load()
	if err != nil {
		return err
	}
	var head struct {
		Type  string `json:"type"`
		Event string `json:"event"` // of Media Streams
	}
	if err := json.Unmarshal(message, &head); err != nil {
		return fmt.Errorf("%w in %s", err, message)
	}
	name := cmp.Or(head.Type, head.Event)
	schema := schemas[name]
	if schema == nil {
		return fmt.Errorf("there is no schema of %q", name)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(message))
	if err != nil {
		return fmt.Errorf("%w in %s", err, message)
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("%w\n%s", err, message)
	}
	return nil
}

// Check fails the test if a message is not as its schema has it.
func Check(tb testing.TB, message []byte) {
	tb.Helper()
	if err := Valid(message); err != nil {
		tb.Errorf("a message is not as docs/schemas has it: %v", err)
	}
}
