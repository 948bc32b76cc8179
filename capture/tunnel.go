package capture

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pcapaudit/capture/flow"
)

const (
	maxTunnels  = 16      // around one packet
	maxPaths    = 1 << 15 // tunnels told apart by their ids; the packets of others are in the tunnel "other"
	maxIPPacket = 65535
)

// tunnelKind is a sort of tunnel.
type tunnelKind uint8

const (
	tunnelNone    tunnelKind = iota
	tunnelIPIP               // RFC 2003
	tunnel6in4               // RFC 4213
	tunnel4in6               // RFC 2473
	tunnel6in6               // RFC 2473
	tunnelGRE                // RFC 2784, 2890
	tunnelERSPAN             // of a switch's mirror session, in GRE
	tunnelVXLAN              // RFC 7348
	tunnelGPE                // VXLAN with a protocol (draft-ietf-nvo3-vxlan-gpe)
	tunnelGENEVE             // RFC 8926
	tunnelGTPU               // 3GPP TS 29.281
	tunnelTeredo             // RFC 4380
	tunnelGREUDP             // RFC 8086
	tunnelEtherIP            // RFC 3378
	tunnelPPTP               // RFC 2637: GRE of version 1 around PPP, which is not opened
)

var tunnelNames = [...]string{tunnelIPIP: "ip-in-ip", tunnel6in4: "6in4", tunnel4in6: "4in6", tunnel6in6: "6in6", tunnelGRE: "gre", tunnelERSPAN: "erspan",
	tunnelVXLAN: "vxlan", tunnelGPE: "vxlan-gpe", tunnelGENEVE: "geneve", tunnelGTPU: "gtp-u", tunnelTeredo: "teredo", tunnelGREUDP: "gre-in-udp",
	tunnelEtherIP: "etherip", tunnelPPTP: "pptp"}

// TunnelPort says that a UDP port carries a tunnel. See ParseTunnelPort.
type TunnelPort struct {
	kind tunnelKind
	port uint16
}

// defaultTunnelPorts are those of IANA's registry, and 8472, where Linux puts VXLAN.
var defaultTunnelPorts = []TunnelPort{{tunnelVXLAN, 4789}, {tunnelVXLAN, 8472}, {tunnelGPE, 4790}, {tunnelGENEVE, 6081}, {tunnelGTPU, 2152}, {tunnelTeredo, 3544}, {tunnelGREUDP, 4754}}

// TunnelNames are the names that ParseTunnelPort knows.
func TunnelNames() []string { return slices.Clone(tunnelNames[tunnelVXLAN : tunnelGREUDP+1]) }

// ParseTunnelPort reads "NAME=PORT": vxlan, vxlan-gpe, geneve, gtp-u, teredo or gre-in-udp.
func ParseTunnelPort(s string) (TunnelPort, error) {
	name, number, _ := strings.Cut(s, "=")
	kind := tunnelKind(max(slices.Index(tunnelNames[:], name), 0))
	if kind < tunnelVXLAN || kind > tunnelGREUDP {
		return TunnelPort{}, fmt.Errorf("tunnel port %q: name one of %s, as in vxlan=8473", s, strings.Join(tunnelNames[tunnelVXLAN:tunnelGREUDP+1], ", "))
	}
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil || port == 0 {
		return TunnelPort{}, fmt.Errorf("tunnel port %q: give a port from 1 to 65535", s)
	}
	return TunnelPort{kind, uint16(port)}, nil
}

// tunnelPorts finds the tunnel of a UDP port: a bit for each port, which stays in the cache, in front of a short list.
type tunnelPorts struct {
	bits [1 << 16 / 64]uint64
	list []TunnelPort
}

// add lets later ports win over earlier ones.
func (t *tunnelPorts) add(ports []TunnelPort) {
	for _, p := range ports {
		t.bits[p.port/64] |= 1 << (p.port % 64)
		t.list = append([]TunnelPort{p}, t.list...)
	}
}

func (t *tunnelPorts) has(port uint16) bool { return t.bits[port/64]>>(port%64)&1 != 0 }

func (t *tunnelPorts) kind(port uint16) tunnelKind {
	for _, p := range t.list {
		if p.port == port {
			return p.kind
		}
	}
	return tunnelNone
}

// layer is what a tunnel carries, found and not decoded yet.
type layer struct {
	etherType uint16 // etherBridged: a whole Ethernet frame
	path      uint16 // of the tunnels around it; see tunnelPaths
	depth     uint8  // how many these are; 0: there is no layer
	bits      flow.Bits
	off, end  int // in the record
	wire      int // where it ends as it was sent; beyond end in the first of several fragments
}

