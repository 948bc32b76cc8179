//go:build linux && namespaces

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// small mounts a file system of some KiB on the folder of that name, which ends with the test.
func (s *stand) small(name string, kib int) {
	s.t.Helper()
	if err := os.Mkdir(s.path(name), 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := unix.Mount("none", s.path(name), "tmpfs", 0, fmt.Sprintf("size=%dk", kib)); err != nil {
		s.t.Skipf("mounting a small file system: %v", err)
	}
	s.t.Cleanup(func() { unix.Unmount(s.path(name), unix.MNT_DETACH) })
}

// fill leaves no room on a file system.
func (s *stand) fill(name string) {
	s.t.Helper()
	f, err := os.Create(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		s.t.Fatal(err)
	}
}

// faultOutputsOfRoot names a directory that root can write and --user cannot: that shows at the start, not when the first period ends.
func faultOutputsOfRoot(t *testing.T, s *stand) {
	code, said := s.refused(s.command("--user", "nobody", "--report", "report.json", "--interval", "24h"))
	if code != exitOutput || !strings.Contains(said, "report.json: permission denied") || strings.Contains(said, "watching") || strings.Contains(said, "not delivered") {
		t.Errorf("exit code %d\n%s", code, said)
	}
}

// faultDiskFull fills the disk while the program runs: it keeps counting, says it once, and leaves the old report as it was. Where there is room
// again it goes on, else it ends with 5.
func faultDiskFull(t *testing.T, s *stand) {
	for _, c := range []struct {
		kib   int
		again bool // there is room at the end
	}{{64, false}, {1024, true}} {
		name := fmt.Sprint("small", c.kib)
		s.small(name, c.kib)
		s.write(name+"/report.json", oldReport)
		a := s.start("--report", name+"/report.json", "--state", name+"/state", "--checkpoint", "1s")
		s.until("a state", func() bool { return readText(s.path(name+"/state")) != "" })
		s.fill(name + "/filler")
		state := s.read(name + "/state")
		before := s.sent
		for range 5 {
			s.conversation(9000)
			a.signal(syscall.SIGUSR1)
			time.Sleep(700 * time.Millisecond)
		}
		s.until("the failure", func() bool { return strings.Contains(a.said.String(), "no space left") })
		if s.read(name+"/report.json") != oldReport || s.read(name+"/state") != state {
			t.Errorf("%d KiB: other files than before", c.kib)
		}
		if c.again {
			os.Remove(s.path(name + "/filler"))
			s.until("the report", func() bool { return s.read(name+"/report.json") != oldReport })
			s.until("the state", func() bool { return s.read(name+"/state") != state })
		}
		code := a.stop(syscall.SIGTERM)
		said := a.said.String()
		t.Logf("%d KiB: exit code %d, %d words about it", c.kib, code, strings.Count(said, "no space left"))
		switch want := map[bool]int{true: 128 + 15, false: exitOutput}[c.again]; {
		case code != want:
			t.Errorf("%d KiB: exit code %d, want %d\n%s", c.kib, code, want, said)
		case c.again:
			audit := s.audit(name + "/report.json")
			if got := audit.Connections.Emitted; got != uint64(s.sent-before) || audit.Coverage.Dropped != 0 {
				t.Errorf("%d KiB: %d connections of %d, %d dropped", c.kib, got, s.sent-before, audit.Coverage.Dropped)
			}
		case s.read(name+"/report.json") != oldReport:
			t.Errorf("%d KiB: another report", c.kib)
		}
		if n := strings.Count(said, "no space left"); n > 4 { // of the report and of the state, and again at the end
			t.Errorf("%d KiB: said %d times\n%s", c.kib, n, said)
		}
		if list, _ := os.ReadDir(s.path(name)); len(list) > 3 {
			t.Errorf("%d KiB: there are %v", c.kib, list)
		}
	}
}

// faultReadOnly makes the folder of the report read-only, before the program starts and while it runs.
func faultReadOnly(t *testing.T, s *stand) {
	s.small("small", 1024)
	s.write("small/report.json", oldReport)
	remount := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("none", s.path("small"), "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(unix.MS_RDONLY)
	if code, said := s.refused(s.command("--report", "small/report.json")); code != exitOutput || !strings.Contains(said, "read-only") {
		t.Errorf("exit code %d: %s", code, said)
	}
	remount(0)
	a := s.start("--report", "small/report.json", "--state", "small/state", "--checkpoint", "1s")
	s.conversation(9000)
	s.until("a state", func() bool { return readText(s.path("small/state")) != "" })
	s.until("a moment without a temporary file", func() bool {
		return unix.Mount("none", s.path("small"), "", unix.MS_REMOUNT|unix.MS_RDONLY, "") == nil
	})
	state := s.read("small/state")
	if code := a.stop(syscall.SIGTERM); code != exitOutput || !strings.Contains(a.said.String(), "read-only") {
		t.Errorf("exit code %d: %s", code, a.said.String())
	}
	if s.read("small/report.json") != oldReport || s.read("small/state") != state {
		t.Error("other files than before")
	}
}

// faultOutputs names outputs that are no files of their own: each is refused at once, and what they stand for is untouched.
func faultOutputs(t *testing.T, s *stand) {
	s.write("victim", oldReport)
	for _, err := range []error{os.Symlink(s.path("victim"), s.path("link.json")), os.Symlink(s.path("nowhere"), s.path("dangling.json")),
		syscall.Mkfifo(s.path("pipe.json"), 0o600), os.Mkdir(s.path("folder.json"), 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, flag := range []string{"--report", "--state", "--connections", "--alerts"} {
		for _, name := range []string{"link.json", "dangling.json", "pipe.json", "folder.json", "missing/new.json"} {
			if code, said := s.refused(s.command(flag, name)); code != exitOutput || !strings.Contains(said, "hint: ") {
				t.Errorf("%s %s: exit code %d: %s", flag, name, code, said)
			}
		}
	}
	if code, said := s.refused(s.command("--report", "report.odt")); code != exitUsage {
		t.Errorf("no such format: exit code %d: %s", code, said)
	}
	if code, said := s.refused(s.command("--report", "same.json", "--state", "same.json")); code != exitUsage {
		t.Errorf("one file for two outputs: exit code %d: %s", code, said)
	}
	if s.read("victim") != oldReport || readText(s.path("nowhere")) != "" || s.temporaries() != nil {
		t.Errorf("touched: %q, %q, %v", s.read("victim"), readText(s.path("nowhere")), s.temporaries())
	}
}

// faultSigned has a report signed, of which nothing but the packets is kept.
func faultSigned(t *testing.T, s *stand) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("making a key needs ssh-keygen")
	}
	if out, err := exec.Command(keygen, "-q", "-t", "ed25519", "-N", "", "-f", s.path("key")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if code, said := s.refused(s.command("--report", "report.json", "--sign", "pack.yaml")); code != exitUsage {
		t.Errorf("no key: exit code %d: %s", code, said)
	}
	a := s.start("--report", "report.json", "--sign", "key")
	s.conversation(9000)
	time.Sleep(300 * time.Millisecond)
	if code := a.stop(syscall.SIGTERM); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	s.audit("report.json")
	for _, name := range []string{"report.json.manifest.json", "report.json.manifest.json.sig"} {
		if readText(s.path(name)) == "" {
			t.Errorf("no %s", name)
		}
	}
	s.write("signers", "someone@example.com "+s.read("key.pub"))
	s.verifySigned()
}

// verifySigned has a signed live audit verified, whole and changed.
func (s *stand) verifySigned() {
	s.t.Helper()
	report, site := s.read("report.json"), s.read("site.yaml")
	signed := []string{"--allowed-signers", "signers", "report.json"}
	for _, c := range []struct {
		name string
		args []string
		code int
		want []string
		not  string
	}{
		{"signed", signed, 0, []string{"signature  good, by someone@example.com", "interface  pa-near, watched live: nobody kept its 7 packets, so they have no hash; they passed from 20", "site.yaml holds",
			"pack.yaml holds", "ledgers    balance", "run        cannot be made again", "HOLDS: signed by someone@example.com"}, "VERIFIED"},
		{"signature not checked", []string{"report.json"}, 1, []string{"was not checked: give --allowed-signers", "NOT VERIFIED: nothing vouches for this live audit"}, "something differs"},
		{"quick", []string{"--quick", "report.json"}, 1, []string{"NOT VERIFIED: nothing vouches for this live audit"}, "hashes hold"},
		{"another report", signed, 1, []string{"NOT VERIFIED: something differs", "manifest"}, "HOLDS"},
		{"another result", []string{"report.json"}, 1, []string{"the audit contradicts itself: 2 values differ", "packets read, by input: "}, "HOLDS"},
		{"another site", signed, 1, []string{"site       " + s.path("site.yaml") + " differs", "not everything that it rests on is here"}, "HOLDS"},
	} {
		s.write("report.json", report)
		s.write("site.yaml", site)
		switch c.name {
		case "another report", "another result":
			s.write("report.json", strings.Replace(report, `"read": 7,`, `"read": 8,`, 1))
		case "another site":
			s.write("site.yaml", site+"# changed\n")
		}
		code, said := s.tool(append([]string{"verify"}, c.args...)...)
		if code != c.code || c.not != "" && strings.Contains(strings.ReplaceAll(said, "NOT VERIFIED", "NO"), c.not) {
			s.t.Errorf("%s: exit code %d\n%s", c.name, code, said)
		}
		for _, text := range c.want {
			if !strings.Contains(said, text) {
				s.t.Errorf("%s: without %q:\n%s", c.name, text, said)
			}
		}
	}
}
