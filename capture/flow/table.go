package flow

import (
	"math"
	"slices"
)

// DefaultMaxConnections takes about 180 MiB with IPv4 and 330 MiB with IPv6, when it is reached; see also Told.
const DefaultMaxConnections = 1 << 21

// maxMaxConnections keeps line numbers within 32 bits.
const maxMaxConnections = 1 << 29

// Options of a table.
type Options struct {
	MaxConnections int       // open at once; 0 means DefaultMaxConnections
	Seed           [2]uint64 // key of the hash; output does not depend on it
	Key            Key       // what besides ends and protocol tells connections apart; 0: nothing
	Emit           Emit      // called once for each connection as it ends. nil: count only
	// Check says whether the receiver of packet i of the batch takes it, as its checksums tell. It is asked of packets that would be evidence: that
	// add to what is known of their connection, a few of each, maybe more than once; where it is false they only count. Of others it is asked
	// because inspection wants their payload. How many these are depends on how batches are cut: they must not change later answers.
	// nil: all are taken.
	Check func(i int, evidence bool) bool
	Young Emit // called by Advance once for each new connection, as it is then; it stays open. nil: nobody looks
	// Settle is called before a datagram is offered to inspection only if inspection follows its conversation, and before the handshake is known
	// of a connection of which packets came before it: packets before the one at hand have to be offered, and all wishes that come of them be
	// with the table, when it returns. nil: they always are.
	Settle func()
}

// Emit takes a connection, which is valid during the call, and the number of its record. Of the table it may call Offer, Wish and Tracks. The Conn has no Facts.
type Emit func(rec uint32, c *Conn)

// Table folds packets into connections. It holds a bounded number of them; which connections there are, how they end and the order
// in which they are emitted depend on packets, their times and their order alone: not on the seed, not on how batches are cut.
// Connections that end together are emitted in the order of their first packets. Not safe for concurrent use.
type Table struct {
	hasher   Hasher
	index    index
	records  records
	contexts contexts
	clock    clock
	losses   losses
	check    func(i int, evidence bool) bool
	emit     Emit
	settle   func()
	limit    int
	step     uint64 // packets between two looks at sweeping and eviction

	created, packets, badTime uint64
	doubted, otherContexts    uint64
	ends                      [numEnds]uint64
	open, peak                int
	closing                   bool // the index is not needed any more
	added                     int  // packets of the batch
	swept                     int64
	sweptAt                   uint64

	dead    []uint32 // ended since the last batch
	victims []victim
	// spareVictims is memory for sorting them.
	spareVictims []victim
	leaving      leaving
	histogram    []uint32
	carried      map[uint32]*carry
	out          Conn // that is being emitted
	failures     map[uint32]failure
	youth        youth
	marks        marks

	entries    [BatchSize]uint64 // of the batch: entries of the index at the places of its packets
	candidates [BatchSize]uint32 // of the batch: the records behind them
	lost       uint64            // ICMP errors
	touched    uint32            // keeps the loads that only warm the cache
}

// NewTable makes an empty table. Its memory is reserved as address space and taken as it fills; Close gives it back.
func NewTable(o Options) *Table {
	if o.MaxConnections <= 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	limit := min(o.MaxConnections, maxMaxConnections)
	t := &Table{
		hasher:   newHasher(o.Seed),
		index:    newIndex(firstIndex),
		records:  newRecords(limit + BatchSize), // as many may be dead and not put back
		contexts: newContexts(o.Key),
		losses:   newLosses(2*(limit+BatchSize) + 2),
		check:    o.Check,
		emit:     o.Emit,
		settle:   o.Settle,
		limit:    limit,
		step:     uint64(min(max(limit/16, 1), BatchSize)),
		carried:  map[uint32]*carry{},
		failures: map[uint32]failure{},
		youth:    youth{show: o.Young},
	}
	if o.Key != 0 {
		t.hasher.contexts = &t.contexts
	}
	return t
}

// Hasher completes packets for this table.
func (t *Table) Hasher() *Hasher { return &t.hasher }

// EnterInterface says on which interface the packets were captured of which Context is asked for next. With KeyInterface the name is part
// of their context, which then is never 0.
func (t *Table) EnterInterface(name string) { t.contexts.enter(name) }

// Context gives the number of a VLAN stack (outermost tag first) and tunnel path for Packet.Context; 0 is none of both.
// Beyond 65535 different ones all others are the context "other"; the connections in it are counted.
func (t *Table) Context(vlans []uint16, tunnel string) uint16 {
	return t.contexts.intern(vlans, tunnel)
}

