package capture

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// around4 puts an IPv4 header of 203.0.113.1 > 203.0.113.2 in front.
func around4(proto flow.Proto, payload []byte) []byte {
	h := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, byte(proto), 0, 0, 203, 0, 113, 1, 203, 0, 113, 2}
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
	return append(h, payload...)
}

// around6 puts an IPv6 header of 2001:db8::a > 2001:db8::b in front.
func around6(proto flow.Proto, payload []byte) []byte {
	h := []byte{0x60, 0, 0, 0, 0, 0, byte(proto), 64, 0x20, 1, 0xd, 0xb8, 15: 0, 23: 0xa, 24: 0x20, 1, 0xd, 0xb8, 39: 0xb}
	binary.BigEndian.PutUint16(h[4:], uint16(len(payload)))
	return append(h, payload...)
}

// aroundUDP puts headers of a datagram from port 50000 in front.
func aroundUDP(port uint16, payload []byte) []byte {
	h := []byte{0xc3, 0x50, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(h[2:], port)
	binary.BigEndian.PutUint16(h[4:], uint16(8+len(payload)))
	return around4(flow.UDP, append(h, payload...))
}

// inside decodes a raw IP packet and shows what is in it, layer by layer: depth, tunnels, VLANs, protocol and ends.
func (b *bench) inside(data []byte) []string {
	var layers []string
	var emitted []*flow.Conn
	b.table = flow.NewTable(flow.Options{Emit: func(_ uint32, c *flow.Conn) { emitted = append(emitted, new(kept(c))) }})
	fresh := newDecoder(b.table, &b.ledger)
	fresh.ports = b.ports
	b.decoder = fresh
	b.decode(linkRaw, record{data: data, wire: uint32(len(data)), num: 1})
	for i := range b.out.Packets[:b.out.N] {
		p := &b.out.Packets[i]
		if p.Depth > 0 {
			src, dst := ends(&b.out.Batch, i)
			layers = append(layers, fmt.Sprintf("%d %v %v > %v", p.Depth, p.Proto, src, dst))
		}
	}
	b.table.AddBatch(&b.out.Batch)
	b.table.Close()
	slices.SortFunc(emitted, func(x, y *flow.Conn) int { return x.ID.Compare(y.ID) })
	at := 0
	for _, c := range emitted {
		if c.ID.Depth == 0 {
			continue
		}
		layers[at] += " in " + c.Tunnel
		if len(c.VLANs) > 0 {
			layers[at] += fmt.Sprint(" vlan ", c.VLANs)
		}
		at++
	}
	return layers
}

func TestTunnels(t *testing.T) {
	const (
		dns  = " udp 192.0.2.1:1024 > 198.51.100.2:53 in "
		dns6 = " udp [2001:db8::2]:1024 > [2001:db8::1]:53 in "
		via  = " > 203.0.113.2:0 in "
	)
	v4, v6, frame := unhex(t, udp4), unhex(t, udp6), unhex(t, macs+"08 00"+udp4)
	tagged := unhex(t, macs+"81 00 00 2a 08 00"+udp4)
	teredo6 := unhex(t, "60 00 00 00 00 0c 11 40 20 01 00 00 00 00 00 00 00 00 00 00 00 00 00 02  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01"+udp)
	after := func(header string, rest []byte) []byte { return append(unhex(t, header), rest...) }
	for _, c := range []struct {
		name string
		data []byte
		want []string // nil: no tunnel
	}{
		{"ip in ip", around4(4, v4), []string{"1" + dns + "ip-in-ip"}},
		{"6in4", around4(41, v6), []string{"1" + dns6 + "6in4"}},
		{"4in6", around6(4, v4), []string{"1" + dns + "4in6"}},
		{"6in6", around6(41, v6), []string{"1" + dns6 + "6in6"}},
		{"6in4 holding IPv4", around4(41, v4), nil},
		{"ip in ip, empty", around4(4, nil), nil},

		{"gre", around4(47, after("00 00 08 00", v4)), []string{"1" + dns + "gre"}},
		{"gre IPv6", around6(47, after("00 00 86 dd", v6)), []string{"1" + dns6 + "gre"}},
		{"gre checksum, key, sequence", around4(47, after(`b0 00 08 00
			12 34 00 00  # checksum, reserved
			00 00 00 07  # key
			00 00 00 09  # sequence`, v4)), []string{"1" + dns + "gre:key7"}},
		{"gre key 0 is a key", around4(47, after("20 00 08 00 00 00 00 00", v4)), []string{"1" + dns + "gre:key0"}},
		{"gre bridging", around4(47, after("00 00 65 58", frame)), []string{"1" + dns + "gre"}},
		{"gre bridging a VLAN", around4(47, after("00 00 65 58", tagged)), []string{"1" + dns + "gre vlan [42]"}},
		{"gre mpls", around4(47, after("00 00 88 47 00 01 01 40", v4)), []string{"1" + dns + "gre"}},
		{"gre key, ip in ip", around4(47, after("20 00 08 00 00 00 00 07", around4(4, v4))),
			[]string{"1 ip-4 203.0.113.1:0" + via + "gre:key7", "2" + dns + "gre:key7/ip-in-ip"}},
		{"gre of PPTP", around4(47, after("30 01 88 0b 00 20 00 01 00 00 00 01", v4)), nil},
		{"gre with a route", around4(47, after("40 00 08 00 00 00 00 00 00 00 00 00", v4)), nil},
		{"gre keepalive", around4(47, unhex(t, "00 00 00 00")), []string{}},
		{"erspan I", around4(47, after("00 00 88 be", frame)), []string{"1" + dns + "erspan"}},
		{"erspan II", around4(47, after(`10 00 88 be 00 00 00 01
			10 2a  # version 1, VLAN 42
			08 05  # class of service, encapsulation, session 5
			00 00 00 03  # index`, frame)), []string{"1" + dns + "erspan:5"}},
		{"erspan III", around4(47, after(`10 00 22 eb 00 00 00 01
			20 2a 00 05  # version 2, VLAN 42, session 5
			00 00 00 00  # time
			00 00 00 00  # Ethernet, no more headers`, frame)), []string{"1" + dns + "erspan:5"}},
		{"erspan III with a subheader", around4(47, after("10 00 22 eb 00 00 00 01 20 2a 00 05 00 00 00 00 00 00 00 01 11 22 33 44 55 66 77 88", frame)), []string{"1" + dns + "erspan:5"}},
		{"erspan of another version", around4(47, after("10 00 88 be 00 00 00 01 30 2a 00 05 00 00 00 00", frame)), nil},

		{"vxlan", aroundUDP(4789, after("08 00 00 00 00 00 2a 00", frame)), []string{"1" + dns + "vxlan:42"}},
		{"vxlan of Linux, with a VLAN", aroundUDP(8472, after("08 00 00 00 00 00 2a 00", tagged)), []string{"1" + dns + "vxlan:42 vlan [42]"}},
		{"vxlan with a policy", aroundUDP(4789, after("88 00 00 10 00 00 2a 00", frame)), []string{"1" + dns + "vxlan:42"}},
		{"vxlan without a network", aroundUDP(4789, after("00 00 00 00 00 00 2a 00", frame)), nil},
		{"vxlan with a reserved octet", aroundUDP(4789, after("08 00 00 01 00 00 2a 00", frame)), nil},
		{"vxlan cut short by its sender", aroundUDP(4789, unhex(t, "08 00 00 00 00 00 2a")), nil},
		{"vxlan of an odd port", aroundUDP(8473, after("08 00 00 00 00 00 2a 00", frame)), []string{"1" + dns + "vxlan:42"}},
		{"vxlan-gpe", aroundUDP(4790, after("0c 00 00 01 00 00 2a 00", v4)), []string{"1" + dns + "vxlan-gpe:42"}},

		{"geneve with an option", aroundUDP(6081, after(`02 00 65 58
			00 00 2a 00
			01 02 80 01 aa bb cc dd  # option`, frame)), []string{"1" + dns + "geneve:42"}},
		{"geneve of IP", aroundUDP(6081, after("00 00 08 00 00 00 2a 00", v4)), []string{"1" + dns + "geneve:42"}},
		{"geneve of version 1", aroundUDP(6081, after("40 00 08 00 00 00 2a 00", v4)), nil},
		{"geneve with options beyond the packet", aroundUDP(6081, unhex(t, "3f 00 08 00 00 00 2a 00")), nil},

		{"gtp-u", aroundUDP(2152, after("30 ff 00 20 00 00 00 2a", v4)), []string{"1" + dns + "gtp-u:0x2a"}},
		{"gtp-u with a sequence", aroundUDP(2152, after("32 ff 00 24 00 00 00 2a 00 01 00 00", v6)), []string{"1" + dns6 + "gtp-u:0x2a"}},
		{"gtp-u with extensions", aroundUDP(2152, after(`34 ff 00 30 00 00 00 2a
			00 00 00 85              # PDU session container next
			01 00 01 c0              # one word, another one next
			02 00 00 00 00 00 00 00  # two words, none next`, v4)), []string{"1" + dns + "gtp-u:0x2a"}},
		{"gtp-u extension of no length", aroundUDP(2152, after("34 ff 00 28 00 00 00 2a 00 00 00 85 00 00 00 85", v4)), nil},
		{"gtp-u echo", aroundUDP(2152, unhex(t, "32 01 00 04 00 00 00 00 00 01 00 00")), nil},

		{"teredo", aroundUDP(3544, teredo6), []string{"1 udp [2001::2]:1024 > [2001:db8::1]:53 in teredo"}},
		{"teredo with authentication and origin", aroundUDP(3544, after(`00 01 00 00  # no client, no value
			00 00 00 00 00 00 00 01 00  # nonce, confirmation
			00 00 f2 27 34 ff 8d fd  # origin`, teredo6)), []string{"1 udp [2001::2]:1024 > [2001:db8::1]:53 in teredo"}},
		{"no teredo", aroundUDP(3544, v6), nil},
		{"etherip", around4(97, after("30 00", frame)), []string{"1" + dns + "etherip"}},
		{"etherip of version 2", around4(97, after("20 00", frame)), nil},

		{"gre in udp", aroundUDP(4754, after("20 00 08 00 00 00 00 07", v4)), []string{"1" + dns + "gre-in-udp:key7"}},
		{"arp inside", aroundUDP(4789, unhex(t, "08 00 00 00 00 00 2a 00"+macs+"08 06 00 01")), []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench()
			b.ports.add([]TunnelPort{{tunnelVXLAN, 8473}})
			got := b.inside(c.data)
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if opened := b.ledger.Opened > 0; opened != (c.want != nil) || opened == (b.ledger.NoTunnel > 0) {
				t.Errorf("%d opened, %d not", b.ledger.Opened, b.ledger.NoTunnel)
			}
			if b.ledger.Reasons[reasonDecoded].Packets != 1 {
				t.Errorf("the outermost packet is not decoded")
			}
			checkCuts(t, linkRaw, c.data)
			checkInnerCuts(t, c.data)
		})
	}
}

