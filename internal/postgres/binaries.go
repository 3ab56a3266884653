package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// oldestMajor is the oldest PostgreSQL whose project still fixed bugs when this was written.
const oldestMajor = 14

// ErrNoServerPrograms says that no usable PostgreSQL server is installed. Its text says what to
// install.
var ErrNoServerPrograms = errors.New("no PostgreSQL server programs found. Install them " +
	"(Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql), " +
	"or set PG_BIN to the folder that has initdb and postgres, or set DATABASE_URL to a database that you have")

// installedGlobs are the folders where packages put server programs, off the PATH so that several
// majors can live side by side: Debian's, the PostgreSQL project's RPMs, Homebrew's on both kinds
// of Mac.
var installedGlobs = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
}

// programs are the server programs of one installed PostgreSQL.
type programs struct {
	dir   string
	major int
}

func (p programs) path(name string) string { return filepath.Join(p.dir, name) }

// findPrograms returns the installed programs of the given major, or of the newest if major is 0.
// PG_BIN, where set, is the only place looked at.
func findPrograms(ctx context.Context, major int) (programs, error) {
	installed, err := installedPrograms(ctx)
	if err != nil {
		return programs{}, err
	}
	if len(installed) == 0 {
		return programs{}, ErrNoServerPrograms
	}
	if major == 0 {
		if newest := installed[0]; newest.major >= oldestMajor {
			return newest, nil
		}
		return programs{}, fmt.Errorf("the newest PostgreSQL here is %d, in %s; Ringside needs %d or newer",
			installed[0].major, installed[0].dir, oldestMajor)
	}
	for _, p := range installed {
		if p.major == major {
			return p, nil
		}
	}
	return programs{}, &wrongMajorError{needed: major, installed: installed}
}

// wrongMajorError says that only other majors than a cluster's are installed. A cluster cannot
// be read by another major, and is never converted behind its owner's back.
type wrongMajorError struct {
	needed    int
	installed []programs
}

func (e *wrongMajorError) Error() string {
	var have []string
	for _, p := range e.installed {
		have = append(have, fmt.Sprintf("%d (%s)", p.major, p.dir))
	}
	return fmt.Sprintf("it was made by PostgreSQL %d, and installed here is %s", e.needed, strings.Join(have, ", "))
}

// installedPrograms returns every usable installation, newest first.
func installedPrograms(ctx context.Context) ([]programs, error) {
	if dir := os.Getenv("PG_BIN"); dir != "" {
		p, err := inspectPrograms(ctx, dir)
		if err != nil {
			return nil, fmt.Errorf("PG_BIN is %q, which cannot be used: %w; set it to the folder of PostgreSQL's server programs or unset it", dir, err)
		}
		return []programs{p}, nil
	}
	var installed []programs
	for _, dir := range candidateDirs() {
		if p, err := inspectPrograms(ctx, dir); err == nil && !slices.Contains(installed, p) {
			installed = append(installed, p)
		}
	}
	slices.SortStableFunc(installed, func(a, b programs) int { return b.major - a.major })
	return installed, nil
}

func candidateDirs() []string {
	var dirs []string
	for _, glob := range installedGlobs {
		found, err := filepath.Glob(glob)
		if err != nil { // only for a malformed pattern
			continue
		}
		dirs = append(dirs, found...)
	}
	if postgres, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(postgres))
	}
	return dirs
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) ([0-9]+)`)

// inspectPrograms follows symbolic links first: initdb looks for postgres beside itself.
func inspectPrograms(ctx context.Context, dir string) (programs, error) {
	postgres, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return programs{}, errors.New("it has no postgres")
	}
	p := programs{dir: filepath.Dir(postgres)}
	if _, err := exec.LookPath(p.path("initdb")); err != nil {
		return programs{}, errors.New("it has no initdb")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, postgres, "--version").Output()
	if err != nil {
		return programs{}, fmt.Errorf("run postgres --version: %w", err)
	}
	match := versionLine.FindSubmatch(out)
	if match == nil {
		return programs{}, fmt.Errorf("postgres --version says %q", strings.TrimSpace(string(out)))
	}
	p.major, err = strconv.Atoi(string(match[1]))
	return p, err
}
