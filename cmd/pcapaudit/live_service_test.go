//go:build linux && namespaces

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pcapaudit/capture"
)

// serviceUser is the user of the service in tests: nobody's number.
const serviceUser = 61_234

// TestService starts the program of an installed package as its unit says, with what systemd would do before: another user, one capability, an
// environment and a notify socket.
func TestService(t *testing.T) {
	root := os.Getenv("PACKAGED")
	if root == "" {
		t.Skip("PACKAGED does not name the directory where the package is installed: .packaging/check does")
	}
	if _, err := exec.LookPath("setpriv"); err != nil || os.Geteuid() != 0 {
		t.Skip("it needs root and setpriv")
	}
	unit := serviceOf(t, filepath.Join(root, "usr/lib/systemd/system/pcapaudit.service"))
	s := newStand(t, filepath.Join(root, "usr/bin/pcapaudit"))
	m := newServiceManager(t)
	s.open(filepath.Dir(m.name), m.name, s.path("site.yaml"), s.path("pack.yaml"), s.program)
	state, logs := s.directory("state"), s.directory("logs")
	command := s.asService(unit, map[string]string{"STATE_DIRECTORY": state, "LOGS_DIRECTORY": logs},
		"--interface pa-near --rules "+s.path("pack.yaml")+" --no-baseline --alerts "+filepath.Join(logs, "alerts.ndjson"))
	command.Env = append(command.Env, "NOTIFY_SOCKET="+m.name, "WATCHDOG_USEC=2000000", "INVOCATION_ID=1")
	a := s.run(command)
	m.await("READY=1", "STATUS=watching pa-near")
	m.await("WATCHDOG=1")
	checkRights(t, a.cmd.Process.Pid)

	s.conversation(9000)
	s.ip("link del pa-near")
	s.alert("logs/alerts.ndjson", "blind", 1)
	s.pair()
	s.alert("logs/alerts.ndjson", "resolved", 1) // opened again, which needs the capability
	s.conversation(9000)
	a.signal(syscall.SIGHUP)
	m.await("RELOADING=1")
	m.await("READY=1")
	m.await("WATCHDOG=1")
	if code := a.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	m.await("STOPPING=1")
	reports, _ := filepath.Glob(filepath.Join(state, "2*.json"))
	pages, _ := filepath.Glob(filepath.Join(state, "2*.html"))
	if len(reports) != 1 || len(pages) != 1 {
		t.Fatalf("reports %v and %v\n%s", reports, pages, a.said.String())
	}
	audit := s.audit("state/" + filepath.Base(reports[0]))
	if audit.Packets.Read != 2*packetsOfConversation {
		t.Errorf("%d packets were read, %d sent", audit.Packets.Read, 2*packetsOfConversation)
	}
	st, err := os.Stat(reports[0])
	if err != nil || st.Mode().Perm()&0o007 != 0 || st.Sys().(*syscall.Stat_t).Uid != serviceUser {
		t.Errorf("%s: %v (%v)", reports[0], st.Mode(), err)
	}
}

// serviceOf reads the section Service of a unit.
func serviceOf(t *testing.T, path string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n[Service]\n")
	section, _, _ = strings.Cut(section, "\n[")
	unit := map[string][]string{}
	for line := range strings.Lines(section) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			unit[key] = append(unit[key], value)
		}
	}
	return unit
}

// open lets every user read files and pass the directories above them.
func (s *stand) open(paths ...string) {
	s.t.Helper()
	for _, p := range paths {
		for dir := filepath.Dir(p); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			st, err := os.Stat(dir)
			if err == nil {
				err = os.Chmod(dir, st.Mode().Perm()|0o011)
			}
			if err != nil {
				s.t.Fatal(err)
			}
		}
		st, err := os.Stat(p)
		if err != nil {
			s.t.Fatal(err)
		}
		mode := st.Mode().Perm() | 0o044
		if st.Mode()&os.ModeSocket != 0 {
			mode |= 0o022
		}
		if st.IsDir() {
			mode |= 0o011
		}
		if err := os.Chmod(p, mode); err != nil {
			s.t.Fatal(err)
		}
	}
}

