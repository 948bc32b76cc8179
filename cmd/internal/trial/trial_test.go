package trial

import (
	"strings"
	"testing"
	"time"
)

// The judge has to see each fault; a campaign that finds none proves nothing otherwise.
func TestFaultsAreSeen(t *testing.T) {
	const (
		line  = "2 packets read = 1 decoded + 1 non-ip\n"
		conn  = `{"proto":"udp","orig_packets":1,"resp_packets":0}` + "\n"
		audit = `{"result":{"code":3},"inputs":[{"name":"x","size":10,"read":10,"packets":2}],"packet_ledger":{"read":2,"bytes":10,"classes":[{"name":"decoded","packets":1},{"name":"non-ip","packets":1}]},` +
			`"connection_ledger":{"created":1,"emitted":1,"ends":[{"name":"idle","packets":1}]},"totals":[{"verdict":"unexpected","connections":1,"packets":1}],"ledger_residuals":[]}`
	)
	change := func(old, new string) string { return strings.Replace(audit, old, new, 1) }
	for _, c := range []struct {
		name, command  string
		code           int
		stdout, stderr string
		resident       int64
		want           string // in the first fault; empty: none
	}{
		{"good list", "connections", 0, conn, line, 0, ""},
		{"good refusal", "connections", 4, "", "pcapaudit: reading x: it is empty\n", 0, ""},
		{"good audit", "audit", 3, audit, "", 0, ""},
		{"exit code", "connections", 2, conn, line, 0, "exit code 2"},
		{"panic", "connections", 0, conn, line + "panic: index out of range\n\ngoroutine 1 [running]:\n", 0, `"panic:"`},
		{"escape", "connections", 0, conn, line + "\x1b[2J", 0, "control character"},
		{"memory", "connections", 0, conn, line, 300 << 20, "resident set"},
		{"classes", "connections", 0, conn, "3 packets read = 1 decoded + 1 non-ip\n", 0, "classes hold 2"},
		{"connection lost", "connections", 0, "", line, 0, "connections hold 0"},
		{"no ledger", "connections", 0, conn, "", 0, "without a packet ledger"},
		{"broken line", "connections", 0, "{", line, 0, "no JSON"},
		{"no report", "audit", 3, "", "", 0, "without a report"},
		{"unread bytes", "audit", 3, change(`"size":10`, `"size":11`), "", 0, "bytes read and unread"},
		{"class", "audit", 3, change(`"non-ip","packets":1`, `"non-ip","packets":2`), "", 0, "packets of all classes"},
		{"created", "audit", 3, change(`"created":1`, `"created":2`), "", 0, "created"},
		{"verdicts", "audit", 3, change(`"connections":1`, `"connections":0`), "", 0, "verdicts"},
		{"packets judged", "audit", 3, change(`"connections":1,"packets":1`, `"connections":1,"packets":9`), "", 0, "packets of the verdicts"},
		{"residual", "audit", 3, change(`"ledger_residuals":[]`, `"ledger_residuals":["packets"]`), "", 0, "residual"},
		{"code", "audit", 1, audit, "", 0, "code of the result"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Run{Args: []string{c.command}, Code: c.code, Stdout: []byte(c.stdout), Stderr: []byte(c.stderr), Resident: c.resident, limits: Usual}
			switch faults := r.Faults(); {
			case c.want == "" && len(faults) > 0:
				t.Errorf("faults of a good run: %q", faults)
			case c.want != "" && (len(faults) == 0 || !strings.Contains(faults[0], c.want)):
				t.Errorf("got %q, want %q", faults, c.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	l := Limits{CPU: time.Second, Wall: 20 * time.Second, AddressSpace: 1 << 30, Resident: 1 << 30}
	r, err := (&Program{"/bin/sh", l}).Start(0, "-c", "while :; do :; done")
	if err != nil {
		t.Fatal(err)
	}
	if r.Signal == 0 || len(r.Faults()) == 0 {
		t.Errorf("a loop without end: %+v", r)
	}
	l.Wall = 100 * time.Millisecond
	if r, err = (&Program{"/bin/sleep", l}).Start(0, "20"); err != nil {
		t.Fatal(err)
	}
	if !r.Late || len(r.Faults()) == 0 {
		t.Errorf("a program that waits for ever: %+v", r)
	}
}
