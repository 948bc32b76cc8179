package capture

import (
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// rareLinks are link types that captures seldom have and that gopacket decodes: FDDI, and the log of OpenBSD's packet filter, which firewalls built on it write.
var rareLinks = map[uint16]gopacket.Decoder{
	10:  layers.LayerTypeFDDI,
	117: layers.LayerTypePFLog,
}

// rare finds the IP header behind a rare link header. gopacket recovers from its own panics, and decodes no further than the network layer.
func (d *decoder) rare(linkType uint16, link gopacket.Decoder, data []byte, wire int) (int, uint16, Reason) {
	p := gopacket.NewPacket(data, link, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	ip := p.NetworkLayer()
	if ip == nil {
		switch {
		case len(data) < wire:
			return 0, 0, truncatedLink
		case p.ErrorLayer() != nil:
			return 0, 0, malformedLink
		}
		return d.nonIP(byLinkType, linkType)
	}
	off := cap(data) - cap(ip.LayerContents())
	switch ip.LayerType() {
	case layers.LayerTypeIPv4:
		return off, etherIPv4, reasonDecoded
	case layers.LayerTypeIPv6:
		return off, etherIPv6, reasonDecoded
	}
	return d.nonIP(byLinkType, linkType)
}
