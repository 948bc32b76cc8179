//go:build linux && namespaces

package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pcapaudit/classify"
)

// faultSignals sends signals at random times: a report is left behind, and the exit code says what ended the program.
func faultSignals(t *testing.T, s *stand) {
	rounds := 1
	if long() {
		rounds = 20
	}
	random := rand.New(rand.NewPCG(1, 2))
	pause := func() { time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond) }
	for range rounds {
		for _, c := range []struct {
			name    string
			env     string
			signals []syscall.Signal
			code    int
		}{
			{"SIGTERM", "", []syscall.Signal{syscall.SIGTERM}, 143},
			{"SIGTERM of a service manager", "INVOCATION_ID=1", []syscall.Signal{syscall.SIGTERM}, 0},
			{"SIGINT", "", []syscall.Signal{syscall.SIGINT}, 130},
			{"SIGHUP and SIGUSR1", "", []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGTERM}, 143},
		} {
			os.Remove(s.path("report.json"))
			command := s.command("--report", "report.json", "--state", "state", "--checkpoint", "1s")
			command.Env = append(command.Env, c.env)
			a := s.run(command)
			s.conversation(9000)
			for _, sig := range c.signals {
				pause()
				a.signal(sig)
			}
			if code := a.wait(); code != c.code {
				t.Errorf("%s: exit code %d, want %d\n%s", c.name, code, c.code, a.said.String())
			}
			s.audit("report.json")
			if left := s.temporaries(); left != nil {
				t.Errorf("%s: %v", c.name, left)
			}
		}
		// What ends at once leaves the report of the run before as it was.
		before := s.read("report.json")
		a := s.start("--report", "report.json", "--state", "state")
		pause()
		if code := a.stop(syscall.SIGQUIT); code != 2 || !strings.Contains(a.said.String(), "goroutine") {
			t.Errorf("SIGQUIT: exit code %d\n%s", code, a.said.String())
		}
		if s.read("report.json") != before {
			t.Error("SIGQUIT: another report")
		}
		a = s.start("--report", "report.json", "--state", "state")
		s.conversation(9000)
		pause()
		a.signal(syscall.SIGINT)
		a.cmd.Process.Signal(syscall.SIGINT) // it may have ended
		if code := a.wait(); code != 130 {
			t.Errorf("SIGINT twice: exit code %d\n%s", code, a.said.String())
		}
		s.audit("report.json")
		if left := s.temporaries(); left != nil {
			t.Errorf("SIGINT twice: %v", left)
		}
	}
}

// faultKills kills the program at random moments. The last report and the state are whole, every conversation that was over before the last checkpoint of its run is in the
// next report, and the time after it is blind there. Nothing of a dead run stays.
func faultKills(t *testing.T, s *stand) {
	kills := 4
	if long() {
		kills = 200
	}
	random := rand.New(rand.NewPCG(3, 4))
	const (
		interval   = time.Second
		ringDelays = 100 * time.Millisecond // how long a packet may wait in the ring
	)
	args := []string{"--report", "report.json", "--connections", "list.json", "--state", "state", "--checkpoint", interval.String()}
	var longest time.Duration
	left, saved, older := 0, 0, 0 // temporary files; conversations that were over at a checkpoint, and those over for more than one interval at a kill
	for range kills {
		a := s.start(args...)
		if said := a.said.String(); strings.Contains(said, "refused") {
			t.Fatal(said)
		}
		begun := time.Now()
		s.conversation(4444)
		over := []time.Time{time.Now()}
		until := begun.Add(time.Duration(random.IntN(2500)) * time.Millisecond)
		for time.Now().Before(until) {
			s.conversation(9000)
			over = append(over, time.Now())
			if random.IntN(10) == 0 {
				a.signal(syscall.SIGUSR1)
			}
			time.Sleep(10 * time.Millisecond)
		}
		killed := time.Now()
		a.stop(syscall.SIGKILL)
		if _, err := os.Stat(s.path("report.json")); err == nil {
			s.audit("report.json")
		}
		if at, ok := s.stateTime(); ok {
			longest = max(longest, min(killed.Sub(at), killed.Sub(begun)))
			for _, end := range over {
				if end.Before(at.Add(-ringDelays)) {
					saved++
				}
				if end.Before(killed.Add(-interval)) {
					older++
				}
			}
		}
		left += len(s.temporaries())
	}
	a := s.start(args...)
	now := s.temporaries()
	s.conversation(9000)
	time.Sleep(300 * time.Millisecond)
	if code := a.stop(syscall.SIGTERM); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	audit := s.audit("report.json")
	t.Logf("%d kills: at most %v after a checkpoint; %d temporary files were left; %d of %d conversations are in the report, with %d gaps; %d were over at a checkpoint, %d for more than %v at a kill",
		kills, longest, left, audit.Connections.Emitted, s.sent, len(audit.Period.Gaps), saved, older, interval)
	if audit.Connections.Emitted < uint64(max(saved, older)) {
		t.Errorf("ledger %+v", audit.Connections)
	}
	if !slices.ContainsFunc(audit.Coverage.CannotShow, func(text string) bool {
		return strings.HasPrefix(text, "What happened after the state was last saved, ")
	}) {
		t.Errorf("%q", audit.Coverage.CannotShow)
	}
	if len(now) > 1 || s.temporaries() != nil { // the list of connections has one
		t.Errorf("while it runs there are %v, then %v", now, s.temporaries())
	}
	if !saysListBegins(audit, "list.json") || lineCount(s.read("list.json")) != 1 {
		t.Errorf("%q, and the list has %d lines", audit.Warnings, lineCount(s.read("list.json")))
	}
	n, open := audit.Connections, audit.Result.Basis.Open
	if n.Emitted == 0 || n.Created > uint64(s.sent) || n.Open != open || len(audit.Period.Gaps) == 0 || audit.Result.Code == exitClean {
		t.Errorf("%+v, gaps %+v, result %+v", n, audit.Period.Gaps, audit.Result)
	}
}

