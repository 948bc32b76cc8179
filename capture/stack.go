package capture

import (
	"encoding/binary"
	"net/netip"

	"pcapaudit/capture/flow"
)

// stacks tells Config.Stack of the SYNs and SYN-ACKs of a batch. Only packets that are whole and no fragments are looked at.
func (r *run) stacks() {
	for i := range r.packets.N {
		p := &r.packets.Packets[i]
		h := &r.packets.headers[i]
		if p.Proto != flow.TCP || p.Flags&(flow.SYN|flow.RST|flow.FIN) != flow.SYN || p.Bits&flow.Broken != 0 || h.size == 0 {
			continue
		}
		rec := &r.records.recs[r.packets.record[i]]
		s := &r.shown
		*s = flow.Stack{Addr: r.packets.sender(i), Answer: p.Flags&flow.ACK != 0}
		if p.Depth == 0 && len(rec.data) >= 14 && r.in.linkType(rec) == linkEthernet {
			s.Link = [6]byte(rec.data[6:12])
		}
		if readStack(s, rec.data[h.network:min(p.PayloadOff, uint32(len(rec.data)))], int(h.size)) {
			r.stack(s)
		}
	}
}

// sender is the address that sent packet i.
func (b *decoded) sender(i int) netip.Addr {
	p := &b.Packets[i]
	switch {
	case p.Bits&flow.IPv6 != 0:
		return netip.AddrFrom16(b.Addr6[i][p.Bits&flow.FromB])
	case p.Bits&flow.FromB != 0:
		return flow.Addr4(p.B)
	}
	return flow.Addr4(p.A)
}

// readStack reads the headers of IP and TCP, of which the latter begins at at; it is false where they are not whole.
func readStack(s *flow.Stack, b []byte, at int) bool {
	if len(b) < at+20 || at < ipv4Header {
		return false
	}
	if s.Hops = b[8]; b[0]>>4 == 6 {
		s.Hops = b[7]
	}
	tcp := b[at:]
	s.Window = binary.BigEndian.Uint16(tcp[14:])
	options := tcp[20:min(len(tcp), max(int(tcp[12]>>4)*4, 20))]
	for len(options) > 0 && options[0] != 0 && int(s.Count) < len(s.Options) {
		s.Options[s.Count] = options[0]
		s.Count++
		length := 1
		if options[0] != 1 {
			if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
				return true
			}
			length = int(options[1])
		}
		if options[0] == 2 && length == 4 {
			s.MSS = binary.BigEndian.Uint16(options[2:])
		}
		options = options[length:]
	}
	return true
}
