package capture

import (
	"fmt"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// fragment4 is a raw IPv4 fragment of a datagram between the ends of v4ends.
func fragment4(id uint16, proto uint8, flagsOffset uint16, payload string) string {
	return fmt.Sprintf("45 00 00 1c %04x %04x 40 %02x 00 00", id, flagsOffset, proto) + v4ends + payload
}

// longFragment4 is fragment4 with 16 bytes.
func longFragment4(id uint16, proto uint8, flagsOffset uint16, payload string) string {
	return strings.Replace(fragment4(id, proto, flagsOffset, payload), "00 1c", "00 24", 1)
}

// fragment6 is a raw IPv6 fragment of 8 bytes.
func fragment6(id uint32, next uint8, offsetMore uint16, payload string) string {
	return "60 00 00 00 00 10 2c 40" + v6ends + fmt.Sprintf("%02x 00 %04x %08x", next, offsetMore, id) + payload
}

func TestFragments(t *testing.T) {
	const (
		first   = "04 00 00 35 00 64 00 00"
		tiny    = "c0 01 01 bb 00 00 00 07"
		later   = "04 d2 16 2e ff ff ff ff" // no ports, though it looks like some
		second  = 1_000_000_000
		matched = "udp 192.0.2.1:1024 > 198.51.100.2:53 ip 28 payload 20+8 fragment"
		overlap = "fragment-overlap: contradicts an earlier fragment of its datagram"
		refused = "fragment-overlap: of a datagram that is refused"

		longMatched = "udp 192.0.2.1:1024 > 198.51.100.2:53 ip 36 payload 20+16 fragment"

		lost = "fragment-unmatched: first fragment not seen"

		whole     = "udp 192.0.2.1:1024 > 198.51.100.2:53 ip 28 payload 28+0"
		joined    = "udp 192.0.2.1:1024 > 198.51.100.2:53 ip 28 payload 20+0 fragment" // its bytes are not there any more
		joinedTCP = "tcp 192.0.2.1:49153 > 198.51.100.2:443 ip 28 payload 20+0 fragment"
	)
	type step struct {
		time int64
		hex  string
		want string
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"ports of the first", []step{
			{0, fragment4(1, 17, 0x2000, first), whole},
			{1, fragment4(1, 17, 0x2001, later), matched},
			{2, fragment4(1, 17, 0x0002, later), matched}}},
		{"first not seen", []step{
			{0, fragment4(1, 17, 0x2001, later), lost},
			{1, fragment4(1, 17, 0x2000, first), joined + "; " + whole},
			{2, fragment4(2, 17, 0x2001, later), lost}}},
		{"last one first", []step{
			{0, fragment4(1, 17, 0x0003, later), lost},
			{1, fragment4(1, 17, 0x2002, later), lost},
			{2, fragment4(1, 17, 0x0003, later), lost}, // a copy
			{3, fragment4(1, 17, 0x2000, first), joined + "; " + joined + "; " + joined + "; " + whole},
			{4, fragment4(1, 17, 0x2001, later), matched}}},
		{"last one first, too late", []step{
			{0, fragment4(1, 17, 0x0001, later), lost},
			{30*second + 1, fragment4(1, 17, 0x2000, first), whole},
			{30*second + 2, fragment4(1, 17, 0x0001, later), matched}}},
		{"last one first, then a contradiction", []step{
			{0, fragment4(1, 17, 0x0003, later), lost},
			{1, fragment4(1, 17, 0x2003, later), overlap},
			{2, fragment4(1, 17, 0x2000, first), refused},
			{3, fragment4(1, 17, 0x2001, later), refused}}},
		{"contradicted by the first", []step{
			{0, fragment4(1, 17, 0x0001, later), lost},
			{1, longFragment4(1, 17, 0x2000, first+later), overlap},
			{2, fragment4(1, 17, 0x0001, later), refused}}},
		{"last one of a tiny first fragment", []step{
			{0, fragment4(1, 6, 0x0001, later), lost},
			{1, fragment4(1, 6, 0x2000, tiny), joinedTCP + "; tcp 192.0.2.1:49153 > 198.51.100.2:443 ip 28 payload 24+4 fragment"}}},
		{"30 seconds", []step{
			{0, fragment4(1, 17, 0x2000, first), whole},
			{30 * second, fragment4(1, 17, 0x2001, later), matched},
			{1, fragment4(1, 17, 0x2001, later), matched}, // time runs backwards
			{30*second + 1, fragment4(1, 17, 0x2001, later), lost}}},
		{"tiny first fragment is no evidence", []step{
			{0, fragment4(1, 6, 0x2000, tiny), "tcp 192.0.2.1:49153 > 198.51.100.2:443 ip 28 payload 24+4 fragment"},
			{1, fragment4(1, 6, 0x2001, later), "tcp 192.0.2.1:49153 > 198.51.100.2:443 ip 28 payload 20+8 fragment"}}},
		{"protocol without ports", []step{
			{0, fragment4(1, 47, 0x0001, later), "gre 192.0.2.1:0 > 198.51.100.2:0 ip 28 payload 20+8 fragment"}}},
		{"icmp", []step{
			{0, fragment4(1, 1, 0x0001, later), lost},
			{0, fragment4(1, 1, 0x2000, "00 00 00 00 00 00 00 00"), "icmp 192.0.2.1:0 > 198.51.100.2:2048 ip 28 payload 20+0 fragment; icmp 192.0.2.1:0 > 198.51.100.2:2048 ip 28 payload 28+0"},
			{0, fragment4(1, 1, 0x0001, later), "icmp 192.0.2.1:0 > 198.51.100.2:2048 ip 28 payload 20+8 fragment"}}},
		{"ipv6", []step{
			{0, fragment6(1, 17, 0x0009, later), lost},
			{0, fragment6(1, 17, 0x0001, first), "udp [2001:db8::2]:1024 > [2001:db8::1]:53 ip 56 payload 48+0 fragment; udp [2001:db8::2]:1024 > [2001:db8::1]:53 ip 56 payload 56+0"},
			{0, fragment6(1, 17, 0x0009, later), "udp [2001:db8::2]:1024 > [2001:db8::1]:53 ip 56 payload 48+8 fragment"},
			{0, fragment6(2, 17, 0x0008, later), lost}}},
		{"ipv6 destination options behind the fragment header", []step{
			{0, "60 00 00 00 00 18 2c 40" + v6ends + "3c 00 00 01 00 00 00 05 11 00 01 04 00 00 00 00" + first, "udp [2001:db8::2]:1024 > [2001:db8::1]:53 ip 64 payload 64+0"},
			{0, fragment6(5, 60, 0x0010, later), "udp [2001:db8::2]:1024 > [2001:db8::1]:53 ip 56 payload 48+8 fragment"},
			{0, fragment6(6, 60, 0x0010, later), lost}}},
		{"exact copies", []step{
			{0, fragment4(1, 17, 0x2000, first), whole},
			{1, fragment4(1, 17, 0x2000, first), whole},
			{2, fragment4(1, 17, 0x0001, later), matched},
			{3, fragment4(1, 17, 0x0001, later), matched},
			{4, fragment4(1, 17, 0x2000, first), whole}}},
		{"overlap", []step{
			{0, fragment4(1, 17, 0x2000, first), whole},
			{1, longFragment4(1, 17, 0x2001, later+later), longMatched},
			{2, fragment4(1, 17, 0x2002, later), overlap},
			{3, fragment4(1, 17, 0x0003, later), refused},
			{4, fragment4(1, 17, 0x2000, first), refused},
			{5, fragment4(2, 17, 0x2000, first), whole}}},
		{"overlap of the first", []step{
			{0, fragment4(1, 17, 0x2000, first), whole},
			{1, longFragment4(1, 17, 0x2000, first+later), overlap},
			{2, fragment4(1, 17, 0x0001, later), refused}}},
		{"first again with other ports", []step{
			{0, fragment4(1, 17, 0x2000, first), whole},
			{1, fragment4(1, 17, 0x2000, "04 01 00 35 00 64 00 00"), overlap},
			{2, fragment4(1, 17, 0x0001, later), refused}}},
		{"behind the last", []step{
			{0, fragment4(1, 17, 0x2000, first), whole},
			{1, fragment4(1, 17, 0x0002, later), matched},
			{2, fragment4(1, 17, 0x2003, later), overlap}}},
		{"two ends", []step{
			{0, fragment4(1, 17, 0x2000, first), whole},
			{1, fragment4(1, 17, 0x2003, later), matched},
			{2, fragment4(1, 17, 0x0001, later), overlap}}},
		{"identification used again", []step{
			{0, fragment4(1, 17, 0x2000, first), whole},
			{1, fragment4(1, 17, 0x0001, later), matched},
			{2, fragment4(1, 17, 0x0001, later), matched},
			{3, fragment4(1, 17, 0x2000, "04 01 00 35 00 64 00 00"), "udp 192.0.2.1:1025 > 198.51.100.2:53 ip 28 payload 28+0"},
			{4, fragment4(1, 17, 0x0001, later), "udp 192.0.2.1:1025 > 198.51.100.2:53 ip 28 payload 20+8 fragment"}}},
		{"beyond 65535 octets", []step{
			{0, fragment4(1, 17, 0x2000, first), whole},
			{1, fragment4(1, 17, 0x1fff, later), "malformed: fragment ends beyond 65535 octets"}}},
		{"ipv6 overlap", []step{
			{0, fragment6(1, 17, 0x0001, first), "udp [2001:db8::2]:1024 > [2001:db8::1]:53 ip 56 payload 56+0"},
			{0, fragment6(1, 17, 0x0011, later), "udp [2001:db8::2]:1024 > [2001:db8::1]:53 ip 56 payload 48+8 fragment"},
			{0, "60 00 00 00 00 18 2c 40" + v6ends + "11 00 00 08 00 00 00 01" + later + later, overlap},
			{0, fragment6(1, 17, 0x0018, later), refused}}},
		{"ipv6 version and ipv4 do not mix", []step{
			{0, fragment4(1, 17, 0x2000, first), whole},
			{0, fragment6(1, 17, 0x0008, later), lost}}},
		{"ipv6 atomic fragment", []step{
			{0, fragment6(1, 17, 0x0000, first), "udp [2001:db8::2]:1024 > [2001:db8::1]:53 ip 56 payload 56+0"},
			{0, fragment6(1, 17, 0x0008, later), lost}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench()
			for i, s := range c.steps {
				data := unhex(t, s.hex)
				r := b.decode(linkRaw, record{data: data, wire: uint32(len(data)), time: s.time})
				got := b.show(r)
				if r == reasonDecoded {
					for i := 1; i < b.out.N; i++ {
						got += "; " + b.showPacket(i)
					}
				}
				if got != s.want {
					t.Errorf("step %d: got  %s\nwant %s", i, got, s.want)
				}
			}
		})
	}
}

