//go:build linux && namespaces

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pcapaudit/classify"
)

// TestLiveFaults has the program watch an interface of a namespace that each test makes, and does to it what happens to a program that runs for
// months. LONG_FAULTS makes the repeated faults as many as they are meant to be.
func TestLiveFaults(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	program := filepath.Join(t.TempDir(), "pcapaudit")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, fault := range []struct {
		name string
		test func(*testing.T, *stand)
	}{
		{"stalled", faultStalled},
		{"links", faultLinks},
		{"flapping", faultFlapping},
		{"silence", faultSilence},
		{"rules", faultRules},
		{"signals", faultSignals},
		{"kills", faultKills},
		{"killed open", faultKilledOpen},
		{"lists", faultLists},
		{"periods", faultPeriods},
		{"disk full", faultDiskFull},
		{"read-only", faultReadOnly},
		{"outputs in the way", faultOutputs},
		{"outputs of root", faultOutputsOfRoot},
		{"two instances", faultTwo},
		{"no right", faultNoRight},
		{"rotation", faultRotation},
		{"syslog", faultSyslog},
		{"deaf readers", faultDeafReaders},
		{"signed", faultSigned},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			fault.test(t, newStand(t, program))
		})
	}
}

// long is true where the repeated faults are to be as many as they are meant to be.
func long() bool { return os.Getenv("LONG_FAULTS") != "" }

// stand is where a test has the program at work: a namespace with the pair of interfaces pa-far and pa-near, of which pa-near is watched, and a
// folder with the rules.
type stand struct {
	t       *testing.T
	program string
	dir     string
	sent    int // conversations
}

func newStand(t *testing.T, program string) *stand {
	runtime.LockOSThread() // never unlocked: the thread ends with the test's goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		t.Skipf("making namespaces: %v", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Skipf("keeping mounts apart: %v", err)
	}
	os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0) // nothing but the test's packets is to be seen
	s := &stand{t: t, program: program, dir: t.TempDir()}
	s.ip("link set lo up")
	s.pair()
	s.write("site.yaml", siteText)
	s.write("pack.yaml", packText)
	return s
}

// siteText has two hosts that packText documents one flow of.
const (
	siteText = `name: test bench
networks: [192.0.2.0/24]
hosts:
  - {name: client, addresses: [192.0.2.1], os: linux, roles: [bench/client]}
  - {name: server, addresses: [192.0.2.2], os: linux, roles: [bench/server]}
`
	packText = `name: bench
kind: local
title: Test bench
product_version: "1"
documents:
  - {id: plan, title: Plan of the bench}
roles:
  - {name: client, title: Client}
  - {name: server, title: Server}
flows:
  - id: use
    title: The client uses the server
    from: [client]
    to: [server]
    proto: tcp
    ports: ["9000"]
    need: required
    occurrence: periodic
    cite:
      - {document: plan, lines: "1"}
`
)

func (s *stand) ip(command string) {
	s.t.Helper()
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		s.t.Fatalf("ip %s: %v\n%s", command, err, out)
	}
}

// pair makes the two interfaces and waits until they have a carrier.
func (s *stand) pair() {
	s.t.Helper()
	s.ip("link add pa-far mtu 9000 type veth peer name pa-near mtu 9000")
	s.ip("link set pa-far up")
	s.ip("link set pa-near up")
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, name := range []string{"pa-far", "pa-near"} {
		s.until(name+" up", func() bool {
			request, err := unix.NewIfreq(name)
			return err == nil && unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request) == nil && request.Uint16()&unix.IFF_RUNNING != 0
		})
	}
}

func (s *stand) path(name string) string { return filepath.Join(s.dir, name) }

func (s *stand) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o640); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stand) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// audit reads a report. It must be whole, and its ledgers must balance.
func (s *stand) audit(name string) *classify.Audit {
	s.t.Helper()
	a, _, err := classify.Load(strings.NewReader(s.read(name)))
	if err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	if list := a.Contradictions(); len(list) > 0 {
		s.t.Errorf("%s: %q", name, list)
	}
	return a
}

