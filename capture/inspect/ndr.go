package inspect

import (
	"encoding/binary"
	"fmt"
)

// ndr reads values in Network Data Representation (C706, chapter 14; NDR64: [MS-RPCE], section 2.2.5) from the start of a stub.
// Reading past the end makes it bad, and every later value zero.
type ndr struct {
	data  []byte
	at    int
	order binary.ByteOrder
	wide  bool // NDR64: pointers and counts of arrays have 8 bytes
	bad   bool
}

// take gives the next n bytes, as a part of data.
func (r *ndr) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.data)-r.at {
		r.bad = true
		return nil
	}
	b := r.data[r.at:][:n]
	r.at += n
	return b
}

// align skips the padding in front of a value of n bytes.
func (r *ndr) align(n int) { r.take((n - r.at%n) % n) }

func (r *ndr) uint16() uint16 {
	r.align(2)
	if b := r.take(2); b != nil {
		return r.order.Uint16(b)
	}
	return 0
}

func (r *ndr) uint32() uint32 {
	r.align(4)
	if b := r.take(4); b != nil {
		return r.order.Uint32(b)
	}
	return 0
}

// word is the size of pointers and of counts of arrays.
func (r *ndr) word() int {
	if r.wide {
		return 8
	}
	return 4
}

// count reads the number of an array's elements, each of at least size bytes; one that cannot be there makes r bad.
func (r *ndr) count(size int) int {
	n := r.pointer()
	if n > uint64(len(r.data)-r.at)/uint64(size) {
		r.bad = true
		return 0
	}
	return int(n)
}

// pointer reads a referent, 0 for null; the counts of arrays have the same form.
func (r *ndr) pointer() uint64 {
	if !r.wide {
		return uint64(r.uint32())
	}
	r.align(8)
	if b := r.take(8); b != nil {
		return r.order.Uint64(b)
	}
	return 0
}

// uuid is an identifier as it stands on the wire.
type uuid [16]byte

// text is the usual form of an identifier whose first three fields are in an order of bytes.
func (u uuid) text(order binary.ByteOrder) string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", order.Uint32(u[:]), order.Uint16(u[4:]), order.Uint16(u[6:]), u[8:10], u[10:])
}

// inOrder is an identifier, given in its usual form, as it stands on the wire in an order of bytes.
func (u uuid) inOrder(order binary.ByteOrder) uuid {
	order.PutUint32(u[:], binary.BigEndian.Uint32(u[:]))
	order.PutUint16(u[4:], binary.BigEndian.Uint16(u[4:]))
	order.PutUint16(u[6:], binary.BigEndian.Uint16(u[6:]))
	return u
}