// saysListBegins says whether a report tells that the list of connections holds the rest of the period alone.
func saysListBegins(a *classify.Audit, list string) bool {
	return slices.ContainsFunc(a.Warnings, func(w string) bool {
		return strings.HasPrefix(w, "the list of connections "+list+" begins at 20") && strings.HasSuffix(w, "connections of this period that ended before are not in it")
	})
}

func lineCount(text string) int { return strings.Count(text, "\n") }

// faultLists ends the program and starts it again within a period: the second list neither takes the place of the first nor is taken for whole.
func faultLists(t *testing.T, s *stand) {
	args := []string{"--interval", "24h", "--report", "report.json", "--connections", "list-{period}.json", "--state", "state"}
	var reports []*classify.Audit
	for range 2 {
		a := s.start(args...)
		s.conversation(9000)
		time.Sleep(300 * time.Millisecond)
		if code := a.stop(syscall.SIGTERM); code != 128+15 {
			t.Errorf("exit code %d\n%s", code, a.said.String())
		}
		reports = append(reports, s.audit("report.json"))
	}
	lists, _ := filepath.Glob(s.path("list-*.json"))
	if len(lists) != 2 || lineCount(readText(lists[0])) != 1 || lineCount(readText(lists[1])) != 1 {
		t.Fatalf("lists %v", lists)
	}
	if first, second := reports[0], reports[1]; saysListBegins(first, "list-") || second.Connections.Emitted != 2 || !saysListBegins(second, filepath.Base(lists[1])) {
		t.Errorf("%q, then %d connections and %q", first.Warnings, second.Connections.Emitted, second.Warnings)
	}
}