// temporaries are the files that a program which is not at work must not leave.
func (s *stand) temporaries() []string {
	list, _ := filepath.Glob(s.path(".*.tmp"))
	return list
}

// alertsOf reads alerts that were written as JSON.
func (s *stand) alertsOf(name string) []alertRecord {
	s.t.Helper()
	var list []alertRecord
	text, _ := os.ReadFile(s.path(name))
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // it is being written
		}
		var a alertRecord
		if err := json.Unmarshal(line, &a); err != nil {
			s.t.Fatalf("%s: %v: %s", name, err, line)
		}
		list = append(list, a)
	}
	return list
}

// alertRecord is what the tests ask for of an alert.
type alertRecord struct {
	Kind, Severity, Text string
	Time                 time.Time
}

// alert waits for the nth alert of a kind.
func (s *stand) alert(name, kind string, nth int) alertRecord {
	s.t.Helper()
	var found alertRecord
	s.until(fmt.Sprint("alert ", kind, " number ", nth), func() bool {
		n := 0
		for _, a := range s.alertsOf(name) {
			if a.Kind == kind {
				if n++; n == nth {
					found = a
					return true
				}
			}
		}
		return false
	})
	return found
}

// until waits until something is so. That takes as long as it takes; without an end the test fails.
func (s *stand) until(what string, ok func() bool) {
	s.t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("waiting for %s in vain", what)
}

// conversation sends a TCP connection from client to server:port, from another port each time: opened, with an answer, and closed.
func (s *stand) conversation(port uint16) {
	s.t.Helper()
	s.sent++
	far := s.sender()
	defer far.close()
	for _, frame := range conversation(sourcePort(s.sent), port) {
		far.send(frame)
	}
}

// packetsOfConversation is how many packets conversation sends.
const packetsOfConversation = 7

// sourcePort is one of those that Linux opens connections from.
func sourcePort(n int) uint16 { return uint16(33_000 + n%27_000) }

var client, server = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")

func conversation(from, to uint16) [][]byte {
	const fin, syn, psh, ack = 1, 2, 8, 16
	up := func(seq, acked uint32, flags byte, text string) []byte {
		return tcpFrame(client, server, from, to, seq, acked, flags, text)
	}
	down := func(seq, acked uint32, flags byte, text string) []byte {
		return tcpFrame(server, client, to, from, seq, acked, flags, text)
	}
	return [][]byte{up(100, 0, syn, ""), down(900, 101, syn|ack, ""), up(101, 901, ack, ""), up(101, 901, psh|ack, "question"), down(901, 109, psh|ack, "answer"),
		up(109, 907, fin|ack, ""), down(907, 110, fin|ack, "")}
}

func tcpFrame(from, to netip.Addr, fromPort, toPort uint16, seq, acked uint32, flags byte, text string) []byte {
	source, target := from.As4(), to.As4()
	tcp := binary.BigEndian.AppendUint16(nil, fromPort)
	tcp = binary.BigEndian.AppendUint16(tcp, toPort)
	tcp = binary.BigEndian.AppendUint32(tcp, seq)
	tcp = binary.BigEndian.AppendUint32(tcp, acked)
	tcp = append(append(tcp, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0), text...)
	pseudo := append(append(append([]byte{}, source[:]...), target[:]...), 0, 6, byte(len(tcp)>>8), byte(len(tcp)))
	binary.BigEndian.PutUint16(tcp[16:], checksum(append(pseudo, tcp...)))
	header := []byte{0x45, 0, byte((20 + len(tcp)) >> 8), byte(20 + len(tcp)), byte(seq >> 8), byte(seq), 0, 0, 64, 6, 0, 0}
	header = append(append(header, source[:]...), target[:]...)
	binary.BigEndian.PutUint16(header[10:], checksum(header))
	frame := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0}
	return append(append(frame, header...), tcp...)
}

// checksum is that of the Internet protocols (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// frames sends frames on pa-far.
type frames struct {
	t  *testing.T
	fd int
	to unix.SockaddrLinklayer
}

