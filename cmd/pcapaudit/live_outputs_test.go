package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// TestReportForAlerts holds that alerts name the JSON report of the period, and where there is none how to get one.
func TestReportForAlerts(t *testing.T) {
	began := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC).UnixNano()
	for _, c := range []struct {
		reports   []string
		listen    string
		name, how string
	}{
		{[]string{"/var/lib/pcapaudit/{period}.html", "/var/lib/pcapaudit/{period}.json", "/other.json"}, "", "/var/lib/pcapaudit/20260102T000000Z.json", "written at the end of the period, and at SIGUSR1"},
		{[]string{"/srv/night reports/last.json"}, "127.0.0.1:9780", "'/srv/night reports/last.json'", "written at the end of the period, and at SIGUSR1"},
		{[]string{"/srv/last.html"}, "127.0.0.1:9780", "AUDIT.json", "as /api/audit of 127.0.0.1:9780 gives it"},
		{nil, "", "AUDIT.json", "live --report AUDIT.json writes it at the end of the period, and at SIGUSR1"},
	} {
		l := &liveRun{zone: time.UTC, began: began}
		l.flags.reports, l.flags.serve.listen = c.reports, c.listen
		if name, how := l.reportForAlerts(); name != c.name || how != c.how {
			t.Errorf("%v: %s (%s)", c.reports, name, how)
		}
	}
	l := &liveRun{zone: time.UTC, began: began}
	l.flags.reports = []string{"last.json"}
	if name, _ := l.reportForAlerts(); !strings.HasPrefix(name, "/") || !strings.HasSuffix(name, "/cmd/pcapaudit/last.json") {
		t.Errorf("%s can be used in this directory alone", name)
	}
}

// TestListNames holds that the list of the rest of a period does not replace that of its beginning.
func TestListNames(t *testing.T) {
	dir := t.TempDir()
	began := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC).UnixNano()
	l := &liveRun{zone: time.UTC, began: began, rest: began + int64(time.Hour)}
	l.flags.connections = dir + "/{period}.csv"
	first := dir + "/20260102T000000Z.csv"
	if name := l.listName(); name != first {
		t.Errorf("where the run before left none it is %s", name)
	}
	if err := os.WriteFile(first, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if name := l.listName(); name != dir+"/20260102T010000Z.csv" {
		t.Errorf("it is %s", name)
	}
	l.list = &liveList{path: l.listName()}
	if text := strings.Join(l.listed(), "\n"); !strings.Contains(text, l.list.path+" begins at "+flow.Stamp(l.rest)) {
		t.Errorf("%q", text)
	}
	l.rest = 0
	if name, text := l.listName(), l.listed(); name != first || text != nil {
		t.Errorf("a period from its beginning: %s, %q", name, text)
	}
}

// TestShellWord has the shell read words back.
func TestShellWord(t *testing.T) {
	for _, name := range []string{"/var/lib/20260102T000000+0100.json", "a b", "it's", "$HOME", "`id`", "a;b", "", "\\", "é", "a\nb", "*", "~x"} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellWord(name)).Output()
		if err != nil || string(out) != name {
			t.Errorf("%q is %s, read back as %q (%v)", name, shellWord(name), out, err)
		}
	}
	if name := "/var/lib/20260102T000000+0100.json"; shellWord(name) != name {
		t.Errorf("%s is quoted", name)
	}
}

// TestLiveReloadWhileReportsAreWritten has other rules taken while reports are being written; the race detector watches.
func TestLiveReloadWhileReportsAreWritten(t *testing.T) {
	dir := t.TempDir()
	var said bytes.Buffer
	u := &ui{out: &said, err: &said}
	a, _, err := loadAudit(filepath.Join(liveAudits(t), "one.json"))
	if err != nil {
		t.Fatal(err)
	}
	l := &liveRun{u: u, zone: time.UTC, set: new(rules.Set), files: newLiveFiles(u), alerts: new(alertSinks), stdout: new(stream)}
	l.flags.reports = []string{dir + "/{period}.json"}
	l.files.patient = true
	l.files.start()
	for i := range int64(8) {
		one := *a
		l.put(&one, i*int64(time.Hour))
		l.set = &rules.Set{Site: &rules.Site{HostsFrom: slices.Repeat([]*rules.Inventory{{Path: "hosts.csv"}}, int(i))}} // as reload does
	}
	if err := l.files.close(); err != nil || said.Len() > 0 {
		t.Errorf("%v\n%s", err, said.String())
	}
	if list, _ := filepath.Glob(dir + "/*.json"); len(list) != 8 {
		t.Errorf("%d reports were written", len(list))
	}
}
