// Package flow is the vocabulary of connections and the bounded table that tracks them.
//
// A Packet is what one captured packet says about its connection; Table folds packets into records;
// a record that ends becomes a Conn, emitted once. The package uses the standard library only and never
// reads a clock: time comes from packets, as nanoseconds since 1970-01-01 UTC.
package flow

import (
	"net/netip"
	"strconv"
	"time"
)

// Proto is an IP protocol number (IANA "Assigned Internet Protocol Numbers").
type Proto uint8

const (
	ICMP    Proto = 1
	IGMP    Proto = 2
	TCP     Proto = 6
	UDP     Proto = 17
	GRE     Proto = 47
	ESP     Proto = 50
	AH      Proto = 51
	ICMPv6  Proto = 58
	EIGRP   Proto = 88
	OSPF    Proto = 89
	PIM     Proto = 103
	VRRP    Proto = 112
	SCTP    Proto = 132
	UDPLite Proto = 136
)

var protoNames = map[Proto]string{ICMP: "icmp", IGMP: "igmp", TCP: "tcp", UDP: "udp", GRE: "gre", ESP: "esp", AH: "ah",
	ICMPv6: "icmp6", EIGRP: "eigrp", OSPF: "ospf", PIM: "pim", VRRP: "vrrp", SCTP: "sctp", UDPLite: "udplite"}

// String is the lower-case IANA keyword, or "ip-N".
func (p Proto) String() string {
	if s, ok := protoNames[p]; ok {
		return s
	}
	return "ip-" + strconv.Itoa(int(p))
}

// HasPorts says whether the protocol's first four header bytes are two ports.
func (p Proto) HasPorts() bool { return p == TCP || p == UDP || p == SCTP || p == UDPLite }

// IsICMP says whether type and code stand in for ports.
func (p Proto) IsICMP() bool { return p == ICMP || p == ICMPv6 }

// Outcome is what was seen on the wire of one connection. The zero value is Seen: a protocol without a notion of reply.
type Outcome uint8

const (
	Seen        Outcome = iota // protocols other than TCP, UDP, ICMP
	Established                // TCP: SYN, SYN-ACK, ACK
	Refused                    // TCP: a RST answers the SYN
	Unanswered                 // TCP: SYN, nothing from the responder
	HalfOpen                   // TCP: SYN-ACK never acknowledged
	OneSided                   // TCP: one direction only, and it moves on
	Partial                    // TCP: both directions, handshake not seen whole
	Midstream                  // TCP: no handshake packet seen
	Answered                   // UDP, ICMP: packets both ways
	OneWay                     // UDP, ICMP: packets one way
)

var outcomeNames = [...]string{"seen", "established", "refused", "unanswered", "half-open", "one-sided", "partial", "midstream", "answered", "one-way"}

func (o Outcome) String() string { return outcomeNames[o] }

// Visibility says which directions of a connection the capture holds.
type Visibility uint8

const (
	BothSides Visibility = iota
	OrigOnly
	RespOnly
)

var visibilityNames = [...]string{"both", "orig-only", "resp-only"}

func (v Visibility) String() string { return visibilityNames[v] }

// KnownBy says how the originator was decided. The zero value is KnownByNothing.
type KnownBy uint8

const (
	KnownByNothing     KnownBy = iota // "unknown"
	KnownByPort                       // guessed from the ports
	KnownByFirstPacket                // first packet, and not within one idle timeout of the capture's start; or ICMP's type or a group address tells
	KnownByAnnounced                  // a control connection announced it
	KnownBySynAck                     // only the SYN-ACK was seen
	KnownByHandshake                  // the SYN was seen
)

var knownByNames = [...]string{"unknown", "port", "first-packet", "announced", "synack", "handshake"}

func (k KnownBy) String() string { return knownByNames[k] }

// Uncertain is true where the originator is a guess: no verdict may rest on it.
func (k KnownBy) Uncertain() bool { return k == KnownByPort || k == KnownByNothing }

// End says why a connection was emitted.
type End uint8

const (
	EndInput   End = iota // the input ended
	EndClosed             // TCP: closed by FIN both ways or by RST, whether it lingered, had to make room or the input ended
	EndIdle               // idle timeout, in packet time
	EndReused             // a new connection took the same ends
	EndEvicted            // the table was full
)

var endNames = [...]string{"input-end", "closed", "idle", "reused", "evicted"}

func (e End) String() string { return endNames[e] }

const numEnds = len(endNames)

// ConnID identifies a connection: the file (position in the order of reading, from 0), the number of its first packet there (from 1, less
// than 2^43), and how many tunnels that packet was in. It is unique in a run: a captured packet has one packet at each depth.
type ConnID struct {
	File   uint16
	Packet uint64
	Depth  uint8
}

// String gives "FILE:PACKET", inside tunnels "FILE:PACKET.DEPTH".
func (id ConnID) String() string { return string(id.Append(nil)) }

// Append appends what String gives.
func (id ConnID) Append(b []byte) []byte {
	b = append(strconv.AppendUint(b, uint64(id.File), 10), ':')
	b = strconv.AppendUint(b, id.Packet, 10)
	if id.Depth > 0 {
		b = strconv.AppendUint(append(b, '.'), uint64(id.Depth), 10)
	}
	return b
}

// Compare orders by file, then packet, then depth.
func (id ConnID) Compare(o ConnID) int {
	switch {
	case id.File != o.File:
		return int(id.File) - int(o.File)
	case id.Packet < o.Packet:
		return -1
	case id.Packet > o.Packet:
		return 1
	}
	return int(id.Depth) - int(o.Depth)
}

// Conn is one connection as seen, emitted once. Orig is the side that opened it; how sure that is says KnownBy.
type Conn struct {
	ID         ConnID
	Proto      Proto
	Orig, Resp netip.AddrPort // IPv4 never as IPv4-in-IPv6; port 0 where !Proto.HasPorts()
	ICMPType   uint8          // of the first packet from Orig; valid iff Proto.IsICMP()
	ICMPCode   uint8
	KnownBy    KnownBy
	Outcome    Outcome
	Visibility Visibility
	End        End
	First      int64 // ns since 1970 UTC, of the first packet
	Last       int64 // largest packet time, >= First

	OrigPackets, RespPackets uint64
	OrigBytes, RespBytes     uint64 // IP bytes (IP total length)
	Missed                   Missed

	VLANs     []uint16 // 802.1Q tags of the first packet, outermost first; shared, do not change
	Tunnel    string   // carriers of the first packet, outermost first ("vxlan:42/gre"); empty outside tunnels
	Interface string   // of the first packet; empty unless the interface is part of the key
	Facts     []Fact   // what inspection found, in packet order

	ICMPError   ICMPError  // that quotes it: the first that is a Failure, else the first
	ICMPErrorBy netip.Addr // who sent that; valid iff there is one
	QuotesKnown bool       // it is ICMP errors, and every one quotes a connection that was being tracked
	OtherLeg    bool       // its packets are those of another connection, seen before their addresses were translated
}

// Time converts packet time to time.Time in UTC.
func Time(ns int64) time.Time { return time.Unix(ns/1e9, ns%1e9).UTC() }
