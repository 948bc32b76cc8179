package capture

import (
	"pcapaudit/capture/flow"
	"pcapaudit/capture/inspect"
)

// Sizes of a relay. Its blocks stay in a core's cache while they are filled and emptied.
const (
	relayBlocks = 6
	relayEvents = 256 // of one block
	relayWorks  = 3   // packets of as many works are in one block, at most
)

// relay hands what the packet loop finds to inspection, and what both tell to those who asked for it, in the order of the capture. All behind it
// may happen in another goroutine, while the loop reads on: what it hands over is copied into blocks that are used again and again,
// packets and their payloads excepted, which stay where they are.
//
// The other way goes what inspection wants of connections. It is heeded when a block comes back: what the loop offers depends on how far the
// other goroutine is, what inspection takes of it does not.
type relay struct {
	block      *relayBlock   // that is being filled
	spare      []*relayBlock // empty
	full, free chan *relayBlock
	out        int           // blocks that were handed over and have not come back
	done       chan struct{} // closed when the other goroutine has taken all; nil: there is none, and nothing is copied
	table      *flow.Table   // nil: it is closed

	// Behind the relay.
	inspector *inspect.Inspector
	told      *flow.Told
	works     chan<- *work // takes those that have ended
	taking    *relayBlock
	at        flow.Offer // without another goroutine: that is being inspected
	records   []uint32   // scratch of touch
	emit      func(*flow.Conn)
	young     func(*flow.Conn)
	learn     inspect.Learn
}

// relayBlock is events of several kinds, and their order.
type relayBlock struct {
	order    []relayEvent
	offers   []flow.Offer
	payloads [][]byte // of offers: they are where they were read
	conns    []flow.Conn
	records  []uint32 // of offers and conns, in order
	names    []flow.Name
	works    []*work     // which end with this block: when it is taken, nothing needs their packets any more
	wishes   []flow.Wish // what inspection said while it took the block
}

type relayEvent uint8

const (
	relayOffer relayEvent = iota
	relayConn
	relayName
)

func newRelayBlock() *relayBlock {
	return &relayBlock{order: make([]relayEvent, 0, relayEvents), offers: make([]flow.Offer, 0, relayEvents), conns: make([]flow.Conn, 0, relayEvents), records: make([]uint32, 0, relayEvents)}
}

// newRelay is a relay that takes names, with turns in another goroutine, to which their works go back from there. For all others it has to be
// joined to a table.
func newRelay(c *Config, t *turns) *relay {
	r := &relay{emit: c.Emit, young: c.Young, learn: c.Learn}
	if t != nil {
		r.works = t.free
		r.block = newRelayBlock()
		for range relayBlocks - 1 {
			r.spare = append(r.spare, newRelayBlock())
		}
		r.full, r.free, r.done = make(chan *relayBlock, relayBlocks), make(chan *relayBlock, relayBlocks), make(chan struct{})
		go r.takeAll()
	}
	return r
}

func (r *relay) join(t *flow.Table) {
	r.table, r.told = t, flow.NewTold(t)
	r.inspector = inspect.New(r.told, r.learn, func(w *flow.Wish) {
		if r.done != nil {
			r.taking.wishes = append(r.taking.wishes, *w)
		} else if r.table != nil {
			r.table.Wish(w)
		}
	})
}

// offer hands over packet i of a batch, of which the table wants the payload.
func (r *relay) offer(b *flow.Batch, i int, payload []byte) {
	if r.done == nil {
		r.table.Offer(&r.at, b, i)
		r.inspector.Packet(&r.at, payload)
		return
	}
	k := r.block
	k.offers = append(k.offers, flow.Offer{})
	o := &k.offers[len(k.offers)-1]
	r.table.Offer(o, b, i)
	k.payloads = append(k.payloads, payload)
	r.add(relayOffer, o.Record)
}

