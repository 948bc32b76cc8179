package classify

import (
	"cmp"
	"math/bits"
	"net/netip"

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
	shared            []shared // further flows fully met; valid until the next connection is judged
	silent            []*rules.Flow
	match             string
	unknown           bool // documented while its condition is neither on nor off
	exception         *rules.Exception
	validity          rules.Validity
}

// shared is a flow fully met, with the orientation in which it is.
type shared struct {
	option *option
	view   view
}

// judge is the procedure of the verdict, one function a step. pending is true where the verdict hangs on an announcement that may still come.
func (a *Auditor) judge(c *flow.Conn) (j judged, pending bool) {
	v, flipped := &a.views[0], &a.views[0]
	*v = a.viewOf(c)
	if w := a.scope(c, v); w != 0 {
		return judged{verdict: outOfScope, original: outOfScope, why: w, view: *v}, false
	}
	a.checks = a.checkPlan(a.checks[:0], c, v)
	if !v.sure && !c.Proto.IsICMP() {
		flipped = &a.views[1]
		*flipped = a.flippedView(c)
		a.checks = a.checkPlan(a.checks, c, flipped)
	}
	if j, pending, ok := a.documented(); ok {
		return j, pending
	}
	steps := [...]func(*flow.Conn, *view, *view) (judged, bool){a.deviating, a.reversedRoles, a.silent, a.platformService}
	for _, step := range steps {
		if j, ok := step(c, v, flipped); ok {
			return a.except(c, j), false
		}
	}
	return a.except(c, a.unexpected(c, v)), false
}

func (a *Auditor) checkPlan(into []checked, c *flow.Conn, v *view) []checked {
	p := a.plan(c, v)
	for i := range p.options {
		if k := a.check(c, v, &p.options[i]); k.broken&whySourcePort == 0 || !k.bySource() {
			into = append(into, k)
		}
	}
	return into
}

// documented is step 3: the best flow that is fully met, the others kept as shared. The verdict waits while a flow could still be met, or still be broken otherwise.
func (a *Auditor) documented() (j judged, pending, ok bool) {
	var best *checked
	waits, unsure := false, false
	for i := range a.checks {
		k := &a.checks[i]
		waits = waits || k.pending && k.broken == 0
		unsure = unsure || k.pending
		if k.broken == 0 && !k.pending && (best == nil || compareChecks(k, best) < 0) {
			best = k
		}
	}
	if waits || best == nil && unsure {
		return judged{}, true, true
	}
	if best == nil {
		return judged{}, false, false
	}
	j = judged{verdict: documented, original: documented, opens: best.opens, view: *best.view, flow: best.Flow, option: best.option, match: a.match(best.option), unknown: best.unknown}
	a.shared = a.shared[:0]
	for i := range a.checks {
		if k := &a.checks[i]; k != best && k.broken == 0 && k.Flow != best.Flow {
			a.shared = append(a.shared, shared{k.option, *k.view})
		}
	}
	j.shared = a.shared
	return j, false, true
}

// deviating is step 4: roles, protocol and port are met, something stated is broken. The flow with the fewest broken statements is named.
// A missing announcement alone proves nothing while payloads are not read: it may lie before the capture.
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
	if best.broken&whySourcePort != 0 && !best.view.sure || best.broken == whyUnannounced {
		j.verdict = indeterminate
	}
	return j, true
}

// reversedRoles is step 5: the responder plays the flow's from role and the originator its to role, and the responder port is the documented one.
// Flows from or to any and internet say nothing about who opens, and a port that was announced belongs to no direction.
func (a *Auditor) reversedRoles(c *flow.Conn, v, _ *view) (judged, bool) {
	if a.set.Site == nil {
		return judged{}, false
	}
	turned := view{orig: v.resp, resp: v.orig, from: v.to, to: v.from, port: v.port}
	p := a.plan(c, &turned)
	for i := range p.options {
		o := &p.options[i]
		if o.Port > rules.PortRanged || o.From.By == rules.ByReserved || o.To.By == rules.ByReserved || o.Proxied || o.bySource() {
			continue
		}
		j := judged{verdict: deviation, why: whyOriginator, view: *v, flow: o.Flow, option: o, match: a.match(o)}
		if !v.sure || v.orig.Translation != "" || v.resp.Translation != "" {
			j.verdict = indeterminate
		}
		return j, true
	}
	return judged{}, false
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

// platformService is the last part of step 1: traffic that a reference list names and nothing else.
func (a *Auditor) platformService(c *flow.Conn, v, flipped *view) (judged, bool) {
	if a.platform(c, v) || flipped.flipped && a.platform(c, flipped) {
		return judged{verdict: outOfScope, why: whyPlatformService, view: *v}, true
	}
	return judged{}, false
}

// unexpected is step 7.
func (a *Auditor) unexpected(c *flow.Conn, v *view) judged {
	j := judged{verdict: unexpected, view: *v}
	switch {
	case a.set.Site != nil && (!identified(v.orig, v.from) || !identified(v.resp, v.to)):
		j.why = whyUnknownHost
	case len(a.services(c.Proto, c.ICMPType, v)) == 0:
		j.why = whyUndocumentedService
	default:
		j.why = whyWrongRoles
	}
	return j
}

// identified is true for a host of the site, for an address that a pack names, for hosts behind a translation, and for group addresses, which are no hosts.
func identified(m *rules.Membership, end netip.AddrPort) bool {
	if m.Host != nil || len(m.Behind) > 0 || end.Addr().IsMulticast() {
		return true
	}
	for _, r := range m.Roles {
		if r.By == rules.ByAddress || r.Role == "broadcast" || r.Role == "multicast" {
			return true
		}
	}
	return false
}

// except is step 8: an exception turns deviation and unexpected into excepted. One that is not valid at the connection's time turns nothing, and is kept for the finding.
func (a *Auditor) except(c *flow.Conn, j judged) judged {
	j.original = j.verdict
	if j.verdict != deviation && j.verdict != unexpected {
		return j
	}
	j.exception, j.validity = a.set.Exception(j.view.origEnd(), j.view.respEnd(), c.Proto, j.view.port, c.First)
	if j.validity == rules.Active {
		j.verdict = excepted
	}
	return j
}

func unknownCondition(f *rules.Flow) string {
	return "condition " + f.Condition + " is not stated by the site"
}

// export gives the judgement as reports show it.
func (j *judged) export() Judgement {
	e := Judgement{Verdict: j.verdict.String(), Why: j.why.names(), SharedWith: []string{}, Match: j.match, Unverified: j.opens.names()}
	if j.flow != nil {
		e.Flow = j.flow.Ref()
	}
	for _, s := range j.shared {
		e.SharedWith = append(e.SharedWith, s.option.Flow.Ref())
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
