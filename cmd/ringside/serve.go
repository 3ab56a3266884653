package main

import (
	"context"
	"errors"
	"os"
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
	starting, started := untilSignal(a.ctx)
	defer started()
	s, err := bind(a.config, a.log, listen)
	if err != nil {
		return err
	}
	err = s.start(starting)
	signals, undo := watchSignals() // before the look at starting: no signal falls between the two
	defer undo()
	if starting.Err() != nil {
		err = stoppedEarly(starting)
	}
	started()
	if err != nil {
		undo()
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
