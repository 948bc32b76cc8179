package main

import (
	"os"
	"strings"
	"testing"
)

// TestReadmeShowsRealOutput runs the README's first command and keeps the session below it equal to what it prints, up to the findings.
func TestReadmeShowsRealOutput(t *testing.T) {
	const command, lead = "\ngo run ./cmd/pcapaudit ", "by a test -->\n```text\n"
	t.Chdir("../..")
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(text), command)
	line, _, _ = strings.Cut(line, "\n")
	before, rest, shown := strings.Cut(string(text), lead)
	_, after, closed := strings.Cut(rest, "```\n")
	if !found || !shown || !closed {
		t.Fatal("the README has lost its marks")
	}
	t.Setenv("COLUMNS", "80")
	screen, _, ok := strings.Cut(string(output(t, exitDeviations, strings.Fields(line)...)), "\nFindings:")
	if !ok {
		t.Fatal("the report has no findings")
	}
	want := before + lead + screen + "```\n" + after
	if *update {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Error("the README's session is not what the program prints; go test ./... -update writes it")
	}
}
