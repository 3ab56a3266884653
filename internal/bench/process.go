package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	startPatience = 30 * time.Second
	stopPatience  = 40 * time.Second
)

// process is a program that runs beside this one and serves until it is stopped. Each server that is
// measured is one, since a generator of load must not share its garbage collector.
type process struct {
	name    string
	cmd     *exec.Cmd
	log     *os.File
	ended   chan struct{}
	address address
}

// address is what a server prints, as one line of JSON, once it listens: `ringside serve --json` and
// the roles of this program alike.
type address struct {
	Listen string `json:"listen"`
	Ops    string `json:"ops"`
}

// startServer starts a program and returns when it listens. It logs to a file in dir.
func startServer(dir, name string, env []string, path string, args ...string) (*process, error) {
	p, out, err := startProcess(dir, name, env, path, args...)
	if err != nil {
		return nil, err
	}
	listening := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(out).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &p.address)
		}
		listening <- err
	}()
	select {
	case err = <-listening:
	case <-time.After(startPatience):
		err = fmt.Errorf("it did not listen within %s", startPatience)
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, errors.Join(err, p.stop(), p.complaint()))
	}
	return p, nil
}

// startProcess starts a program, in a process group of its own: an interrupt from the terminal is
// for this program, which then stops the others in order.
func startProcess(dir, name string, env []string, path string, args ...string) (p *process, stdout *os.File, err error) {
	p = &process{name: name, cmd: exec.Command(path, args...), ended: make(chan struct{})}
	if p.log, err = os.CreateTemp(dir, name+"-*.log"); err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", name, err)
	}
	stdout, theirs, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", name, errors.Join(err, p.log.Close()))
	}
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = theirs, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = p.cmd.Start()
	theirs.Close()
	if err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", name, errors.Join(err, stdout.Close(), p.log.Close()))
	}
	go func() {
		_ = p.cmd.Wait() // the state has it
		stdout.Close()
		close(p.ended)
	}()
	return p, stdout, nil
}

// stop ends the process in order, or by force if it does not.
func (p *process) stop() error {
	defer p.log.Close()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopPatience):
	}
	_ = p.cmd.Process.Kill() // it has ended after all
	<-p.ended
	return fmt.Errorf("%s did not stop within %s", p.name, stopPatience)
}

// complaint is the end of what the process logged, as an error; nil if it said nothing.
func (p *process) complaint() error {
	const tail = 1000
	said, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err
	}
	said = bytes.TrimSpace(said[max(0, len(said)-tail):])
	if len(said) == 0 {
		return nil
	}
	return fmt.Errorf("it said: %s", said)
}

// host is where the process listens, as host and port.
func (a address) host() string { return strings.TrimPrefix(a.Listen, "http://") }

// environment is what a server gets of ours: nothing but what it takes to run programs, so that no
// setting of whoever measures changes what is measured.
func environment(settings ...string) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "PG_BIN"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return append(env, settings...)
}
