package capture

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"pcapaudit/capture/flow"
)

// Block types (draft-ietf-opsawg-pcapng section 11.1).
const (
	blockSection    = 0x0a0d0d0a // the same in both byte orders
	blockInterface  = 1
	blockPacket     = 2 // obsolete
	blockSimple     = 3
	blockNames      = 4
	blockStatistics = 5
	blockEnhanced   = 6

	sectionMagic   = 0x1a2b3c4d
	blockOverhead  = 12 // type, length, length again
	sectionAtLeast = 28 // whole section header block without options
)

// ngReader reads a pcapng file. Every section has its own byte order and its own interfaces.
type ngReader struct {
	in        *Input
	file      uint16
	learn     func(*flow.Name) // nil: names are passed over
	swap      bool
	ifaces    []ngInterface // of the current section
	commented []optionList  // of the packets of the last batch that have comments; record.commented counts in it
}

type ngInterface struct {
	clock   tickClock
	snaplen uint32
	index   uint16 // in Input.Interfaces
}

func (p *ngReader) u16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if p.swap {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (p *ngReader) u32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if p.swap {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (p *ngReader) u64(b []byte) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if p.swap {
		v = bits.ReverseBytes64(v)
	}
	return v
}

// sectionOrder says whether a section's byte order is the other one than ours; bad: the section header is damaged. b has 12 bytes.
func sectionOrder(b []byte) (swap, bad bool) {
	switch uint32(sectionMagic) {
	case binary.LittleEndian.Uint32(b[8:]):
		return false, false
	case binary.BigEndian.Uint32(b[8:]):
		return true, false
	}
	return false, true
}

// parse reads the blocks that lie whole in the window, packets into the batch. need is how many bytes the next one takes, as far as can be known.
func (p *ngReader) parse(w *window, b *recordBatch) (need int, stop *fault) {
	if b.n == 0 {
		p.commented = p.commented[:0]
	}
	for b.n < flow.BatchSize {
		buf := w.buf[w.pos:w.end]
		if len(buf) < blockOverhead {
			return blockOverhead, nil
		}
		kind := p.u32(buf)
		swap := p.swap
		if kind == blockSection {
			bad := false
			if swap, bad = sectionOrder(buf); bad {
				return 0, malformed("section header without byte-order magic")
			}
		}
		length := binary.LittleEndian.Uint32(buf[4:])
		if swap {
			length = bits.ReverseBytes32(length)
		}
		switch {
		case length < blockOverhead || length%4 != 0:
			return 0, malformed("block length %d: has to be a multiple of 4 from %d", length, blockOverhead)
		case length > maxBlock:
			return 0, malformed("block claims %d bytes, at most %d are read", length, maxBlock)
		case len(buf) < int(length):
			return int(length), nil
		case binary.LittleEndian.Uint32(buf[length-4:]) != binary.LittleEndian.Uint32(buf[4:]):
			return 0, malformed("block length %d at its start differs from the one at its end", length)
		}
		if kind == blockNames && b.n > 0 && p.learn != nil {
			return 0, nil // the packets before it go first: names stand where they do in the file, however it is read
		}
		body := buf[8 : length-4 : length-4]
		if kind == blockEnhanced {
			stop = p.enhanced(body, b)
		} else {
			stop = p.other(kind, swap, body, b)
		}
		if stop != nil {
			return 0, stop
		}
		w.pos += int(length)
	}
	return 0, nil
}

func (p *ngReader) other(kind uint32, swap bool, body []byte, b *recordBatch) *fault {
	switch kind {
	case blockSection:
		return p.section(swap, body)
	case blockInterface:
		return p.iface(body)
	case blockPacket:
		return p.old(body, b)
	case blockSimple:
		return p.simple(body, b)
	case blockStatistics:
		return p.statistics(body)
	case blockNames:
		p.names(body)
	}
	p.in.SkippedBlocks++
	return nil
}

// packet adds a record of the given interface; rest begins with the packet's data.
func (p *ngReader) packet(b *recordBatch, iface, captured, wire uint32, rest []byte) (*record, *fault) {
	switch {
	case uint64(iface) >= uint64(len(p.ifaces)):
		return nil, malformed("packet block of interface %d, the section has described %d", iface, len(p.ifaces))
	case captured > maxCaptured:
		return nil, malformed("packet block claims %d captured bytes, at most %d can be", captured, maxCaptured)
	case uint64(captured) > uint64(len(rest)):
		return nil, malformed("packet block claims %d captured bytes and holds %d", captured, len(rest))
	}
	r := &b.recs[b.n]
	b.n++
	r.data, r.wire, r.iface = rest[:captured:captured], wire, p.ifaces[iface].index
	r.time, r.badTime, r.commented = 0, true, 0
	return r, nil
}

func (p *ngReader) enhanced(body []byte, b *recordBatch) *fault {
	if len(body) < 20 {
		return malformed("enhanced packet block of %d bytes", len(body)+blockOverhead)
	}
	iface, captured := p.u32(body), p.u32(body[12:])
	r, stop := p.packet(b, iface, captured, p.u32(body[16:]), body[20:])
	if stop != nil {
		return stop
	}
	p.stamp(r, iface, body[4:])
	if rest := body[20:]; len(rest) >= padded(captured)+4 {
		p.packetOptions(r, rest[padded(captured):])
	}
	return nil
}

func (p *ngReader) old(body []byte, b *recordBatch) *fault {
	if len(body) < 20 {
		return malformed("packet block of %d bytes", len(body)+blockOverhead)
	}
	iface, captured := uint32(p.u16(body)), p.u32(body[12:])
	r, stop := p.packet(b, iface, captured, p.u32(body[16:]), body[20:])
	if stop != nil {
		return stop
	}
	p.stamp(r, iface, body[4:])
	if drops := p.u16(body[2:]); drops != 0xffff { // 0xffff: not known
		p.noteDrops(uint64(drops))
	}
	if rest := body[20:]; len(rest) >= padded(captured)+4 {
		p.packetOptions(r, rest[padded(captured):])
	}
	return nil
}

// noteDrops saturates: the counts are what the file claims.
func (p *ngReader) noteDrops(n uint64) {
	sum, carry := bits.Add64(p.in.DroppedNoted, n, 0)
	p.in.DroppedNoted = sum | -carry
}

// simple reads a block without time and interface: it is of the section's first interface, cut to its snaplen.
func (p *ngReader) simple(body []byte, b *recordBatch) *fault {
	if len(body) < 4 {
		return malformed("simple packet block of %d bytes", len(body)+blockOverhead)
	}
	wire := p.u32(body)
	captured := wire
	if len(p.ifaces) > 0 && p.ifaces[0].snaplen != 0 {
		captured = min(captured, p.ifaces[0].snaplen)
	}
	_, stop := p.packet(b, 0, captured, wire, body[4:])
	return stop
}

// stamp sets the packet's time from two 32-bit words, the upper one first.
func (p *ngReader) stamp(r *record, iface uint32, b []byte) {
	t, ok := p.ifaces[iface].clock.ns(uint64(p.u32(b))<<32 | uint64(p.u32(b[4:])))
	r.time, r.badTime = t, !ok
}

func padded(n uint32) int { return int(n+3) &^ 3 }

func (p *ngReader) section(swap bool, body []byte) *fault {
	if len(body)+blockOverhead < sectionAtLeast {
		return malformed("section header of %d bytes", len(body)+blockOverhead)
	}
	p.swap = swap
	// Minor version 2 is what some writers give; the draft has it read as 0.
	if major, minor := p.u16(body[4:]), p.u16(body[6:]); major != 1 || minor != 0 && minor != 2 {
		return malformed("pcapng version %d.%d is not known (1.0 is)", major, minor)
	}
	p.ifaces = p.ifaces[:0]
	p.in.Sections++
	p.sectionOptions(body[16:])
	return nil
}

func (p *ngReader) iface(body []byte) *fault {
	if len(body) < 8 {
		return malformed("interface description of %d bytes", len(body)+blockOverhead)
	}
	if len(p.in.Interfaces) == maxInterfaces {
		return &fault{InputLimit, fmt.Sprintf("more than %d interfaces", maxInterfaces)}
	}
	i := Interface{LinkType: p.u16(body), FCS: -1, Snaplen: p.u32(body[4:])}
	clock := p.interfaceOptions(&i, body[8:])
	if clock.perSecond == 0 {
		p.in.warn(fmt.Sprintf("interface %d: time stamps in units of %s are not supported; its packets have no time", len(p.in.Interfaces), i.Resolution))
	}
	p.ifaces = append(p.ifaces, ngInterface{clock, i.Snaplen, uint16(len(p.in.Interfaces))})
	p.in.Interfaces = append(p.in.Interfaces, i)
	return nil
}

func (p *ngReader) statistics(body []byte) *fault {
	if len(body) < 12 {
		return malformed("interface statistics of %d bytes", len(body)+blockOverhead)
	}
	id := p.u32(body)
	if uint64(id) >= uint64(len(p.ifaces)) {
		p.in.SkippedBlocks++
		p.in.warn(fmt.Sprintf("statistics of interface %d, which is not described, are ignored", id))
		return nil
	}
	p.statisticsOptions(&p.in.Interfaces[p.ifaces[id].index], body[12:])
	return nil
}
