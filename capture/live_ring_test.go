//go:build linux && namespaces

package capture

import (
	"bytes"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pcapaudit/capture/flow"
)

func TestLiveLoopback(t *testing.T) {
	namespace(t)
	w := watch(t, Config{}, LiveConfig{Interfaces: []string{"lo"}})
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := net.DialUDP("udp4", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range 100 {
		if _, err := client.Write([]byte("datagram")); err != nil {
			t.Fatal(err)
		}
	}
	w.until("100 packets", packets(100))
	r := w.end()
	if got := r.livePacketsOf(0); got != "kernel 100, delivered 100, dropped 0" {
		t.Error(got)
	}
	if len(w.conns) != 1 || w.conns[0].OrigPackets != 100 || w.conns[0].Orig.String() != client.LocalAddr().String() {
		t.Errorf("connections: %+v", w.conns)
	}
	if in := r.Inputs[0]; in.TimeBackwards != 0 || in.First < r.First || in.Last > r.Last || (in.First%1000 == 0 && in.Last%1000 == 0) {
		t.Errorf("times: %+v, part %d to %d", in, r.First, r.Last)
	}
	if c := r.Ledger.Checksums; c != (Checksums{}) {
		t.Errorf("checksums that the kernel left out were looked at: %+v", c)
	}
}

// TestLiveTags sends frames with VLAN tags. The kernel takes the outer one out; it must be back, with its TPID.
func TestLiveTags(t *testing.T) {
	namespace(t)
	a, b := pair(t, 0)
	frames := [][]byte{
		liveFrame(1000, 0),
		liveFrame(1000, 1, 0x8100, 3<<13|7),
		liveFrame(1000, 2, 0x88a8, 100, 0x8100, 7),
		liveFrame(1000, 3, 0x8100, 5<<13),
		liveFrame(1000, 4, 0x9100, 100, 0x8100, 7),
		liveFrame(1000, 5, 0x8100, 1, 0x8100, 2, 0x8100, 4094),
	}
	var got [][]byte
	read(t, LiveConfig{Interfaces: []string{b}}, func() {
		s := openSender(t, a)
		for _, f := range frames {
			s.send(f)
		}
	}, len(frames), func(r *record) {
		if int(r.wire) != len(r.data) || r.outgoing {
			t.Errorf("%d bytes of %d, outgoing %v", len(r.data), r.wire, r.outgoing)
		}
		got = append(got, bytes.Clone(r.data))
	})
	for i, f := range frames {
		if !bytes.Equal(got[i], f) {
			t.Errorf("frame %d came as\n%x, not\n%x", i, got[i], f)
		}
	}
}

// TestLiveSnaplen keeps the heads of packets, and with a program only some of them.
func TestLiveSnaplen(t *testing.T) {
	namespace(t)
	a, b := pair(t, 0)
	const sourcePort = 14 + 20
	odd := []FilterInstruction{
		{Op: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: sourcePort},
		{Op: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: 1, Jf: 1},
		{Op: unix.BPF_RET | unix.BPF_K, K: 262144},
		{Op: unix.BPF_RET | unix.BPF_K},
	}
	n := 0
	w := read(t, LiveConfig{Interfaces: []string{b}, Snaplen: 42, Program: odd, ProgramText: "odd source ports"}, func() {
		s := openSender(t, a)
		for i := range uint16(20) {
			s.send(liveFrame(i, uint32(i)))
		}
	}, 10, func(r *record) {
		if n++; len(r.data) != 42 || r.wire != 46 || r.data[sourcePort+1]%2 == 0 {
			t.Errorf("%x: %d bytes of %d", r.data, len(r.data), r.wire)
		}
	})
	if in := w.part().Inputs[0]; n != 10 || in.CutPackets != 10 || in.Interfaces[0].Filter != "odd source ports" || in.Interfaces[0].Snaplen != 42 {
		t.Errorf("%d packets, %+v", n, in)
	}
}

// TestLiveCooked watches an interface without link header.
func TestLiveCooked(t *testing.T) {
	namespace(t)
	ip(t, "tuntap add dev pa-ring-tun mode tun")
	ip(t, "addr add 198.51.100.1/24 dev pa-ring-tun")
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("a tunnel interface cannot be made: %v", err)
	}
	defer tun.Close()
	request, _ := unix.NewIfreq("pa-ring-tun")
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(int(tun.Fd()), unix.TUNSETIFF, request); err != nil {
		t.Skipf("a tunnel interface cannot be made: %v", err)
	}
	ip(t, "link set pa-ring-tun up")
	w := watch(t, Config{}, LiveConfig{Interfaces: []string{"pa-ring-tun"}})
	packet := liveFrame(1000, 1)[14:]
	for range 5 {
		if _, err := tun.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	client, err := net.Dial("udp4", "198.51.100.2:9")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.Write([]byte("out"))
	w.until("6 packets", packets(6))
	if r := w.end(); r.Ledger.Class(Decoded).Packets != 6 || r.Inputs[0].Interfaces[0].LinkType != linkSLL || len(w.conns) != 2 {
		t.Errorf("%+v, %d connections", r.Inputs[0], len(w.conns))
	}
}

// TestLiveOffload sends TCP over veth, which hands on frames of up to 64 KiB without checksums.
func TestLiveOffload(t *testing.T) {
	namespace(t)
	other := otherHost(t, "pa-ring-offload")
	a, b := pair(t, 0)
	ip(t, "link set "+a+" netns pa-ring-offload")
	ip(t, "-n pa-ring-offload addr add 192.0.2.1/24 dev "+a)
	ip(t, "-n pa-ring-offload link set "+a+" up")
	ip(t, "addr add 192.0.2.2/24 dev "+b)
	server, err := net.Listen("tcp4", "192.0.2.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	w := watch(t, Config{}, LiveConfig{Interfaces: []string{b}})
	const size = 16 << 20
	sent := make(chan error, 1)
	go func() {
		sent <- elsewhere(other, func() error {
			c, err := net.Dial("tcp4", server.Addr().String())
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.Write(make([]byte, size))
			return err
		})
	}()
	c, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	buf, n := make([]byte, 1<<20), 0
	for n < size {
		m, err := c.Read(buf)
		if n += m; err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	w.until("the last byte", func(r *Result) bool { return r.Ledger.Read.Bytes > size })
	r := w.end()
	l := r.Ledger
	i := slices.IndexFunc(w.conns, func(c *flow.Conn) bool { return c.Proto == flow.TCP })
	if i < 0 || w.conns[i].OrigBytes < size || w.conns[i].OrigBytes/w.conns[i].OrigPackets < 5000 || w.conns[i].Outcome != flow.Established {
		t.Errorf("connections: %+v", w.conns)
	}
	if r.Inputs[0].CutPackets != 0 || l.Class(Malformed).Packets != 0 || l.Overlong != 0 || l.Checksums.Broken+l.Checksums.Doubted != 0 {
		t.Errorf("%d cut, %d malformed, %d overlong, checksums %+v", r.Inputs[0].CutPackets, l.Class(Malformed).Packets, l.Overlong, l.Checksums)
	}
	t.Logf("%s, %d bytes a frame", r.livePacketsOf(0), l.Read.Bytes/l.Read.Packets)
}

// TestLiveMerged reads several interfaces, and several rings of one, in the order of sending.
func TestLiveMerged(t *testing.T) {
	for _, c := range []struct {
		name         string
		pairs, rings int
	}{{"three interfaces", 3, 1}, {"two rings", 1, 2}, {"two interfaces of two rings", 2, 2}} {
		t.Run(c.name, func(t *testing.T) {
			namespace(t)
			var from, to []string
			for n := range c.pairs {
				a, b := pair(t, n)
				from, to = append(from, a), append(to, b)
			}
			const n = 3000
			next := uint32(0)
			w := read(t, LiveConfig{Interfaces: to, Rings: c.rings}, func() {
				var senders []*sender
				for _, name := range from {
					senders = append(senders, openSender(t, name))
				}
				for i := range uint32(n) {
					senders[i*i/7%uint32(len(senders))].send(liveFrame(uint16(i%50), i))
					if i%500 == 0 {
						time.Sleep(30 * time.Millisecond) // several blocks
					}
				}
			}, n, func(r *record) {
				if number(r) != next {
					t.Fatalf("packet %d where %d was to come", number(r), next)
				}
				next++
			})
			if err := w.rings.count(); err != nil {
				t.Fatal(err)
			}
			used := 0
			for _, r := range w.rings.list {
				if !r.empty() {
					t.Errorf("kernel %d, delivered %d, dropped %d", r.kernel, r.delivered, r.dropped)
				}
				if r.delivered > 0 {
					used++
				}
			}
			if used != c.pairs*c.rings {
				t.Errorf("%d of %d rings were used", used, c.pairs*c.rings)
			}
		})
	}
}

// TestLiveAllocations reads without allocating per packet.
func TestLiveAllocations(t *testing.T) {
	namespace(t)
	a, b := pair(t, 0)
	const n = 20000
	w := read(t, LiveConfig{Interfaces: []string{b}}, func() {
		s := openSender(t, a)
		for i := range uint32(n + 256) {
			s.send(liveFrame(uint16(i%20), i))
		}
	}, 256, func(*record) {})
	before := w.interfaces[0].num
	allocations := testing.AllocsPerRun(1, func() {
		for w.interfaces[0].num < min(before+n/2, n) {
			w.once()
		}
	})
	if allocations > 20 {
		t.Errorf("%v allocations for some %d packets", allocations, n/2)
	}
}

// TestLiveRingsOfDownInterface opens several rings before the interface is switched on.
func TestLiveRingsOfDownInterface(t *testing.T) {
	namespace(t)
	a, b := pair(t, 0)
	ip(t, "link set "+b+" down")
	w := watch(t, Config{}, LiveConfig{Interfaces: []string{b}, Rings: 2})
	ip(t, "link set "+b+" up")
	w.until("up", func(r *Result) bool { return r.Live[0].State == LinkUp })
	s := openSender(t, a)
	for i := range uint32(100) {
		s.send(liveFrame(uint16(i), i))
	}
	w.until("100 packets", packets(100))
	if r := w.end(); r.Live[0].Kernel != 100 || len(r.Live[0].BlindSpans) != 1 || r.Live[0].BlindSpans[0].From != r.First {
		t.Errorf("%s, blind %v", r.livePacketsOf(0), r.Live[0].BlindSpans)
	}
}

func TestLivePromiscuous(t *testing.T) {
	namespace(t)
	_, b := pair(t, 0)
	for _, want := range []bool{false, true} {
		w := watch(t, Config{}, LiveConfig{Interfaces: []string{b}, Promiscuous: want})
		if got := strings.Contains(ip(t, "-d link show dev "+b), "promiscuity 1"); got != want {
			t.Errorf("promiscuous %v, interface is %v", want, got)
		}
		w.end()
	}
	if strings.Contains(ip(t, "-d link show dev "+b), "promiscuity 1") {
		t.Error("the interface stayed promiscuous")
	}
}

func TestLiveRefused(t *testing.T) {
	namespace(t)
	_, b := pair(t, 0)
	for _, c := range []struct {
		interfaces []string
		want       string
	}{
		{[]string{"pa-ring9"}, "watching pa-ring9: no such interface; there are lo, "},
		{[]string{b, "pa-ring9"}, "watching pa-ring9: no such interface"},
		{[]string{b, b}, "watching " + b + ": named twice"},
		{nil, "watching 0 interfaces: name 1 to 64"},
	} {
		if r, err := Live(t.Context(), Config{}, LiveConfig{Interfaces: c.interfaces}); r != nil || err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v: %v", c.interfaces, err)
		}
	}
	header, data := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
	if err := unix.Capset(&header, &data[0]); err != nil { // of this thread, which ends with the test
		t.Fatal(err)
	}
	var of *LiveError
	r, err := Live(t.Context(), Config{}, LiveConfig{Interfaces: []string{b}})
	if r != nil || !errors.As(err, &of) || of.Interface != b || !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
		t.Errorf("without rights: %v", err)
	}
}
