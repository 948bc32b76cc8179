package monitor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

// ErrCheckpoint says that a checkpoint cannot be restored: the monitor is as it was, and may go on without.
var ErrCheckpoint = errors.New("the checkpoint cannot be restored")

// content is what a checkpoint holds.
type content struct {
	parts []json.RawMessage // audits
	open  []openConn        // when the last of them was made
	state saved
	last  *classify.Audit // of parts
}

// saved is all but the audits. Times are ns since 1970 UTC.
type saved struct {
	At       int64               `json:"at"`
	Interval int64               `json:"interval"`
	From     int64               `json:"from"` // the period
	Until    int64               `json:"until"`
	Since    int64               `json:"since"`   // nothing was watched before
	Unsaved  uint64              `json:"unsaved"` // open connections that had no room
	Blind    []classify.Span     `json:"blind"`
	Stories  []story             `json:"findings"`
	Uses     []use               `json:"expectations"`
	Names    []flow.Name         `json:"names"`
	Controls []control           `json:"controls"`
	Ports    []flow.Announcement `json:"ports"`
}

// Saved is all that a restart needs to go on with the period, at one moment. It may be encoded in another goroutine.
type Saved struct {
	parts []part
	now   *classify.Audit // the last part
	open  []openConn
	state saved
}

// EachOpen gives f the connections that are open, at most that many; each is valid during the call.
type EachOpen func(most int, f func(*flow.Conn))

// Save takes the state of the monitor; c is the capture since the part began, and open gives its open connections: nil where there are none. The audit of the part goes on. No open
// connection is judged: it counts when it ends, or in the run that Restore has go on.
func (m *Monitor) Save(c classify.Capture, open EachOpen) (*Saved, error) {
	a, err := m.finish(c)
	if err != nil {
		return nil, fmt.Errorf("save the state: %w", err)
	}
	m.followed()
	s := &Saved{parts: slices.Clone(m.parts), now: a, open: m.opened(c.Open, open)}
	s.state = saved{At: m.now, Interval: m.opts.Interval, From: m.period.From, Until: m.period.Until, Since: m.blind.since, Unsaved: c.Open - min(c.Open, uint64(len(s.open))), Blind: m.blind.all(m.now),
		Stories: values(&m.stories), Names: values(&m.memory.names), Controls: values(&m.memory.controls), Ports: values(&m.memory.ports)}
	for _, k := range m.sortedUses() {
		s.state.Uses = append(s.state.Uses, *m.uses[k])
	}
	return s, nil
}

func values[K comparable, V any](r *recent[K, V]) []V {
	list := make([]V, 0, r.len())
	for v := range r.all() {
		list = append(list, *v)
	}
	return list
}

