package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	groups, err := parse(strings.NewReader("# quick " + file + "\nbase | 1 | sleep 0.05\nfinds | 2 | sleep 0.05; exit 1\nbreaks | 1 | echo no such thing >&2; exit 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := measure(&out, groups, 3, time.Minute, []string{"base", "absent"}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{"/ base", "  3     1.000", "  3     ", `FAILED: exit code 2: "no such thing"`} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d: %q has no %q", i, lines[i], want)
		}
	}
	if once := groups[0].rows[1].wall() / 2; once < 50*time.Millisecond {
		t.Errorf("a sleep of 50 ms took %v", once)
	}
}

func TestPlan(t *testing.T) {
	for _, bad := range []string{"row | 1 | true", "# name", "# name file\nrow | true", "# name file\nrow | x | true"} {
		if _, err := parse(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
