package survey

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// systems are the operating systems that source ports tell apart: an appliance is Linux.
var systems = [numSystems]string{"windows-pre-vista", "windows", "linux"}

const (
	preVista = iota
	windows
	linux
	numSystems = 3
)

// rangesOf is where a system picks source ports: what a chosen pack documents, else what is built in.
func (s *Survey) rangesOf(os string) []rules.PortRange {
	for _, p := range s.set.Packs {
		if p.SourceRanges[os] != "" {
			return s.set.EphemeralOf(p, os)
		}
	}
	return s.set.EphemeralOf(s.set.Packs[0], os)
}

// sourcePort counts the source port of a TCP connection whose SYN or SYN-ACK was seen. Ports below 1024 are a service's choice.
func (s *Survey) sourcePort(c *flow.Conn, a *address) {
	port := c.Orig.Port()
	if a == nil || c.Proto != flow.TCP || port < 1024 || c.KnownBy != flow.KnownByHandshake && c.KnownBy != flow.KnownBySynAck {
		return
	}
	mask := 0
	for i, ranges := range s.ranges {
		if slices.ContainsFunc(ranges, func(r rules.PortRange) bool { return r.Contains(port) }) {
			mask |= 1 << i
		}
	}
	a.ports[mask]++
	if mask == 0 && (a.odd == 0 || port < a.odd) {
		a.odd = port
	}
}

// system is what is said of the operating system of one host.
type system struct {
	os       string // "" where it is not known: then every documented range is accepted
	evidence string
	doubt    string // where ports and stacks disagree, or several machines seem to share the address
	several  bool   // the latter
}

const behindOne = "several machines behind one address (a translation) look like this"

// portVerdict is what source ports say.
type portVerdict struct {
	os     int // -1: nothing
	within uint64
	total  uint64
	odd    uint16
	mixed  bool // ports of ranges that no single system has
}

// What share of ports outside the range of a system is taken for exceptions, and how many times more likely than the next one a system must be.
const (
	oddShare = 5 // 1 in so many
	likelier = 20
)

// portsSay finds the system whose range holds the source ports. Systems whose ranges overlap are told apart by how likely all ports lie in the overlap.
func (s *Survey) portsSay(list []netip.Addr) portVerdict {
	var counts [1 << numSystems]uint64
	v := portVerdict{os: -1}
	for _, addr := range list {
		if a := s.addresses[addr]; a != nil {
			for mask, n := range a.ports {
				counts[mask] += n
				v.total += n
			}
			if a.odd != 0 && (v.odd == 0 || a.odd < v.odd) {
				v.odd = a.odd
			}
		}
	}
	var within [numSystems]uint64
	best := 0
	for i := range systems {
		for mask, n := range counts {
			if mask>>i&1 == 1 {
				within[i] += n
			}
		}
		if within[i] > within[best] {
			best = i
		}
	}
	v.within = within[best]
	switch outside := v.total - v.within; {
	case v.total == 0:
		return v
	case outside*oddShare > v.total || outside > 0 && v.total < oddShare:
		v.mixed = v.total-counts[0] > v.within
		return v
	}
	v.os = best
	for i := range systems {
		if i != best && within[i] == v.within && s.ratio(best, i, v.within) < likelier {
			if s.ratio(i, best, v.within) >= likelier {
				v.os = i
				continue
			}
			v.os = -1
			return v
		}
	}
	return v
}

// ratio is how many times likelier it is that n ports of system a all lie in what a and b share than that n ports of b do.
func (s *Survey) ratio(a, b int, n uint64) float64 {
	r := float64(size(s.ranges[b])) / float64(size(s.ranges[a]))
	total := 1.0
	for range min(n, 64) {
		total *= r
	}
	return total
}

func size(ranges []rules.PortRange) (n int) {
	for _, r := range ranges {
		n += int(r.Last-r.First) + 1
	}
	return n
}

// stackVerdict is what the stacks of an address say.
type stackVerdict struct {
	os      int // -1: nothing
	words   string
	several bool // SYNs of different stacks
	hops    uint8
	behind  uint8 // routers between the host and the capture, as the TTL tells
	packets uint64
}

