package capture

import (
	"encoding/binary"
	"hash/maphash"
)

// A host that forwards packets shows them twice: coming in and going out, with another TTL or hop limit and header checksum. What goes out
// is a copy where the same came in less than forwardTime before. The start of a packet tells them apart, for in it are identification,
// sequence numbers and the transport checksum. Frames that were merged when they came in and go out in pieces are not recognised.
const (
	forwardTime  = 1_000_000_000 // ns in which a queue lets go of what came in
	forwardBytes = 128           // of a packet that are compared
	forwardSlots = 1 << 16       // packets that came in, each remembered until another one takes its place: at 400,000 a second some 160 ms
)

// forwards remembers the packets that came in.
type forwards struct {
	seed  maphash.Seed
	slots [forwardSlots]forwarded
}

type forwarded struct {
	mark uint64 // keyed hash
	time int64
}

func newForwards() *forwards { return &forwards{seed: maphash.MakeSeed()} }

// repeated says whether the packet, with its IP header at off, came in before; one that comes in is remembered.
func (f *forwards) repeated(rec *record, off int) bool {
	var fixed [12]byte // of the header, without what forwarding changes
	var rest []byte
	switch ip := rec.data[min(off, len(rec.data)):]; {
	case len(ip) >= ipv4Header && ip[0]>>4 == 4:
		copy(fixed[:], ip[:8])
		fixed[8] = ip[9]
		rest = ip[12:whole(ip, int(binary.BigEndian.Uint16(ip[2:])))]
	case len(ip) >= ipv6Header && ip[0]>>4 == 6:
		copy(fixed[:], ip[:7])
		rest = ip[8:whole(ip, ipv6Header+int(binary.BigEndian.Uint16(ip[4:])))]
	default:
		return false
	}
	mark := maphash.Comparable(f.seed, fixed) ^ maphash.Bytes(f.seed, rest[:min(len(rest), forwardBytes)])
	slot := &f.slots[mark%forwardSlots]
	if rec.outgoing {
		return slot.mark == mark && max(rec.time-slot.time, slot.time-rec.time) <= forwardTime
	}
	*slot = forwarded{mark, rec.time}
	return false
}
