package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pcapaudit/classify/monitor"
	"pcapaudit/rules"
)

// TestMachineID holds that audits tell machines apart without what the machine keeps to itself.
func TestMachineID(t *testing.T) {
	file := filepath.Join(t.TempDir(), "machine-id")
	for text, want := range map[string]bool{"00112233445566778899aabbccddeeff\n": true, "": false, "uninitialized\n": false} {
		if err := os.WriteFile(file, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		id := machineID(file)
		if (len(id) == 16) != want || id != machineID(file) || want && id == text[:16] {
			t.Errorf("%q is %q", text, id)
		}
	}
	if id := machineID(file + " that is not there"); id != "" {
		t.Errorf("no file is %q", id)
	}
}

// TestLeftByARunWithTheSameID: in a PID namespace each run may have the same id. What the ones before have left is removed, however much it is, and nothing else.
func TestLeftByARunWithTheSameID(t *testing.T) {
	dir := t.TempDir()
	u := &ui{err: io.Discard}
	l := &liveRun{u: u, zone: time.UTC, set: new(rules.Set), files: newLiveFiles(u), alerts: new(alertSinks), stdout: new(stream)}
	l.mon = monitor.New(l.set, nil, time.Now().UnixNano(), monitor.Options{Alert: func(monitor.Alert) {}})
	l.flags.connections, l.flags.state = filepath.Join(dir, "list.ndjson"), filepath.Join(dir, "state")
	var left []string
	for i := range 101 {
		left = append(left, fmt.Sprintf(".list.ndjson.%d-%d.tmp", os.Getpid(), i))
	}
	other := []string{fmt.Sprintf(".list.ndjson.%d-0.tmp", os.Getppid()), ".list.ndjson.x-0.tmp", "list.ndjson", fmt.Sprintf(".notes.%d-0.tmp", os.Getpid())}
	for _, name := range append(left, other...) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.prepare(); err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != len(other) {
		t.Errorf("%d files, want %d: %v", len(list), len(other), list)
	}
	for _, name := range other {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
