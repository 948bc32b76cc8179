package survey

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// use is an exchange between hosts with the flows that would explain it.
type use struct {
	*exchange
	orig    *host
	resp    *host // nil: a group address, or the broadcast address of a network
	options []option
	took    int // the option by which it is explained as roles are now; -1: none
}

// option is one way to explain an exchange: a documented flow between two roles.
type option struct {
	flow     *rules.Flow
	from, to int // roles by number; free where the end holds it without a word of the draft
	value    float64
	bonus    float64 // for the first exchange of the originating host that the flow explains
	reversed bool    // the flow is of either direction, and this is the one that is not named first
	silent   bool    // the document states no port
}

// free is the role that an end holds anyway: a reserved one, or one that the pack gives to the address, or that the site gives already.
const free = -1

// What an explanation is worth. A role costs less than one exchange with an exact port, so that every documented exchange is explained, and
// two roles for one exchange are still worth it.
const (
	valueExact      = 10.0
	valueRange      = 8.0
	valueAnnounced  = 8.0
	valueUnmatched  = 1.0 // a dynamic port that nobody announced
	valueAny        = 2.0
	valueSilent     = 2.5
	lessForBaseline = 1.0 // platform traffic explains what a vendor's document does not
	lessForOff      = 4.0 // a condition that is off unless the site says otherwise
	lessForClear    = 4.0 // payload in clear where the document demands encryption
	lessForGuess    = 1.0 // the originator is a guess
)

// bonusOf is what it says for a role that a flow which its holder opens is seen: more for what the document requires and what recurs.
func bonusOf(f *rules.Flow) float64 {
	periodic := f.Occurrence == "periodic"
	switch {
	case f.Need == "required" && periodic:
		return 4
	case f.Need == "required", f.Need == "conditional" && periodic:
		return 2
	case periodic:
		return 1.5
	}
	return 1
}

// roles are numbered in the order of the packs.
type roles struct {
	names      []string
	number     map[string]int
	baseline   []bool
	documented []bool // the pack gives them addresses or names: no host of the site plays them
}

func (s *Survey) numberRoles() roles {
	r := roles{number: map[string]int{}}
	for _, p := range s.set.Packs {
		for _, role := range p.Roles {
			q := p.Name + "/" + role.Name
			r.number[q] = len(r.names)
			r.names = append(r.names, q)
			r.baseline = append(r.baseline, p.Kind == rules.Baseline)
			r.documented = append(r.documented, len(role.Addresses)+len(role.Names) > 0)
		}
	}
	return r
}

// uses are the exchanges that count: those that were answered, and those of flows without an answer. They come sorted, and without options.
func (s *Survey) uses() []*use {
	var list []*use
	for _, e := range s.exchanges {
		if e.answered > 0 || s.needsNoReply(e) {
			list = append(list, &use{exchange: e, took: -1})
		}
	}
	slices.SortFunc(list, func(a, b *use) int { return a.compare(&b.exchangeKey) })
	return list
}

func (k *exchangeKey) compare(o *exchangeKey) int {
	return cmp.Or(k.orig.Compare(o.orig), k.resp.Compare(o.resp), cmp.Compare(k.proto, o.proto), cmp.Compare(k.port, o.port), cmp.Compare(k.icmpType, o.icmpType))
}

// needsNoReply says whether some flow to an ordinary address explains packets one way. Group addresses tell of no host that answers.
func (s *Survey) needsNoReply(e *exchange) bool {
	group := isGroup(e.resp) || directed(e.resp)
	return slices.ContainsFunc(s.covering(e), func(f *rules.Flow) bool { return f.Reply == "none" || group || tftp(e) })
}

// tftp: the answer to a request comes from another port, so that the request stays without one.
func tftp(e *exchange) bool { return e.proto == flow.UDP && e.port == 69 }

// directed says whether an address looks like the broadcast address of a network, as its networks are proposed.
func directed(a netip.Addr) bool { return a.Is4() && a.As4()[3] == 255 }

// covering are the flows with a port that have the service of an exchange, best match first.
func (s *Survey) covering(e *exchange) []*rules.Flow {
	return slices.DeleteFunc(slices.Clone(s.set.ByService(e.proto, e.port, e.icmpType)), func(f *rules.Flow) bool { return f.Reference })
}

