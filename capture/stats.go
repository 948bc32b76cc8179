package capture

import (
	"fmt"
	"slices"
)

// Class is where a packet read ends: exactly one, the first that holds. The zero value is Decoded.
type Class uint8

const (
	Decoded           Class = iota // a packet of a connection
	Filtered                       // the user's filter left it out
	NonIP                          // well-formed, carries no IP that is decoded (ARP, STP, LLDP ...)
	Truncated                      // the capture kept too few bytes of it: the snaplen, not the sender, cut a needed header
	Malformed                      // no receiver could take it for what it claims to be
	FragmentUnmatched              // a later fragment without its first one, which may come and take it elsewhere: see fragmentLifetime
	UnsupportedLink                // of a link type that is not decoded
	TooDeep                        // more headers on top of each other than the limits allow
	FragmentOverlap                // a fragment that overlaps one before it, and all later ones of that datagram (RFC 5722)
	Duplicate                      // a copy of a packet before it: identical, where such copies were to be recognised, or forwarded by the watching host
)

var classNames = [...]string{"decoded", "filtered", "non-ip", "truncated", "malformed", "fragment-unmatched", "unsupported-link", "too-deep", "fragment-overlap", "duplicate"}

// NumClasses counts the values of Class.
const NumClasses = len(classNames)

func (c Class) String() string { return classNames[c] }

// Reason says why a packet is in its class.
type Reason uint8

const (
	reasonDecoded Reason = iota
	filteredTime
	filteredNet
	filteredHost
	filteredPort
	reasonNonIP
	truncatedLink
	truncatedNetwork
	truncatedTransport
	malformedLink
	malformedVersion
	malformedNetwork
	malformedLength
	malformedExtension
	malformedTransport
	malformedTCP
	malformedUDP
	malformedFragment
	fragmentOverlap
	fragmentRefused
	reasonUnmatched
	reasonUnsupported
	deepLink
	deepExtensions
	reasonCopy
	truncatedTunnel
	deepTunnels
	reasonForwarded
)

var reasons = [...]struct {
	class Class
	name  string
}{
	reasonDecoded:      {Decoded, "decoded"},
	filteredTime:       {Filtered, "outside --since and --until"},
	filteredNet:        {Filtered, "outside --net"},
	filteredHost:       {Filtered, "outside --host"},
	filteredPort:       {Filtered, "outside --port"},
	reasonNonIP:        {NonIP, "non-ip"},
	truncatedLink:      {Truncated, "link header"},
	truncatedNetwork:   {Truncated, "network header"},
	truncatedTransport: {Truncated, "transport header"},
	malformedLink:      {Malformed, "link header incomplete"},
	malformedVersion:   {Malformed, "IP version does not fit"},
	malformedNetwork:   {Malformed, "IP header incomplete"},
	malformedLength:    {Malformed, "IP total length below the header's"},
	malformedExtension: {Malformed, "IPv6 extension header incomplete"},
	malformedTransport: {Malformed, "transport header incomplete"},
	malformedTCP:       {Malformed, "TCP header length out of range"},
	malformedUDP:       {Malformed, "UDP length below the header's"},
	malformedFragment:  {Malformed, "fragment ends beyond 65535 octets"},
	fragmentOverlap:    {FragmentOverlap, "contradicts an earlier fragment of its datagram"},
	fragmentRefused:    {FragmentOverlap, "of a datagram that is refused"},
	reasonUnmatched:    {FragmentUnmatched, "first fragment not seen"},
	reasonUnsupported:  {UnsupportedLink, "link type"},
	deepLink:           {TooDeep, "VLAN tags or MPLS labels"},
	deepExtensions:     {TooDeep, "IP extension headers"},
	truncatedTunnel:    {Truncated, "tunnel header"},
	deepTunnels:        {TooDeep, "tunnels in tunnels"},
	reasonCopy:         {Duplicate, "identical copy"},
	reasonForwarded:    {Duplicate, "forwarded: judged where it came in"},
}

// NumReasons counts the values of Reason.
const NumReasons = len(reasons)

// Class gives the class that the reason belongs to.
func (r Reason) Class() Class { return reasons[r].class }

