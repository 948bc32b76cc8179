package classify

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"pcapaudit/rules"
)

// expected is one documented flow as this site's hosts are to use it.
type expected struct {
	flow       *rules.Flow
	state      rules.State   // of its condition over the period
	hosts      []*rules.Host // of the to roles
	reserved   []string      // to roles that everybody or a group plays
	documented []netip.Addr  // of the to roles, by the pack
	untestable string        // why no host's use can be tested; "" if it can
}

// verdictOn is the status of an expectation for one originating host.
type verdictOn struct {
	party   party
	status  status
	reason  string
	cause   cause // of not-testable
	due     due   // what its schedule shows
	tried   []seen
	named   bool // of some connection of the host this was the flow, not one shared with it
	decides bool // counts for the result: missing and attempted as a deviation, not-testable as inconclusive
}

// statusOf is the procedure of the status: the first that holds. t is nil where the host never used the flow.
func (a *Auditor) statusOf(x *expected, p party, t *tracked, w *window) verdictOn {
	s := verdictOn{party: p}
	if t != nil {
		s.named, s.tried = t.named, t.tried
	}
	need, now := a.required(x, p)
	lack := a.lacking(x, p, t)
	s.due = a.due(x.flow, p, w)
	used := lack == nil
	switch {
	case used && s.due.lacks():
		lack = a.lacking(x, p, nil) // not in every window
	case s.due.ended > 0 && !s.due.lacks() && (t == nil || t.good == 0):
		lack = nil // used before this auditor's time
	}
	now = now && (s.due.plan == nil || s.due.ended > 0)
	if s.reason = x.untestable; s.reason == "" && p.host != nil && a.set.Hidden(p.host) {
		s.reason = p.name() + " is behind a source translation: its connections cannot be told from others'"
	}
	switch {
	case s.reason != "":
		s.status, s.cause = notTestable, causeSite
	case x.state == rules.Off:
		s.status, s.reason = notTriggered, "it applies where "+conditionWords(x.flow.Condition)+", which is not so"
	case lack == nil:
		s.status = observed
	case inside(x, p):
		s.status, s.cause, s.reason = notTestable, causeSite, p.name()+" holds both roles: the traffic stays inside the host"
	case a.unseen(&s, x, lack, w):
		s.status, s.decides = notTestable, need && now && !a.retired(p, w)
	case s.due.hidden > 0 && len(s.due.missed) == 0:
		s.status, s.cause, s.decides = notTestable, causeBlind, need && now && !a.retired(p, w)
		s.reason = fmt.Sprintf("the capture does not cover %s of its schedule (%s)", plural(uint64(s.due.hidden), "window"), s.due.plan)
	case lack.attempts() > 0:
		s.status, s.reason, s.decides = attempted, attemptWords(x.flow, a.service(x.flow), p, lack), need && a.set.Expected(x.flow, p.host) != rules.NotExpected
	case need && now && used:
		s.status, s.reason, s.decides = missing, fmt.Sprintf("%s did not open %s to %s%s", p.name(), a.service(x.flow), article(x.flow.To), s.due.words()), true
	case need && now:
		s.status, s.reason, s.decides = missing, a.missingWords(x, lack, p), true
		if len(s.due.missed) > 0 {
			s.reason += ";" + s.due.words()
		}
	case s.due.plan != nil && s.due.ended == 0:
		s.status, s.reason = notObserved, fmt.Sprintf("not seen, and no window of its schedule (%s) ended in this time", s.due.plan)
	default:
		s.status, s.reason = notObserved, notObservedWords(x, lack, need)
	}
	return s
}

// required says whether the flow must work for this host, and whether it is to be used in this period. The site's word goes before the document's.
func (a *Auditor) required(x *expected, p party) (need, now bool) {
	word := a.set.Expected(x.flow, p.host)
	need = word == rules.ExpectedIn || x.flow.Need == "required" || x.flow.Need == "conditional" && x.state == rules.On
	if x.state == rules.Unknown {
		need = false
	}
	return need, word == rules.ExpectedIn || word == rules.AsDocumented && x.flow.Occurrence == "periodic"
}

