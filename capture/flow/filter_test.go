package flow

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func TestFilter(t *testing.T) {
	since, until := epoch+10_000_000_000, epoch+20_000_000_000
	nets := func(list ...string) (f Filter) {
		for _, s := range list {
			f.Nets = append(f.Nets, netip.MustParsePrefix(s))
		}
		return f
	}
	hosts := func(list ...string) (f Filter) {
		for _, s := range list {
			f.Hosts = append(f.Hosts, netip.MustParseAddr(s))
		}
		return f
	}
	ports := func(list ...PortRange) Filter { return Filter{Ports: list} }
	both := nets("10.0.0.0/8")
	both.Hosts, both.Ports = hosts("192.0.2.1").Hosts, ports(PortRange{53, 53}).Ports
	from, to := int64(since), int64(until)
	const dns, v6 = "15 10.1.2.3:1024 > 192.0.2.1:53 udp", "15 [2001:db8::1]:1024 > [fe80::2]:443 S"
	for _, c := range []struct {
		name   string
		filter Filter
		packet string
		want   FilterKind
	}{
		{"nothing asked", Filter{}, dns, FilterNone},
		{"net of the source", nets("10.0.0.0/8"), dns, FilterNone},
		{"net of the destination", nets("192.0.2.0/24"), dns, FilterNone},
		{"any of two nets", nets("172.16.0.0/12", "192.0.2.1/32"), dns, FilterNone},
		{"neither end", nets("10.2.0.0/16"), dns, FilterNet},
		{"everything of IPv4", nets("0.0.0.0/0"), dns, FilterNone},
		{"IPv6 is not in it", nets("0.0.0.0/0"), v6, FilterNet},
		{"everything of IPv6", nets("::/0"), v6, FilterNone},
		{"IPv4 is not in that", nets("::/0"), dns, FilterNet},
		{"IPv6 prefix", nets("2001:db8::/32"), v6, FilterNone},
		{"IPv6 prefix of 64 bits", nets("2001:db8:0:1::/64"), v6, FilterNet},
		{"IPv6 prefix beyond 64 bits", nets("fe80::/127"), v6, FilterNet},
		{"IPv6 prefix that just holds it", nets("fe80::2/127"), v6, FilterNone},
		{"host", hosts("192.0.2.1"), dns, FilterNone},
		{"other host", hosts("192.0.2.2"), dns, FilterHost},
		{"IPv6 host", hosts("192.0.2.1", "fe80::2"), v6, FilterNone},
		{"a mapped address is IPv6", hosts("::ffff:192.0.2.1"), dns, FilterHost},
		{"port", ports(PortRange{53, 53}), dns, FilterNone},
		{"source port in a range", ports(PortRange{1, 2}, PortRange{1000, 1024}), dns, FilterNone},
		{"other port", ports(PortRange{54, 1023}), dns, FilterPort},
		{"no ports", ports(PortRange{0, 65535}), "15 10.1.2.3:0 > 192.0.2.1:0 icmp=8/0", FilterPort},
		{"from", Filter{Since: &from}, "10 10.1.2.3:1 > 192.0.2.1:2 udp", FilterNone},
		{"before", Filter{Since: &from}, "9.9 10.1.2.3:1 > 192.0.2.1:2 udp", FilterTime},
		{"until is exclusive", Filter{Until: &to}, "20 10.1.2.3:1 > 192.0.2.1:2 udp", FilterTime},
		{"just before until", Filter{Since: &from, Until: &to}, "19.9 10.1.2.3:1 > 192.0.2.1:2 udp", FilterNone},
		{"no usable time", Filter{Since: &from, Until: &to}, "0 10.1.2.3:1 > 192.0.2.1:2 udp badtime", FilterNone},
		{"all kinds", both, dns, FilterNone},
		{"all but the net", both, "15 172.16.2.3:1024 > 192.0.2.1:53 udp", FilterNet},
		{"all but the host", both, "15 10.1.2.3:1024 > 192.0.2.2:53 udp", FilterHost},
		{"all but the port", both, "15 10.1.2.3:1024 > 192.0.2.1:54 udp", FilterPort},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.filter.Compile()
			h := newHasher([2]uint64{3, 4})
			for _, p := range parsePackets(t, c.packet) {
				for range 2 { // either direction
					var b Batch
					b.put(&h, &p)
					if got := c.filter.Leaves(&b.Packets[0], &b.Addr6[0]); got != c.want {
						t.Errorf("got %d, want %d", got, c.want)
					}
					p.src, p.dst = p.dst, p.src
				}
			}
		})
	}
}

