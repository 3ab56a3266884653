package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof" // on the operations listener, for -profile
	"os"
	"os/signal"
	"syscall"

	"ringside/internal/metrics"
)

// This program also is the servers that Ringside is measured beside: started again with a role.
const (
	roleVariable     = "RINGSIDE_BENCH_ROLE"
	upstreamVariable = "RINGSIDE_BENCH_UPSTREAM"

	roleBare  = "bare handler"
	roleProxy = "byte proxy"
)

// startRole starts this program once more, in a role.
func startRole(dir, role string, settings ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the %s: %w", role, err)
	}
	return startServer(dir, role, environment(append(settings, roleVariable+"="+role)...), self)
}

// play serves in a role until it is told to stop.
func play(role string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	public, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ops, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	http.Handle("/metrics", metrics.New().Handler())
	failed := make(chan error, 2)
	go func() { failed <- http.Serve(ops, nil) }()
	switch role {
	case roleBare:
		go func() { failed <- http.Serve(public, bareMux()) }()
	case roleProxy:
		go func() { failed <- proxyBytes(public, os.Getenv(upstreamVariable)) }()
	default:
		return fmt.Errorf("there is no role %q", role)
	}
	if err := json.NewEncoder(os.Stdout).Encode(address{"http://" + public.Addr().String(), "http://" + ops.Addr().String()}); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}