// inside holds where a host plays both ends of the flow and one responder is enough: what it opens to itself crosses no network.
// Between equals, each of them holds the role of the others; there it must be the only one.
func inside(x *expected, p party) bool {
	if p.host == nil || !slices.Contains(x.hosts, p.host) {
		return false
	}
	if len(x.hosts) == 1 && len(x.reserved)+len(x.documented) == 0 && !p.addr.IsValid() {
		return true
	}
	from := x.flow.FromRoles()
	return x.flow.SatisfiedBy != "each" && slices.ContainsFunc(x.flow.ToRoles(), func(role string) bool {
		return slices.Contains(p.host.Roles, role) && !slices.Contains(from, role)
	})
}

// retired holds where none of the host's addresses is its own in the period, as far as entries with one date tell.
func (a *Auditor) retired(p party, w *window) bool {
	if p.host == nil || len(p.host.Addresses) == 0 {
		return false
	}
	for _, e := range p.host.Addresses {
		if (e.From == "") == (e.Until == "") {
			return false
		}
		for _, addr := range firstAddress(e.Address) {
			if a.set.Lookup(addr, w.from).Host == p.host || a.set.Lookup(addr, w.last).Host == p.host {
				return false
			}
		}
	}
	return true
}

// lack is what an expectation still wants, and what was seen of that.
type lack struct {
	use
	ports []rules.PortRange
	hosts []*rules.Host // responders, where each is needed
	some  bool          // a part is satisfied
}

// unused is all of a flow with one responder or any, as most hosts lack it. It is not changed.
var unused lack

// lacking is nil where good connections used every port that the flow needs, and every responder where each is needed.
func (a *Auditor) lacking(x *expected, p party, t *tracked) *lack {
	if t == nil && x.flow.SatisfiedBy != "each" {
		return &unused
	}
	if t == nil {
		return &lack{hosts: a.unusedResponders(x, p, nil)}
	}
	l := &lack{some: t.good > 0}
	if !t.proxied {
		l.ports, l.hosts = a.unusedPorts(x, t), a.unusedResponders(x, p, t)
	}
	if !l.some {
		l.use = t.use
		return l
	}
	if len(l.ports)+len(l.hosts) == 0 {
		return nil
	}
	for _, r := range l.ports {
		if u := t.ports[r]; u != nil {
			l.merge(u)
		}
	}
	for q, u := range t.responders {
		if slices.Contains(l.hosts, q.host) {
			l.merge(u)
		}
	}
	return l
}

// unusedPorts are the ports of a flow that uses all of them which no connection used; dynamic ones may vary. With overrides by responder, those of the one that lacks least.
func (a *Auditor) unusedPorts(x *expected, t *tracked) []rules.PortRange {
	if !allPorts(x.flow) {
		return nil
	}
	responders := x.hosts
	if len(responders) == 0 || len(x.reserved)+len(x.documented) > 0 {
		responders = append(responders[:len(responders):len(responders)], nil)
	}
	var least []rules.PortRange
	for i, h := range responders {
		var unused []rules.PortRange
		for _, r := range a.set.PortsOf(x.flow, h) {
			used := t.ports[r] != nil && t.ports[r].good > 0
			if !used && !(slices.Contains(x.flow.Ports, "dynamic") && slices.Contains(a.set.DynamicPorts(x.flow, h), r)) {
				unused = append(unused, r)
			}
		}
		if i == 0 || len(unused) < len(least) {
			least = unused
		}
	}
	return least
}

