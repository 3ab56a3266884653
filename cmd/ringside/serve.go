package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// shutdownGrace is what stopping may take beyond the drain timeout before the watchdog ends it.
const shutdownGrace = 30 * time.Second

type serveCommand struct{ jsonFlag }

func (c *serveCommand) Help() string {
	return "Listens for Twilio's webhooks and sockets and for the API on RINGSIDE_LISTEN, and for /healthz, /readyz and /metrics on RINGSIDE_OPS_LISTEN. " +
		"TERM or Ctrl-C lets the calls end first, up to RINGSIDE_DRAIN_TIMEOUT; a second one ends at once."
}

func (c *serveCommand) Run(a *app) error {
	signals, undo := watchSignals()
	defer undo()
	s, err := bind(a.config, a.log)
	if err != nil {
		return err
	}
	if err := s.startUnless(a.ctx, signals); err != nil {
		return errors.Join(err, s.close())
	}
	public, err := s.publicURL()
	if err != nil {
		return errors.Join(err, s.close())
	}
	if a.config.PublicURL == "" {
		a.log.Warn("RINGSIDE_PUBLIC_URL is not set: Twilio's signatures are checked for this machine's address, which only the simulator uses", "public_url", public.String())
	}
	err = c.print(a, map[string]string{"listen": localURL(s.public), "ops": localURL(s.ops), "public_url": public.String()},
		"Ringside is listening: %s (webhooks, API), %s (operations). Twilio reaches it at %s.", localURL(s.public), localURL(s.ops), public)
	if err != nil {
		return errors.Join(err, s.close())
	}
	return s.untilStopped(a.ctx, signals)
}

// watchSignals returns the signals that stop the program.
func watchSignals() (signals <-chan os.Signal, undo func()) {
	c := make(chan os.Signal, 2)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	return c, func() { signal.Stop(c) }
}

// startUnless starts, but gives up when a signal comes first.
func (s *sidecar) startUnless(ctx context.Context, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	started := make(chan error, 1)
	go func() { started <- s.start(ctx) }()
	select {
	case err := <-started:
		return err
	case sig := <-signals:
		cancel(fmt.Errorf("stopped by %s while starting", sig))
		return errors.Join(context.Cause(ctx), <-started)
	}
}

// untilStopped waits for a signal, drains and closes. A second signal, or the watchdog, ends the
// process at once: events that wait in memory are lost then, and Twilio reconnects the calls.
func (s *sidecar) untilStopped(ctx context.Context, signals <-chan os.Signal) error {
	select {
	case sig := <-signals:
		s.log.Info("stopping; waiting for calls to end (a second signal ends at once)", "signal", sig.String(), "open_calls", s.voice.OpenCalls())
	case <-ctx.Done():
	}
	watchdog := time.AfterFunc(s.config.DrainTimeout+shutdownGrace, func() {
		s.log.Error("stopping took too long; ending now")
		os.Exit(exitFailed)
	})
	defer watchdog.Stop()
	stopped := make(chan error, 1)
	go func() {
		s.drain(context.WithoutCancel(ctx))
		stopped <- s.close()
	}()
	select {
	case err := <-stopped:
		return err
	case sig := <-signals:
		s.log.Warn("ending at once", "signal", sig.String(), "open_calls", s.voice.OpenCalls())
		os.Exit(exitFailed)
		return nil
	}
}
