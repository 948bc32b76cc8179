package capture

import (
	"encoding/binary"
	"hash/maphash"

	"pcapaudit/capture/flow"
)

const (
	maxFragmented    = 4096            // datagrams of which is remembered what fragments came; the oldest makes room
	fragmentLifetime = 30 * 1000000000 // ns of packet time, as Linux's net.ipv4.ipfrag_time
	maxPieces        = 64              // of a datagram that are remembered one by one: 45 make the largest on Ethernet, 54 with 1280 octets of IPv6
	maxDatagram      = 65535           // octets
)

// fragmentKey names a fragmented datagram (RFC 791, section 3.2; RFC 8200, section 4.5, has no protocol in it: 0).
type fragmentKey struct {
	src, dst [16]byte // IPv4 in the first four
	id       uint32
	proto    uint8
	version  uint8
	path     uint16 // of the tunnels around it
	context  uint16 // of its packets: hosts on other VLANs may have the same addresses
}

// fragmented is a datagram of which a fragment came.
type fragmented struct {
	key              fragmentKey
	time             int64 // of the fragment that came first
	begun            bool  // the fragment with the transport header came, and told what follows
	srcPort, dstPort uint16
	proto            flow.Proto
	next             int16 // in the bucket; index+1, 0 is the end

	waits  uint64 // number of the latest fragment in the queue; 0: none
	queued uint8  // fragments that it put there

	refused  bool // fragments of it overlap
	unlisted bool // more than maxPieces came; those that are not in pieces lie between low and top
	n        uint8
	low, top uint32 // where the fragments so far begin and end
	size     uint32 // of the datagram; 0 until its last fragment came
	sum      uint32 // octets of the fragments so far
	pieces   [maxPieces]piece
}

// piece is the part of a datagram that a fragment holds, in octets.
type piece struct{ from, to uint16 }

// part is a fragment's place in its datagram. Where to is beyond maxDatagram no receiver takes it.
type part struct {
	from, to uint32
	last     bool
}

// whole says whether every octet of the datagram was in a fragment.
func (f *fragmented) whole() bool { return f.size > 0 && f.sum == f.size }

// holds says whether an exact copy of the fragment came before.
func (f *fragmented) holds(p part) bool {
	for _, q := range f.pieces[:f.n] {
		if q == (piece{uint16(p.from), uint16(p.to)}) {
			return p.last == (f.size == p.to)
		}
	}
	return false
}

// take adds a fragment. It is false where that overlaps one before it without being its copy (RFC 5722; RFC 8200, section 4.5), or where the
// two do not agree on where the datagram ends.
func (f *fragmented) take(p part) bool {
	switch {
	case f.holds(p):
		return true
	case p.last && (f.top > p.to || f.size != 0 && f.size != p.to), f.size != 0 && p.to > f.size, f.unlisted && p.from < f.top && p.to > f.low:
		return false
	}
	if p.from < f.top && p.to > f.low {
		for _, q := range f.pieces[:f.n] {
			if p.from < uint32(q.to) && uint32(q.from) < p.to {
				return false
			}
		}
	}
	if p.last {
		f.size = p.to
	}
	f.low, f.top, f.sum = min(f.low, p.from), max(f.top, p.to), f.sum+p.to-p.from
	if f.unlisted = f.unlisted || f.n == maxPieces; !f.unlisted {
		f.pieces[f.n] = piece{uint16(p.from), uint16(p.to)}
		f.n++
	}
	return true
}

// fragments remembers the latest datagrams: a ring in the order of their arrival, so that what is forgotten depends on packets alone,
// with hash chains over it.
type fragments struct {
	seed    maphash.Seed
	arrived int // ever; the ring's position is arrived % maxFragmented
	buckets [maxFragmented]int16
	ring    [maxFragmented]fragmented
	queue   queue
}

func (f *fragments) bucket(k *fragmentKey) *int16 {
	return &f.buckets[maphash.Comparable(f.seed, *k)%maxFragmented]
}

// find gives nil where nothing of the datagram is there, or too old at time now.
func (f *fragments) find(k *fragmentKey, now int64) *fragmented {
	if e := f.get(k); e != nil && now-e.time <= fragmentLifetime {
		return e
	}
	return nil
}

func (f *fragments) get(k *fragmentKey) *fragmented {
	for i := *f.bucket(k); i != 0; i = f.ring[i-1].next {
		if e := &f.ring[i-1]; e.key == *k {
			return e
		}
	}
	return nil
}

