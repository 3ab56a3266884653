package layers_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Nothing comes into the program that nobody has spoken for: each module that is asked for has its line in
// docs/dependencies.md, comes from where its name says, and is held to a hash.
func TestEveryDependencyIsSpokenFor(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", root+"/go.mod").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path, Version string
			Indirect      bool
		}
		Replace []json.RawMessage
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Replace) > 0 {
		t.Errorf("go.mod replaces modules: %s", mod.Replace)
	}
	document, sums := read(t, "docs/dependencies.md"), read(t, "go.sum")
	for _, m := range mod.Require {
		if !m.Indirect && !strings.Contains(document, "`"+m.Path+"`") {
			t.Errorf("docs/dependencies.md does not say what %s is for", m.Path)
		}
		if !strings.Contains(sums, m.Path+" "+m.Version+"/go.mod h1:") {
			t.Errorf("go.sum has no hash of %s %s", m.Path, m.Version)
		}
	}
	// What comes from npm for the pages: by a lock file, each with its hash.
	var lock struct {
		Packages map[string]struct {
			Resolved, Integrity string
			Link                bool
		}
	}
	if err := json.Unmarshal([]byte(read(t, "internal/dashboard/web/package-lock.json")), &lock); err != nil {
		t.Fatal(err)
	}
	for path, p := range lock.Packages {
		if path != "" && !p.Link && !strings.HasPrefix(p.Integrity, "sha512-") {
			t.Errorf("%s of package-lock.json has no hash", path)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(root + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
