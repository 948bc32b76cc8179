package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"pcapaudit/capture/flow"
)

// Packets wait to be written where a fragment before them may yet turn out to be wanted: its datagram's first one has not come. When more wait
// than this, the oldest is given up.
const (
	maxHeld      = maxWaiting
	maxHeldBytes = 32 << 20
)

// extraction writes the packets of wanted connections while a run tracks them.
type extraction struct {
	wanted  *wanted
	payload bool
	read    []Input
	out     ngWriter
	rewrite *rewriter // nil: packets stay as they are
	sources []string  // names of inputs in comments
	err     error     // of writing
	result  ExtractResult

	hits     [flow.BatchSize]hit // of the batch of records
	held     []held              // in the order of reading, from next on not written
	next     int
	dropped  int           // records that were in held in front of those that are
	waiting  map[place]int // of the fragments that wait in held: how many records were held before
	bytes    int           // of the data and comments in held
	arrived  uint64        // fragments that waited so far: as the queue of the decoder numbers them
	comments []string
}

// hit is what is wanted of a record. The zero value is nothing.
type hit struct {
	by    []int32 // who wants it; see wanted
	keep  int     // bytes, without payload
	waits uint64  // number of the fragment in it, where its connection is not known yet; see queue
}

// place names a record.
type place struct {
	file uint16
	num  uint64
}

// held is a record that was kept for later.
type held struct {
	hit
	record
	had   *originals // nil: none
	since int64      // packet time when it came
}

func (h *held) size() int {
	size := len(h.data)
	if h.had != nil {
		size += h.had.bytes
	}
	return size
}

func newExtraction(c *ExtractConfig) (*extraction, error) {
	switch {
	case len(c.Read) == 0:
		return nil, errors.New("extracting packets: no inputs of a first pass are given")
	case c.Payload && c.Pseudonyms != nil:
		return nil, fmt.Errorf("extracting packets: %w", ErrPseudonymsPayload)
	}
	w, err := newWanted(c.Want)
	if err != nil {
		return nil, err
	}
	x := &extraction{wanted: w, payload: c.Payload, read: c.Read, out: ngWriter{to: c.Out}, waiting: map[place]int{}}
	if c.Pseudonyms != nil {
		x.rewrite = &rewriter{names: c.Pseudonyms}
	}
	x.sources = sourceNames(c.Read, c.Pseudonyms != nil)
	return x, nil
}

// sourceNames are those of the files, with their folders where two are alike.
func sourceNames(read []Input, hidden bool) (names []string) {
	like := map[string]int{}
	for i := range read {
		like[filepath.Base(read[i].Name)]++
	}
	for i := range read {
		name := filepath.Base(read[i].Name)
		switch {
		case hidden:
			name = "input " + strconv.Itoa(i)
		case like[name] > 1:
			name = read[i].Name
		}
		names = append(names, cleanText([]byte(name)))
	}
	return names
}

// start writes the head of the file.
func (x *extraction) start(r *run) {
	note := "extracted packets, headers only"
	switch {
	case x.payload:
		note = "extracted packets"
	case x.rewrite != nil:
		note = "extracted packets, headers only; addresses are pseudonyms, checksums of transport headers are 0"
		x.rewrite.scratch.ports, x.rewrite.scratch.ledger = r.decoder.ports, new(Ledger)
	}
	x.out.begin(note)
}

// collect notes which packets of the batch that was just added are wanted.
func (x *extraction) collect(r *run) {
	b := &r.packets
	for i := range b.Packets[:b.N] {
		p := &b.Packets[i]
		if by := x.wanted.of(r.table.ID(b.Record[i])); by >= 0 {
			x.mark(r, i, by)
		}
		if p.Bits&flow.Quoting == 0 || b.Quotes[i].Record == 0 {
			continue
		}
		if by := x.wanted.of(r.table.ID(b.Quotes[i].Record)); by >= 0 {
			x.mark(r, i, by)
		}
	}
}

