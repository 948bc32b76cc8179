package rules

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Span is the addresses from First to Last, of one family and never IPv4 in IPv6.
type Span struct{ First, Last netip.Addr }

// Holder is who plays one side of an opening: a host, documented addresses of no host, or everybody of a reserved role.
type Holder struct {
	Host  *Host       // nil: not one host of the site
	Spans []Span      // sorted, without overlap; nil for a reserved role
	Ports []PortRange // source ports of a side that opens, ports of one that answers; nil: any, or the protocol has none
}

// Opening is one way in which connections of a documented flow may be opened at a site.
type Opening struct {
	Flow       *Flow
	From, To   string   // of the side that opens and the one that answers: "pack/role", a reserved name, or "host:NAME"
	Originator []Holder // no two of them have an address in common
	Responder  []Holder
	Reversed   bool  // the flow is either's, and its To side opens
	Proxied    bool  // to a web proxy of the site instead of to the flow's To side
	Condition  State // On or Unknown
}

// LeftOut is a flow, or a part of one, that a site has no opening of, and why.
type LeftOut struct {
	Flow   *Flow
	Reason string
}

// Openings resolves the flows of the packs for the site at a time, in their order: who may open what to whom by address. Reference lists are left out without a word, and so are
// names: who is known by a name alone has no address here. The source ports of a reserved role are those of a host of unknown OS.
func (s *Set) Openings(at int64) (open []Opening, left []LeftOut) {
	r := resolver{set: s, at: at, holders: map[string][]holder{}, own: map[*Host][]addrRange{}}
	for _, f := range s.ordered {
		if f.Reference {
			continue
		}
		state := s.Condition(f.Flow, at)
		if state == Off {
			r.left = append(r.left, LeftOut{f.Flow, "its condition " + f.Condition + " does not hold"})
			continue
		}
		before, reasons := len(r.open), len(r.left)
		r.flow(f, state)
		if len(r.open) == before && len(r.left) == reasons {
			r.left = append(r.left, LeftOut{f.Flow, "no address holds its roles"})
		}
	}
	return r.open, r.left
}

// InsideSpans are the addresses for which Inside holds.
func (s *Set) InsideSpans() []Span {
	var spans []addrRange
	for _, p := range slices.Concat(alwaysInside, s.networks) {
		spans = append(spans, prefixRange(p))
	}
	if s.Site != nil && len(s.Site.Networks) == 0 {
		for _, h := range s.Site.Hosts {
			for i := range h.Addresses {
				spans = append(spans, h.Addresses[i].span)
			}
		}
	}
	return exported(spans)
}

// Broadcasts are the limited broadcast address and those of the site's IPv4 networks.
func (s *Set) Broadcasts() []Span {
	spans := []addrRange{{limitedBroadcast, limitedBroadcast}}
	for a := range s.broadcasts {
		spans = append(spans, addrRange{a, a})
	}
	return exported(spans)
}

type resolver struct {
	set     *Set
	at      int64
	open    []Opening
	left    []LeftOut
	holders map[string][]holder // by role
	own     map[*Host][]addrRange
}

// holder is some addresses by which a role is held.
type holder struct {
	host   *Host
	spans  []addrRange
	hidden bool   // behind a source translation: it opens from there, and its source ports are not its own
	port   uint16 // of a translated address that answers in place of the host, 0: every port
	inner  uint16 // the port behind it, 0: unchanged
}

// answers says whether the addresses can be connected to.
func (h holder) answers() bool { return !h.hidden }

// opens says whether connections may come from the addresses.
func (h holder) opens() bool { return h.port == 0 && h.inner == 0 }

func (r *resolver) flow(f *compiledFlow, state State) {
	from, to := f.FromRoles(), f.ToRoles()
	r.cross(f, from, to, Opening{Flow: f.Flow, Condition: state})
	if f.Originator == "either" {
		r.cross(f, to, from, Opening{Flow: f.Flow, Condition: state, Reversed: true})
	}
	var proxies []*Host
	for h := range f.proxies {
		proxies = append(proxies, h)
	}
	slices.SortFunc(proxies, func(a, b *Host) int { return strings.Compare(a.Name, b.Name) })
	for _, h := range proxies {
		responder := Holder{Host: h, Spans: exported(r.entries(h)), Ports: rangesOf(f.proxies[h])}
		for _, role := range from {
			r.add(Opening{Flow: f.Flow, From: role, To: hostRole + h.Name, Proxied: true, Condition: state, Originator: r.originators(f, role), Responder: []Holder{responder}})
		}
	}
}

