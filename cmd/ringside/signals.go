package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// stopSignals ask the program to stop: a supervisor's TERM, Ctrl-C, and a terminal that closes.
var stopSignals = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}

// watchSignals returns the signals that stop the program, for a command that tells the first from
// the second.
func watchSignals() (signals <-chan os.Signal, undo func()) {
	c := make(chan os.Signal, 2)
	signal.Notify(c, stopSignals...)
	return c, func() { signal.Stop(c) }
}

// untilSignal returns a context that ends with the first signal, so that what was begun can be
// undone. A second signal then ends the process at once, as if nobody were watching.
func untilSignal(parent context.Context) (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(parent, stopSignals...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// stoppedEarly says that a signal came while the program was starting.
func stoppedEarly(ctx context.Context) error {
	return fmt.Errorf("stopped while starting: %w", context.Cause(ctx))
}