// mark finds the record of packet i: mostly the one that made it, but a fragment that waited came in one before.
func (x *extraction) mark(r *run, i int, by int32) {
	p, at := &r.packets.Packets[i], int(r.packets.record[i])
	h := &x.hits[at]
	data := r.records.recs[at].data
	if p.Num != r.records.recs[at].num || p.File != r.records.recs[at].file {
		if h = x.before(r, at, p); h == nil {
			x.result.Lost++
			return
		}
		data = nil
	}
	h.by = x.wanted.take(by, h.by)
	keep := int(p.PayloadOff)
	if p.Bits&flow.Quoting != 0 && data != nil {
		keep = quoteEnd(p, data)
	}
	h.keep = max(h.keep, keep)
}

// before finds the record of a fragment that waited.
func (x *extraction) before(r *run, at int, p *flow.Packet) *hit {
	for ; at >= 0; at-- {
		if rec := &r.records.recs[at]; rec.num == p.Num && rec.file == p.File {
			return &x.hits[at]
		}
	}
	if i, ok := x.waiting[place{p.File, p.Num}]; ok {
		return &x.held[i-x.dropped].hit
	}
	return nil
}

// write writes the wanted records of the batch, or keeps them for later.
func (x *extraction) write(r *run) {
	x.noteWaiting(r)
	for i := range r.records.recs[:r.records.n] {
		h, rec := &x.hits[i], &r.records.recs[i]
		if len(h.by) == 0 && h.waits == 0 {
			continue
		}
		switch {
		case rec.num > x.read[rec.file].Packets: // the first pass was stopped before it
		case h.waits == 0 && x.next == len(x.held):
			x.packet(r, h, rec, x.originals(r, rec))
		default:
			x.hold(r, h, rec)
		}
		*h = hit{by: h.by[:0]}
	}
	x.release(r, maxHeld, maxHeldBytes)
}

// noteWaiting marks the records of fragments that began to wait in this batch.
func (x *extraction) noteWaiting(r *run) {
	q := &r.decoder.fragments.queue
	at := 0
	for ; x.arrived < q.arrived; x.arrived++ {
		number := x.arrived + 1
		w := q.at(number)
		if !q.has(number) || w.gone {
			continue
		}
		for ; at < r.records.n; at++ {
			if rec := &r.records.recs[at]; rec.num == w.num && rec.file == w.file {
				x.hits[at].waits = number
				break
			}
		}
	}
}

// hold keeps a record for later.
func (x *extraction) hold(r *run, h *hit, rec *record) {
	kept := held{hit: *h, record: *rec, had: x.originals(r, rec), since: r.decoder.now}
	kept.by, kept.data = slices.Clone(h.by), slices.Clone(rec.data)
	x.bytes += kept.size()
	if h.waits != 0 {
		x.waiting[place{rec.file, rec.num}] = x.dropped + len(x.held)
	}
	x.held = append(x.held, kept)
	x.release(r, maxHeld, maxHeldBytes)
}

// release writes what waited, up to the first record that has to wait on. While more wait than may, that one is given up.
func (x *extraction) release(r *run, records, bytes int) {
	for x.next < len(x.held) {
		h := &x.held[x.next]
		if x.undecided(r, h) && len(x.held)-x.next <= records && x.bytes <= bytes {
			break
		}
		if len(h.by) > 0 {
			x.packet(r, &h.hit, &h.record, h.had)
		}
		x.bytes -= h.size()
		delete(x.waiting, place{h.file, h.num})
		*h = held{}
		x.next++
	}
	if x.next == len(x.held) || x.next > maxHeld {
		left := copy(x.held, x.held[x.next:])
		clear(x.held[left:])
		x.held, x.next, x.dropped = x.held[:left], 0, x.dropped+x.next
	}
}

// undecided says whether the fragment in a record still waits for the first one of its datagram.
func (x *extraction) undecided(r *run, h *held) bool {
	q := &r.decoder.fragments.queue
	return h.waits != 0 && q.has(h.waits) && !q.at(h.waits).gone && r.decoder.now-h.since <= fragmentLifetime
}

