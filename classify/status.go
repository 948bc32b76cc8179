package classify

import (
	"fmt"
	"net/netip"
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

// window is what the capture as a whole lets absence prove.
type window struct {
	from, last int64  // covered
	blind      string // why absence proves nothing; "" if it does
}

// verdictOn is the status of an expectation for one originating host.
type verdictOn struct {
	party   party
	status  status
	reason  string
	silent  bool // the host was never seen
	named   bool // of some connection of the host this was the flow, not one shared with it
	decides bool // counts for the result: missing and attempted as a deviation, not-testable as inconclusive
}

// statusOf is the procedure of the status: the first that holds. t is nil where the host never used the flow.
func (a *Auditor) statusOf(x *expected, p party, t *tracked, w *window) verdictOn {
	s := verdictOn{party: p, named: t != nil && t.named}
	need, now := a.required(x, p)
	if s.reason = x.untestable; s.reason == "" {
		s.reason = a.hostUntestable(x, p)
	}
	switch {
	case s.reason != "":
		s.status = notTestable
	case x.state == rules.Off:
		s.status, s.reason = notTriggered, "the site says that "+conditionWords(x.flow.Condition)+" does not hold"
	case t != nil && a.satisfied(x, p, t):
		s.status = observed
	case a.unseen(&s, x, t, w):
		s.status, s.decides = notTestable, need && now
	case t != nil && t.good == 0 && t.refused+t.silent > 0:
		s.status, s.reason, s.decides = attempted, attemptWords(x.flow, a.service(x.flow), p, t), need && a.set.Expected(x.flow, p.host) != rules.NotExpected
	case need && now:
		s.status, s.reason, s.decides = missing, a.missingWords(x, p, t), true
	default:
		s.status, s.reason = notObserved, a.notObservedWords(x, need)
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

// hostUntestable says why this host's use of the flow cannot be tested whatever the capture holds.
func (a *Auditor) hostUntestable(x *expected, p party) string {
	if p.host == nil {
		return ""
	}
	if a.set.Hidden(p.host) {
		return p.name() + " is behind a source translation: its connections cannot be told from others'"
	}
	if len(x.reserved) == 0 && len(x.documented) == 0 && len(x.hosts) == 1 && x.hosts[0] == p.host && !p.addr.IsValid() {
		return p.name() + " alone holds both roles: nothing crosses the network"
	}
	return ""
}

// satisfied holds where good connections used every port that the flow needs, and every responder where each is needed.
func (a *Auditor) satisfied(x *expected, p party, t *tracked) bool {
	return t.good > 0 && len(a.unusedPorts(x, t)) == 0 && len(a.unusedResponders(x, p, t)) == 0
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
			if !hasRange(t.ports, r) && !(hasWord(x.flow.Ports, "dynamic") && hasRange(a.set.DynamicPorts(x.flow, h), r)) {
				unused = append(unused, r)
			}
		}
		if i == 0 || len(unused) < len(least) {
			least = unused
		}
	}
	return least
}

func hasRange(list []rules.PortRange, r rules.PortRange) bool {
	for _, have := range list {
		if have == r {
			return true
		}
	}
	return false
}

func hasWord(list []string, word string) bool {
	for _, have := range list {
		if have == word {
			return true
		}
	}
	return false
}

func (a *Auditor) unusedResponders(x *expected, p party, t *tracked) []string {
	if x.flow.SatisfiedBy != "each" {
		return nil
	}
	var unused []string
	for _, h := range x.hosts {
		if _, used := t.responder[party{host: h}]; !used && h != p.host && !a.usedPeople(t, h) {
			unused = append(unused, h.Name)
		}
	}
	return unused
}

// usedPeople holds where a host entry stands for many and one of them was used.
func (a *Auditor) usedPeople(t *tracked, h *rules.Host) bool {
	if a.peopled[h] == nil {
		return false
	}
	for p := range t.responder {
		if p.host == h {
			return true
		}
	}
	return false
}

// unseen says whether the capture could not have shown the flow, and sets why.
func (a *Auditor) unseen(s *verdictOn, x *expected, t *tracked, w *window) bool {
	p := s.party
	switch {
	case p.host == nil:
		return false
	case a.sight.hosts[p] == 0:
		s.silent, s.reason = true, p.name()+" was never seen"
	case t != nil && t.good == 0 && t.oneSided > 0 && t.refused+t.silent == 0:
		s.reason = fmt.Sprintf("only one direction was captured (%s)", plural(t.oneSided, "connection"))
	case !a.sees(x, p):
		s.reason = "the capture shows no two-way traffic between the networks of " + p.name() + " and of " + roleList(x.flow.To)
	case a.tunnelled(x, p):
		s.reason = p.name() + " and " + roleList(x.flow.To) + " talk through ESP: ports are not visible"
	case w.blind != "":
		s.reason = w.blind
	}
	return s.reason != ""
}

// sees says whether the capture would show this host's use of the flow.
func (a *Auditor) sees(x *expected, p party) bool {
	from := a.addresses(p)
	for _, role := range x.reserved {
		if a.visibleReserved(from, role) {
			return true
		}
	}
	if a.visible(from, x.documented) {
		return true
	}
	for _, h := range x.hosts {
		if h == p.host && a.peopled[h] == nil {
			continue
		}
		if a.visible(from, a.addresses(party{host: h})) {
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

func (a *Auditor) tunnelled(x *expected, p party) bool {
	for _, h := range x.hosts {
		if a.sight.hidden[[2]party{p, {host: h}}] {
			return true
		}
	}
	return false
}

func attemptWords(f *rules.Flow, service string, p party, t *tracked) string {
	var parts []string
	if t.refused > 0 {
		parts = append(parts, fmt.Sprintf("%d refused", t.refused))
	}
	if t.silent > 0 {
		parts = append(parts, fmt.Sprintf("%d without an answer", t.silent))
	}
	return fmt.Sprintf("attempted, no connection: %s tried %s to %s, %s", p.name(), service, roleList(f.To), strings.Join(parts, ", "))
}

func (a *Auditor) missingWords(x *expected, p party, t *tracked) string {
	who := fmt.Sprintf("%s is active in the capture, %s, but never opened", p.name(), plural(a.sight.hosts[p], "connection"))
	if t != nil && t.good > 0 {
		if unused := a.unusedPorts(x, t); len(unused) > 0 {
			return fmt.Sprintf("%s %s/%s to %s; the flow's other ports it did", who, x.flow.Proto, strings.Join(rangeNames(unused), ","), article(x.flow.To))
		}
		return fmt.Sprintf("%s %s to %s; to others of the role it did", who, a.service(x.flow), strings.Join(a.unusedResponders(x, p, t), ", "))
	}
	return fmt.Sprintf("%s %s to %s", who, a.service(x.flow), article(x.flow.To))
}

func (a *Auditor) notObservedWords(x *expected, need bool) string {
	switch {
	case x.state == rules.Unknown:
		return "not seen; the site does not say whether " + conditionWords(x.flow.Condition)
	case need:
		return "not seen, and not expected in every period (" + x.flow.Occurrence + ")"
	}
	return "not seen, and not required"
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
		if reserved(r) {
			list[i] = r
		}
	}
	return strings.Join(list, " or ")
}

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
