package flow

import (
	"math"
	"unsafe"
)

// record is one open connection: exactly one cache line, because with millions of connections every packet costs one miss for it.
// An IPv6 record is followed by a second line with its exact addresses.
type record struct {
	a, b    uint32 // as in Packet
	pa, pb  uint16
	context uint16 // of the first packet
	proto   Proto
	flags   recordFlags
	first   int64     // time of the first packet; valid iff timed
	last    int64     // largest packet time; valid iff timed
	id      uint64    // of makeID
	packets [2]uint32 // low 24 bits: from A, from B, carry beyond in Table.carried; high 8: the halves of respISN
	bytes   [2]uint64 // low 48 bits: IP bytes, carry as above; high 16: state in the first, isn in the second
}

const (
	countBits  = 48
	countMask  = 1<<countBits - 1
	packetBits = 24
	packetMask = 1<<packetBits - 1
)

// An id is file, packet and depth in one number, in the order of ConnID.Compare.
const (
	fileShift = 48
	depthBits = 5
)

func makeID(p *Packet) uint64 {
	return uint64(p.File)<<fileShift | p.Num<<depthBits&(1<<fileShift-1) | uint64(p.Depth)&MaxDepth
}

func (r *record) connID() ConnID {
	return ConnID{File: uint16(r.id >> fileShift), Packet: r.id & (1<<fileShift - 1) >> depthBits, Depth: uint8(r.id & MaxDepth)}
}

type recordFlags uint8

const (
	live      recordFlags = 1 << iota
	wide                  // IPv6: the line behind belongs to it, also while it is not live any more
	undecided             // inspection still wants payload
	firstB                // the first packet came from B; once a side was heard: the first one that was
	late                  // it came more than one idle timeout after the capture's start, by a clock that agreed
	origB                 // TCP with a handshake packet: B is the originator
	timed                 // first and last are set
	followed              // inspection has recognised it and wants all its payload

	ended = undecided // without live
)

func (r *record) state() state     { return state(r.bytes[0] >> countBits) }
func (r *record) setState(s state) { r.bytes[0] = r.bytes[0]&countMask | uint64(s)<<countBits }

// isn is the low half of the originator's initial sequence number; valid iff the state has a handshake packet.
func (r *record) isn() uint16     { return uint16(r.bytes[1] >> countBits) }
func (r *record) setISN(n uint32) { r.bytes[1] = r.bytes[1]&countMask | uint64(n)<<countBits }

// respISN is the same of the responder; valid iff the state has its SYN or SYN-ACK.
func (r *record) respISN() uint16 {
	return uint16(r.packets[0]>>packetBits<<8 | r.packets[1]>>packetBits)
}

func (r *record) setRespISN(n uint32) {
	r.packets[0] = r.packets[0]&packetMask | n>>8<<packetBits
	r.packets[1] = r.packets[1]&packetMask | n<<packetBits
}

// sent is 0 iff no packet came from a side; beyond that see Table.totals.
func (r *record) sent(side uint) uint32 { return r.packets[side] & packetMask }

// orig is the originator by handshake: 0 for A, 1 for B.
func (r *record) orig() uint { return uint(r.flags & origB / origB) }

// records is the memory of all records: lines in creation order, handed out in pairs so that a record of either width fits where one
// was freed. A pair in use holds at least one record, so n records never need more than 2n lines.
// Line numbers are the record numbers that the table gives out; pair 0 stays empty and 0 means none.
type records struct {
	memory[record]
	quiet  memory[int64] // by line: a connection that is open there is not silent for too long at this time or before; never in the second line of a wide one
	used   uint32        // lines ever handed out
	halves uint32        // list of free lines whose neighbour is taken; a is the line before, b the one after
	pairs  uint32        // list of free pairs; b is the next
}

func newRecords(n int) records {
	return records{memory: newMemory[record](2*n + 2), quiet: newMemory[int64](2*n + 2), used: 2}
}

// never is a time that is not reached.
const never = math.MaxInt64

// exact are the addresses of a wide record.
func (m *records) exact(rec uint32) *[2][16]byte {
	return (*[2][16]byte)(unsafe.Pointer(&m.of[rec+1]))
}

// take gives a zero record, two lines for a wide one.
func (m *records) take(w bool) uint32 {
	if !w && m.halves != 0 {
		rec := m.halves
		m.unlink(rec)
		m.of[rec] = record{}
		return rec
	}
	rec := m.pairs
	if rec != 0 {
		m.pairs = m.of[rec].b
		m.of[rec] = record{}
	} else {
		rec = m.used
		m.used += 2
	}
	if !w {
		m.link(rec + 1)
	}
	return rec
}

// put takes a record back that is not live any more.
func (m *records) put(rec uint32) {
	first := rec &^ 1
	if m.of[rec].flags&wide == 0 {
		m.of[rec].flags = 0
		if m.inUse(rec ^ 1) {
			m.link(rec)
			return
		}
		m.unlink(rec ^ 1)
	}
	m.of[first], m.of[first+1] = record{b: m.pairs}, record{}
	m.pairs = first
}

// end makes a record dead. It stays in use until it is put back.
func (r *record) end() { r.flags = r.flags&wide | ended }

func (m *records) inUse(line uint32) bool { return m.of[line].flags != 0 }

func (m *records) link(line uint32) {
	m.of[line] = record{b: m.halves}
	if m.halves != 0 {
		m.of[m.halves].a = line
	}
	m.halves = line
}

func (m *records) unlink(line uint32) {
	before, after := m.of[line].a, m.of[line].b
	if before != 0 {
		m.of[before].b = after
	} else {
		m.halves = after
	}
	if after != 0 {
		m.of[after].a = before
	}
}

// each calls f for every live record.
func (m *records) each(f func(rec uint32, r *record)) {
	for line := uint32(2); line < m.used; line += 2 {
		r := &m.of[line]
		if r.flags&live != 0 {
			f(line, r)
		}
		if r.flags&wide == 0 && m.of[line+1].flags&live != 0 {
			f(line+1, &m.of[line+1])
		}
	}
}
