package main

import (
	"os"
	"strings"
	"testing"
)

// TestReadmeShowsRealOutput keeps the session of the README equal to the report of the same window.
func TestReadmeShowsRealOutput(t *testing.T) {
	const lead = "by a test -->\n```text\n"
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	report, err := os.ReadFile("../../testdata/reports/acronis-deviating.txt")
	if err != nil {
		t.Fatal(err)
	}
	screen, _, ok := strings.Cut(string(report), "\nFindings (")
	before, rest, found := strings.Cut(string(text), lead)
	_, after, closed := strings.Cut(rest, "```\n")
	if !ok || !found || !closed {
		t.Fatal("README or report has lost its marks")
	}
	screen = strings.ReplaceAll(screen, "captures/acronis", "testdata/captures/acronis")
	want := before + lead + screen + "```\n" + after
	if *update {
		if err := os.WriteFile("../../README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Error("the README's session is not what the program prints; go test ./... -update writes it")
	}
}
