package capture

import (
	"bytes"
	"net/netip"

	"pcapaudit/capture/flow"
	"pcapaudit/capture/inspect"
)

// maxBlockNames bounds the names that are taken from one name-resolution block.
const maxBlockNames = 1 << 14

// Records of a name-resolution block: the address, then names that each end with a zero byte.
const (
	namesEnd = 0
	namesIP4 = 1
	namesIP6 = 2
)

// names offers the host names of a name-resolution block. What is no host name is passed over, and so is the rest of a damaged block: no packet is lost by it.
func (p *ngReader) names(body []byte) {
	for taken := 0; p.learn != nil && len(body) >= 4 && taken < maxBlockNames; {
		kind, length := p.u16(body), int(p.u16(body[2:]))
		body = body[4:]
		if kind == namesEnd || length > len(body) {
			return
		}
		size := map[uint16]int{namesIP4: 4, namesIP6: 16}[kind]
		if size > 0 && length > size {
			addr, _ := netip.AddrFromSlice(body[:size])
			for name := range bytes.SplitSeq(body[size:length], []byte{0}) {
				if host, ok := inspect.HostName(name); ok && taken < maxBlockNames {
					taken++
					p.learn(&flow.Name{File: p.file, Origin: flow.NameInCapture, Name: host, Addr: addr.Unmap()})
				}
			}
		}
		body = body[min((length+3)&^3, len(body)):]
	}
}
