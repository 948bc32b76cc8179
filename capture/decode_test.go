package capture

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// unhex reads hexadecimal bytes with spaces, newlines and "# ..." comments between them.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		b.WriteString(strings.Join(strings.Fields(line), ""))
	}
	data, err := hex.DecodeString(b.String())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// bench is a decoder with what it needs, for one packet at a time.
type bench struct {
	*decoder
	ledger Ledger
	in     recordBatch
	out    decoded
}

func newBench() *bench {
	b := &bench{}
	b.decoder = newDecoder(flow.NewTable(flow.Options{}), &b.ledger)
	return b
}

// decode gives the reason of one packet; out.N is 1 iff it is decoded.
func (b *bench) decode(linkType uint16, rec record) Reason {
	before := b.ledger.Reasons
	b.in.n, b.in.recs[0] = 1, rec
	b.known = false
	b.batch(&b.in, 0, func(*record) uint16 { return linkType }, &b.out)
	for r := range b.ledger.Reasons {
		if b.ledger.Reasons[r] != before[r] {
			return Reason(r)
		}
	}
	panic("a packet without a class")
}

// ends gives the source and destination of packet i.
func ends(b *flow.Batch, i int) (src, dst netip.AddrPort) {
	p := &b.Packets[i]
	address := func(v4 uint32, v6 [16]byte) netip.Addr {
		if p.Bits&flow.IPv6 != 0 {
			return netip.AddrFrom16(v6)
		}
		return netip.AddrFrom4([4]byte{byte(v4 >> 24), byte(v4 >> 16), byte(v4 >> 8), byte(v4)})
	}
	src = netip.AddrPortFrom(address(p.A, b.Addr6[i][0]), p.PortA)
	dst = netip.AddrPortFrom(address(p.B, b.Addr6[i][1]), p.PortB)
	if p.Bits&flow.FromB != 0 {
		src, dst = dst, src
	}
	return src, dst
}

// show is a packet in one line: protocol, ends, flags, bytes of IP, payload as offset+length, VLAN tags where there are any.
func (b *bench) show(r Reason) string {
	if r != reasonDecoded {
		return fmt.Sprintf("%v: %v", r.Class(), r)
	}
	return b.showPacket(0)
}

func (b *bench) showPacket(i int) string {
	p := &b.out.Packets[i]
	src, dst := ends(&b.out.Batch, i)
	s := fmt.Sprintf("%v %v > %v", p.Proto, src, dst)
	if p.Flags != 0 {
		s += fmt.Sprintf(" flags %#02x", uint8(p.Flags))
	}
	s += fmt.Sprintf(" ip %d payload %d+%d", p.IPLen, p.PayloadOff, p.PayloadLen)
	if p.Context != 0 {
		s += fmt.Sprintf(" context %d", p.Context)
	}
	if p.Bits&flow.Fragment != 0 {
		s += " fragment"
	}
	return s
}

// Parts of packets. TEST-NET and documentation addresses throughout.
const (
	macs    = "02 00 00 00 00 01  02 00 00 00 00 02\n"
	udp4    = "45 00 00 20 00 01 00 00 40 11 00 00  c0 00 02 01  c6 33 64 02\n" + udp
	udp     = "04 00 00 35 00 0c 00 00  01 02 03 04\n" // 1024 > 53
	udp6    = "60 00 00 00 00 0c 11 40" + v6ends + udp
	v6ends  = " 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01\n"
	tcpSYN  = "c0 01 01 bb 00 00 00 07 00 00 00 00 50 02 ff ff 00 00 00 00\n" // 49153 > 443
	v4ends  = " c0 00 02 01 c6 33 64 02\n"
	told4   = "udp 192.0.2.1:1024 > 198.51.100.2:53 ip 32 payload "
	told6   = "udp [2001:db8::2]:1024 > [2001:db8::1]:53 ip 52 payload "
	sll     = "00 00 00 01 00 06 02 00 00 00 00 01 00 00 "
	sllFor  = "00 04 %04x 00 06 02 00 00 00 00 01 00 00 "
	snapIP4 = "aa aa 03 00 00 00 08 00\n"
)

