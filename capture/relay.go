package capture

import (
	"pcapaudit/capture/flow"
	"pcapaudit/capture/inspect"
)

// Sizes of a relay. Its blocks stay in a core's cache while they are filled and emptied.
const (
	relayBlocks = 6
	relayEvents = 256 // of one block
)

// relay has payloads inspected, and hands connections that have ended, and what inspection learned, to those who asked for it, in the order of the capture.
// These may be in another goroutine, while the packet loop reads on: what it hands over is copied into blocks that are used again and again.
//
// Payload is inspected beside the table, which hears at once what inspection does not want any more. With inspection in the other goroutine ten million cut
// packets took 2.4 s, and not 1.8 s.
type relay struct {
	block      *relayBlock   // that is being filled
	spare      []*relayBlock // empty
	full, free chan *relayBlock
	done       chan struct{} // closed when the other goroutine has taken all; nil: there is none, and nothing is copied

	inspector *inspect.Inspector
	told      *flow.Told
	table     *flow.Table
	at        flow.Offer // that is being inspected
	records   []uint32   // scratch of touch

	emit  func(*flow.Conn)
	young func(*flow.Conn)
	learn inspect.Learn
}

// relayBlock is events of several kinds, and their order.
type relayBlock struct {
	order         []relayEvent
	conns         []flow.Conn
	facts         []flow.Fact // of conns, in order
	told          []uint8     // how many of them each has
	names         []flow.Name
	announcements []flow.Announcement
}

type relayEvent uint8

const (
	relayConn relayEvent = iota
	relayName
	relayAnnouncement
)

// newRelay is a relay that takes names, to be handed over in another goroutine if beside. For all others it has to be joined to a table.
func newRelay(c *Config, beside bool) *relay {
	r := &relay{emit: c.Emit, young: c.Young, learn: c.Learn}
	if beside {
		r.block = &relayBlock{}
		for range relayBlocks - 1 {
			r.spare = append(r.spare, &relayBlock{})
		}
		r.full, r.free, r.done = make(chan *relayBlock, relayBlocks), make(chan *relayBlock, relayBlocks), make(chan struct{})
		go r.takeAll()
	}
	return r
}

func (r *relay) join(t *flow.Table) {
	r.table, r.told = t, flow.NewTold(t)
	var learn inspect.Learn
	if r.learn.Name != nil {
		learn.Name = r.name
	}
	if r.learn.Announcement != nil {
		learn.Announcement = r.announce
	}
	r.inspector = inspect.New(r.told, learn, t.Wish)
}

// offer has the payload of packet i of a batch inspected, which the table wants.
func (r *relay) offer(b *flow.Batch, i int, payload []byte) {
	r.table.Offer(&r.at, b, i)
	r.inspector.Packet(&r.at, payload)
}

// touch loads what packets of a batch need that will be offered.
func (r *relay) touch(b *flow.Batch, from, to int) {
	r.records = r.records[:0]
	for i := from; i < to; i++ {
		if b.Packets[i].Bits&flow.Head != 0 {
			r.records = append(r.records, b.Record[i])
		}
	}
	r.inspector.Touch(r.records)
}

// conn hands over a connection that has ended, with what it said.
func (r *relay) conn(rec uint32, c *flow.Conn) {
	r.inspector.End(rec)
	if r.emit != nil {
		c.Facts = r.told.Of(rec)
		r.hand(c)
	}
	r.told.Drop(rec)
}

func (r *relay) hand(c *flow.Conn) {
	if r.done == nil {
		r.emit(c)
		return
	}
	b := r.block
	b.conns = append(b.conns, *c)
	b.facts = append(b.facts, c.Facts...)
	b.told = append(b.told, uint8(len(c.Facts)))
	r.add(relayConn)
}

// show tells of a connection that goes on. There are none of them where another goroutine is told: see Config.Young.
func (r *relay) show(rec uint32, c *flow.Conn) {
	c.Facts = r.told.Of(rec)
	r.young(c)
}

func (r *relay) name(n *flow.Name) {
	if r.done == nil {
		r.learn.Name(n)
		return
	}
	r.block.names = append(r.block.names, *n)
	r.add(relayName)
}

func (r *relay) announce(a *flow.Announcement) {
	if r.done == nil {
		r.learn.Announcement(a)
		return
	}
	r.block.announcements = append(r.block.announcements, *a)
	r.add(relayAnnouncement)
}

func (r *relay) add(e relayEvent) {
	r.block.order = append(r.block.order, e)
	if len(r.block.order) == relayEvents {
		r.pass()
	}
}

// pass lets the block be taken, and begins another one.
func (r *relay) pass() {
	r.full <- r.block
	for len(r.free) > 0 || len(r.spare) == 0 {
		r.spare = append(r.spare, <-r.free)
	}
	last := len(r.spare) - 1
	r.block, r.spare = r.spare[last], r.spare[:last]
}

// end is for when the table was closed: all that was handed over is taken when it returns. The memory of facts is given back.
func (r *relay) end() {
	r.stop()
	r.told.Close()
}

// stop lets the other goroutine take what there is and end, and waits for it.
func (r *relay) stop() {
	if r.done != nil {
		r.full <- r.block
		close(r.full)
		<-r.done
	}
}

// takeAll is the other goroutine. It gives blocks back some at a time, or as soon as there is nothing more to take: to wake who waits for one costs as
// much as what is in it.
func (r *relay) takeAll() {
	defer close(r.done)
	var taken []*relayBlock
	back := func() {
		for _, b := range taken {
			r.free <- b
		}
		taken = taken[:0]
	}
	for {
		var b *relayBlock
		more := true
		select {
		case b, more = <-r.full:
		default:
			back()
			b, more = <-r.full
		}
		if !more {
			return
		}
		r.take(b)
		if taken = append(taken, b); len(taken) == relayBlocks/2 {
			back()
		}
	}
}

// take tells what is in a block, and empties it.
func (r *relay) take(b *relayBlock) {
	conns, facts, told, names, announcements := b.conns, b.facts, b.told, b.names, b.announcements
	for _, e := range b.order {
		switch e {
		case relayConn:
			if n := told[0]; n > 0 {
				conns[0].Facts, facts = facts[:n:n], facts[n:]
			}
			r.emit(&conns[0])
			conns, told = conns[1:], told[1:]
		case relayName:
			r.learn.Name(&names[0])
			names = names[1:]
		case relayAnnouncement:
			r.learn.Announcement(&announcements[0])
			announcements = announcements[1:]
		}
	}
	*b = relayBlock{b.order[:0], b.conns[:0], b.facts[:0], b.told[:0], b.names[:0], b.announcements[:0]}
}
