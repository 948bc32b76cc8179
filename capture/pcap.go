package capture

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"pcapaudit/capture/flow"
)

// fault is why nothing more is read from an input.
type fault struct {
	state InputState
	what  string
}

func malformed(format string, args ...any) *fault {
	return &fault{InputMalformed, fmt.Sprintf(format, args...)}
}

const (
	pcapHeader       = 24
	pcapMagicMicro   = 0xa1b2c3d4
	pcapMagicNano    = 0xa1b23c4d
	pcapMagicPatched = 0xa1b2cd34 // 1990s Linux patch: eight more bytes in every record header
)

// pcapReader reads a classic pcap file (draft-ietf-opsawg-pcap).
type pcapReader struct {
	swap    bool
	record  int    // bytes of a record header
	perTick int64  // ns
	ticks   uint32 // in a second
	order   lengthOrder
}

// lengthOrder is where a record header holds captured and original length. Writers before version 2.4 had them the other way round,
// those of 2.3 one way or the other (as libpcap's savefile reader does).
type lengthOrder uint8

const (
	capturedFirst lengthOrder = iota
	originalFirst
	smallerIsCaptured
)

// isPcap says whether a file that begins with these four bytes is a classic pcap file.
func isPcap(magic []byte) bool {
	return pcapMagic(binary.LittleEndian.Uint32(magic)) || pcapMagic(binary.BigEndian.Uint32(magic))
}

func pcapMagic(m uint32) bool {
	return m == pcapMagicMicro || m == pcapMagicNano || m == pcapMagicPatched
}

// open reads the file's header of pcapHeader bytes.
func (p *pcapReader) open(h []byte, in *Input) error {
	magic := binary.LittleEndian.Uint32(h)
	*p = pcapReader{record: 16, perTick: 1000, ticks: 1e6}
	if !pcapMagic(magic) {
		p.swap, magic = true, binary.BigEndian.Uint32(h)
	}
	resolution := "1e-6 s"
	switch magic {
	case pcapMagicNano:
		p.perTick, p.ticks, resolution = 1, 1e9, "1e-9 s"
	case pcapMagicPatched:
		p.record = 24
	}
	version := p.u32(h[4:])
	major, minor := version&0xffff, version>>16
	if p.swap {
		major, minor = minor, major
	}
	switch {
	case major == 2 && minor <= 2, major == 543 && minor == 0:
		p.order = originalFirst
	case major == 2 && minor == 3:
		p.order = smallerIsCaptured
	case major != 2 || minor != 4:
		return fmt.Errorf("pcap version %d.%d is not known (2.0 to 2.4 are)", major, minor)
	}
	// Link type word: type in the low 16 bits; bit 26 says that the top four hold the FCS length in 16-bit units.
	link := p.u32(h[20:])
	fcs := -1
	if link&(1<<26) != 0 {
		fcs = int(link>>28) * 2
	}
	in.Format = "pcap"
	in.Interfaces = []Interface{{LinkType: uint16(link), FCS: fcs, Snaplen: p.u32(h[16:]), Resolution: resolution}}
	return nil
}

func (p *pcapReader) u32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if p.swap {
		v = bits.ReverseBytes32(v)
	}
	return v
}

// parse fills the batch with the records that lie whole in the window. need is how many bytes the next one takes, as far as can be known.
func (p *pcapReader) parse(w *window, b *recordBatch) (need int, stop *fault) {
	buf, pos, n := w.buf[:w.end], w.pos, b.n
	need = p.record
	for n < flow.BatchSize && len(buf)-pos >= p.record {
		h := buf[pos : pos+16]
		sec, frac := binary.LittleEndian.Uint32(h), binary.LittleEndian.Uint32(h[4:])
		captured, wire := binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
		if p.swap {
			sec, frac, captured, wire = bits.ReverseBytes32(sec), bits.ReverseBytes32(frac), bits.ReverseBytes32(captured), bits.ReverseBytes32(wire)
		}
		if p.order != capturedFirst && (p.order == originalFirst || captured > wire) {
			captured, wire = wire, captured
		}
		if captured > maxCaptured {
			stop = malformed("packet record claims %d captured bytes, at most %d can be", captured, maxCaptured)
			break
		}
		start := pos + p.record
		end := start + int(captured)
		if end > len(buf) {
			need = end - pos
			break
		}
		r := &b.recs[n]
		r.data = buf[start:end:end]
		r.time = int64(sec)*1e9 + int64(frac)*p.perTick
		r.wire, r.iface, r.badTime = wire, 0, frac >= p.ticks
		pos = end
		n++
	}
	w.pos, b.n = pos, n
	return need, stop
}
