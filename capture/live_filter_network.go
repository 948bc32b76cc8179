package capture

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
)

// maxNetworkFilter bounds the program of NetworkProgram in instructions, of which a network takes about four (IPv4) or eight. Kernels before 6.8
// give socket options 20 KiB, and use up to 16 bytes for each.
const maxNetworkFilter = 1024

// ARPHRD_ types of interfaces whose frames come with a link header; see (*link).linkType.
const (
	hardwareEthernet = 1
	hardwareLoopback = 772
	hardware80211    = 801 // with those of PRISM and radiotap headers behind it
	hardwareRadiotap = 803
)

const etherARP = 0x0806

// NetworkProgram is a kernel filter that leaves out what has neither end in one of the prefixes and can be seen not to be more than that: TCP, SCTP,
// UDP without a tunnel on its ports, and ICMP messages about nothing else, unfragmented and between two hosts; and ARP. Everything else passes: tags, tunnels
// and unknown headers, as they may carry any packet, fragments, group addresses, and what is malformed. tunnels are the ports beside
// the usual ones. The text says for people what passes. Where the program would be too long it is nil, and the text says that.
func NetworkProgram(prefixes []netip.Prefix, tunnels []TunnelPort) (program []FilterInstruction, text string) {
	var v4, v6 []addressBits
	for _, p := range prefixes {
		switch b := bitsOf(p); {
		case b.wide:
			v6 = append(v6, b)
		default:
			v4 = append(v4, b)
		}
	}
	if len(prefixes) == 0 {
		return nil, "none: no network is given"
	}
	a := &assembler{long: map[label]label{}}
	if a.network(v4, v6, tunnels); len(a.code) > maxNetworkFilter {
		return nil, fmt.Sprintf("none: %d networks make too long a program for the kernel", len(prefixes))
	}
	slices.Reverse(a.code)
	return a.code, networkText(prefixes)
}

func networkText(prefixes []netip.Prefix) string {
	const named = 8
	var list []string
	for _, p := range prefixes[:min(len(prefixes), named)] {
		list = append(list, p.String())
	}
	text := strings.Join(list, ", ")
	if more := len(prefixes) - named; more > 0 {
		text = fmt.Sprintf("%s and %d more", text, more)
	}
	return "packets with an end in " + text + ", to groups, fragments, tagged, in tunnels, ICMP errors; no ARP"
}

// addressBits are the first bits of addresses.
type addressBits struct {
	words [4]uint32
	n     int
	wide  bool // IPv6
}

func bitsOf(p netip.Prefix) addressBits {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	b := addressBits{n: p.Bits(), wide: p.Addr().Is6()}
	if p = p.Masked(); !b.wide {
		v4 := p.Addr().As4()
		b.words[0] = binary.BigEndian.Uint32(v4[:])
		return b
	}
	v6 := p.Addr().As16()
	for i := range b.words {
		b.words[i] = binary.BigEndian.Uint32(v6[4*i:])
	}
	return b
}

// assembler writes a program from its end to its start, so that where a jump goes is known when it is written.
type assembler struct {
	code []FilterInstruction
	long map[label]label // the latest longer jump to each
}

// label is an instruction, by its distance from the program's end.
type label int

// step adds an instruction that is followed by next.
func (a *assembler) step(op uint16, k uint32, next label) label {
	if last := label(len(a.code) - 1); next != last {
		a.code = append(a.code, FilterInstruction{Op: bpfJump | bpfAlways, K: uint32(last - next)})
	}
	a.code = append(a.code, FilterInstruction{Op: op, K: k})
	return label(len(a.code) - 1)
}

func (a *assembler) give(k uint32) label {
	a.code = append(a.code, FilterInstruction{Op: bpfReturn | bpfK, K: k})
	return label(len(a.code) - 1)
}

