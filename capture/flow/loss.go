package flow

import (
	"slices"
	"time"
)

const (
	maxWatches = 1<<16 - 2 // TCP connections open at once whose sequence numbers are followed; later ones are not
	maxHoles   = 3         // of one direction at once; what further ones hide is not noticed

	// maxJump is the largest step in sequence numbers that is believed: the largest window (RFC 7323, section 2.3). A larger one is a
	// gap in the capture or a forged packet, and does not say how much is missing.
	maxJump = 1 << 30
	// The payload of a full segment on Ethernet, taken where a direction was never seen to send; and the least that is taken for one
	// (RFC 9293, section 3.7.1), so that keystrokes and forged numbers do not make thousands of packets out of few bytes.
	ethernetSegment, leastSegment = 1460, 536

	minute = int64(time.Minute)
)

// MissedMinute is how many packets a connection missed in one minute.
type MissedMinute struct {
	Minute  int64 // since 1970 UTC, of the packet that showed the hole
	Packets uint64
}

// MaxMissedMinutes is the number of minutes that Missed tells apart.
const MaxMissedMinutes = 16

// Missed is an estimate of the packets of one TCP connection that the capture lost. The zero value says that nothing is known.
type Missed struct {
	Followed bool           // the sequence numbers were followed: 0 packets are none
	Packets  uint64         `json:",omitzero"` // of both directions
	Bytes    uint64         `json:",omitzero"` // of their payload; a FIN counts as one
	Minutes  []MissedMinute `json:",omitzero"` // at most MaxMissedMinutes; what was missed in further ones counts for the last of them
}

// losses estimates what a capture lost from data that was acknowledged and never seen. What the network loses is sent again before it is
// acknowledged, so only the capture can have lost that. A hole counts once its data was acknowledged and did not come late: as one
// packet, or as many as its bytes fill segments of the largest size seen: too few where small packets were lost side by side, too many
// where a lost one was larger than all others (segmentation offload). Lost acknowledgements are not noticed.
type losses struct {
	slots   memory[uint16]  // by record: its watch, 0 for none yet, tooMany
	watches *[1 << 16]watch // of lines; 0 and tooMany stay zero
	lines   memory[watch]
	used    int      // watches ever handed out; 0 is none
	free    []uint16 // those given back
	minutes map[uint16][]MissedMinute
	skipped uint64
}

const tooMany = 1<<16 - 1

// watch is one connection, A then B: two cache lines, of which a packet in order needs the first.
type watch struct {
	streams [2]stream
	packets uint64
	bytes   uint64
	ready   bool // both streams are based
	blurred bool // fragmented: parts of it have no sequence numbers
	holes   [2][maxHoles]hole
}

// stream is what one side sent.
type stream struct {
	next  uint32 // behind the highest sequence number that was seen or acknowledged
	acked uint32 // the highest acknowledgement
	size  uint32 // payload of the largest segment
	based bool   // next and acked are set
	holed bool   // there may be holes
}

// hole is sequence numbers not seen, from from until before to. It is closed where both are equal.
type hole struct {
	from, to uint32
	minute   int32
}

// before compares sequence numbers, which wrap around.
func before(a, b uint32) bool { return int32(a-b) < 0 }

// far says whether a step between sequence numbers is not believed.
func far(a, b uint32) bool { return a-b+maxJump > 2*maxJump }

func newLosses(records int) losses {
	lines := newMemory[watch](1 << 16)
	return losses{slots: newMemory[uint16](records), watches: (*[1 << 16]watch)(lines.of), lines: lines, minutes: map[uint16][]MissedMinute{}}
}

func (l *losses) close() {
	l.slots.free()
	l.lines.free()
	l.watches = nil
}

