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

// TestGoldenPageOfCleanWindow holds the page of a window without deviations; those with them are in TestGoldenFormats.
func TestGoldenPageOfCleanWindow(t *testing.T) {
	t.Chdir("../../testdata")
	holdGolden(t, pageOf(t, "lync-clean"), "reports/lync-clean.html")
}

// TestCommandsOfPageShowItsPackets runs what the pages tell a reviewer to run: tshark must show the packets of each finding's evidence and no other, as
// many as their connections have; tcpdump must not show fewer.
func TestCommandsOfPageShowItsPackets(t *testing.T) {
	for _, tool := range []string{"tshark", "tcpdump"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: the commands of the page are not run", tool)
		}
	}
	t.Chdir("../../testdata")
	for _, name := range []string{"acronis-deviating", "databox-deviating", "ibm-deviating", "payload"} {
		t.Run(name, func(t *testing.T) {
			w := auditWindow(t, "captures/"+name+".expect.yaml", "captures")
			want := w.evidencePackets()
			ran := 0
			for id, commands := range commandsOf(t, pageOf(t, name)) {
				for tool, command := range commands {
					ran++
					out, err := exec.Command("sh", "-c", command).Output()
					if err != nil {
						t.Errorf("%s: %v", command, err)
					}
					got := uint64(bytes.Count(out, []byte("\n")))
					if got < want[id] || got > want[id] && tool == "tshark" {
						t.Errorf("finding %s: %s shows %d packets, want %d: %s", id, tool, got, want[id], command)
					}
				}
			}
			if ran < 2*len(want)-1 { // tcpdump has no word for one packet
				t.Errorf("the page has %d commands for %d findings", ran, len(want))
			}
		})
	}
}

// evidencePackets counts the packets of the connections that each finding names; evidence that is no connection is one packet.
func (w *window) evidencePackets() map[string]uint64 {
	packets := map[string]uint64{}
	for _, l := range w.lines {
		packets[l.ID] = l.OrigPackets + l.RespPackets
	}
	sums := map[string]uint64{}
	for _, f := range w.audit.Findings {
		for _, e := range f.Evidence {
			sums[f.ID] += max(packets[e.ID], 1)
		}
	}
	return sums
}

// commandsOf reads the commands of a page by finding and tool.
func commandsOf(t *testing.T, path string) map[string]map[string]string {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	root, err := html.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	commands, id := map[string]map[string]string{}, ""
	for n := range root.Descendants() {
		switch {
		case n.Data == "dd" && len(n.Attr) == 1 && n.Attr[0].Val == "mono" && n.FirstChild != nil:
			id = n.FirstChild.Data
		case n.Data == "pre" && len(n.Attr) == 1 && strings.HasSuffix(n.Attr[0].Val, " command"):
			if commands[id] == nil {
				commands[id] = map[string]string{}
			}
			commands[id][strings.TrimSuffix(n.Attr[0].Val, " command")] = n.FirstChild.Data
		}
	}
	return commands
}
