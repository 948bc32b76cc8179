package main

import "encoding/binary"

// endian is a byte order with the name that files get for it.
type endian struct {
	binary.AppendByteOrder
	name string
}

var (
	little = endian{binary.LittleEndian, "le"}
	big    = endian{binary.BigEndian, "be"}
	orders = []endian{little, big}
)

// Link types (https://www.tcpdump.org/linktypes.html).
const (
	linkEthernet = 1
	linkRaw      = 101
	linkUser0    = 147 // never decoded
)

const (
	pcapMicro   = 0xa1b2c3d4
	pcapNano    = 0xa1b23c4d
	pcapPatched = 0xa1b2cd34
	snaplen     = 262144
)

// pcapFile is a classic capture under construction.
type pcapFile struct {
	e endian
	b []byte
}

func newPcap(e endian, link uint32) *pcapFile { return pcapWith(e, pcapMicro, 2, 4, snaplen, link) }

func pcapWith(e endian, magic uint32, major, minor uint16, snap, link uint32) *pcapFile {
	f := &pcapFile{e: e}
	f.words(magic)
	f.b = e.AppendUint16(e.AppendUint16(f.b, major), minor)
	f.words(0, 0, snap, link)
	return f
}

func (f *pcapFile) words(list ...uint32) {
	for _, v := range list {
		f.b = f.e.AppendUint32(f.b, v)
	}
}

func (f *pcapFile) record(sec, frac uint32, data []byte) {
	f.lying(sec, frac, uint32(len(data)), uint32(len(data)), data)
}

// lying writes a record header as told.
func (f *pcapFile) lying(sec, frac, captured, wire uint32, data []byte) {
	f.words(sec, frac, captured, wire)
	f.b = append(f.b, data...)
}

// Block types (draft-ietf-opsawg-pcapng, section 11.1).
const (
	blockSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockPacket     = 2
	blockSimple     = 3
	blockNames      = 4
	blockStatistics = 5
	blockEnhanced   = 6
	blockSecrets    = 10
	blockCustom     = 0x0bad
	blockUnknown    = 0x7fff
)

// ngFile is a pcapng capture under construction. Its methods return it, to be chained.
type ngFile struct {
	e endian
	b []byte
}

// newNG begins with a section of version 1.0 and length unknown.
func newNG(e endian) *ngFile { return (&ngFile{e: e}).section(1, 0, ^uint64(0)) }

// oneNG is newNG with an Ethernet interface and the first packet of the witness.
func oneNG(e endian) *ngFile {
	return newNG(e).iface(linkEthernet, snaplen).packet(0, 1600000000e6, witnessAsks)
}

func (f *ngFile) u16(b []byte, list ...uint16) []byte {
	for _, v := range list {
		b = f.e.AppendUint16(b, v)
	}
	return b
}

func (f *ngFile) u32(b []byte, list ...uint32) []byte {
	for _, v := range list {
		b = f.e.AppendUint32(b, v)
	}
	return b
}

// raw writes a block with any two lengths.
func (f *ngFile) raw(kind, length uint32, body []byte, trailer uint32) *ngFile {
	f.b = append(f.u32(f.b, kind, length), body...)
	f.b = f.u32(f.b, trailer)
	return f
}

// block pads the body and writes true lengths.
func (f *ngFile) block(kind uint32, body []byte) *ngFile {
	body = padded(body)
	n := uint32(len(body) + 12)
	return f.raw(kind, n, body, n)
}

func padded(b []byte) []byte { return append(b[:len(b):len(b)], make([]byte, -len(b)&3)...) }

func (f *ngFile) section(major, minor uint16, length uint64, options ...[]byte) *ngFile {
	b := f.u16(f.u32(nil, 0x1a2b3c4d), major, minor)
	return f.block(blockSection, join(f.e.AppendUint64(b, length), options))
}

func (f *ngFile) iface(link uint16, snap uint32, options ...[]byte) *ngFile {
	return f.block(blockInterface, join(f.u32(f.u16(nil, link, 0), snap), options))
}

func (f *ngFile) packet(id uint32, stamp uint64, data []byte, options ...[]byte) *ngFile {
	return f.block(blockEnhanced, join(f.enhanced(id, stamp, uint32(len(data)), uint32(len(data)), padded(data)), options))
}

// enhanced is the body of an enhanced packet block.
func (f *ngFile) enhanced(id uint32, stamp uint64, captured, wire uint32, data []byte) []byte {
	return append(f.u32(nil, id, uint32(stamp>>32), uint32(stamp), captured, wire), data...)
}

// old is the body of an obsolete packet block.
func (f *ngFile) old(id, drops uint16, stamp uint64, captured, wire uint32, data []byte) []byte {
	return append(f.u32(f.u16(nil, id, drops), uint32(stamp>>32), uint32(stamp), captured, wire), data...)
}

func (f *ngFile) statistics(id uint32, options ...[]byte) *ngFile {
	return f.block(blockStatistics, join(f.u32(nil, id, 0, 0), options))
}

// option writes a true length and pads.
func (f *ngFile) option(code uint16, value []byte) []byte {
	return f.lyingOption(code, uint16(len(value)), value)
}

func (f *ngFile) lyingOption(code, length uint16, value []byte) []byte {
	return padded(append(f.u16(nil, code, length), value...))
}

func (f *ngFile) endOfOptions() []byte { return f.u16(nil, 0, 0) }

func join(b []byte, pieces [][]byte) []byte {
	for _, p := range pieces {
		b = append(b, p...)
	}
	return b
}
