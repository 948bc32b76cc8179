package main

import (
	"encoding/binary"
	"io"
)

// Space that a packet may take in the output buffer, record header included, and the size of that buffer.
const (
	maxRecord = 2048
	bufSize   = 1 << 20
)

// file writes Ethernet packets as pcap or pcapng, times in microseconds, cut at snap bytes. Packets are built in place: space, then commit.
type file struct {
	w       io.Writer
	buf     []byte
	ng      bool
	snap    int
	packets int64
	bytes   int64
	err     error // the first one; everything after it is dropped
}

func newFile(w io.Writer, ng bool, snap int) *file {
	f := &file{w: w, buf: make([]byte, 0, bufSize), ng: ng, snap: snap}
	le := binary.LittleEndian
	const ethernet = 1
	if !ng {
		f.buf = le.AppendUint32(f.buf, 0xa1b2c3d4)
		f.buf = le.AppendUint16(le.AppendUint16(f.buf, 2), 4)
		f.buf = append(f.buf, make([]byte, 8)...)
		f.buf = le.AppendUint32(le.AppendUint32(f.buf, uint32(snap)), ethernet)
		return f
	}
	for _, v := range []uint32{0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28} { // section header: version 1.0, length unknown
		f.buf = le.AppendUint32(f.buf, v)
	}
	for _, v := range []uint32{1, 20, ethernet, uint32(snap), 20} { // interface description: microseconds by default
		f.buf = le.AppendUint32(f.buf, v)
	}
	return f
}

// head is the length of what stands before a packet's bytes.
func (f *file) head() int {
	if f.ng {
		return 28
	}
	return 16
}

// space is where the next packet is built; valid until commit.
func (f *file) space() []byte {
	if cap(f.buf)-len(f.buf) < maxRecord {
		f.flush()
	}
	at := len(f.buf) + f.head()
	return f.buf[at : len(f.buf)+maxRecord-8]
}

// commit takes the first n bytes of space as a packet at the time, microseconds of the epoch.
func (f *file) commit(n int, at int64) {
	start, kept := len(f.buf), min(n, f.snap)
	r, le := f.buf[start:start+maxRecord], binary.LittleEndian
	if !f.ng {
		le.PutUint32(r, uint32(at/1e6))
		le.PutUint32(r[4:], uint32(at%1e6))
		le.PutUint32(r[8:], uint32(kept))
		le.PutUint32(r[12:], uint32(n))
		f.buf = f.buf[:start+16+kept]
	} else {
		padded := (kept + 3) &^ 3
		clear(r[28+kept : 28+padded])
		for i, v := range [7]uint32{6, uint32(32 + padded), 0, uint32(at >> 32), uint32(at), uint32(kept), uint32(n)} {
			le.PutUint32(r[4*i:], v)
		}
		le.PutUint32(r[28+padded:], uint32(32+padded))
		f.buf = f.buf[:start+32+padded]
	}
	f.packets++
}

func (f *file) flush() {
	if f.err == nil {
		_, f.err = f.w.Write(f.buf)
	}
	f.bytes += int64(len(f.buf))
	f.buf = f.buf[:0]
}
