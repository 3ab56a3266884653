package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ringside/recognize"
)

// What is read of a server's /metrics.
const (
	metricCPU     = "process_cpu_seconds_total"
	metricMemory  = "process_resident_memory_bytes"
	metricWaiting = "ringside_events_waiting"
	metricWritten = "ringside_events_written_total"
	metricDropped = "ringside_events_dropped_total"
)

var probes = http.Client{Timeout: 10 * time.Second}

// readMetrics returns the figures without labels that a server gives of itself. What a system does not
// tell of a process is missing.
func (p *process) readMetrics(ctx context.Context) (map[string]float64, error) {
	body, err := get(ctx, &probes, p.address.Ops+"/metrics", "")
	if err != nil {
		return nil, fmt.Errorf("read the figures of %s: %w", p.name, err)
	}
	figures := map[string]float64{}
	for line := range strings.Lines(string(body)) {
		name, text, ok := strings.Cut(strings.TrimSpace(line), " ")
		if value, err := strconv.ParseFloat(text, 64); ok && err == nil {
			figures[name] = value
		}
	}
	return figures, nil
}

// traceOf returns how a call was recognised, as a sidecar tells it.
func (s *stage) traceOf(ctx context.Context, p *process, callSID string) (t recognize.Trace, err error) {
	body, err := get(ctx, &probes, p.address.Listen+"/v1/recognitions/"+callSID, s.apiKey)
	if err != nil {
		return t, fmt.Errorf("ask how a call was recognised: %w", err)
	}
	if err := json.Unmarshal(body, &t); err != nil {
		return t, fmt.Errorf("read how a call was recognised: %w", err)
	}
	return t, nil
}

func get(ctx context.Context, client *http.Client, target, key string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(bufio.NewReader(response.Body))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return body, err
}

// socketVariable tells the profiled program where to hand out profiles; see profiling.go.txt.
const socketVariable = "RINGSIDE_BENCH_PPROF"

// profile takes a CPU profile of a server for a while. The roles of this program hand theirs out on
// their operations listener, ringside on a socket.
func (s *stage) profile(ctx context.Context, p *process, load string) error {
	if err := os.MkdirAll(s.plan.profiles, 0o755); err != nil {
		return fmt.Errorf("make the folder for profiles: %w", err)
	}
	client, base := &http.Client{}, p.address.Ops
	if p.cmd.Path == s.program {
		base = "http://ringside"
		client.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("unix", s.profileSocket(p.name))
		}}
	}
	seconds := max(1, int(s.plan.profiled.Seconds()))
	body, err := get(ctx, client, base+"/debug/pprof/profile?seconds="+strconv.Itoa(seconds), "")
	if err != nil {
		return fmt.Errorf("take a profile of %s: %w", p.name, err)
	}
	name := strings.NewReplacer(" ", "-", ",", "").Replace(load) + ".pprof"
	return os.WriteFile(filepath.Join(s.plan.profiles, name), body, 0o600)
}

func (s *stage) profileSocket(server string) string {
	return filepath.Join(s.dir, strings.ReplaceAll(server, " ", "-")+".sock")
}