// branch adds a comparison. Its jumps have 8 bits: what is farther away is reached by a longer one close by.
func (a *assembler) branch(op uint16, k uint32, yes, no label) label {
	yes, no = a.near(yes), a.near(no)
	at := label(len(a.code))
	a.code = append(a.code, FilterInstruction{Op: bpfJump | op, Jt: uint8(at - yes - 1), Jf: uint8(at - no - 1), K: k})
	return at
}

func (a *assembler) near(to label) label {
	const reach = math.MaxUint8 - 1 // there may be one more instruction in between
	at := label(len(a.code))
	if at-to-1 <= reach {
		return to
	}
	if long, ok := a.long[to]; ok && at-long-1 <= reach {
		return long
	}
	a.code = append(a.code, FilterInstruction{Op: bpfJump | bpfAlways, K: uint32(at - to - 1)})
	a.long[to] = at
	return at
}

// one adds comparisons of A with values.
func (a *assembler) one(of []uint32, yes, no label) label {
	for _, k := range of {
		no = a.branch(bpfEqual, k, yes, no)
	}
	return no
}

// span is where a value of A up to the next span leads.
type span struct {
	from uint32
	to   label
}

// search finds A among spans of which the first begins at 0.
func (a *assembler) search(s []span) label {
	if len(s) == 1 {
		return s[0].to
	}
	mid := len(s) / 2
	yes, no := a.search(s[mid:]), a.search(s[:mid])
	return a.branch(bpfAtLeast, s[mid].from, yes, no)
}

// match compares the address at X+off with the prefixes, from this word on.
func (a *assembler) match(prefixes []addressBits, word int, off uint32, yes, no label) label {
	type block struct {
		first, last uint32
		to          label
	}
	var blocks []block
	within := func(v uint32) bool {
		return slices.ContainsFunc(blocks, func(b block) bool { return b.first <= v && v <= b.last })
	}
	slices.SortFunc(prefixes, func(x, y addressBits) int { return cmp.Compare(x.n, y.n) })
	for i, p := range prefixes {
		v, n := p.words[word], p.n-32*word
		switch {
		case within(v):
		case n <= 32:
			blocks = append(blocks, block{v, v | uint32(uint64(math.MaxUint32)>>n), yes})
		default:
			deeper := slices.DeleteFunc(slices.Clone(prefixes[i:]), func(q addressBits) bool { return q.words[word] != v })
			blocks = append(blocks, block{v, v, a.match(deeper, word+1, off, yes, no)})
		}
	}
	slices.SortFunc(blocks, func(x, y block) int { return cmp.Compare(x.first, y.first) })
	spans := []span{{0, no}}
	add := func(from uint32, to label) {
		switch last := &spans[len(spans)-1]; {
		case last.from == from:
			last.to = to
		case last.to != to:
			spans = append(spans, span{from, to})
		}
	}
	for _, b := range blocks {
		add(b.first, b.to)
		if b.last != math.MaxUint32 {
			add(b.last+1, no)
		}
	}
	root := a.search(spans)
	if len(spans) == 1 {
		return root
	}
	return a.step(bpfLoad|bpfWord|bpfIndirect, off+4*uint32(word), root)
}

// network writes the program: X is where the IP header begins, behind it later where the transport header does.
func (a *assembler) network(v4, v6 []addressBits, tunnels []TunnelPort) {
	pass, drop := a.give(maxCaptured), a.give(0)
	udp := a.udp(tunnels, pass, drop)
	four, six := a.ipv4(v4, udp, pass, drop), a.ipv6(v6, udp, pass, drop)
	byType := a.branch(bpfEqual, etherARP, drop, pass)
	byType = a.branch(bpfEqual, etherIPv6, six, byType)
	byType = a.branch(bpfEqual, etherIPv4, four, byType)

	cooked := a.step(bpfLoadX|bpfImmediate, 0, a.step(bpfLoad|bpfWord|bpfAbsolute, bpfProtocol, byType))
	framed := a.step(bpfLoadX|bpfImmediate, 14, a.step(bpfLoad|bpfHalf|bpfAbsolute, 12, byType))
	byHardware := a.search([]span{{0, cooked}, {hardware80211, pass}, {hardwareRadiotap + 1, cooked}})
	byHardware = a.one([]uint32{hardwareLoopback, hardwareEthernet}, framed, byHardware)
	a.step(bpfLoad|bpfWord|bpfAbsolute, bpfHardware, byHardware)
}

