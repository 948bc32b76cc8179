package rules

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
)

// partyWords name ends without a host.
var partyWords = []string{"any", "inside", "internet", "broadcast", "multicast"}

// isPartyWord says whether a name means something else than a host.
func isPartyWord(name string) bool {
	_, what, _ := parseAddresses(name)
	return slices.Contains(partyWords, name) || what == ""
}

// end checks the name of an end: one of the words, a host, an address, prefix or range, or (role) a qualified role.
func (k *siteChecker) end(text *string, entry any, role bool, words ...string) {
	switch {
	case *text == "":
		k.fail("an end is missing", "add from and to; any stands for everybody", entry)
	case slices.Contains(words, *text) || k.hosts[*text] != nil:
	case role && isRoleName(*text):
	default:
		if _, what, do := parseAddresses(*text); what != "" {
			if !strings.ContainsAny(*text, "/:") && strings.Trim(*text, "0123456789.-") != "" {
				what, do = fmt.Sprintf("unknown host %q", *text), meant(*text, append(k.hostList(), words...))
			}
			k.fail(what, do, text, entry)
		}
	}
}

// isRoleName says whether a name is a qualified role rather than a prefix.
func isRoleName(name string) bool {
	pack, role, ok := strings.Cut(name, "/")
	if _, err := netip.ParseAddr(pack); err == nil {
		return false
	}
	return ok && isName(pack) && isName(role)
}

// translations checks address translations by themselves.
func (k *siteChecker) translations() {
	for i := range k.site.Translations {
		t := &k.site.Translations[i]
		k.oneOf("kind", &t.Kind, t, translationWords...)
		if len(t.Inside) == 0 || len(t.Outside) == 0 {
			k.fail("a translation without inside or outside", "add both: what is behind it, and the addresses that the capture shows instead", t)
		}
		for j := range t.Inside {
			k.end(&t.Inside[j], t, false)
		}
		for j := range t.Outside {
			if _, _, what, do := parseOutside(t.Outside[j], t.Kind); what != "" {
				k.fail(what, do, &t.Outside[j])
			}
		}
		oneToOne := t.Kind == "static" || t.Kind == "destination"
		if oneToOne && len(t.Inside) != len(t.Outside) {
			k.fail(fmt.Sprintf("%d inside and %d outside entries of a %s translation", len(t.Inside), len(t.Outside), t.Kind), "list them in pairs: the first outside stands for the first inside", t)
		}
		if t.Port != 0 && t.Kind != "destination" {
			k.fail(fmt.Sprintf("a port in a %s translation", t.Kind), "remove it, or write kind: destination", &t.Port, t)
		}
		k.pairs(t, oneToOne)
	}
}

// pairs checks that what a one-to-one translation pairs has the same number of addresses.
func (k *siteChecker) pairs(t *Translation, oneToOne bool) {
	if !oneToOne || len(t.Inside) != len(t.Outside) {
		return
	}
	for i := range t.Inside {
		inside, what, _ := parseAddresses(t.Inside[i])
		outside, _, bad, _ := parseOutside(t.Outside[i], t.Kind)
		switch {
		case bad != "":
		case k.hosts[t.Inside[i]] != nil && !outside.single(), what == "" && k.hosts[t.Inside[i]] == nil && inside.compareSize(outside) != 0:
			k.fail(fmt.Sprintf("%s and %s have different numbers of addresses", t.Inside[i], t.Outside[i]), "pair an address or host with an address, a prefix with one of the same size", &t.Outside[i])
		}
	}
}

// parseOutside reads an outside entry: addresses, and for destination and static translations also "ADDR:PORT".
func parseOutside(text, kind string) (r addrRange, port uint16, what, do string) {
	if ap, err := netip.ParseAddrPort(text); err == nil && (kind == "destination" || kind == "static") {
		if _, what := parsePort(text[strings.LastIndexByte(text, ':')+1:]); what != "" {
			return r, 0, fmt.Sprintf("the port of %q %s", text, what), "write ADDRESS:PORT with a port from 1 to 65535"
		}
		a := ap.Addr().Unmap().WithZone("")
		return addrRange{a, a}, ap.Port(), "", ""
	}
	r, what, do = parseAddresses(text)
	return r, 0, what, do
}

