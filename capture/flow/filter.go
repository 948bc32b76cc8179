package flow

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
)

// FilterKind is a kind of condition of a Filter. The zero value is FilterNone.
type FilterKind uint8

const (
	FilterNone FilterKind = iota
	FilterTime
	FilterNet
	FilterHost
	FilterPort
)

// Filter says which packets are looked at: those that meet every kind of condition that is given, and of each kind one at least.
// Addresses and ports are met by either end of a packet. It is used after Compile.
type Filter struct {
	Nets         []netip.Prefix
	Hosts        []netip.Addr // an IPv4-mapped IPv6 address is an IPv6 address, as on the wire
	Ports        []PortRange  // packets of protocols without ports meet none
	Since, Until *int64       // ns since 1970 UTC, Until exclusive; nil: open

	nets, hosts  filterAddrs
	since, until int64
}

// PortRange is the ports from First to Last, both included.
type PortRange struct{ First, Last uint16 }

func (r PortRange) String() string {
	if r.First == r.Last {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// filterAddrs are the addresses that one kind of condition accepts.
type filterAddrs struct {
	v4 []struct{ value, mask uint32 }
	v6 []struct{ high, low, highMask, lowMask uint64 }
}

// Compile prepares the filter for Leaves. Its fields are not to be changed any more.
func (f *Filter) Compile() {
	f.since, f.until = math.MinInt64, math.MaxInt64
	if f.Since != nil {
		f.since = *f.Since
	}
	if f.Until != nil {
		f.until = *f.Until
	}
	f.nets, f.hosts = filterAddrs{}, filterAddrs{}
	for _, p := range f.Nets {
		f.nets.add(p)
	}
	for _, a := range f.Hosts {
		f.hosts.add(netip.PrefixFrom(a, a.BitLen()))
	}
}

func (l *filterAddrs) add(p netip.Prefix) {
	if p.Addr().Is4() {
		b := p.Addr().As4()
		mask := uint32(math.MaxUint32 << (32 - p.Bits()))
		l.v4 = append(l.v4, struct{ value, mask uint32 }{binary.BigEndian.Uint32(b[:]) & mask, mask})
		return
	}
	b := p.Addr().As16()
	highMask, lowMask := uint64(math.MaxUint64), uint64(0) // a shift by 64 or more gives 0
	if p.Bits() < 64 {
		highMask <<= 64 - p.Bits()
	} else {
		lowMask = math.MaxUint64 << (128 - p.Bits())
	}
	high, low := binary.BigEndian.Uint64(b[:8])&highMask, binary.BigEndian.Uint64(b[8:])&lowMask
	l.v6 = append(l.v6, struct{ high, low, highMask, lowMask uint64 }{high, low, highMask, lowMask})
}

// Leaves gives the first kind of condition that leaves the packet out, FilterNone where it is to be looked at. The packet is complete
// (see Hasher); exact are its addresses where Bits has IPv6. A packet without a usable time is not known to be outside of any time.
func (f *Filter) Leaves(p *Packet, exact *[2][16]byte) FilterKind {
	switch {
	case (p.Time < f.since || p.Time >= f.until) && p.Bits&BadTime == 0:
		return FilterTime
	case len(f.Nets) > 0 && !f.nets.meet(p, exact):
		return FilterNet
	case len(f.Hosts) > 0 && !f.hosts.meet(p, exact):
		return FilterHost
	case len(f.Ports) > 0 && !f.meetPorts(p):
		return FilterPort
	}
	return FilterNone
}

func (l *filterAddrs) meet(p *Packet, exact *[2][16]byte) bool {
	if p.Bits&IPv6 == 0 {
		for i := range l.v4 {
			if e := &l.v4[i]; p.A&e.mask == e.value || p.B&e.mask == e.value {
				return true
			}
		}
		return false
	}
	for end := range exact {
		high, low := binary.BigEndian.Uint64(exact[end][:8]), binary.BigEndian.Uint64(exact[end][8:])
		for i := range l.v6 {
			if e := &l.v6[i]; high&e.highMask == e.high && low&e.lowMask == e.low {
				return true
			}
		}
	}
	return false
}

func (f *Filter) meetPorts(p *Packet) bool {
	if !p.Proto.HasPorts() {
		return false
	}
	for _, r := range f.Ports {
		if r.First <= p.PortA && p.PortA <= r.Last || r.First <= p.PortB && p.PortB <= r.Last {
			return true
		}
	}
	return false
}

// ByTraffic says whether the filter leaves out packets for what they are, not only for when they were.
func (f *Filter) ByTraffic() bool { return len(f.Nets)+len(f.Hosts)+len(f.Ports) > 0 }

// Covers says whether no packet between one of the addresses from and one of those of to is left out for its addresses: of each kind, all
// of one side are accepted. A side without addresses is not known, and accepted by no kind.
func (f *Filter) Covers(from, to []netip.Addr) bool {
	inNets := func(a netip.Addr) bool {
		return slices.ContainsFunc(f.Nets, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	inHosts := func(a netip.Addr) bool { return slices.Contains(f.Hosts, a) }
	return (len(f.Nets) == 0 || all(from, inNets) || all(to, inNets)) && (len(f.Hosts) == 0 || all(from, inHosts) || all(to, inHosts))
}

// all is false for an empty list.
func all[T any](list []T, holds func(T) bool) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(e T) bool { return !holds(e) })
}

// CoversPorts says whether no packet from or to the ports is left out for its ports. It is false without ports.
func (f *Filter) CoversPorts(ports []PortRange) bool {
	covered := func(r PortRange) bool {
		return slices.ContainsFunc(f.Ports, func(of PortRange) bool { return of.First <= r.First && r.Last <= of.Last })
	}
	return len(f.Ports) == 0 || all(ports, covered)
}

// String gives the filter as flags of the command line.
func (f *Filter) String() string {
	var words []string
	for _, p := range f.Nets {
		words = append(words, "--net "+p.String())
	}
	for _, a := range f.Hosts {
		words = append(words, "--host "+a.String())
	}
	for _, r := range f.Ports {
		words = append(words, "--port "+r.String())
	}
	for _, t := range []struct {
		name string
		ns   *int64
	}{{"--since ", f.Since}, {"--until ", f.Until}} {
		if t.ns != nil {
			words = append(words, t.name+Time(*t.ns).Format("2006-01-02T15:04:05.999999999Z"))
		}
	}
	return strings.Join(words, " ")
}