// cross opens from each of some roles to each of others.
func (r *resolver) cross(f *compiledFlow, from, to []string, o Opening) {
	for _, a := range from {
		for _, b := range to {
			o.From, o.To = a, b
			o.Originator, o.Responder = r.originators(f, a), r.responders(f, b)
			r.add(o)
		}
	}
}

func (r *resolver) add(o Opening) {
	if len(o.Originator) > 0 && len(o.Responder) > 0 {
		r.open = append(r.open, o)
	}
}

// originators are the holders of a role that may open a flow, with their source ports.
func (r *resolver) originators(f *compiledFlow, role string) []Holder {
	source := func(h *Host, hidden bool) []PortRange {
		ranges, any := r.set.SourcePorts(h, f.Flow)
		if any || hidden || !f.hasPorts() {
			return nil
		}
		return ranges
	}
	if slices.Contains(reservedRoles, role) {
		if role == "broadcast" || role == "multicast" {
			return nil
		}
		return []Holder{{Ports: source(nil, false)}}
	}
	var list []Holder
	for _, h := range r.holding(role) {
		if h.opens() {
			list = append(list, Holder{h.host, exported(h.spans), source(h.host, h.hidden)})
		}
	}
	return list
}

// hasPorts says whether connections of a flow have ports.
func (f *compiledFlow) hasPorts() bool {
	list := ProtoOf(f.Proto)
	return len(list) == 0 || list[0].HasPorts()
}

// responders are the holders of a role that answer a flow, with their ports. A flow without a stated port, or protocol, is left out where the site does not supply it.
func (r *resolver) responders(f *compiledFlow, role string) []Holder {
	holders := []holder{{}}
	if !slices.Contains(reservedRoles, role) {
		holders = r.holding(role)
	}
	var list []Holder
	for _, h := range holders {
		if !h.answers() {
			continue
		}
		ports := r.set.PortsOf(f.Flow, h.host)
		inside := cmp.Or(h.inner, h.port)
		switch {
		case f.hasPorts() && len(ports) == 0 || f.noProto && !f.overriddenAt(h.host):
			r.silent(f, h.host)
			continue
		case inside == 0:
		case !inRanges(ports, inside):
			continue
		case h.port != 0:
			ports = []PortRange{{h.port, h.port}}
		default:
			ports = []PortRange{{1, 65535}}
		}
		list = append(list, Holder{h.host, exported(h.spans), joinRanges(ports)})
	}
	return list
}

func (r *resolver) silent(f *compiledFlow, h *Host) {
	reason := "its document states no port, and the site supplies none"
	if h != nil {
		reason += " for " + h.Name
	}
	if l := (LeftOut{f.Flow, reason}); !slices.Contains(r.left, l) {
		r.left = append(r.left, l)
	}
}

// holding are the addresses by which a role is held: those of hosts, of translations that stand for them, and documented ones.
func (r *resolver) holding(role string) []holder {
	if list, ok := r.holders[role]; ok {
		return list
	}
	var list []holder
	var claimed []addrRange
	add := func(h holder) {
		if h.opens() {
			h.spans = without(h.spans, claimed)
			claimed = append(claimed, h.spans...)
		}
		if h.spans = joinSpans(h.spans); len(h.spans) > 0 {
			list = append(list, h)
		}
	}
	id, known := r.set.roleIDs[role]
	for _, h := range r.set.hostsOf[role] {
		if slices.Contains(r.set.hostRole[h], id) {
			add(holder{host: h, spans: r.entries(h)})
		}
	}
	for _, h := range r.set.hostsOf[role] {
		if slices.Contains(r.set.hostRole[h], id) {
			for _, outside := range r.translated(h) {
				add(outside)
			}
		}
	}
	if known {
		r.documented(role, add)
	}
	r.holders[role] = list
	return list
}

