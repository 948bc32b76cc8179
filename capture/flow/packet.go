package flow

// BatchSize is the number of packets that Table.AddBatch takes at once: large enough to overlap the cache misses of
// its lookups, small enough for the batch to stay in the first-level caches.
const BatchSize = 256

// Packet is one decoded packet, without pointers and overwritten in place. The ends are ordered, not the directions:
// A is the end with the lower (address, port) pair, FromB says who sent. IPv4 addresses are in A and B; for IPv6 these hold
// 32-bit mixes and the exact addresses are in Batch.Addr6 at the same index.
type Packet struct {
	Hash         uint64 // keyed, the same for both directions; see Hasher
	Time         int64  // ns since 1970 UTC, less than 2^62 either way; 0 where Bits has BadTime
	Num          uint64 // number in its file, from 1
	A, B         uint32
	PortA, PortB uint16 // for ICMP see PackICMP
	Seq, Ack     uint32 // TCP only
	IPLen        uint32 // bytes of the IP packet
	PayloadOff   uint32 // of the transport payload, in the packet's captured bytes
	PayloadLen   uint32 // captured bytes of it
	File         uint16
	Context      uint16 // of Table.Context: VLAN tags and tunnel path of the packet; 0 for none
	Proto        Proto
	Flags        TCPFlags
	Bits         Bits
	Depth        uint8 // tunnels around it, at most MaxDepth; 0: not in one
}

// MaxDepth is the largest Packet.Depth.
const MaxDepth = 1<<depthBits - 1

// TCPFlags is byte 13 of the TCP header.
type TCPFlags uint8

const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Bits are facts about a packet that do not come from its TCP header.
type Bits uint8

const (
	FromB    Bits = 1 << iota // sent by end B
	IPv6                      // Batch.Addr6 holds the addresses
	BadTime                   // the capture's time stamp was absurd: the packet counts, its time does not
	Fragment                  // a later fragment: counts for packets and bytes, says nothing about the handshake
	Broken                    // its receiver drops it: counts, and is no evidence. Set by AddBatch where Options.Check says so
	Quoting                   // an ICMP error: Batch.Quotes holds what it answers
	Head                      // set by AddBatch: its connection is undecided, inspection may want the payload; see Table.Offer
	Mutual                    // set by AddBatch beside Head: the other side has sent before
)

// speaks says whether a packet can be evidence of what its sender does. A later fragment is one where there is no header that the first one had.
func (p *Packet) speaks() bool {
	return p.Bits&(Fragment|Broken) == 0 || p.Bits&Broken == 0 && !p.Proto.HasPorts() && !p.Proto.IsICMP()
}

// Batch is a block of decoded packets. The zero value is empty and ready to use.
type Batch struct {
	N       int
	Packets [BatchSize]Packet
	Addr6   [BatchSize][2][16]byte // exact ends A and B; valid iff Bits has IPv6
	Payload [BatchSize]uint32      // TCP only: bytes of it on the wire, captured or not
	Record  [BatchSize]uint32      // set by AddBatch: the table's record of the packet
	Quotes  [BatchSize]Quote       // valid iff Bits has Quoting
}
