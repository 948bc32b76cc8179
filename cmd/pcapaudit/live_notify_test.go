package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// serviceManager reads what a service tells its manager.
type serviceManager struct {
	t    *testing.T
	conn *net.UnixConn
	name string
}

func newServiceManager(t *testing.T) *serviceManager {
	t.Helper()
	dir, err := os.MkdirTemp("", "") // t.TempDir may be too long for the name of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return listenAsManager(t, filepath.Join(dir, "notify"))
}

func listenAsManager(t *testing.T, name string) *serviceManager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &serviceManager{t, conn, name}
}

// message gives the lines of the next message; none where nothing comes in time.
func (m *serviceManager) message(patience time.Duration) []string {
	m.t.Helper()
	b := make([]byte, 4096)
	m.conn.SetReadDeadline(time.Now().Add(patience))
	n, err := m.conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.Split(string(b[:n]), "\n")
}

// waiting gives the messages that have arrived.
func (m *serviceManager) waiting() []string {
	m.t.Helper()
	var list []string
	for {
		lines := m.message(time.Millisecond)
		if lines == nil {
			return list
		}
		list = append(list, strings.Join(lines, " "))
	}
}

// environment is what a service manager gives its service.
func (m *serviceManager) environment(more ...string) func(string) string {
	return func(key string) string {
		for _, kv := range append(more, "NOTIFY_SOCKET="+m.name) {
			if value, ok := strings.CutPrefix(kv, key+"="); ok {
				return value
			}
		}
		return ""
	}
}

// TestNotifier has ten minutes of a service pass. Between two calls of tick nothing is sent, so a loop that stalls sends no ping.
func TestNotifier(t *testing.T) {
	m := newServiceManager(t)
	var now time.Duration
	n, err := openNotifier(m.environment("WATCHDOG_USEC=8000000"), func() time.Duration { return now })
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	status := func() string { return "fine" }
	for _, step := range []struct {
		name string
		at   time.Duration
		do   func()
		want []string
	}{
		{"ready", 0, func() { n.ready("watching") }, []string{"STATUS=watching READY=1"}},
		{"nothing is due", 3900 * time.Millisecond, func() { n.tick(status) }, nil},
		{"a ping", 4 * time.Second, func() { n.tick(status) }, []string{"WATCHDOG=1"}},
		{"not twice", 4100 * time.Millisecond, func() { n.tick(status) }, nil},
		{"a ping, late", 9 * time.Second, func() { n.tick(status) }, []string{"WATCHDOG=1"}},
		{"the status", 10 * time.Second, func() { n.tick(status) }, []string{"STATUS=fine"}},
		{"a ping after the late one", 13 * time.Second, func() { n.tick(status) }, []string{"WATCHDOG=1"}},
		{"the loop stalls", 500 * time.Second, func() {}, nil},
		{"one ping when it goes on", 500 * time.Second, func() { n.tick(status) }, []string{"WATCHDOG=1 STATUS=fine"}},
		{"reload", 501 * time.Second, n.reload, []string{"RELOADING=1"}},
		{"reloaded", 502 * time.Second, n.reloaded, []string{"READY=1"}},
		{"stop", 503 * time.Second, n.stop, []string{"STATUS=writing the last reports STOPPING=1"}},
	} {
		now = step.at
		step.do()
		if got := m.waiting(); !slices.Equal(got, step.want) {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}

// TestNotifierNeverWaits has a manager that does not read: what it has no room for is sent later, and of states only the last one.
func TestNotifierNeverWaits(t *testing.T) {
	m := newServiceManager(t)
	var now time.Duration
	n, err := openNotifier(m.environment("WATCHDOG_USEC=2000000"), func() time.Duration { return now })
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	status := func() string { return "fine" }
	n.ready("watching")
	const most = 1 << 17
	sent := 0
	for ; sent < most && n.send("FILLER=1"); sent++ {
	}
	if sent == most {
		t.Skipf("a socket of this system takes %d messages", most)
	}
	n.reload()
	n.reloaded()
	now = time.Second
	n.tick(status)
	if got := m.waiting(); len(got) != sent+1 || got[len(got)-1] != "FILLER=1" {
		t.Fatalf("%d messages arrived of %d, the last one %q", len(got), sent+1, got[len(got)-1])
	}
	n.tick(status)
	if got, want := m.waiting(), []string{"READY=1 WATCHDOG=1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNotifierEnvironment(t *testing.T) {
	m := newServiceManager(t)
	nobody := func(string) string { return "" }
	n, err := openNotifier(nobody, nil)
	n.ready("")
	n.reload()
	n.tick(nil)
	n.stop()
	n.close()
	if err != nil || n.open() {
		t.Errorf("without a manager: %v, open %v", err, n.open())
	}
	if _, err := openNotifier(func(string) string { return m.name + ".gone" }, nil); err == nil {
		t.Error("a socket that is not there: no error")
	}
	for _, c := range []struct {
		environment []string
		every       time.Duration
	}{
		{nil, 0},
		{[]string{"WATCHDOG_USEC=3000000"}, 1500 * time.Millisecond},
		{[]string{"WATCHDOG_USEC=3000000", "WATCHDOG_PID=1"}, 0},
		{[]string{"WATCHDOG_USEC=-3"}, 0},
		{[]string{"WATCHDOG_USEC=99999999999999999999999"}, 0},
		{[]string{"WATCHDOG_USEC=soon"}, 0},
	} {
		n, err := openNotifier(m.environment(c.environment...), nil)
		if err != nil || n.every != c.every {
			t.Errorf("%v: a ping every %v, want %v (%v)", c.environment, n.every, c.every, err)
		}
		n.close()
	}
}