// AddBatch adds b.Packets[:b.N] and fills b.Record. It sets the bit Head of packets whose payload inspection wants.
// Where a known connection gets a packet whose time is absurd beside those around it, AddBatch sets BadTime.
// A record number means the same connection until the next AddBatch, even if that has ended meanwhile.
func (t *Table) AddBatch(b *Batch) {
	for _, rec := range t.dead {
		t.records.put(rec)
	}
	t.dead = t.dead[:0]
	t.added = 0
	for from := 0; from < b.N; {
		into := t.packets % t.step
		if into == 0 {
			t.makeRoom()
		}
		to := min(b.N, from+int(t.step-into))
		t.add(b, from, to)
		t.packets += uint64(to - from)
		from = to
		t.added = to
	}
}

// Added is how many packets of a batch AddBatch has taken in: all of them, or while a function of Options is called those before the one at hand.
func (t *Table) Added() int { return t.added }

// ID tells which connection the record of a packet of the last batch is.
func (t *Table) ID(rec uint32) ConnID { return t.records.of[rec].connID() }

// makeRoom sweeps if it is time to, and leaves room for the next t.step packets.
func (t *Table) makeRoom() {
	full := t.open+int(t.step) > t.limit
	if t.sweepDue(full) {
		t.sweep()
	}
	t.leave(leavingAtOnce * int(t.step))
	if over := t.open + max(t.limit/evictedShare, int(t.step)) - t.limit; full && over > 0 && t.leaving.done() {
		t.choose(over)
		t.leave(leavingAtOnce * int(t.step))
	}
}

// add first loads the index entries of all packets, then their records, then updates them: the cache misses of each stage overlap, the more of them the less
// there is to do for each (a sum in a local variable instead of the table: about a tenth less for these loads).
func (t *Table) add(b *Batch, from, to int) {
	packets, lines, slots, touched := b.Packets[:to], t.records.of, t.losses.slots.of, uint32(0)
	for i := from; i < to; i++ {
		t.entries[i] = t.index.of[t.index.place(packets[i].Hash)]
	}
	for i := from; i < to; i++ {
		rec := t.index.candidate(packets[i].Hash, t.entries[i])
		t.candidates[i] = rec
		touched += lines[rec].a + uint32(slots[rec])
		if packets[i].Bits&IPv6 != 0 {
			touched += lines[rec|1].a // second line of the pair, where a wide record goes on
		}
	}
	for i := from; i < to; i++ {
		if packets[i].Proto == TCP {
			touched += t.losses.watches[slots[t.candidates[i]]].streams[0].next
		}
	}
	t.touched += touched
	for i := from; i < to; i++ {
		p := &packets[i]
		t.added = i
		rec := t.update(b, i, t.candidates[i])
		b.Record[i] = rec
		if p.Bits&Quoting != 0 {
			t.tie(b, i)
		}
		if p.Proto == TCP && (p.Flags&(ACK|RST|SYN) == ACK || p.Bits&Fragment != 0) {
			t.losses.track(rec, p, b.Payload[i], t.clock.now)
		}
	}
}

// update adds packet i of the batch; rec is the record that most likely is its own, or 0.
func (t *Table) update(b *Batch, i int, rec uint32) uint32 {
	p, exact := &b.Packets[i], &b.Addr6[i]
	if p.Bits&BadTime == 0 {
		if p.File > t.clock.file {
			t.clock.enter(p.File, p.Time)
		}
		t.clock.see(p.Time)
	} else {
		t.badTime++
	}
	if rec == 0 || !t.match(rec, p, exact) {
		rec = t.index.find(p.Hash, func(rec uint32) bool { return t.match(rec, p, exact) })
	}
	if rec != 0 && p.Bits&BadTime == 0 && t.clock.absurd(p.Time) && !t.records.of[rec].near(p.Time) {
		p.Bits |= BadTime
		t.badTime++
	}
	if rec != 0 && t.endedBefore(rec, p, i) {
		rec = 0
	}
	if rec == 0 {
		rec = t.create(p, exact)
	}
	t.count(rec, p)
	r := &t.records.of[rec]
	if p.speaks() {
		wanted := t.wanted(r, p)
		t.learn(rec, p, b.Payload[i], i)
		if wanted && p.Bits&Broken == 0 && (t.check == nil || t.check(i, false)) {
			p.Bits |= Head
			if r.state()&both(heard) == both(heard) {
				p.Bits |= Mutual
			}
		}
	}
	return rec
}

