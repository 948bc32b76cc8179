package monitor

import (
	"net/netip"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

// Limits of what is remembered of names and announcements for the auditors to come. What is told least recently is forgotten first.
const (
	maxNames    = 1 << 16
	maxControls = 1 << 14 // control services between two hosts
	maxPorts    = 1 << 16 // announced ports; of a control service of which one was forgotten nothing is taken as read whole any more
)

// nameKey is a name that somebody was told.
type nameKey struct {
	asker, addr netip.Addr
	name, chain string
	origin      flow.NameOrigin
}

type controlKey struct {
	orig, resp netip.Addr
	by         flow.Announcer
}

// control is what is known of the control conversations of one service between two hosts.
type control struct {
	Orig   netip.AddrPort `json:"orig"` // of the first conversation
	Resp   netip.AddrPort `json:"resp"`
	By     flow.Announcer `json:"by"`
	At     int64          `json:"at"`
	Seen   bool           `json:"seen"` // at At, from its beginning
	Lost   bool           `json:"lost"`
	Since  int64          `json:"since"`  // when it was lost
	Doubts int            `json:"doubts"` // that are open
	Doubt  int64          `json:"doubt"`  // since when
}

// portKey is an announcement of a port without its time. The port of the asking side matters to TFTP alone.
type portKey struct {
	by         flow.Announcer
	orig, resp netip.AddrPort
	peer       netip.Addr
	to         netip.AddrPort
	proto      flow.Proto
}

// memory keeps the names and announcements that an auditor which begins later must know.
type memory struct {
	names    recent[nameKey, flow.Name]
	controls recent[controlKey, control]
	ports    recent[portKey, flow.Announcement]
}

func newMemory() memory {
	return memory{newRecent[nameKey, flow.Name](maxNames), newRecent[controlKey, control](maxControls), newRecent[portKey, flow.Announcement](maxPorts)}
}

// name remembers a name. Times in which the same was told become one: a long connection may have begun by the first answer.
func (m *memory) name(n *flow.Name) {
	k := nameKey{n.Asker, n.Addr, n.Name, n.Chain, n.Origin}
	if old := m.names.get(k); old != nil {
		old.At = min(old.At, n.At)
		old.Until = later(old.Until, n.Until)
		m.names.touch(k)
		return
	}
	m.names.put(k, *n)
}

// later of two ends, of which 0 is none.
func later(a, b int64) int64 {
	if a == 0 || b == 0 {
		return 0
	}
	return max(a, b)
}

func (m *memory) announcement(n *flow.Announcement) {
	c := m.control(n)
	switch n.Event {
	case flow.ControlSeen:
		if !c.Seen {
			c.Seen, c.At = true, n.At
		}
		c.At = min(c.At, n.At)
	case flow.ControlLost:
		c.lose(n.Since)
	case flow.ControlDoubt:
		if c.Doubts++; c.Doubts == 1 || n.Since < c.Doubt {
			c.Doubt = n.Since
		}
	case flow.ControlWhole:
		c.Doubts = max(c.Doubts-1, 0)
	case flow.PortAnnounced:
		m.port(n)
	}
}

// control finds the service of an announcement. One that comes back after some were forgotten was perhaps known before: its announcements may be forgotten, too.
func (m *memory) control(n *flow.Announcement) *control {
	k := controlKey{n.Orig.Addr(), n.Resp.Addr(), n.By}
	if c := m.controls.get(k); c != nil {
		m.controls.touch(k)
		return c
	}
	c := control{Orig: n.Orig, Resp: n.Resp, By: n.By, At: n.At}
	m.controls.put(k, c)
	if m.controls.forgotten > 0 {
		m.controls.get(k).lose(n.At)
	}
	return m.controls.get(k)
}

func (c *control) lose(since int64) {
	if !c.Lost || since < c.Since {
		c.Lost, c.Since = true, since
	}
}

func (m *memory) port(n *flow.Announcement) {
	kept := *n
	kept.What = ""
	if n.By != flow.AnnouncedByTFTP {
		kept.Orig = netip.AddrPortFrom(n.Orig.Addr(), 0)
	}
	k := portKey{kept.By, kept.Orig, kept.Resp, kept.Peer, kept.To, kept.Proto}
	if old := m.ports.get(k); old != nil {
		old.At = min(old.At, n.At)
		old.Until = later(old.Until, n.Until)
		m.ports.touch(k)
		return
	}
	forgot := m.ports.put(k, kept)
	if forgot == nil {
		return
	}
	if c := m.controls.get(controlKey{forgot.Orig.Addr(), forgot.Resp.Addr(), forgot.By}); c != nil {
		c.lose(forgot.At)
	}
}

// missed says that nothing was seen from a time on until now.
func (m *memory) missed(since int64) {
	for c := range m.controls.all() {
		c.lose(since)
		c.Doubts = 0
	}
}

// teach tells an auditor all that is remembered.
func (m *memory) teach(a *classify.Auditor) {
	for n := range m.names.all() {
		a.LearnName(n)
	}
	for c := range m.controls.all() {
		n := flow.Announcement{At: c.At, By: c.By, Orig: c.Orig, Resp: c.Resp}
		if n.Event = flow.ControlSeen; c.Seen {
			a.LearnAnnouncement(&n)
		}
		if n.Event, n.Since = flow.ControlLost, c.Since; c.Lost {
			a.LearnAnnouncement(&n)
		}
		n.Event, n.Since = flow.ControlDoubt, c.Doubt
		for range c.Doubts {
			a.LearnAnnouncement(&n)
		}
	}
	for n := range m.ports.all() {
		a.LearnAnnouncement(n)
	}
}
