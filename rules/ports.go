package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// built-in ephemeral ranges by OS family, where a pack documents none: Windows before Vista, Windows since (RFC 6335's dynamic
// ports), Linux and virtual appliances (net.ipv4.ip_local_port_range as distributed until 2015; one port wider than today's).
var ephemeralRanges = map[string]PortRange{
	"windows-pre-vista": {1025, 5000},
	"windows":           {49152, 65535},
	"linux":             {32768, 61000},
	"appliance":         {32768, 61000},
}

var osNames = []string{"windows-pre-vista", "windows", "linux", "appliance"}

// portSpec is one entry of a flow's ports. Its match is what a port that it covers gets.
type portSpec struct {
	match PortMatch
	PortRange
}

// parsePort reads a port from 1 to 65535, without leading zeros or sign.
func parsePort(text string) (port uint16, what string) {
	n, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil:
		return 0, "is no port"
	case n == 0 || n > 65535:
		return 0, "is out of range"
	case text[0] == '0':
		return 0, "has a leading zero"
	}
	return uint16(n), ""
}

// parsePortRange reads "FIRST-LAST".
func parsePortRange(text string) (r PortRange, what string) {
	first, last, ok := strings.Cut(text, "-")
	if !ok {
		return r, "is no range"
	}
	r.First, what = parsePort(first)
	if what == "" {
		r.Last, what = parsePort(last)
	}
	switch {
	case what != "":
		return PortRange{}, what
	case r.Last < r.First:
		return PortRange{}, "is reversed"
	}
	return r, ""
}

// parsePortSpec reads one entry of ports.
func parsePortSpec(text string) (spec portSpec, what string) {
	switch text {
	case "dynamic":
		return portSpec{match: PortDynamic}, ""
	case "any":
		return portSpec{PortAny, PortRange{1, 65535}}, ""
	case "unstated":
		return portSpec{match: PortUnstated}, ""
	}
	if strings.Contains(text, "-") {
		r, what := parsePortRange(text)
		return portSpec{PortRanged, r}, what
	}
	port, what := parsePort(text)
	return portSpec{PortExact, PortRange{port, port}}, what
}

// ports parses a list of port entries. The words allowed beside numbers and ranges are given; an entry given twice is a mistake.
func (c *checker) ports(list []string, entry any, words ...string) []portSpec {
	specs := make([]portSpec, 0, len(list))
	for i := range list {
		spec, what := parsePortSpec(list[i])
		switch isWord := spec.match == PortDynamic || spec.match == PortAny || spec.match == PortUnstated; {
		case what != "":
			c.fail(fmt.Sprintf("port %q %s", list[i], what), "write 1 to 65535, FIRST-LAST"+orWords(words), &list[i], entry)
		case isWord && !slices.Contains(words, list[i]):
			c.fail(fmt.Sprintf("port %q is not possible here", list[i]), "write 1 to 65535, FIRST-LAST"+orWords(words), &list[i], entry)
		case slices.Contains(specs, spec):
			c.fail(fmt.Sprintf("port %q is given twice, first at %s", list[i], c.places.at(&list[slices.Index(list, list[i])])), "keep one", &list[i], entry)
		case isWord && spec.match != PortDynamic && len(list) > 1:
			c.fail(fmt.Sprintf("port %q stands beside others", list[i]), "let it stand alone, or split the flow", &list[i], entry)
		default:
			specs = append(specs, spec)
		}
	}
	return specs
}

func orWords(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return " or " + strings.Join(words, ", ")
}

