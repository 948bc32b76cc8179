package monitor

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

// A run that is killed takes its open connections with it. A checkpoint holds them as they are, and the run that goes on judges them as if they had ended there: no packet that was
// tracked before the checkpoint is then in a connection that counts nowhere.

// Limits of the open connections in a checkpoint, see flow.Table.EachOpen. Of further ones it has the number; what they were is lost where the run is killed.
const (
	maxOpen      = 1 << 16
	maxOpenBytes = 32 << 20 // about, by openSize
)

// Limits of what one of them may hold in a checkpoint that is read.
const (
	maxOpenText  = 1 << 12 // bytes of tunnel and interface
	maxOpenFacts = 1 << 6
	maxOpenValue = 3 * flow.MaxFactValue // of a fact: bytes that are no UTF-8 have become three
	maxOpenVLANs = 1 << 6
)

// openConn is a connection as it was, with what was told of it.
type openConn struct {
	Conn openFields `json:"conn"`
	Told *openTold  `json:"told,omitempty"`
}

// openTold is provisional.
type openTold struct {
	ID       string `json:"id,omitempty"`
	Severity int    `json:"severity,omitempty"`
	Bytes    uint64 `json:"bytes,omitempty"`
}

// openFields are those of a flow.Conn, with short names, and none where they say nothing.
type openFields struct {
	ID         flow.ConnID     `json:"id"`
	Proto      flow.Proto      `json:"p"`
	Orig, Resp netip.AddrPort  `json:",omitzero"`
	ICMPType   uint8           `json:",omitzero"`
	ICMPCode   uint8           `json:",omitzero"`
	KnownBy    flow.KnownBy    `json:",omitzero"`
	Outcome    flow.Outcome    `json:",omitzero"`
	Visibility flow.Visibility `json:",omitzero"`
	End        flow.End        `json:",omitzero"`
	First      int64           `json:",omitzero"`
	Last       int64           `json:",omitzero"`

	OrigPackets, RespPackets uint64      `json:",omitzero"`
	OrigBytes, RespBytes     uint64      `json:",omitzero"`
	Missed                   flow.Missed `json:",omitzero"`

	VLANs     []uint16    `json:",omitzero"`
	Tunnel    string      `json:",omitzero"`
	Interface string      `json:",omitzero"`
	Facts     []flow.Fact `json:",omitzero"`

	ICMPError   flow.ICMPError `json:",omitzero"`
	ICMPErrorBy netip.Addr     `json:",omitzero"`
	QuotesKnown bool           `json:",omitzero"`
	OtherLeg    bool           `json:",omitzero"`
}

// opened copies open connections, of n that there are, with what was told of them.
func (m *Monitor) opened(n uint64, each EachOpen) []openConn {
	if each == nil {
		return nil
	}
	list, room := make([]openConn, 0, min(n, maxOpen)), maxOpenBytes
	each(maxOpen, func(c *flow.Conn) {
		size := openSize(c)
		if size > room {
			return
		}
		room -= size
		o := openConn{Conn: openFields(*c)}
		o.Conn.Facts, o.Conn.Missed.Minutes = slices.Clone(c.Facts), slices.Clone(c.Missed.Minutes)
		if p, told := m.pending[c.ID]; told {
			o.Told = &openTold{p.id, p.severity, p.bytes}
			if s := m.stories.get(p.id); s != nil {
				m.seen(s)
			}
		}
		list = append(list, o)
	})
	return list
}

// openSize is about how many bytes a connection takes in a checkpoint.
func openSize(c *flow.Conn) int {
	const conn, minute, fact = 256, 36, 72
	size := conn + minute*len(c.Missed.Minutes) + textSize(c.Tunnel) + textSize(c.Interface)
	for i := range c.Facts {
		size += fact + textSize(c.Facts[i].Value)
	}
	return size
}

// textSize is at most how many bytes a text takes in JSON, where what is not plain may be written as "\u001f".
func textSize(s string) int {
	n := len(s)
	for i := range len(s) {
		if b := s[i]; b < ' ' || b > '~' || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			n += 5
		}
	}
	return n
}

