package rules

import "slices"

// portClasses gives each port the lowest one that every flow, at every host, treats alike: what is remembered of services is then
// bounded by what documents tell apart, and a scan of all ports asks little.
type portClasses [1 << 16]uint16

// portClasses must come after all that states ports.
func (b *binder) portClasses() {
	ranges := slices.Clone(tftpPorts)
	for _, r := range ephemeralRanges {
		ranges = append(ranges, r)
	}
	add := func(specs []portSpec) {
		for _, p := range specs {
			if p.PortRange != (PortRange{}) {
				ranges = append(ranges, p.PortRange)
			}
		}
	}
	for _, p := range b.set.Packs {
		for _, r := range p.ranges {
			ranges = append(ranges, r)
		}
	}
	for _, f := range b.set.ordered {
		add(f.ports)
		ranges = append(ranges, f.source...)
		for _, o := range f.overrides {
			add(o.ports)
		}
		for _, specs := range f.proxies {
			add(specs)
		}
	}
	for _, d := range b.set.accepted {
		ranges = append(ranges, d.ports)
	}
	if b.set.Site != nil {
		for _, h := range b.set.Site.Hosts {
			ranges = append(ranges, h.ephemeral)
		}
	}
	b.set.classOf = classesOf(ranges)
}

// classesOf tells apart what any of the ranges does.
func classesOf(ranges []PortRange) *portClasses {
	classes := new(portClasses)
	var edge [1<<16 + 1]bool
	for _, r := range ranges {
		edge[r.First], edge[int(r.Last)+1] = true, true
	}
	first := 0
	for port := range classes {
		if edge[port] {
			first = port
		}
		classes[port] = uint16(first)
	}
	return classes
}

// AlikePorts are the ports around one of which PortClass is the same.
func (s *Set) AlikePorts(port uint16) (first, last uint16) {
	first = s.classOf[port]
	above := s.classOf[port:] // never falls
	n, _ := slices.BinarySearchFunc(above, first, func(class, first uint16) int {
		if class > first {
			return 1
		}
		return -1
	})
	return first, port + uint16(n-1)
}

// PortClass is the lowest port that no flow, override or proxy tells from this one, at any host: Candidates, ByService and Covers
// answer alike for both.
func (s *Set) PortClass(port uint16) uint16 { return s.classOf[port] }
