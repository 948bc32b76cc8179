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

	filter        *flow.Filter         // nil: every packet is looked at
	copies        *copies              // nil: copies are packets like any other
	forwards      *forwards            // nil: forwarded packets are
	interfaceName func(*record) string // nil: interfaces are no part of contexts
	base          uint16               // context of packets without tags on the interface that packets come from at present

	now      int64 // time of the packet, or of the one before where its own is absurd
	overlong bool  // the packet claims more bytes than its frame has

	headers     headers
	transportAt int         // of the packet: where its transport header begins
	payloadEnd  int         // of the packet: where its transport payload ends, as sent
	firstPart   bool        // the packet is the first of several fragments
	datagram    *fragmented // that the packet, a fragment, made to change; see settle
	next        layer       // what the packet carries
	depth       uint8       // tunnels around the packet
	path        uint16
	carrier     carrier // of the packet
	paths       tunnelPaths
	ports       tunnelPorts

	trusts trusts

	payload uint32 // behind the latest TCP header: bytes on the wire

	tags     vlanStack // of the packet and of those around it; see link
	tagCount int
	contexts map[contextKey]uint16
	lastKey  contextKey // looked up last, and its context
	last     uint16
	single   [numVLANs]uint16 // contexts of packets with one tag and nothing else, as far as they were looked up; 0: not yet
}

const numVLANs = 1 << 12

// contextKey is what a context stands for.
type contextKey struct {
	tags vlanStack
	path uint16 // of the tunnels around the packet; see tunnelPaths
	base uint16 // of its interface
}

// decoded is a batch of packets, with the position in the record batch that each came from.
type decoded struct {
	flow.Batch
	record  [flow.BatchSize]uint16
	headers [flow.BatchSize]headers
}

func newDecoder(t *flow.Table, l *Ledger) *decoder {
	d := &decoder{table: t, hasher: t.Hasher(), ledger: l, fragments: fragments{seed: maphash.MakeSeed()}, contexts: map[contextKey]uint16{},
		paths: tunnelPaths{byStep: map[pathStep]uint16{}, texts: []string{""}}}
	d.ports.add(defaultTunnelPorts)
	return d
}

// maxBatchTime is the packet time that a batch spans at most, in ns. It is shorter than any idle timeout, so that no connection ends of
// silence before inspection has read the packets of its batch.
const maxBatchTime = 10e9

// batch decodes the records from position from on until out is full, and returns the position of the first one left. A record makes one
// packet, and one more for each tunnel opened; where these have no room, its position comes back and the next call goes on inside it.
func (d *decoder) batch(in *recordBatch, from int, linkType func(*record) uint16, out *decoded) int {
	out.N = 0
	begin, simple := in.recs[from].time, d.copies == nil && d.forwards == nil
	for ; from < in.n && d.room(out); from++ {
		rec := &in.recs[from]
		if out.N > 0 && (rec.time-begin > maxBatchTime || begin-rec.time > maxBatchTime) {
			break
		}
		if d.next.depth > 0 {
			if !d.unwrap(rec, from, out) {
				return from
			}
			continue
		}
		if rec.file != d.file || rec.iface != d.iface || !d.known {
			d.file, d.iface, d.known = rec.file, rec.iface, true
			d.linkType = linkType(rec)
			d.enterInterface(rec)
		}
		wire := rec.length()
		if simple && d.linkType == linkEthernet && d.plain(rec, wire, out) {
			d.take(rec, from, wire, out)
			continue
		}
		r := d.packet(rec, d.linkType, wire, &out.Batch)
		if d.datagram != nil {
			d.settle(r, from, wire, wire > len(rec.data), out)
		}
		carries := false
		if r == reasonDecoded { // what a packet carries is filtered on its own
			if p := &out.Packets[out.N]; d.mayCarry(p) {
				d.lookInside(rec.data, &out.Batch)
				carries = true
			}
			if d.filter != nil {
				r = d.filtered(&out.Batch)
			}
		}
		d.ledger.Reasons[r].add(wire)
		if r == reasonDecoded {
			if wire > len(rec.data) {
				d.ledger.Cut++
			}
			if d.overlong {
				d.ledger.Overlong++
			}
			out.record[out.N], out.headers[out.N] = uint16(from), d.headers.of(rec)
			out.N++
		}
		if carries && !d.unwrap(rec, from, out) {
			return from
		}
	}
	return from
}

