package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"pcapaudit/classify"
	"pcapaudit/rules"
)

var update = flag.Bool("update", false, "rewrite golden reports")

// planted is what a recorded window holds, written down by hand: NAME.expect.yaml beside the capture.
type planted struct {
	Site     string    `yaml:"site"`
	Rules    []string  `yaml:"rules"`
	Findings []expects `yaml:"findings"` // exactly these decide
	Seen     []expects `yaml:"seen"`     // judged so, deciding nothing
}

type expects struct {
	Kind    string   `yaml:"kind"`
	Verdict string   `yaml:"verdict"`
	Why     []string `yaml:"why"`
	Orig    string   `yaml:"orig"`
	Resp    string   `yaml:"resp"`
	Proto   string   `yaml:"proto"`
	Port    string   `yaml:"port"`
	Flow    string   `yaml:"flow"`
}

func (e expects) String() string {
	return fmt.Sprintf("%s %s %v %s -> %s %s/%s %s", e.Kind, e.Verdict, e.Why, e.Orig, e.Resp, e.Proto, e.Port, e.Flow)
}

// window is one recorded window and its audit.
type window struct {
	planted
	name  string
	dir   string // of the capture
	code  int
	audit classify.Audit
	lines []line
}

// line is a line of audit --connections, as far as the test needs it.
type line struct {
	ID         string
	Proto      string
	Orig, Resp struct {
		IP   string
		Port uint16
	}
	Verdict    string
	Why        []string
	Flow       string
	Unverified []string

	OrigPackets uint64 `json:"orig_packets"`
	RespPackets uint64 `json:"resp_packets"`
}

// auditWindow audits the capture in dir that path, an expect file, belongs to.
func auditWindow(t *testing.T, path, dir string) *window {
	w := &window{name: strings.TrimSuffix(filepath.Base(path), ".expect.yaml"), dir: dir}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Load(text, &w.planted, yaml.WithV4Defaults(), yaml.WithKnownFields()); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	list := filepath.Join(t.TempDir(), "connections.json")
	args := w.args("--format", "json", "--connections", list)
	var out, errs bytes.Buffer
	w.code = run(args, nil, &out, &errs)
	if err := json.Unmarshal(out.Bytes(), &w.audit); err != nil {
		t.Fatalf("pcapaudit %v: %v\n%s", args, err, errs.String())
	}
	w.lines = readLines(t, list)
	return w
}

// readLines reads a list of connections.
func readLines(t *testing.T, name string) (lines []line) {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return lines
}

func (w *window) args(more ...string) []string {
	args := []string{"audit", "--site", "sites/" + w.Site + ".yaml"}
	for _, r := range w.Rules {
		args = append(args, "--rules", r)
	}
	return append(append(args, more...), filepath.Join(w.dir, w.name+".pcapng"))
}

// TestWindows audits every recorded window: exactly what was planted is found, and a clean window is clean.
func TestWindows(t *testing.T) {
	t.Chdir("../../testdata")
	paths, err := filepath.Glob("captures/*.expect.yaml")
	if err != nil || len(paths) < 11 {
		t.Fatalf("found %d windows, want 11 or more (%v)", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".expect.yaml"), func(t *testing.T) {
			w := auditWindow(t, path, "captures")
			w.check(t)
			w.golden(t)
		})
	}
}

func (w *window) check(t *testing.T) {
	w.checkFindings(t)
	w.checkSeen(t)
	want := exitDeviations
	if len(w.Findings) == 0 {
		want = exitClean
		w.checkPeriodic(t)
	}
	if w.code != want {
		t.Errorf("exit code %d, want %d: %s: %v", w.code, want, w.audit.Result.Text, w.audit.Result.Reasons)
	}
	if list := w.audit.Contradictions(); len(list) > 0 {
		t.Errorf("it contradicts itself: %q", list)
	}
}

// checkFindings compares findings with what was planted, both ways.
func (w *window) checkFindings(t *testing.T) {
	left := slices.Clone(w.Findings)
	for i := range w.audit.Findings {
		f := &w.audit.Findings[i]
		at := slices.IndexFunc(left, func(e expects) bool { return e.matches(f) })
		switch {
		case at >= 0 && f.Decides:
			left = slices.Delete(left, at, at+1)
		case at >= 0:
			t.Errorf("planted, and found without deciding: %s", left[at])
		case f.Severity == "info" || slices.ContainsFunc(w.Seen, func(e expects) bool { return e.matches(f) }):
		default:
			t.Errorf("not planted: %s %s %v: %s (%s)", f.Severity, f.Verdict, f.Why, f.Summary, f.Reason)
		}
	}
	for _, e := range left {
		t.Errorf("planted, not found: %s", e)
	}
}

func (e expects) matches(f *classify.Finding) bool {
	if e.Kind != f.Kind || e.Verdict != f.Verdict || e.Flow != f.Flow {
		return false
	}
	if e.Kind == "expectation" {
		return slices.Contains(f.Hosts, e.Orig)
	}
	return slices.Equal(e.Why, f.Why) && e.Orig == either(f.Orig) && e.Resp == either(f.Resp) && e.Proto == f.Proto && e.Port == f.Port
}

func either(e classify.EndRef) string {
	if e.Host != "" {
		return e.Host
	}
	return e.IP
}

// checkSeen looks for the connections that must be judged so without being findings.
func (w *window) checkSeen(t *testing.T) {
	site, _ := rules.LoadSite("sites/" + w.Site + ".yaml")
	if site == nil {
		t.Fatal("site does not load")
	}
	names := map[string]string{}
	for _, h := range site.Hosts {
		for _, a := range h.Addresses {
			names[a.Address] = h.Name
		}
	}
	for _, e := range w.Seen {
		if e.Kind != "connection" {
			continue
		}
		found := slices.ContainsFunc(w.lines, func(l line) bool {
			return l.Verdict == e.Verdict && (e.Flow == "" || l.Flow == e.Flow) && l.Proto == e.Proto && fmt.Sprint(l.Resp.Port) == e.Port &&
				(names[l.Orig.IP] == e.Orig || l.Orig.IP == e.Orig || w.behind(site, l.Orig.IP, e.Orig)) && (names[l.Resp.IP] == e.Resp || l.Resp.IP == e.Resp)
		})
		if !found {
			t.Errorf("no connection is judged so: %s", e)
		}
	}
}

// behind is true where the site's translation shows a host under another address.
func (w *window) behind(site *rules.Site, ip, host string) bool {
	return slices.ContainsFunc(site.Translations, func(tr rules.Translation) bool {
		return slices.Contains(tr.Outside, ip) && slices.Contains(tr.Inside, host)
	})
}

// checkPeriodic: in a clean window every periodic required expectation that can be tested is observed.
func (w *window) checkPeriodic(t *testing.T) {
	observed := 0
	for _, e := range w.audit.Expectations {
		if e.Need != "required" || e.Occurrence != "periodic" {
			continue
		}
		for _, s := range e.Statuses {
			switch s.Status {
			case "observed":
				observed += s.Hosts
			case "not-testable":
			default:
				t.Errorf("%s: %s", e.Flow, e.Summary)
			}
		}
	}
	if observed == 0 {
		t.Error("no periodic required expectation was observed")
	}
}

func (w *window) golden(t *testing.T) {
	t.Setenv("COLUMNS", "80")
	var out bytes.Buffer
	run(w.args(), nil, &out, &bytes.Buffer{})
	path := "reports/" + w.name + ".txt"
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./... -update writes it)", err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Errorf("report (-golden +got):\n%s", d)
	}
}
