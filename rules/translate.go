package rules

import (
	"net/netip"
	"slices"
)

// translation is one outside address or prefix and what it stands for.
type translation struct {
	kind       string
	outside    addrRange
	port       uint16 // of outside, 0: every port
	insidePort uint16 // 0: unchanged

	inside addrRange // static and destination: the address behind it, unless host is set
	host   *Host     // static and destination: the host behind it
	behind []*Host   // all kinds: the hosts that it may stand for
}

// oneToOne says whether the outside address stands for one inside address.
func (t *translation) oneToOne() bool { return t.kind == "static" || t.kind == "destination" }

// translation indexes the outside addresses of one of the site's translations.
func (b *binder) translation(t *Translation) {
	var all []*Host
	for _, text := range t.Inside {
		all = append(all, b.hostsWithin(text)...)
	}
	for i, text := range t.Outside {
		span, port, _, _ := parseOutside(text, t.Kind)
		n := &translation{kind: t.Kind, outside: span, port: port, insidePort: t.Port, behind: uniqueHosts(all)}
		if n.oneToOne() {
			n.host = b.byName[t.Inside[i]]
			n.behind = uniqueHosts(b.hostsWithin(t.Inside[i]))
			n.inside, _, _ = parseAddresses(t.Inside[i])
		} else {
			for _, h := range n.behind {
				b.set.hidden[h] = true
			}
		}
		for _, p := range span.prefixes() {
			b.set.outside.Modify(p, func(list []*translation, _ bool) ([]*translation, bool) { return append(list, n), false })
		}
	}
}

// hostsWithin are the hosts that a name means: the host of that name, or those with an address among the addresses named.
func (b *binder) hostsWithin(text string) []*Host {
	if h := b.byName[text]; h != nil {
		return []*Host{h}
	}
	span, _, _ := parseAddresses(text)
	var hosts []*Host
	for _, h := range b.set.Site.Hosts {
		if slices.ContainsFunc(h.Addresses, func(a AddrEntry) bool { return a.span.overlaps(span) }) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

func uniqueHosts(hosts []*Host) []*Host {
	var unique []*Host
	seen := map[*Host]bool{}
	for _, h := range hosts {
		if !seen[h] {
			seen[h] = true
			unique = append(unique, h)
		}
	}
	return unique
}

// translationOf is the narrowest translation with this outside address; one for this very port goes before one for all. Port 0 asks for one for all.
func (s *Set) translationOf(a netip.Addr, port uint16) *translation {
	if s.outside.Size() == 0 {
		return nil
	}
	var best *translation
	for _, list := range s.outside.Supernets(netip.PrefixFrom(a, a.BitLen())) {
		for _, t := range list {
			if t.port != 0 && t.port != port {
				continue
			}
			if best == nil || t.port != 0 && best.port == 0 || t.port == best.port && t.outside.compareSize(best.outside) < 0 {
				best = t
			}
		}
	}
	return best
}

// Translated is the kind of translation by which the capture shows this address in place of others, and the site's hosts behind it; "" for an address that is its own.
func (s *Set) Translated(a netip.Addr) (kind string, hosts []*Host) {
	if t := s.translationOf(a.Unmap().WithZone(""), 0); t != nil {
		return t.kind, t.behind
	}
	return "", nil
}

// Hidden says whether a source translation stands between the host and the capture, so that what it originates cannot be told from what others originate.
func (s *Set) Hidden(h *Host) bool { return s.hidden[h] }

// Responder looks up the end that was connected to, through the site's translations: what is known of the host behind, and the port there.
func (s *Set) Responder(ap netip.AddrPort, at int64) (*Membership, uint16) {
	d, port := s.responder(ap, at)
	return d.of, port
}

// ResponderSpan is Responder, with the first and the last time around at for which that is so.
func (s *Set) ResponderSpan(ap netip.AddrPort, at int64) (m *Membership, port uint16, first, last int64) {
	d, port := s.responder(ap, at)
	return d.of, port, d.valid.from, d.valid.last()
}

func (s *Set) responder(ap netip.AddrPort, at int64) (dated, uint16) {
	a := ap.Addr().Unmap().WithZone("")
	t := s.translationOf(a, ap.Port())
	if t == nil || !t.oneToOne() {
		return s.lookup(a, at), ap.Port()
	}
	port := ap.Port()
	if t.insidePort != 0 {
		port = t.insidePort
	}
	if t.port == 0 {
		return s.lookup(a, at), port
	}
	h := s.throughTranslation(t, a, at)
	return dated{s.intern(h), h.valid}, port
}
