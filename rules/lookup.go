package rules

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
)

const (
	// maxAddresses bounds the addresses whose membership is remembered; a scan starts the memory over.
	maxAddresses = 1 << 16

	reservedSpread = 254
	notHeld        = 255
)

// role numbers of the reserved roles, as in reservedRoles.
const (
	roleAny int32 = iota
	roleInternet
	roleBroadcast
	roleMulticast
	firstPackRole
)

// dated is a membership and the time for which it holds.
type dated struct {
	of    *Membership
	valid interval
}

// class is what matching needs to know of an end: ends of one class match the same flows.
type class struct {
	id     uint64
	roles  []int32
	spread []uint8 // by role number, notHeld where the end does not play it
	local  bool    // inside, broadcast or multicast: not across a wide area
	host   *Host   // one with this OS, range, port overrides and proxies; nil for none
}

// Lookup says what is known of an address at a time. IPv4 in IPv6 is IPv4. Unspecified addresses hold the role any and nothing else.
func (s *Set) Lookup(a netip.Addr, at int64) *Membership { return s.lookup(a, at).of }

// LookupSpan is Lookup, with the first and the last time around at for which that is so.
func (s *Set) LookupSpan(a netip.Addr, at int64) (m *Membership, first, last int64) {
	d := s.lookup(a, at)
	return d.of, d.valid.from, d.valid.last()
}

func (s *Set) lookup(a netip.Addr, at int64) dated {
	a = a.Unmap().WithZone("")
	if c, ok := s.addresses[a]; ok && c.valid.contains(at) {
		return c
	}
	h := holdings{valid: always}
	if t := s.translationOf(a, 0); t != nil && t.oneToOne() {
		h = s.throughTranslation(t, a, at)
	} else {
		h = s.holdings(a, at)
		if t != nil {
			h.kind, h.behind = t.kind, t.behind
		}
	}
	d := dated{s.intern(h), h.valid}
	if len(s.addresses) >= maxAddresses {
		clear(s.addresses)
	}
	s.addresses[a] = d
	return d
}

// holdings is a membership in the making.
type holdings struct {
	host   *Host
	inside bool
	roles  []held // sorted by role, each once
	kind   string
	behind []*Host
	valid  interval // time for which this is so
}

// holdings collects what an address itself holds.
func (s *Set) holdings(a netip.Addr, at int64) holdings {
	h := holdings{inside: s.Inside(a), valid: always}
	h.roles = append(h.roles, held{roleAny, reservedSpread})
	if !a.IsValid() || a.IsUnspecified() {
		return h
	}
	var span addrRange
	h.host, span, h.valid = s.hostAt(a, at)
	switch {
	case a.IsMulticast():
		h.roles = append(h.roles, held{roleMulticast, reservedSpread})
	case a == limitedBroadcast || s.broadcasts[a] && (h.host == nil || !span.single()):
		h.roles = append(h.roles, held{roleBroadcast, reservedSpread})
		h.host = nil
	case !h.inside:
		h.roles = append(h.roles, held{roleInternet, reservedSpread})
	}
	h.play(s, span)
	h.roles = append(h.roles, s.documentedRoles(a)...)
	h.settle()
	return h
}

// play adds the roles of the host, bound by the entry that led to it.
func (h *holdings) play(s *Set, span addrRange) {
	if h.host == nil {
		return
	}
	for _, id := range s.hostRole[h.host] {
		h.roles = append(h.roles, held{id, span.spread()})
	}
}

// settle sorts the roles and keeps the tightest binding of each.
func (h *holdings) settle() {
	slices.SortFunc(h.roles, func(a, b held) int {
		if a.role != b.role {
			return int(a.role - b.role)
		}
		return int(a.spread) - int(b.spread)
	})
	h.roles = slices.CompactFunc(h.roles, func(a, b held) bool { return a.role == b.role })
}

// throughTranslation is what the address behind a one-to-one translation holds.
func (s *Set) throughTranslation(t *translation, a netip.Addr, at int64) holdings {
	var h holdings
	if t.host == nil {
		h = s.holdings(t.outside.moved(a, t.inside), at)
	} else {
		h = holdings{host: t.host, inside: true, valid: always, roles: []held{{roleAny, reservedSpread}}}
		h.play(s, addrRange{a, a})
		h.settle()
	}
	h.kind, h.behind = t.kind, t.behind
	return h
}

// hostAt is the host with the narrowest entry for an address at a time, that entry's range, and the time around at for which this is so.
func (s *Set) hostAt(a netip.Addr, at int64) (host *Host, span addrRange, valid interval) {
	valid = always
	for _, list := range s.entries.Supernets(netip.PrefixFrom(a, a.BitLen())) {
		for _, e := range list {
			for _, edge := range [...]int64{e.valid.from, e.valid.until} {
				if edge <= at {
					valid.from = max(valid.from, edge)
				} else {
					valid.until = min(valid.until, edge)
				}
			}
			if e.valid.contains(at) && (host == nil || e.span.compareSize(span) < 0) {
				host, span = e.host, e.span
			}
		}
	}
	return host, span, valid
}