// stacksSay reads TTL, window and options. The order of options is what systems differ in: Windows sends MSS, NOP, window scale (Vista on) and SACK without timestamps,
// Linux MSS, SACK, timestamps; the initial TTL of Windows is 128, that of Linux 64.
func (s *Survey) stacksSay(list []netip.Addr) stackVerdict {
	v := stackVerdict{os: -1}
	var kinds []stackCount
	for _, addr := range list {
		if a := s.stacks[addr]; a != nil {
			kinds = append(kinds, a.kinds...)
		}
	}
	slices.SortStableFunc(kinds, func(a, b stackCount) int {
		return cmp.Or(cmp.Compare(bit(a.Answer), bit(b.Answer)), cmp.Compare(b.packets, a.packets))
	})
	for i, k := range kinds {
		v.packets += k.packets
		os := stackSystem(&k.Stack)
		if i == 0 {
			v.os, v.hops, v.behind = os, k.Hops, initialHops(k.Hops)-k.Hops
			v.words = stackWords(&k.Stack)
		} else if os >= 0 && v.os >= 0 && os != v.os || initialHops(k.Hops) != initialHops(v.hops) || k.Hops != v.hops && !k.Answer {
			v.several = true
		}
	}
	return v
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// initialHops is the next common initial TTL: 64, 128 or 255.
func initialHops(hops uint8) uint8 {
	switch {
	case hops <= 64:
		return 64
	case hops <= 128:
		return 128
	}
	return 255
}

// stackSystem is the system that a stack looks like, -1 for none.
func stackSystem(k *flow.Stack) int {
	const mss, scale, sackOK, timestamps = 2, 3, 4, 8
	kinds := k.Options[:k.Count]
	switch initialHops(k.Hops) {
	case 128:
		if k.Answer || slices.Contains(kinds, scale) {
			return windows
		}
		if k.Count > 0 {
			return preVista
		}
	case 64:
		if k.Count >= 3 && kinds[0] == mss && kinds[1] == sackOK && kinds[2] == timestamps {
			return linux
		}
	}
	return -1
}

func stackWords(k *flow.Stack) string {
	if k.Answer {
		return fmt.Sprintf("TTL %d in its SYN-ACKs", k.Hops)
	}
	names := map[uint8]string{1: "nop", 2: "mss", 3: "scale", 4: "sack", 8: "timestamps"}
	words := ""
	for _, kind := range k.Options[:k.Count] {
		word := names[kind]
		if word == "" {
			word = fmt.Sprint(kind)
		}
		words += " " + word
	}
	return fmt.Sprintf("SYN with TTL %d, window %d, options%s", k.Hops, k.Window, words)
}

// systemOf weighs ports and stacks. Ports decide, for it is their range that an audit asks for.
func (s *Survey) systemOf(list []netip.Addr) system {
	p, k := s.portsSay(list), s.stacksSay(list)
	var out system
	switch {
	case p.total == 0:
		out.evidence = "it opened no TCP connection, so no source port was seen"
	case p.mixed:
		out.evidence = fmt.Sprintf("%d source ports, of ranges that no one system has", p.total)
		out.doubt = behindOne
	case p.os < 0 && p.within < p.total:
		out.evidence = fmt.Sprintf("%d of %d source ports lie in no documented range or in another one; the lowest such is %d", p.total-p.within, p.total, p.odd)
		out.doubt = behindOne
	case p.os < 0:
		out.evidence = fmt.Sprintf("%d source %s, which more than one system may pick", p.total, plural(p.total, "port"))
	default:
		out.os = systems[p.os]
		out.evidence = fmt.Sprintf("%d of %d source ports lie in %s", p.within, p.total, rangeWords(s.ranges[p.os]))
		if p.odd != 0 {
			out.evidence += fmt.Sprintf(", %d does not", p.odd)
		}
	}
	s.compare(&out, p, k)
	out.several = p.mixed || k.several || p.os < 0 && p.within < p.total
	return out
}

// compare holds the stacks against what the ports say.
func (s *Survey) compare(out *system, p portVerdict, k stackVerdict) {
	if k.words == "" {
		return
	}
	switch {
	case out.os == "" && p.total == 0 && k.os >= 0:
		out.evidence += fmt.Sprintf("; %s is as %s sends it, which is not enough to state it", k.words, systems[k.os])
	case out.os == "" && k.os >= 0 && !p.mixed && p.within == p.total && !k.several:
		out.os = systems[k.os]
		if !s.allows(k.os, p) {
			out.os = ""
		}
		out.evidence += fmt.Sprintf("; %s is as %s sends it", k.words, systems[k.os])
	case k.os < 0:
		out.evidence += fmt.Sprintf("; %s, which tells nothing", k.words)
	case out.os == systems[k.os]:
		out.evidence += fmt.Sprintf("; %s agrees", k.words)
	default:
		out.evidence += "; " + k.words
		if out.os != "" {
			out.doubt = fmt.Sprintf("that is rather %s: a translation, a proxy or a changed port range looks like this", systems[k.os])
		}
	}
	if k.several {
		out.doubt = "its SYNs come from different stacks: " + behindOne
	}
}

// allows says whether the ports, which more than one system may pick, are among those of a system.
func (s *Survey) allows(os int, p portVerdict) bool { return os != preVista && p.within == p.total }

func rangeWords(ranges []rules.PortRange) string {
	words := ""
	for i, r := range ranges {
		if i > 0 {
			words += " and "
		}
		words += fmt.Sprintf("%d-%d", r.First, r.Last)
	}
	return words
}

func plural(n uint64, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