// Against a plain map that forgets the first fragment that arrived earliest.
func TestFragmentsBounded(t *testing.T) {
	f := newBench().fragments
	key := func(i int) fragmentKey { return fragmentKey{id: uint32(i), version: 4, proto: uint8(flow.UDP)} }
	var order []int
	known := map[int]uint16{}
	random := uint32(1)
	for n := range 3 * maxFragmented {
		random = random*1664525 + 1013904223
		i := int(random>>8) % (maxFragmented + 500) // some come again
		f.add(fragmented{key: key(i), srcPort: uint16(n)})
		if _, ok := known[i]; !ok {
			order = append(order, i)
		}
		known[i] = uint16(n)
		if len(known) > maxFragmented {
			delete(known, order[0])
			order = order[1:]
		}
	}
	for i := range maxFragmented + 500 {
		k := key(i)
		e := f.find(&k, 0)
		port, ok := known[i]
		if (e != nil) != ok || ok && e.srcPort != port {
			t.Fatalf("datagram %d: found %v, want %v", i, e, ok)
		}
	}
	for i := range 2 * maxFragmented { // all new: everything before is forgotten
		f.add(fragmented{key: key(1<<20 + i)})
	}
	for i := range known {
		if k := key(i); f.find(&k, 0) != nil {
			t.Fatalf("datagram %d is remembered", i)
		}
	}
}
