package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"pcapaudit/capture/sandbox"
	"pcapaudit/reports"
)

// ui owns the three streams: stdout carries the report only; progress, warnings and errors go to stderr.
type ui struct {
	in        io.Reader
	out, err  io.Writer
	colorMode string
	stopped   atomic.Int32 // number of the signal that ended the run early
	verdict   int          // exit code of the audit's result
	floor     []byte       // see collectSeldom

	enter func(sandbox.Plan) (sandbox.Enforced, error) // limits this process for good; nil where the process is not ours, as in tests
}

// finish prints an error and gives the exit code of the run.
func (u *ui) finish(err error) int {
	if err == nil {
		if s := u.stopped.Load(); s != 0 {
			return signalCode(syscall.Signal(s))
		}
		return u.verdict
	}
	code := codeOf(err)
	if s := u.stopped.Load(); s != 0 && code == exitInput { // stopped while it waited for a stream's header
		return signalCode(syscall.Signal(s))
	}
	u.explain(err)
	for _, c := range precedence {
		if c == code || c == u.verdict {
			return c
		}
	}
	return code
}

// explain prints an error, or each of several, with its advice.
func (u *ui) explain(err error) {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range several.Unwrap() {
			u.explain(e)
		}
		return
	}
	var silent problemsPrinted
	if errors.As(err, &silent) || err == errReaderGone {
		return
	}
	fmt.Fprintf(u.err, "pcapaudit: %s\n", reports.Clean(err.Error()))
	if a := adviceOf(err); a != "" {
		fmt.Fprintf(u.err, "hint: %s\n", reports.Clean(a))
	}
}

func (u *ui) warn(format string, args ...any) {
	fmt.Fprintf(u.err, "warning: %s\n", reports.Clean(fmt.Sprintf(format, args...)))
}

// terminal gives the file behind a stream, if it is a terminal.
func terminal(w any) (*os.File, bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, false
	}
	return f, true
}

var colorWords = []string{"auto", "always", "never"}

// look decides width and colour of what goes to stdout.
func (u *ui) look(all bool) (reports.Look, error) {
	l := reports.Look{All: all}
	f, tty := terminal(u.out)
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		l.Width = n
	} else if tty {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			l.Width = n
		}
	}
	switch u.colorMode {
	case "always":
		l.Color = true
	case "auto":
		_, no := os.LookupEnv("NO_COLOR")
		l.Color = tty && !no && os.Getenv("TERM") != "dumb"
	case "never":
	default:
		return l, oneOf("--color", u.colorMode, "auto, always or never", colorWords...)
	}
	return l, nil
}

// interruptible gives a context that the first SIGINT or SIGTERM ends, so that what was read is still reported. A second one calls abandon, which
// removes temporary files, and quits. The returned function ends both.
func (u *ui) interruptible(parent context.Context, abandon func()) (context.Context, func()) {
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithCancel(parent)
	ch := make(chan os.Signal, 2)
	done := make(chan struct{})
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		for {
			select {
			case s := <-ch:
				n, _ := s.(syscall.Signal)
				if !u.stopped.CompareAndSwap(0, int32(n)) {
					abandon()
					os.Exit(128 + int(n))
				}
				fmt.Fprintf(u.err, "pcapaudit: %v: finishing with what was read; once more to quit at once\n", s)
				cancel()
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(ch)
		close(done)
		cancel()
	}
}

// progress shows bytes read on a terminal, nothing elsewhere. The returned functions are safe to call either way.
func (u *ui) progress() (update func(done, total int64), finish func()) {
	f, tty := terminal(u.err)
	if !tty {
		return nil, func() {}
	}
	var bar *progressbar.ProgressBar
	update = func(done, total int64) {
		if bar == nil {
			if total <= 0 {
				total = -1
			}
			bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(f), progressbar.OptionShowBytes(true),
				progressbar.OptionSetDescription("reading"), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(24))
		}
		_ = bar.Set64(done)
	}
	return update, func() {
		if bar != nil {
			_ = bar.Finish()
		}
	}
}
