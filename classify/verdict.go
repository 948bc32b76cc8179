package classify

import (
	"cmp"
	"math/bits"
	"net/netip"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// judged is the verdict of one connection and what it rests on.
type judged struct {
	verdict, original verdict // original is what an exception turned into excepted; else the same
	why               why
	opens             open
	view              view
	flow              *rules.Flow
	option            *option  // nil where no flow covers protocol and port
	shared            []shared // further flows that cover it; valid until the next connection is judged
	silent            []*rules.Flow
	match             string
	unknown           bool // documented while its condition is neither on nor off
	exception         *rules.Exception
	validity          rules.Validity
	memo              *memo // where it is added up; valid until the next connection is judged
}

// shared is a further flow of which the connection breaks nothing that its expectation rests on, with the orientation in which that is so.
type shared struct {
	option *option
	view   view
	met    bool // fully
}

// judge gives a connection its verdict.
func (a *Auditor) judge(c *flow.Conn) judged { return a.judgeAlong(c, a.route(c)) }

func (a *Auditor) judgeAlong(c *flow.Conn, r *route) judged {
	j := a.verdict(c, r)
	j.memo = a.remembered(&j)
	return j
}

// verdict is the procedure of the verdict, one function a step.
func (a *Auditor) verdict(c *flow.Conn, r *route) judged {
	v, flipped := &a.views[0], &a.views[0]
	*v = a.viewOf(c, r)
	a.payload = payloadOf(c)
	if !v.sure && !c.Proto.IsICMP() {
		flipped = &a.views[1]
		*flipped = a.flippedView(c)
	}
	a.identify(c, v)
	if flipped != v {
		a.identify(c, flipped)
	}
	if w := a.scope(c, v, flipped); w != 0 {
		return judged{verdict: outOfScope, original: outOfScope, why: w, view: *v}
	}
	a.checks = a.checkPlan(a.checks[:0], c, v)
	if flipped != v {
		a.checks = a.checkPlan(a.checks, c, flipped)
	}
	if j, ok := a.documented(); ok {
		return j
	}
	if a.checkAnnounced(c, v) || flipped != v && a.checkAnnounced(c, flipped) {
		if j, ok := a.documented(); ok {
			return j
		}
	}
	steps := [...]func(*flow.Conn, *view, *view) (judged, bool){a.deviating, a.reversedRoles, a.silent, a.platformService, a.icmpError}
	for _, step := range steps {
		if j, ok := step(c, v, flipped); ok {
			return a.except(c, j, flipped)
		}
	}
	return a.except(c, a.unexpected(c, v, flipped), flipped)
}

func (a *Auditor) checkPlan(into []checked, c *flow.Conn, v *view) []checked {
	p := a.plan(c, v)
	for i := range p.options {
		if k := a.check(c, v, &p.options[i]); !k.stray && (k.broken&whySourcePort == 0 || !k.bySource()) {
			into = append(into, k)
		}
	}
	return into
}

// checkAnnounced checks the flows with dynamic ports that announce this port, though it is none that the responder's OS would pick; false where there is none.
// What the control conversation said goes before what is known of hosts: servers may be set to other ports.
func (a *Auditor) checkAnnounced(c *flow.Conn, v *view) bool {
	if a.set.Site == nil || len(a.dynamic.ports) == 0 || !c.Proto.HasPorts() {
		return false
	}
	before := len(a.checks)
	for _, cand := range a.set.Joining(v.orig, v.resp) {
		f := cand.Flow
		if f.AnnouncedBy == "" || f.Proto != c.Proto.String() || !a.set.HasDynamic(f, v.resp.Host) || !a.dynamic.told(a, c, v, announcers[f.AnnouncedBy]) ||
			slices.ContainsFunc(a.checks, func(k checked) bool { return k.Flow == f && k.view == v }) {
			continue
		}
		cand.Port = rules.PortDynamic
		o := a.newOption(cand, v.orig.Host, c.Proto, before+len(a.plan(c, v).options))
		a.checks = append(a.checks, a.check(c, v, &o))
	}
	return len(a.checks) > before
}

// documented is step 3: the best flow that is fully met, the others kept as shared.
func (a *Auditor) documented() (judged, bool) {
	var best *checked
	for i := range a.checks {
		if k := &a.checks[i]; k.broken == 0 && (best == nil || compareChecks(k, best) < 0) {
			best = k
		}
	}
	if best == nil {
		return judged{}, false
	}
	j := judged{verdict: documented, original: documented, opens: best.opens, view: *best.view, flow: best.Flow, option: best.option, match: a.match(best.option), unknown: best.unknown}
	j.shared = a.others(best)
	return j, true
}

// others are the flows beside the best that cover the connection, each once.
func (a *Auditor) others(best *checked) []shared {
	a.shared = a.shared[:0]
	for i := range a.checks {
		k := &a.checks[i]
		if k.Flow == best.Flow || k.broken&unsatisfying != 0 {
			continue
		}
		s := shared{k.option, *k.view, k.broken == 0}
		switch before := slices.IndexFunc(a.shared, func(o shared) bool { return o.option.Flow == k.Flow }); {
		case before < 0:
			a.shared = append(a.shared, s)
		case s.met && !a.shared[before].met:
			a.shared[before] = s
		}
	}
	return a.shared
}

// deviating is step 4: roles, protocol and port are met, something stated is broken. The flow with the fewest broken statements is named.
// Of a flow that only one side may open, roles are met for certain only where the originator is certain. A missing announcement alone
// proves nothing where the control conversation was not read whole: it may lie before the capture.
func (a *Auditor) deviating(c *flow.Conn, _, _ *view) (judged, bool) {
	var best *checked
	for i := range a.checks {
		k := &a.checks[i]
		if a.set.Site == nil && k.broken&whyUnannounced != 0 {
			continue // any high port: without roles that says nothing
		}
		if best == nil || cmp.Or(bits.OnesCount16(uint16(k.broken))-bits.OnesCount16(uint16(best.broken)), compareChecks(k, best)) < 0 {
			best = k
		}
	}
	if best == nil {
		return judged{}, false
	}
	j := judged{verdict: deviation, why: best.broken, opens: best.opens, view: *best.view, flow: best.Flow, option: best.option, match: a.match(best.option), unknown: best.unknown}
	if !best.view.sure && (best.broken&whySourcePort != 0 || best.Flow.Originator != "either") || best.broken == whyUnannounced && best.unproven {
		j.verdict = indeterminate
	}
	j.shared = a.others(best)
	return j, true
}

// reversedRoles is step 5: the responder plays the flow's from role and the originator its to role, and the responder port is the documented one.
// Flows from or to any and internet say nothing about who opens, and a port that was announced belongs to no direction.
func (a *Auditor) reversedRoles(c *flow.Conn, v, _ *view) (judged, bool) {
	if a.set.Site == nil {
		return judged{}, false
	}
	turned := v.turned()
	p := a.plan(c, &turned)
	var best *option
	why := whyOriginator
	for i := range p.options {
		o := &p.options[i]
		if o.Port > rules.PortRanged || o.From.By == rules.ByReserved || o.To.By == rules.ByReserved || o.Proxied || o.bySource() {
			continue
		}
		if a.condition(o, c.First) != rules.Off {
			best, why = o, whyOriginator
			break
		}
		if best == nil {
			best, why = o, whyOriginator|whyCondition
		}
	}
	if best == nil {
		return judged{}, false
	}
	j := judged{verdict: deviation, why: why, view: *v, flow: best.Flow, option: best, match: a.match(best)}
	if !v.sure || v.translated() || v.resp.Translation != "" {
		j.verdict = indeterminate
	}
	return j, true
}

// silent is step 6: a flow joins these roles and its document states no port. One that does not apply here asks nothing.
func (a *Auditor) silent(c *flow.Conn, v, flipped *view) (judged, bool) {
	for _, w := range []*view{v, flipped} {
		var flows []*rules.Flow
		for _, f := range a.plan(c, w).silent {
			if a.set.Condition(f, c.First) != rules.Off {
				flows = append(flows, f)
			}
		}
		if len(flows) > 0 {
			return judged{verdict: indeterminate, why: whyDocumentSilent, view: *w, flow: flows[0], silent: flows}, true
		}
	}
	return judged{}, false
}

// platformService is the last part of step 1: traffic inside the site that a reference list names and nothing else.
func (a *Auditor) platformService(c *flow.Conn, v, flipped *view) (judged, bool) {
	if a.set.Site != nil && !(known(v.orig) && known(v.resp)) {
		return judged{}, false
	}
	if a.platform(c, v) || flipped != v && a.platform(c, flipped) {
		return judged{verdict: outOfScope, why: whyPlatformService, view: *v}, true
	}
	return judged{}, false
}

// unexpected is step 7. Where the originator is a guess, the orientation with a documented service is shown.
func (a *Auditor) unexpected(c *flow.Conn, v, flipped *view) judged {
	services := a.services(c.Proto, c.ICMPType, v)
	if len(services) == 0 && flipped != v {
		if services = a.services(c.Proto, c.ICMPType, flipped); len(services) > 0 {
			v = flipped
		}
	}
	j := judged{verdict: unexpected, view: *v}
	switch {
	case a.set.Site != nil && (!identified(v.orig, v.from.Addr()) || !identified(v.resp, v.to.Addr())):
		j.why = whyUnknownHost
	case len(services) == 0:
		j.why = whyUndocumentedService
	default:
		j.why = whyWrongRoles
	}
	return j
}

// identified is true for a host of the site, for an address that a pack names, for hosts behind a translation, and for group addresses, which are no hosts.
func identified(m *rules.Membership, addr netip.Addr) bool {
	if m.Host != nil || len(m.Behind) > 0 || addr.IsMulticast() {
		return true
	}
	for _, r := range m.Roles {
		if r.By == rules.ByAddress || r.Role == "broadcast" || r.Role == "multicast" {
			return true
		}
	}
	return false
}

// except is step 8: an exception turns deviation and unexpected into excepted, in either orientation where the originator is a guess. One that
// is not valid at the connection's time turns nothing, and is kept for the finding.
func (a *Auditor) except(c *flow.Conn, j judged, flipped *view) judged {
	j.original = j.verdict
	if j.verdict != deviation && j.verdict != unexpected {
		return j
	}
	for _, v := range [...]*view{&j.view, &a.views[0], flipped} {
		e, validity := a.set.Exception(v.origEnd(), v.respEnd(), c.Proto, v.port, c.First)
		if validity == rules.Active || j.exception == nil {
			j.exception, j.validity = e, validity
		}
		if validity == rules.Active {
			j.verdict = excepted
			break
		}
		if j.view.sure {
			break
		}
	}
	return j
}

func unknownCondition(f *rules.Flow) string {
	return "condition " + strings.TrimPrefix(f.Condition, "!") + " is not stated by the site"
}

// export gives the judgement as reports show it.
func (j *judged) export() Judgement {
	e := Judgement{Verdict: j.verdict.String(), Why: j.why.names(), SharedWith: []string{}, Match: j.match, MatchBy: j.option.identifiedBy(&j.view).String(), Unverified: j.opens.names()}
	if j.flow != nil {
		e.Flow = j.flow.Ref()
	}
	for _, s := range j.shared {
		if s.met {
			e.SharedWith = append(e.SharedWith, s.option.Flow.Ref())
		}
	}
	for _, f := range j.silent[min(1, len(j.silent)):] {
		e.SharedWith = append(e.SharedWith, f.Ref())
	}
	if j.unknown {
		e.Note = unknownCondition(j.flow)
	}
	if j.verdict == excepted {
		e.Original = j.original.String()
		e.Exception = j.exception.ID
	}
	return e
}