// decodeCases are packets of every link type and header, one each, and what is made of them.
var decodeCases = []struct {
	name string
	link uint16
	hex  string
	want string
}{
	// Links.
	{"ethernet v4", linkEthernet, macs + "08 00" + udp4, told4 + "42+4"},
	{"ethernet v6", linkEthernet, macs + "86 dd" + udp6, told6 + "62+4"},
	{"ethernet padding is no payload", linkEthernet, macs + "08 00" + udp4 + "ff ff ff ff", told4 + "42+4"},
	{"vlan", linkEthernet, macs + "81 00 00 0a 08 00" + udp4, told4 + "46+4 context 1"},
	{"priority tag", linkEthernet, macs + "81 00 60 00 08 00" + udp4, told4 + "46+4"},
	{"provider vlan", linkEthernet, macs + "88 a8 00 0a 91 00 00 0b 81 00 00 0c 86 dd" + udp6, told6 + "74+4 context 1"},
	{"eight tags", linkEthernet, macs + strings.Repeat("81 00 00 0a ", 8) + "08 00" + udp4, told4 + "74+4 context 1"},
	{"nine tags", linkEthernet, macs + strings.Repeat("81 00 00 0a ", 9) + "08 00" + udp4, "too-deep: VLAN tags or MPLS labels"},
	{"vn-tag around a vlan", linkEthernet, macs + "89 26 80 02 00 03 81 00 00 0a 08 00" + udp4, told4 + "52+4 context 1"},
	{"e-tag", linkEthernet, macs + "89 3f 00 00 10 01 00 00 86 dd" + udp6, told6 + "70+4"},
	{"nine vn-tags", linkEthernet, macs + strings.Repeat("89 26 00 00 00 00 ", 9) + "08 00" + udp4, "too-deep: VLAN tags or MPLS labels"},
	{"snap", linkEthernet, macs + "00 28" + snapIP4 + udp4, told4 + "50+4"},
	{"snap bridge tunnel", linkEthernet, macs + "00 28 aa aa 03 00 00 f8 08 00" + udp4, told4 + "50+4"},
	{"vlan in snap", linkEthernet, macs + "00 2c aa aa 03 00 00 00 81 00 00 0a 08 00" + udp4, told4 + "54+4 context 1"},
	{"ip behind llc", linkEthernet, macs + "00 23 06 06 03" + udp4, told4 + "45+4"},
	{"spanning tree", linkEthernet, macs + "00 07 42 42 03 00 00 00 00", "non-ip: non-ip"},
	{"cisco snap", linkEthernet, macs + "00 08 aa aa 03 00 00 0c 20 00", "non-ip: non-ip"},
	{"arp", linkEthernet, macs + "08 06 00 01", "non-ip: non-ip"},
	{"mpls", linkEthernet, macs + "88 47 00 01 00 40 00 02 01 40" + udp4, told4 + "50+4"},
	{"mpls v6", linkEthernet, macs + "88 48 00 01 01 40" + udp6, told6 + "66+4"},
	{"mpls pseudowire", linkEthernet, macs + "88 47 00 01 01 40 00 00 00 00", "non-ip: non-ip"},
	{"mpls without bottom", linkEthernet, macs + "88 47" + strings.Repeat("00 01 00 40", 17), "too-deep: VLAN tags or MPLS labels"},
	{"pppoe", linkEthernet, macs + "88 64 11 00 00 01 00 22 00 21" + udp4, told4 + "50+4"},
	{"pppoe compressed protocol", linkEthernet, macs + "88 64 11 00 00 01 00 21 21" + udp4, told4 + "49+4"},
	{"pppoe lcp", linkEthernet, macs + "88 64 11 00 00 01 00 04 c0 21 09 00", "non-ip: non-ip"},
	{"pppoe in vlan", linkEthernet, macs + "81 00 00 0a 88 64 11 00 00 01 00 36 00 57" + udp6, told6 + "74+4 context 1"},
	{"pppoe link", linkPPPoE, "11 00 00 01 00 22 00 21" + udp4, told4 + "36+4"},
	{"sll", linkSLL, sll + "08 00" + udp4, told4 + "44+4"},
	{"sll vlan", linkSLL, sll + "81 00 00 0a 86 dd" + udp6, told6 + "68+4 context 1"},
	{"sll llc", linkSLL, sll + "00 04 " + snapIP4 + udp4, told4 + "52+4"},
	{"sll netlink", linkSLL, fmt.Sprintf(sllFor, 824) + "08 00" + udp4, "non-ip: non-ip"},
	{"sll2", linkSLL2, "08 00 00 00 00 00 00 02 00 01 00 06 02 00 00 00 00 01 00 00" + udp4, told4 + "48+4"},
	{"raw v4", linkRaw, udp4, told4 + "28+4"},
	{"raw v6", linkRawBSD, udp6, told6 + "48+4"},
	{"raw v6 of openbsd", linkRawOpen, udp6, told6 + "48+4"},
	{"raw version 5", linkRaw, "50 00", "malformed: IP version does not fit"},
	{"raw empty", linkRaw, "", "malformed: IP header incomplete"},
	{"ipv4 link", linkIPv4, udp4, told4 + "28+4"},
	{"ipv6 link", linkIPv6, udp6, told6 + "48+4"},
	{"ipv6 on an ipv4 link", linkIPv4, udp6, "malformed: IP version does not fit"},
	{"null little-endian", linkNull, "02 00 00 00" + udp4, told4 + "32+4"},
	{"null big-endian macos v6", linkNull, "00 00 00 1e" + udp6, told6 + "52+4"},
	{"loop", linkLoop, "00 00 00 18" + udp6, told6 + "52+4"},
	{"null appletalk", linkNull, "10 00 00 00 00", "non-ip: non-ip"},
	{"ppp", linkPPP, "ff 03 00 21" + udp4, told4 + "32+4"},
	{"ppp without address", linkPPP, "00 57" + udp6, told6 + "50+4"},
	{"ppp mpls", linkPPP, "ff 03 02 81 00 01 01 40" + udp4, told4 + "36+4"},
	{"ppp hdlc", linkPPPHDLC, "ff 03 00 21" + udp4, told4 + "32+4"},
	{"cisco on ppp hdlc", linkPPPHDLC, "0f 00 08 00" + udp4, told4 + "32+4"},
	{"cisco hdlc", linkCHDLC, "8f 00 86 dd" + udp6, told6 + "52+4"},
	{"cisco keepalive", linkCHDLC, "8f 00 80 35 00", "non-ip: non-ip"},
	{"radiotap cut short", 127, "00 00 08 00", "malformed: link header incomplete"},
	{"bluetooth", 201, "00 00 08 00", "unsupported-link: link type"},

	// IPv4.
	{"options", linkRaw, "46 00 00 24 00 01 00 00 40 11 00 00" + v4ends + "94 02 00 00" + udp, "udp 192.0.2.1:1024 > 198.51.100.2:53 ip 36 payload 32+4"},
	{"total length 0 of offload", linkEthernet, macs + "08 00 45 00 00 00 00 01 40 00 40 11 00 00" + v4ends + udp, told4 + "42+4"},
	{"total length below header", linkRaw, "45 00 00 13 00 01 00 00 40 11 00 00" + v4ends + udp, "malformed: IP total length below the header's"},
	{"header length 16", linkRaw, "44 00 00 20 00 01 00 00 40 11 00 00" + v4ends + udp, "malformed: IP total length below the header's"},
	{"total length beyond the frame", linkRaw, "45 00 05 dc 00 01 00 00 40 11 00 00" + v4ends + udp, "udp 192.0.2.1:1024 > 198.51.100.2:53 ip 1500 payload 28+4"},
	{"gre", linkRaw, "45 00 00 18 00 01 00 00 40 2f 00 00" + v4ends + "00 00 08 00", "gre 192.0.2.1:0 > 198.51.100.2:0 ip 24 payload 20+4"},
	{"authentication header", linkRaw, "45 00 00 2c 00 01 00 00 40 33 00 00" + v4ends + "11 01 00 00 00 00 00 01 00 00 00 01" + udp, "udp 192.0.2.1:1024 > 198.51.100.2:53 ip 44 payload 40+4"},

	// IPv6.
	{"all extensions", linkRaw, "60 00 00 00 00 3c 00 40" + v6ends +
		"3c 00 01 04 00 00 00 00" + // hop-by-hop
		"2b 00 01 04 00 00 00 00" + // destination options
		"33 00 00 00 00 00 00 00" + // routing, no segments left
		"2c 02 00 00 00 00 00 01 00 00 00 01 00 00 00 00" + // AH
		"11 00 00 00 00 00 00 09" + // fragment: offset 0, no more
		udp, "udp [2001:db8::2]:1024 > [2001:db8::1]:53 ip 100 payload 96+4"},
	{"routing header", linkRaw, "60 00 00 00 00 34 2b 40" + v6ends +
		"11 04 00 02 00 00 00 00" + // type 0, 2 segments left
		"20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 03 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 04" +
		udp, "udp [2001:db8::2]:1024 > [2001:db8::4]:53 ip 92 payload 88+4"},
	{"segment routing", linkRaw, "60 00 00 00 00 34 2b 40" + v6ends +
		"11 04 04 01 01 00 00 00" + // type 4: the last segment stands first
		"20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 03 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 04" +
		udp, "udp [2001:db8::2]:1024 > [2001:db8::3]:53 ip 92 payload 88+4"},
	{"payload length 0 of offload", linkRaw, "60 00 00 00 00 00 11 40" + v6ends + udp, "udp [2001:db8::2]:1024 > [2001:db8::1]:53 ip 52 payload 48+4"},
	{"no next header", linkRaw, "60 00 00 00 00 00 3b 40" + v6ends + "ff ff", "ip-59 [2001:db8::2]:0 > [2001:db8::1]:0 ip 40 payload 40+0"},
	{"seventeen extensions", linkRaw, "60 00 00 00 00 88 00 40" + v6ends + strings.Repeat("00 00 01 04 00 00 00 00", 17), "too-deep: IP extension headers"},
	{"extension beyond the packet", linkRaw, "60 00 00 00 00 08 3c 40" + v6ends + "11 05 01 04 00 00 00 00", "malformed: IPv6 extension header incomplete"},
	{"mapped address stays IPv6", linkRaw, "60 00 00 00 00 0c 11 40 00 00 00 00 00 00 00 00 00 00 ff ff c0 00 02 01 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01" + udp,
		"udp [::ffff:192.0.2.1]:1024 > [2001:db8::1]:53 ip 52 payload 48+4"},

	// Transport.
	{"tcp", linkRaw, "45 00 00 28 00 01 00 00 40 06 00 00" + v4ends + tcpSYN, "tcp 192.0.2.1:49153 > 198.51.100.2:443 flags 0x02 ip 40 payload 40+0"},
	{"tcp options", linkRaw, "45 00 00 2e 00 01 00 00 40 06 00 00" + v4ends + "c0 01 01 bb 00 00 00 07 00 00 00 00 60 18 ff ff 00 00 00 00 01 01 01 00 ab cd",
		"tcp 192.0.2.1:49153 > 198.51.100.2:443 flags 0x18 ip 46 payload 44+2"},
	{"tcp header length 16", linkRaw, "45 00 00 28 00 01 00 00 40 06 00 00" + v4ends + "c0 01 01 bb 00 00 00 07 00 00 00 00 40 02 ff ff 00 00 00 00", "malformed: TCP header length out of range"},
	{"tcp header beyond the packet", linkRaw, "45 00 00 28 00 01 00 00 40 06 00 00" + v4ends + "c0 01 01 bb 00 00 00 07 00 00 00 00 60 02 ff ff 00 00 00 00", "malformed: TCP header length out of range"},
	{"tcp of 8 bytes", linkRaw, "45 00 00 1c 00 01 00 00 40 06 00 00" + v4ends + "c0 01 01 bb 00 00 00 07", "malformed: transport header incomplete"},
	{"udp length 7", linkRaw, "45 00 00 1c 00 01 00 00 40 11 00 00" + v4ends + "04 00 00 35 00 07 00 00", "malformed: UDP length below the header's"},
	{"udp shorter than ip", linkRaw, "45 00 00 20 00 01 00 00 40 11 00 00" + v4ends + "04 00 00 35 00 0a 00 00 01 02 03 04", told4 + "28+2"},
	{"udp-lite", linkRaw, "45 00 00 20 00 01 00 00 40 88 00 00" + v4ends + "04 00 00 35 00 08 00 00 01 02 03 04", "udplite 192.0.2.1:1024 > 198.51.100.2:53 ip 32 payload 28+4"},
	{"sctp", linkRaw, "45 00 00 24 00 01 00 00 40 84 00 00" + v4ends + "0b 59 0b 5a 00 00 00 00 00 00 00 00 01 00 00 04", "sctp 192.0.2.1:2905 > 198.51.100.2:2906 ip 36 payload 32+4"},
	{"echo request", linkRaw, "45 00 00 1c 00 01 00 00 40 01 00 00" + v4ends + "08 00 00 00 12 34 00 01", "icmp 192.0.2.1:2048 > 198.51.100.2:0 ip 28 payload 28+0"},
	{"echo reply", linkRaw, "45 00 00 1c 00 01 00 00 40 01 00 00" + v4ends + "00 00 00 00 12 34 00 01", "icmp 192.0.2.1:0 > 198.51.100.2:2048 ip 28 payload 28+0"},
	{"port unreachable", linkRaw, "45 00 00 1c 00 01 00 00 40 01 00 00" + v4ends + "03 03 00 00 00 00 00 00", "icmp 192.0.2.1:771 > 198.51.100.2:0 ip 28 payload 28+0"},
	{"icmp6 neighbour solicitation", linkRaw, "60 00 00 00 00 08 3a ff" + v6ends + "87 00 00 00 00 00 00 00", "icmp6 [2001:db8::2]:34560 > [2001:db8::1]:0 ip 48 payload 44+4"},
	{"same ends", linkRaw, "45 00 00 20 00 01 00 00 40 11 00 00 c0 00 02 01 c0 00 02 01 00 35 00 35 00 0c 00 00 01 02 03 04", "udp 192.0.2.1:53 > 192.0.2.1:53 ip 32 payload 28+4"},
}

