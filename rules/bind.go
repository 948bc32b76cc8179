package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// hosts numbers the site's hosts and gives them their roles.
func (b *binder) hosts() {
	s := b.set
	mapped := b.mappedRoles()
	for i, h := range s.Site.Hosts {
		s.number[h] = uint32(i + 1)
		for j := range h.Roles {
			if _, ok := s.roleIDs[h.Roles[j]]; ok || !mapped[h.Roles[j]] && b.resolve(&b.checker, "role", &h.Roles[j], roleNames, h) {
				b.bind(h, h.Roles[j])
			}
		}
		if _, ok := s.roleIDs[hostRole+h.Name]; ok {
			b.bind(h, hostRole+h.Name)
		}
		for j := range h.Addresses {
			e := entryOf{&h.Addresses[j], h}
			for _, prefix := range e.span.prefixes() {
				s.entries.Modify(prefix, func(list []entryOf, _ bool) ([]entryOf, bool) { return append(list, e), false })
			}
			if e.span.single() {
				for _, r := range s.documentedRoles(e.span.first) {
					if r.spread == 0 {
						b.bindDocumented(h, s.roles[r.role])
					}
				}
			}
		}
		slices.Sort(s.hostRole[h])
	}
}

// mappedRoles are the roles that rules for inventories give and that are none of the chosen packs'. What is wrong with them is said where the rule stands, not at every host.
func (b *binder) mappedRoles() map[string]bool {
	unbound := map[string]bool{}
	for _, v := range b.set.Site.HostsFrom {
		for i := range v.Roles {
			r := &v.Roles[i]
			for j := range r.Roles {
				if _, ok := b.set.roleIDs[r.Roles[j]]; !ok {
					b.resolve(&b.checker, "role", &r.Roles[j], roleNames, r)
					unbound[r.Roles[j]] = true
				}
			}
		}
	}
	return unbound
}

func (b *binder) bind(h *Host, role string) {
	b.set.hostRole[h] = append(b.set.hostRole[h], b.set.roleIDs[role])
	b.bindDocumented(h, role)
}

// bindDocumented lists a host under a role without making the role part of the host: it follows from the address.
func (b *binder) bindDocumented(h *Host, role string) {
	if list := b.set.hostsOf[role]; len(list) == 0 || list[len(list)-1] != h { // hosts come one after the other
		b.set.hostsOf[role] = append(list, h)
	}
}

// bound reports a site that has nothing to do with the chosen packs.
func (b *binder) bound() {
	var without, with []string
	for _, p := range b.set.Packs {
		if p.Kind != Vendor {
			continue
		}
		if slices.ContainsFunc(p.Roles, func(r Role) bool { return len(b.set.hostsOf[p.Name+"/"+r.Name]) > 0 }) {
			with = append(with, p.Name)
		} else {
			without = append(without, p.Name)
		}
	}
	switch {
	case len(without) == 0:
	case len(with) == 0:
		b.fail(fmt.Sprintf("the site binds no role of %s", strings.Join(without, ", ")), "give hosts roles of these packs, or choose the packs that the site is about with --rules", &b.set.Site.Hosts)
	default:
		b.warn(fmt.Sprintf("the site binds no role of %s", strings.Join(without, ", ")), "give hosts roles of these packs or leave them out of --rules", &b.set.Site.Hosts)
	}
}

// flowNamed resolves "pack/flow"; nil for a mistake and for a flow of a pack that is not chosen.
func (b *binder) flowNamed(text *string, entry any) *compiledFlow {
	if !b.resolve(&b.checker, "flow", text, flowNames, entry) {
		return nil
	}
	return b.set.byRef[*text]
}

func (b *binder) hostSet(names []string) map[*Host]bool {
	if len(names) == 0 {
		return nil
	}
	set := map[*Host]bool{}
	for _, name := range names {
		set[b.byName[name]] = true
	}
	return set
}

