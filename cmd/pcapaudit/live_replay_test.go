//go:build linux && namespaces

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/pcapgo"
	"golang.org/x/sys/unix"

	"pcapaudit/classify"
)

// TestLiveWindows sends every recorded window through a veth pair and expects of the watching program what the audit of the file gives: the same
// findings, the same statuses, and of every connection the same ends, outcome, counts and verdict.
func TestLiveWindows(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	program := filepath.Join(t.TempDir(), "pcapaudit")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Chdir("../../testdata")
	paths, err := filepath.Glob("captures/*.expect.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no window (%v)", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".expect.yaml"), func(t *testing.T) {
			w := auditWindow(t, path, "captures")
			audit, lines := watchWindow(t, program, w)
			if diff := cmp.Diff(findingIDs(&w.audit), findingIDs(audit)); diff != "" {
				t.Errorf("findings (- file, + live):\n%s", diff)
			}
			if diff := cmp.Diff(statusesOf(&w.audit), statusesOf(audit)); diff != "" {
				t.Errorf("expectations (- file, + live):\n%s", diff)
			}
			if diff := cmp.Diff(lineTexts(w.lines), lineTexts(lines)); diff != "" {
				t.Errorf("connections (- file, + live):\n%s", diff)
			}
			if l := audit.Coverage.Live; len(l) != 1 || l[0].Dropped != 0 || l[0].Delivered != w.audit.Packets.Read {
				t.Errorf("the file has %d packets, watched were %+v", w.audit.Packets.Read, l)
			}
		})
	}
}

// watchWindow gives the audit and the connections of a window that passes an interface while it is watched.
func watchWindow(t *testing.T, program string, w *window) (*classify.Audit, []line) {
	runtime.LockOSThread() // never unlocked: the thread ends with the test's goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("making a network namespace: %v", err)
	}
	os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0) // nothing but the window is to be seen
	for _, command := range []string{"link add pa-in mtu 65535 type veth peer name pa-out mtu 65535", "link set pa-in up", "link set pa-out up"} {
		if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", command, err, out)
		}
	}
	dir := t.TempDir()
	args := []string{"live", "-i", "pa-in", "--site", "sites/" + w.Site + ".yaml", "--report", dir + "/live.json", "--connections", dir + "/list.json", "--alerts", dir + "/alerts.json"}
	for _, r := range w.Rules {
		args = append(args, "--rules", r)
	}
	live := exec.Command(program, args...)
	notes, err := live.StderrPipe()
	if err == nil {
		err = live.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { live.Process.Kill() })
	said := bufio.NewScanner(notes)
	for said.Scan() && !strings.Contains(said.Text(), "watching") {
		t.Log(said.Text())
	}
	go func() {
		for said.Scan() {
			t.Log(said.Text())
		}
	}()
	replay(t, filepath.Join("captures", w.name+".pcapng"))
	time.Sleep(300 * time.Millisecond) // the ring's blocks come in time
	live.Process.Signal(syscall.SIGINT)
	if err := live.Wait(); live.ProcessState.ExitCode() != 128+int(syscall.SIGINT) {
		t.Fatalf("exit code %d: %v", live.ProcessState.ExitCode(), err)
	}
	audit := new(classify.Audit)
	text, err := os.ReadFile(dir + "/live.json")
	if err == nil {
		err = json.Unmarshal(text, audit)
	}
	if err != nil {
		t.Fatal(err)
	}
	return audit, readLines(t, dir+"/list.json")
}

// longestPause shortens the silences of a window: nothing in them depends on more.
const longestPause = 20 * time.Millisecond

// replay sends the packets of a capture in their order.
func replay(t *testing.T, name string) {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(out)
	index, err := os.ReadFile("/sys/class/net/pa-out/ifindex")
	to := unix.SockaddrLinklayer{Halen: 6}
	if err != nil { // /sys may be that of another namespace
		out, err := exec.Command("ip", "-o", "link", "show", "pa-out").Output()
		if err != nil {
			t.Fatal(err)
		}
		index = out
	}
	fmt.Sscan(strings.TrimRight(strings.Fields(string(index))[0], ":"), &to.Ifindex)
	var last time.Time
	for {
		data, info, err := r.ReadPacketData()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if !last.IsZero() {
			time.Sleep(min(max(info.Timestamp.Sub(last), 0), longestPause))
		}
		last = info.Timestamp
		if err := unix.Sendto(out, data, 0, &to); err != nil {
			t.Fatalf("sending %d bytes: %v", len(data), err)
		}
	}
}

func findingIDs(a *classify.Audit) []string {
	list := []string{}
	for _, f := range a.Findings {
		list = append(list, strings.Join([]string{f.ID, f.Severity, f.Kind, f.Verdict, strings.Join(f.Why, ","), f.Service, f.Orig.IP, f.Resp.IP, fmt.Sprint(f.Connections)}, " "))
	}
	slices.Sort(list)
	return list
}

func statusesOf(a *classify.Audit) []string {
	list := []string{}
	for _, e := range a.Expectations {
		list = append(list, fmt.Sprint(e.Flow, " ", e.Hosts, " ", e.Statuses))
	}
	slices.Sort(list)
	return list
}

func lineTexts(list []line) []string {
	texts := []string{}
	for _, l := range list {
		texts = append(texts, fmt.Sprint(l.Proto, " ", l.Orig, " ", l.Resp, " ", l.Verdict, " ", l.Why, " ", l.Flow, " ", l.Unverified, " ", l.OrigPackets, "+", l.RespPackets))
	}
	slices.Sort(texts)
	return texts
}
