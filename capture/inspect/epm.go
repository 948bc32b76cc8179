package inspect

import (
	"encoding/binary"
	"net/netip"

	"pcapaudit/capture/flow"
)

// endpoint is a port that a server of an RPC interface listens on.
type endpoint struct {
	what  string
	proto flow.Proto
	port  uint16
	addr  netip.Addr // invalid where none is given
}

// maxEndpoints bounds what one response announces. A Windows endpoint mapper lists some hundred towers, most of them for local use.
const maxEndpoints = 512

// endpoints collects what a response announces, each once.
type endpoints struct {
	list []endpoint
	seen map[endpoint]bool
	full bool // some are left out
}

func (e *endpoints) add(p endpoint) {
	if p.port == 0 || e.seen[p] {
		return
	}
	if len(e.list) >= maxEndpoints {
		e.full = true
		return
	}
	if e.seen == nil {
		e.seen = map[endpoint]bool{}
	}
	e.seen[p] = true
	e.list = append(e.list, p)
}

// mapped reads the response of ept_map (C706, appendix O; opnum 3): a handle, the number of towers, a conformant varying array of pointers
// to towers, the towers. It returns false where the response does not hold what it should.
func (e *endpoints) mapped(r *ndr) bool {
	r.take(20) // entry_handle
	r.uint32()
	r.pointer()
	r.pointer()
	towers := 0
	for range r.count(r.word()) {
		if r.pointer() != 0 {
			towers++
		}
	}
	return e.towers(r, towers)
}

// looked reads the response of ept_lookup (opnum 2): as that of ept_map, but the array's elements are an object's identifier, the pointer to
// the tower, and an annotation.
func (e *endpoints) looked(r *ndr) bool {
	r.take(20)
	r.uint32()
	r.pointer()
	r.pointer()
	towers := 0
	for range r.count(16 + 3*r.word()) {
		r.align(r.word())
		r.take(16)
		if r.pointer() != 0 {
			towers++
		}
		r.pointer()
		r.take(r.count(1))
	}
	return e.towers(r, towers)
}

// towers reads n conformant structures: the number of octets twice, and the octets.
func (e *endpoints) towers(r *ndr, n int) bool {
	for range n {
		r.pointer()
		length := r.uint32()
		if length > uint32(len(r.data)) {
			return false
		}
		octets := r.take(int(length))
		if r.bad {
			return false
		}
		if p, ok := towerEndpoint(octets); ok {
			e.add(p)
		}
	}
	return !r.bad
}

// Protocol identifiers of tower floors (C706, appendix I; [MS-RPCE], section 2.2.1.2).
const (
	floorTCP  = 0x07
	floorUDP  = 0x08
	floorIP   = 0x09
	floorUUID = 0x0d
	floorHTTP = 0x1f
)

// towerEndpoint finds the endpoint of a tower (C706, appendix L). Of towers that lead elsewhere than to a TCP or UDP port it returns false.
// Counts and identifiers are little-endian, ports and addresses big-endian, whatever the order of the call.
func towerEndpoint(tower []byte) (p endpoint, ok bool) {
	if len(tower) < 2 {
		return p, false
	}
	floors, tower := binary.LittleEndian.Uint16(tower), tower[2:]
	for i := range min(floors, 8) {
		left, rest, whole := floorHalf(tower)
		right, next, more := floorHalf(rest)
		if !whole || !more || len(left) == 0 {
			return p, false
		}
		tower = next
		switch {
		case i == 0:
			if left[0] != floorUUID || len(left) < 17 {
				return p, false
			}
			p.what = uuid(left[1:17]).text(binary.LittleEndian)
		case (left[0] == floorTCP || left[0] == floorHTTP) && len(right) == 2:
			p.proto, p.port = flow.TCP, binary.BigEndian.Uint16(right)
		case left[0] == floorUDP && len(right) == 2:
			p.proto, p.port = flow.UDP, binary.BigEndian.Uint16(right)
		case left[0] == floorIP && len(right) == 4:
			p.addr = reachable(netip.AddrFrom4([4]byte(right)))
		}
	}
	return p, p.port != 0
}

// floorHalf splits a counted half of a floor off.
func floorHalf(b []byte) (half, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.LittleEndian.Uint16(b))
	if n > len(b)-2 {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

// reachable is an address that others can connect to, or an invalid one.
func reachable(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() {
		return netip.Addr{}
	}
	return a
}