// udp looks at the ports at X.
func (a *assembler) udp(tunnels []TunnelPort, pass, drop label) label {
	var ports []uint32
	for _, p := range slices.Concat(defaultTunnelPorts, tunnels) {
		ports = append(ports, uint32(p.port))
	}
	slices.Sort(ports)
	ports = slices.Compact(ports)
	to := a.step(bpfLoad|bpfHalf|bpfIndirect, 2, a.one(ports, pass, drop))
	return a.step(bpfLoad|bpfHalf|bpfIndirect, 0, a.one(ports, pass, to))
}

// plain are the protocols that carry nothing that is looked into.
var plain = []uint32{uint32(flow.UDPLite), uint32(flow.SCTP), uint32(flow.TCP)}

func (a *assembler) ipv4(prefixes []addressBits, udp, pass, drop label) label {
	// ICMP errors (RFC 792) say something about another connection.
	icmp := a.step(bpfLoad|bpfByte|bpfIndirect, 0, a.one([]uint32{12, 11, 5, 4, 3}, pass, drop))
	// behind makes X point behind the header.
	behind := func(next label) label {
		next = a.step(bpfALU|bpfAdd|bpfX, 0, a.step(bpfMisc|bpfToX, 0, next))
		next = a.step(bpfALU|bpfAnd|bpfK, 15, a.step(bpfALU|bpfLeft|bpfK, 2, next))
		return a.step(bpfLoad|bpfByte|bpfIndirect, 0, next)
	}
	protocol := a.branch(bpfEqual, uint32(flow.ICMP), behind(icmp), pass)
	protocol = a.branch(bpfEqual, uint32(flow.UDP), behind(udp), protocol)
	next := a.step(bpfLoad|bpfByte|bpfIndirect, 9, a.one(plain, drop, protocol))
	next = a.step(bpfLoad|bpfHalf|bpfIndirect, 6, a.branch(bpfBits, 0x3fff, pass, next)) // fragments
	next = a.step(bpfLoad|bpfWord|bpfIndirect, 16, a.branch(bpfAtLeast, 0xe000_0000, pass, next))
	next = a.match(prefixes, 0, 16, pass, next)
	next = a.match(prefixes, 0, 12, pass, next)
	return a.version(0x40, next, pass)
}

// ipv6 lets pass what has extension headers: a fragment, or one that may be going elsewhere.
func (a *assembler) ipv6(prefixes []addressBits, udp, pass, drop label) label {
	behind := a.step(bpfMisc|bpfFromX, 0, a.step(bpfALU|bpfAdd|bpfK, ipv6Header, a.step(bpfMisc|bpfToX, 0, udp)))
	errors := a.step(bpfLoad|bpfByte|bpfIndirect, ipv6Header, a.branch(bpfAtLeast, 128, drop, pass)) // RFC 4443, section 2.1
	protocol := a.branch(bpfEqual, uint32(flow.ICMPv6), errors, pass)
	protocol = a.branch(bpfEqual, uint32(flow.UDP), behind, protocol)
	next := a.step(bpfLoad|bpfByte|bpfIndirect, 6, a.one(plain, drop, protocol))
	next = a.step(bpfLoad|bpfByte|bpfIndirect, 24, a.branch(bpfEqual, 0xff, pass, next)) // multicast
	next = a.match(prefixes, 0, 24, pass, next)
	next = a.match(prefixes, 0, 8, pass, next)
	return a.version(0x60, next, pass)
}

func (a *assembler) version(nibble uint32, next, pass label) label {
	next = a.branch(bpfEqual, nibble, next, pass)
	return a.step(bpfLoad|bpfByte|bpfIndirect, 0, a.step(bpfALU|bpfAnd|bpfK, 0xf0, next))
}