// Restore goes on with the period of a checkpoint of that many bytes, before anything but Acknowledge is told to the monitor. The time since it was written is blind. Where the period has
// ended meanwhile, Due says so at once. On an error, which is ErrCheckpoint, nothing has changed.
func (m *Monitor) Restore(r io.ReaderAt, size, now int64) error {
	if m.begun {
		return fmt.Errorf("%w: the monitor has begun without it", ErrCheckpoint)
	}
	c, parts, err := read(r, size)
	if err == nil {
		err = m.fits(&c.state, now)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	s := &c.state
	m.begun = true
	m.now = max(m.now, now)
	m.period, m.parts = classify.Span{From: s.From, Until: s.Until}, m.squeezed(parts)
	m.blind.since = s.Since
	for _, span := range append(s.Blind, classify.Span{From: s.At, Until: m.now}) {
		m.blind.add(span)
	}
	for i := range s.Stories {
		story := s.Stories[i]
		story.Seen = m.now
		if m.stories.get(story.ID) == nil {
			m.stories.put(story.ID, story)
		}
	}
	for i := range s.Uses {
		m.uses[useKey{s.Uses[i].Flow, s.Uses[i].Host}] = &s.Uses[i]
	}
	m.looks.again = m.now
	m.memory.restore(s)
	m.raise(Alert{Kind: KindResolved, Severity: severities[info], Since: s.At, Text: "going on with the period after " + words(m.now-s.At) + " in which nothing was watched" + openWords(c) + m.realigned(s)})
	m.auditor = nil
	m.interrupted(c)
	m.memory.missed(s.At)
	m.audit()
	return nil
}

// realigned says that the period of a checkpoint ends when no period does now: periods are aligned to another zone.
func (m *Monitor) realigned(s *saved) string {
	if s.Until == never || m.periodAt(s.Until-1).Until == s.Until {
		return ""
	}
	return "; periods are aligned to another zone now: this one ends when it was to, and the next one begins then and is shorter"
}

// read reads a checkpoint and its parts.
func read(r io.ReaderAt, size int64) (*content, []part, error) {
	sealed, err := unseal(r, size)
	if err != nil {
		return nil, nil, err
	}
	c := new(content)
	if err := c.decode(sealed); err != nil {
		return nil, nil, fmt.Errorf("its content is damaged: %w", err)
	}
	if err := c.state.sound(); err != nil {
		return nil, nil, err
	}
	var parts []part
	for _, raw := range c.parts {
		sum := sha256.Sum256(raw)
		p := part{raw, hex.EncodeToString(sum[:])}
		source, err := p.source()
		if err != nil {
			return nil, nil, fmt.Errorf("a part of its period is damaged: %w", err)
		}
		c.last = source.Audit
		parts = append(parts, p)
	}
	if len(c.open) == 0 && c.state.Unsaved == 0 && c.last != nil { // an older version did not keep them
		c.state.Unsaved = c.last.Connections.Open
	}
	if err := c.soundOpen(); err != nil {
		return nil, nil, err
	}
	return c, parts, nil
}

// sound holds what was read against the limits.
func (s *saved) sound() error {
	if s.From >= s.Until || s.At < 0 || s.Since > s.At {
		return errors.New("its times contradict each other")
	}
	for i := range s.Stories {
		f := &s.Stories[i]
		if len(f.ID) != 16 || len(f.Summary) > maxStoryText || f.Severity < high || f.Severity > info {
			return fmt.Errorf("it has a finding with the id %.40q", f.ID)
		}
	}
	for i := range s.Names {
		if n := &s.Names[i]; !n.Addr.IsValid() || n.Origin > flow.NameDNS || len(n.Name) > flow.MaxFactValue || len(n.Chain) > flow.MaxFactValue {
			return fmt.Errorf("it has the name %.40q", n.Name)
		}
	}
	for i := range s.Controls {
		if c := &s.Controls[i]; !c.Orig.IsValid() || !c.Resp.IsValid() || c.By > flow.AnnouncedBySIP {
			return fmt.Errorf("it has a control service between %.60q and %.60q", c.Orig, c.Resp)
		}
	}
	for i := range s.Ports {
		if n := &s.Ports[i]; n.Event != flow.PortAnnounced || n.By > flow.AnnouncedBySIP || !n.Orig.Addr().IsValid() || !n.Resp.Addr().IsValid() || !n.Peer.IsValid() || !n.To.Addr().IsValid() {
			return fmt.Errorf("it has an announced port at %.60q", n.To)
		}
	}
	return nil
}

// fits says why a checkpoint is not of this monitor's time and interval.
func (m *Monitor) fits(s *saved, now int64) error {
	switch now = max(now, m.now); {
	case s.At > now:
		return fmt.Errorf("it is from %s, which is yet to come: check the clock", flow.Stamp(s.At))
	case s.Interval != m.opts.Interval:
		return fmt.Errorf("its periods last %s, and now %s is asked", words(s.Interval), words(m.opts.Interval))
	}
	return nil
}

// all gives the blind times, those that go on ending now.
func (b *blindness) all(now int64) []classify.Span {
	list := slices.Clone(b.spans)
	for _, iface := range slices.Sorted(maps.Keys(b.now)) {
		list = append(list, classify.Span{From: b.now[iface].since, Until: now})
	}
	return list
}

// restore takes what a checkpoint remembers. Of the time since it nothing is known: see missed.
func (m *memory) restore(s *saved) {
	for i := range s.Names {
		m.name(&s.Names[i])
	}
	for i := range s.Controls {
		c := s.Controls[i]
		if k := (controlKey{c.Orig.Addr(), c.Resp.Addr(), c.By}); m.controls.get(k) == nil {
			m.controls.put(k, c)
		}
	}
	for i := range s.Ports {
		m.port(&s.Ports[i])
	}
}
