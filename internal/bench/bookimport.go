package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"ringside/contacts"
)

// importResult is how an import went beside COPY of the same people.
type importResult struct {
	ratio       spread // of the wall times of a round
	took, plain spread // seconds: the import, COPY
	memory      float64
	fileSize    int64
}

// measureImports lets the program import the file, and Postgres copy those whom the file creates into a
// table of its own, round after round, the other way round each time. Before that both tables hold
// the same people. After the last round they stay as they are.
func (b *bookBench) measureImports(ctx context.Context) (r importResult, err error) {
	info, err := os.Stat(b.file)
	if err != nil {
		return r, err
	}
	r.fileSize = info.Size()
	var ratios, took, plain []float64
	for round := range b.plan.importRounds {
		b.say("Book: import, round %d of %d", round+1, b.plan.importRounds)
		if err := b.beginAnew(ctx); err != nil {
			return r, err
		}
		var ours, theirs time.Duration
		byTheProgram := func() error {
			var peak float64
			ours, peak, err = b.importOnce(ctx)
			r.memory = max(r.memory, peak)
			b.say("Book: imported in %.1f s, peak memory %.0f MB", ours.Seconds(), peak/(1<<20))
			return err
		}
		byCopy := func() error {
			began := time.Now()
			err := b.copyPeople(ctx, yardstickTable, b.crowd.known(), b.crowd.all(), &anyImport)
			theirs = time.Since(began)
			b.say("Book: copied in %.1f s", theirs.Seconds())
			return err
		}
		turns := []func() error{byTheProgram, byCopy}
		if round%2 == 1 {
			turns[0], turns[1] = turns[1], turns[0]
		}
		for _, turn := range turns {
			if err := b.runSQL(ctx, `CHECKPOINT`); err != nil { // what was written before is nobody's burden
				return r, err
			}
			if err := turn(); err != nil {
				return r, err
			}
		}
		took, plain = append(took, ours.Seconds()), append(plain, theirs.Seconds())
		ratios = append(ratios, ours.Seconds()/theirs.Seconds())
	}
	r.ratio, r.took, r.plain = spreadOf(ratios), spreadOf(took), spreadOf(plain)
	return r, nil
}

// anyImport is the import of those who are copied: nobody asks whether there was one.
var anyImport = "00000000-0000-4000-8000-000000000001"

// beginAnew leaves those who are known in both tables, and nobody else.
func (b *bookBench) beginAnew(ctx context.Context) error {
	if err := b.runSQL(ctx, `TRUNCATE contacts, interactions, contact_imports, contact_import_rows, `+yardstickTable+` CASCADE`); err != nil {
		return err
	}
	for _, table := range []string{"contacts", yardstickTable} {
		if err := b.copyPeople(ctx, table, 0, b.crowd.known(), nil); err != nil {
			return err
		}
	}
	return b.runSQL(ctx, `VACUUM ANALYZE contacts`, `VACUUM ANALYZE `+yardstickTable)
}

// importOnce runs `ringside import` and checks what it says. Memory is 0 where the system does not tell.
func (b *bookBench) importOnce(ctx context.Context) (took time.Duration, memory float64, err error) {
	const name = "ringside import"
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, b.program, "import", b.file, "--org", string(b.org.ID), "--json")
	cmd.Env = environment("DATABASE_URL="+b.postgres.URL(""), "RINGSIDE_LOG_LEVEL=warn", socketVariable+"="+b.profileSocket(name))
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, fmt.Errorf("start the import: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	profiled := b.profileImport(ctx, &process{name: name, cmd: cmd})
	// What the system says of a process that has ended includes what its parent had used when it was
	// started; so it is asked while it runs.
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-look.C:
			memory = max(memory, peakMemory(cmd.Process.Pid))
		}
	}
	took = time.Since(began)
	if err != nil {
		return 0, 0, fmt.Errorf("import: %w\n%s", err, complaint.String())
	}
	var report contacts.ImportReport
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		return 0, 0, fmt.Errorf("read the report of the import: %w", err)
	}
	return took, memory, errors.Join(b.crowd.mismatch(report), <-profiled)
}

// profileImport takes a profile of an import while it reads, if profiles were asked for.
func (b *bookBench) profileImport(ctx context.Context, p *process) (done chan error) {
	done = make(chan error, 1)
	if b.plan.profiles == "" {
		done <- nil
		return done
	}
	go func() {
		_, err := await(ctx, startPatience, func() (bool, error) {
			_, err := os.Stat(b.profileSocket(p.name))
			return err == nil, nil
		})
		done <- errors.Join(err, b.profile(ctx, p, "book import"))
	}()
	return done
}

var peakLine = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// peakMemory is the most that a running process has held in memory, in bytes; 0 where the system does
// not tell.
func peakMemory(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	found := peakLine.FindSubmatch(status)
	if found == nil {
		return 0
	}
	kilobytes, _ := strconv.Atoi(string(found[1])) // digits
	return float64(kilobytes) * 1024
}
