package classify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of what is remembered of coupled ports.
const (
	maxCoupled      = 1 << 16 // pairs of flows and responders
	maxCoupledPorts = 16      // ports of one flow at one responder
)

// coupledKey is a flow with paired_with and a responder.
type coupledKey struct {
	secure *rules.Flow // names the plain one in paired_with
	resp   party
}

// coupled is the ports that one responder served of a pair of flows.
type coupled struct {
	plain, secure []uint16
	view          view
	evidence      map[uint16][]seen
}

// couplings checks ports that belong together at one responder: where HTTP is on 80, HTTPS is on 443; else HTTPS is on HTTP's port + 1.
type couplings struct {
	pairs  map[*rules.Flow][]*rules.Flow // either flow -> the secure flows of its pairs
	seen   map[coupledKey]*coupled
	unkept uint64
}

func newCouplings(set *rules.Set) couplings {
	c := couplings{pairs: map[*rules.Flow][]*rules.Flow{}, seen: map[coupledKey]*coupled{}}
	for _, p := range set.Packs {
		for _, secure := range p.Flows {
			for _, plain := range p.Flows {
				if secure.PairedWith != "" && plain.ID == secure.PairedWith {
					c.pairs[secure] = append(c.pairs[secure], secure)
					c.pairs[plain] = append(c.pairs[plain], secure)
				}
			}
		}
	}
	return c
}

// add notes a port that answered for a flow of a pair, where the originator is certain. A connection that also meets a flow outside of pairs says nothing: the port may be that flow's.
func (cs *couplings) add(a *Auditor, c *flow.Conn, j *judged) {
	if !j.paired() || j.option.alone || j.verdict != documented && j.verdict != deviation || j.why&whyOriginator != 0 || !j.view.sure || shown(c, j.flow, &j.view) != showsUse {
		return
	}
	if slices.ContainsFunc(j.shared, func(s shared) bool { return s.option.alone }) {
		return
	}
	cs.note(a, c, j.flow, &j.view)
	for i := range j.shared {
		cs.note(a, c, j.shared[i].option.Flow, &j.shared[i].view)
	}
}

// paired says whether a flow that covers the connection is in a pair.
func (j *judged) paired() bool {
	return j.option != nil && (j.option.paired || slices.ContainsFunc(j.shared, func(s shared) bool { return s.option.paired }))
}

// alone is true for a flow of a product that is in no pair.
func (cs *couplings) alone(f *rules.Flow) bool {
	return cs.pairs[f] == nil && f.Pack.Kind != rules.Baseline
}

func (cs *couplings) note(a *Auditor, c *flow.Conn, f *rules.Flow, v *view) {
	for _, secure := range cs.pairs[f] {
		key := coupledKey{secure, a.partyOf(v.resp, v.to.Addr())}
		s := cs.seen[key]
		if s == nil {
			if len(cs.seen) >= maxCoupled {
				cs.unkept++
				return
			}
			s = &coupled{view: *v, evidence: map[uint16][]seen{}}
			cs.seen[key] = s
		}
		ports := &s.plain
		if f == secure {
			ports = &s.secure
		}
		if i, found := slices.BinarySearch(*ports, v.port); !found {
			if len(*ports) >= maxCoupledPorts {
				cs.unkept++
				return
			}
			*ports = slices.Insert(*ports, i, v.port)
		}
		if v.to.Addr().Less(s.view.to.Addr()) {
			s.view = *v
		}
		s.evidence[v.port] = keepFirst(s.evidence[v.port], 1, c, v)
	}
}

// secureOf is the HTTPS port that belongs to an HTTP port.
func secureOf(plain uint16) uint16 {
	if plain == 80 {
		return 443
	}
	return plain + 1
}

// uncoupled are the secure ports that belong to none of the plain ones; none where one of the two was not seen.
func (s *coupled) uncoupled() []uint16 {
	var wrong []uint16
	if len(s.plain) == 0 {
		return nil
	}
	for _, p := range s.secure {
		if !slices.ContainsFunc(s.plain, func(q uint16) bool { return secureOf(q) == p }) {
			wrong = append(wrong, p)
		}
	}
	return wrong
}

// findings gives one finding for each responder and set of ports, whatever pairs of flows show it.
func (cs *couplings) findings(a *Auditor, files []Input) []Finding {
	keys := make([]coupledKey, 0, len(cs.seen))
	for k, s := range cs.seen {
		if len(s.uncoupled()) > 0 && a.shows(a.exactAddresses(k.resp), nil, nil) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(x, y coupledKey) int {
		return cmp.Or(compareParties(x.resp, y.resp), cmp.Compare(a.rank[x.secure.Pack], a.rank[y.secure.Pack]), cmp.Compare(x.secure.ID, y.secure.ID))
	})
	var found []Finding
	reported := map[string]bool{}
	for _, k := range keys {
		f := a.coupledFinding(k, cs.seen[k], files)
		if same := f.Resp.name() + " " + f.Service; !reported[same] {
			reported[same] = true
			found = append(found, f)
		}
	}
	return found
}

func (a *Auditor) coupledFinding(k coupledKey, s *coupled, files []Input) Finding {
	plain, wrong := portList(s.plain), portList(s.uncoupled())
	var right []string
	for _, p := range s.plain {
		right = append(right, fmt.Sprintf("%d with %d", p, secureOf(p)))
	}
	f := Finding{Kind: kindCoupled, Severity: severities[medium], Verdict: deviation.String(), Why: []string{}, Flow: k.secure.Ref(), Decides: true,
		Proto: "tcp", Port: plain + "," + wrong, Service: "tcp/" + plain + "," + wrong, Orig: EndRef{Roles: k.secure.FromRoles()},
		Resp: endRef(k.resp, s.view.resp, s.view.to.Addr().String()), Outcomes: []OutcomeCount{}, Hosts: []string{}, Cite: cites(k.secure)}
	who := a.endName(f.Resp, s.view.resp)
	f.Summary = fmt.Sprintf("%s serves tcp/%s together with tcp/%s", who, plain, wrong)
	f.Reason = fmt.Sprintf("%s couples the ports of one responder: %s", k.secure.Ref(), strings.Join(right, ", "))
	f.Look = "compare the port settings of the web site on " + who + " with the document"
	var list []seen
	for _, p := range append(slices.Clone(s.plain), s.uncoupled()...) {
		list = append(list, s.evidence[p]...)
	}
	f.Evidence = evidence(list[:min(len(list), maxEvidence)], files)
	f.ID = findingID(f.Kind, f.Verdict, "", f.Flow, "", f.Resp.name(), f.Proto, f.Port, "")
	return f
}

func portList(ports []uint16) string {
	list := make([]string, len(ports))
	for i, p := range ports {
		list[i] = fmt.Sprint(p)
	}
	return strings.Join(list, ",")
}