func (r Reason) String() string { return reasons[r].name }

// Tally counts packets and their bytes on the wire, link header included.
type Tally struct{ Packets, Bytes uint64 }

func (t *Tally) add(wire int) {
	t.Packets++
	t.Bytes += uint64(wire)
}

func (t *Tally) remove(wire int) {
	t.Packets--
	t.Bytes -= uint64(wire)
}

// Ledger accounts for every packet read. The zero value is an empty one.
type Ledger struct {
	Read        Tally             // counted as the readers hand packets over
	Reasons     [NumReasons]Tally // counted as decoding ends, once a packet; of them only FragmentUnmatched is not final at once
	NonIP       Kinds             // what the non-ip packets were
	Unsupported Kinds             // link types of the unsupported-link packets
	Cut         uint64            // decoded packets of which the capture kept only the head
	Overlong    uint64            // decoded packets whose IP length exceeds the frame's
	Checksums   Checksums         // of decoded packets; the broken ones count in connections and are no evidence
	Aggregated  uint64            // 802.11 frames with more packets in them than the first one, which is the one that is read

	// Datagrams of which a fragment was seen, by what became of them; see Unfinished.
	Fragmented, Reassembled, Refused uint64

	// Packets inside tunnels are accounted for on their own: they are in records that are counted above.
	Opened     uint64            // headers of tunnels found
	Inner      [NumReasons]Tally // of what they carry, once each; bytes behind the tunnel's header
	InnerNonIP Kinds             // what the non-ip ones were
	NoTunnel   uint64            // payloads where a tunnel may be that are none, or of a sort that is not opened
	Opaque     Opaques           // who exchanged them, and tunnels whose content is not read
}

// Unfinished are the datagrams of which fragments are missing: not captured, or never sent.
func (l *Ledger) Unfinished() uint64 { return l.Fragmented - l.Reassembled - l.Refused }

// InnerClass is Class for the packets inside tunnels.
func (l *Ledger) InnerClass(c Class) Tally { return sumClass(&l.Inner, c) }

// Class sums the reasons of one class.
func (l *Ledger) Class(c Class) Tally { return sumClass(&l.Reasons, c) }

func sumClass(reasons *[NumReasons]Tally, c Class) Tally {
	var sum Tally
	for r, t := range reasons {
		if Reason(r).Class() == c {
			sum.Packets += t.Packets
			sum.Bytes += t.Bytes
		}
	}
	return sum
}

// Balanced is nil iff every packet read, and every byte of it, is in exactly one class, and what every tunnel carries as well.
func (l *Ledger) Balanced() error {
	var sum Tally
	for _, t := range l.Reasons {
		sum.Packets += t.Packets
		sum.Bytes += t.Bytes
	}
	if sum != l.Read {
		return fmt.Errorf("packet ledger: read %d packets (%d bytes), classes hold %d packets (%d bytes)",
			l.Read.Packets, l.Read.Bytes, sum.Packets, sum.Bytes)
	}
	var inner uint64
	for _, t := range l.Inner {
		inner += t.Packets
	}
	if inner != l.Opened {
		return fmt.Errorf("packet ledger: %d tunnels opened, classes hold %d packets inside", l.Opened, inner)
	}
	for _, k := range []struct {
		kinds *Kinds
		class Class
		want  uint64
	}{{&l.NonIP, NonIP, l.Class(NonIP).Packets}, {&l.Unsupported, UnsupportedLink, l.Class(UnsupportedLink).Packets}, {&l.InnerNonIP, NonIP, l.InnerClass(NonIP).Packets}} {
		if n, want := k.kinds.total(), k.want; n != want {
			return fmt.Errorf("packet ledger: %d packets of class %s, %d by kind", want, k.class, n)
		}
	}
	return nil
}

// maxKinds bounds Kinds; hostile captures name thousands.
const maxKinds = 64

// Kind is a sort of packet that is not decoded: a number in the space of the link that told it.
type Kind struct {
	space  space
	number uint16
}

// space says what a Kind's number means.
type space uint8