// documentedRoles are the roles that the packs give to an address.
func (s *Set) documentedRoles(a netip.Addr) []held {
	var roles []held
	if s.documented.Size() > 0 {
		for _, list := range s.documented.Supernets(netip.PrefixFrom(a, a.BitLen())) {
			roles = append(roles, list...)
		}
	}
	return roles
}

// intern gives equal holdings the same membership. There are never more than the site and the packs make up.
func (s *Set) intern(h holdings) *Membership {
	key := make([]byte, 0, 64)
	key = binary.AppendUvarint(key, uint64(s.number[h.host]))
	key = append(key, bit(h.inside))
	key = append(append(key, h.kind...), 0)
	key = binary.AppendUvarint(key, uint64(len(h.behind)))
	for _, b := range h.behind {
		key = binary.AppendUvarint(key, uint64(s.number[b]))
	}
	key = appendHeld(key, h.roles)
	if m := s.members[string(key)]; m != nil {
		return m
	}
	m := &Membership{Host: h.host, Inside: h.inside, Translation: h.kind, Behind: h.behind}
	m.Roles = s.rolesOf(h.roles)
	m.asResp = s.class(h, h.roles)
	m.asOrig = m.asResp
	if h.kind == "source-pat" || h.kind == "lb-snat" {
		m.asOrig = s.class(h, s.withBehind(h))
	}
	s.members[string(key)] = m
	return m
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func appendHeld(key []byte, roles []held) []byte {
	for _, r := range roles {
		key = append(binary.AppendUvarint(key, uint64(r.role)), r.spread)
	}
	return key
}

// withBehind adds the roles of the hosts behind a source translation, bound as loosely as a network binds.
func (s *Set) withBehind(h holdings) []held {
	all := holdings{roles: slices.Clone(h.roles)}
	for _, b := range h.behind {
		for _, id := range s.hostRole[b] {
			all.roles = append(all.roles, held{id, 1})
		}
	}
	all.settle()
	return all.roles
}

// rolesOf names roles for display: sorted by name, reserved ones last; hosts' own names left out.
func (s *Set) rolesOf(roles []held) []HeldRole {
	list := make([]HeldRole, 0, len(roles))
	for _, r := range roles {
		if !strings.HasPrefix(s.roles[r.role], hostRole) {
			list = append(list, s.heldRole(r))
		}
	}
	slices.SortFunc(list, func(a, b HeldRole) int {
		if reserved := int(bit(a.By == ByReserved)) - int(bit(b.By == ByReserved)); reserved != 0 {
			return reserved
		}
		return strings.Compare(a.Role, b.Role)
	})
	return list
}

func (s *Set) heldRole(r held) HeldRole {
	by := ByNetwork
	switch r.spread {
	case 0:
		by = ByAddress
	case reservedSpread:
		by = ByReserved
	}
	return HeldRole{s.roles[r.role], by, r.spread}
}

// class gives ends that match the same flows the same class.
func (s *Set) class(h holdings, roles []held) *class {
	local := h.inside || slices.ContainsFunc(roles, func(r held) bool { return r.role == roleBroadcast || r.role == roleMulticast })
	key := []byte{bit(local)}
	if h.host != nil {
		key = append(append(key, h.host.OS...), 0)
		key = binary.AppendUvarint(binary.AppendUvarint(key, uint64(h.host.ephemeral.First)), uint64(h.host.ephemeral.Last))
		if s.special[h.host] {
			key = binary.AppendUvarint(key, uint64(s.number[h.host]))
		}
	}
	key = appendHeld(append(key, 0), roles)
	if c := s.classes[string(key)]; c != nil {
		return c
	}
	c := &class{id: uint64(len(s.classes)), local: local, host: h.host, spread: slices.Repeat([]uint8{notHeld}, len(s.roles))}
	for _, r := range roles {
		c.roles = append(c.roles, r.role)
		c.spread[r.role] = r.spread
	}
	s.classes[string(key)] = c
	return c
}

// Inside says whether an address is inside the site's networks. What cannot leave a link or a machine is inside.
func (s *Set) Inside(a netip.Addr) bool { return s.inside.Contains(a.Unmap().WithZone("")) }

// Networks are the site's networks as it lists them, else the private ranges.
func (s *Set) Networks() []netip.Prefix { return s.networks }

// HostsOf are the site's hosts with a qualified role, in the site's order, those whose one address a pack documents included.
func (s *Set) HostsOf(role string) []*Host { return s.hostsOf[role] }

// Bound says whether anybody can hold a qualified role: a host of the site, a documented address, or the role is a reserved one.
func (s *Set) Bound(role string) bool {
	if slices.Contains(reservedRoles, role) || len(s.hostsOf[role]) > 0 {
		return true
	}
	pack, name, _ := strings.Cut(role, "/")
	return slices.ContainsFunc(s.Packs, func(p *Pack) bool {
		return p.Name == pack && slices.ContainsFunc(p.Roles, func(r Role) bool { return r.Name == name && len(r.Addresses) > 0 })
	})
}

// Flow is the flow with a qualified name "pack/id", nil if there is none.
func (s *Set) Flow(ref string) *Flow {
	if c := s.byRef[ref]; c != nil {
		return c.Flow
	}
	return nil
}
