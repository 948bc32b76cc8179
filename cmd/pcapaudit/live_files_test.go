package main

import (
	"os"
	"path/filepath"
	"testing"
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