// ephemeralOf is the range from which a host picks source ports, as the host's own entry, the pack's document or the OS's default says; for an
// unknown OS all that the document states, else all that are built in. A nil host is a host of unknown OS.
func ephemeralOf(p *Pack, h *Host) []PortRange {
	if h != nil && h.ephemeral != (PortRange{}) {
		return []PortRange{h.ephemeral}
	}
	if h != nil && h.OS != "" {
		if r, ok := p.ranges[h.OS]; ok {
			return []PortRange{r}
		}
		if r, ok := p.ranges["linux"]; ok && h.OS == "appliance" {
			return []PortRange{r}
		}
		return []PortRange{ephemeralRanges[h.OS]}
	}
	known := p.ranges
	if len(known) == 0 {
		known = ephemeralRanges
	}
	var union []PortRange
	for _, os := range osNames {
		if r, ok := known[os]; ok && !slices.Contains(union, r) {
			union = append(union, r)
		}
	}
	return union
}

// SourcePorts is what an originating host may use as source ports on a flow: any, or ranges. A nil host is a host of unknown OS.
// The source port of an address with a translation says nothing about its host.
func (s *Set) SourcePorts(orig *Host, f *Flow) (ranges []PortRange, any bool) {
	switch f.SourcePorts {
	case "any":
		return nil, true
	case "ephemeral":
		return s.ephemeral(f.Pack, orig), false
	}
	return s.flows[f].source, false
}

// ephemeral is ephemeralOf, remembered.
func (s *Set) ephemeral(p *Pack, h *Host) []PortRange {
	key := ephemeralKey{pack: p}
	if h != nil {
		key.os, key.own = h.OS, h.ephemeral
	}
	if r, ok := s.ephemerals[key]; ok {
		return r
	}
	r := ephemeralOf(p, h)
	s.ephemerals[key] = r
	return r
}

type ephemeralKey struct {
	pack *Pack
	os   string
	own  PortRange
}

// PortsOf is the responder ports of a flow at a responding host (nil: any), after the site's overrides, with dynamic ports resolved; nil where the flow states none.
func (s *Set) PortsOf(f *Flow, resp *Host) []PortRange {
	var ranges []PortRange
	for _, spec := range s.flows[f].portsAt(resp) {
		switch spec.match {
		case PortDynamic:
			ranges = append(ranges, s.DynamicPorts(f, resp)...)
		case PortUnstated:
		default:
			ranges = append(ranges, spec.PortRange)
		}
	}
	return ranges
}

// HasDynamic says whether ports of a flow at a responding host are dynamic, by its document or the site.
func (s *Set) HasDynamic(f *Flow, resp *Host) bool {
	return slices.ContainsFunc(s.flows[f].portsAt(resp), func(p portSpec) bool { return p.match == PortDynamic })
}

// tftpPorts are the transfer identifiers that a TFTP originator may pick: RFC 1350 leaves the choice to it, and boot firmware stays below the ranges of operating systems.
var tftpPorts = []PortRange{{1024, 65535}}

// DynamicPorts is the range from which a responding host (nil: of unknown OS) picks the ports of a flow's dynamic entry, and the one that the site accepts for it.
func (s *Set) DynamicPorts(f *Flow, resp *Host) []PortRange {
	if f.AnnouncedBy == "tftp" {
		return tftpPorts
	}
	ranges := s.ephemeral(f.Pack, resp)
	if accepted, _ := s.AcceptsDynamic(f); len(accepted) > 0 {
		ranges = append(slices.Clone(accepted), ranges...)
	}
	return ranges
}

// overriddenAt says whether the site supplies the ports at a responding host. Where the document states no protocol, the ports are then those of any protocol that has ports.
func (f *compiledFlow) overriddenAt(resp *Host) bool {
	return slices.ContainsFunc(f.overrides, func(o override) bool { return o.hosts == nil || resp != nil && o.hosts[resp] })
}

// portsAt is the flow's port entries at a responding host: the site's override that names the host, else that for all, else the document's.
func (f *compiledFlow) portsAt(resp *Host) []portSpec {
	specs := f.ports
	for _, o := range f.overrides {
		switch {
		case o.hosts == nil:
			specs = o.ports
		case resp != nil && o.hosts[resp]:
			return o.ports
		}
	}
	return specs
}

func inRanges(ranges []PortRange, port uint16) bool {
	return slices.ContainsFunc(ranges, func(r PortRange) bool { return r.Contains(port) })
}
