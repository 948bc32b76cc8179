package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// firstAudit is the script in CONTRIBUTING.md by which a page and a capture become an audit.
var firstAudit = regexp.MustCompile("(?ms)^## From a page and a capture to a first audit$.*?^```sh\n(.*?)^```$")

// TestFirstAudit runs that script as it stands and holds its figures against what is written there.
func TestFirstAudit(t *testing.T) {
	for _, tool := range []string{"sh", "sed", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: the first audit was not run", tool)
		}
	}
	for _, need := range []string{"captures/otrf__purplesharp*.cap", "seeds/004_*.txt"} {
		if found, _ := filepath.Glob("../../../shared/" + need); len(found) != 1 {
			t.Skipf("there is no ../shared/%s: the first audit was not run", need)
		}
	}
	text, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	script := firstAudit.FindSubmatch(text)
	if script == nil {
		t.Fatal("CONTRIBUTING.md has no such script")
	}
	program, err := os.Executable() // which is pcapaudit where it is called so
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(program, filepath.Join(dir, "pcapaudit")); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-uc", string(script[1]))
	c.Dir = "../.."
	c.Env = append(os.Environ(), "TMPDIR="+dir, "COLUMNS=80", "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"drafted 157 flows from .*; parts left out: 31", `drafted: hosts 4, roles 14 \(guesses: 11\)`, "site.yaml: no problem in 4 hosts", "1 draft among packs and site",
		" by baseline packs +44 ", "6 unexpected connections", "exit code 1\n", "What would make it documented"} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if reports, _ := filepath.Glob(filepath.Join(dir, "*/report.html")); len(reports) != 1 {
		t.Error("there is no HTML report")
	}
}
