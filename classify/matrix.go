package classify

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of the matrix.
const (
	maxMatrix      = 1 << 12 // cells with a service of their own; beyond, the services of two roles are one cell
	maxMatrixPairs = 1 << 14 // cells in all; further connections are counted as unkept
)

// otherServices is the service of a cell that has no room for its services.
const otherServices = "other services"

// MatrixCell counts the connections in scope between two roles, by documented flow or, where none covers them, by service. A host of several
// roles stands under that of the flow, else under its first, those of vendor and local packs before those of baseline packs.
type MatrixCell struct {
	From        string `json:"from"` // role of the originator: pack/role, any reserved role, "host without a role", "no host of the site"
	To          string `json:"to"`
	Flow        string `json:"flow"` // "" if none covers them
	Service     string `json:"service"`
	Verdict     string `json:"verdict"`
	Connections uint64 `json:"connections"`
	Packets     uint64 `json:"packets"`
	Bytes       uint64 `json:"bytes"`
}

type matrixKey struct {
	from, to string
	flow     *rules.Flow
	proto    flow.Proto
	port     int
	other    bool
	verdict  verdict
}

// matrix sums connections by the roles of their ends. Without a site roles are not verified, and it stays empty.
type matrix struct {
	cells    map[matrixKey]*tally
	baseline map[string]bool // names of packs
	unkept   uint64
}

func newMatrix(set *rules.Set) matrix {
	m := matrix{cells: map[matrixKey]*tally{}, baseline: map[string]bool{}}
	for _, p := range set.Packs {
		m.baseline[p.Name] = p.Kind == rules.Baseline
	}
	return m
}

func (m *matrix) add(a *Auditor, c *flow.Conn, j *judged) {
	if a.set.Site == nil {
		return
	}
	k, v := matrixKey{flow: j.flow, port: -1, verdict: j.verdict}, &j.view
	if j.flow == nil {
		k.proto, k.port = c.Proto, servicePort(c, v)
	}
	last := &matrixCell{}
	if o := j.option; o != nil && !j.why.reversed() {
		k.from, k.to, last = played(o.From), played(o.To), &a.kept(o).cell
	}
	if k.from == "" {
		k.from = m.roleAt(v.orig, v.fromEnd)
	}
	if k.to == "" {
		k.to = m.roleAt(v.resp, v.toEnd)
	}
	if last.sum == nil || last.from != k.from || last.to != k.to || last.verdict != k.verdict {
		before := m.unkept
		if *last = (matrixCell{k.from, k.to, k.verdict, m.cell(k)}); m.unkept != before {
			j.memo.loose = true
			return
		}
	}
	last.sum.add(c)
	j.memo.cell = last.sum
}

// reversed is a deviation of which the originator plays the flow's responder.
func (w why) reversed() bool { return w&whyOriginator != 0 }

// cell gives the sum of a cell, nil where there is no room.
func (m *matrix) cell(k matrixKey) *tally {
	if t := m.cells[k]; t != nil {
		return t
	}
	if len(m.cells) >= maxMatrix {
		k = matrixKey{from: k.from, to: k.to, port: -1, other: true, verdict: k.verdict}
		if t := m.cells[k]; t != nil {
			return t
		}
	}
	if len(m.cells) >= maxMatrixPairs {
		m.unkept++
		return nil
	}
	t := &tally{}
	m.cells[k] = t
	return t
}

// played is the role by which an end plays in a flow; "" for a flow of any host, which says less than what the host is.
func played(r rules.HeldRole) string {
	if r.By == rules.ByReserved {
		return ""
	}
	return r.Role
}

// roleAt is role for what is known of an address.
func (m *matrix) roleAt(of *rules.Membership, at *endpoint) string {
	if of != at.of {
		return m.role(of)
	}
	if at.role == "" {
		at.role = m.role(of)
	}
	return at.role
}

// role is the first role that an address holds, else what the site knows of it.
func (m *matrix) role(of *rules.Membership) string {
	held, reserved := "", ""
	for _, r := range of.Roles {
		switch pack, _, qualified := strings.Cut(r.Role, "/"); {
		case !qualified && r.Role != "any":
			reserved = r.Role
		case qualified && !m.baseline[pack]:
			return r.Role
		case qualified && held == "":
			held = r.Role
		}
	}
	switch {
	case held != "":
		return held
	case of.Host != nil:
		return "host without a role"
	case reserved != "":
		return reserved
	}
	return "no host of the site"
}

func (m *matrix) export(a *Auditor) []MatrixCell {
	list := make([]MatrixCell, 0, len(m.cells))
	for k, t := range m.cells {
		cell := MatrixCell{From: k.from, To: k.to, Verdict: k.verdict.String(), Connections: t.connections, Packets: t.packets, Bytes: t.bytes}
		switch {
		case k.other:
			cell.Service = otherServices
		case k.flow != nil:
			cell.Flow, cell.Service = k.flow.Ref(), a.service(k.flow)
		default:
			cell.Service = serviceName(k.proto, k.port)
		}
		list = append(list, cell)
	}
	slices.SortFunc(list, compareCells)
	return list
}

func compareCells(x, y MatrixCell) int {
	return cmp.Or(cmp.Compare(x.From, y.From), cmp.Compare(x.To, y.To), cmp.Compare(x.Verdict, y.Verdict), cmp.Compare(y.Connections, x.Connections),
		cmp.Compare(x.Flow, y.Flow), cmp.Compare(x.Service, y.Service))
}

// LossSpan is a time in which TCP packets are missing from the capture, by the estimate of Loss.
type LossSpan struct {
	From   string `json:"from"`
	Until  string `json:"until"`
	Missed uint64 `json:"missed"`
}

// maxLossSpans bounds the spans of a timeline.
const maxLossSpans = 128

// spans sums the minutes of all pairs, in spans of as many minutes as keep the list short.
func (l *losses) spans() []LossSpan {
	minutes := map[int64]uint64{}
	for _, s := range l.pairs {
		for m, n := range s.minutes {
			minutes[m] += n
		}
	}
	list := []LossSpan{}
	if len(minutes) == 0 {
		return list
	}
	order := slices.Sorted(maps.Keys(minutes))
	width := (order[len(order)-1]-order[0])/maxLossSpans + 1
	for i := 0; i < len(order); {
		from, missed := order[0]+(order[i]-order[0])/width*width, uint64(0)
		for ; i < len(order) && order[i] < from+width; i++ {
			missed += minutes[order[i]]
		}
		list = append(list, LossSpan{stampSeconds(60 * from), stampSeconds(60 * (from + width)), missed})
	}
	return list
}
