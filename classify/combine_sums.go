package classify

import (
	"cmp"
	"math/bits"
	"slices"
)

// merge puts rows of the same key together, in the order in which keys first appear.
func merge[T any, K comparable](key func(*T) K, add func(into, row *T), lists [][]T) []T {
	out, at := []T{}, map[K]int{}
	for _, list := range lists {
		for i := range list {
			row := &list[i]
			if j, known := at[key(row)]; known {
				add(&out[j], row)
				continue
			}
			at[key(row)] = len(out)
			out = append(out, *row)
		}
	}
	return out
}

// each takes one list of every audit.
func each[T any](c *combination, of func(*Audit) []T) [][]T {
	lists := make([][]T, len(c.list))
	for i, s := range c.list {
		lists[i] = of(s.Audit)
	}
	return lists
}

func counts(lists [][]Count) []Count {
	return merge(func(n *Count) string { return n.Name }, func(into, n *Count) { into.Packets += n.Packets }, lists)
}

// sums adds up the numbers of the audits.
func (c *combination) sums() {
	out := c.out
	for _, s := range c.list {
		a := s.Audit
		out.Packets.Read += a.Packets.Read
		out.Packets.Bytes += a.Packets.Bytes
		out.Packets.Unread += a.Packets.Unread
		out.Connections.Created += a.Connections.Created
		out.Connections.Open += a.Connections.Open
		out.Connections.Emitted += a.Connections.Emitted
	}
	if c.sequence {
		c.carriedOver()
	}
	out.Packets.Classes = counts(each(c, func(a *Audit) []Count { return a.Packets.Classes }))
	out.Packets.Inside = counts(each(c, func(a *Audit) []Count { return a.Packets.Inside }))
	out.Packets.Detail = counts(each(c, func(a *Audit) []Count { return a.Packets.Detail }))
	out.Connections.Ends = counts(each(c, func(a *Audit) []Count { return a.Connections.Ends }))
	out.Totals = merge(func(t *Total) string { return t.Verdict }, func(into, t *Total) {
		into.Connections += t.Connections
		into.Packets += t.Packets
		into.Bytes += t.Bytes
	}, each(c, func(a *Audit) []Total { return a.Totals }))
	out.Kinds = merge(func(t *KindTotal) [2]string { return [2]string{t.Kind, t.Verdict} }, func(into, t *KindTotal) {
		into.Connections += t.Connections
		into.Bytes += t.Bytes
	}, each(c, func(a *Audit) []KindTotal { return a.Kinds }))
	slices.SortStableFunc(out.Kinds, func(a, b KindTotal) int {
		return cmp.Or(cmp.Compare(slices.Index(kindOrder, a.Kind), slices.Index(kindOrder, b.Kind)), cmp.Compare(slices.Index(verdictNames[:], a.Verdict), slices.Index(verdictNames[:], b.Verdict)))
	})
	out.Baseline = flowSums(each(c, func(a *Audit) []FlowTotal { return a.Baseline }))
	out.Flows = flowSums(each(c, func(a *Audit) []FlowTotal { return a.Flows }))
	out.OutOfScope = reasonSums(each(c, func(a *Audit) []ReasonTotal { return a.OutOfScope }))
	out.Unverified = reasonSums(each(c, func(a *Audit) []ReasonTotal { return a.Unverified }))
	out.Exceptions = merge(func(e *ExceptionUse) string { return e.ID }, addException, each(c, func(a *Audit) []ExceptionUse { return a.Exceptions }))
	c.matrix()
	c.encryption()
	c.sourcePorts()
}

// kindOrder is the order of Audit.Kinds.
var kindOrder = []string{"vendor", "baseline", "local"}

func flowSums(lists [][]FlowTotal) []FlowTotal {
	return merge(func(t *FlowTotal) string { return t.Flow }, func(into, t *FlowTotal) {
		into.Connections += t.Connections
		into.Bytes += t.Bytes
		into.OrigHosts, into.RespHosts = max(into.OrigHosts, t.OrigHosts), max(into.RespHosts, t.RespHosts)
		into.ByName += t.ByName
		into.ByClaim += t.ByClaim
		into.ByAddress += t.ByAddress
		if into.Note == "" {
			into.Note = t.Note
		}
	}, lists)
}

func reasonSums(lists [][]ReasonTotal) []ReasonTotal {
	list := merge(func(t *ReasonTotal) string { return t.Reason }, func(into, t *ReasonTotal) {
		into.Connections += t.Connections
		into.Bytes += t.Bytes
	}, lists)
	slices.SortStableFunc(list, func(a, b ReasonTotal) int { return cmp.Compare(b.Connections, a.Connections) })
	return list
}

// addException: used in one audit is used; expired only where it covered nothing in any.
func addException(into, e *ExceptionUse) {
	into.Connections += e.Connections
	into.Expired += e.Expired
	if e.State == "used" || into.State == "unused" {
		into.State = e.State
	}
}

