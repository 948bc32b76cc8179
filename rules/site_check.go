package rules

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
)

// siteChecker checks one site by itself and parses its values.
type siteChecker struct {
	checker
	site  *Site
	hosts map[string]*Host
	known map[string]*Host // by names
	list  []string         // names of the hosts, sorted; nil until asked for
}

// checkSite reports what is wrong with a site as read, without regard to packs.
func checkSite(s *Site, c checker) []Problem {
	k := &siteChecker{checker: c, site: s, hosts: map[string]*Host{}, known: map[string]*Host{}}
	k.oneOf("status", (*string)(&s.Status), &s.Status, statusWords...)
	k.networks()
	if len(s.Hosts) == 0 {
		k.fail("the site has no hosts", "add hosts with addresses and roles, or hosts_from with inventories that list some", &s.Hosts)
	}
	for _, h := range s.Hosts {
		k.host(h)
	}
	k.equalEntries()
	k.conditions()
	k.overrides()
	k.unencrypted()
	k.dynamic()
	k.proxies()
	k.translations()
	k.installed()
	k.captures()
	k.vantage()
	k.judgedTime()
	k.expectations()
	k.background()
	k.exceptions()
	k.localFlows()
	if l := s.Limits.LossPercent; l != nil && (math.IsNaN(*l) || *l < 0 || *l > MaxLossPercent) {
		k.fail(fmt.Sprintf("loss_percent is %v", *l), fmt.Sprintf("write 0 to %v; a site may only tighten the bound", MaxLossPercent), l)
	}
	return k.problems
}

// MaxLossPercent is the share of lost packets above which nothing is said to be missing; a site may lower it.
const MaxLossPercent = 1.0

func (k *siteChecker) networks() {
	for i := range k.site.Networks {
		text := &k.site.Networks[i]
		r, what, do := parseAddresses(*text)
		switch {
		case what != "":
			k.fail(what, do, text)
		case len(r.prefixes()) != 1:
			k.fail(fmt.Sprintf("%q is no prefix", *text), "write the networks as prefixes", text)
		}
		if before := slices.Index(k.site.Networks, *text); before < i {
			k.fail(fmt.Sprintf("network %s is given twice, first at %s", *text, k.places.at(&k.site.Networks[before])), "keep one", text)
		}
	}
}

// host checks one host and parses its addresses.
func (k *siteChecker) host(h *Host) {
	switch before := k.hosts[h.Name]; {
	case h.Name == "":
		k.fail("a host without a name", "add name", h)
	case before != nil:
		k.fail(fmt.Sprintf("host %q is given twice, first at %s", h.Name, k.places.at(before)), "merge the two or give one another name", &h.Name, h)
	case isPartyWord(h.Name) || strings.Contains(h.Name, "/"):
		k.fail(fmt.Sprintf("%q cannot name a host", h.Name), "choose a name that is no address, no role and none of any, inside, internet, broadcast, multicast", &h.Name, h)
	default:
		k.hosts[h.Name] = h
	}
	if len(h.Addresses) == 0 && len(h.Names) == 0 {
		k.fail(fmt.Sprintf("host %q has no addresses", h.Name), "add addresses: an address, a prefix or a range; or names, if nothing else is known", h)
	}
	for i := range h.Addresses {
		k.address(&h.Addresses[i])
	}
	k.oneOf("os", &h.OS, h, append(slices.Clone(osNames), "")...)
	if h.SourceRange != "" {
		r, what := parsePortRange(h.SourceRange)
		if what != "" {
			k.fail(fmt.Sprintf("source_range %q %s", h.SourceRange, what), "write FIRST-LAST with ports from 1 to 65535", &h.SourceRange)
		}
		h.ephemeral = r
	}
	k.names(h)
	for i := range h.Roles {
		pack, role, ok := strings.Cut(h.Roles[i], "/")
		if !ok || !isName(pack) || !isName(role) {
			k.fail(fmt.Sprintf("%q is no qualified role", h.Roles[i]), qualifiedAdvice("role", h.Roles[i], roleNames), &h.Roles[i])
		}
		if before := slices.Index(h.Roles, h.Roles[i]); before < i {
			k.fail(fmt.Sprintf("role %q is given twice, first at %s", h.Roles[i], k.places.at(&h.Roles[before])), "keep one", &h.Roles[i])
		}
	}
}

func (k *siteChecker) address(e *AddrEntry) {
	e.valid = k.interval(&e.From, &e.Until, e)
	r, what, do := parseAddresses(e.Address)
	switch {
	case e.Address == "":
		k.fail("an address entry without an address", "add address", e)
	case what != "":
		k.fail(what, do, &e.Address, e)
	case r.first.IsUnspecified() || r.contains(limitedBroadcast) || r.last.IsMulticast() || r.first.IsMulticast():
		k.fail(fmt.Sprintf("%s is no host's address", e.Address), "use the reserved roles broadcast and multicast in flows", &e.Address, e)
	default:
		e.span = r
	}
}