// directory makes one that is the service's own.
func (s *stand) directory(name string) string {
	s.t.Helper()
	err := os.Mkdir(s.path(name), 0o700)
	if err == nil {
		err = os.Chown(s.path(name), serviceUser, serviceUser)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return s.path(name)
}

// asService is the command of a unit, of which the options are replaced, as the paths are that a test cannot have.
func (s *stand) asService(unit map[string][]string, variables map[string]string, options string) *exec.Cmd {
	s.t.Helper()
	one := func(key string) string {
		if len(unit[key]) != 1 {
			s.t.Fatalf("the unit has %s %d times", key, len(unit[key]))
		}
		return unit[key][0]
	}
	line := strings.NewReplacer("/usr/bin/pcapaudit", s.program, "/etc/pcapaudit/site.yaml", s.path("site.yaml"), "$PCAPAUDIT_OPTIONS", options).Replace(one("ExecStart"))
	var environment []string
	for name, value := range variables {
		line = strings.ReplaceAll(line, "${"+name+"}", value)
		environment = append(environment, name+"="+value)
	}
	if strings.Contains(line, "$") {
		s.t.Fatalf("the unit asks for more: %s", line)
	}
	capabilities := func(key string) string {
		list := "-all"
		for _, c := range strings.Fields(one(key)) {
			list += ",+" + strings.ToLower(strings.TrimPrefix(c, "CAP_"))
		}
		return list
	}
	id := strconv.Itoa(serviceUser)
	args := []string{"--reuid", id, "--regid", id, "--clear-groups", "--no-new-privs", "--bounding-set", capabilities("CapabilityBoundingSet"),
		"--inh-caps", capabilities("AmbientCapabilities"), "--ambient-caps", capabilities("AmbientCapabilities")}
	c := exec.Command("setpriv", append(args, strings.Fields(line)...)...)
	c.Dir, c.Env = s.path("state"), environment
	return c
}

// checkRights reads the rights of every thread: at most packet sockets.
func checkRights(t *testing.T, pid int) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("no thread of %d: %v", pid, err)
	}
	for _, name := range threads {
		text := readText(name)
		if text == "" {
			continue // the thread has ended
		}
		fields := map[string]string{}
		for line := range strings.Lines(text) {
			key, value, _ := strings.Cut(line, ":")
			fields[key] = strings.TrimSpace(value)
		}
		for _, key := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			if set, err := strconv.ParseUint(fields[key], 16, 64); err != nil || set&^(1<<unix.CAP_NET_RAW) != 0 {
				t.Errorf("%s: %s %s", name, key, fields[key])
			}
		}
		if user := strings.Fields(fields["Uid"]); !slices.Equal(slices.Compact(user), []string{strconv.Itoa(serviceUser)}) || fields["NoNewPrivs"] != "1" || fields["Groups"] != "" {
			t.Errorf("%s: users %v, groups %q, no new privileges: %s", name, user, fields["Groups"], fields["NoNewPrivs"])
		}
	}
}

// await reads messages up to the one that has these lines.
func (m *serviceManager) await(lines ...string) {
	m.t.Helper()
	var seen [][]string
	for range 1000 {
		got := m.message(30 * time.Second)
		if got == nil {
			break
		}
		seen = append(seen, got)
		if !slices.ContainsFunc(lines, func(l string) bool { return !slices.Contains(got, l) }) {
			return
		}
	}
	m.t.Fatalf("no message with %q, but %q", lines, seen)
}

// TestStalledLoop has the packet loop stand still while the rest of the process runs: the pings stay away, and come again with the loop.
func TestStalledLoop(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	newStand(t, "")
	m := newServiceManager(t)
	begun := time.Now()
	const watchdog = 400 * time.Millisecond
	n, err := openNotifier(m.environment(fmt.Sprint("WATCHDOG_USEC=", watchdog.Microseconds())), func() time.Duration { return time.Since(begun) })
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pings, again := 0, false
	stalled := false
	watch := capture.LiveConfig{Interfaces: []string{"pa-near"}}
	watch.Tick = func(*capture.Pulse) {
		n.tick(func() string { return "" })
		for _, message := range m.waiting() {
			if message == "WATCHDOG=1" {
				pings++
				again = stalled
			}
		}
		switch {
		case again:
			cancel()
		case pings == 3 && !stalled:
			stalled = true
			if lines := m.message(5 * watchdog); lines != nil {
				t.Errorf("the loop stands still, and %q came", lines)
			}
		}
	}
	if _, err := capture.Live(ctx, capture.Config{}, watch); err != nil {
		t.Fatal(err)
	}
	if !again {
		t.Errorf("%d pings; none after the loop stood still", pings)
	}
}