// touch loads what packets of a batch need that will be offered, without another goroutine, which does that for what it is given.
func (r *relay) touch(b *flow.Batch, from, to int) {
	if r.done != nil {
		return
	}
	r.records = r.records[:0]
	for i := from; i < to; i++ {
		if b.Packets[i].Bits&flow.Head != 0 {
			r.records = append(r.records, b.Record[i])
		}
	}
	r.inspector.Touch(r.records)
}

// conn hands over a connection that has ended.
func (r *relay) conn(rec uint32, c *flow.Conn) {
	if r.done == nil {
		r.ended(rec, c)
		return
	}
	r.block.conns = append(r.block.conns, *c)
	r.add(relayConn, rec)
}

// show tells of a connection that goes on. There are none of them where another goroutine inspects: see Config.Young.
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
	r.block.order = append(r.block.order, relayName)
	if len(r.block.order) == relayEvents {
		r.pass()
	}
}

func (r *relay) add(e relayEvent, rec uint32) {
	k := r.block
	k.order, k.records = append(k.order, e), append(k.records, rec)
	if len(k.order) == relayEvents {
		r.pass()
	}
}

// finish hands over a work of which all packets were offered.
func (r *relay) finish(w *work) {
	if r.block.works = append(r.block.works, w); len(r.block.works) == relayWorks {
		r.pass()
	}
}

// flush passes what there is.
func (r *relay) flush() {
	if len(r.block.order)+len(r.block.works) > 0 {
		r.pass()
	}
}

// pass lets the block be taken, and begins another one.
func (r *relay) pass() {
	r.full <- r.block
	r.out++
	for len(r.free) > 0 || len(r.spare) == 0 {
		r.back()
	}
	last := len(r.spare) - 1
	r.block, r.spare = r.spare[last], r.spare[:last]
}

// back waits for a block that was taken.
func (r *relay) back() {
	b := <-r.free
	r.out--
	r.heed(b)
	r.spare = append(r.spare, b)
}

// settle returns when all that was handed over is taken, and what inspection said is heeded.
func (r *relay) settle() {
	if r.done == nil {
		return
	}
	r.flush()
	for r.out > 0 {
		r.back()
	}
}

// end is settle for the last time, after the table was closed. The memory of facts is given back.
func (r *relay) end() {
	r.table = nil
	r.settle()
	r.stop()
	r.told.Close()
}

// stop lets the other goroutine end, and waits for it.
func (r *relay) stop() {
	if r.done != nil {
		close(r.full)
		<-r.done
	}
}

// heed tells the table what inspection wants, and empties the block.
func (r *relay) heed(b *relayBlock) {
	if r.table != nil {
		for i := range b.wishes {
			r.table.Wish(&b.wishes[i])
		}
	}
	clear(b.payloads) // they would keep windows
	*b = relayBlock{b.order[:0], b.offers[:0], b.payloads[:0], b.conns[:0], b.records[:0], b.names[:0], b.works[:0], b.wishes[:0]}
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

func (r *relay) take(b *relayBlock) {
	r.taking = b
	offers, payloads, conns, records, names := b.offers, b.payloads, b.conns, b.records, b.names
	if len(records) > 0 {
		r.inspector.Touch(records)
	}
	for _, e := range b.order {
		switch e {
		case relayOffer:
			r.inspector.Packet(&offers[0], payloads[0])
			offers, payloads, records = offers[1:], payloads[1:], records[1:]
		case relayConn:
			r.ended(records[0], &conns[0])
			conns, records = conns[1:], records[1:]
		case relayName:
			r.learn.Name(&names[0])
			names = names[1:]
		}
	}
	for _, w := range b.works {
		r.works <- w
	}
}

// ended is for a connection of which all that it said was inspected.
func (r *relay) ended(rec uint32, c *flow.Conn) {
	r.inspector.End(rec)
	if r.emit != nil {
		c.Facts = r.told.Of(rec)
		r.emit(c)
	}
	r.told.Drop(rec)
}
