package survey

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// host is one or several addresses that belong to one machine, as far as the capture shows.
type host struct {
	addrs      []netip.Addr // sorted; the first one stands for the host
	together   string       // why several addresses are one host; "" for one
	known      *rules.Host  // of the site that is to be updated
	documented []string     // qualified roles that packs or site give to the address without a word of this draft
	fixed      bool         // a pack names the very address: it is no host of the site
	inside     bool
	candidates roleSet // roles that some exchange would give it
	hinted     roleSet // those that its name speaks of
	roles      roleSet
	in, out    []*use // exchanges to and from it
	tally

	weight, next []float64 // by role; see weigh

	name, nameFrom string
}

// hosts joins the addresses that took part in exchanges to hosts, in the order of their first addresses.
func (s *Survey) hosts(used map[netip.Addr]bool) []*host {
	addrs := make([]netip.Addr, 0, len(used))
	for a := range used {
		addrs = append(addrs, a)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	partner := s.partners(addrs)
	byKnown := map[*rules.Host]*host{}
	var list []*host
	joined := map[netip.Addr]*host{}
	for _, a := range addrs {
		m := s.set.Lookup(a, 0)
		h := joined[a]
		if h == nil && m.Host != nil {
			h = byKnown[m.Host]
		}
		if h == nil {
			h = &host{known: m.Host}
			list = append(list, h)
			if m.Host != nil {
				byKnown[m.Host] = h
			}
		}
		h.addrs = append(h.addrs, a)
		for _, r := range m.Roles {
			if r.By == rules.ByReserved {
				continue
			}
			if !slices.Contains(h.documented, r.Role) {
				h.documented = append(h.documented, r.Role)
			}
			h.fixed = h.fixed || m.Host == nil && r.By == rules.ByAddress
		}
		for _, behind := range m.Behind { // their address is a translation, which the site knows
			h.fixed = h.fixed || m.Host == nil
			h.documented = append(h.documented, behind.Roles...)
		}
		s.documentByName(h, a)
		if p, ok := partner[a]; ok && m.Host == nil && joined[p.of] == nil {
			joined[p.of] = h
			h.together = p.why
		}
	}
	s.nameHosts(list)
	return list
}

// documentByName gives a host the roles of the documented names that DNS told for its address.
func (s *Survey) documentByName(h *host, a netip.Addr) {
	for _, n := range s.names[a] {
		if n.origin != flow.NameDNS {
			continue
		}
		if m := s.set.ByName(strings.ToLower(n.text)); m != nil && m.Host == nil {
			h.documented = append(h.documented, m.Roles...)
			h.fixed = h.fixed || h.known == nil
		}
	}
}

// partnership says that an address and another one belong to one machine.
type partnership struct {
	of  netip.Addr
	why string
}

// partners finds pairs of an IPv4 and an IPv6 address of one machine: only these two share an address of the link layer there, or a name that DNS gave.
func (s *Survey) partners(addrs []netip.Addr) map[netip.Addr]partnership {
	byLink, byName := map[string][]netip.Addr{}, map[string][]netip.Addr{}
	for _, a := range addrs {
		if k := s.stacks[a]; k != nil && k.links == 1 && !slices.ContainsFunc(k.kinds, func(k stackCount) bool { return k.Hops != initialHops(k.Hops) }) {
			byLink[string(k.link[:])] = append(byLink[string(k.link[:])], a)
		}
		for _, n := range s.names[a] {
			if n.origin == flow.NameDNS {
				byName[n.text] = append(byName[n.text], a)
			}
		}
	}
	found := map[netip.Addr]partnership{}
	join := func(groups map[string][]netip.Addr, why string) {
		for _, key := range sortedKeys(groups) {
			if g := groups[key]; len(g) == 2 && g[0].Is4() && g[1].Is6() {
				if _, taken := found[g[0]]; !taken {
					found[g[0]] = partnership{g[1], why}
				}
			}
		}
	}
	join(byLink, "they send from one network card")
	join(byName, "DNS gives both one name")
	return found
}

// nameRank orders where a name comes from, best first; a claim of others comes last.
var nameRank = map[flow.NameOrigin]int{flow.NameDNS: 0, flow.NameNetBIOS: 1, flow.NameDHCP: 2, flow.NameInCapture: 3, flow.NameReverse: 4, flow.NameSNI: 5, flow.NameHTTP: 6}

// nameHosts gives each host a name that no other has: the first label of the best one in the capture, all of it where the label is taken, else its address.
func (s *Survey) nameHosts(list []*host) {
	taken := map[string]bool{"any": true, "inside": true, "internet": true, "broadcast": true, "multicast": true}
	if s.set.Site != nil {
		for _, h := range s.set.Site.Hosts {
			taken[h.Name] = true
		}
	}
	for _, h := range list {
		if h.known != nil {
			h.name = h.known.Name
			continue
		}
		for _, n := range s.namesOf(h) {
			full := strings.ToLower(n.text)
			label, _, _ := strings.Cut(full, ".")
			for _, text := range []string{label, full} {
				if h.name == "" && !taken[text] && usableName(text) {
					h.name, h.nameFrom = text, n.origin.String()
				}
			}
		}
		if h.name == "" {
			h.name = "host-" + strings.NewReplacer(":", "-").Replace(h.addrs[0].String())
		}
		for base, n := h.name, 2; taken[h.name]; n++ {
			h.name = fmt.Sprintf("%s-%d", base, n)
		}
		taken[h.name] = true
	}
}

// namesOf are the names of a host, best first.
func (s *Survey) namesOf(h *host) []name {
	var all []name
	for _, a := range h.addrs {
		all = append(all, s.names[a]...)
	}
	slices.SortStableFunc(all, func(a, b name) int {
		return cmp.Or(cmp.Compare(nameRank[a.origin], nameRank[b.origin]), cmp.Compare(b.told, a.told), strings.Compare(a.text, b.text))
	})
	return all
}

// usableName says whether a text may name a host of a site. It has letters and no colon, so that it is no address, prefix or range.
func usableName(text string) bool { return len(text) <= 63 && hostForm(text) }

// hostForm says whether a text has the form of a host name: letters, digits, hyphens and underscores in labels, and some letter.
func hostForm(text string) bool {
	if text == "" || len(text) > flow.MaxFactValue || strings.Trim(text, "0123456789.") == "" {
		return false
	}
	for _, label := range strings.Split(text, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return false
		}
	}
	return true
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
