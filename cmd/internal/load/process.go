package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a running program. It dies with this one.
type process struct {
	name           string
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer // complete once it has ended
	done           chan struct{}
	peak           int64 // largest resident memory that status has seen, bytes
}

func start(space, dir string, args []string) (*process, error) {
	p := &process{name: args[0], cmd: exec.Command("ip", append([]string{"netns", "exec", space}, args...)...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, &p.stdout, &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) signal(s os.Signal) { p.cmd.Process.Signal(s) }

func (p *process) kill() error {
	p.signal(os.Kill)
	<-p.done
	return nil
}

// stop ends the program by a signal, and waits for it. What it holds meanwhile counts for peak.
func (p *process) stop(patience time.Duration) error {
	p.signal(os.Interrupt)
	late := time.After(patience)
	for {
		p.status()
		select {
		case <-p.done:
			return nil
		case <-late:
			p.kill()
			return fmt.Errorf("%s did not end within %v of a signal", p.name, patience)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// said is what it wrote to standard error, in a line.
func (p *process) said() string {
	if !p.ended() {
		return "nothing yet"
	}
	return string(bytes.TrimSpace(p.stderr.Bytes()))
}

// cpu is its processor time until now, or until it ended.
func (p *process) cpu() time.Duration {
	if p.ended() {
		return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name before may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / 100 // USER_HZ
}

// memory is what /proc says of a program at a moment, in bytes and numbers.
type memory struct {
	resident, anonymous, peak int64
	threads, files            int
}

// status is zero where it has ended.
func (p *process) status() (m memory) {
	dir := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	text, err := os.ReadFile(dir + "status")
	if err != nil {
		return m
	}
	for _, line := range strings.Split(string(text), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			continue
		}
		switch fields[0] {
		case "VmRSS:":
			m.resident = n << 10
		case "RssAnon:":
			m.anonymous = n << 10
		case "VmHWM:":
			m.peak = n << 10
		case "Threads:":
			m.threads = int(n)
		}
	}
	if list, err := os.ReadDir(dir + "fd"); err == nil {
		m.files = len(list)
	}
	p.peak = max(p.peak, m.peak)
	return m
}

// exited gives the exit code as an error where it is none of those of a run that did what it was asked to.
func (p *process) exited() error {
	switch code := p.cmd.ProcessState.ExitCode(); code {
	case 0, 1, 3, 128 + int(syscall.SIGINT):
		return nil
	default:
		return errors.Join(fmt.Errorf("%s: exit code %d", p.name, code), errors.New(p.said()))
	}
}