func (c *combination) matrix() {
	type key struct{ from, to, flow, service, verdict string }
	c.out.Matrix = merge(func(m *MatrixCell) key { return key{m.From, m.To, m.Flow, m.Service, m.Verdict} }, func(into, m *MatrixCell) {
		into.Connections += m.Connections
		into.Packets += m.Packets
		into.Bytes += m.Bytes
	}, each(c, func(a *Audit) []MatrixCell { return a.Matrix }))
	slices.SortFunc(c.out.Matrix, compareCells)
}

func (c *combination) encryption() {
	out := &c.out.Encryption
	out.Verified = merge(func(u *EncryptionUse) [2]string { return [2]string{u.Flow, u.How} }, func(into, u *EncryptionUse) {
		into.Connections += u.Connections
		into.Bytes += u.Bytes
	}, each(c, func(a *Audit) []EncryptionUse { return a.Encryption.Verified }))
	out.NotVerified = merge(func(u *EncryptionGap) [2]string { return [2]string{u.Flow, u.Reason} }, func(into, u *EncryptionGap) {
		into.Connections += u.Connections
		into.Bytes += u.Bytes
	}, each(c, func(a *Audit) []EncryptionGap { return a.Encryption.NotVerified }))
	out.Cleartext = merge(func(u *CleartextUse) [3]string { return [3]string{u.Flow, u.What, u.Basis} }, func(into, u *CleartextUse) {
		into.Connections += u.Connections
		into.Bytes += u.Bytes
	}, each(c, func(a *Audit) []CleartextUse { return a.Encryption.Cleartext }))
	out.ClientCerts = merge(func(u *ClientCertUse) string { return u.Flow }, func(into, u *ClientCertUse) {
		into.Requested += u.Requested
		into.NotRequested += u.NotRequested
		into.Hidden += u.Hidden
		into.Unknown += u.Unknown
	}, each(c, func(a *Audit) []ClientCertUse { return a.Encryption.ClientCerts }))
	lists := each(c, func(a *Audit) []Observation { return slices.Clone(a.Observations) })
	for i, list := range lists {
		for j := range list {
			list[j].Sample = c.shifted(i, list[j].Sample)
		}
	}
	c.out.Observations = merge(func(o *Observation) [2]string { return [2]string{o.Note, o.Service} }, func(into, o *Observation) {
		into.Hosts = max(into.Hosts, o.Hosts)
		into.Connections += o.Connections
	}, lists)
	slices.SortFunc(c.out.Observations, func(a, b Observation) int {
		return cmp.Or(cmp.Compare(a.Note, b.Note), -cmp.Compare(a.Connections, b.Connections), cmp.Compare(a.Service, b.Service))
	})
}

func (c *combination) sourcePorts() {
	c.out.SourcePorts = merge(func(p *PortProfile) [2]string { return [2]string{p.Host, p.OS} }, func(into, p *PortProfile) {
		into.Documented = slices.Clone(into.Documented)
		for _, r := range p.Documented {
			if !slices.Contains(into.Documented, r) {
				into.Documented = append(into.Documented, r)
			}
		}
		into.Lowest, into.Highest = min(into.Lowest, p.Lowest), max(into.Highest, p.Highest)
		into.Connections += p.Connections
		into.Outside += p.Outside
	}, each(c, func(a *Audit) []PortProfile { return a.SourcePorts }))
	slices.SortFunc(c.out.SourcePorts, func(a, b PortProfile) int {
		return cmp.Or(cmp.Compare(b.Outside, a.Outside), cmp.Compare(a.Host, b.Host), cmp.Compare(a.OS, b.OS))
	})
}

// timeline adds up the buckets of the audits, which are powers of two seconds long and begin at multiples of that.
func (c *combination) timeline() {
	var t timeline
	out := Timeline{Buckets: []TimelineBucket{}, Losses: []LossSpan{}}
	for _, s := range c.list {
		o := &s.Audit.Timeline
		out.Losses = append(out.Losses, o.Losses...)
		from, ok := parseStamp(o.From)
		shift := uint(bits.Len64(uint64(o.Seconds)))
		if !ok || shift == 0 || shift > 40 {
			continue
		}
		for i, b := range o.Buckets {
			t.addBucket(from/1e9+int64(i)<<(shift-1), shift-1, b)
		}
	}
	e := t.export()
	out.From, out.Seconds = e.From, e.Seconds
	if len(e.Buckets) > 0 {
		out.Buckets = e.Buckets
	}
	slices.SortFunc(out.Losses, func(a, b LossSpan) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Until, b.Until)) })
	out.Losses = fewer(out.Losses)
	c.out.Timeline = out
}

// fewer joins neighbouring spans until the list is short enough.
func fewer(list []LossSpan) []LossSpan {
	for len(list) > maxLossSpans+1 {
		half := list[:0:0]
		for i := 0; i < len(list); i += 2 {
			s := list[i]
			if i+1 < len(list) {
				s.Until, s.Missed = max(s.Until, list[i+1].Until), s.Missed+list[i+1].Missed
			}
			half = append(half, s)
		}
		list = half
	}
	return list
}