// unwrap decodes what the packets of a record carry, layer by layer. It is false where out is full before that is done: d.next is then what
// is left.
func (d *decoder) unwrap(rec *record, from int, out *decoded) bool {
	for d.next.depth > 0 {
		if !d.room(out) {
			return false
		}
		l := d.next
		d.next = layer{}
		r := d.inner(rec, &l, &out.Batch)
		if d.datagram != nil {
			d.settle(r, from, l.end-l.off, false, out)
		}
		if r == reasonDecoded {
			d.lookInside(rec.data[:min(len(rec.data), l.end)], &out.Batch)
			if d.filter != nil {
				r = d.filtered(&out.Batch)
			}
		}
		d.ledger.Inner[r].add(l.end - l.off)
		if r == reasonDecoded {
			out.record[out.N], out.headers[out.N] = uint16(from), d.headers.of(rec)
			out.N++
		}
	}
	d.depth, d.path = 0, 0
	return true
}

// inner decodes a layer into packet out.N, which is garbage where the result is not reasonDecoded.
func (d *decoder) inner(rec *record, l *layer, out *flow.Batch) Reason {
	p := &out.Packets[out.N]
	*p = flow.Packet{}
	p.Time, p.Num, p.File, p.Bits, p.Depth = rec.time, rec.num, rec.file, l.bits, l.depth
	d.depth, d.path = l.depth, l.path
	data := rec.data[:min(len(rec.data), l.end)]
	off, t := l.off, l.etherType
	if t == etherBridged {
		if len(data) < off+14 {
			return cut(off+14, l.wire, truncatedLink, malformedLink)
		}
		off, t = off+14, uint16(data[off+12])<<8|uint16(data[off+13])
	} else if t < etherTypeMin {
		_, _, r := d.nonIP(byEtherType, t)
		return r
	}
	off, t, r := d.etherType(t, data, off, l.wire)
	if r != reasonDecoded {
		return r
	}
	p.Context = d.context()
	return d.network(data, off, l.wire, t, out)
}

// mayCarry is a first look: whether a packet can be that of a tunnel.
func (d *decoder) mayCarry(p *flow.Packet) bool {
	switch p.Proto {
	case flow.TCP:
		return false
	case flow.UDP:
		return d.ports.has(p.PortA) || d.ports.has(p.PortB)
	case flow.GRE, protoIPv4, protoIPv6, protoEtherIP:
		return true
	}
	return false
}

// lookInside sets d.next if packet out.N, just decoded from data, is one of a tunnel. Later fragments carry no header of one.
func (d *decoder) lookInside(data []byte, out *flow.Batch) {
	p := &out.Packets[out.N]
	if !d.mayCarry(p) || p.Bits&flow.Fragment != 0 {
		return
	}
	off, end := int(p.PayloadOff), d.payloadEnd
	h := data[off:max(off, min(end, len(data)))]
	c, need := d.carriage(p, h)
	whole := end - off
	if d.firstPart {
		whole = maxIPPacket
	}
	if need < 0 || need > whole {
		d.ledger.NoTunnel++
		if kind := d.unopened(p, h); need < 0 && kind != tunnelNone {
			d.ledger.Opaque.add(carrierOf(out, kind))
		}
		return
	}
	d.ledger.Opened++
	d.carrier = carrierOf(out, c.kind)
	switch {
	case need > len(h):
		d.ledger.Inner[truncatedTunnel].add(end - off)
	case d.depth == maxTunnels:
		d.ledger.Inner[deepTunnels].add(end - off - c.size)
	default:
		d.next = layer{etherType: c.etherType, path: d.paths.enter(d.path, &c), depth: d.depth + 1, bits: p.Bits & flow.BadTime,
			off: off + c.size, end: end, wire: off + whole}
	}
}

// tunnelPaths numbers the tunnels around packets, outermost first. Number 0 is none.
type tunnelPaths struct {
	byStep map[pathStep]uint16
	texts  []string
	last   pathStep // looked up last, and its number
	number uint16
}

// pathStep is one more tunnel inside those of a path.
type pathStep struct {
	outer uint16
	kind  tunnelKind
	named bool
	id    uint32
}

const otherPath = maxPaths

// enter gives the number of a tunnel inside others.
func (t *tunnelPaths) enter(outer uint16, c *carriage) uint16 {
	step := pathStep{outer, c.kind, c.named, c.id}
	if step == t.last {
		return t.number
	}
	n, ok := t.byStep[step]
	switch {
	case ok:
	case outer == otherPath || len(t.texts) == maxPaths:
		n = otherPath
	default:
		n = uint16(len(t.texts))
		t.byStep[step] = n
		t.texts = append(t.texts, t.describe(step))
	}
	t.last, t.number = step, n
	return n
}

// describe writes "vxlan:42", or "gre:key7/ip-in-ip".
func (t *tunnelPaths) describe(s pathStep) string {
	text := tunnelNames[s.kind]
	if s.outer != 0 {
		text = t.texts[s.outer] + "/" + text
	}
	switch {
	case !s.named:
		return text
	case s.kind == tunnelGRE || s.kind == tunnelGREUDP:
		return text + ":key" + strconv.FormatUint(uint64(s.id), 10)
	case s.kind == tunnelGTPU:
		return text + ":0x" + strconv.FormatUint(uint64(s.id), 16)
	}
	return text + ":" + strconv.FormatUint(uint64(s.id), 10)
}

// text is the path as connections show it.
func (t *tunnelPaths) text(n uint16) string {
	if n == otherPath {
		return "other"
	}
	return t.texts[n]
}
