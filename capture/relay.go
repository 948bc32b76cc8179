package capture

import (
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/capture/inspect"
)

// Sizes of a relay. Blocks of this size stay in a core's cache while they are filled and emptied.
const (
	relayBlocks = 4
	relayEvents = 512  // of one block
	relayFacts  = 2048 // of all connections of one block
)

// relay hands what a run tells to another goroutine, in the order in which it was told: there it is taken while the run reads on. What is told
// is copied into blocks that are used again and again; there is no queue an event.
type relay struct {
	block      *relayBlock // that is being filled
	full, free chan *relayBlock
	done       chan struct{}
	emit       func(*flow.Conn)
	learn      inspect.Learn
}

// relayBlock is events of three kinds, and their order.
type relayBlock struct {
	order         []relayEvent
	conns         []flow.Conn
	facts         []flow.Fact // of conns; never moved
	names         []flow.Name
	announcements []flow.Announcement
}

type relayEvent uint8

const (
	relayConn relayEvent = iota
	relayName
	relayAnnouncement
)

// beside has what c tells taken by a goroutine of its own. end waits until all of it was taken.
func (c *Config) beside() (end func()) {
	r := &relay{block: newRelayBlock(), full: make(chan *relayBlock, relayBlocks), free: make(chan *relayBlock, relayBlocks), done: make(chan struct{}),
		emit: c.Emit, learn: c.Learn}
	for range relayBlocks - 1 {
		r.free <- newRelayBlock()
	}
	if c.Emit != nil {
		c.Emit = r.conn
	}
	if c.Learn.Name != nil {
		c.Learn.Name = func(n *flow.Name) {
			r.block.names = append(r.block.names, *n)
			r.told(relayName)
		}
	}
	if c.Learn.Announcement != nil {
		c.Learn.Announcement = func(a *flow.Announcement) {
			r.block.announcements = append(r.block.announcements, *a)
			r.told(relayAnnouncement)
		}
	}
	go r.take()
	return func() {
		r.full <- r.block
		close(r.full)
		<-r.done
	}
}

func newRelayBlock() *relayBlock {
	return &relayBlock{order: make([]relayEvent, 0, relayEvents), conns: make([]flow.Conn, 0, relayEvents), facts: make([]flow.Fact, 0, relayFacts)}
}

func (r *relay) conn(c *flow.Conn) {
	if len(r.block.facts)+len(c.Facts) > relayFacts {
		r.pass()
	}
	b := r.block
	from := len(b.facts)
	b.facts = append(b.facts, c.Facts...)
	b.conns = append(b.conns, *c)
	b.conns[len(b.conns)-1].Facts = slices.Clip(b.facts[from:])
	r.told(relayConn)
}

func (r *relay) told(e relayEvent) {
	r.block.order = append(r.block.order, e)
	if len(r.block.order) == relayEvents {
		r.pass()
	}
}

// pass lets the other goroutine have the block, and waits for an empty one.
func (r *relay) pass() {
	r.full <- r.block
	r.block = <-r.free
}

// take is the other goroutine.
func (r *relay) take() {
	defer close(r.done)
	for b := range r.full {
		conns, names, announcements := b.conns, b.names, b.announcements
		for _, e := range b.order {
			switch e {
			case relayConn:
				r.emit(&conns[0])
				conns = conns[1:]
			case relayName:
				r.learn.Name(&names[0])
				names = names[1:]
			case relayAnnouncement:
				r.learn.Announcement(&announcements[0])
				announcements = announcements[1:]
			}
		}
		*b = relayBlock{b.order[:0], b.conns[:0], b.facts[:0], b.names[:0], b.announcements[:0]}
		r.free <- b
	}
}