// checkInnerCuts is checkCuts for what is inside: a snaplen never makes it malformed, and it keeps the ledger whole.
func checkInnerCuts(t *testing.T, data []byte) {
	t.Helper()
	whole := newBench()
	whole.decode(linkRaw, record{data: data, wire: uint32(len(data))})
	for n := range data {
		b := newBench()
		rec := record{data: data[:n:n], wire: uint32(len(data))}
		b.ledger.Read.add(rec.length())
		b.decode(linkRaw, rec)
		if err := b.ledger.Balanced(); err != nil {
			t.Fatal(err)
		}
		if b.ledger.InnerClass(Malformed).Packets > 0 && whole.ledger.InnerClass(Malformed).Packets == 0 {
			t.Errorf("captured %d of %d bytes: malformed inside", n, len(data))
		}
	}
}

// tunnelSeeds are one packet of each kind of tunnel.
func tunnelSeeds(t testing.TB) [][]byte {
	v4, v6, frame := unhex(t, udp4), unhex(t, udp6), unhex(t, macs+"08 00"+udp4)
	after := func(header string, rest []byte) []byte { return append(unhex(t, header), rest...) }
	return [][]byte{around4(4, around4(4, v4)), around4(41, v6), around6(4, v4), around6(41, v6),
		around4(47, after("b0 00 08 00 12 34 00 00 00 00 00 07 00 00 00 09", v4)), around4(47, after("10 00 88 be 00 00 00 01 10 2a 08 05 00 00 00 03", frame)),
		around4(47, after("10 00 22 eb 00 00 00 01 20 2a 00 05 00 00 00 00 00 00 00 00", frame)), aroundUDP(4789, after("08 00 00 00 00 00 2a 00", frame)),
		aroundUDP(4790, after("0c 00 00 01 00 00 2a 00", v4)), aroundUDP(6081, after("02 00 65 58 00 00 2a 00 01 02 80 01 aa bb cc dd", frame)),
		aroundUDP(2152, after("34 ff 00 28 00 00 00 2a 00 00 00 85 01 00 01 00", v4)), aroundUDP(3544, after("00 00 f2 27 34 ff 8d fd", v6)),
		aroundUDP(4754, after("20 00 08 00 00 00 00 07", v4))}
}

