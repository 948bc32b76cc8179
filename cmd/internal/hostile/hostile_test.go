package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pcapaudit/cmd/internal/trial"
)

// pack is any one: the judgement is not under trial, and all of them take longer to load than most files to read.
const pack = "acronis-abr-11.5"

// TestHostileFiles runs the real program on every file. With -short it takes one file of eight.
func TestHostileFiles(t *testing.T) {
	dir := t.TempDir()
	program, err := trial.Build(dir, trial.Usual)
	if err != nil {
		t.Fatal(err)
	}
	var most extremes
	t.Cleanup(func() { t.Logf("slowest: %v; largest: %s", most.cpu, most.resident) })
	for i, c := range cases() {
		if testing.Short() && i%8 != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(dir, c.name)
			if err := os.WriteFile(path, c.data(), 0o600); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(path)
			list := start(t, program, 0, "connections", "--format", "json", path)
			audit := start(t, program, 0, "audit", "--rules", pack, "--format", "json", path)
			again := start(t, program, 1, "audit", "--rules", pack, "--format", "json", path)
			if !bytes.Equal(audit.Stdout, again.Stdout) || !bytes.Equal(audit.Stderr, again.Stderr) || audit.Code != again.Code {
				t.Error("two runs of one file differ")
			}
			most.note(c.name, list, audit, again)
			report, err := audit.Audit()
			if err != nil {
				return // told among the faults
			}
			c.want.check(t, list, audit, report)
		})
	}
}

// extremes are the worst runs of all.
type extremes struct {
	mu            sync.Mutex
	cpu, resident extreme
}

type extreme struct {
	value int64
	text  string
}

func (e extreme) String() string { return e.text }

func (e *extremes) note(name string, runs ...*trial.Run) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range runs {
		if int64(r.CPU) > e.cpu.value {
			e.cpu = extreme{int64(r.CPU), fmt.Sprintf("%v of processor time, %s", r.CPU, name)}
		}
		if r.Resident > e.resident.value {
			e.resident = extreme{r.Resident, fmt.Sprintf("resident set of %d MiB, %s", r.Resident>>20, name)}
		}
	}
}

func start(t *testing.T, p *trial.Program, processors int, args ...string) *trial.Run {
	r, err := p.Start(processors, args...)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range r.Faults() {
		t.Errorf("%s: %s", args[0], fault)
	}
	return r
}

// check compares with the table.
func (w want) check(t *testing.T, list, audit *trial.Run, report *trial.Audit) {
	codes := func(r *trial.Run, allowed ...int) {
		if !slices.Contains(allowed, r.Code) {
			t.Errorf("%s: exit code %d, want one of %v: %.300s", r.Args[0], r.Code, allowed, r.Stderr)
		}
	}
	if w.state == "refused" {
		codes(list, 4)
		codes(audit, 4)
		if report != nil {
			t.Errorf("refused input has a report: %+v", report.Inputs)
		}
		return
	}
	if w.state == "any" && report == nil {
		return // refused; the faults were none
	}
	if report == nil {
		t.Errorf("no report: exit code %d: %.300s", audit.Code, audit.Stderr)
		return
	}
	in := report.Inputs[0]
	if w.state != "any" && in.State != w.state {
		t.Errorf("input is %s (%s), want %s", in.State, in.Detail, w.state)
	}
	if in.State != "clean" && in.Detail == "" {
		t.Errorf("input is %s, and nothing says why", in.State)
	}
	if w.packets >= 0 && in.Packets != uint64(w.packets) {
		t.Errorf("%d packets read, want %d (%s)", in.Packets, w.packets, in.Detail)
	}
	if in.Packets == 0 && in.State != "clean" {
		codes(list, 4)
		codes(audit, 4)
	} else {
		codes(list, 0)
		codes(audit, 1, 3) // never clean: no site is given
	}
	if n := trial.Packets(report.Packet.Classes, w.class); w.class != "" && n == 0 {
		t.Errorf("no packets of class %s: %v", w.class, report.Packet.Classes)
	}
	good := uint64(0)
	if w.witness {
		good = 2
	}
	if got := listed(report.Packet.Classes, good); w.classes != "" && got != w.classes {
		t.Errorf("classes %s, want %s", got, w.classes)
	}
	if got := listed(report.Packet.Inside, 0); w.inside != "" && got != w.inside {
		t.Errorf("inside tunnels %s, want %s", got, w.inside)
	}
	if conns, err := list.Connections(); err == nil { // else it is among the faults
		w.told(t, conns)
	}
}

// listed writes the classes that hold packets, less the good ones among the decoded.
func listed(classes []trial.Count, good uint64) string {
	var list []string
	for _, c := range classes {
		if c.Name == "decoded" {
			c.Packets -= good
		}
		if c.Packets > 0 {
			list = append(list, fmt.Sprintf("%s %d", c.Name, c.Packets))
		}
	}
	return cmp.Or(strings.Join(list, ", "), "none")
}

// told looks for the good conversation among the connections, and for what must not be there.
func (w want) told(t *testing.T, conns []trial.Conn) {
	if w.forged && slices.ContainsFunc(conns, func(c trial.Conn) bool { return c.Outcome == "established" }) {
		t.Errorf("a connection without a handshake is established: %+v", conns)
	}
	if w.opened {
		var opened []trial.Conn
		for _, c := range conns {
			if c.Proto == "tcp" {
				opened = append(opened, c)
			}
		}
		if len(opened) != 1 || opened[0].Orig.IP != hostA.String() || opened[0].Outcome != "established" {
			t.Errorf("want one connection, established from %v: %+v", hostA, opened)
		}
	}
	if !w.witness {
		return
	}
	want := trial.Conn{Proto: "udp", Orig: trial.End{IP: witnessA.String(), Port: int(witnessPort)}, Resp: trial.End{IP: witnessB.String(), Port: 53}, Outcome: "answered", OrigPackets: 1, RespPackets: 1}
	if !slices.Contains(conns, want) {
		t.Errorf("the good conversation is not told: %+v", conns)
	}
}

func TestFilesAreManyAndSmall(t *testing.T) {
	total := 0
	seen := map[string]bool{}
	all, again := cases(), cases()
	bombs := 0
	for i, c := range all {
		if seen[c.name] {
			t.Errorf("%s is made twice", c.name)
		}
		seen[c.name] = true
		if strings.HasPrefix(c.name, "bomb-") { // they take seconds, and go the way of the others
			bombs++
			continue
		}
		data := c.data()
		if !bytes.Equal(data, again[i].data()) {
			t.Errorf("%s has other bytes the second time", c.name)
		}
		total += len(data)
	}
	t.Logf("%d files, %d bytes, and %d bombs", len(all)-bombs, total, bombs)
	if len(all) < 300 {
		t.Errorf("%d files, want at least 300", len(all))
	}
	if total > 3<<20 {
		t.Errorf("%d bytes, want less than 3 MiB", total)
	}
}