// faultKilledOpen kills the program while connections are open: one with a finding that is acknowledged and was not told yet, and one of which packets are missing. The run that
// goes on tells nothing of the first, and its report has the losses of the second.
func faultKilledOpen(t *testing.T, s *stand) {
	open := func() {
		far := s.sender()
		defer far.close()
		for _, frame := range conversation(40_000, 4444)[:2] { // half-open: it is told when it is five seconds old
			far.send(frame)
		}
		for _, frame := range conversation(40_001, 9000)[:3] {
			far.send(frame)
		}
		far.send(tcpFrame(server, client, 9000, 40_001, 901, 101+5*1460, 16, "")) // acknowledges what nobody saw
	}
	a := s.start("--report", "first.json", "--alerts", "first-alerts.json")
	open()
	s.alert("first-alerts.json", "finding", 1)
	a.stop(syscall.SIGTERM)
	first := s.audit("first.json")
	if len(first.Findings) == 0 || first.Findings[0].Kind != "connection" || first.Coverage.Loss.Missed < 5 {
		t.Fatalf("%+v, loss %+v", first.Findings, first.Coverage.Loss)
	}
	s.write("ack.yaml", "acknowledgements:\n  - {finding: "+first.Findings[0].ID+", until: 2099-01-01, who: R. Rivera, text: being replaced}\n")

	args := []string{"--report", "report.json", "--alerts", "alerts.json", "--acknowledge", "ack.yaml", "--state", "state", "--checkpoint", "1s"}
	a = s.start(args...)
	open()
	s.until("a state with the connections", func() bool { return strings.Count(readText(s.path("state")), ":40000\"") == 1 })
	a.stop(syscall.SIGKILL)
	a = s.start(args...)
	if code := a.stop(syscall.SIGTERM); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	audit := s.audit("report.json")
	if l := audit.Coverage.Loss; l.Missed != first.Coverage.Loss.Missed || l.Packets < first.Coverage.Loss.Packets || len(audit.Result.Basis.PairLoss) == 0 {
		t.Errorf("loss %+v, before %+v", l, first.Coverage.Loss)
	}
	if !slices.ContainsFunc(audit.Coverage.CannotShow, func(text string) bool {
		return strings.Contains(text, "2 connections count as ended, as they were; those that went on may count once more")
	}) {
		t.Errorf("%q", audit.Coverage.CannotShow)
	}
	if audit.Connections.Emitted != 2 || len(audit.Findings) == 0 || audit.Findings[0].ID != first.Findings[0].ID {
		t.Errorf("ledger %+v, findings %+v", audit.Connections, audit.Findings)
	}
	for _, told := range s.alertsOf("alerts.json") {
		if told.Kind == "finding" {
			t.Errorf("told all the same: %+v", told)
		}
	}
}

// stateTime is when the state was kept; it must be whole.
func (s *stand) stateTime() (time.Time, bool) {
	s.t.Helper()
	text := readText(s.path("state"))
	if text == "" {
		return time.Time{}, false
	}
	var state struct {
		Content struct{ State struct{ At int64 } }
	}
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		s.t.Fatal(err)
	}
	return time.Unix(0, state.Content.State.At), true
}

// faultTwo starts a second program with the same directory: it refuses, and the first one goes on.
func faultTwo(t *testing.T, s *stand) {
	a := s.start("--report", "report.json", "--state", "state", "--checkpoint", "1s")
	s.until("a state", func() bool { _, ok := s.stateTime(); return ok })
	for _, args := range [][]string{{"--report", "other.json"}, {"--state", "other"}, {"--report", "report.json", "--state", "state"}, {"--connections", "list.json"}} {
		if code, said := s.refused(s.command(args...)); code != exitUsage || !strings.Contains(said, "another run") {
			t.Errorf("%v: exit code %d: %s", args, code, said)
		}
	}
	s.conversation(9000)
	time.Sleep(300 * time.Millisecond)
	if code := a.stop(syscall.SIGTERM); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	if n := s.audit("report.json").Connections.Emitted; n != 1 {
		t.Errorf("%d connections", n)
	}
	for _, name := range []string{"other.json", "other", "list.json"} {
		if _, err := os.Stat(s.path(name)); err == nil {
			t.Errorf("there is %s", name)
		}
	}
}

// faultNoRight starts the program where there is no such interface, and without the right to watch it: nothing else is touched.
func faultNoRight(t *testing.T, s *stand) {
	outputs := []string{"--report", "report.json", "--state", "state", "--alerts", "alerts.json", "--connections", "list.json"}
	s.write("report.json", oldReport)
	nowhere := s.command(append(outputs, "--interface", "pa-nowhere")...)
	commands := map[string]*exec.Cmd{"no such interface": nowhere}
	if setpriv, err := exec.LookPath("setpriv"); err == nil {
		without := s.command(outputs...)
		without.Args = append([]string{setpriv, "--bounding-set", "-net_raw", "--inh-caps", "-net_raw"}, without.Args...)
		without.Path = setpriv
		commands["CAP_NET_RAW"] = without
	} else {
		t.Log("without setpriv the missing right is not tried")
	}
	for says, c := range commands {
		if code, said := s.refused(c); code != exitCapture || !strings.Contains(said, says) || !strings.Contains(said, "hint: ") {
			t.Errorf("%s: exit code %d: %s", says, code, said)
		}
	}
	list, err := os.ReadDir(s.dir)
	if err != nil || len(list) != 3 || s.read("report.json") != oldReport {
		t.Errorf("there are %v (%v)", list, err)
	}
}