// take counts plain packet out.N, and keeps it unless it is filtered.
func (d *decoder) take(rec *record, from, wire int, out *decoded) {
	r := reasonDecoded
	if d.filter != nil {
		r = d.filtered(&out.Batch)
	}
	d.ledger.Reasons[r].add(wire)
	if r != reasonDecoded {
		return
	}
	if wire > len(rec.data) {
		d.ledger.Cut++
	}
	out.record[out.N] = uint16(from)
	out.N++
}

// room says whether there is some for a packet, and for the fragments that may have waited for it.
func (d *decoder) room(out *decoded) bool {
	return out.N < flow.BatchSize && (d.fragments.queue.live == 0 || out.N+maxPieces < flow.BatchSize)
}

// length is that on the wire; damaged files state less than they hold.
func (r *record) length() int { return max(int(r.wire), len(r.data)) }

// packet decodes one record into packet out.N, which is garbage where the result is not reasonDecoded.
func (d *decoder) packet(rec *record, linkType uint16, wire int, out *flow.Batch) Reason {
	p := &out.Packets[out.N]
	*p = flow.Packet{}
	p.Time, p.Num, p.File, p.Context = rec.time, rec.num, rec.file, d.base
	if rec.badTime {
		p.Bits = flow.BadTime
	} else {
		d.now = rec.time
	}
	d.overlong, d.tagCount = false, 0
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
	if d.copies != nil && d.copies.repeated(rec.data, off, d.now, !rec.badTime) {
		return reasonCopy
	}
	if d.forwards != nil && d.forwards.repeated(rec, off) {
		return reasonForwarded
	}
	return d.network(rec.data, off, wire, version, out)
}

// filtered is the reason of decoded packet out.N when the filter, which is not nil, has seen it.
func (d *decoder) filtered(out *flow.Batch) Reason {
	return filterReasons[d.filter.Leaves(&out.Packets[out.N], &out.Addr6[out.N])]
}

var filterReasons = [...]Reason{flow.FilterNone: reasonDecoded, flow.FilterTime: filteredTime, flow.FilterNet: filteredNet,
	flow.FilterHost: filteredHost, flow.FilterPort: filteredPort}

// enterInterface makes the interface of rec part of the contexts that follow, where it is to be.
func (d *decoder) enterInterface(rec *record) {
	if d.interfaceName == nil {
		return
	}
	d.table.EnterInterface(d.interfaceName(rec))
	d.base = d.table.Context(nil, "")
	d.lastKey, d.last = contextKey{base: d.base}, d.base
}

// network decodes the IP packet at off into packet out.N, whose Context is set: an inner packet of a tunnel enters here too.
func (d *decoder) network(data []byte, off, wire int, version uint16, out *flow.Batch) Reason {
	d.firstPart, d.headers = false, headers{}
	if version == etherIPv4 {
		return d.ipv4(data, off, wire, out)
	}
	return d.ipv6(data, off, wire, out)
}

// vlanStack is a packet's VLAN tags, outermost first, then zeros.
type vlanStack [maxVLANs]uint16

// context gives the table's number for the VLAN tags of the packet and of those around it, and the tunnels that these are. VLAN 0 is a priority tag, which names no VLAN (IEEE 802.1Q, 9.6), and
// is left out: frames of one connection have it or not.
func (d *decoder) context() uint16 {
	key := contextKey{path: d.path, base: d.base}
	n := 0
	for _, tag := range d.tags[:d.tagCount] {
		if tag != 0 {
			key.tags[n] = tag
			n++
		}
	}
	if key == d.lastKey {
		return d.last
	}
	c, ok := d.contexts[key]
	if !ok {
		c = d.table.Context(key.tags[:n], d.paths.text(key.path))
		if len(d.contexts) < maxKnownContexts {
			d.contexts[key] = c
		}
	}
	d.lastKey, d.last = key, c
	if d.tagCount == 1 && key == (contextKey{tags: vlanStack{key.tags[0]}}) {
		d.single[key.tags[0]] = c
	}
	return c
}

// maxKnownContexts bounds the decoder's own map of contexts; those beyond it are looked up in the table.
const maxKnownContexts = 1 << 16