// entryOf is an address entry with its host.
type entryOf struct {
	*AddrEntry
	host *Host
}

// equalEntries reports entries of two hosts that cover an address equally well at the same time.
func (k *siteChecker) equalEntries() {
	var all []entryOf
	for _, h := range k.site.Hosts {
		for i := range h.Addresses {
			if h.Addresses[i].span.first.IsValid() {
				all = append(all, entryOf{&h.Addresses[i], h})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b entryOf) int {
		return cmp.Or(a.span.compareSize(b.span), a.span.first.Compare(b.span.first))
	})
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.span.compareSize(b.span) != 0 || !a.span.overlaps(b.span) || len(k.problems) > maxProblems {
				break
			}
			if a.host == b.host || !a.valid.overlaps(b.valid) {
				continue
			}
			do := "remove one, or give the two validities that do not meet"
			if b.Pos.File != k.file {
				do = "correct the inventory, or type the host that has it in the site: what is typed holds"
			} else if b.Pos.Line < a.Pos.Line {
				a, b = b, a
			}
			k.fail(fmt.Sprintf("%s of host %q is also an entry of host %q, at %s", b.Address, b.host.Name, a.host.Name, a.Pos), do, b.AddrEntry)
		}
	}
}

// hostList is the names of the hosts, for advice.
func (k *siteChecker) hostList() []string {
	if k.list == nil {
		k.list = keys(k.hosts)
	}
	return slices.Clip(k.list)
}

// hostNames checks a list of host names.
func (k *siteChecker) hostNames(names []string) {
	for i := range names {
		if k.hosts[names[i]] == nil {
			k.fail(fmt.Sprintf("unknown host %q", names[i]), meant(names[i], k.hostList()), &names[i])
		}
	}
}

func (k *siteChecker) conditions() {
	for i := range k.site.Conditions {
		c := &k.site.Conditions[i]
		c.valid = k.interval(&c.From, &c.Until, c)
		k.oneOf("state", &c.State, c, stateWords...)
		for j := range i {
			if o := &k.site.Conditions[j]; o.Name == c.Name && o.valid.overlaps(c.valid) {
				k.fail(fmt.Sprintf("condition %q is set twice for the same time, first at %s", c.Name, k.places.at(o)), "remove one, or give the two from and until that do not meet", c)
			}
		}
	}
}

func (k *siteChecker) overrides() {
	for i := range k.site.Ports {
		o := &k.site.Ports[i]
		if len(o.Ports) == 0 {
			k.fail("a port override without ports", "add ports", o)
		}
		k.ports(o.Ports, o, "dynamic")
		k.hostNames(o.To)
		for j := range i {
			before := &k.site.Ports[j]
			same := len(o.To) == 0 && len(before.To) == 0 || slices.ContainsFunc(o.To, func(h string) bool { return slices.Contains(before.To, h) })
			if before.Flow == o.Flow && same {
				k.fail(fmt.Sprintf("the ports of %q are overridden twice for one responder, first at %s", o.Flow, k.places.at(before)), "keep one", o)
			}
		}
	}
}

func (k *siteChecker) proxies() {
	for i := range k.site.Proxies {
		p := &k.site.Proxies[i]
		if k.hosts[p.Host] == nil {
			k.fail(fmt.Sprintf("unknown host %q", p.Host), meant(p.Host, k.hostList()), &p.Host, p)
		}
		if len(p.Ports) == 0 {
			k.fail("a proxy without ports", "add ports: those on which it accepts connections", p)
		}
		k.ports(p.Ports, p)
	}
}

// judgedTime checks period and hours.
func (k *siteChecker) judgedTime() {
	p := &k.site.Period
	p.valid = k.interval(&p.From, &p.Until, p)
	for i := range k.site.Hours {
		k.window(&k.site.Hours[i])
	}
}

func (k *siteChecker) expectations() {
	for i := range k.site.Expect {
		e := &k.site.Expect[i]
		if e.Period == "" && e.Every == "" {
			k.fail(fmt.Sprintf("the expectation of %q does not say when", e.Flow), "add in: period, in: not, or a schedule such as every: night", e)
		}
		k.oneOf("in", &e.Period, e, expectWords...)
		e.schedule = k.schedule(e)
		k.hostNames(e.Hosts)
		for j := range i {
			before := &k.site.Expect[j]
			same := len(e.Hosts) == 0 && len(before.Hosts) == 0 || slices.ContainsFunc(e.Hosts, func(h string) bool { return slices.Contains(before.Hosts, h) })
			if before.Flow == e.Flow && same {
				k.fail(fmt.Sprintf("the site says twice when %q is expected of the same hosts, first at %s", e.Flow, k.places.at(before)), "keep one", e)
			}
		}
		if e.Reason == "" {
			k.fail(fmt.Sprintf("the expectation of %q has no reason", e.Flow), "add reason", e)
		}
	}
}

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
