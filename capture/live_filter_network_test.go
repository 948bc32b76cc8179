package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// eachFrame gives the frames of all captures that are here, with the link type of their interface.
func eachFrame(t *testing.T, f func(linkType uint16, rec record)) {
	t.Helper()
	var paths []string
	for _, pattern := range []string{"../testdata/captures/*.pcapng", sharedCaptures + "/*.*", sharedCaptures + "/hostile/*.*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	for _, path := range paths {
		in, err := openInputs([]string{path}, nil, inputOptions{})
		if err != nil {
			continue // tables beside the captures, and formats that are not read
		}
		var b recordBatch
		for err = nil; err == nil; {
			err = in.fill(&b)
			for i := range b.recs[:b.n] {
				f(in.linkType(&b.recs[i]), b.recs[i])
			}
		}
		if err != io.EOF {
			t.Logf("%s: %v", path, err)
		}
		in.close()
	}
}

// watchedFrame is a frame as a filter sees it on an interface that would show it so; false for link types that no packet socket has.
func watchedFrame(linkType uint16, data []byte) (p filteredPacket, ok bool) {
	const none = 65534
	p.data = data
	switch linkType {
	case linkEthernet:
		p.hardware = hardwareEthernet
		return p, len(data) >= 14
	case link80211:
		p.hardware = hardware80211
		return p, true
	case linkSLL:
		if len(data) < 16 {
			return p, false
		}
		return filteredPacket{data[16:], binary.BigEndian.Uint16(data[14:]), none}, true
	case linkRaw:
		if len(data) == 0 {
			return p, false
		}
		return filteredPacket{data, map[byte]uint16{4: etherIPv4, 6: etherIPv6}[data[0]>>4], none}, true
	}
	return p, false
}