// track follows a packet of TCP with payload bytes on the wire, captured or not; most are in order. It is for segments with ACK alone, and
// for later fragments: SYN and RST are often forged, and a scan must not take all watches.
func (l *losses) track(rec uint32, p *Packet, payload uint32, now int64) {
	w, side := &l.watches[l.slots.of[rec]], p.Bits&FromB
	sent, other := &w.streams[side], &w.streams[side^1]
	if p.Seq == sent.next && w.ready && p.Ack-other.acked <= other.next-other.acked && p.Bits&(Broken|Fragment) == 0 {
		sent.next += payload + uint32(p.Flags&FIN)
		sent.size = max(sent.size, payload)
		other.acked = p.Ack
		return
	}
	if p.Bits&BadTime == 0 {
		now = p.Time
	}
	l.examine(rec, p, payload, now)
}

func (l *losses) examine(rec uint32, p *Packet, payload uint32, now int64) {
	slot := l.slots.of[rec]
	switch {
	case slot == tooMany || p.Bits&Broken != 0:
		return
	case slot == 0:
		if slot = l.take(rec); slot == tooMany {
			return
		}
	}
	w, side := &l.watches[slot], uint(p.Bits&FromB)
	if p.Bits&Fragment != 0 {
		w.blurred = true
		return
	}
	l.saw(slot, side, p.Seq, payload+uint32(p.Flags&FIN), now)
	w.streams[side].size = max(w.streams[side].size, payload)
	l.acked(slot, side^1, p.Ack, now)
	w.ready = true
}

// take gives a record a watch.
func (l *losses) take(rec uint32) uint16 {
	slot := uint16(tooMany)
	switch n := len(l.free); {
	case n > 0:
		slot, l.free = l.free[n-1], l.free[:n-1]
	case l.used < maxWatches:
		l.used++
		slot = uint16(l.used)
	default:
		l.skipped++
	}
	l.slots.of[rec] = slot
	return slot
}

// saw adds what a packet carried: how many sequence numbers from seq on.
func (l *losses) saw(slot uint16, side uint, seq, numbers uint32, now int64) {
	s := &l.watches[slot].streams[side]
	if !s.based || far(seq, s.next) {
		l.rebase(slot, side, seq)
	}
	if numbers == 0 { // an ACK, a keep-alive: what it may tell of earlier data has to be acknowledged first
		return
	}
	end := seq + numbers
	switch {
	case before(s.next, seq):
		l.open(slot, side, hole{s.next, seq, int32(now / minute)})
	case s.holed && before(seq, s.next):
		l.fill(slot, side, seq, end)
	}
	if before(s.next, end) {
		s.next = end
	}
}

// acked adds an acknowledgement of what side sent. It is believed where something was sent that could be acknowledged.
func (l *losses) acked(slot uint16, side uint, ack uint32, now int64) {
	s := &l.watches[slot].streams[side]
	if !s.based || far(ack, s.next) {
		l.rebase(slot, side, ack)
	}
	if before(s.next, ack) {
		l.open(slot, side, hole{s.next, ack, int32(now / minute)})
		s.next = ack
	}
	if before(s.acked, ack) {
		s.acked = ack
	}
}

// rebase starts a stream anew. What was missed before stays.
func (l *losses) rebase(slot uint16, side uint, seq uint32) {
	l.settle(slot, side)
	s := &l.watches[slot].streams[side]
	s.next, s.acked, s.based = seq, seq, true
}

// open remembers a hole. Where there is no room, the lowest one that was acknowledged counts now, though its data may still come late.
func (l *losses) open(slot uint16, side uint, h hole) {
	w := &l.watches[slot]
	s, holes, room := &w.streams[side], &w.holes[side], -1
	s.holed = true
	for i := range holes {
		if holes[i].from == holes[i].to {
			holes[i] = h
			return
		}
		if before(holes[i].from, s.acked) && (room < 0 || before(holes[i].from, holes[room].from)) {
			room = i
		}
	}
	if room >= 0 {
		l.miss(slot, s, &holes[room])
		holes[room] = h
	}
}

