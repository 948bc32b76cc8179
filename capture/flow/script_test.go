package flow

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// testPacket is a packet before the decoder's work: source and destination instead of ordered ends.
type testPacket struct {
	Packet
	src, dst netip.AddrPort // for ICMP with packed ports
	refused  bool           // Options.Check says so
	cut      bool           // the capture left the payload out
}

// testContexts are what run makes of Packet.Context of a testPacket.
var testContexts = []context{{iface: "a"}, {iface: "a", vlans: []uint16{10}}, {iface: "a", vlans: []uint16{10}, tunnel: "gre"}, {iface: "b", vlans: []uint16{10, 20}},
	{iface: "b", tunnel: "gre"}, {iface: "b", vlans: []uint16{10}}}

// parsePackets reads a script: one packet a line, as "SECONDS SRC > DST WORDS". Words: TCP flags as letters out of SAFRP ("-" for none),
// udp, gre, icmp=TYPE/CODE, icmp6=TYPE/CODE, seq=N, ack=N (else behind the latest SYN or SYN-ACK of the other end), len=N (payload), ip=N (IP bytes, else 40+len),
// ctx=N, broken, refused, cut (see testPacket), fragment, badtime, file=N.
// Packets are numbered from 1, again in each file.
func parsePackets(t testing.TB, script string) []testPacket {
	t.Helper()
	var packets []testPacket
	var file uint16
	num := uint64(0)
	numbers := map[netip.AddrPort]uint32{}
	for line := range strings.Lines(script) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		seconds, err := strconv.ParseFloat(words[0], 64)
		if err != nil || len(words) < 5 || words[2] != ">" {
			t.Fatalf("bad line %q", line)
		}
		p := testPacket{src: netip.MustParseAddrPort(words[1]), dst: netip.MustParseAddrPort(words[3])}
		p.Time = epoch + int64(seconds*1e9)
		p.Ack = numbers[p.dst] + 1
		for _, w := range words[4:] {
			p.word(t, w)
		}
		if p.Flags&SYN != 0 {
			numbers[p.src] = p.Seq
		}
		if p.IPLen == 0 {
			p.IPLen = 40 + p.PayloadLen
		}
		if num++; p.File != file {
			file, num = p.File, 1
		}
		p.Num = num
		packets = append(packets, p)
	}
	return packets
}

const epoch = 1_700_000_000e9

func (p *testPacket) word(t testing.TB, w string) {
	name, value, _ := strings.Cut(w, "=")
	n, _ := strconv.Atoi(value)
	switch name {
	case "udp":
		p.Proto = UDP
	case "gre":
		p.Proto = GRE
	case "icmp", "icmp6":
		p.Proto = ICMP
		if name == "icmp6" {
			p.Proto = ICMPv6
		}
		var typ, code uint8
		if _, err := fmt.Sscanf(value, "%d/%d", &typ, &code); err != nil {
			t.Fatalf("bad word %q", w)
		}
		src, dst := PackICMP(p.Proto, typ, code)
		p.src, p.dst = netip.AddrPortFrom(p.src.Addr(), src), netip.AddrPortFrom(p.dst.Addr(), dst)
	case "seq":
		p.Seq = uint32(n)
	case "ack":
		p.Ack = uint32(n)
	case "len":
		p.PayloadLen = uint32(n)
	case "ip":
		p.IPLen = uint32(n)
	case "ctx":
		p.Context = uint16(n)
	case "file":
		p.File = uint16(n)
	case "broken":
		p.Bits |= Broken
	case "refused":
		p.refused = true
	case "cut":
		p.cut = true
	case "fragment":
		p.Bits |= Fragment
	case "badtime":
		p.Bits |= BadTime
		p.Time = 0
	default:
		p.Proto = TCP
		for _, f := range w {
			flag := strings.IndexRune("FSRPA", f)
			if f != '-' && flag < 0 {
				t.Fatalf("bad word %q", w)
			}
			if f != '-' {
				p.Flags |= 1 << flag
			}
		}
	}
}

// put completes the packet as the decoder does.
func (b *Batch) put(h *Hasher, p *testPacket) {
	d := &b.Packets[b.N]
	*d = p.Packet
	b.Payload[b.N] = p.PayloadLen
	if p.cut {
		d.PayloadLen = 0
	}
	d.PortA, d.PortB = p.src.Port(), p.dst.Port()
	if p.src.Addr().Is4() {
		src, dst := p.src.Addr().As4(), p.dst.Addr().As4()
		h.SetEnds4(d, be32(src), be32(dst))
	} else {
		src, dst := p.src.Addr().As16(), p.dst.Addr().As16()
		h.SetEnds6(d, &b.Addr6[b.N], &src, &dst)
	}
	b.N++
}

func be32(a [4]byte) uint32 {
	return uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
}

// run adds the packets in batches of the given size and returns what the table emitted. It checks the ledger all the time.
func run(t testing.TB, o Options, size int, packets []testPacket) []Conn {
	t.Helper()
	var conns []Conn
	o.Emit = func(_ uint32, c *Conn) { conns = append(conns, kept(c)) }
	batch := packets
	o.Check = func(i int, _ bool) bool { return !batch[i].refused }
	table := NewTable(o)
	h := table.Hasher()
	var numbers []uint16
	for _, c := range testContexts {
		table.EnterInterface(c.iface)
		numbers = append(numbers, table.Context(c.vlans, c.tunnel))
	}
	ledger := func() {
		c := table.Counters()
		if c.Created != c.Open+c.Emitted || c.Emitted != uint64(len(conns)) || c.Open > c.Limit {
			t.Fatalf("ledger: %+v with %d connections emitted", c, len(conns))
		}
	}
	var b Batch
	for len(packets) > 0 {
		n := min(size, len(packets))
		b.N = 0
		for i := range n {
			p := packets[i]
			p.Context = numbers[p.Context]
			b.put(h, &p)
		}
		batch, packets = packets[:n], packets[n:]
		table.AddBatch(&b)
		ledger()
	}
	table.Close()
	ledger()
	if c := table.Counters(); c.Open != 0 {
		t.Fatalf("%d connections open after Close", c.Open)
	}
	return conns
}

func describe(c *Conn) string {
	ends := fmt.Sprintf("%v > %v", c.Orig, c.Resp)
	if c.Proto.IsICMP() {
		ends = fmt.Sprintf("%v > %v %d/%d", c.Orig.Addr(), c.Resp.Addr(), c.ICMPType, c.ICMPCode)
	}
	s := fmt.Sprintf("%v %v %v %v %v %v %d/%d", c.ID, c.Proto, ends, c.KnownBy, c.Outcome, c.End, c.OrigPackets, c.RespPackets)
	if c.Visibility != BothSides {
		s += " " + c.Visibility.String()
	}
	return s
}

// kept is a connection that outlives its emission.
func kept(c *Conn) Conn {
	k := *c
	k.Facts = slices.Clone(c.Facts)
	return k
}