func TestDecode(t *testing.T) {
	for _, c := range decodeCases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench()
			data := unhex(t, c.hex)
			if got := b.show(b.decode(c.link, record{data: data, wire: uint32(len(data))})); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			checkCuts(t, c.link, data)
		})
	}
}

// checkCuts shortens a packet at every byte. What the snaplen cut is never malformed unless the whole packet is, and what was sent
// too short is never called truncated.
func checkCuts(t *testing.T, linkType uint16, data []byte) {
	t.Helper()
	b, time := newBench(), int64(0)
	whole := b.decode(linkType, record{data: data, wire: uint32(len(data))})
	for n := range data {
		b.checkCut(t, linkType, data, n, &time)
		r := b.decode(linkType, record{data: data[:n:n], wire: uint32(len(data))})
		if r.Class() == Malformed && whole.Class() != Malformed {
			t.Errorf("captured %d of %d bytes: %v: %v", n, len(data), r.Class(), r)
		}
		if r := b.decode(linkType, record{data: data[:n:n], wire: uint32(n)}); r.Class() == Truncated {
			t.Errorf("sent %d of %d bytes: %v: %v", n, len(data), r.Class(), r)
		}
	}
}

func TestDecodeVLANContexts(t *testing.T) {
	b := newBench()
	decode := func(tags string) uint16 {
		data := unhex(t, macs+tags+"08 00"+udp4)
		if r := b.decode(linkEthernet, record{data: data, wire: uint32(len(data))}); r != reasonDecoded {
			t.Fatalf("tags %s: %v", tags, r)
		}
		return b.out.Packets[0].Context
	}
	ten, inner := decode("81 00 00 0a"), decode("88 a8 00 0a 81 00 00 0b")
	if ten == 0 || inner == 0 || ten == inner {
		t.Errorf("contexts %d and %d, want two others than 0", ten, inner)
	}
	for tags, want := range map[string]uint16{"": 0, "81 00 00 00": 0, "81 00 00 00 81 00 f0 0a": ten, "81 00 00 0a": ten, "81 00 00 0a 81 00 00 0b": inner} {
		if got := decode(tags); got != want {
			t.Errorf("tags %q: context %d, want %d", tags, got, want)
		}
	}
}
