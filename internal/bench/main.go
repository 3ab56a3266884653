// Command bench measures Ringside beside the plainest programs that could stand in its place, in one
// run, and prints the design's table of figures with the ratios that were reached:
//
//   - POST /twilio/voice beside a bare net/http handler that parses the form, checks the signature and
//     returns constant TwiML;
//   - the relay beside a proxy that copies bytes;
//   - the time to answer a caller while Redis is silent and Postgres slow;
//   - an import into the address book beside COPY, adding to it beside plain inserts, and searching it.
//
// What is measured is the program itself, built from this module and run as its own process, on a
// Postgres that writes through to the disk and a real Redis. A missed goal is a line in the table, not
// a failure; docs/performance.md explains the figures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// The parts of a run, as -only names them.
const (
	partVoice  = "voice"
	partFaults = "faults"
	partRelay  = "relay"
	partBook   = "book" // last: it empties the address book
)

var parts = []string{partVoice, partFaults, partRelay, partBook}

// run is the program. It fails if something could not be measured, never for what was measured.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	quick := flags.Bool("quick", false, "a short run: its figures are rough")
	only := flags.String("only", "", "measure only these, separated by commas: "+strings.Join(parts, ", "))
	profiles := flags.String("profile", "", "write a CPU profile of each server under each load into this folder")
	program := flags.String("program", "", "measure this ringside instead of building one, to compare versions")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted := parts
	if *only != "" {
		wanted = strings.Split(*only, ",")
	}
	for _, part := range wanted {
		if !slices.Contains(parts, part) {
			return fmt.Errorf("there is no part %q to measure: -only takes %s", part, strings.Join(parts, ", "))
		}
	}
	p := fullPlan
	if *quick {
		p = quickPlan
	}
	p.profiles, p.program = *profiles, *program
	if p.profiles != "" && p.program != "" {
		return errors.New("-profile builds a program for that, so that it does not go with -program")
	}
	return measure(ctx, p, wanted, stdout, stderr)
}

// measure sets the stage, measures the wanted parts and prints what was found.
func measure(ctx context.Context, p plan, wanted []string, stdout, stderr io.Writer) (err error) {
	// The generators of load share the processors with what they measure: they should collect
	// garbage rarely.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	say := func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }
	s, err := setStage(ctx, p, say)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	r := &report{plan: p, versions: s.versions}
	for _, part := range parts {
		if !slices.Contains(wanted, part) {
			continue
		}
		switch part {
		case partVoice:
			r.voice, err = s.measureVoice(ctx)
		case partFaults:
			r.faults, err = s.measureFaults(ctx)
		case partRelay:
			r.relay, err = s.measureRelay(ctx)
		case partBook:
			r.book, err = s.measureBook(ctx)
		}
		if err != nil {
			return fmt.Errorf("measure %s: %w", part, err)
		}
	}
	return r.print(stdout)
}
