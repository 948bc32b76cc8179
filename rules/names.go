package rules

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Meaning is what packs and site say of a host name. It is shared and never changed: the same meaning gives the same pointer.
type Meaning struct {
	Host  *Host    // of the site; nil if none has the name
	Roles []string // qualified, by the packs' names, sorted

	wildcard bool // only wildcards fit the name, which stand for no address
	roles    []held
	spans    []addrRange // that the packs document for these roles, else those of Host
}

// names is what is known by name.
type names struct {
	exact     map[string]*Meaning
	wildcards map[string]*Meaning // by what follows "*."
	named     map[namedKey]*Membership
	together  map[[2]*Meaning]*Meaning
	roles     map[int32]bool // that a pack gives names to
}

type namedKey struct {
	of *Membership
	by *Meaning
}

// nameTable indexes the names of packs and site.
func (b *binder) nameTable() {
	n := &b.set.names
	*n = names{exact: map[string]*Meaning{}, wildcards: map[string]*Meaning{}, named: map[namedKey]*Membership{}, together: map[[2]*Meaning]*Meaning{}, roles: map[int32]bool{}}
	for _, p := range b.set.Packs {
		for _, r := range p.Roles {
			id := b.set.roleIDs[p.Name+"/"+r.Name]
			for _, text := range r.Names {
				m := n.meaning(text)
				m.roles = append(m.roles, held{id, 0})
				m.Roles = append(m.Roles, p.Name+"/"+r.Name)
				for _, a := range r.Addresses {
					span, _, _ := parseAddresses(a)
					m.spans = append(m.spans, span)
				}
				n.roles[id] = true
			}
		}
	}
	if b.set.Site != nil {
		for _, h := range b.set.Site.Hosts {
			for _, text := range h.Names {
				n.meaning(text).Host = h
			}
		}
	}
	for suffix, m := range n.wildcards {
		m.wildcard, m.spans = true, nil
		m.settle(n.wider(suffix))
	}
	for name, m := range n.exact {
		m.settle(n.wider(name))
	}
}

func (n *names) meaning(text string) *Meaning {
	index, name := n.exact, strings.ToLower(text)
	if suffix, wild := strings.CutPrefix(name, "*."); wild {
		index, name = n.wildcards, suffix
	}
	m := index[name]
	if m == nil {
		m = &Meaning{}
		index[name] = m
	}
	return m
}

// settle sorts, and takes from the wildcards around a name what the name itself leaves open: the host or the roles.
func (m *Meaning) settle(wider []*Meaning) {
	for _, w := range wider {
		if m.Host == nil {
			m.Host = w.Host
		}
		if len(m.roles) == 0 {
			m.roles, m.Roles, m.spans = slices.Clone(w.roles), slices.Clone(w.Roles), nil
		}
	}
	slices.SortFunc(m.roles, func(a, b held) int { return cmp.Compare(a.role, b.role) })
	slices.Sort(m.Roles)
	m.roles, m.Roles = slices.Compact(m.roles), slices.Compact(m.Roles)
	if m.Host != nil && len(m.spans) == 0 && !m.wildcard {
		for _, e := range m.Host.Addresses {
			m.spans = append(m.spans, e.span)
		}
	}
}

// wider are the wildcards that fit a name, the longest first.
func (n *names) wider(name string) []*Meaning {
	var list []*Meaning
	for {
		_, rest, below := strings.Cut(name, ".")
		if !below {
			return list
		}
		if m := n.wildcards[rest]; m != nil {
			list = append(list, m)
		}
		name = rest
	}
}

// ByName is what a host name means, in lower case and without final dot: the name itself, else the longest wildcard above it. Nil if it means nothing.
func (s *Set) ByName(name string) *Meaning {
	if m := s.names.exact[name]; m != nil || len(s.names.wildcards) == 0 {
		return m
	}
	for {
		_, rest, below := strings.Cut(name, ".")
		if !below {
			return nil
		}
		if m := s.names.wildcards[rest]; m != nil {
			return m
		}
		name = rest
	}
}

// HasNames says whether any name means something.
func (s *Set) HasNames() bool { return len(s.names.exact)+len(s.names.wildcards) > 0 }

// Together is what two names mean that one end goes by, where nothing tells which of them is meant.
func (s *Set) Together(a, b *Meaning) *Meaning {
	if a == b {
		return a
	}
	key := [2]*Meaning{a, b}
	if m := s.names.together[key]; m != nil {
		return m
	}
	m := &Meaning{Host: a.Host, wildcard: a.wildcard && b.wildcard, Roles: slices.Concat(a.Roles, b.Roles), roles: slices.Concat(a.roles, b.roles)}
	if b.Host != nil && a.Host == nil {
		m.Host = b.Host
	}
	m.settle(nil)
	if len(s.names.together) >= maxRemembered {
		clear(s.names.together)
		clear(s.names.named)
	}
	s.names.together[key] = m
	return m
}

// Named is what is known of a responder that goes by a name. A host of the site that has the address stays that host with its own roles. Of
// the roles that a pack gives to the address and names, only those remain that have the name; if the address is no host's, it gets those as well.
func (s *Set) Named(m *Membership, by *Meaning) *Membership {
	key := namedKey{m, by}
	if n := s.names.named[key]; n != nil {
		return n
	}
	n := s.named(m, by)
	s.names.named[key] = n
	return n
}

func (s *Set) named(m *Membership, by *Meaning) *Membership {
	if m.Host != nil && !slices.ContainsFunc(by.roles, func(r held) bool { return m.asResp.spread[r.role] == 0 }) {
		return m
	}
	h := holdings{host: m.Host, inside: m.Inside, kind: m.Translation, behind: m.Behind}
	for _, id := range m.asResp.roles {
		own := m.Host != nil && slices.Contains(s.hostRole[m.Host], id)
		if spread := m.asResp.spread[id]; own || spread != 0 || len(by.roles) == 0 || !s.names.roles[id] {
			h.roles = append(h.roles, held{id, spread})
		}
	}
	if h.host == nil && by.Host != nil {
		h.host = by.Host
		for _, id := range s.hostRole[by.Host] {
			h.roles = append(h.roles, held{id, 0})
		}
	}
	for _, r := range by.roles {
		if m.Host == nil || m.asResp.spread[r.role] == 0 {
			h.roles = append(h.roles, r)
		}
	}
	h.settle()
	return s.intern(h)
}

// NamedRole says whether a pack gives names to a role, by its qualified name.
func (s *Set) NamedRole(role string) bool {
	id, ok := s.roleIDs[role]
	return ok && s.names.roles[id]
}

// Stated are the addresses that packs or site state for the name, as text; none where they state none.
func (m *Meaning) Stated() []string {
	var list []string
	for _, r := range m.spans {
		list = append(list, r.String())
	}
	return list
}

// Documents says whether an address is one that packs or site state for the name.
func (m *Meaning) Documents(a netip.Addr) bool {
	return slices.ContainsFunc(m.spans, func(r addrRange) bool { return r.contains(a) })
}

// IsProxy says whether a host is a proxy of the site: what is asked of it is meant for others.
func (s *Set) IsProxy(h *Host) bool { return h != nil && len(s.proxied[h]) > 0 }