// interrupted has the open connections of a checkpoint end where its last part ends, as a part of their own, judged by the rules that hold now. They are told as any others; what
// was told of them before is not told again. Nothing is known yet of what was missed since.
func (m *Monitor) interrupted(c *content) {
	if len(c.open) == 0 && c.state.Unsaved == 0 {
		return
	}
	p, err := m.broke(c, c.open)
	if err != nil { // they are then as those of which nothing was saved
		m.counters.PartsLost++
		p, err = m.broke(c, nil)
	}
	if err != nil {
		n := uint64(len(c.open)) + c.state.Unsaved
		m.raise(Alert{ID: hashID("lost open"), Kind: KindBlind, Severity: severities[medium], Since: c.state.At, Text: plural(n, "connection") + " that the state had open count nowhere: " + err.Error()})
		return
	}
	m.keep(p)
}

// broke is the part in which these open connections of a checkpoint end; of the others it is not known what they were.
func (m *Monitor) broke(c *content, open []openConn) (part, error) {
	ended := uint64(len(open))
	facts := classify.Interrupted(c.last, classify.Break{Saved: c.state.At, Resumed: m.now, Ended: ended, Closed: closed(open), Unsaved: c.state.Unsaved + uint64(len(c.open)) - ended})
	m.auditor = classify.New(m.set, classify.Options{Tool: m.opts.Tool, Invocation: m.opts.Invocation, Warnings: m.warnings, Filter: m.opts.Filter, Period: m.period, Since: facts.First,
		Scheduled: m.followed(), Attempts: maxAttempts, OnJudged: m.judged})
	m.memory.teach(m.auditor)
	for i := range open {
		o := &open[i]
		conn := flow.Conn(o.Conn)
		if o.Told != nil {
			m.pending[conn.ID] = provisional{id: o.Told.ID, severity: o.Told.Severity, bytes: o.Told.Bytes}
		}
		m.Observe(&conn)
	}
	return m.ended(facts)
}

// closed is how many had closed, and only lingered.
func closed(list []openConn) (n uint64) {
	for i := range list {
		if list[i].Conn.End == flow.EndClosed {
			n++
		}
	}
	return n
}

// openWords says in the alert of a restart what became of open connections.
func openWords(c *content) (text string) {
	switch n := uint64(len(c.open)) - closed(c.open); n {
	case 0:
	case 1:
		text = "; 1 connection that was open then counts as ended, as it was"
	default:
		text = "; " + plural(n, "connection") + " that were open then count as ended, as they were"
	}
	if n := c.state.Unsaved; n > 0 {
		text += "; " + plural(n, "open connection") + " had no room in the state"
	}
	return text
}

// soundOpen holds the open connections against the limits, and against the part in which they were open.
func (c *content) soundOpen() error {
	switch n := uint64(len(c.open)); {
	case n == 0 && c.state.Unsaved == 0:
		return nil
	case c.last == nil || c.last.Connections.Open < n || c.last.Connections.Open-n != c.state.Unsaved:
		return errors.New("its open connections are not those of its ledger")
	}
	for i := range c.open {
		if o := &c.open[i]; !o.sound() {
			return fmt.Errorf("it has an open connection between %.60q and %.60q", o.Conn.Orig, o.Conn.Resp)
		}
	}
	return nil
}

func (o *openConn) sound() bool {
	c := &o.Conn
	told := o.Told == nil || (o.Told.ID == "" || len(o.Told.ID) == 16) && o.Told.Severity >= high && o.Told.Severity <= info
	return told && c.Orig.IsValid() && c.Resp.IsValid() && c.KnownBy <= flow.KnownByHandshake && c.Outcome <= flow.OneWay && c.Visibility <= flow.RespOnly && c.End <= flow.EndEvicted &&
		c.ICMPError <= flow.OtherUnreachable && c.First <= c.Last && len(c.Tunnel) <= maxOpenText && len(c.Interface) <= maxOpenText && len(c.VLANs) <= maxOpenVLANs &&
		soundMissed(&c.Missed) && len(c.Facts) <= maxOpenFacts && !slices.ContainsFunc(c.Facts, func(f flow.Fact) bool {
		return f.Kind > flow.FactNote || f.Origin > flow.NameDNS || len(f.Value) > maxOpenValue
	})
}

func soundMissed(m *flow.Missed) bool {
	return len(m.Minutes) <= flow.MaxMissedMinutes && !slices.ContainsFunc(m.Minutes, func(n flow.MissedMinute) bool { return n.Minute != int64(int32(n.Minute)) })
}
