//go:build linux && namespaces

package capture

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pcapaudit/capture/flow"
)

// namespace puts the test into a network namespace of its own, with lo up and no IPv6 to speak unasked. It ends with the test.
func namespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("network namespaces need iproute2")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test's goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("making a network namespace: %v", err)
	}
	for _, conf := range []string{"all", "default"} {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+conf+"/disable_ipv6", []byte("1"), 0); err != nil {
			t.Logf("switching IPv6 off: %v", err)
		}
	}
	ip(t, "link set lo up")
}

func ip(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v\n%s", command, err, out)
	}
	return string(out)
}

// pair makes a veth pair, pa-ring<n>a and pa-ring<n>b, and waits until both are up.
func pair(t *testing.T, n int) (a, b string) {
	t.Helper()
	a, b = fmt.Sprintf("pa-ring%da", n), fmt.Sprintf("pa-ring%db", n)
	ip(t, "link add "+a+" type veth peer name "+b)
	ip(t, "link set "+a+" up")
	ip(t, "link set "+b+" up")
	for !linkNow(t, a).up || !linkNow(t, b).up {
		time.Sleep(time.Millisecond)
	}
	return a, b
}

func linkNow(t *testing.T, name string) link {
	t.Helper()
	links, err := openLinkWatch()
	if err != nil {
		t.Fatal(err)
	}
	defer links.close()
	l, ok := links.named(name)
	if !ok {
		t.Fatalf("no interface %s", name)
	}
	return l
}

// elsewhere runs f on a thread in the namespace that ns is open on.
func elsewhere(ns *os.File, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// otherHost is a named namespace for the test's other hosts.
func otherHost(t *testing.T, name string) *os.File {
	t.Helper()
	ip(t, "netns add "+name)
	t.Cleanup(func() { exec.Command("ip", "netns", "delete", name).Run() })
	f, err := os.Open("/run/netns/" + name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// watching is Live at work.
type watching struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{}
	result *Result
	err    error

	mu    sync.Mutex
	last  *Result
	young []*flow.Conn
	conns []*flow.Conn
	ask   func(*Pulse) // done once, with the next pulse
}

// watch starts Live in the test's namespace.
func watch(t *testing.T, c Config, l LiveConfig) *watching {
	t.Helper()
	w := &watching{t: t, done: make(chan struct{})}
	c.Emit = func(conn *flow.Conn) { w.mu.Lock(); kept := *conn; w.conns = append(w.conns, &kept); w.mu.Unlock() }
	c.Young = func(conn *flow.Conn) { w.mu.Lock(); kept := *conn; w.young = append(w.young, &kept); w.mu.Unlock() }
	l.Tick = func(p *Pulse) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.last = p.Result()
		if w.ask != nil {
			w.ask(p)
			w.ask = nil
		}
	}
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	t.Cleanup(func() { cancel(); <-w.done })
	entered := make(chan error, 1)
	go func() {
		defer close(w.done)
		runtime.LockOSThread()
		err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		entered <- err
		if err == nil {
			w.result, w.err = Live(ctx, c, l)
		}
	}()
	if err := <-entered; err != nil {
		t.Fatal(err)
	}
	w.until("the first pulse", func(*Result) bool { return true })
	return w
}

// until waits until a result of the part so far is as wanted. That takes as long as it takes; without an end the test fails.
func (w *watching) until(what string, ok func(*Result) bool) *Result {
	w.t.Helper()
	for range 3000 {
		w.mu.Lock()
		r := w.last
		found := r != nil && ok(r)
		w.mu.Unlock()
		if found {
			return r
		}
		select {
		case <-w.done:
			w.t.Fatalf("waiting for %s: watching ended: %v", what, w.err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	w.t.Fatalf("waiting for %s in vain; last: %+v", what, w.last.Live)
	return nil
}

// in has f called with the next pulse.
func (w *watching) in(f func(*Pulse)) {
	w.t.Helper()
	done := make(chan struct{})
	w.mu.Lock()
	w.ask = func(p *Pulse) { f(p); close(done) }
	w.mu.Unlock()
	select {
	case <-done:
	case <-w.done:
		w.t.Fatalf("watching ended: %v", w.err)
	}
}

// end gives the result of the last part.
func (w *watching) end() *Result {
	w.t.Helper()
	w.cancel()
	<-w.done
	if w.err != nil {
		w.t.Fatal(w.err)
	}
	return w.result
}

// packets waits until as many were read.
func packets(n uint64) func(*Result) bool {
	return func(r *Result) bool { return r.Ledger.Read.Packets >= n }
}

// sender sends frames on an interface.
type sender struct {
	t  *testing.T
	fd int
	to unix.SockaddrLinklayer
}

func openSender(t *testing.T, name string) *sender {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &sender{t, fd, unix.SockaddrLinklayer{Ifindex: linkNow(t, name).index, Halen: 6}}
}

func (s *sender) send(frame []byte) {
	s.t.Helper()
	for {
		err := unix.Sendto(s.fd, frame, 0, &s.to)
		if err == nil {
			return
		}
		if err != unix.ENOBUFS && err != unix.EAGAIN {
			s.t.Fatalf("sending: %v", err)
		}
	}
}

// liveFrame is a UDP datagram from 192.0.2.1 to 192.0.2.2:9 behind these VLAN tags (TPID, then TCI); its payload is the number.
func liveFrame(source uint16, number uint32, tags ...uint16) []byte {
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	for _, v := range tags {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	b = append(b, 8, 0, 0x45, 0, 0, 32, byte(number>>8), byte(number), 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
	header := b[len(b)-20:]
	binary.BigEndian.PutUint16(header[10:], ^fold16(sum16(header)))
	b = binary.BigEndian.AppendUint16(b, source)
	b = append(b, 0, 9, 0, 12, 0, 0)
	return binary.BigEndian.AppendUint32(b, number)
}

// number is that of a liveFrame without tags.
func number(rec *record) uint32 { return binary.BigEndian.Uint32(rec.data[len(rec.data)-4:]) }

// read opens a watcher and calls take for each record until n were read.
func read(t *testing.T, l LiveConfig, send func(), n int, take func(*record)) *watcher {
	t.Helper()
	w, err := openLive(&Config{MaxConnections: 1 << 10}, &l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.finish(nil) })
	send()
	for got := 0; got < n; {
		if err := w.once(); err != nil {
			t.Fatal(err)
		}
		for i := range w.records.recs[:w.records.n] {
			take(&w.records.recs[i])
		}
		got += w.records.n
	}
	return w
}

func (r *Result) livePacketsOf(i int) string {
	l := r.Live[i]
	return fmt.Sprintf("kernel %d, delivered %d, dropped %d", l.Kernel, l.Delivered, l.Dropped)
}

var loopback = netip.MustParseAddr("127.0.0.1")
