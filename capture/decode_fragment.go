package capture

import (
	"encoding/binary"
	"hash/maphash"

	"pcapaudit/capture/flow"
)

const (
	maxFragmented    = 4096            // datagrams whose first fragment is remembered; the oldest makes room
	fragmentLifetime = 30 * 1000000000 // ns of packet time, as Linux's net.ipv4.ipfrag_time
)

// fragmentKey names a fragmented datagram (RFC 791, section 3.2; RFC 8200, section 4.5, has no protocol in it: 0).
type fragmentKey struct {
	src, dst [16]byte // IPv4 in the first four
	id       uint32
	proto    uint8
	version  uint8
}

// fragmented is what a first fragment told.
type fragmented struct {
	key              fragmentKey
	time             int64
	srcPort, dstPort uint16
	proto            flow.Proto
	next             int16 // in the bucket; index+1, 0 is the end
}

// fragments remembers the latest first fragments: a ring in the order of their arrival, so that what is forgotten depends on packets
// alone, with hash chains over it.
type fragments struct {
	seed    maphash.Seed
	arrived int // ever; the ring's position is arrived % maxFragmented
	buckets [maxFragmented]int16
	ring    [maxFragmented]fragmented
}

func (f *fragments) bucket(k *fragmentKey) *int16 {
	return &f.buckets[maphash.Comparable(f.seed, *k)%maxFragmented]
}

// find gives nil where the first fragment is not there, or too old at time now.
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

// add remembers a first fragment. One with a key that is known takes the place of the other.
func (f *fragments) add(e fragmented) {
	if old := f.get(&e.key); old != nil {
		e.next = old.next
		*old = e
		return
	}
	slot := f.arrived % maxFragmented
	if f.arrived >= maxFragmented {
		f.unlink(int16(slot + 1))
	}
	f.arrived++
	head := f.bucket(&e.key)
	e.next = *head
	f.ring[slot] = e
	*head = int16(slot + 1)
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
func (d *decoder) firstFragment(r Reason, data []byte, end int, key *fragmentKey, p *flow.Packet) Reason {
	at := int(p.PayloadOff)
	if (r == malformedTransport || r == malformedTCP) && p.Proto.HasPorts() && at+4 <= min(end, len(data)) {
		p.PortA, p.PortB = binary.BigEndian.Uint16(data[at:]), binary.BigEndian.Uint16(data[at+2:])
		p.Seq, p.Ack, p.Flags = 0, 0, 0
		p.Bits |= flow.Fragment
		setPayload(p, data, at+4, end)
		r = reasonDecoded
	}
	if r == reasonDecoded {
		d.fragments.add(fragmented{key: *key, time: d.now, srcPort: p.PortA, dstPort: p.PortB, proto: p.Proto})
	}
	return r
}

// laterFragment gives the fragment the ports of its first one. Protocols without ports need none.
func (d *decoder) laterFragment(data []byte, at, end int, proto uint8, key *fragmentKey, p *flow.Packet) Reason {
	p.Proto = flow.Proto(proto)
	if first := d.fragments.find(key, d.now); first != nil {
		p.Proto, p.PortA, p.PortB = first.proto, first.srcPort, first.dstPort
	} else if p.Proto.HasPorts() || p.Proto.IsICMP() || leadsOn(proto, key.version) {
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
