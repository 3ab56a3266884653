package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

type healthCommand struct {
	URL string `help:"The operations listener; default RINGSIDE_OPS_LISTEN." placeholder:"http://127.0.0.1:8081"`
}

func (c *healthCommand) Run(a *app) error {
	base := c.URL
	if base == "" {
		host, port, err := net.SplitHostPort(a.config.OpsListen)
		if err != nil {
			return err
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		base = "http://" + net.JoinHostPort(host, port)
	}
	ctx, cancel := context.WithTimeout(a.ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/healthz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("no sidecar answers: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the sidecar answers %s", response.Status)
	}
	_, err = fmt.Fprintln(a.out, "ok")
	return err
}