// unusedResponders are the hosts to which no good connection went, where each is needed; of an entry that stands for many one is enough.
// t is nil where there was none.
func (a *Auditor) unusedResponders(x *expected, p party, t *tracked) []*rules.Host {
	if x.flow.SatisfiedBy != "each" {
		return nil
	}
	good := map[*rules.Host]bool{p.host: true}
	if t != nil {
		for q, u := range t.responders {
			if u.good > 0 {
				good[q.host] = true
			}
		}
	}
	var unused []*rules.Host
	for _, h := range x.hosts {
		if !good[h] {
			unused = append(unused, h)
		}
	}
	return unused
}

// unseen says whether the capture could not have shown the flow, and sets why.
func (a *Auditor) unseen(s *verdictOn, x *expected, l *lack, w *window) bool {
	p := s.party
	seen := a.sight.of(p)
	s.cause = causeBlind
	switch {
	case !a.showsFlow(x, p):
		s.reason = "outside the filter given (" + a.opts.Filter.String() + ")"
	case p.host != nil && seen.connections == 0:
		s.cause, s.reason = causeSilent, p.name()+" was never seen"
	case l.oneSided > 0:
		s.reason = fmt.Sprintf("only one direction was captured (%s)", plural(l.oneSided, "connection"))
	case l.unsure > 0:
		s.reason = fmt.Sprintf("what was seen of it could not be judged (%s)", plural(l.unsure, "connection"))
	case p.host != nil && !seen.direct && !slices.Contains(x.reserved, "broadcast") && !slices.Contains(x.reserved, "multicast"):
		s.cause, s.reason = causeVantage, "of "+p.name()+" the capture shows only what reaches everybody on its link"
	case !a.sees(x, p, l):
		s.cause, s.reason = causeVantage, a.notVisible(x, p)
	case a.tunnelled(x, p) != "":
		s.reason = "inside tunnel: " + p.name() + " and " + roleList(x.flow.To) + " talk through " + a.tunnelled(x, p) + ", ports are not visible"
	case w.uncovered != "" && s.due.plan == nil:
		s.reason = w.uncovered
	case w.blind != "":
		s.reason = w.blind
	default:
		s.reason = a.losses.hides(a, x, p)
	}
	return s.reason != ""
}

func (a *Auditor) notVisible(x *expected, p party) string {
	if a.set.Site != nil && len(a.set.Site.Vantage) > 0 {
		return "the site's vantage points do not see both directions between " + p.name() + " and " + roleList(x.flow.To)
	}
	if len(x.reserved) > 0 && (x.reserved[0] == "broadcast" || x.reserved[0] == "multicast") {
		return "the capture shows nothing that the network of " + p.name() + " sends to " + article(x.flow.To)
	}
	return "the capture shows no two-way traffic between the networks of " + p.name() + " and of " + roleList(x.flow.To)
}

// sees says whether the capture would show the use that is lacking.
func (a *Auditor) sees(x *expected, p party, l *lack) bool {
	from, hosts := a.addresses(p), x.hosts
	if l.some && len(l.hosts) > 0 {
		return a.seesHosts(from, p, l.hosts)
	}
	if len(l.hosts) > 0 {
		hosts = l.hosts
	}
	for _, role := range x.reserved {
		if a.visibleReserved(from, role) {
			return true
		}
	}
	return a.visible(from, x.documented) || a.seesHosts(from, p, hosts)
}

func (a *Auditor) seesHosts(from []netip.Addr, p party, hosts []*rules.Host) bool {
	for _, h := range hosts {
		if h == p.host && a.peopled[h] == nil {
			continue
		}
		if a.visible(from, a.addresses(party{host: h})) || len(h.Addresses) == 0 && a.visibleReserved(from, "internet") {
			return true
		}
		for _, q := range a.people[h] {
			if q != p && q.addr.IsValid() && a.visible(from, []netip.Addr{q.addr}) {
				return true
			}
		}
	}
	return false
}

