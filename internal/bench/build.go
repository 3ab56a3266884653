package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

const programPath = "ringside/cmd/ringside"

// profiling is a file that is added to the program where it is to be profiled, and only then: what
// is measured otherwise is exactly what is released.
//
//go:embed profiling.go.txt
var profiling []byte

// building keeps two builds from compiling the same packages at once.
var building sync.Mutex

// buildProgram builds ringside from this module as the Makefile does, and returns where it is.
func buildProgram(ctx context.Context, dir string, profiled bool) (string, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return "", errors.New("the go command is not on the PATH: it builds the program that is measured")
	}
	program := filepath.Join(dir, "ringside")
	args := []string{"build", "-trimpath", "-buildvcs=false", "-o", program}
	if profiled {
		overlay, err := overlayProfiling(ctx, dir)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	} else {
		args = append(args, "-ldflags", "-s -w")
	}
	building.Lock()
	defer building.Unlock()
	_, err := goCommand(ctx, append(args, programPath)...)
	return program, err
}

// overlayProfiling returns the path of an overlay (see `go help build`) in which the program has the
// profiling file.
func overlayProfiling(ctx context.Context, dir string) (string, error) {
	folder, err := goCommand(ctx, "list", "-f", "{{.Dir}}", programPath)
	if err != nil {
		return "", err
	}
	file, overlay := filepath.Join(dir, "profiling.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(folder, "profiling.go"): file}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(file, profiling, 0o600), os.WriteFile(overlay, replace, 0o600))
}

func goCommand(ctx context.Context, args ...string) (stdout string, err error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, complaint.String())
	}
	return strings.TrimSpace(string(out)), nil
}
