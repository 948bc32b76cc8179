package rules

import (
	"net/netip"
	"slices"
	"strings"
)

// What an explanation asks of a set beside what judging asks: which lines of the site an answer rests on.

// Entry is the address entry by which Lookup finds the host of an address at a time, nil where it finds none.
func (s *Set) Entry(a netip.Addr, at int64) *AddrEntry {
	host, span, _ := s.hostAt(a.Unmap().WithZone(""), at)
	if host == nil {
		return nil
	}
	i := slices.IndexFunc(host.Addresses, func(e AddrEntry) bool { return e.span == span && e.valid.contains(at) })
	return &host.Addresses[i]
}

// Stated is where the site says something: of the first of these pointers into its structure that stands in the file. The zero Pos is nowhere.
func (s *Site) Stated(values ...any) Pos { return s.places.at(values...) }

// SingleAddresses are the addresses that a host's entries name one by one at a time, in their order.
func (h *Host) SingleAddresses(at int64) []netip.Addr {
	var list []netip.Addr
	for i := range h.Addresses {
		if e := &h.Addresses[i]; e.span.single() && e.valid.contains(at) {
			list = append(list, e.span.first)
		}
	}
	return list
}

// ConditionEntry is the site's word on a flow's condition at a time; nil where the pack's default holds, or the flow has none.
func (s *Set) ConditionEntry(f *Flow, at int64) *SiteCondition {
	for _, entry := range s.conditions[f.Pack.Name+"/"+strings.TrimPrefix(f.Condition, "!")] {
		if entry.valid.contains(at) {
			return entry
		}
	}
	return nil
}

// PortEntry is the site's entry that gives a flow its ports at a responding host (nil: any), nil where the document's hold.
func (s *Set) PortEntry(f *Flow, resp *Host) *PortOverride {
	if s.Site == nil {
		return nil
	}
	var general *PortOverride
	for i := range s.Site.Ports {
		o := &s.Site.Ports[i]
		switch {
		case o.Flow != f.Ref():
		case len(o.To) == 0:
			general = o
		case resp != nil && slices.Contains(o.To, resp.Name):
			return o
		}
	}
	return general
}

// HoursEntry is the first of the site's entries that limit the hours of a flow, nil where nothing does.
func (s *Set) HoursEntry(f *Flow) *Hours {
	if s.Site == nil {
		return nil
	}
	for _, name := range []string{f.Ref(), f.Pack.Name + "/*", ""} {
		for i := range s.Site.Hours {
			if h := &s.Site.Hours[i]; slices.Contains(h.Flows, name) || name == "" && len(h.Flows) == 0 {
				return h
			}
		}
	}
	return nil
}

// EphemeralOf is the range from which a host of an OS family picks source ports on a pack's flows; nil for an unknown family.
func (s *Set) EphemeralOf(p *Pack, os string) []PortRange {
	if !slices.Contains(osNames, os) {
		return nil
	}
	return s.ephemeral(p, &Host{OS: os})
}

// OSNames are the words of a host's os.
func OSNames() []string { return slices.Clone(osNames) }

// Nearest is the name most like a mistyped one; "" where none is near.
func Nearest(name string, names []string) string { return nearest(name, names) }

// Meant is the advice for a name that is none of the known ones: the nearest of them, or all where they are few.
func Meant(name string, names []string) string { return meant(name, names) }