func (s *stand) sender() *frames {
	s.t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := unix.NewIfreq("pa-far")
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return &frames{s.t, fd, unix.SockaddrLinklayer{Ifindex: int(request.Uint32()), Halen: 6}}
}

func (f *frames) close() { unix.Close(f.fd) }

func (f *frames) send(frame []byte) {
	f.t.Helper()
	for {
		err := unix.Sendto(f.fd, frame, 0, &f.to)
		if err == nil {
			return
		}
		if err != unix.ENOBUFS && err != unix.EAGAIN {
			f.t.Errorf("sending: %v", err)
			return
		}
	}
}

// auditing is the program at work.
type auditing struct {
	*stand
	cmd          *exec.Cmd
	stdout, said text
	ended        chan struct{}
}

// text is what a program writes, for several goroutines.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (x *text) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(b)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

// command is the program with these arguments, and those that all tests have.
func (s *stand) command(args ...string) *exec.Cmd {
	c := exec.Command(s.program, append([]string{"live", "--interface", "pa-near", "--site", s.path("site.yaml"), "--rules", s.path("pack.yaml"), "--no-baseline"}, args...)...)
	c.Dir = s.dir
	c.Env = append(os.Environ(), "INVOCATION_ID=")
	return c
}

// start has the program watch.
func (s *stand) start(args ...string) *auditing {
	s.t.Helper()
	return s.run(s.command(args...))
}

func (s *stand) run(c *exec.Cmd) *auditing {
	s.t.Helper()
	a := &auditing{stand: s, cmd: c, ended: make(chan struct{})}
	if c.Stdout == nil {
		c.Stdout = &a.stdout
	}
	if c.Stderr == nil {
		c.Stderr = &a.said
	}
	c.WaitDelay = time.Second
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { c.Wait(); close(a.ended) }()
	s.t.Cleanup(func() { c.Process.Kill(); <-a.ended })
	if c.Stderr == &a.said {
		s.until("watching", func() bool {
			select {
			case <-a.ended:
				s.t.Fatalf("it ended with %d: %s", c.ProcessState.ExitCode(), a.said.String())
			default:
			}
			return strings.Contains(a.said.String(), "watching pa-near")
		})
	}
	return a
}

func (a *auditing) signal(sig syscall.Signal) {
	a.t.Helper()
	if err := a.cmd.Process.Signal(sig); err != nil {
		a.t.Fatal(err)
	}
}

// wait gives the exit code, -1 for a program that a signal has ended.
func (a *auditing) wait() int {
	a.t.Helper()
	select {
	case <-a.ended:
	case <-time.After(30 * time.Second):
		a.signal(syscall.SIGQUIT)
		<-a.ended
		a.t.Fatalf("it does not end:\n%s", a.said.String())
	}
	return a.cmd.ProcessState.ExitCode()
}

// stop ends the program with a signal and gives its exit code.
func (a *auditing) stop(sig syscall.Signal) int {
	a.t.Helper()
	a.signal(sig)
	return a.wait()
}

// refused runs a command that is to fail at once, and gives its exit code and what it said.
func (s *stand) refused(c *exec.Cmd) (int, string) {
	s.t.Helper()
	late := time.AfterFunc(30*time.Second, func() { c.Process.Kill() })
	defer late.Stop()
	out, err := c.CombinedOutput()
	var failed *exec.ExitError
	if !errors.As(err, &failed) {
		s.t.Fatalf("%v: %v\n%s", c.Args, err, out)
	}
	return failed.ExitCode(), string(out)
}

// tool runs another command of the program, and gives its exit code and what it said.
func (s *stand) tool(args ...string) (int, string) {
	s.t.Helper()
	c := exec.Command(s.program, args...)
	c.Dir = s.dir
	out, err := c.CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		s.t.Fatalf("%v: %v\n%s", c.Args, err, out)
	}
	return c.ProcessState.ExitCode(), string(out)
}

// readText is what a file holds, "" where there is none.
func readText(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

// causedBy finds blind times of a cause.
func causedBy(cause string) func(classify.BlindTime) bool {
	return func(b classify.BlindTime) bool { return b.Cause == cause }
}
