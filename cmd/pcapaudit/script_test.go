package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// exitCommand is "exit CODE ARG...": runs pcapaudit and asserts its exit code; stdin is taken from before it, stdout and stderr can be matched behind it.
func exitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exit CODE [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("exit: %v", err)
	}
	err = ts.Exec("pcapaudit", args[1:]...)
	got := 0
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		got = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("exit: %v", err)
	}
	if got != want {
		ts.Fatalf("pcapaudit %q exits with %d, want %d", args[1:], got, want)
	}
}

// cutCommand is "cut FILE BYTES": shortens a file.
func cutCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cut FILE BYTES")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// condition is [confined]: all that --sandbox strict asks for can be enforced here.
func condition(name string) (bool, error) {
	if name != "confined" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	const landlockCreateRuleset, version = 444, 1 // asks for the version
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		return false, nil
	}
	landlock, _, errno := syscall.Syscall(landlockCreateRuleset, 0, 0, version)
	return errno == 0 && landlock >= 3, nil
}
