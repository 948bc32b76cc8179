package main

import (
	"encoding/binary"
	"math/bits"
)

// traffic writes the headers of the nth packet and says how long they are and how many zero bytes of payload follow. Frames are counted without the
// four bytes of their check sequence: one of 64 bytes has 60 here.
type traffic func(n uint64, head []byte) (length, payload int)

const (
	maxHead    = 54   // Ethernet, IPv4, TCP
	maxPayload = 1460 // in a frame of 1514 bytes
)

const (
	tcp, udp      = 6, 17
	fin, syn, rst = 1, 2, 4
	ack           = 16
)

// Networks of the site, and the ports that its pack documents for the flows of steady.
const (
	sendersNet   = 10<<24 | 77<<16 | 64<<8  // /18
	receiversNet = 10<<24 | 77<<16 | 128<<8 // /18
	strangersNet = 10<<24 | 78<<16          // /16: in the site's networks, and no host of it
	steadyPort   = 4000
	steadyPorts  = 100
	life         = 200 // packets of a flow, then another one takes its place
)

// steady is flows that send in turn, every second one TCP, the others UDP. TCP flows begin with SYN and end with RST.
func steady(flows int, sizes []int) traffic {
	if flows < 2 {
		flows = 2
	}
	return func(n uint64, head []byte) (int, int) {
		f, turn := n%uint64(flows), n/uint64(flows)
		age, generation := turn%life, turn/life
		size := sizes[(f+turn)%uint64(len(sizes))]
		src, dst := uint32(sendersNet+f%4096), uint32(receiversNet+f%251)
		sport := uint16(1024 + (generation*uint64(1+flows/4096)+f/4096)%64000)
		dport := uint16(steadyPort + f%steadyPorts)
		if f%2 == 1 {
			return datagram(head, src, dst, sport, dport, size-42), size - 42
		}
		flags, payload := byte(ack), size-maxHead
		switch age {
		case 0:
			flags, payload = syn, 0
		case life - 1:
			flags = rst | ack
		}
		return segment(head, src, dst, sport, dport, uint32(age)*maxPayload, flags, payload), payload
	}
}

// small are frames of 64 bytes; mixed are 7 of 64, 4 of 594 and 1 of 1518 bytes.
var (
	small = []int{60}
	mixed = []int{60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 590, 60}
)

// strange is SYN packets of which no two have the same ends, from strangers to all ports of the server.
func strange(n uint64, head []byte) (int, int) {
	src, sport := uint32(strangersNet+n%65536), uint16(1024+n/65536)
	dport := uint16(bits.Reverse64(n*0x9e3779b97f4a7c15) % 65536)
	return segment(head, src, serverAddress, sport, max(dport, 1), uint32(n), syn, 0), 0
}

// internet writes Ethernet and IPv4. The frame is for a third station, so that the watched host takes no part in it.
func internet(b []byte, src, dst uint32, proto byte, length int) {
	copy(b, []byte{0x02, 0, 0x5e, 0x20, 0, 0x63, 0x02, 0, 0x5e, 0x20, 0, 0x01, 0x08, 0x00})
	p := b[14:34]
	clear(p)
	p[0], p[8], p[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(p[2:], uint16(20+length))
	p[6] = 0x40 // not to be fragmented
	binary.BigEndian.PutUint32(p[12:], src)
	binary.BigEndian.PutUint32(p[16:], dst)
	binary.BigEndian.PutUint16(p[10:], ^folded(sum(p)))
}

func datagram(b []byte, src, dst uint32, sport, dport uint16, payload int) int {
	internet(b, src, dst, udp, 8+payload)
	u := b[34:42]
	binary.BigEndian.PutUint16(u, sport)
	binary.BigEndian.PutUint16(u[2:], dport)
	binary.BigEndian.PutUint16(u[4:], uint16(8+payload))
	u[6], u[7] = 0, 0
	check := ^folded(sum(u) + sum(b[26:34]) + udp + uint32(8+payload))
	if check == 0 {
		check = 0xffff
	}
	binary.BigEndian.PutUint16(u[6:], check)
	return 42
}

func segment(b []byte, src, dst uint32, sport, dport uint16, seq uint32, flags byte, payload int) int {
	internet(b, src, dst, tcp, 20+payload)
	t := b[34:54]
	clear(t)
	binary.BigEndian.PutUint16(t, sport)
	binary.BigEndian.PutUint16(t[2:], dport)
	binary.BigEndian.PutUint32(t[4:], seq)
	if flags&ack != 0 {
		binary.BigEndian.PutUint32(t[8:], 1)
	}
	t[12], t[13], t[14] = 5<<4, flags, 0x40
	binary.BigEndian.PutUint16(t[16:], ^folded(sum(t)+sum(b[26:34])+tcp+uint32(20+payload)))
	return maxHead
}

func sum(b []byte) (s uint32) {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	return s
}

func folded(s uint32) uint16 {
	s = s>>16 + s&0xffff
	return uint16(s>>16 + s)
}
