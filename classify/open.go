package classify

import "pcapaudit/capture/flow"

// Connections that are still open are judged for what cannot wait until they end; in the ledgers and totals they count when they are emitted.

// maxWitnessed bounds the open connections of which it is remembered that they were witnessed. Further ones are witnessed anew each time: numbers of connections that reasons
// state are then too large.
const maxWitnessed = 1 << 16

// openSums counts the connections that were witnessed since the last Finish.
type openSums struct {
	judged  uint64 // in scope
	pending uint64 // of them, those that will count for the result when they end

	known map[flow.ConnID]asWitnessed // that have not ended, also from before the last Finish
}

// asWitnessed is what an open connection was when it was witnessed.
type asWitnessed struct {
	verdict    verdict
	why        why
	outcome    flow.Outcome
	visibility flow.Visibility
}

// changed says whether a connection is witnessed for the first time, or as something else than before.
func (o *openSums) changed(c *flow.Conn, j *judged) bool {
	now := asWitnessed{j.verdict, j.why, c.Outcome, c.Visibility}
	before, known := o.known[c.ID]
	if known && before == now {
		return false
	}
	if o.known == nil {
		o.known = map[flow.ConnID]asWitnessed{}
	}
	if known || len(o.known) < maxWitnessed {
		o.known[c.ID] = now
	}
	return true
}

// Witness judges an open connection that had packets of both sides in this part of the capture: it counts for expectations, for what the capture point sees and for coupled
// ports, and the result says where an open connection will decide. It is in no total, no finding and no ledger. Open
// connections are witnessed before each Finish: the result says only of those what is open. One that is witnessed again counts once. It keeps nothing of c.
func (a *Auditor) Witness(c *flow.Conn) {
	j := a.judge(c)
	if j.verdict != outOfScope {
		a.open.judged++
		if decides(j.verdict, attempt(c.Outcome)) || j.verdict == indeterminate {
			a.open.pending++
		}
	}
	if !a.open.changed(c, &j) {
		a.usesSchedules(c, &j)
		return
	}
	a.observes(c, &j)
}

// observes has a connection count for what the capture point sees, for expectations and for coupled ports.
func (a *Auditor) observes(c *flow.Conn, j *judged) {
	a.sight.add(a, c, j)
	a.unlisted.add(a, c, j)
	if j.verdict != outOfScope {
		a.expect.add(a, c, j)
		a.coupled.add(a, c, j)
	}
}

// over says whether all packets of a connection are from before the period, in which it ends by its silence alone: where both sides were heard it was witnessed then.
func (a *Auditor) over(c *flow.Conn) bool {
	return a.live() && c.Last < a.opts.Period.From && (c.Proto != flow.TCP || c.OrigPackets > 0 && c.RespPackets > 0)
}

// usesSchedules notes which flows with a schedule a connection used, and nothing else.
func (a *Auditor) usesSchedules(c *flow.Conn, j *judged) {
	if a.schedules.any && j.option != nil && j.verdict != outOfScope {
		uses, apart := newExpectations(), *j
		apart.memo = &memo{}
		uses.add(a, c, &apart)
	}
}

// Preview gives the finding that an open connection would be if it ended now, with the id that it has then; its evidence names no file. ok is false where it would be none:
// documented, excepted, out of scope. Nothing is recorded, but that the connection used flows with a schedule. It keeps nothing of c.
func (a *Auditor) Preview(c *flow.Conn) (f Finding, ok bool) {
	j := a.judge(c)
	if j.verdict == outOfScope {
		return Finding{}, false
	}
	a.usesSchedules(c, &j)
	if j.verdict == documented || j.verdict == excepted {
		return Finding{}, false
	}
	return a.finding(a.foldedOf(c, &j), nil), true
}
