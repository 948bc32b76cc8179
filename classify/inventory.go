package classify

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of what an audit says of inventories.
const (
	maxUnseen       = 10_000  // hosts named that were not seen
	maxUnlisted     = 1000    // addresses named that are in no inventory
	maxUnlistedKept = 1 << 16 // of them remembered while packets are read
)

// InventoryRef identifies an inventory that the site has hosts from.
type InventoryRef struct {
	File   string `json:"file"` // from where the site file is named
	Kind   string `json:"kind"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	Rows   int    `json:"rows"`
	Hosts  int    `json:"hosts"`    // that the site has from it alone
	Left   int    `json:"left_out"` // rows
}

// Inventory holds what was seen against the inventories of the site. It changes no verdict and no result.
type Inventory struct {
	Hosts        int               `json:"hosts"` // that an inventory lists
	Seen         int               `json:"seen"`  // of them, that sent something; in a combined audit of long lists at least as many
	Unseen       []UnseenHost      `json:"not_seen"`
	MoreUnseen   int               `json:"more_not_seen"`
	Doubt        string            `json:"doubt"` // why not to be seen proves little in this capture; ""
	Unlisted     []UnlistedAddress `json:"in_no_inventory"`
	MoreUnlisted int               `json:"more_in_no_inventory"`
	Unkept       uint64            `json:"in_no_inventory_unkept"` // connections of further ones, which there was no room for
}

// UnseenHost is a host of an inventory that sent nothing in this capture.
type UnseenHost struct {
	Host   string `json:"host"`
	Listed string `json:"listed"` // "servers.csv:17"
	Reason string `json:"reason"` // what its absence says
}

// UnlistedAddress is an address inside the site that sent something, and that neither an inventory nor the site has.
type UnlistedAddress struct {
	Address     string `json:"address"`
	Connections uint64 `json:"connections"` // in which it sent something
}

// What the absence of a host says, the plainest first.
const (
	unseenInSight  = "not seen, though traffic of its network was"
	unseenVantage  = "not seen, though the vantage points of the site see its network, in part or as a whole"
	unseenUnknown  = "not seen, and nothing shows that the capture point sees its network"
	unseenFiltered = "not seen: the filter of this audit leaves it out"
	unseenHidden   = "not seen: it is behind a source translation"
	unseenByName   = "not seen: it is known by its name alone, and no name in the capture was its own"
	unseenCrowded  = "not seen among the hosts that there was room to remember"
)

// unlisted counts connections of addresses that no host of the site has. A set without inventories keeps nothing.
type unlisted struct {
	on     bool
	of     map[netip.Addr]uint64
	named  map[netip.Addr]bool // a host of the site by their names
	unkept uint64
}

func newUnlisted(set *rules.Set) unlisted {
	return unlisted{on: set.Site != nil && len(set.Site.HostsFrom) > 0, of: map[netip.Addr]uint64{}, named: map[netip.Addr]bool{}}
}

// add notes who sent something in the period.
func (u *unlisted) add(a *Auditor, c *flow.Conn, j *judged) {
	if !u.on || j.why&(whyOutsidePeriod|whyOutside) != 0 {
		return
	}
	orig, resp, v := c.OrigPackets > 0, c.RespPackets > 0, &j.view
	if v.from != c.Orig {
		orig, resp = resp, orig
	}
	if orig {
		u.saw(a, v.orig, v.from.Addr())
	}
	if resp {
		u.saw(a, v.resp, v.to.Addr())
	}
}

func (u *unlisted) saw(a *Auditor, m *rules.Membership, addr netip.Addr) {
	switch {
	case m.Host != nil:
		if len(m.Host.Names) > 0 && len(u.named) < maxUnlistedKept && !m.Host.HasAddress(addr) {
			u.named[addr] = true
		}
	case !m.Inside || m.Translation != "" || addr.IsUnspecified() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || isGroup(m, addr):
	case a.set.Site.ListsAddress(addr):
	case u.of[addr] > 0 || len(u.of) < maxUnlistedKept:
		u.of[addr]++
	default:
		u.unkept++
	}
}

func (a *Auditor) inventoryRefs() []InventoryRef {
	var list []InventoryRef
	for _, v := range a.set.Site.HostsFrom {
		ref := InventoryRef{File: v.Path, Kind: v.Kind, SHA256: v.SHA256, Size: v.Size, Rows: v.Rows, Hosts: v.Hosts}
		for _, l := range v.Left {
			ref.Left += l.Rows
		}
		list = append(list, ref)
	}
	return list
}

// inventory holds the hosts of the inventories against those seen; nil where the site has none.
func (a *Auditor) inventory(w *window) *Inventory {
	if !a.unlisted.on {
		return nil
	}
	out := &Inventory{Unseen: []UnseenHost{}, Unlisted: []UnlistedAddress{}, Doubt: cmp.Or(w.blind, w.uncovered), Unkept: a.unlisted.unkept}
	for _, h := range a.set.Site.Hosts {
		pos, ok := a.set.Site.Listed(h)
		if !ok {
			continue
		}
		out.Hosts++
		switch {
		case len(a.people[h]) > 0:
			out.Seen++
		case len(out.Unseen) == maxUnseen:
			out.MoreUnseen++
		default:
			out.Unseen = append(out.Unseen, UnseenHost{h.Name, fmt.Sprintf("%s:%d", pos.File, pos.Line), a.unseenReason(h)})
		}
	}
	for addr, n := range a.unlisted.of {
		if !a.unlisted.named[addr] {
			out.Unlisted = append(out.Unlisted, UnlistedAddress{addr.String(), n})
		}
	}
	out.sort()
	out.fold()
	return out
}

// unseenReason says what it means that a host was not seen.
func (a *Auditor) unseenReason(h *rules.Host) string {
	exact := a.exactAddresses(party{host: h})
	switch {
	case a.set.Hidden(h):
		return unseenHidden
	case len(h.Addresses) == 0:
		return unseenByName
	case !a.shows(exact, nil, nil):
		return unseenFiltered
	case a.sight.unkept > 0:
		return unseenCrowded
	case !slices.ContainsFunc(a.addresses(party{host: h}), a.inSight):
		return unseenUnknown
	case len(a.set.Site.Vantage) > 0:
		return unseenVantage
	}
	return unseenInSight
}

// inSight says whether the capture would show an address: by the site's vantage points, else as two-way traffic of its network was seen.
func (a *Auditor) inSight(addr netip.Addr) bool {
	if len(a.set.Site.Vantage) == 0 {
		return a.sight.reached[a.sight.network(addr)]
	}
	others := []netip.Addr{outsideAddress(addr)}
	for _, n := range a.sight.networks {
		others = append(others, n.Addr())
	}
	return slices.ContainsFunc(others, func(to netip.Addr) bool {
		there, back := a.set.Sees(addr, to), a.set.Sees(to, addr)
		return there == rules.Seen || there == rules.SeenOneWay || back == rules.Seen
	})
}

// sort puts hosts in the order of their names, and addresses in their own.
func (v *Inventory) sort() {
	slices.SortFunc(v.Unseen, func(a, b UnseenHost) int {
		return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Listed, b.Listed))
	})
	slices.SortFunc(v.Unlisted, func(a, b UnlistedAddress) int {
		x, _ := netip.ParseAddr(a.Address)
		y, _ := netip.ParseAddr(b.Address)
		return cmp.Or(x.Compare(y), cmp.Compare(a.Address, b.Address))
	})
}

// fold cuts the lists to what an audit names.
func (v *Inventory) fold() {
	if more := len(v.Unseen) - maxUnseen; more > 0 {
		v.Unseen, v.MoreUnseen = v.Unseen[:maxUnseen], v.MoreUnseen+more
	}
	if more := len(v.Unlisted) - maxUnlisted; more > 0 {
		v.Unlisted, v.MoreUnlisted = v.Unlisted[:maxUnlisted], v.MoreUnlisted+more
	}
}

// inventory merges those of the audits: a host counts as not seen where none of them saw it.
func (c *combination) inventory() *Inventory {
	var out *Inventory
	absent, reason, times := map[UnseenHost]int{}, map[UnseenHost]string{}, 0
	fewest := -1
	addresses := map[string]uint64{}
	for _, s := range c.list {
		v := s.Audit.Inventory
		if v == nil {
			continue
		}
		if times++; out == nil {
			out = &Inventory{Unseen: []UnseenHost{}, Unlisted: []UnlistedAddress{}}
		}
		out.Hosts, out.Unkept, out.MoreUnlisted = max(out.Hosts, v.Hosts), out.Unkept+v.Unkept, out.MoreUnlisted+v.MoreUnlisted
		out.Doubt = cmp.Or(out.Doubt, v.Doubt)
		for _, h := range v.Unseen {
			key := UnseenHost{Host: h.Host, Listed: h.Listed}
			absent[key]++
			if r := reason[key]; r == "" || h.Reason == unseenInSight || h.Reason == unseenVantage {
				reason[key] = h.Reason
			}
		}
		if n := len(v.Unseen) + v.MoreUnseen; fewest < 0 || n < fewest {
			fewest = n
		}
		if v.MoreUnseen > 0 {
			out.MoreUnseen = 1 // settled below
		}
		for _, u := range v.Unlisted {
			addresses[u.Address] += u.Connections
		}
	}
	if out == nil {
		return nil
	}
	for key, n := range absent {
		if n == times {
			key.Reason = reason[UnseenHost{Host: key.Host, Listed: key.Listed}]
			out.Unseen = append(out.Unseen, key)
		}
	}
	if out.MoreUnseen > 0 { // lists were cut: no more than the shortest has
		out.MoreUnseen = max(0, fewest-len(out.Unseen))
	}
	out.Seen = out.Hosts - len(out.Unseen) - out.MoreUnseen
	for addr, n := range addresses {
		out.Unlisted = append(out.Unlisted, UnlistedAddress{addr, n})
	}
	out.sort()
	out.fold()
	return out
}

// sameInventories says which inventory of two sites is not the same; "" if all are.
func sameInventories(a, b *SiteRef) string {
	for i := range max(len(a.Inventories), len(b.Inventories)) {
		switch {
		case i >= len(b.Inventories):
			return a.Inventories[i].File
		case i >= len(a.Inventories) || a.Inventories[i].SHA256 != b.Inventories[i].SHA256:
			return b.Inventories[i].File
		}
	}
	return ""
}
