//go:build amd64 || arm64

package sandbox

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const everything = "limited: capabilities, no-new-privileges, files, network, system-calls"

// enter runs a scenario in a process of its own, which then waits for the end of the test, and gives the lines that it printed.
func enter(t *testing.T, as *syscall.Credential, scenario string, args ...string) (lines []string, pid int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if as != nil {
		self = copyForAll(t, self)
	}
	c := exec.Command(self, append([]string{insideMark, scenario}, args...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	c.Stderr, c.Dir = os.Stderr, "/"
	in, errIn := c.StdinPipe()
	out, errOut := c.StdoutPipe()
	if err := errors.Join(errIn, errOut, c.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := c.Wait(); err != nil {
			t.Errorf("%s: %v", scenario, err)
		}
	})
	for s := bufio.NewScanner(out); s.Scan(); lines = append(lines, s.Text()) {
		if s.Text() == "done" {
			return lines, c.Process.Pid
		}
	}
	t.Fatalf("%s ended after:\n%s", scenario, strings.Join(lines, "\n"))
	return nil, 0
}

// copyForAll puts the test binary where any user may execute it.
func copyForAll(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	to := filepath.Join(dirForAll(t), "test")
	if err := errors.Join(err, os.WriteFile(to, data, 0o755)); err != nil {
		t.Fatal(err)
	}
	return to
}

// dirForAll is a directory that any user may enter.
func dirForAll(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// wants holds what was printed against a number of trials that all went well.
func wants(t *testing.T, lines []string, trials int, limits string) {
	t.Helper()
	want := []string{"error <nil>", limits, fmt.Sprint(trials, " trials")}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

// threads holds lines of /proc/PID/task/*/status against want.
func threads(t *testing.T, pid int, want map[string]string) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) < 16 {
		t.Fatalf("%d threads (%v)", len(files), err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for line := range strings.Lines(string(data)) {
			field, value, _ := strings.Cut(line, ":")
			if w, asked := want[field]; asked {
				seen++
				if got := strings.Join(strings.Fields(value), " "); got != w {
					t.Errorf("%s: %s is %q, want %q", name, field, got, w)
				}
			}
		}
		if seen != len(want) {
			t.Errorf("%s has %d of %d lines", name, seen, len(want))
		}
	}
}

// none are the capabilities of nobody.
const none = "0000000000000000"

func TestOffline(t *testing.T) {
	needLandlock(t)
	t.Run("as it is", func(t *testing.T) { testOffline(t, nil) })
	t.Run("as an ordinary user", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("becoming another user needs root; the test before ran as an ordinary one")
		}
		testOffline(t, &syscall.Credential{Uid: 65534, Gid: 65534})
	})
}

func testOffline(t *testing.T, as *syscall.Credential) {
	dir := dirForAll(t)
	for _, name := range []string{"in/", "out/", "made/", "other/", "in/capture", "out/old", "other/secret"} {
		path := filepath.Join(dir, name)
		var err error
		if strings.HasSuffix(name, "/") {
			err = os.Mkdir(path, 0o777)
		} else {
			err = os.WriteFile(path, []byte("text"), 0o666)
		}
		if err := errors.Join(err, os.Chmod(path, 0o777)); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	lines, pid := enter(t, as, "offline", dir, l.Addr().String())
	wants(t, lines, 61, everything)
	threads(t, pid, map[string]string{"CapInh": none, "CapPrm": none, "CapEff": none, "CapAmb": none, "NoNewPrivs": "1", "Seccomp": "2"})
	if left, err := os.ReadFile(filepath.Join(dir, "other/secret")); err != nil || string(left) != "text" {
		t.Errorf("another file holds %q (%v)", left, err)
	}
}

func TestConnect(t *testing.T) {
	needLandlock(t)
	var ports []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
	}
	lines, _ := enter(t, nil, "connect", ports...)
	wants(t, lines, 9, everything)
}

