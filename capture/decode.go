// Package capture reads packets, from files or an interface, and owns the loop that turns them into connections.
//
// Every packet read is decoded in place into a batch of flow.Packet and ends in exactly one Class; the Ledger holds the proof.
package capture

import (
	"encoding/binary"
	"hash/maphash"

	"pcapaudit/capture/flow"
)

// decoder turns records into packets without allocating. It keeps what outlives a packet: first fragments and contexts.
type decoder struct {
	table     *flow.Table
	hasher    *flow.Hasher
	ledger    *Ledger
	fragments fragments

	linkType    uint16 // of the interface that packets come from at present
	file, iface uint16
	known       bool // that linkType is theirs

	now      int64 // time of the packet, or of the one before where its own is absurd
	overlong bool  // the packet claims more bytes than its frame has

	tags      vlanStack // of the packet; see link
	tagCount  int
	contexts  map[vlanStack]uint16
	lastStack vlanStack // the stack looked up last, and its context
	last      uint16
}

// decoded is a batch of packets, with the position in the record batch that each came from.
type decoded struct {
	flow.Batch
	record [flow.BatchSize]uint16
}

func newDecoder(t *flow.Table, l *Ledger) *decoder {
	return &decoder{table: t, hasher: t.Hasher(), ledger: l, fragments: fragments{seed: maphash.MakeSeed()}, contexts: map[vlanStack]uint16{}}
}

// batch decodes the records from position from on until out is full, and returns the position of the first one left. A record makes at
// most one packet; where tunnels are opened it may make several.
func (d *decoder) batch(in *recordBatch, from int, linkType func(*record) uint16, out *decoded) int {
	out.N = 0
	for ; from < in.n && out.N < flow.BatchSize; from++ {
		rec := &in.recs[from]
		if rec.file != d.file || rec.iface != d.iface || !d.known {
			d.file, d.iface, d.known = rec.file, rec.iface, true
			d.linkType = linkType(rec)
		}
		wire := rec.length()
		r := d.packet(rec, d.linkType, wire, &out.Batch)
		d.ledger.Reasons[r].add(wire)
		if r != reasonDecoded {
			continue
		}
		if wire > len(rec.data) {
			d.ledger.Cut++
		}
		if d.overlong {
			d.ledger.Overlong++
		}
		out.record[out.N] = uint16(from)
		out.N++
	}
	return from
}

// length is that on the wire; damaged files state less than they hold.
func (r *record) length() int { return max(int(r.wire), len(r.data)) }

// packet decodes one record into packet out.N, which is garbage where the result is not reasonDecoded.
func (d *decoder) packet(rec *record, linkType uint16, wire int, out *flow.Batch) Reason {
	p := &out.Packets[out.N]
	*p = flow.Packet{Time: rec.time, Num: rec.num, File: rec.file}
	if rec.badTime {
		p.Bits = flow.BadTime
	} else {
		d.now = rec.time
	}
	d.overlong = false
	off, version := 14, uint16(etherIPv4)
	if linkType != linkEthernet || len(rec.data) < 14 || binary.BigEndian.Uint16(rec.data[12:]) != etherIPv4 {
		var r Reason
		off, version, r = d.link(linkType, rec.data, wire)
		if r != reasonDecoded {
			return r
		}
		if d.tagCount > 0 {
			p.Context = d.context()
		}
	}
	return d.network(rec.data, off, wire, version, out)
}

// network decodes the IP packet at off into packet out.N, whose Context is set: an inner packet of a tunnel enters here too.
func (d *decoder) network(data []byte, off, wire int, version uint16, out *flow.Batch) Reason {
	if version == etherIPv4 {
		return d.ipv4(data, off, wire, out)
	}
	return d.ipv6(data, off, wire, out)
}

// vlanStack is a packet's VLAN tags, outermost first, then zeros.
type vlanStack [maxVLANs]uint16

// context gives the table's number for the packet's VLAN tags. VLAN 0 is a priority tag, which names no VLAN (IEEE 802.1Q, 9.6), and
// is left out: frames of one connection have it or not.
func (d *decoder) context() uint16 {
	var key vlanStack
	n := 0
	for _, tag := range d.tags[:d.tagCount] {
		if tag != 0 {
			key[n] = tag
			n++
		}
	}
	if key == d.lastStack {
		return d.last
	}
	c, ok := d.contexts[key]
	if !ok {
		c = d.table.Context(key[:n], "")
		if len(d.contexts) < maxKnownStacks {
			d.contexts[key] = c
		}
	}
	d.lastStack, d.last = key, c
	return c
}

// maxKnownStacks bounds the decoder's own map of contexts; stacks beyond it are looked up in the table.
const maxKnownStacks = 4096
