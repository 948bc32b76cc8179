//go:build linux && namespaces

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// faultRotation moves the file of alerts away, as log rotation does.
func faultRotation(t *testing.T, s *stand) {
	a := s.start("--alerts", "alerts.json", "--report", "report.json")
	s.ip("link set pa-near down")
	s.alert("alerts.json", "blind", 1)
	if err := os.Rename(s.path("alerts.json"), s.path("alerts.json.1")); err != nil {
		t.Fatal(err)
	}
	a.signal(syscall.SIGHUP)
	s.until("the new file", func() bool { _, err := os.Stat(s.path("alerts.json")); return err == nil })
	s.ip("link set pa-near up")
	s.alert("alerts.json", "resolved", 1)
	if code := a.stop(syscall.SIGTERM); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	if old := s.alertsOf("alerts.json.1"); len(old) != 1 {
		t.Errorf("the old file has %v", old)
	}
}

// syslogMessage is RFC 5424, section 6, as far as it is used: facility 3, no structured data, text of one line.
var syslogMessage = regexp.MustCompile(`^<(26|28|29|30)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S{1,255} pcapaudit \d+ [a-z]{1,32} - [^\x00-\x1f]+$`)

// faultSyslog gives alerts to servers over each of the transports, to one that goes and comes, and to one that hangs.
func faultSyslog(t *testing.T, s *stand) {
	if err := os.Mkdir(s.path("s"), 0o750); err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	local, err := net.ListenPacket("unixgram", s.path("s/log"))
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	datagram := func(c net.PacketConn) func() string {
		return func() string {
			b := make([]byte, 4096)
			c.SetReadDeadline(time.Now().Add(20 * time.Second))
			n, _, err := c.ReadFrom(b)
			if err != nil {
				t.Fatal(err)
			}
			return string(b[:n])
		}
	}
	var stream *bufio.Reader
	counted := func() string {
		if stream == nil {
			c, err := tcp.Accept()
			if err != nil {
				t.Fatal(err)
			}
			c.SetReadDeadline(time.Now().Add(20 * time.Second))
			t.Cleanup(func() { c.Close() })
			stream = bufio.NewReader(c)
		}
		var n int
		if _, err := fmt.Fscanf(stream, "%d ", &n); err != nil {
			t.Fatalf("octet count: %v", err)
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(stream, b); err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, server := range []struct {
		addr string
		next func() string
	}{{"udp:" + udp.LocalAddr().String(), datagram(udp)}, {"unix:" + s.path("s/log"), datagram(local)}, {"tcp:" + tcp.Addr().String(), counted}} {
		a := s.start("--syslog", server.addr, "--alerts", "", "--report", "report.json")
		s.ip("link set pa-near down")
		if m := server.next(); !syslogMessage.MatchString(m) || !strings.HasPrefix(m, "<26>1 ") || !strings.Contains(m, " blind - HIGH blind: ") {
			t.Errorf("%s: %q", server.addr, m)
		}
		s.ip("link set pa-near up")
		if m := server.next(); !syslogMessage.MatchString(m) || !strings.HasPrefix(m, "<30>1 ") || !strings.Contains(m, " resolved - INFO resolved: ") {
			t.Errorf("%s: %q", server.addr, m)
		}
		if code := a.stop(syscall.SIGTERM); code != 128+15 {
			t.Errorf("%s: exit code %d\n%s", server.addr, code, a.said.String())
		}
	}
	s.hungSyslog(local)
}

// hungSyslog has a server that does not read: no packet is lost by it, and the report counts the alerts that were.
func (s *stand) hungSyslog(local net.PacketConn) {
	t := s.t
	before := s.sent
	a := s.start("--syslog", "unix:"+s.path("s/log"), "--heartbeat", "1ms", "--alerts", "", "--report", "report.json")
	s.until("the failure", func() bool {
		s.conversation(9000)
		return strings.Contains(a.said.String(), "syslog: ")
	})
	time.Sleep(time.Second)
	if code := a.stop(syscall.SIGTERM); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	audit := s.audit("report.json")
	if l := audit.Coverage.Live[0]; l.Dropped != 0 || l.Delivered != uint64((s.sent-before)*packetsOfConversation) {
		t.Errorf("%d conversations were held: %+v", s.sent-before, l)
	}
	if !strings.Contains(strings.Join(audit.Warnings, "\n"), "alerts could not be delivered") {
		t.Errorf("warnings %q", audit.Warnings)
	}
	t.Logf("%d packets; %q", audit.Packets.Read, audit.Warnings)
}

// faultDeafReaders gives the program standard streams that nobody reads, and one that is closed: no packet is lost, the state is kept, and it ends.
func faultDeafReaders(t *testing.T, s *stand) {
	deaf := func() *os.File {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
			t.Fatal(err)
		}
		return w
	}
	c := s.command("--state", "state", "--checkpoint", "1s", "--heartbeat", "1ms") // alerts and reports to standard output
	c.Stdout, c.Stderr = deaf(), deaf()
	a := s.run(c)
	s.until("a state", func() bool { _, ok := s.stateTime(); return ok })
	for range 20 {
		s.conversation(9000)
		a.signal(syscall.SIGUSR1)
		a.signal(syscall.SIGHUP)
		time.Sleep(150 * time.Millisecond)
	}
	at, _ := s.stateTime()
	s.until("a later state", func() bool { now, _ := s.stateTime(); return now.After(at) })
	if code := a.stop(syscall.SIGTERM); code != exitOutput {
		t.Errorf("nobody reads: exit code %d", code)
	}
	next := s.start("--state", "state", "--report", "report.json", "--alerts", "alerts.json")
	if code := next.stop(syscall.SIGTERM); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, next.said.String())
	}
	audit := s.audit("report.json")
	if audit.Coverage.Dropped != 0 || audit.Packets.Read != uint64(s.sent*packetsOfConversation) {
		t.Errorf("%d conversations were held: %d packets read, %d dropped", s.sent, audit.Packets.Read, audit.Coverage.Dropped)
	}

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c = s.command("--report", "report.json", "--heartbeat", "1ms")
	c.Stdout = w
	a = s.run(c)
	w.Close()
	r.Close()
	s.conversation(9000)
	s.until("the failure", func() bool { return strings.Contains(a.said.String(), "standard output: ") })
	if code := a.stop(syscall.SIGTERM); code != exitOutput || strings.Count(a.said.String(), "standard output: ") != 1 {
		t.Errorf("closed: exit code %d\n%s", code, a.said.String())
	}
	if audit := s.audit("report.json"); audit.Packets.Read != packetsOfConversation || !strings.Contains(strings.Join(audit.Warnings, "\n"), "standard output") {
		t.Errorf("closed: %d packets, warnings %q", audit.Packets.Read, audit.Warnings)
	}
}
