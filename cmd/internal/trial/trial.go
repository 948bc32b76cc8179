// Package trial runs the real program on one hostile input under limits, and judges what no input may change: it ends by itself, in
// time, in memory, with an exit code that its help names for damaged inputs, without a stack trace, and its ledgers balance.
package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Limits bound one run. The system enforces CPU and AddressSpace, this package Wall; Resident is judged afterwards. Slowness is judged by
// processor time, as other programs have the machine too; Wall ends a program that waits for ever.
type Limits struct {
	CPU          time.Duration // whole seconds
	Wall         time.Duration
	AddressSpace int64 // bytes
	Resident     int64 // bytes
}

// Usual are the limits of a hostile file of at most a few megabytes.
var Usual = Limits{CPU: 5 * time.Second, Wall: 30 * time.Second, AddressSpace: 2 << 30, Resident: 256 << 20}

// Program is the binary under trial.
type Program struct {
	path   string
	limits Limits
}

// Build compiles the program of the module that the working directory belongs to into dir.
func Build(dir string, l Limits) (*Program, error) {
	path := filepath.Join(dir, "pcapaudit")
	build := exec.Command("go", "build", "-o", path, "pcapaudit/cmd/pcapaudit")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the program under trial: %w: %s", err, out)
	}
	return &Program{path, l}, nil
}

// Run is one finished run. Stdout and Stderr hold at most maxOutput bytes each.
type Run struct {
	Args           []string
	Code           int            // exit code; -1 where a signal ended it
	Signal         syscall.Signal // 0: none
	Late           bool           // ended at the wall limit; Stderr then holds the stacks
	Stdout, Stderr []byte
	CPU            time.Duration
	Resident       int64 // largest resident set, bytes; the system counts in that of the process which started it, so this one stays small
	limits         Limits
	overflow       bool
}

// maxOutput bounds what is kept of an output; a list of connections of a file of some megabytes stays far below.
const maxOutput = 64 << 20

// Start runs the program once, on the given number of processors (0: all of them).
func (p *Program) Start(processors int, args ...string) (*Run, error) {
	ctx, cancel := context.WithTimeout(context.Background(), p.limits.Wall)
	defer cancel()
	limited := fmt.Sprintf(`ulimit -c 0; ulimit -t %d; ulimit -v %d; exec "$@"`, int(p.limits.CPU.Seconds()), p.limits.AddressSpace>>10)
	c := exec.CommandContext(ctx, "sh", append([]string{"-c", limited, "sh", p.path}, args...)...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGQUIT) }
	c.WaitDelay = 2 * time.Second
	stdout, stderr := bounded{}, bounded{}
	c.Stdout, c.Stderr = &stdout, &stderr
	c.Env = append(os.Environ(), "NO_COLOR=1")
	if processors > 0 {
		c.Env = append(c.Env, "GOMAXPROCS="+strconv.Itoa(processors))
	}
	err := c.Run()
	r := &Run{Args: args, Late: ctx.Err() != nil, Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), limits: p.limits, overflow: stdout.full || stderr.full}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !r.Late {
		return nil, fmt.Errorf("run %s: %w", p.path, err)
	}
	r.Code, r.CPU = c.ProcessState.ExitCode(), c.ProcessState.UserTime()+c.ProcessState.SystemTime()
	if w, ok := c.ProcessState.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		r.Signal = w.Signal()
	}
	if u, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.Resident = int64(u.Maxrss) << 10
	}
	return r, nil
}

// bounded keeps the first maxOutput bytes.
type bounded struct {
	bytes.Buffer
	full bool
}

func (b *bounded) Write(p []byte) (int, error) {
	keep := p
	if room := maxOutput - b.Len(); len(p) > room {
		keep, b.full = p[:room], true
	}
	b.Buffer.Write(keep)
	return len(p), nil
}

// traces are what the Go runtime prints when a program dies, and what no message of ours holds.
var traces = []string{"panic:", "fatal error:", "goroutine ", "runtime error", "SIGSEGV", "SIGBUS", "invalid memory address"}

// Faults lists what is wrong with the run whatever its input was; none is the promise.
func (r *Run) Faults() []string {
	var faults []string
	add := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	switch {
	case r.Late:
		add("still running after %v, %v of processor time: %.4000s", r.limits.Wall, r.CPU, r.Stderr)
		return faults
	case r.Signal != 0:
		add("ended by signal %v after %v of processor time", r.Signal, r.CPU)
	case r.Code != 0 && r.Code != 1 && r.Code != 3 && r.Code != 4:
		add("exit code %d: %s", r.Code, firstLine(r.Stderr))
	}
	for _, trace := range traces {
		if bytes.Contains(r.Stderr, []byte(trace)) {
			add("standard error holds %q: %s", trace, firstLine(r.Stderr))
			break
		}
	}
	if c, ok := control(r.Stderr); ok {
		add("standard error holds the control character %#02x", c)
	}
	if r.Resident > r.limits.Resident {
		add("resident set of %d MiB, at most %d are promised", r.Resident>>20, r.limits.Resident>>20)
	}
	if r.overflow {
		add("more than %d bytes of output", maxOutput)
	}
	return append(faults, r.ledgers()...)
}

func control(text []byte) (byte, bool) {
	for _, c := range text {
		if c < 0x20 && c != '\n' && c != '\t' || c == 0x7f {
			return c, true
		}
	}
	return 0, false
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(string(text), "\n")
	return fmt.Sprintf("%.300q", line)
}