// fill takes what was seen late out of the holes.
func (l *losses) fill(slot uint16, side uint, from, to uint32) {
	holes := &l.watches[slot].holes[side]
	for i := range holes {
		h := &holes[i]
		if h.from == h.to || !before(from, h.to) || !before(h.from, to) {
			continue
		}
		front, back := before(h.from, from), before(to, h.to)
		switch {
		case front && back:
			rest := hole{to, h.to, h.minute}
			h.to = from
			l.open(slot, side, rest)
			return // holes do not overlap
		case front:
			h.to = from
		case back:
			h.from = to
		default:
			h.to = h.from
		}
	}
}

// settle counts the holes of a stream, as far as they were acknowledged, and closes them.
func (l *losses) settle(slot uint16, side uint) {
	w := &l.watches[slot]
	s := &w.streams[side]
	if !s.holed {
		return
	}
	for i := range w.holes[side] {
		if h := &w.holes[side][i]; h.from != h.to && before(h.from, s.acked) {
			l.miss(slot, s, h)
		}
	}
	w.holes[side], s.holed = [maxHoles]hole{}, false
}

// miss counts a hole of which the beginning was acknowledged.
func (l *losses) miss(slot uint16, s *stream, h *hole) {
	bytes := h.to - h.from
	if before(s.acked, h.to) {
		bytes = s.acked - h.from
	}
	size := uint32(ethernetSegment)
	if s.size > 0 {
		size = max(s.size, leastSegment)
	}
	packets := uint64((bytes + size - 1) / size)
	w := &l.watches[slot]
	w.packets += packets
	w.bytes += uint64(bytes)
	l.minutes[slot] = addMinute(l.minutes[slot], MissedMinute{int64(h.minute), packets})
}

func addMinute(list []MissedMinute, m MissedMinute) []MissedMinute {
	for i := range list {
		if list[i].Minute == m.Minute || i == MaxMissedMinutes-1 {
			list[i].Packets += m.Packets
			return list
		}
	}
	return append(list, m)
}

// end gives what a connection missed, and its watch back.
func (l *losses) end(rec uint32) Missed {
	slot := l.slots.of[rec]
	l.slots.of[rec] = 0
	if slot == 0 || slot == tooMany {
		return Missed{}
	}
	m := l.sum(slot)
	l.watches[slot] = watch{}
	delete(l.minutes, slot)
	l.free = append(l.free, slot)
	return m
}

// soFar is what end would give now; the connection is followed further.
func (l *losses) soFar(rec uint32) Missed {
	slot := l.slots.of[rec]
	if slot == 0 || slot == tooMany {
		return Missed{}
	}
	was, minutes := l.watches[slot], l.minutes[slot]
	if minutes != nil {
		l.minutes[slot] = slices.Clone(minutes)
	}
	m := l.sum(slot)
	l.watches[slot] = was
	if minutes == nil {
		delete(l.minutes, slot)
	} else {
		l.minutes[slot] = minutes
	}
	return m
}

// sum settles both streams, and gives what was missed in them.
func (l *losses) sum(slot uint16) (m Missed) {
	l.settle(slot, 0)
	l.settle(slot, 1)
	if w := &l.watches[slot]; !w.blurred {
		m = Missed{true, w.packets, w.bytes, l.minutes[slot]}
	}
	return m
}

// leastOneSided is the number of packets of one side from which on the other must have sent something.
const leastOneSided = 3

// missed adds to what the sequence numbers of a record's connection show a handshake that was half seen: the SYN-ACK between a SYN and what
// follows it, or the SYN, unless that can have been before the capture's start.
func (t *Table) missed(rec uint32, m Missed) Missed {
	r := &t.records.of[rec]
	if !m.Followed {
		return m
	}
	s, orig := r.state(), r.orig()
	silent := r.sent(0) == 0 || r.sent(1) == 0
	switch {
	case silent && m.Packets == 0 && r.sent(0)+r.sent(1) >= leastOneSided,
		!silent && s.of(syn, orig) && s&both(synAck) == 0 && s.of(moved, orig^1),
		!silent && s.of(synAck, orig^1) && !s.of(syn, orig) && r.flags&late != 0:
		m.Packets++
		m.Minutes = addMinute(m.Minutes, MissedMinute{r.first / minute, 1})
	}
	return m
}