// learn adds the evidence of a packet with payload bytes on the wire. Most have none that is new.
func (t *Table) learn(rec uint32, p *Packet, payload uint32, i int) {
	r := &t.records.of[rec]
	before := r.state()
	after := before | heard<<(p.Bits&FromB)
	if r.proto == TCP {
		if before.repeats(p) {
			return
		}
		after = r.trackTCP(p, payload, after)
	}
	if after == before || !t.sound(p, i) {
		return
	}
	if before&both(heard) == 0 {
		r.flags = r.flags&^firstB | recordFlags(p.Bits&FromB)*firstB
	}
	if r.proto == TCP {
		const opens = syn | syn<<1 | synAck | synAck<<1
		if (before^after)&opens != 0 && before&both(moved) != 0 && t.settle != nil {
			t.settle() // what came before the handshake is offered without it, however batches are cut
		}
		r.keepNumbers(p, before, after)
	}
	r.setState(after)
	if r.proto == TCP && after.closed() { // no other evidence makes the time shorter for which a connection may be silent
		t.records.quiet.of[rec] = r.last + int64(idleTimeouts.TCPClosed)
	}
}

// sound asks whether packet i may be evidence, and marks it if not.
func (t *Table) sound(p *Packet, i int) bool {
	if t.check == nil || t.check(i, true) {
		return true
	}
	p.Bits |= Broken
	return false
}

// match compares the whole key, exact addresses included.
func (t *Table) match(rec uint32, p *Packet, exact *[2][16]byte) bool {
	r := &t.records.of[rec]
	if r.a != p.A || r.b != p.B || r.pa != p.PortA || r.pb != p.PortB || r.proto != p.Proto || r.flags&live == 0 {
		return false
	}
	if t.hasher.contexts != nil && t.contexts.keyOf(r.context) != t.contexts.keyOf(p.Context) {
		return false
	}
	if p.Bits&IPv6 == 0 {
		return r.flags&wide == 0
	}
	return r.flags&wide != 0 && *t.records.exact(rec) == *exact
}

// endedBefore ends the connection of rec if p is not part of it: p comes after its idle timeout or opens a new connection.
func (t *Table) endedBefore(rec uint32, p *Packet, i int) bool {
	r := &t.records.of[rec]
	if p.Bits&BadTime == 0 && r.silent(p.Time) {
		if t.clock.run != 0 {
			t.doubted++
		}
		t.end(rec, EndIdle)
		return true
	}
	if p.Flags&SYN != 0 && r.proto == TCP && p.Bits&(Fragment|Broken) == 0 && r.reopens(p) && t.sound(p, i) {
		t.end(rec, EndReused)
		return true
	}
	return false
}

func (t *Table) create(p *Packet, exact *[2][16]byte) uint32 {
	flags := live | undecided
	if p.Bits&FromB != 0 {
		flags |= firstB
	}
	when := t.clock.now
	if t.clock.started {
		flags |= timed
	}
	if p.Bits&BadTime == 0 {
		when = p.Time
		if t.clock.run == 0 && when-t.clock.start > idleTimeouts.warmup(p.Proto) {
			flags |= late
		}
	}
	if p.Bits&IPv6 != 0 {
		flags |= wide
	}
	rec := t.records.take(flags&wide != 0)
	r := &t.records.of[rec] // all zero; one field after the other, as a literal is put together elsewhere and its copy waits for that
	r.a, r.b, r.pa, r.pb, r.context, r.proto, r.flags = p.A, p.B, p.PortA, p.PortB, p.Context, p.Proto, flags
	r.first, r.last, r.id = when, when, makeID(p)
	if t.records.quiet.of[rec] = math.MinInt64; flags&timed != 0 {
		t.records.quiet.of[rec] = when + idleTimeouts.of(r)
	}
	if flags&wide != 0 {
		*t.records.exact(rec) = *exact
		t.records.quiet.of[rec+1] = never
	}
	if p.Context == otherContext {
		t.otherContexts++
	}
	t.index.add(p.Hash, rec)
	t.youth.bear(r, rec, when)
	t.marks.unmark(rec)
	t.created++
	t.open++
	t.peak = max(t.peak, t.open)
	return rec
}

// Close ends all connections that are open and gives the memory back. Only Counters may be called afterwards.
func (t *Table) Close() {
	t.closing = true
	t.leaving = leaving{}
	t.victims = slices.Grow(t.victims[:0], t.open)
	t.records.each(func(rec uint32, r *record) { t.victims = append(t.victims, victim{r.id, rec}) })
	t.endVictims(EndInput)
	t.records.free()
	t.records.quiet.free()
	t.index.free()
	t.losses.close()
	t.marks.free()
	t.youth.fresh.ring.free()
	t.youth.waiting.ring.free()
}