// sitePorts applies port overrides and proxies.
func (b *binder) sitePorts() {
	for i := range b.set.Site.Ports {
		o := &b.set.Site.Ports[i]
		f := b.flowNamed(&o.Flow, o)
		if f == nil {
			continue
		}
		unstated := slices.Contains(f.Flow.Ports, "unstated")
		if unstated && (o.Source == "" || o.Approver == "") {
			b.fail(fmt.Sprintf("the document of %s states no port, and the override has no source or approver", f.Ref()), "add source (where the port is known from) and approver", o)
		}
		if !unstated && !f.Configurable {
			b.warn(fmt.Sprintf("the document does not say that the port of %s can be changed", f.Ref()), "check the override; it is applied", o)
		}
		if !unstated && len(f.Flow.Ports) == 0 {
			b.fail(fmt.Sprintf("%s has no ports", f.Ref()), "remove the override", o)
		}
		var c checker
		over := override{b.hostSet(o.To), c.ports(o.Ports, o, "dynamic")}
		f.overrides = append(f.overrides, over)
		for h := range over.hosts {
			b.set.special[h] = true
		}
	}
	for i := range b.set.Site.Proxies {
		b.proxy(&b.set.Site.Proxies[i])
	}
}

func (b *binder) proxy(p *Proxy) {
	host := b.byName[p.Host]
	var flows []*compiledFlow
	for i := range p.Flows {
		if f := b.flowNamed(&p.Flows[i], p); f != nil {
			if !f.Proxy {
				b.fail(fmt.Sprintf("the document does not say that %s may run through a proxy", f.Ref()), "remove it here", &p.Flows[i])
			}
			flows = append(flows, f)
		}
	}
	if len(p.Flows) == 0 {
		for _, f := range b.set.ordered {
			if f.Proxy {
				flows = append(flows, f)
			}
		}
	}
	var c checker
	specs := c.ports(p.Ports, p)
	for _, f := range flows {
		if f.proxies == nil {
			f.proxies = map[*Host][]portSpec{}
		}
		f.proxies[host] = append(f.proxies[host], specs...)
		if !slices.Contains(b.set.proxied[host], f) {
			b.set.proxied[host] = append(b.set.proxied[host], f)
		}
	}
	b.set.special[host] = true
}

// siteTimes indexes conditions, expectations and hours.
func (b *binder) siteTimes() {
	s := b.set
	for i := range s.Site.Conditions {
		c := &s.Site.Conditions[i]
		if b.resolve(&b.checker, "condition", &c.Name, conditionNames, c) {
			s.conditions[c.Name] = append(s.conditions[c.Name], c)
		}
	}
	for i := range s.Site.Expect {
		e := &s.Site.Expect[i]
		if f := b.flowNamed(&e.Flow, e); f != nil {
			s.expects[e.Flow] = append(s.expects[e.Flow], e)
		}
	}
	for i := range s.Site.Hours {
		h := &s.Site.Hours[i]
		var c checker
		w := c.window(h)
		for j := range h.Flows {
			if pack, all := strings.CutSuffix(h.Flows[j], "/*"); all {
				if b.known[pack] == nil && !slices.Contains(builtinNames(), pack) {
					b.fail(fmt.Sprintf("unknown pack %q", pack), packAdvice(pack, keys(b.known)), &h.Flows[j])
				}
			} else if b.flowNamed(&h.Flows[j], h) == nil {
				continue
			}
			s.hours[h.Flows[j]] = append(s.hours[h.Flows[j]], w)
		}
		if len(h.Flows) == 0 {
			s.hours[""] = append(s.hours[""], w)
		}
	}
}

// alwaysInside are addresses that never leave a link or a machine.
var alwaysInside = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("::/128"), netip.MustParsePrefix("255.255.255.255/32")}

// privateRanges are inside where a site states no networks: RFC 1918 and RFC 4193.
var privateRanges = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7")}

// addresses fills what is inside and which addresses are broadcast ones.
func (b *binder) addresses() {
	s := b.set
	for _, p := range alwaysInside {
		s.inside.Insert(p)
	}
	if s.Site == nil || len(s.Site.Networks) == 0 {
		s.networks = slices.Clone(privateRanges)
	}
	if s.Site != nil {
		for _, text := range s.Site.Networks {
			r, _, _ := parseAddresses(text)
			s.networks = append(s.networks, r.prefixes()...)
		}
		for _, h := range s.Site.Hosts {
			for i := range h.Addresses {
				for _, p := range h.Addresses[i].span.prefixes() {
					if len(s.Site.Networks) == 0 {
						s.inside.Insert(p)
					}
					b.broadcast(p)
				}
			}
		}
	}
	for _, p := range s.networks {
		s.inside.Insert(p)
		b.broadcast(p)
	}
}

// broadcast notes the directed broadcast address of an IPv4 network.
func (b *binder) broadcast(p netip.Prefix) {
	if p.Addr().Is4() && p.Bits() <= 30 {
		b.set.broadcasts[prefixRange(p).last] = true
	}
}