// Prefixes of every length against netip.
func TestFilterPrefixes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := newHasher([2]uint64{3, 4})
	for n := range 20_000 {
		var ends [2]netip.AddrPort
		six := n%2 == 0
		for i := range ends {
			var a [16]byte
			for j := range a {
				a[j] = byte(r.UintN(2)) * 255 // prefixes often hold
			}
			addr := netip.AddrFrom16(a)
			if !six {
				addr = netip.AddrFrom4([4]byte(a[:4]))
			}
			ends[i] = netip.AddrPortFrom(addr, uint16(i))
		}
		p := netip.PrefixFrom(ends[r.IntN(2)].Addr(), r.IntN(ends[0].Addr().BitLen()+1)).Masked()
		if r.UintN(2) == 0 && p.Bits() > 0 { // an address that leaves the prefix at its last bit
			b := p.Addr().AsSlice()
			b[(p.Bits()-1)/8] ^= 0x80 >> ((p.Bits() - 1) % 8)
			other, _ := netip.AddrFromSlice(b)
			p = netip.PrefixFrom(other, p.Bits()).Masked()
		}
		f := Filter{Nets: []netip.Prefix{p}}
		f.Compile()
		var b Batch
		b.put(&h, &testPacket{src: ends[0], dst: ends[1], Packet: Packet{Proto: UDP}})
		want := p.Contains(ends[0].Addr()) || p.Contains(ends[1].Addr())
		if got := f.Leaves(&b.Packets[0], &b.Addr6[0]) == FilterNone; got != want {
			t.Fatalf("%v with %v: %v, want %v", p, ends, got, want)
		}
	}
}

func TestFilterCovers(t *testing.T) {
	addrs := func(list ...string) (out []netip.Addr) {
		for _, s := range list {
			out = append(out, netip.MustParseAddr(s))
		}
		return out
	}
	net10 := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	in, out := addrs("10.1.1.1", "2001:db8::1"), addrs("10.1.1.1", "192.0.2.1")
	for _, c := range []struct {
		name     string
		filter   Filter
		from, to []netip.Addr
		want     bool
	}{
		{"no addresses asked", Filter{}, nil, nil, true},
		{"all of the originator", Filter{Nets: net10}, in, out, true},
		{"all of the responder", Filter{Nets: net10}, out, in, true},
		{"some of each", Filter{Nets: net10}, out, out, false},
		{"unknown ends", Filter{Nets: net10}, nil, nil, false},
		{"hosts", Filter{Hosts: addrs("10.1.1.1", "192.0.2.1")}, in, out, true},
		{"net by one end, host by the other", Filter{Nets: net10, Hosts: out}, in, out, true},
		{"net by one end, host by none", Filter{Nets: net10, Hosts: in[:1]}, in, out, false},
	} {
		if got := c.filter.Covers(c.from, c.to); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	f := Filter{Ports: []PortRange{{80, 80}, {8530, 8531}}}
	for _, c := range []struct {
		ports []PortRange
		want  bool
	}{{[]PortRange{{80, 80}, {8531, 8531}}, true}, {[]PortRange{{80, 81}}, false}, {[]PortRange{{1, 65535}}, false}, {nil, false}} {
		if got := f.CoversPorts(c.ports); got != c.want {
			t.Errorf("ports %v: %v", c.ports, got)
		}
	}
	if !new(Filter).CoversPorts(nil) {
		t.Error("no ports asked, not covered")
	}
}

// Contexts that the key does not tell apart are one connection, those that it does are two.
func TestKey(t *testing.T) {
	type seen struct {
		iface, tunnel string
		vlans         []uint16
	}
	packets := []seen{{"a", "", []uint16{10}}, {"a", "", []uint16{20}}, {"b", "", []uint16{10}}, {"b", "gre", []uint16{10}}, {"b", "", nil}}
	for _, c := range []struct {
		key  Key
		want int
	}{{0, 1}, {KeyVLAN, 3}, {KeyInterface, 2}, {KeyVLAN | KeyInterface, 4}} {
		for _, end := range []string{"10.0.0.1", "[2001:db8::1]"} {
			var conns []Conn
			table := NewTable(Options{Key: c.key, Emit: func(_ uint32, c *Conn) { conns = append(conns, kept(c)) }})
			var b Batch
			for range 3 {
				for _, s := range packets {
					table.EnterInterface(s.iface)
					p := testPacket{src: netip.MustParseAddrPort(end + ":1024"), dst: netip.MustParseAddrPort(end + ":53"),
						Packet: Packet{Proto: UDP, Time: epoch, Num: uint64(b.N + 1), Context: table.Context(s.vlans, s.tunnel)}}
					b.put(table.Hasher(), &p)
				}
			}
			table.AddBatch(&b)
			table.Close()
			if len(conns) != c.want {
				t.Errorf("key %d, %s: %d connections, want %d", c.key, end, len(conns), c.want)
			}
			for _, conn := range conns {
				first := packets[(conn.ID.Packet-1)%uint64(len(packets))]
				if !slices.Equal(conn.VLANs, first.vlans) || (c.key&KeyInterface != 0) != (conn.Interface == first.iface) {
					t.Errorf("key %d: packet %d on %q with tags %v", c.key, conn.ID.Packet, conn.Interface, conn.VLANs)
				}
			}
		}
	}
}
