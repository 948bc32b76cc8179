//go:build linux && namespaces

package capture

import (
	"encoding/binary"
	"errors"
	"math/rand"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNetworkProgramKernel sends frames of captures over a pair of interfaces to a packet socket with the program on it, as a link with its
// header and as one without.
func TestNetworkProgramKernel(t *testing.T) {
	namespace(t)
	a, b := pair(t, 0)
	frames := variedFrames(t)
	var sample []netip.Addr
	for _, f := range frames {
		if binary.BigEndian.Uint16(f[12:]) == etherIPv4 {
			sample = append(sample, netip.AddrFrom4([4]byte(f[26:])), netip.AddrFrom4([4]byte(f[30:])))
		} else if binary.BigEndian.Uint16(f[12:]) == etherIPv6 && len(f) >= 54 {
			sample = append(sample, netip.AddrFrom16([16]byte(f[22:])), netip.AddrFrom16([16]byte(f[38:])))
		}
	}
	random := rand.New(rand.NewSource(4))
	s := openSender(t, a)
	for range 4 {
		prefixes := somePrefixes(random, sample)
		program, text := NetworkProgram(prefixes, nil)
		if program == nil {
			t.Fatal(text)
		}
		r := packetSocket(t, b, program)
		passed := 0
		for _, frame := range frames {
			data := frame
			if t := binary.BigEndian.Uint16(frame[12:]); t == etherVLAN || t == etherProvider {
				data = slices.Concat(frame[:12], frame[16:]) // as the kernel gives it, with the tag beside it
			}
			s.send(frame)
			if runFilter(program, filteredPacket{data: data, hardware: hardwareEthernet}) == 0 {
				continue
			}
			passed++
			if got := receive(t, r); !slices.Equal(got, data) {
				t.Fatalf("networks %v: got\n%x, want\n%x", prefixes, got, data)
			}
		}
		time.Sleep(50 * time.Millisecond)
		var left [2048]byte
		if n, err := unix.Read(r, left[:]); !errors.Is(err, unix.EAGAIN) {
			t.Errorf("networks %v: one too many: %x, %v", prefixes, left[:max(n, 0)], err)
		}
		unix.Close(r)
		t.Logf("%d networks, %d instructions: %d of %d frames pass", len(prefixes), len(program), passed, len(frames))
	}
}

// TestNetworkProgramCooked does so on an interface whose packets have no link header.
func TestNetworkProgramCooked(t *testing.T) {
	namespace(t)
	ip(t, "tuntap add pa-watch-tun mode tun")
	ip(t, "link set pa-watch-tun up")
	tun := openTun(t, "pa-watch-tun")
	program, _ := NetworkProgram([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}, nil)
	r := packetSocket(t, "pa-watch-tun", program)
	for _, c := range []struct{ from, to string }{{"10.1.1.1", "203.0.113.1"}, {"203.0.113.1", "203.0.113.2"}, {"203.0.113.1", "10.1.1.1"},
		{"2001:db8:2::1", "2001:db8:3::1"}, {"2001:db8:2::1", "2001:db8:1::1"}} {
		packet := ethernetTCP(netip.MustParseAddr(c.from), netip.MustParseAddr(c.to))[14:]
		if _, err := unix.Write(tun, packet); err != nil {
			t.Fatal(err)
		}
		if runFilter(program, filteredPacket{data: packet, protocol: map[byte]uint16{4: etherIPv4, 6: etherIPv6}[packet[0]>>4], hardware: 65534}) == 0 {
			continue
		}
		if got := receive(t, r); !slices.Equal(got, packet) {
			t.Errorf("%s to %s: got %x", c.from, c.to, got)
		}
	}
}

// packetSocket has the program before it has an interface.
func packetSocket(t *testing.T, name string, program []FilterInstruction) int {
	t.Helper()
	l := linkNow(t, name)
	kind := unix.SOCK_RAW
	if _, cooked := l.linkType(); cooked {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	k := kernelFilter{to: fd}
	if err := k.attach(program); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: l.index}); err != nil {
		t.Fatal(err)
	}
	return fd
}

func receive(t *testing.T, fd int) []byte {
	t.Helper()
	for {
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 5000); err == nil && n == 0 {
			return nil
		}
		b := make([]byte, 4096)
		n, from, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			t.Fatal(err)
		}
		if from.(*unix.SockaddrLinklayer).Pkttype != unix.PACKET_OUTGOING {
			return b[:n]
		}
	}
}

func openTun(t *testing.T, name string) int {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR, 0)
	if err != nil {
		t.Skipf("no tun interfaces: %v", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	request, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		t.Skipf("opening a tun interface: %v", err)
	}
	return fd
}