func TestTunnelsNested(t *testing.T) {
	wraps := map[string]func([]byte) []byte{
		"ip-in-ip": func(p []byte) []byte { return around4(4, p) },
		"gre":      func(p []byte) []byte { return around4(47, append([]byte{0, 0, 8, 0}, p...)) },
		"geneve":   func(p []byte) []byte { return aroundUDP(6081, append([]byte{0, 0, 8, 0, 0, 0, 1, 0}, p...)) },
	}
	for name, wrap := range wraps {
		for _, levels := range []int{1, 15, 16, 17, 64} {
			data := unhex(t, udp4)
			for range levels {
				data = wrap(data)
			}
			b := newBench()
			b.decode(linkRaw, record{data: data, wire: uint32(len(data))})
			if want := 1 + min(levels, maxTunnels); b.out.N != want {
				t.Errorf("%d times %s: %d packets, want %d", levels, name, b.out.N, want)
			}
			if deep := b.ledger.InnerClass(TooDeep).Packets; (deep == 1) != (levels > maxTunnels) {
				t.Errorf("%d times %s: %d too deep", levels, name, deep)
			}
		}
	}
}

// Records of seventeen packets each do not fit a batch evenly: decoding goes on inside a record, and nothing is lost or twice.
func TestTunnelsAcrossBatches(t *testing.T) {
	data := unhex(t, udp4)
	for range maxTunnels {
		data = around4(4, data)
	}
	b := newBench()
	for i := range b.in.recs {
		b.in.recs[i] = record{data: data, wire: uint32(len(data)), num: uint64(i + 1)}
	}
	b.in.n = len(b.in.recs)
	seen := map[[2]uint64]int{}
	for from := 0; from < b.in.n; {
		from = b.batch(&b.in, from, func(*record) uint16 { return linkRaw }, &b.out)
		if b.out.N == 0 {
			t.Fatal("no progress")
		}
		for i := range b.out.Packets[:b.out.N] {
			p := &b.out.Packets[i]
			if uint64(b.out.record[i])+1 != p.Num {
				t.Fatalf("packet of record %d says %d", b.out.record[i], p.Num)
			}
			seen[[2]uint64{p.Num, uint64(p.Depth)}]++
		}
	}
	if want := flow.BatchSize * (maxTunnels + 1); len(seen) != want {
		t.Errorf("%d packets, want %d", len(seen), want)
	}
	for k, n := range seen {
		if n != 1 {
			t.Errorf("packet %d.%d came %d times", k[0], k[1], n)
		}
	}
	if n := testing.AllocsPerRun(10, func() {
		for from := 0; from < b.in.n; {
			from = b.batch(&b.in, from, func(*record) uint16 { return linkRaw }, &b.out)
		}
	}); n != 0 {
		t.Errorf("%v allocations in known tunnels", n)
	}
}

