package classify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pcapaudit/rules"
)

// flows lists what was held against the connection: candidates, flows in the other direction, between these roles, with this service. Each stands once.
func (t *trail) flows() (list []ExplainedFlow, more int) {
	for i, sort := range [...]func() []ExplainedFlow{t.candidates, t.passedOver, t.reversed, t.joining, t.elsewhere} {
		found, most := sort(), maxExplained
		if i > 1 && t.j.flow != nil {
			most = maxNear
		}
		if n := len(found) - most; n > 0 {
			found, more = found[:most], more+n
		}
		list = append(list, found...)
	}
	return notNil(list), more
}

// explained is a flow as explanations show it, once.
func (t *trail) explained(f *rules.Flow, failed ...FailedCondition) ExplainedFlow {
	t.listed[f] = true
	e := ExplainedFlow{Flow: f.Ref(), Title: f.Title, Service: t.a.service(f), From: f.From, To: f.To, Stand: standFailed, Failed: failed, Unverified: []string{}, Cite: cites(f)}
	if e.Failed == nil {
		e.Failed = []FailedCondition{}
	}
	return e
}

// candidates are the flows whose roles, protocol and port fit, the best first.
func (t *trail) candidates() []ExplainedFlow {
	order := slices.Clone(t.a.checks)
	slices.SortStableFunc(order, func(a, b checked) int {
		return cmp.Or(t.rank(&a)-t.rank(&b), a.broken.count()-b.broken.count(), compareChecks(&a, &b))
	})
	var list []ExplainedFlow
	for i := range order {
		k := &order[i]
		if t.listed[k.Flow] {
			continue
		}
		e := t.explained(k.Flow, t.broken(k)...)
		switch {
		case t.rank(k) == 0:
			e.Stand = standDecided
		case k.broken == 0:
			e.Stand = standShared
		}
		e.Unverified = k.opens.names()
		if k.unknown {
			e.Note = unknownCondition(k.Flow)
		}
		list = append(list, e)
	}
	return list
}

// rank is 0 for the candidate that decided, else 1.
func (t *trail) rank(k *checked) int {
	if k.option == t.j.option && *k.view == t.j.view {
		return 0
	}
	return 1
}

// broken words what a candidate lacks as the finding of the connection would.
func (t *trail) broken(k *checked) []FailedCondition {
	f := *t.one
	f.key.flow, f.key.why, f.option, f.view = k.Flow, k.broken, k.option, *k.view
	f.key.orig = t.a.partyOf(k.view.orig, k.view.from.Addr())
	f.evidence = slices.Clone(f.evidence)
	f.tell(t.c.ID, k.told(&t.a.payload, t.c.ID.File))
	list := []FailedCondition{}
	for w := whyOriginator; w <= whyUnannounced; w <<= 1 {
		if k.broken&w != 0 {
			list = append(list, FailedCondition{w.names()[0], t.a.broken(w, &f) + t.statedAt(w, k.Flow)})
		}
	}
	return list
}

// statedAt is where the site says what a condition rests on: " (site.yaml:12:5)".
func (t *trail) statedAt(w why, f *rules.Flow) string {
	hours, entry := t.a.set.HoursEntry(f), t.a.set.ConditionEntry(f, t.c.First)
	switch {
	case w == whyHours && hours != nil:
		return t.at(t.a.set.Site.Stated(hours))
	case w == whyCondition && entry != nil:
		return t.at(t.a.set.Site.Stated(entry))
	}
	return ""
}

// passedOver are the flows that fit by roles, protocol and port, and that nothing but another source port or an announcement would make this connection's.
func (t *trail) passedOver() []ExplainedFlow {
	var list []ExplainedFlow
	for _, v := range t.views() {
		p := t.a.plan(t.c, v)
		for i := range p.options {
			o := &p.options[i]
			if t.listed[o.Flow] {
				continue
			}
			k := t.a.check(t.c, v, o)
			if k.stray {
				list = append(list, t.explained(o.Flow, FailedCondition{whyUnannounced.names()[0], o.Flow.Ref() + " is what a request to " + controlWords[o.Flow.AnnouncedBy] + " announces, and there was none"}))
				continue
			}
			list = append(list, t.explained(o.Flow, t.broken(&k)...))
		}
	}
	return list
}

// views are the orientations that were judged.
func (t *trail) views() []*view {
	if t.flipped == t.v {
		return []*view{t.v}
	}
	return []*view{t.v, t.flipped}
}