// packet writes a record with the comments that it had, which may be nil.
func (x *extraction) packet(r *run, h *hit, rec *record, had *originals) {
	if x.err != nil {
		return
	}
	iface := x.iface(r, rec)
	data, wire := rec.data, rec.wire
	if !x.payload {
		data = data[:min(h.keep, len(data))]
	}
	if x.rewrite != nil {
		var ok bool
		if data, wire, iface.link, ok = x.rewrite.packet(iface.link, rec, len(data)); !ok {
			x.result.Lost++
			return
		}
	}
	if len(data) < len(rec.data) {
		x.result.Shortened++
	}
	x.comments = x.wanted.comments(h.by, x.comments[:0])
	where := "packet " + strconv.FormatUint(rec.num, 10) + " of " + x.sources[rec.file]
	if rec.badTime {
		where += ", without a usable time"
	}
	x.comments = append(x.comments, where)
	var original []string
	if had != nil {
		original = had.list
		x.result.addComments(had)
	}
	x.out.packet(x.out.iface(iface), iface.early, rec.time, max(wire, uint32(len(data))), data, x.comments, original...)
	x.result.Packets++
	if x.out.err != nil {
		x.err = fmt.Errorf("writing packets: %w", x.out.err)
	}
}

// iface describes the interface of a record.
func (x *extraction) iface(r *run, rec *record) writtenInterface {
	from := &r.in.list[rec.file].Interfaces[rec.iface]
	w := writtenInterface{name: from.Name, description: from.Description, link: from.LinkType, fcs: from.FCS, snaplen: from.Snaplen, early: rec.time < 0}
	if int(w.snaplen) < len(rec.data) {
		w.snaplen = 0
	}
	if x.rewrite != nil {
		w.description = ""
		if w.name != "" {
			w.name = x.rewrite.names.Token("interface", w.name)
		}
	}
	return w
}

// end writes what is left.
func (x *extraction) end(r *run) (ExtractResult, error) {
	x.release(r, -1, -1)
	if x.err == nil {
		if err := x.out.flush(); err != nil {
			x.err = fmt.Errorf("writing packets: %w", err)
		}
	}
	x.result.Connections, x.result.Limited = x.wanted.count()
	return x.result, x.err
}

// quoteEnd is where the headers of an ICMP error end: behind the IP header that it quotes, and the eight octets of the transport header that
// every quote has (RFC 792), where these are known to be one. data is the record of p.
func quoteEnd(p *flow.Packet, data []byte) int {
	at := int(p.PayloadOff)
	h := data[min(at, len(data)):]
	if p.Proto == flow.ICMPv6 {
		const unused = 4
		at, h = at+unused, h[min(unused, len(h)):]
	}
	size, next, ok := quotedHeader(h)
	if !ok {
		return min(at, len(data))
	}
	if proto := flow.Proto(next); proto.HasPorts() || proto.IsICMP() {
		size += quotedTransport
	}
	return min(at+size, len(data))
}

const quotedTransport = 8

// quotedHeader gives the size of the IP header that h begins with, and the protocol behind it. It is false where the packet is no first
// fragment, or the header is not all there.
func quotedHeader(h []byte) (size int, next uint8, ok bool) {
	switch {
	case len(h) >= ipv4Header && h[0]>>4 == 4:
		size = int(h[0]&15) * 4
		return size, h[9], size >= ipv4Header && size <= len(h) && binary.BigEndian.Uint16(h[6:])&0x1fff == 0
	case len(h) >= ipv6Header && h[0]>>4 == 6:
		size, next = ipv6Header, h[6]
		if next == extFragment && len(h) >= size+8 && binary.BigEndian.Uint16(h[size+2:])>>3 == 0 {
			size, next = size+8, h[size]
		}
		return size, next, true
	}
	return 0, 0, false
}
