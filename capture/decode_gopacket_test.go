package capture

import (
	"fmt"
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

// otherClasses says of which packets gopacket v1.1.19 makes another class, and why: FILE, packet.
var otherClasses = map[string]string{
	"arkime__arkime_synthetic.pcap 304":       "EtherType 0x88be behind Ethernet: mirrored frames are in GRE, tshark has no IP either",
	"zeek__vntag.pcap 1":                      "gopacket does not know VN-Tag",
	"zeek__vntag.pcap 2":                      "gopacket does not know VN-Tag",
	"zeek__vntag.pcap 3":                      "gopacket does not know VN-Tag",
	"ndpi__fuzz-2006-09-29-28586.pcap 27":     "a TCP header of 40 bytes in a packet of 40: gopacket takes it as far as it goes",
	"ndpi__fuzz-2006-09-29-28586.pcap 80":     "a TCP header of 40 bytes in a packet of 40: gopacket takes it as far as it goes",
	"ndpi__fuzz-2006-09-29-28586.pcap 91":     "version 2 behind EtherType 0x0800: gopacket does not look",
	"ndpi__fuzz-2006-09-29-28586.pcap 111":    "a total length of 35, 15 of them TCP: gopacket takes the padding for the rest",
	"suricata__bug-6875-01_fuzz.pcap 1":       "a TCP header length of 0: gopacket does not look",
	"tcpdump__ip6_frag_asan.pcap 1":           "the capture ends inside an extension header, of which gopacket was not asked",
	"tcpdump__ipv6-bad-version.pcap 2":        "another version behind EtherType 0x86dd: gopacket does not look",
	"tcpdump__ipv6-bad-version.pcap 4":        "another version behind EtherType 0x86dd: gopacket does not look",
	"tcpdump__tcp_header_heapoverflow.pcap 1": "12 bytes of TCP header captured: gopacket takes it as far as it goes",
	"zeek__trunc-ip6-ext-trunc.pcap 1":        "the packet ends inside an extension header, of which gopacket was not asked",
}

// TestAgainstGopacket compares the class of every packet of the shared captures, and addresses, protocol and ports of the decoded ones.
func TestAgainstGopacket(t *testing.T) {
	compared, files, skipped, others := 0, 0, map[string]int{}, map[string]bool{}
	var classes [NumClasses]int
	for _, name := range captureFiles(t) {
		in, err := openInputs([]string{name}, nil, inputOptions{})
		if err != nil {
			continue
		}
		files++
		b, records := newBench(), new(recordBatch)
		for {
			err := in.fill(records)
			for i := range records.recs[:records.n] {
				rec := &records.recs[i]
				link := in.linkType(rec)
				reason := b.decode(link, *rec)
				if gopacketLacks(link) {
					skipped[skipLink]++
					continue
				}
				p := gopacket.NewPacket(rec.data, layers.LinkType(link), gopacket.DecodeOptions{Lazy: true, NoCopy: true})
				here := fmt.Sprintf("%s %d", filepath.Base(name), rec.num)
				if theirs := theirClass(p); agreesWithGopacket(reason, &b.out.Packets[0], theirs) {
					classes[reason.Class()]++
				} else if otherClasses[here] != "" {
					others[here] = true
				} else {
					t.Errorf("%s: %v: %v, gopacket has %s", here, reason.Class(), reason, theirs)
				}
				if reason != reasonDecoded || theirClass(p) == noIP {
					continue
				}
				if why := differs(t, filepath.Base(name), rec, p, &b.out.Batch); why != "" {
					skipped[why]++
				} else {
					compared++
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
	t.Logf("%d packets of %d files compared", compared, files)
	for why, n := range skipped {
		t.Logf("%d not compared: %s", n, why)
	}
	for c, n := range classes {
		if n > 0 {
			t.Logf("class %v agrees for %d packets", Class(c), n)
		}
	}
	t.Logf("%d packets of another class, each with its reason", len(others))
	for here := range otherClasses {
		if !others[here] {
			t.Errorf("explained, but does not occur any more: %s", here)
		}
	}
}

func gopacketLacks(link uint16) bool {
	switch link {
	case linkSLL2, linkPPPHDLC, linkCHDLC, linkPPPoE, linkRawOpen, linkIPv4, linkIPv6, linkNFLOG, linkPrism, linkAVS:
		return true
	}
	return false
}

// What gopacket makes of a packet. It does not tell what the capture cut from what was sent too short, and has no memory of fragments.
const (
	noIP      = "no IP"
	anyIPv6   = "IPv6 with extension headers" // whose transport it often misses
	fragment  = "a fragment"                  // the first one too
	transport = "IP and what it carries"
	damaged   = "IP without the transport header that it names"
)

func theirClass(p gopacket.Packet) string {
	var proto layers.IPProtocol
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		if ip.FragOffset != 0 || ip.Flags&layers.IPv4MoreFragments != 0 {
			return fragment
		}
		proto = ip.Protocol
	case *layers.IPv6:
		switch proto = ip.NextHeader; proto {
		case extHopByHop, extRouting, extFragment, extDestination, layers.IPProtocolAH:
			return anyIPv6
		}
	default:
		return noIP
	}
	if flow.Proto(proto).HasPorts() {
		if got, _, _ := transportOf(p); got == 0 {
			return damaged
		}
	}
	return transport
}

// agreesWithGopacket holds a reason against theirClass. ours is the packet, if it is decoded.
func agreesWithGopacket(r Reason, ours *flow.Packet, theirs string) bool {
	switch r.Class() {
	case Decoded:
		return theirs == transport && ours.Bits&flow.Fragment == 0 || theirs == fragment || theirs == anyIPv6
	case FragmentUnmatched, FragmentOverlap:
		return theirs == fragment || theirs == anyIPv6
	case NonIP, UnsupportedLink:
		return theirs == noIP
	}
	return theirs == noIP || theirs == damaged
}

// differs reports a difference of the first packet of b, and gives the reason if it was not compared. Layers are decoded one by one up to the
// first transport layer and no further: what lies above panics or prints.
func differs(t *testing.T, file string, rec *record, p gopacket.Packet, b *flow.Batch) (skipped string) {
	t.Helper()
	ours := &b.Packets[0]
	src, dst := ends(b, 0)
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

// FuzzAgainstGopacket holds decoding against gopacket, for the links and headers that both know and gopacket v1.1.19 reads without fault: where both
// have a packet, its ends and ports are the same, and neither has IP where the other has none.
func FuzzAgainstGopacket(f *testing.F) {
	for _, c := range decodeCases {
		f.Add(c.link, unhex(f, c.hex))
	}
	for _, data := range tunnelSeeds(f) {
		f.Add(uint16(linkRaw), data)
	}
	b, time := newBench(), int64(0)
	f.Fuzz(func(t *testing.T, link uint16, data []byte) {
		if !plainLink(link, data) {
			return
		}
		time = (time + 2*fragmentLifetime) & (1<<61 - 1) // nothing is left of earlier fragments
		rec := record{data: data, wire: uint32(len(data)), time: time}
		r := b.decode(link, rec)
		p := gopacket.NewPacket(data, layers.LinkType(link), gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		theirs := theirClass(p)
		switch {
		case r.Class() == Decoded && theirs == noIP && p.Metadata().Truncated:
		case r.Class() == Decoded && theirs == noIP:
			t.Fatalf("link %d: decoded, gopacket has %s: %v", link, theirs, p)
		case r.Class() == NonIP && theirs != noIP:
			t.Fatalf("link %d: %v, gopacket has %s", link, r, theirs)
		case r.Class() == Decoded && theirs != damaged:
			differs(t, "fuzz", &rec, p, &b.out.Batch)
		}
	})
}

// plainLink says whether the link header is one that both read alike: Ethernet with IP or one VLAN tag behind it, or raw IP.
func plainLink(link uint16, data []byte) bool {
	switch {
	case link == linkRaw:
		return len(data) > 0 && (data[0]>>4 == 4 || data[0]>>4 == 6)
	case link != linkEthernet || len(data) < 18:
		return false
	}
	t := uint16(data[12])<<8 | uint16(data[13])
	if t == etherVLAN {
		t = uint16(data[16])<<8 | uint16(data[17])
	}
	return t == etherIPv4 || t == etherIPv6
}
