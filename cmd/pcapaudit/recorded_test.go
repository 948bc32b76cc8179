//go:build namespaces

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecordedNow records every window anew in network namespaces and expects the findings of the committed recordings: they depend on
// what happens on the wire, not on one night's ports and times. It needs root, iproute2, nftables, dumpcap and the servers that testdata/README.md names.
func TestRecordedNow(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
	dir := t.TempDir()
	record := exec.Command("go", "run", "../internal/record", "-out", dir)
	if out, err := record.CombinedOutput(); err != nil {
		t.Fatalf("recording: %v\n%s", err, out)
	}
	t.Chdir("../../testdata")
	paths, err := filepath.Glob("captures/*.expect.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no window (%v)", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".expect.yaml"), func(t *testing.T) {
			auditWindow(t, path, dir).check(t)
		})
	}
}