// reversed are the flows that fit with the ends exchanged, at the same responder port.
func (t *trail) reversed() []ExplainedFlow {
	if t.a.set.Site == nil {
		return nil
	}
	turned := t.v.turned()
	var list []ExplainedFlow
	options := t.a.plan(t.c, &turned).options
	for i := range options {
		o := &options[i]
		if t.listed[o.Flow] || o.Port > rules.PortRanged || o.reservedEnds() > 0 {
			continue
		}
		f := *t.one
		f.key.flow = o.Flow
		e := t.explained(o.Flow, FailedCondition{whyOriginator.names()[0], t.a.broken(whyOriginator, &f)})
		if t.a.set.Condition(o.Flow, t.c.First) == rules.Off {
			e.Failed = append(e.Failed, FailedCondition{whyCondition.names()[0], t.a.broken(whyCondition, &f)})
		}
		if o == t.j.option {
			e.Stand = standDecided
			list = slices.Insert(list, 0, e)
			continue
		}
		list = append(list, e)
	}
	return list
}

// joining are the flows between the roles of the ends, with other ports or none, the nearest port first.
func (t *trail) joining() []ExplainedFlow {
	if t.a.set.Site == nil {
		return nil
	}
	var near []rules.Candidate
	v := &t.j.view
	for _, cand := range t.a.set.Joining(v.orig, v.resp) {
		if o := (option{Candidate: cand}); !t.listed[cand.Flow] && (o.reservedEnds() == 0 || cand.Flow == t.j.flow) {
			near = append(near, cand)
		}
	}
	slices.SortStableFunc(near, func(a, b rules.Candidate) int {
		return t.a.distance(t.one, a.Flow, v.resp.Host) - t.a.distance(t.one, b.Flow, v.resp.Host)
	})
	var list []ExplainedFlow
	for _, cand := range near {
		e := t.explained(cand.Flow, t.otherPort(cand)...)
		if cand.Flow == t.j.flow && t.j.why == whyDocumentSilent {
			e.Stand = standDecided
			list = slices.Insert(list, 0, e)
			continue
		}
		list = append(list, e)
	}
	return list
}

// otherPort says why a flow that joins the ends does not cover the connection.
func (t *trail) otherPort(cand rules.Candidate) []FailedCondition {
	f := cand.Flow
	switch {
	case cand.Port == rules.PortUnstated && t.a.set.Condition(f, t.c.First) == rules.Off:
		one := *t.one
		one.key.flow = f
		return []FailedCondition{{"port", t.a.documents(f)}, {whyCondition.names()[0], t.a.broken(whyCondition, &one)}}
	case cand.Port == rules.PortUnstated:
		return []FailedCondition{{"port", t.a.documents(f)}}
	case !slices.Contains(rules.ProtoOf(f.Proto), t.c.Proto) && len(rules.ProtoOf(f.Proto)) > 0:
		return []FailedCondition{{"protocol", t.a.documents(f) + ", not " + t.a.serviceOf(t.one)}}
	}
	return []FailedCondition{{"port", t.a.documents(f) + ", not " + t.a.serviceOf(t.one)}}
}

// elsewhere are the flows that have this service between other roles, those first of which most ends hold theirs.
func (t *trail) elsewhere() []ExplainedFlow {
	v := &t.j.view
	var found []*rules.Flow
	for _, f := range t.a.services(t.c.Proto, t.c.ICMPType, v) {
		if !t.listed[f] && (!f.Reference || t.j.why == whyPlatformService) {
			found = append(found, f)
		}
	}
	held := func(f *rules.Flow) (n int) {
		for _, ok := range [...]bool{holds(v.orig, f.FromRoles()), holds(v.resp, f.ToRoles())} {
			if !ok {
				n++
			}
		}
		return n
	}
	slices.SortStableFunc(found, func(a, b *rules.Flow) int { return held(a) - held(b) })
	var list []ExplainedFlow
	for _, f := range found {
		if f.Reference {
			e := t.explained(f)
			e.Stand = standDecided
			list = append(list, e)
			continue
		}
		list = append(list, t.explained(f, t.otherRoles(f)))
	}
	return list
}

// otherRoles says which of the ends does not play its part in a flow.
func (t *trail) otherRoles(f *rules.Flow) FailedCondition {
	v := &t.j.view
	var lacking []string
	if !holds(v.orig, f.FromRoles()) {
		lacking = append(lacking, t.endWords(v.orig, v.origEnd())+" is no "+roleList(f.From))
	}
	if !holds(v.resp, f.ToRoles()) {
		lacking = append(lacking, t.endWords(v.resp, v.respEnd())+" is no "+roleList(f.To))
	}
	if len(lacking) == 0 {
		where := map[string]string{"wan": "outside", "lan": "inside"}[f.Scope]
		if where == "" {
			return FailedCondition{"roles", f.Ref() + " does not apply to these ends"}
		}
		return FailedCondition{"scope", fmt.Sprintf("%s documents it where the responder is %s the site's networks", f.Ref(), where)}
	}
	return FailedCondition{"roles", fmt.Sprintf("%s documents it from %s to %s: %s", f.Ref(), roleList(f.From), roleList(f.To), strings.Join(lacking, ", "))}
}

// endWords is the host, else the address.
func (t *trail) endWords(m *rules.Membership, e rules.End) string {
	if m.Host != nil {
		return t.a.partyOf(m, e.Addr).name()
	}
	return e.Addr.String()
}
