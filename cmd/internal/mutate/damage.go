package main

import (
	"encoding/binary"
	"math/rand/v2"
)

// damage is one way to spoil a capture. It may change data in place and returns what is left of it.
type damage struct {
	name   string
	weight int // out of the sum of all
	apply  func(r *rand.Rand, data, other []byte) []byte
}

// damages are the modes of the campaign. The first is that of Wireshark's fuzz tests: every byte is another one with probability 0.02.
var damages = []damage{
	{"bytes", 50, func(r *rand.Rand, data, _ []byte) []byte { return corrupt(r, data, 0, len(data)) }},
	{"packet-bytes", 15, func(r *rand.Rand, data, _ []byte) []byte { // the file's header stays whole, so that packets are reached
		return corrupt(r, data, min(fileHeader, len(data)), len(data))
	}},
	{"header", 10, func(r *rand.Rand, data, _ []byte) []byte { return header(r, data) }},
	{"lengths", 10, func(r *rand.Rand, data, _ []byte) []byte { return lengths(r, data) }},
	{"truncate", 5, func(r *rand.Rand, data, _ []byte) []byte { return data[:r.IntN(len(data)+1)] }},
	{"splice", 10, splice},
}

const (
	rate       = 0.02
	fileHeader = 128 // covers a pcap header, and section and interface of most pcapng files
)

// choose gives a way to spoil with its weight's share.
func choose(r *rand.Rand) damage {
	total := 0
	for _, d := range damages {
		total += d.weight
	}
	n := r.IntN(total)
	for _, d := range damages {
		if n -= d.weight; n < 0 {
			return d
		}
	}
	panic("weights do not sum up")
}

func corrupt(r *rand.Rand, data []byte, from, to int) []byte {
	for i := from; i < to; i++ {
		if r.Float64() < rate {
			data[i] = byte(r.Uint32())
		}
	}
	return data
}

// header spoils one to eight bytes of the file's first ones, and no others.
func header(r *rand.Rand, data []byte) []byte {
	n := min(fileHeader, len(data))
	for range 1 + r.IntN(8) {
		if n > 0 {
			data[r.IntN(n)] = byte(r.Uint32())
		}
	}
	return data
}

// edges are values that lengths and counts go wrong with.
var edges = []uint32{0, 1, 3, 4, 11, 12, 13, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x40000, 0x40001, 0x1000000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff}

// lengths overwrites some aligned words with edge values, in either byte order.
func lengths(r *rand.Rand, data []byte) []byte {
	for range 1 + r.IntN(6) {
		if len(data) < 4 {
			break
		}
		at := r.IntN(len(data)-3) &^ 3
		v := edges[r.IntN(len(edges))]
		switch r.IntN(4) {
		case 0:
			binary.LittleEndian.PutUint32(data[at:], v)
		case 1:
			binary.BigEndian.PutUint32(data[at:], v)
		case 2:
			binary.BigEndian.PutUint16(data[at:], uint16(v))
		case 3:
			data[at] = byte(v)
		}
	}
	return data
}

// splice moves blocks of bytes: repeats one, cuts one out, or puts one of another capture in.
func splice(r *rand.Rand, data, other []byte) []byte {
	out := append([]byte(nil), data...)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(out) + 1)
		switch r.IntN(3) {
		case 0:
			from, to := span(r, len(out))
			out = insert(out, at, append([]byte(nil), out[from:to]...))
		case 1:
			from, to := span(r, len(out))
			out = append(out[:from], out[to:]...)
		case 2:
			from, to := span(r, len(other))
			out = insert(out, at, other[from:to])
		}
	}
	return out
}

// span is a piece of n bytes, of at most 64 KiB and more often at multiples of 4, as blocks are.
func span(r *rand.Rand, n int) (from, to int) {
	from = r.IntN(n + 1)
	to = from + r.IntN(min(n-from, 1<<16)+1)
	if r.IntN(3) > 0 {
		from, to = from&^3, to&^3
	}
	return from, to
}

func insert(data []byte, at int, piece []byte) []byte {
	out := make([]byte, 0, len(data)+len(piece))
	out = append(out, data[:at]...)
	out = append(out, piece...)
	return append(out, data[at:]...)
}
