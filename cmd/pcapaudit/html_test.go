package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// pageOf writes the HTML report of a window.
func pageOf(t *testing.T, name string) string {
	t.Helper()
	w := auditWindow(t, "captures/"+name+".expect.yaml", "captures")
	path := filepath.Join(t.TempDir(), name+".html")
	var errs bytes.Buffer
	if code := run(w.args("--report", path), nil, &bytes.Buffer{}, &errs); code != w.code {
		t.Fatalf("exit code %d, and %d without a page: %s", code, w.code, errs.String())
	}
	return path
}

// TestGoldenPages holds the HTML report of two windows against the golden files.
func TestGoldenPages(t *testing.T) {
	t.Chdir("../../testdata")
	for _, name := range []string{"acronis-deviating", "lync-clean"} {
		holdGolden(t, pageOf(t, name), "reports/"+name+".html")
	}
}

// TestCommandsOfPageShowItsPackets runs what the page tells a reviewer to run: tshark and tcpdump must show the same packets, and some.
func TestCommandsOfPageShowItsPackets(t *testing.T) {
	for _, tool := range []string{"tshark", "tcpdump"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: the commands of the page are not run", tool)
		}
	}
	t.Chdir("../../testdata")
	file, err := os.Open(pageOf(t, "acronis-deviating"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	root, err := html.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	for n := range root.Descendants() {
		if n.Data == "pre" && n.FirstChild != nil && len(n.Attr) == 1 && strings.HasSuffix(n.Attr[0].Val, " command") && len(lines) < 8 {
			out, err := exec.Command("sh", "-c", n.FirstChild.Data).Output()
			if err != nil {
				t.Errorf("%s: %v", n.FirstChild.Data, err)
			}
			lines = append(lines, bytes.Count(out, []byte("\n")))
		}
	}
	if len(lines) < 8 {
		t.Fatalf("the page has %d commands, want 8 or more", len(lines))
	}
	for i := 0; i < len(lines); i += 2 {
		if lines[i] == 0 || lines[i] != lines[i+1] {
			t.Errorf("pair %d: tshark shows %d packets, tcpdump %d", i/2, lines[i], lines[i+1])
		}
	}
}
