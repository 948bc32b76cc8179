package rules

import (
	"net/netip"
	"slices"

	"pcapaudit/capture/flow"
)

// party is one end that a site names: a word, a host, addresses or a role.
type party struct {
	word string
	host *Host
	span addrRange
	role int32 // -1 without one, or where its pack is not chosen
}

// party resolves the name of an end that checkSite has accepted.
func (b *binder) party(text *string, entry any) party {
	p := party{role: -1}
	switch {
	case slices.Contains(partyWords, *text):
		p.word = *text
	case b.byName[*text] != nil:
		p.host = b.byName[*text]
	case isRoleName(*text):
		if b.resolve(&b.checker, "role", text, roleNames, entry) {
			p.role = b.set.roleIDs[*text]
		}
	default:
		p.span, _, _ = parseAddresses(*text)
	}
	return p
}

// matches says whether an end is this party. A nil Of leaves the address only: a host then matches by any of its entries, whenever valid, a role never.
func (p party) matches(s *Set, e End) bool {
	switch {
	case p.word == "any":
		return true
	case p.word == "inside":
		return s.Inside(e.Addr)
	case p.word == "internet" && e.Of == nil:
		return !s.Inside(e.Addr)
	case p.word != "":
		return e.Of != nil && e.Of.asOrig.spread[s.roleIDs[p.word]] != notHeld
	case p.host != nil && e.Of == nil:
		return slices.ContainsFunc(p.host.Addresses, func(a AddrEntry) bool { return a.span.contains(e.Addr) })
	case p.host != nil:
		return e.Of.Host == p.host
	case p.role >= 0:
		return e.Of != nil && e.Of.asResp.spread[p.role] != notHeld
	}
	return p.span.first.IsValid() && p.span.contains(e.Addr)
}

// rule is a background entry or an exception, compiled.
type rule struct {
	from, to   party
	protos     []flow.Proto // nil: any
	ports      []portSpec   // nil: any
	exception  *Exception
	background *Background
}

func (r *rule) matches(s *Set, orig, resp End, proto flow.Proto, port uint16) bool {
	if r.protos != nil && !slices.Contains(r.protos, proto) {
		return false
	}
	if len(r.ports) > 0 && (!proto.HasPorts() || !slices.ContainsFunc(r.ports, func(p portSpec) bool { return p.Contains(port) })) {
		return false
	}
	return r.from.matches(s, orig) && r.to.matches(s, resp)
}

// sightline is one pair of networks that a vantage point sees.
type sightline struct {
	from, to party
	oneWay   bool
}

// siteParties compiles all that names ends: translations, background, exceptions and vantage points.
func (b *binder) siteParties() {
	s, site := b.set, b.set.Site
	for i := range site.Translations {
		b.translation(&site.Translations[i])
	}
	var c checker
	for i := range site.Background {
		e := &site.Background[i]
		s.backgrounds = append(s.backgrounds, rule{b.party(&e.From, e), b.party(&e.To, e), ProtoOf(e.Proto), c.ports(e.Ports, e), nil, e})
	}
	for _, e := range site.Exceptions {
		s.exceptions = append(s.exceptions, rule{b.party(&e.From, e), b.party(&e.To, e), ProtoOf(e.Proto), c.ports(e.Ports, e), e, nil})
	}
	for i := range site.Vantage {
		for j := range site.Vantage[i].Sees {
			e := &site.Vantage[i].Sees[j]
			s.vantage = append(s.vantage, sightline{b.party(&e.From, e), b.party(&e.To, e), e.OneWay})
		}
	}
}

// Background is the site's first background entry that takes a connection out of scope, nil if none does. port is ignored for protocols without ports.
func (s *Set) Background(orig, resp End, proto flow.Proto, port uint16) *Background {
	for i := range s.backgrounds {
		if s.backgrounds[i].matches(s, orig, resp, proto, port) {
			return s.backgrounds[i].background
		}
	}
	return nil
}

// Exception is the exception that fits a connection: the first active one, else the first that was not active at that time.
func (s *Set) Exception(orig, resp End, proto flow.Proto, port uint16, at int64) (*Exception, Validity) {
	var best *Exception
	state := NoException
	for i := range s.exceptions {
		r := &s.exceptions[i]
		if !r.matches(s, orig, resp, proto, port) {
			continue
		}
		switch e := r.exception; {
		case e.valid.contains(at):
			return e, Active
		case best != nil:
		case at < e.valid.from:
			best, state = e, NotYet
		default:
			best, state = e, Expired
		}
	}
	return best, state
}

// Sees says what the site's vantage points show of the traffic from one address to another and back.
func (s *Set) Sees(orig, resp netip.Addr) Sight {
	if len(s.vantage) == 0 {
		return NotStated
	}
	a, b := End{Addr: orig.Unmap().WithZone("")}, End{Addr: resp.Unmap().WithZone("")}
	there, back := false, false
	for _, l := range s.vantage {
		forth := l.from.matches(s, a) && l.to.matches(s, b)
		opposite := l.from.matches(s, b) && l.to.matches(s, a)
		there = there || forth || opposite && !l.oneWay
		back = back || opposite || forth && !l.oneWay
	}
	switch {
	case there && back:
		return Seen
	case there || back:
		return SeenOneWay
	}
	return NotSeen
}