// The first of several fragments has the inner header; what it lacks was not cut by its sender.
func TestTunnelFragmented(t *testing.T) {
	inner := unhex(t, udp4)
	data := around4(4, inner)
	data[6] = 0x20 // more fragments
	b := newBench()
	if got := b.inside(data); len(got) != 1 || !strings.HasSuffix(got[0], "in ip-in-ip") {
		t.Errorf("got %q", got)
	}
	cutShort := slices.Clone(data[:20+24])
	binary.BigEndian.PutUint16(cutShort[2:], uint16(len(cutShort)))
	b = newBench()
	if got := b.inside(cutShort); len(got) != 0 || b.ledger.Inner[truncatedTransport].Packets != 1 {
		t.Errorf("got %q, %+v", got, b.ledger.Inner)
	}
	data[6], data[7] = 0, 3
	if got := b.inside(data); len(got) != 0 {
		t.Errorf("a later fragment was opened: %q", got)
	}
}

func TestTunnelPathsBounded(t *testing.T) {
	paths := newBench().paths
	for i := range uint32(maxPaths + 10) {
		n := paths.enter(0, &carriage{kind: tunnelVXLAN, named: true, id: i})
		if want := fmt.Sprintf("vxlan:%d", i); i < maxPaths-1 && paths.text(n) != want || i >= maxPaths-1 && paths.text(n) != "other" {
			t.Fatalf("network %d is path %q", i, paths.text(n))
		}
	}
	n := paths.enter(otherPath, &carriage{kind: tunnelIPIP})
	if paths.text(n) != "other" {
		t.Errorf("inside the others: %q", paths.text(n))
	}
	if n := paths.enter(0, &carriage{kind: tunnelVXLAN, named: true, id: 5}); paths.text(n) != "vxlan:5" {
		t.Errorf("a known one is %q", paths.text(n))
	}
}

func TestParseTunnelPort(t *testing.T) {
	for s, want := range map[string]TunnelPort{"vxlan=8473": {tunnelVXLAN, 8473}, "gre-in-udp=1": {tunnelGREUDP, 1}, "vxlan-gpe=65535": {tunnelGPE, 65535},
		"gtp-u=0": {}, "vxlan=": {}, "vxlan": {}, "gre=47": {}, "etherip=97": {}, "pptp=1723": {}, "": {}, "=5": {}, "vxlan=65536": {}, "vxlan=+5": {}} {
		if got, err := ParseTunnelPort(s); got != want || (err == nil) != (want != TunnelPort{}) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
}
