//go:build linux && namespaces

package main

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// faultStalled stops the program while packets come: what the ring had no room for is counted, told, and makes the report inconclusive.
func faultStalled(t *testing.T, s *stand) {
	a := s.start("--ring-size", "1", "--report", "report.json", "--alerts", "alerts.json")
	s.conversation(9000)
	const flood = 60_000
	a.signal(syscall.SIGSTOP)
	begun, far := time.Now(), s.sender()
	frame := tcpFrame(client, server, 60_500, 9000, 1, 1, 16, "more of it")
	for range flood {
		far.send(frame)
	}
	far.close()
	time.Sleep(1500*time.Millisecond - time.Since(begun))
	a.signal(syscall.SIGCONT)
	s.conversation(9000)
	s.alert("alerts.json", "blind", 1)
	time.Sleep(300 * time.Millisecond)
	if code := a.stop(syscall.SIGTERM); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	audit := s.audit("report.json")
	l := audit.Coverage.Live[0]
	t.Logf("kernel %d = delivered %d + dropped %d; blind %v; %s", l.Kernel, l.Delivered, l.Dropped, time.Duration(l.Blind), audit.Result.Verdict)
	if want := uint64(flood + 2*packetsOfConversation); l.Kernel != want || l.Dropped == 0 || audit.Coverage.Dropped != l.Dropped || audit.Packets.Read != l.Delivered {
		t.Errorf("%d packets were sent: %+v; the report says %d dropped, %d read", want, l, audit.Coverage.Dropped, audit.Packets.Read)
	}
	if audit.Result.Code != exitInconclusive || !slices.ContainsFunc(audit.Coverage.Blind, causedBy("stalled")) {
		t.Errorf("result %+v, blind %+v", audit.Result, audit.Coverage.Blind)
	}
}

// faultLinks switches the interface off and on, renames it, deletes it and makes it again: each is told, and is blind time in the next report.
func faultLinks(t *testing.T, s *stand) {
	a := s.start("--report", "report.json", "--alerts", "alerts.json")
	settle := func() { time.Sleep(300 * time.Millisecond) } // a block of the ring comes in time
	s.conversation(9000)
	settle()
	changed := func(what, kind string, nth int, commands ...string) {
		t.Helper()
		for _, c := range commands {
			s.ip(c)
		}
		at := time.Now()
		told := s.alert("alerts.json", kind, nth)
		t.Logf("%s: told after %v: %s", what, told.Time.Sub(at).Round(time.Millisecond), told.Text)
	}
	changed("down", "blind", 1, "link set pa-near down")
	time.Sleep(time.Second)
	changed("up", "resolved", 1, "link set pa-near up")
	s.conversation(9000)
	settle()
	s.ip("link set pa-near name pa-other")
	s.conversation(9000)
	settle()
	s.ip("link set pa-other name pa-near")
	changed("deleted", "blind", 2, "link delete pa-near")
	time.Sleep(time.Second)
	s.pair()
	changed("made again", "resolved", 2)
	s.conversation(9000)
	settle()
	a.signal(syscall.SIGUSR1)
	s.until("the report so far", func() bool { return strings.HasSuffix(readText(s.path("report.json")), "}\n") })
	if code := a.stop(syscall.SIGINT); code != 128+2 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	audit := s.audit("report.json")
	l := audit.Coverage.Live[0]
	t.Logf("monitored %v, blind %v: %+v", time.Duration(l.Monitored), time.Duration(l.Blind), audit.Coverage.Blind)
	if l.Delivered != uint64(s.sent*packetsOfConversation) || audit.Connections.Emitted != uint64(s.sent) {
		t.Errorf("%d conversations were held: %+v, %+v", s.sent, l, audit.Connections)
	}
	for _, cause := range []string{"down", "deleted"} {
		if !slices.ContainsFunc(audit.Coverage.Blind, causedBy(cause)) {
			t.Errorf("%s is not among the blind times %+v", cause, audit.Coverage.Blind)
		}
	}
	if l.Blind < int64(2*time.Second) || len(audit.Period.Gaps) < 2 {
		t.Errorf("blind %v, gaps %+v", time.Duration(l.Blind), audit.Period.Gaps)
	}
}

// faultFlapping has the interface go and come again and again.
func faultFlapping(t *testing.T, s *stand) {
	times := 20
	if long() {
		times = 400
	}
	a := s.start("--report", "report.json", "--alerts", "alerts.json")
	for i := range times {
		switch i % 4 {
		case 0:
			s.ip("link delete pa-near")
			s.pair()
		default:
			s.ip("link set pa-near down")
			s.ip("link set pa-near up")
		}
	}
	time.Sleep(1500 * time.Millisecond)
	s.conversation(9000)
	time.Sleep(300 * time.Millisecond)
	if code := a.stop(syscall.SIGTERM); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	audit := s.audit("report.json")
	l := audit.Coverage.Live[0]
	t.Logf("monitored %v, blind %v in %d times", time.Duration(l.Monitored), time.Duration(l.Blind), len(audit.Coverage.Blind))
	if l.Delivered != packetsOfConversation || l.Dropped != 0 || l.Blind == 0 || len(audit.Coverage.Blind) == 0 {
		t.Errorf("%+v, blind %+v", l, audit.Coverage.Blind)
	}
	kinds := map[string]int{}
	for _, r := range s.alertsOf("alerts.json") {
		kinds[r.Kind]++
	}
	if l.State != "up" || kinds["blind"] < kinds["resolved"] {
		t.Errorf("%s at the end, alerts %v", l.State, kinds)
	}
}

// faultSilence is a time in which nothing passes: nothing was judged, which is not clean.
func faultSilence(t *testing.T, s *stand) {
	a := s.start("--report", "report.json")
	time.Sleep(1500 * time.Millisecond)
	if code := a.stop(syscall.SIGTERM); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	audit := s.audit("report.json")
	if l := audit.Coverage.Live[0]; audit.Result.Code != exitInconclusive || audit.Packets.Read != 0 || l.Blind != 0 || l.Monitored < int64(time.Second) {
		t.Errorf("result %+v, %+v", audit.Result, l)
	}
	if !slices.ContainsFunc(audit.Result.Reasons, func(r string) bool {
		return strings.Contains(r, "no connection was judged")
	}) {
		t.Errorf("reasons %q", audit.Result.Reasons)
	}
}