const (
	byEtherType space = iota // also in VLAN tags, SLL, SNAP, MPLS
	byLLC                    // DSAP<<8 | SSAP (IEEE 802.2)
	byPPP                    // PPP protocol (RFC 1661)
	byFamily                 // address family of NULL and LOOP links
	by80211                  // type<<4 | subtype of the frame (IEEE 802.11), or one of ours
	byLinkType               // of the file (https://www.tcpdump.org/linktypes.html)
)

// String gives "ethertype 0x0806", "link type 127".
func (k Kind) String() string {
	switch k.space {
	case byLLC:
		return fmt.Sprintf("llc 0x%04x", k.number)
	case byPPP:
		return fmt.Sprintf("ppp 0x%04x", k.number)
	case byFamily:
		return fmt.Sprintf("address family %d", k.number)
	case by80211:
		switch k.number {
		case wirelessEncrypted:
			return "encrypted 802.11"
		case wirelessFragment:
			return "802.11 fragment"
		}
		return fmt.Sprintf("802.11 type %d subtype %d", k.number>>4, k.number&15)
	case byLinkType:
		return fmt.Sprintf("link type %d", k.number)
	}
	return fmt.Sprintf("ethertype 0x%04x", k.number)
}

// KindCount is how many packets of one kind there were.
type KindCount struct {
	Kind    Kind
	Packets uint64
}

// Kinds counts packets by kind; kinds beyond the first maxKinds are counted together. The zero value is empty.
type Kinds struct {
	Other  uint64 // packets of further kinds
	hiding uint64
	n      int
	list   [maxKinds]KindCount
}

func (k *Kinds) add(kind Kind) {
	if kind.hides() {
		k.hiding++
	}
	for i := range k.list[:k.n] {
		if k.list[i].Kind == kind {
			k.list[i].Packets++
			return
		}
	}
	if k.n == maxKinds {
		k.Other++
		return
	}
	k.list[k.n] = KindCount{kind, 1}
	k.n++
}

// Hiding counts packets, of whatever kind, that may carry others, which are not read.
func (k *Kinds) Hiding() uint64 { return k.hiding }

// hides says whether packets of a kind may carry IP that is not read: encrypted, compressed, in pieces, or behind headers that are not known.
func (k Kind) hides() bool {
	switch k.space {
	case by80211:
		return k.number == wirelessEncrypted || k.number == wirelessFragment
	case byEtherType:
		switch k.number {
		case etherMPLS, etherMPLSMulti, // pseudowires
			0x22f3, // TRILL (RFC 6325)
			0x880b, // PPP, in GRE (RFC 2637)
			0x88e5, // MACsec (IEEE 802.1AE)
			0x88e7, // provider backbone bridging (IEEE 802.1ah)
			0x8903, // FabricPath
			0x894f: // network service header (RFC 8300)
			return true
		}
	case byPPP:
		switch k.number {
		case 0x0003, 0x0005, // robust header compression (RFC 3241)
			0x002d, 0x002f, // compressed TCP/IP (RFC 1332)
			0x0031,         // bridging (RFC 3518)
			0x003d,         // multilink (RFC 1990)
			0x0053, 0x0055, // encryption (RFC 1968)
			0x0061, 0x0063, 0x0065, 0x0067, 0x0069, 0x2063, 0x2065, 0x2067, 0x2069, // header compression (RFC 3544)
			0x00fb, 0x00fd: // compression (RFC 1962)
			return true
		}
	}
	return false
}

func (k *Kinds) total() uint64 {
	sum := k.Other
	for _, c := range k.list[:k.n] {
		sum += c.Packets
	}
	return sum
}

// Sorted lists the kinds, most packets first, then by space and number.
func (k *Kinds) Sorted() []KindCount {
	out := slices.Clone(k.list[:k.n])
	slices.SortFunc(out, func(a, b KindCount) int {
		switch {
		case a.Packets > b.Packets:
			return -1
		case a.Packets < b.Packets:
			return 1
		case a.Kind.space != b.Kind.space:
			return int(a.Kind.space) - int(b.Kind.space)
		}
		return int(a.Kind.number) - int(b.Kind.number)
	})
	return out
}
