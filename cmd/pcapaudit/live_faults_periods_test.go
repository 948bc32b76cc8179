//go:build linux && namespaces

package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pcapaudit/classify"
)

// faultPeriods watches over the boundary of two periods, over which a connection runs on, and combines their reports: to one audit that has everything once and
// nothing blind.
func faultPeriods(t *testing.T, s *stand) {
	const length = minInterval
	if left := length - time.Duration(time.Now().UnixNano())%length; left < length/2 {
		time.Sleep(left)
	}
	a := s.start("--interval", length.String(), "--report", "night-{period}.json", "--state", "state", "--checkpoint", "1s")
	s.conversation(9000)
	long := conversation(40_000, 9000)
	far := s.sender()
	defer far.close()
	for _, frame := range long[:5] {
		far.send(frame)
	}
	time.Sleep(300 * time.Millisecond)
	a.signal(syscall.SIGUSR1)
	nights := func() []string {
		list, _ := filepath.Glob(s.path("night-*.json"))
		return list
	}
	s.until("the report so far", func() bool { return len(nights()) == 1 })
	s.write("so-far.json", readText(nights()[0]))
	time.Sleep(length - time.Duration(time.Now().UnixNano())%length + 300*time.Millisecond)
	for _, frame := range long[5:] {
		far.send(frame)
	}
	s.conversation(4444)
	time.Sleep(300 * time.Millisecond)
	if code := a.stop(syscall.SIGTERM); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	list := nights()
	if len(list) != 2 {
		t.Fatalf("reports %v", list)
	}
	one, two := filepath.Base(list[0]), filepath.Base(list[1])
	if first := s.audit(one); first.Connections.Open == 0 || first.Connections.Emitted+s.audit(two).Connections.Emitted != 3 {
		t.Errorf("%+v and %+v", first.Connections, s.audit(two).Connections)
	}
	if code, said := s.tool("combine", two, one, "--report", "both.json", "--format", "csv"); code != exitDeviations {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	both := s.audit("both.json")
	s.wholeNight(both)
	id := both.Findings[0].ID
	if want := "why: pcapaudit explain " + s.path(two) + " " + id + " (written at the end of the period, and at SIGUSR1)"; !strings.Contains(a.stdout.String(), want) {
		t.Errorf("alerts without %q:\n%s", want, a.stdout.String())
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"verify", "both.json"}, exitDeviations, "captures   are those of the parts: verify each part by itself, too\nrun        made again: the same bytes\nNOT VERIFIED: nothing vouches for this audit, which has live parts"},
		{[]string{"verify", one}, exitDeviations, "NOT VERIFIED: nothing vouches for this live audit"},
		{[]string{"combine", "so-far.json", one}, exitUsage, "both watched pa-near, from "},
		{[]string{"combine", "so-far.json", two, "--format", "json"}, exitDeviations, `"cause": "in none of the audits"`},
		{[]string{"explain", two, id}, 0, "tcp/4444"},
		{[]string{"report", "both.json"}, 0, "made of  2 audits: " + one + " (clean),"},
		{[]string{"report", "both.json", "--format", "html"}, 0, "nobody kept its packets"},
	} {
		if code, said := s.tool(c.args...); code != c.code || !strings.Contains(said, c.want) {
			t.Errorf("%v: exit code %d, want %q:\n%s", c.args, code, c.want, said)
		}
	}
}

// wholeNight holds the combined audit against what was sent.
func (s *stand) wholeNight(a *classify.Audit) {
	s.t.Helper()
	if l := a.Connections; l.Created != 3 || l.Emitted != 3 || l.Open != 0 || a.Packets.Read != 3*packetsOfConversation || len(a.Inputs) != 1 || len(a.Parts) != 2 {
		s.t.Errorf("%+v, %d packets, inputs %+v", l, a.Packets.Read, a.Inputs)
	}
	live := a.Coverage.Live[0]
	if live.Blind != 0 || len(a.Coverage.Blind) > 0 || len(a.Period.Gaps) > 0 || live.Kernel != 3*packetsOfConversation {
		s.t.Errorf("%+v, blind %+v, gaps %+v", live, a.Coverage.Blind, a.Period.Gaps)
	}
	for _, x := range a.Expectations {
		if len(x.Observed) != 1 {
			s.t.Errorf("%+v", x)
		}
	}
}