// explain fills the options of an exchange.
func (d *decision) explain(u *use) {
	for _, f := range d.s.covering(u.exchange) {
		d.addOptions(u, f, false)
	}
	if u.resp != nil && u.answered > 0 && u.proto.HasPorts() {
		for _, f := range d.silent {
			if list := rules.ProtoOf(f.Proto); len(list) == 0 || slices.Contains(list, u.proto) {
				d.addOptions(u, f, true)
			}
		}
	}
	slices.SortStableFunc(u.options, func(a, b option) int { return cmp.Compare(b.value+b.bonus, a.value+a.bonus) })
}

// addOptions adds every pair of roles by which a flow explains an exchange.
func (d *decision) addOptions(u *use, f *rules.Flow, silent bool) {
	o := option{flow: f, bonus: bonusOf(f), silent: silent}
	if silent {
		o.value, o.bonus = valueSilent, 0
	} else if o.value = d.worth(u, f); o.value <= 0 {
		return
	}
	ways := 1
	if f.Originator == "either" {
		ways = 2
	}
	for way := range ways {
		from, to := f.FromRoles(), f.ToRoles()
		o.reversed = way == 1
		orig, resp := from, to
		if o.reversed {
			orig, resp = to, from
		}
		for _, a := range orig {
			for _, b := range resp {
				var ok bool
				if o.from, ok = d.end(u.orig, u.exchange.orig, a); !ok {
					continue
				}
				if o.to, ok = d.end(u.resp, u.exchange.resp, b); !ok || !d.reaches(f, u, o.reversed) {
					continue
				}
				u.options = append(u.options, o)
			}
		}
	}
}

// worth is the value of a flow for an exchange, apart from roles; 0 where it does not fit.
func (d *decision) worth(u *use, f *rules.Flow) float64 {
	var known *rules.Host
	if u.resp != nil {
		known = u.resp.known
	}
	value := map[rules.PortMatch]float64{rules.PortExact: valueExact, rules.PortRanged: valueRange, rules.PortDynamic: valueUnmatched, rules.PortAny: valueAny}[d.s.set.Covers(f, known, u.proto, u.port, u.icmpType)]
	switch {
	case value == 0, d.closed[f], u.proto.HasPorts() && !d.s.sourceFits(f, u.source):
		return 0
	case f.AnnouncedBy != "" && u.announced:
		value = valueAnnounced
	case f.AnnouncedBy != "":
		value = valueUnmatched
	}
	if f.Pack.Kind == rules.Baseline {
		value -= lessForBaseline
	}
	if d.defaultOff(f) {
		value -= lessForOff
	}
	if u.clear && f.Encryption == "required" {
		value -= lessForClear
	}
	if u.sure == 0 {
		value -= lessForGuess
	}
	return max(value, 0.5)
}

// sourceFits holds a source port against one that a flow fixes.
func (s *Survey) sourceFits(f *rules.Flow, port uint16) bool {
	ranges, anyPort := s.set.SourcePorts(nil, f)
	return anyPort || f.SourcePorts == "" || f.SourcePorts == "ephemeral" || slices.ContainsFunc(ranges, func(r rules.PortRange) bool { return r.Contains(port) })
}

// end says whether a host may play a role: free where it does so anyway.
func (d *decision) end(h *host, addr netip.Addr, role string) (number int, ok bool) {
	switch role {
	case "any":
		return free, true
	case "internet":
		return free, h != nil && !h.inside
	case "broadcast":
		return free, h == nil && !addr.IsMulticast()
	case "multicast":
		return free, addr.IsMulticast()
	}
	if h == nil {
		return 0, false
	}
	if slices.Contains(h.documented, role) {
		return free, true
	}
	number, ok = d.roles.number[role]
	if ok && h.fixed { // its roles are those that the document gives it
		return 0, false
	}
	return number, ok && !d.roles.documented[number]
}

// reaches holds a flow's scope against where the host on its To side is.
func (d *decision) reaches(f *rules.Flow, u *use, reversed bool) bool {
	to := u.resp
	if reversed {
		to = u.orig
	}
	inside := to == nil || to.inside
	return f.Scope == "" || (f.Scope == "lan") == inside
}

// defaultOff says whether a flow's condition does not hold unless the site says that it does.
func (d *decision) defaultOff(f *rules.Flow) bool {
	name, negated := strings.CutPrefix(f.Condition, "!")
	i := slices.IndexFunc(f.Pack.Conditions, func(c rules.Condition) bool { return c.Name == name })
	return i >= 0 && (f.Pack.Conditions[i].Default == "off" && !negated || f.Pack.Conditions[i].Default == "on" && negated)
}
