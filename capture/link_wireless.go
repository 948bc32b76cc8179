package capture

import "encoding/binary"

// Numbers of Kinds by80211 beside type<<4 | subtype.
const (
	wirelessEncrypted = 0x100
	wirelessFragment  = 0x101
)

// radio skips the header that monitor mode puts in front of an IEEE 802.11 frame.
func (d *decoder) radio(linkType uint16, data []byte, wire int) (int, uint16, Reason) {
	if len(data) < 8 {
		return 0, 0, cut(8, wire, truncatedLink, malformedLink)
	}
	switch {
	case linkType == linkRadiotap:
		length := int(binary.LittleEndian.Uint16(data[2:]))
		if data[0] != 0 || length < 8 {
			return 0, 0, malformedLink
		}
		return d.wireless(data, length, wire, radiotapPads(data[:min(length, len(data))]))
	case binary.BigEndian.Uint32(data)>>12 == 0x80211: // AVS, also under the number of Prism
		return d.wireless(data, int(min(binary.BigEndian.Uint32(data[4:]), maxCaptured)), wire, false)
	case linkType == linkPrism:
		return d.wireless(data, int(min(binary.LittleEndian.Uint32(data[4:]), maxCaptured)), wire, false)
	}
	return 0, 0, malformedLink
}

// radiotapPads says whether the frame's header is padded to four bytes: the flag 0x20 of the field Flags, which stands behind a possible
// time (https://www.radiotap.org/fields/defined). h begins with the radiotap header.
func radiotapPads(h []byte) bool {
	const time, flags, more, pads = 1, 2, 1 << 31, 0x20
	present := binary.LittleEndian.Uint32(h[4:])
	at := 8
	for word := present; word&more != 0; at += 4 {
		if len(h) < at+4 {
			return false
		}
		word = binary.LittleEndian.Uint32(h[at:])
	}
	if present&time != 0 {
		at = (at+7)&^7 + 8
	}
	return present&flags != 0 && at < len(h) && h[at]&pads != 0
}

// wireless reads the header of an IEEE 802.11 frame (9.2 and 9.3.2 of the standard). Of data frames what is not encrypted is LLC; of an
// aggregated one the first part is read, and the frame counted if it has more: they have no packet number of their own.
func (d *decoder) wireless(data []byte, off, wire int, padded bool) (int, uint16, Reason) {
	const dataFrame, noData, qos = 2, 4, 8
	const bothWays, protected, order = 0x03, 0x40, 0x80
	if len(data) < off+2 {
		return 0, 0, cut(off+2, wire, truncatedLink, malformedLink)
	}
	version, kind, subtype, flags := data[off]&3, data[off]>>2&3, data[off]>>4, data[off+1]
	if version != 0 || kind != dataFrame || subtype&noData != 0 {
		return d.nonIP(by80211, uint16(kind)<<4|uint16(subtype))
	}
	if flags&protected != 0 {
		return d.nonIP(by80211, wirelessEncrypted)
	}
	size := 24
	if flags&bothWays == bothWays {
		size += 6
	}
	aggregated := false
	if len(data) < off+size+2 {
		return 0, 0, cut(off+size+2, wire, truncatedLink, malformedLink)
	}
	if data[off+22]&15 != 0 {
		return d.nonIP(by80211, wirelessFragment)
	}
	if subtype&qos != 0 {
		aggregated = data[off+size]&0x80 != 0
		size += 2
		if flags&order != 0 {
			size += 4
		}
	}
	if padded {
		size = (size + 3) &^ 3
	}
	if aggregated {
		if at := off + size; len(data) >= at+partHeader && endOfPart(data, at)+partHeader <= wire {
			d.ledger.Aggregated++
		}
		size += partHeader
	}
	return d.llc(data, off+size, wire)
}

// partHeader is the size of what stands in front of a part of an aggregated frame: two addresses and a length (9.3.2.2.2).
const partHeader = 14

// endOfPart is where the part at at ends, padded to four bytes.
func endOfPart(data []byte, at int) int {
	return at + (partHeader+int(binary.BigEndian.Uint16(data[at+12:]))+3)&^3
}
