package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"pcapaudit/reports"
)

// ui owns the three streams: stdout carries the report only; progress, warnings and errors go to stderr.
type ui struct {
	in        io.Reader
	out, err  io.Writer
	colorMode string
	stopped   os.Signal // the signal that ended the run early
	verdict   int       // exit code of the audit's result
}

// finish prints an error and gives the exit code of the run.
func (u *ui) finish(err error) int {
	if err == nil {
		if u.stopped != nil {
			return signalCode(u.stopped)
		}
		return u.verdict
	}
	var silent problemsPrinted
	if !errors.As(err, &silent) {
		fmt.Fprintf(u.err, "pcapaudit: %v\n", err)
	}
	if a := adviceOf(err); a != "" {
		fmt.Fprintf(u.err, "hint: %s\n", a)
	}
	code := codeOf(err)
	for _, c := range precedence {
		if c == code || c == u.verdict {
			return c
		}
	}
	return code
}

func (u *ui) warn(format string, args ...any) {
	fmt.Fprintf(u.err, "warning: "+format+"\n", args...)
}

// terminal gives the file behind a stream, if it is a terminal.
func terminal(w any) (*os.File, bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, false
	}
	return f, true
}

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
		return l, exitError{exitUsage, fmt.Errorf("--color %q: use auto, always or never", u.colorMode)}
	}
	return l, nil
}

// interruptible gives a context that the first SIGINT or SIGTERM ends, so that what was read is still reported; a second signal kills.
func (u *ui) interruptible(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	ch := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-ch:
			u.stopped = s
			fmt.Fprintf(u.err, "pcapaudit: %v: finishing with what was read; once more to quit at once\n", s)
			signal.Stop(ch)
			cancel()
		case <-done:
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