// documented adds the documented addresses of a role: those of hosts of the site as theirs.
func (r *resolver) documented(role string, add func(holder)) {
	pack, name, _ := strings.Cut(role, "/")
	for _, p := range r.set.Packs {
		for i := range p.Roles {
			if p.Name != pack || p.Roles[i].Name != name {
				continue
			}
			for _, text := range p.Roles[i].Addresses {
				span, _, _ := parseAddresses(text)
				if r.set.Site != nil {
					for _, h := range r.set.Site.Hosts {
						add(holder{host: h, spans: common(r.entries(h), span)})
					}
				}
				add(holder{spans: []addrRange{span}})
			}
		}
	}
}

// entries are the addresses that Lookup knows as a host's at the time.
func (r *resolver) entries(h *Host) []addrRange {
	if spans, ok := r.own[h]; ok {
		return spans
	}
	var spans []addrRange
	for i := range h.Addresses {
		if e := &h.Addresses[i]; e.valid.contains(r.at) {
			spans = append(spans, without([]addrRange{e.span}, r.narrower(h, e.span))...)
		}
	}
	r.own[h] = joinSpans(spans)
	return r.own[h]
}

// narrower is what an entry of a host does not give it: the entries of other hosts that go before, and broadcast addresses.
func (r *resolver) narrower(h *Host, span addrRange) []addrRange {
	if span.single() {
		return nil
	}
	var found []addrRange
	for a := range r.set.broadcasts {
		found = append(found, addrRange{a, a})
	}
	for _, o := range r.set.Site.Hosts {
		for k := range o.Addresses {
			if n := &o.Addresses[k]; o != h && n.valid.contains(r.at) && n.span.overlaps(span) && n.span.compareSize(span) < 0 {
				found = append(found, n.span)
			}
		}
	}
	return found
}

// translated are the addresses that stand for a host in the capture.
func (r *resolver) translated(h *Host) []holder {
	var list []holder
	for i := range r.set.Site.Translations {
		t := &r.set.Site.Translations[i]
		oneToOne := t.Kind == "static" || t.Kind == "destination"
		for k, text := range t.Outside {
			outside, port, _, _ := parseOutside(text, t.Kind)
			switch {
			case !oneToOne && slices.ContainsFunc(t.Inside, func(name string) bool { return r.within(h, name) }):
				list = append(list, holder{host: h, spans: []addrRange{outside}, hidden: true})
			case oneToOne && t.Inside[k] == h.Name:
				list = append(list, holder{host: h, spans: []addrRange{outside}, port: port, inner: t.Port})
			case oneToOne:
				if inside, what, _ := parseAddresses(t.Inside[k]); what == "" {
					list = append(list, holder{host: h, spans: shifted(common(r.entries(h), inside), inside, outside), port: port, inner: t.Port})
				}
			}
		}
	}
	return list
}

// within says whether a host is meant by an inside entry of a translation.
func (r *resolver) within(h *Host, name string) bool {
	if h.Name == name {
		return true
	}
	span, what, _ := parseAddresses(name)
	return what == "" && len(common(r.entries(h), span)) > 0
}

func rangesOf(specs []portSpec) []PortRange {
	var ranges []PortRange
	for _, s := range specs {
		ranges = append(ranges, s.PortRange)
	}
	return joinRanges(ranges)
}

// HostName is the host that a role "host:NAME" means, and whether it is one.
func HostName(role string) (string, bool) { return strings.CutPrefix(role, hostRole) }

// String gives an address, a prefix, or "FIRST-LAST".
func (s Span) String() string { return addrRange{s.First, s.Last}.String() }

// ICMP6Types are the ICMPv6 counterparts of a flow's ICMP types, sorted.
func (f *Flow) ICMP6Types() []int {
	var types []int
	for _, t := range f.ICMPTypes {
		types = append(types, icmp6Of[t]...)
	}
	slices.Sort(types)
	return slices.Compact(types)
}
