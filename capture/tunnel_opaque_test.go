package capture

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

func TestOpaques(t *testing.T) {
	const ends = "203.0.113.1 203.0.113.2 "
	v4, mpls := unhex(t, udp4), "00 01 01 40 00 00 00 00"
	after := func(header string, rest []byte) []byte { return append(unhex(t, header), rest...) }
	from53 := aroundUDP(4789, unhex(t, "00 00 00 00"+"00 00 2a 00"))
	from53[20], from53[21] = 0, 53
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"pptp", around4(47, after("30 01 88 0b 00 20 00 01 00 00 00 01", v4)), ends + "pptp"},
		{"gre with a route", around4(47, after("40 00 08 00 00 00 00 00 00 00 00 00", v4)), ends + "gre"},
		{"gre with PPP", around4(47, after("00 00 88 0b", v4)), ends + "gre"},
		{"gre with a pseudowire", around4(47, after("00 00 88 47", unhex(t, mpls))), ends + "gre"},
		{"gre with MACsec, IPv6", around6(47, after("00 00 88 e5", v4)), "2001:db8::a 2001:db8::b gre"},
		{"gre with IP", around4(47, after("00 00 08 00", v4)), ""},
		{"gre with ARP", around4(47, after("00 00 08 06", v4)), ""},
		{"etherip of version 2", around4(97, after("20 00", v4)), ends + "etherip"},
		{"6in4 holding IPv4", around4(41, v4), ends + "ip-in-ip"},
		{"a pseudowire in vxlan in gre", around4(47, after("00 00 08 00", aroundUDP(4789, after("08 00 00 00 00 00 2a 00"+macs+"88 47", unhex(t, mpls))))), ends + "vxlan"},
		{"no vxlan", aroundUDP(4789, unhex(t, "00 00 00 00 00 00 2a 00")), ends + "vxlan"},
		{"no vxlan, from a system port", from53, ""},
		{"gtp-u echo", aroundUDP(2152, unhex(t, "32 01 00 04 00 00 00 00 00 01 00 00")), ""},
		{"gtp-u without IP", aroundUDP(2152, unhex(t, "30 ff 00 04 00 00 00 2a 00 01 02 03")), ends + "gtp-u"},
	} {
		b := newBench()
		for range 2 {
			b.decode(linkRaw, record{data: c.data, wire: uint32(len(c.data))})
		}
		var got []string
		for _, o := range b.ledger.Opaque.Sorted() {
			got = append(got, fmt.Sprint(o.A, " ", o.B, " ", o.Tunnel))
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestOpaquesBounded(t *testing.T) {
	b, data := newBench(), around4(47, unhex(t, "00 01 88 0b"))
	for i := range uint16(maxOpaques + 10) {
		binary.BigEndian.PutUint16(data[12:], i)
		b.decode(linkRaw, record{data: data, wire: uint32(len(data))})
	}
	if n := len(b.ledger.Opaque.Sorted()); n != maxOpaques || b.ledger.Opaque.More != 10 {
		t.Errorf("%d pairs, %d more", n, b.ledger.Opaque.More)
	}
	if n := testing.AllocsPerRun(10, func() { b.decode(linkRaw, record{data: data, wire: uint32(len(data))}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What links hide, without any host that could be named.
func TestHidingKinds(t *testing.T) {
	const addresses = "02 00 00 00 00 01 02 00 00 00 00 02 02 00 00 00 00 03"
	for _, c := range []struct {
		name string
		link uint16
		hex  string
		want uint64
	}{
		{"pseudowire", linkEthernet, macs + "88 47 00 01 01 40 00 00 00 00", 1},
		{"MPLS with IP", linkEthernet, macs + "88 47 00 01 01 40" + udp4, 0},
		{"MACsec", linkEthernet, macs + "88 e5 00 00", 1},
		{"ARP", linkEthernet, macs + "08 06 00 01", 0},
		{"compressed PPP", linkPPP, "00 fd 01 02", 1},
		{"encrypted PPP", linkPPP, "00 53 01 02", 1},
		{"PPP link control", linkPPP, "c0 21 01 02", 0},
		{"encrypted 802.11", link80211, "88 41 00 00" + addresses + "00 00" + "00 00" + "aa aa", 1},
		{"802.11 fragment", link80211, "08 01 00 00" + addresses + "01 00" + "aa aa", 1},
		{"beacon", link80211, "80 00 00 00" + addresses + "00 00", 0},
	} {
		b, data := newBench(), unhex(t, c.hex)
		if b.decode(c.link, record{data: data, wire: uint32(len(data))}); b.ledger.NonIP.Hiding() != c.want {
			t.Errorf("%s: %d, want %d", c.name, b.ledger.NonIP.Hiding(), c.want)
		}
	}
}

// Where VLANs are part of the key, tenants with the same addresses are apart inside their tunnels too, and so are their fragments.
func TestTenantsByVLAN(t *testing.T) {
	inner := around4(47, append(unhex(t, "00 00 08 00"), unhex(t, udp4)...))
	for _, key := range []flow.Key{0, flow.KeyVLAN} {
		var emitted []string
		b := newBench()
		b.table = flow.NewTable(flow.Options{Key: key, Emit: func(_ uint32, c *flow.Conn) {
			emitted = append(emitted, fmt.Sprintf("%v %v %v %d", c.ID, c.Proto, c.VLANs, c.OrigPackets))
		}})
		b.decoder = newDecoder(b.table, &b.ledger)
		for i, tag := range []string{"00 0a", "00 14"} {
			header := macs + "81 00" + tag + "08 00"
			for n, packet := range [][]byte{inner, unhex(t, fragment4(7, 17, 0x2000, "04 00 00 35 00 64 00 00")), unhex(t, fragment4(7, 17, 0x0001+uint16(i), "00 00 00 00 00 00 00 00"))} {
				data := append(unhex(t, header), packet...)
				b.decode(linkEthernet, record{data: data, wire: uint32(len(data)), num: uint64(10*i + n + 1)})
				b.table.AddBatch(&b.out.Batch)
			}
		}
		b.table.Close()
		slices.Sort(emitted)
		// The connection inside the tunnel has the ends of the fragments outside.
		want := []string{"0:1 gre [10] 2", "0:1.1 udp [10] 6"}
		if key != 0 {
			want = []string{"0:1 gre [10] 1", "0:1.1 udp [10] 3", "0:11 gre [20] 1", "0:11.1 udp [20] 3"}
		}
		if !slices.Equal(emitted, want) {
			t.Errorf("key %d: %q, want %q", key, emitted, want)
		}
		if b.ledger.Fragmented != 2 || b.ledger.Reassembled != 1 {
			t.Errorf("key %d: %d datagrams, %d whole", key, b.ledger.Fragmented, b.ledger.Reassembled)
		}
	}
}