func (k *siteChecker) vantage() {
	for i := range k.site.Vantage {
		v := &k.site.Vantage[i]
		if len(v.Sees) == 0 {
			k.fail(fmt.Sprintf("the vantage point %q sees nothing", v.Name), "add sees: pairs of from and to", v)
		}
		for j := range v.Sees {
			k.end(&v.Sees[j].From, &v.Sees[j], false, "any", "inside", "internet")
			k.end(&v.Sees[j].To, &v.Sees[j], false, "any", "inside", "internet")
		}
	}
}

func (k *siteChecker) background() {
	for i := range k.site.Background {
		b := &k.site.Background[i]
		k.ends(&b.From, &b.To, &b.Proto, b.Ports, b, "any", "internet", "broadcast", "multicast")
		if b.Reason == "" {
			k.fail("background without a reason", "add reason", b)
		}
		if b.From == "any" && b.To == "any" && b.Proto == "" && len(b.Ports) == 0 {
			k.fail("the background entry takes everything out of scope", "name an end, a protocol or ports", b)
		}
	}
}

// ends checks what background and exceptions have in common.
func (k *siteChecker) ends(from, to, proto *string, ports []string, entry any, words ...string) {
	k.end(from, entry, true, words...)
	k.end(to, entry, true, words...)
	k.oneOf("proto", proto, entry, protoWords("", "any")...)
	k.ports(ports, entry)
	if list := ProtoOf(*proto); len(ports) > 0 && len(list) > 0 && !list[0].HasPorts() {
		k.fail(fmt.Sprintf("%s has no ports", *proto), "remove ports", proto, entry)
	}
}

func (k *siteChecker) exceptions() {
	seen := map[string]*Exception{}
	for _, e := range k.site.Exceptions {
		if before := seen[e.ID]; before != nil {
			k.fail(fmt.Sprintf("exception %q is given twice, first at %s", e.ID, before.Pos), "give one of them another id", &e.ID, e)
		}
		seen[e.ID] = e
		for _, field := range []struct{ key, value string }{{"id", e.ID}, {"owner", e.Owner}, {"approver", e.Approver}, {"reason", e.Reason}, {"ticket", e.Ticket}, {"until", e.Until}} {
			if field.value == "" {
				k.fail(fmt.Sprintf("exception %q has no %s", e.ID, field.key), "add "+field.key+"; an exception says who answers for it, why, and until when", e)
			}
		}
		e.valid = k.interval(&e.Since, &e.Until, e)
		k.ends(&e.From, &e.To, &e.Proto, e.Ports, e, "any", "internet")
		k.breadth(e)
		if from := k.site.Period.valid.from; from != math.MinInt64 && e.valid.until <= from {
			k.warn(fmt.Sprintf("exception %q expired on %s, before the period", e.ID, e.Until), "renew or remove it", &e.Until, e)
		}
	}
}

// breadth warns of an exception that excuses more than a person can have meant.
func (k *siteChecker) breadth(e *Exception) {
	one := func(end string) bool {
		r, what, _ := parseAddresses(end)
		return k.hosts[end] != nil || what == "" && r.single()
	}
	switch {
	case e.From == "any" && e.To == "any":
		k.warn(fmt.Sprintf("exception %q is from any to any", e.ID), "name at least one end", e)
	case len(e.Ports) == 0 && e.Proto != "icmp" && !one(e.From) && !one(e.To):
		k.warn(fmt.Sprintf("exception %q names neither ports nor a host", e.ID), "add ports or name a host", e)
	}
}
