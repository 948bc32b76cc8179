package main

import (
	"os"
	"regexp"
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

// session is a block of the README that begins with a command and shows the first lines of what it prints, then "...".
var session = regexp.MustCompile("(?m)^```text\n\\$ \\./pcapaudit (.*)\n((?s:.*?))\\.\\.\\.\n```$")

// TestReadmeSessions holds the README's other sessions against what the program prints.
func TestReadmeSessions(t *testing.T) {
	const shown = 9 // lines that -update writes
	t.Chdir("../..")
	t.Setenv("COLUMNS", "80")
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := session.FindAllStringSubmatch(string(text), -1)
	if len(found) == 0 {
		t.Fatal("the README has no other session")
	}
	want := string(text)
	for _, m := range found {
		var args []string
		for i, part := range strings.Split(m[1], "'") {
			if i%2 == 0 {
				args = append(args, strings.Fields(part)...)
			} else {
				args = append(args, part)
			}
		}
		screen := string(output(t, exitClean, args...))
		if !*update {
			if m[2] == "" || !strings.HasPrefix(screen, m[2]) {
				t.Errorf("pcapaudit %s does not print what the README shows; go test ./... -update writes it", m[1])
			}
			continue
		}
		lines := strings.SplitAfterN(screen, "\n", shown+1)
		want = strings.Replace(want, m[0], strings.Replace(m[0], m[2]+"...", strings.Join(lines[:min(shown, len(lines))], "")+"...", 1), 1)
	}
	if want != string(text) {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