// networkWants is what NetworkProgram is for, in plain words: what of a packet the kernel is to hand over.
func networkWants(prefixes []netip.Prefix, p filteredPacket) bool {
	ip, etherType := p.data, p.protocol
	switch p.hardware {
	case hardware80211:
		return true
	case hardwareEthernet:
		ip, etherType = p.data[14:], binary.BigEndian.Uint16(p.data[12:])
	}
	inside := func(a netip.Addr) bool {
		return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	// A load behind the end of a packet ends the program: it is dropped.
	short := func(n int) bool { return len(ip) < n }
	switch etherType {
	case etherARP:
		return false
	case etherIPv4:
		switch {
		case short(1):
			return false
		case ip[0]>>4 != 4:
			return true
		case short(16):
			return false
		case inside(netip.AddrFrom4([4]byte(ip[12:]))):
			return true
		case short(20):
			return false
		case inside(netip.AddrFrom4([4]byte(ip[16:]))), ip[16] >= 224, binary.BigEndian.Uint16(ip[6:])&0x3fff != 0:
			return true
		}
		return carriesMore(ip[9], ip[min(int(ip[0]&15)*4, len(ip)):], ip[9] == 1)
	case etherIPv6:
		switch {
		case short(1):
			return false
		case ip[0]>>4 != 6:
			return true
		case short(40):
			return len(ip) >= 24 && inside(netip.AddrFrom16([16]byte(ip[8:])))
		case inside(netip.AddrFrom16([16]byte(ip[8:]))), inside(netip.AddrFrom16([16]byte(ip[24:]))), ip[24] == 0xff:
			return true
		}
		return carriesMore(ip[6], ip[40:], ip[6] == 58)
	}
	return true
}

func carriesMore(protocol byte, payload []byte, icmp bool) bool {
	switch {
	case protocol == 6 || protocol == 132 || protocol == 136:
		return false
	case icmp && protocol == 58:
		return len(payload) > 0 && payload[0] < 128
	case icmp:
		return len(payload) > 0 && slices.Contains([]byte{3, 4, 5, 11, 12}, payload[0])
	case protocol != 17:
		return true
	}
	for _, at := range []int{0, 2} {
		if len(payload) < at+2 {
			return false
		}
		if slices.Contains([]uint16{4789, 8472, 4790, 6081, 2152, 3544, 4754, 7777}, binary.BigEndian.Uint16(payload[at:])) {
			return true
		}
	}
	return false
}

// somePrefixes are networks around addresses of a sample, of any length, nested and not.
func somePrefixes(random *rand.Rand, sample []netip.Addr) (prefixes []netip.Prefix) {
	for range 1 + random.Intn(40) {
		a := sample[random.Intn(len(sample))]
		bits := a.BitLen() - random.Intn(a.BitLen()/2)
		if random.Intn(50) == 0 {
			bits = random.Intn(a.BitLen() + 1)
		}
		p, _ := a.Prefix(bits)
		prefixes = append(prefixes, p)
	}
	return prefixes
}

func testTunnelPorts(t *testing.T) []TunnelPort {
	p, err := ParseTunnelPort("vxlan=7777")
	if err != nil {
		t.Fatal(err)
	}
	return []TunnelPort{p}
}

// TestNetworkProgramFrames holds the program against what it is for, and against the decoder: whatever it makes of a frame, also inside
// tunnels, that has an end in the networks must have passed.
func TestNetworkProgramFrames(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	b := newBench()
	b.ports.add(testTunnelPorts(t))
	var sample []netip.Addr
	frames := 0
	var programs [][]FilterInstruction
	var networks [][]netip.Prefix
	renew := func() {
		programs, networks = nil, nil
		for range 3 {
			prefixes := somePrefixes(random, sample)
			program, text := NetworkProgram(prefixes, testTunnelPorts(t))
			if program == nil {
				t.Fatal(text)
			}
			if i, err := checkProgram(program); err != nil {
				t.Fatalf("instruction %d of %v: %v", i, prefixes, err)
			}
			programs, networks = append(programs, program), append(networks, prefixes)
		}
	}
	eachFrame(t, func(linkType uint16, rec record) {
		p, ok := watchedFrame(linkType, rec.data)
		if !ok {
			return
		}
		b.decode(linkType, rec)
		frames++
		var seen []netip.Addr
		for i := range b.out.N {
			src, dst := ends(&b.out.Batch, i)
			seen = append(seen, src.Addr(), dst.Addr())
		}
		for _, a := range seen {
			if len(sample) < 400 {
				sample = append(sample, a)
			} else {
				sample[random.Intn(len(sample))] = a
			}
		}
		if len(sample) == 0 {
			return
		}
		if programs == nil || random.Intn(50) == 0 {
			renew()
		}
		for i, program := range programs {
			got := runFilter(program, p) != 0
			if want := networkWants(networks[i], p); got != want {
				t.Fatalf("frame %d, link type %d, networks %v: passes %v, want %v\n%x", frames, linkType, networks[i], got, want, rec.data)
			}
			if !got && slices.ContainsFunc(seen, func(a netip.Addr) bool {
				return slices.ContainsFunc(networks[i], func(p netip.Prefix) bool { return p.Contains(a) })
			}) {
				t.Fatalf("frame %d, link type %d, networks %v: lost one with an end inside\n%x", frames, linkType, networks[i], rec.data)
			}
		}
	})
	t.Logf("%d frames", frames)
	if frames < 1000 {
		t.Errorf("only %d frames were found", frames)
	}
}

// TestNetworkProgramAddresses asks about the borders of networks.
func TestNetworkProgramAddresses(t *testing.T) {
	random := rand.New(rand.NewSource(2))
	for range 300 {
		var prefixes []netip.Prefix
		for range 1 + random.Intn(60) {
			a := netip.AddrFrom4([4]byte{byte(random.Intn(4)), byte(random.Intn(3)), byte(random.Intn(256)), byte(random.Intn(256))})
			if random.Intn(2) == 0 {
				var b [16]byte
				for i := range b {
					b[i] = byte(random.Intn(3) * random.Intn(2))
				}
				a = netip.AddrFrom16(b)
			}
			p, _ := a.Prefix(random.Intn(a.BitLen() + 1))
			if random.Intn(4) > 0 {
				p, _ = a.Prefix(a.BitLen() - random.Intn(20))
			}
			prefixes = append(prefixes, p)
		}
		program, _ := NetworkProgram(prefixes, nil)
		if program == nil {
			continue
		}
		if i, err := checkProgram(program); err != nil {
			t.Fatalf("instruction %d: %v", i, err)
		}
		for _, p := range prefixes {
			for _, a := range []netip.Addr{p.Masked().Addr(), p.Masked().Addr().Prev(), lastOf(p), lastOf(p).Next(), p.Addr().Next()} {
				if !a.IsValid() || a.IsMulticast() || a.Is4() && a.As4()[0] >= 224 {
					continue
				}
				want := slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
				for _, frame := range [][2]netip.Addr{{a, outsideOf(a)}, {outsideOf(a), a}} {
					want := want || slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(outsideOf(a)) })
					if got := runFilter(program, filteredPacket{data: ethernetTCP(frame[0], frame[1]), hardware: hardwareEthernet}) != 0; got != want {
						t.Fatalf("%v to %v in %v: %v", frame[0], frame[1], prefixes, got)
					}
				}
			}
		}
	}
}

func outsideOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.MustParseAddr("203.0.113.77")
	}
	return netip.MustParseAddr("2001:db8:ffff::77")
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// ethernetTCP is the start of a frame from src to dst.
func ethernetTCP(src, dst netip.Addr) []byte {
	frame := make([]byte, 14, 74)
	if src.Is4() {
		binary.BigEndian.PutUint16(frame[12:], etherIPv4)
		ip := make([]byte, 20)
		ip[0], ip[9] = 0x45, byte(flow.TCP)
		copy(ip[12:], src.AsSlice())
		copy(ip[16:], dst.AsSlice())
		return append(frame, append(ip, make([]byte, 20)...)...)
	}
	binary.BigEndian.PutUint16(frame[12:], etherIPv6)
	ip := make([]byte, 40)
	ip[0], ip[6] = 0x60, byte(flow.TCP)
	copy(ip[8:], src.AsSlice())
	copy(ip[24:], dst.AsSlice())
	return append(frame, append(ip, make([]byte, 20)...)...)
}

func TestNetworkProgramLimit(t *testing.T) {
	last := 0
	for _, n := range []int{1, 10, 100, 200, 1000} {
		var prefixes []netip.Prefix
		for i := range n {
			prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 7), byte(i << 1), 0}), 24))
		}
		program, text := NetworkProgram(prefixes, nil)
		t.Logf("%d networks: %d instructions, %.60s", n, len(program), text)
		switch {
		case n <= 200 && (len(program) <= last || len(program) > maxNetworkFilter):
			t.Errorf("%d networks: %d instructions", n, len(program))
		case n > 200 && (program != nil || !strings.HasPrefix(text, "none: 1000 networks")):
			t.Errorf("%d networks: %d instructions, %q", n, len(program), text)
		}
		last = len(program)
	}
}

func TestNetworkProgramText(t *testing.T) {
	var prefixes []netip.Prefix
	for i := range 10 {
		prefixes = append(prefixes, netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", i)))
	}
	if program, text := NetworkProgram(nil, nil); program != nil || text != "none: no network is given" {
		t.Errorf("%d instructions, %q", len(program), text)
	}
	_, text := NetworkProgram(prefixes, nil)
	want := "packets with an end in 10.0.0.0/16, 10.1.0.0/16, 10.2.0.0/16, 10.3.0.0/16, 10.4.0.0/16, 10.5.0.0/16, 10.6.0.0/16, 10.7.0.0/16 and 2 more, to groups, fragments, tagged, in tunnels, ICMP errors; no ARP"
	if text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

var (
	localhost      = netip.MustParseAddr("127.0.0.1")
	alwaysPrefixes = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("fe80::/10")}
)
