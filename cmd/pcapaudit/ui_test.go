package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// File names are foreign text too: nothing that steers a terminal may reach standard error.
func TestMessagesAreClean(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "e\x1b[31mvil\u202e.pcap")
	if err := os.WriteFile(name, []byte("no capture"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"connections", name}, {"connections", dir}, {"rules", "check", name}, {"site", "check", name}, {"audit", "--report", dir + "/\x1bnone/x.json", name}} {
		var out, errs bytes.Buffer
		if code := run(args, nil, &out, &errs); code == exitClean || errs.Len() == 0 {
			t.Errorf("%q: exit code %d, message %q", args, code, errs.String())
		}
		if bytes.ContainsRune(errs.Bytes(), 0x1b) || bytes.ContainsRune(errs.Bytes(), 0x202e) {
			t.Errorf("%q: control characters in %q", args, errs.String())
		}
	}
}
