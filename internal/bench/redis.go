package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// redisServer is a redis-server of ours, which keeps nothing on disk.
type redisServer struct {
	*process
	addr string
}

// startRedis starts redis-server on a free port.
func startRedis(dir string) (*redisServer, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("there is no redis-server on the PATH: `make bench` installs it (Debian: apt-get install redis-server)")
	}
	port, err := freePort()
	if err != nil {
		return nil, fmt.Errorf("find a port for Redis: %w", err)
	}
	p, out, err := startProcess(dir, "redis", environment(), path, "--port", strconv.Itoa(port), "--bind", "127.0.0.1",
		"--dir", filepath.Clean(dir), "--save", "", "--appendonly", "no", "--daemonize", "no")
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // its log; the pipe ends with it
	r := &redisServer{process: p, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	up, err := await(context.Background(), startPatience, func() (bool, error) {
		select {
		case <-p.ended: // another program may have taken the port
			return false, errors.New("it ended at once")
		default:
			_, err := r.ask("PING")
			return err == nil, nil
		}
	})
	if err == nil && !up {
		err = errors.New("it does not answer")
	}
	if err != nil {
		return nil, fmt.Errorf("start redis-server: %w", errors.Join(err, p.stop()))
	}
	return r, nil
}

func (r *redisServer) url() string { return "redis://" + r.addr + "/0" }

// ask sends an inline command and returns everything up to where the answer rests.
func (r *redisServer) ask(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", r.addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, command+"\r\nQUIT\r\n"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(bufio.NewReader(conn))
	return string(answer), err
}

// version is what the server calls itself.
func (r *redisServer) version() (string, error) {
	info, err := r.ask("INFO server")
	if err != nil {
		return "", fmt.Errorf("ask Redis for its version: %w", err)
	}
	for line := range strings.Lines(info) {
		if version, ok := strings.CutPrefix(line, "redis_version:"); ok {
			return strings.TrimSpace(version), nil
		}
	}
	return "", errors.New("ask Redis for its version: it says none")
}

// freePort returns a port that nobody listened on a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
