package capture

import (
	"io"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"pcapaudit/capture/flow"
)

// Why a packet is not compared with gopacket v1.1.19, or compared by its addresses alone.
const (
	skipLink       = "gopacket has no decoder for the link"
	skipFragment   = "gopacket gives no ports of fragments, not even of first ones"
	skipExtensions = "gopacket invents ports of IPv6 fragments, loses hop-by-hop payload and ignores routing headers; source compared"
	skipAH         = "gopacket has the authentication header where the protocol is"
)

// TestAgainstGopacket compares addresses, protocol and ports of every decoded packet of the shared captures.
func TestAgainstGopacket(t *testing.T) {
	compared, skipped := 0, map[string]int{}
	for _, name := range captureFiles(t) {
		in, err := openInputs([]string{name}, nil, inputOptions{})
		if err != nil {
			continue
		}
		b := newBench()
		for {
			err := in.fill(&b.in)
			for from := 0; from < b.in.n; {
				from = b.batch(&b.in, from, in.linkType, &b.out)
				for i := range b.out.Packets[:b.out.N] {
					if b.out.Packets[i].Depth > 0 {
						continue // gopacket's first network layer is the outermost
					}
					rec := &b.in.recs[b.out.record[i]]
					if why := differs(t, filepath.Base(name), rec, in.linkType(rec), &b.out.Batch, i); why != "" {
						skipped[why]++
					} else {
						compared++
					}
				}
			}
			if err != nil {
				if err != io.EOF {
					t.Errorf("%s: %v", name, err)
				}
				break
			}
		}
		in.close()
	}
	t.Logf("%d packets compared", compared)
	for why, n := range skipped {
		t.Logf("%d not compared: %s", n, why)
	}
}

// differs reports a difference of packet i, and gives the reason if it was not compared. Layers are decoded one by one up to the
// first transport layer and no further: what lies above panics or prints.
func differs(t *testing.T, file string, rec *record, linkType uint16, b *flow.Batch, i int) (skipped string) {
	t.Helper()
	switch linkType {
	case linkSLL2, linkPPPHDLC, linkCHDLC, linkPPPoE, linkRawOpen, linkIPv4, linkIPv6, linkNFLOG, linkPrism, linkAVS:
		return skipLink
	}
	p := gopacket.NewPacket(rec.data, layers.LinkType(linkType), gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	ours := &b.Packets[i]
	src, dst := ends(b, i)
	var theirSrc, theirDst netip.Addr
	var proto layers.IPProtocol
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		theirSrc, theirDst, proto = netip.AddrFrom4([4]byte(ip.SrcIP.To4())), netip.AddrFrom4([4]byte(ip.DstIP.To4())), ip.Protocol
		if ip.FragOffset != 0 || ip.Flags&layers.IPv4MoreFragments != 0 {
			skipped = skipFragment
		} else if proto == layers.IPProtocolAH {
			skipped = skipAH
		}
	case *layers.IPv6:
		theirSrc, theirDst, proto = netip.AddrFrom16([16]byte(ip.SrcIP)), netip.AddrFrom16([16]byte(ip.DstIP)), ip.NextHeader
		switch proto {
		case extHopByHop, extRouting, extFragment, extDestination, layers.IPProtocolAH:
			skipped, theirDst = skipExtensions, dst.Addr()
		}
	default:
		t.Errorf("%s packet %d: gopacket finds no IP (%v), here %v %v > %v", file, rec.num, p, ours.Proto, src, dst)
		return ""
	}
	if src.Addr() != theirSrc || dst.Addr() != theirDst {
		t.Errorf("%s packet %d: addresses %v > %v, gopacket has %v > %v", file, rec.num, src, dst, theirSrc, theirDst)
	}
	if skipped != "" {
		return skipped
	}
	if proto != layers.IPProtocol(ours.Proto) {
		t.Errorf("%s packet %d: protocol %v, gopacket has %v", file, rec.num, ours.Proto, proto)
	}
	if !ours.Proto.HasPorts() {
		return ""
	}
	theirs, srcPort, dstPort := transportOf(p)
	if theirs != ours.Proto || src.Port() != srcPort || dst.Port() != dstPort {
		t.Errorf("%s packet %d: %v %v > %v, gopacket has %v %d > %d", file, rec.num, ours.Proto, src, dst, theirs, srcPort, dstPort)
	}
	return ""
}

func transportOf(p gopacket.Packet) (proto flow.Proto, src, dst uint16) {
	switch l := p.TransportLayer().(type) {
	case *layers.TCP:
		return flow.TCP, uint16(l.SrcPort), uint16(l.DstPort)
	case *layers.UDP:
		return flow.UDP, uint16(l.SrcPort), uint16(l.DstPort)
	case *layers.UDPLite:
		return flow.UDPLite, uint16(l.SrcPort), uint16(l.DstPort)
	case *layers.SCTP:
		return flow.SCTP, uint16(l.SrcPort), uint16(l.DstPort)
	}
	return 0, 0, 0
}
