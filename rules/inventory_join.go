package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"pcapaudit/rules/inventory"
)

// join brings a host of an inventory together with what is known of it.
func (m *importer) join(v *Inventory, d *drafted) {
	for _, a := range d.addresses {
		m.site.listed.addresses[a.addr] = true
	}
	switch known := m.knownAs(d); {
	case known != nil && m.source[known] == nil:
		v.Typed++
		m.list(known, d.pos)
		m.fillTyped(v, known, d)
		return
	case known != nil && m.source[known] == v: // one name below two hosts of a file
		m.note(d.pos, fmt.Sprintf("%q goes by a name of %q, at %s", d.name, known.Name, known.Pos), "it is left out; correct one of the rows")
		v.left("a name of another host", 1, d.pos)
		return
	case known != nil:
		v.Known++
		m.complete(v, known, d)
		return
	}
	all, typed := len(d.addresses), false
	d.addresses = slices.DeleteFunc(d.addresses, func(a draftedAddress) bool {
		gone := m.taken(v, d, a)
		typed = typed || gone && m.source[m.byAddr[a.addr]] == nil
		return gone
	})
	switch {
	case all == 0 || len(d.addresses) > 0:
		m.add(v, d)
	case typed:
		v.Typed++
	default:
		v.Known++
	}
}

// knownAs is the host that a drafted one is: by its name or another name; by an address where one of the two has no other name.
func (m *importer) knownAs(d *drafted) *Host {
	if h := m.byName[strings.ToLower(d.name)]; h != nil {
		return h
	}
	for _, n := range d.names {
		if h := m.byName[strings.ToLower(n)]; h != nil {
			return h
		}
	}
	for _, a := range d.addresses {
		if h := m.byAddr[a.addr]; h != nil && (d.unnamed || m.unnamed[h]) {
			return h
		}
	}
	return nil
}

// fillTyped gives a host that is typed without addresses those of the inventory, and its operating system where that is open. What clients of DHCP call themselves gives nobody
// who is typed an address.
func (m *importer) fillTyped(v *Inventory, h *Host, d *drafted) {
	if v.Kind == string(inventory.DHCP) {
		return
	}
	if h.OS == "" {
		h.OS = d.os
	}
	if len(h.Addresses) > 0 {
		return
	}
	for _, a := range d.addresses {
		if !m.taken(v, d, a) {
			h.Addresses = append(h.Addresses, entryAt(a))
		}
	}
	m.place(h)
}

// list notes that an inventory lists a host.
func (m *importer) list(h *Host, at Pos) {
	if _, listed := m.site.listed.hosts[h]; !listed {
		m.site.listed.hosts[h] = at
	}
}

// taken says whether another host holds the address: one that is typed, or one of an earlier inventory where this one is leases, in which clients call themselves what they like.
func (m *importer) taken(v *Inventory, d *drafted, a draftedAddress) bool {
	h := m.byAddr[a.addr]
	switch {
	case h == nil:
		return false
	case m.source[h] == nil:
		m.list(h, d.pos)
		m.note(a.pos, fmt.Sprintf("%s of %q is typed as host %q, at %s", a.addr, d.name, h.Name, h.Pos), "what is typed holds; correct one of the two")
		return true
	case v.Kind == string(inventory.DHCP) && m.source[h] != v:
		m.note(a.pos, fmt.Sprintf("%s calls itself %q and is host %q, at %s", a.addr, d.name, h.Name, h.Pos), "the earlier inventory holds; correct one of the two")
		return true
	}
	return false
}

// complete adds to a host what its own inventory leaves open: addresses of a family that it has none of, names, roles, operating system. Where the two differ, the earlier holds.
func (m *importer) complete(v *Inventory, h *Host, d *drafted) {
	var had [2]bool
	for i := range h.Addresses {
		had[family(h.Addresses[i].span.first)] = true
	}
	for _, a := range d.addresses {
		switch {
		case slices.ContainsFunc(h.Addresses, func(e AddrEntry) bool { return e.span.first == a.addr }):
		case had[family(a.addr)]:
			m.note(a.pos, fmt.Sprintf("host %q has %s here and %s at %s", h.Name, a.addr, addressTexts(h), h.Pos), "the earlier inventory holds; correct one of the two or type the host in the site")
		case !m.taken(v, d, a):
			h.Addresses = append(h.Addresses, entryAt(a))
			if !d.unnamed {
				m.vouch++
			}
		}
	}
	if m.unnamed[h] && !d.unnamed {
		h.Name = d.name
		delete(m.unnamed, h)
	}
	m.place(h)
	for _, n := range d.names {
		if m.byName[strings.ToLower(n)] == nil {
			h.Names = append(h.Names, n)
		}
	}
	for _, r := range d.roles {
		if !slices.Contains(h.Roles, r) {
			h.Roles = append(h.Roles, r)
		}
	}
	switch {
	case h.OS == "":
		h.OS = d.os
	case d.os != "" && d.os != h.OS:
		m.note(d.pos, fmt.Sprintf("host %q is %s here and %s at %s", h.Name, d.os, h.OS, h.Pos), "the earlier inventory holds; correct one of the two or type the host in the site")
	}
	m.known(h)
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

func addressTexts(h *Host) string {
	var list []string
	for i := range h.Addresses {
		list = append(list, h.Addresses[i].Address)
	}
	return strings.Join(list, ", ")
}

func entryAt(a draftedAddress) AddrEntry {
	return AddrEntry{Address: a.addr.String(), Pos: a.pos, span: addrRange{a.addr, a.addr}}
}

// add gives the site a host.
func (m *importer) add(v *Inventory, d *drafted) {
	if m.hosts++; m.hosts > maxInventoryHosts {
		if m.hosts == maxInventoryHosts+1 {
			m.problems = append(m.problems, Problem{Pos: d.pos, What: fmt.Sprintf("more than %d hosts from inventories", maxInventoryHosts), Do: "export fewer, or declare networks of like hosts as one host by prefix"})
		}
		return
	}
	if len(m.slab) == 0 {
		m.slab = make([]Host, 256)
	}
	h := &m.slab[0]
	m.slab = m.slab[1:]
	*h = Host{Name: d.name, Addresses: make([]AddrEntry, 0, len(d.addresses)), OS: d.os, Roles: d.roles, Names: d.names, Pos: d.pos}
	if h.Roles == nil {
		h.Roles = []string{}
	}
	if h.Names == nil {
		h.Names = []string{}
	}
	for _, a := range d.addresses {
		h.Addresses = append(h.Addresses, entryAt(a))
	}
	m.place(h)
	v.Hosts++
	m.source[h] = v
	m.list(h, d.pos)
	m.known(h)
	if d.unnamed {
		m.unnamed[h] = true
	}
	m.site.Hosts = append(m.site.Hosts, h)
}

// place notes where a host and its addresses stand, for those who check them.
func (m *importer) place(h *Host) {
	m.places[h] = h.Pos
	for i := range h.Addresses {
		e := &h.Addresses[i]
		m.places[e] = e.Pos
		if m.byAddr[e.span.first] == nil {
			m.byAddr[e.span.first] = h
		}
	}
}
