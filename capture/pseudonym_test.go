package capture

import (
	"bytes"
	"math/rand"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Without ranges that are kept the mapping is that of Crypto-PAn, of whose authors these key and addresses are.
func TestCryptoPAn(t *testing.T) {
	tree := newTree([]byte{21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16, 216, 152, 143, 131, 121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2}, nil)
	for from, want := range map[string]string{"128.11.68.132": "135.242.180.132", "129.118.74.4": "134.136.186.123", "130.132.252.244": "133.68.164.234",
		"141.223.7.43": "141.167.8.160", "24.0.250.221": "100.15.198.226"} {
		b := netip.MustParseAddr(from).As4()
		tree.forth(b[:])
		if got := netip.AddrFrom4(b); got.String() != want {
			t.Errorf("%s became %v, want %s", from, got, want)
		}
		if tree.back(b[:]); netip.AddrFrom4(b).String() != from {
			t.Errorf("%s came back as %v", from, netip.AddrFrom4(b))
		}
	}
}

func commonBits(a, b netip.Addr) int {
	x, y := a.AsSlice(), b.AsSlice()
	for i := range 8 * len(x) {
		if (x[i/8]^y[i/8])>>(7-i%8)&1 != 0 {
			return i
		}
	}
	return 8 * len(x)
}

func TestPseudonymAddresses(t *testing.T) {
	p := NewPseudonyms([32]byte{7, 8, 9})
	rnd := rand.New(rand.NewSource(1))
	random := func(like netip.Addr) netip.Addr { // shares a prefix
		b := like.AsSlice()
		at := rnd.Intn(8 * len(b))
		for i := at; i < 8*len(b); i++ {
			b[i/8] ^= byte(rnd.Intn(2)) << (7 - i%8)
		}
		a, _ := netip.AddrFromSlice(b)
		return a
	}
	for _, start := range []string{"10.30.0.21", "192.0.2.1", "127.0.0.1", "224.0.0.251", "255.255.255.255", "0.0.0.1", "169.254.1.1", "2001:db8::1", "fe80::1", "ff02::fb", "::1",
		"::ffff:192.0.2.1", "ff02::1:ff00:1"} {
		a := netip.MustParseAddr(start)
		for range 500 {
			b := random(a)
			if a.Is4In6() != b.Is4In6() {
				continue
			}
			pa, pb := p.Address(a), p.Address(b)
			if commonBits(a, b) != commonBits(pa, pb) {
				t.Fatalf("%v and %v share %d bits, %v and %v %d", a, b, commonBits(a, b), pa, pb, commonBits(pa, pb))
			}
			if p.Reverse(pa) != a || p.Reverse(pb) != b {
				t.Fatalf("%v and %v came back as %v and %v", a, b, p.Reverse(pa), p.Reverse(pb))
			}
			if a.IsMulticast() != pa.IsMulticast() || a.IsLinkLocalUnicast() != pa.IsLinkLocalUnicast() || a.IsLoopback() != pa.IsLoopback() || b.IsMulticast() != pb.IsMulticast() ||
				b.IsLoopback() != pb.IsLoopback() || b.IsUnspecified() != pb.IsUnspecified() {
				t.Fatalf("%v became %v, %v became %v", a, pa, b, pb)
			}
			a = b
		}
	}
	for _, kept := range []string{"0.0.0.0", "127.0.0.1", "127.8.9.1", "255.255.255.255", "224.0.0.1", "224.0.0.251", "::", "::1", "ff02::1", "ff02::fb"} {
		if got := p.Address(netip.MustParseAddr(kept)); got.String() != kept {
			t.Errorf("%s became %v", kept, got)
		}
	}
	for _, other := range []string{"10.0.0.1", "192.168.1.1", "8.8.8.8", "239.1.2.3", "169.254.3.4", "2001:db8::1", "fe80::1:2", "fd00::1", "ff02::1:ff12:3456", "::ffff:10.0.0.1"} {
		if got := p.Address(netip.MustParseAddr(other)); got.String() == other {
			t.Errorf("%s stayed", other)
		}
	}
	net := netip.MustParsePrefix("10.30.0.0/16")
	if got := p.Prefix(net); got.Bits() != 16 || !got.Contains(p.Address(netip.MustParseAddr("10.30.7.9"))) || got.Contains(p.Address(netip.MustParseAddr("10.31.7.9"))) {
		t.Errorf("%v became %v", net, got)
	}
	if q := NewPseudonyms([32]byte{7, 8}); q.Address(netip.MustParseAddr("10.30.0.21")) == p.Address(netip.MustParseAddr("10.30.0.21")) {
		t.Error("another key gives the same pseudonym")
	}
}

func TestPseudonymsBounded(t *testing.T) {
	p := NewPseudonyms([32]byte{1})
	for i := range maxKnownPseudonyms + 100 {
		p.Address(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if len(p.known) > maxKnownPseudonyms {
		t.Errorf("%d addresses are remembered", len(p.known))
	}
}

func TestPseudonymNames(t *testing.T) {
	p := NewPseudonyms([32]byte{1})
	name := p.Name("srv1.corp.example")
	if !regexp.MustCompile(`^host-[0-9a-f]{12}$`).MatchString(name) || p.Name("SRV1.corp.example.") != name || p.Name("srv2.corp.example") == name {
		t.Error(name)
	}
	if long := p.Name(strings.Repeat("a\x1b", 70000)); len(long) != len(name) {
		t.Error(long)
	}
	if got, want := p.Name("10.30.0.21"), p.Address(netip.MustParseAddr("10.30.0.21")).String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPseudonymHardware(t *testing.T) {
	p := NewPseudonyms([32]byte{1})
	for _, c := range []struct {
		from, like []byte
		same       bool
	}{
		{[]byte{255, 255, 255, 255, 255, 255}, nil, true},
		{[]byte{0, 0, 0, 0, 0, 0}, nil, true},
		{[]byte{1, 0x80, 0xc2, 0, 0, 0x0e}, nil, true},
		{[]byte{1, 0, 0x5e, 1, 2, 3}, []byte{1, 0, 0x5e}, false},
		{[]byte{0x33, 0x33, 0xff, 1, 2, 3}, []byte{0x33, 0x33}, false},
		{[]byte{2, 0, 0x5e, 0x10, 0, 0xe}, nil, false},
	} {
		b := bytes.Clone(c.from)
		p.hardware.forth(b)
		if bytes.Equal(b, c.from) != c.same || !bytes.HasPrefix(b, c.like) || b[0]&3 != c.from[0]&3 {
			t.Errorf("% x became % x", c.from, b)
		}
		if p.hardware.back(b); !bytes.Equal(b, c.from) {
			t.Errorf("% x came back as % x", c.from, b)
		}
	}
}

func TestReadPseudonymKey(t *testing.T) {
	digits := strings.Repeat("0123456789abcdef", 4)
	raw := "\x01\x23\x45\x67\x89\xab\xcd\xef"
	want := netip.MustParseAddr("10.0.0.1")
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		fault   string
	}{
		"digits":        {digits + "\n", 0o600, ""},
		"upper case":    {strings.ToUpper(digits) + "\r\n", 0o400, ""},
		"raw":           {strings.Repeat(raw, 4), 0o600, ""},
		"open":          {digits, 0o640, "chmod 600"},
		"half a key":    {digits[:32], 0o600, "openssl rand -hex 32"},
		"too long":      {digits + digits, 0o600, "openssl rand -hex 32"},
		"empty":         {"", 0o600, "openssl rand -hex 32"},
		"no randomness": {strings.Repeat("0", 64), 0o600, "openssl rand -hex 32"},
	} {
		path := writeFile(t, t.TempDir(), "key", []byte(c.content))
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		p, err := ReadPseudonymKey(path)
		switch {
		case c.fault == "" && err != nil, c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault) || strings.Contains(err.Error(), digits[:16])):
			t.Errorf("%s: %v", name, err)
		case err == nil && p.Reverse(p.Address(want)) != want:
			t.Errorf("%s: %v", name, p.Address(want))
		}
	}
	if _, err := ReadPseudonymKey(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a key that is not there")
	}
}

func FuzzPseudonyms(f *testing.F) {
	f.Add([]byte{10, 0, 0, 1})
	f.Add(bytes.Repeat([]byte{0xff}, 16))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		to := testPseudonyms.Address(a)
		if testPseudonyms.Reverse(to) != a || to.Is4() != a.Is4() || to.Is4In6() != a.Is4In6() || a.IsMulticast() != to.IsMulticast() {
			t.Fatalf("%v became %v, came back as %v", a, to, testPseudonyms.Reverse(to))
		}
	})
}

// What is asked for beyond the headers that are understood is not given.
func TestRewriterStops(t *testing.T) {
	frame := over(t, aroundUDP(53, []byte(secret)))
	w := rewriter{names: testPseudonyms}
	w.scratch.ledger = new(Ledger)
	data, wire, link, ok := w.packet(linkEthernet, &record{data: frame, wire: uint32(len(frame))}, len(frame))
	if len(data) != 14+20+8 || int(wire) != len(frame) || link != linkEthernet || !ok {
		t.Errorf("%d of %d bytes, link type %d, %v", len(data), wire, link, ok)
	}
}
