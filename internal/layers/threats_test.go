package layers_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	testNamed = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
)

// A defence that docs/security.md speaks of has a test, which is there by the name that it gives, and every threat of
// its table has one.
func TestEveryThreatHasItsTest(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git") {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, name := range testFunc.FindAllSubmatch(source, -1) {
			there[string(name[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	threats := 0
	for line := range strings.Lines(read(t, "docs/security.md")) {
		named := testNamed.FindAllStringSubmatch(line, -1)
		for _, name := range named {
			if !there[name[1]] {
				t.Errorf("docs/security.md names %s, which does not exist", name[1])
			}
		}
		if cells := strings.Count(line, " | "); strings.HasPrefix(line, "| ") && cells == 2 && !strings.HasPrefix(line, "| ---") && !strings.HasPrefix(line, "| threat ") {
			threats++
			if len(named) == 0 {
				t.Errorf("no test is named for %.80s", line)
			}
		}
	}
	if threats < 20 {
		t.Errorf("docs/security.md has %d threats in its table", threats)
	}
}
