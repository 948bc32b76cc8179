package capture

import "encoding/binary"

// nflog reads what Linux's netfilter logs (https://www.tcpdump.org/linktypes/LINKTYPE_NFLOG.html): an address family and attributes, in the
// byte order of the host that wrote them, which their small types tell.
func (d *decoder) nflog(data []byte, wire int) (int, uint16, Reason) {
	const header, attribute, payload = 4, 4, 9
	const familyIPv4, familyIPv6 = 2, 10
	if len(data) < header {
		return 0, 0, cut(header, wire, truncatedLink, malformedLink)
	}
	if data[1] != 0 || data[0] != familyIPv4 && data[0] != familyIPv6 {
		return d.nonIP(byFamily, uint16(data[0]))
	}
	for at := header; at < wire; {
		if len(data) < at+attribute {
			return 0, 0, cut(at+attribute, wire, truncatedLink, malformedLink)
		}
		size, kind := binary.LittleEndian.Uint16(data[at:]), binary.LittleEndian.Uint16(data[at+2:])
		if kind > 0xff {
			size, kind = binary.BigEndian.Uint16(data[at:]), binary.BigEndian.Uint16(data[at+2:])
		}
		if size < attribute {
			return 0, 0, malformedLink
		}
		if kind&0xff == payload {
			if data[0] == familyIPv6 {
				return at + attribute, etherIPv6, reasonDecoded
			}
			return at + attribute, etherIPv4, reasonDecoded
		}
		at += (int(size) + 3) &^ 3
	}
	return d.nonIP(byFamily, uint16(data[0]))
}
