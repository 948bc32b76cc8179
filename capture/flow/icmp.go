package flow

// PackICMP gives the two values that stand in for the ports of an ICMP or ICMPv6 packet: that of its source and that of its destination.
// Type and code of the side that asks stand at that side and 0 at the other, so that a request and its reply share one conversation
// whatever their identifiers, each originator has its own, and a host that pings itself still has two ends. A message that has no
// reply stands at its sender: messages both ways are two conversations.
func PackICMP(proto Proto, typ, code uint8) (src, dst uint16) {
	if asks, isReply := icmpReply(proto, typ); isReply {
		return 0, uint16(asks)<<8 | uint16(code)
	}
	return uint16(typ)<<8 | uint16(code), 0
}

// unpackICMP reads packed values back from the ends A and B: type and code of the side that asks, and whether that is B.
// Both are 0 for ICMPv6 type 0 alone, which is reserved (RFC 4443, section 6.2) and does not tell the side.
func unpackICMP(a, b uint16) (typ, code uint8, fromB bool) {
	return uint8((a | b) >> 8), uint8(a | b), b != 0
}

// icmpReply gives the type that asks for the reply typ; false where typ is no reply.
// RFC 792 (echo, timestamp, information), 950 (mask), 8335 (extended echo); RFC 4443, 4620, 6275 and 8335 for ICMPv6.
func icmpReply(proto Proto, typ uint8) (asks uint8, isReply bool) {
	if proto == ICMPv6 {
		switch typ {
		case 129, 140, 145, 147, 161:
			return typ - 1, true
		}
		return 0, false
	}
	switch typ {
	case 0:
		return 8, true
	case 14, 16, 18, 43:
		return typ - 1, true
	}
	return 0, false
}
