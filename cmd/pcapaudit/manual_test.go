package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestManuals looks at the pages of all commands: each has its flags, and man(7) has no complaint about them.
func TestManuals(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SOURCE_DATE_EPOCH", "1795000000")
	output(t, 0, "manuals", dir)
	root := rootCommand(&ui{})
	commands := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		commands++
		text, err := os.ReadFile(filepath.Join(dir, manualName(c)+".1"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), `"2026-11-18"`) {
			t.Errorf("%s: another date: %.100s", c.CommandPath(), text)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(string(text), `\fB\-\-`+roff(f.Name)+`\fR`) {
				t.Errorf("%s: no word of --%s", c.CommandPath(), f.Name)
			}
		})
		for _, sub := range documented(c) {
			visit(sub)
		}
	}
	visit(root)
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) != commands || commands < 15 {
		t.Errorf("%d pages of %d commands", len(pages), commands)
	}
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("mandoc is not installed: nobody has read the pages")
	}
	if out, err := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestRoff(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"plain", "plain"},
		{"--flag 'it' `that` ~x ^y", `\-\-flag \(aqit\(aq \(gathat\(ga \(tix \(hay`},
		{`C:\name`, `C:\ename`},
		{".request\n'request\nnone", "\\&.request\n\\(aqrequest\nnone"},
	} {
		if got := roff(c.text); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
	if got, want := quoted(`say "so"`), `"say \(dqso\(dq"`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
