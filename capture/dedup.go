package capture

import (
	"encoding/binary"
	"hash/maphash"
)

// Two packets are copies of one where they are the same from the IP header on but for TTL or hop limit and header checksum, which a router
// between two mirrored ports changes, and come this close behind each other. A retransmission has another identification (RFC 6864). Where
// there is none (IPv6, or 0 in IPv4) two acknowledgements may be the same; only what comes faster than a host sends it
// is a copy then, and only where all of it was captured.
const (
	copyWindow    = 64         // IP packets
	copyTime      = 50_000_000 // ns of packet time, either way
	copyTimeNoIDs = 1_000_000
)

// copies remembers the latest IP packets. The zero value needs a seed.
type copies struct {
	seed maphash.Seed
	n    int // ever; the ring's position is n % copyWindow
	ring [copyWindow]copied
}

// copied is one packet: its first eight bytes of IP, a keyed hash of what follows, and its time.
type copied struct {
	head, rest uint64
	proto      uint8
	time       int64
}

// repeated says whether the IP packet at off is a copy of one of the latest, at time now; if not, it is remembered. timed is false where
// the time is not its own: then identification and number of packets count.
func (c *copies) repeated(data []byte, off int, now int64, timed bool) bool {
	var p copied
	within := int64(copyTime)
	switch ip := data[min(off, len(data)):]; {
	case len(ip) >= ipv4Header && ip[0]>>4 == 4:
		p.head, p.proto = binary.BigEndian.Uint64(ip), ip[9]
		length := int(binary.BigEndian.Uint16(ip[2:]))
		if binary.BigEndian.Uint16(ip[4:]) == 0 {
			if length > len(ip) {
				return false
			}
			within = copyTimeNoIDs
		}
		p.rest = maphash.Bytes(c.seed, ip[12:whole(ip, length)])
	case len(ip) >= ipv6Header && ip[0]>>4 == 6:
		const hopLimit = 0xff
		length := ipv6Header + int(binary.BigEndian.Uint16(ip[4:]))
		if length > len(ip) {
			return false
		}
		p.head, within = binary.BigEndian.Uint64(ip)&^hopLimit, copyTimeNoIDs
		p.rest = maphash.Bytes(c.seed, ip[8:whole(ip, length)])
	default:
		return false
	}
	p.time = now
	for i := range c.ring[:min(c.n, copyWindow)] {
		q := &c.ring[i]
		if q.rest == p.rest && q.head == p.head && q.proto == p.proto && (timed && max(now-q.time, q.time-now) <= within || !timed && within == copyTime) {
			return true
		}
	}
	c.ring[c.n%copyWindow] = p
	c.n++
	return false
}

// whole is where the IP packet ends in its captured bytes: behind it is the frame's padding. Lengths that cannot be true, and 0 from
// segmentation offload, mean the frame's end.
func whole(ip []byte, length int) int {
	if length < ipv4Header || length == ipv6Header && ip[0]>>4 == 6 {
		return len(ip)
	}
	return min(length, len(ip))
}