// add remembers a datagram. One with a key that is known takes the place of the other.
func (f *fragments) add(e fragmented) *fragmented {
	if old := f.get(&e.key); old != nil {
		f.queue.leave(old)
		e.next = old.next
		*old = e
		return old
	}
	slot := f.arrived % maxFragmented
	if f.arrived >= maxFragmented {
		f.queue.leave(&f.ring[slot])
		f.unlink(int16(slot + 1))
	}
	f.arrived++
	head := f.bucket(&e.key)
	e.next = *head
	f.ring[slot] = e
	*head = int16(slot + 1)
	return &f.ring[slot]
}

// unlink takes the entry, which is in its bucket, out of it.
func (f *fragments) unlink(index int16) {
	link := f.bucket(&f.ring[index-1].key)
	for *link != index {
		link = &f.ring[*link-1].next
	}
	*link = f.ring[index-1].next
}

// firstFragment remembers the ports of a first fragment, decoded with result r. One too small for its transport header (RFC 1858 calls
// it an attack) still belongs to its ports, and is no evidence of a handshake.
func (d *decoder) firstFragment(r Reason, data []byte, end int, key *fragmentKey, where part, p *flow.Packet) Reason {
	d.firstPart = true
	at := int(p.PayloadOff)
	if (r == malformedTransport || r == malformedTCP) && p.Proto.HasPorts() && at+4 <= end {
		if at+4 > len(data) {
			return truncatedTransport
		}
		p.PortA, p.PortB = binary.BigEndian.Uint16(data[at:]), binary.BigEndian.Uint16(data[at+2:])
		p.Seq, p.Ack, p.Flags = 0, 0, 0
		p.Bits |= flow.Fragment
		setPayload(p, data, at+4, end)
		r = reasonDecoded
	}
	if r != reasonDecoded {
		return r
	}
	if where.to > maxDatagram {
		return malformedFragment
	}
	e := d.fragments.find(key, d.now)
	same := e != nil && e.begun && e.srcPort == p.PortA && e.dstPort == p.PortB && e.proto == p.Proto
	switch {
	case e == nil, e.whole() && !(same && e.holds(where)): // a datagram that is whole leaves its identification to the next one
		e = d.begin(key)
	case e.begun && !same:
		return d.refuse(e)
	}
	if !e.begun {
		e.begun, e.srcPort, e.dstPort, e.proto = true, p.PortA, p.PortB, p.Proto
		d.noteWaiting(e)
	}
	return d.placed(e, where)
}

func (d *decoder) begin(key *fragmentKey) *fragmented {
	d.ledger.Fragmented++
	return d.fragments.add(fragmented{key: *key, time: d.now, low: maxDatagram})
}

// placed puts a fragment into its datagram. From the first contradiction on a receiver that follows RFC 5722 takes none of it.
func (d *decoder) placed(e *fragmented, where part) Reason {
	before := e.whole()
	if e.refused || !e.take(where) {
		return d.refuse(e)
	}
	if e.whole() && !before {
		d.ledger.Reassembled++
	}
	return reasonDecoded
}

func (d *decoder) refuse(e *fragmented) Reason {
	d.noteWaiting(e)
	if e.refused {
		return fragmentRefused
	}
	e.refused = true
	d.ledger.Refused++
	return fragmentOverlap
}

// laterFragment gives the fragment the ports of its first one. Protocols without ports need none. Others that come before the first one
// wait for it; see settle.
func (d *decoder) laterFragment(data []byte, at, end int, proto uint8, key *fragmentKey, where part, p *flow.Packet) Reason {
	if where.to > maxDatagram {
		return malformedFragment
	}
	p.Proto = flow.Proto(proto)
	e := d.fragments.find(key, d.now)
	if e == nil || e.whole() && !e.holds(where) {
		e = d.begin(key)
	}
	if r := d.placed(e, where); r != reasonDecoded {
		return r
	}
	if e.begun {
		p.Proto, p.PortA, p.PortB = e.proto, e.srcPort, e.dstPort
	} else if p.Proto.HasPorts() || p.Proto.IsICMP() || leadsOn(proto, key.version) {
		d.datagram, p.PayloadOff = e, uint32(at)
		return reasonUnmatched
	}
	p.Bits |= flow.Fragment
	setPayload(p, data, at, end)
	return reasonDecoded
}

// leadsOn says whether another header follows one of this protocol.
func leadsOn(proto, version uint8) bool {
	switch proto {
	case uint8(flow.AH):
		return true
	case extHopByHop, extRouting, extFragment, extDestination:
		return version == 6
	}
	return false
}