func TestUser(t *testing.T) {
	needLandlock(t)
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	account, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("there is no user nobody here")
	}
	lines, pid := enter(t, nil, "user", account.Username)
	wants(t, lines, 6, strings.Replace(everything, "limited: ", "limited: user, ", 1))
	four := func(id string) string { return strings.TrimSpace(strings.Repeat(id+" ", 4)) }
	const rawAndAdmin = "0000000000003000"
	threads(t, pid, map[string]string{"Uid": four(account.Uid), "Gid": four(account.Gid), "Groups": "", "CapInh": none, "CapPrm": rawAndAdmin, "CapEff": rawAndAdmin, "CapAmb": none,
		"NoNewPrivs": "1", "Seccomp": "2"})
}

func TestUserThatCannotBeBecome(t *testing.T) {
	ordinary := &syscall.Credential{Uid: 65534, Gid: 65534}
	if os.Geteuid() != 0 {
		ordinary = nil
	}
	for _, c := range []struct {
		as         *syscall.Credential
		name, want string
	}{
		{nil, "no-such-user", "there is no such user"},
		{nil, "0", "that is root"},
		{ordinary, "daemon", "only root can: operation not permitted"},
	} {
		if lines, _ := enter(t, c.as, "become", c.name); !strings.HasPrefix(lines[0], "error becoming user "+c.name+": "+c.want) {
			t.Errorf("%s: %q", c.name, lines)
		}
	}
}

// TestOlderKernels: where the kernel lacks something the rest is enforced and the lack named; a strict plan is refused.
func TestOlderKernels(t *testing.T) {
	needLandlock(t)
	for scenario, limits := range map[string]string{
		"no landlock": "limited: capabilities, no-new-privileges, network, system-calls; not limited: files: the kernel has no Landlock, or it is not enabled",
		"no filter": "limited: capabilities, no-new-privileges, files; not limited: network: the kernel takes no filter of system calls: function not implemented; " +
			"system-calls: the kernel takes no filter of system calls: function not implemented",
	} {
		lines, _ := enter(t, nil, scenario, "lenient")
		wants(t, lines, 0, limits)
		_, lack, _ := strings.Cut(limits, "not limited: ")
		lines, _ = enter(t, nil, scenario, "strict")
		if want := "error sandbox: not everything can be enforced: " + lack; lines[0] != want || lines[1] != limits {
			t.Errorf("%s: %q, want %q", scenario, lines, want)
		}
	}
}

func needLandlock(t *testing.T) {
	t.Helper()
	if v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION); errno != 0 || v < 4 {
		t.Skipf("this kernel has Landlock %d (%v): not everything can be enforced", v, errno)
	}
}

func TestFilterKnowsItsProcessor(t *testing.T) {
	vm, err := bpf.NewVM(callFilter(&Plan{}))
	if err != nil {
		t.Fatal(err)
	}
	arch := uint32(unix.AUDIT_ARCH_AARCH64)
	if runtime.GOARCH == "amd64" {
		arch = unix.AUDIT_ARCH_X86_64
	}
	for _, c := range []struct {
		what       string
		arch, call uint32
		want       bpf.RetConstant
	}{
		{"read", arch, unix.SYS_READ, allow},
		{"execve", arch, unix.SYS_EXECVE, refuse},
		{"setxattrat", arch, unix.SYS_SETXATTRAT, refuse},
		{"removexattrat", arch, unix.SYS_REMOVEXATTRAT, refuse},
		{"file_setattr", arch, unix.SYS_FILE_SETATTR, refuse},
		{"open_tree_attr", arch, unix.SYS_OPEN_TREE_ATTR, refuse},
		{"read of 32-bit x86", unix.AUDIT_ARCH_I386, 3, refuse},
		{"read of x32", arch, x32 | unix.SYS_READ, refuse},
		{"a call that nobody knows yet", arch, 9999, allow},
	} {
		data := binary.BigEndian.AppendUint32(nil, c.call) // the byte order of the machine that package bpf simulates
		data = binary.BigEndian.AppendUint32(data, c.arch)
		if got, err := vm.Run(append(data, make([]byte, 56)...)); err != nil || uint32(got) != c.want.Val {
			t.Errorf("%s: %#x, want %#x (%v)", c.what, got, c.want.Val, err)
		}
	}
}