// tunnelled names the opaque tunnel between the party and a host of the flow's responder roles, or one to somebody whom the site does not know
// where such a one may be the responder; "" where there is none.
func (a *Auditor) tunnelled(x *expected, p party) string {
	for _, h := range x.hosts {
		if name := a.sight.hidden[hiddenPair{p, h}]; name != "" {
			return name
		}
	}
	if slices.Contains(x.reserved, "internet") || slices.Contains(x.reserved, "any") || len(x.documented) > 0 {
		if name := a.sight.hidden[hiddenPair{p, nil}]; name != "" {
			return name
		}
	}
	if a.sight.crowded {
		return "more tunnels than are remembered"
	}
	return ""
}

func attemptWords(f *rules.Flow, service string, p party, l *lack) string {
	var parts []string
	for _, n := range []struct {
		n    uint64
		word string
	}{{l.refused, "refused"}, {l.halfOpen, "half-open"}, {l.silent, "without an answer"}} {
		if n.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n.n, n.word))
		}
	}
	if len(l.ports) > 0 && l.some {
		service = f.Proto + "/" + strings.Join(rangeNames(l.ports), ",")
	}
	to := article(f.To)
	if l.some && len(l.hosts) > 0 {
		to = hostNames(l.hosts)
	}
	return fmt.Sprintf("attempted, no connection: %s tried %s to %s, %s", p.name(), service, to, strings.Join(parts, ", "))
}

func hostNames(hosts []*rules.Host) string {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	return strings.Join(first(names, 5), ", ")
}

func (a *Auditor) missingWords(x *expected, l *lack, p party) string {
	who := fmt.Sprintf("%s is active in the capture, %s, but", p.name(), plural(a.sight.of(p).connections, "connection"))
	switch {
	case l.excepted > 0:
		return fmt.Sprintf("%s opened %s to %s under an exception only (%s)", who, a.service(x.flow), article(x.flow.To), plural(l.excepted, "connection"))
	case l.some && len(l.ports) > 0:
		return fmt.Sprintf("%s never opened %s/%s to %s; the flow's other ports it did", who, x.flow.Proto, strings.Join(rangeNames(l.ports), ","), article(x.flow.To))
	case l.some:
		return fmt.Sprintf("%s never opened %s to %s; to others of the role it did", who, a.service(x.flow), hostNames(l.hosts))
	}
	return fmt.Sprintf("%s never opened %s to %s", who, a.service(x.flow), article(x.flow.To))
}

func notObservedWords(x *expected, l *lack, need bool) string {
	seen := "not seen"
	switch {
	case l.some && len(l.ports) > 0:
		seen = fmt.Sprintf("seen, but not on %s/%s", x.flow.Proto, strings.Join(rangeNames(l.ports), ","))
	case l.some:
		seen = "seen, but not to " + hostNames(l.hosts)
	}
	switch {
	case x.state == rules.Unknown:
		return seen + "; the site does not say whether " + conditionWords(x.flow.Condition)
	case need:
		return seen + ", and not expected in every period (" + x.flow.Occurrence + ")"
	}
	return seen + ", and not required"
}

// article gives "a management-server", "an agent or a storage-node".
func article(roles []string) string {
	list := make([]string, len(roles))
	for i, r := range roles {
		_, r = cutQualifier(r)
		list[i] = "a " + r
		if strings.ContainsAny(r[:min(1, len(r))], "aeiou") {
			list[i] = "an " + r
		}
		if word := reservedWords[r]; word != "" {
			list[i] = word
		}
	}
	return strings.Join(list, " or ")
}

var reservedWords = map[string]string{"any": "any host", "internet": "the internet", "broadcast": "a broadcast address", "multicast": "a multicast address"}

// cutQualifier splits "pack/role" and "host:NAME".
func cutQualifier(role string) (pack, name string) {
	if i := strings.LastIndexAny(role, "/:"); i >= 0 {
		return role[:i], role[i+1:]
	}
	return "", role
}

func plural(n uint64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
