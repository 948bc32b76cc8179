package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Exit codes. Where several apply, precedence decides.
const (
	exitClean        = 0
	exitDeviations   = 1
	exitUsage        = 2 // usage, rules, site
	exitInconclusive = 3
	exitInput        = 4 // no packet of an input could be read
	exitOutput       = 5
	exitCapture      = 6 // capture, privilege or worker failure
	exitLedger       = 7
)

// precedence of exit codes, the strongest first.
var precedence = []int{exitLedger, exitUsage, exitCapture, exitInput, exitOutput, exitDeviations, exitInconclusive, exitClean}

// exitError is an error that decides the exit code.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string { return e.err.Error() }
func (e exitError) Unwrap() error { return e.err }

// codeOf walks joined errors and gives the strongest code; an error without one is a usage error (cobra's own).
func codeOf(err error) int {
	if err == nil {
		return exitClean
	}
	codes := map[int]bool{}
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case exitError:
			codes[e.code] = true
		case interface{ Unwrap() []error }:
			for _, sub := range e.Unwrap() {
				walk(sub)
			}
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		default:
			codes[exitUsage] = true
		}
	}
	walk(err)
	for _, c := range precedence {
		if codes[c] {
			return c
		}
	}
	return exitUsage
}

// errReaderGone: whoever read standard output has closed it, which is their right, so it is no word worth. Still the report did not arrive whole.
var errReaderGone = exitError{exitOutput, errors.New("standard output is closed")}

// outputFailed gives write errors of standard output their exit code.
func outputFailed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE):
		return errReaderGone
	}
	return exitError{exitOutput, hint(fmt.Errorf("write to standard output: %w", bare(err)), spaceAdvice)}
}

// hinted is an error with advice, which the ui prints on a line of its own.
type hinted struct {
	error
	advice string
}

func (h hinted) Unwrap() error { return h.error }

func hint(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}

// adviceOf is the advice that travels with an error, "" if none.
func adviceOf(err error) string {
	var h hinted
	if errors.As(err, &h) {
		return h.advice
	}
	return ""
}

// signalCode is the exit code after a signal: 128+n; 0 for SIGTERM under a service manager, which asked for the stop.
func signalCode(s syscall.Signal) int {
	if s == syscall.SIGTERM && os.Getenv("INVOCATION_ID") != "" {
		return exitClean
	}
	return 128 + int(s)
}
