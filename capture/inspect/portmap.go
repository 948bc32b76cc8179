package inspect

import (
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/crypto/cryptobyte"

	"pcapaudit/capture/flow"
)

// The port mapper, version 2, and rpcbind, versions 3 and 4 (RFC 1833).

const (
	portmapGetPort    = 3 // GETADDR of versions 3 and 4
	portmapDump       = 4
	portmapVersAddr   = 9 // of version 4
	maxPortmapEntries = 128

	// portmapValidity is how long a port that was told explains connections. A service keeps its ports until it is started again, and those who asked keep
	// them for as long as they work with it: a mount outlives its question by far. A day bounds that.
	portmapValidity = 24 * 3600e9
)

// portQuestion is what a call to the port mapper asks for.
type portQuestion struct {
	version, procedure   uint32
	program, programVers uint32
	proto                uint32 // of version 2
}

// askPort remembers a question for ports.
func (r *rpcTalk) askPort(c *conversation, from int, call *sunCall) {
	if call.version < 2 || call.version > 4 {
		return
	}
	c.controls(flow.AnnouncedByPortmap, from)
	q := portQuestion{version: call.version, procedure: call.procedure}
	args := call.args
	switch {
	case q.procedure == portmapDump:
	case q.procedure == portmapGetPort || q.procedure == portmapVersAddr && q.version == 4:
		if !args.ReadUint32(&q.program) || !args.ReadUint32(&q.programVers) || q.version == 2 && !args.ReadUint32(&q.proto) {
			return
		}
	default:
		return
	}
	if call.service == gssPrivacy {
		c.blind()
		return
	}
	r.wait(c, rpcWaiting{xid: call.xid, from: from, ask: q})
}

// answer tells the ports in the results.
func (q *portQuestion) answer(c *conversation, asker int, results cryptobyte.String) {
	switch {
	case q.procedure == portmapDump:
		q.dump(c, asker, results)
	case q.version == 2:
		var port uint32
		if results.ReadUint32(&port) {
			announcePort(c, asker, q.program, q.programVers, transport(q.proto), netip.AddrPortFrom(netip.Addr{}, uint16(port)), port < 1<<16)
		}
	default:
		// The address that is given is of the transport over which the question came, whatever it asked for (section 2.2.1).
		if address, ok := xdrString(&results); ok {
			to, ok := universalAddress(address)
			announcePort(c, asker, q.program, q.programVers, c.proto, to, ok)
		}
	}
}

// dump tells all entries of a list.
func (q *portQuestion) dump(c *conversation, asker int, s cryptobyte.String) {
	for range maxPortmapEntries {
		var next, program, version, proto, port uint32
		if s.ReadUint32(&next) && next == 0 {
			return
		}
		if next != 1 || !s.ReadUint32(&program) || !s.ReadUint32(&version) {
			break
		}
		if q.version == 2 {
			if !s.ReadUint32(&proto) || !s.ReadUint32(&port) {
				break
			}
			announcePort(c, asker, program, version, transport(proto), netip.AddrPortFrom(netip.Addr{}, uint16(port)), port < 1<<16)
			continue
		}
		netid, ok := xdrString(&s)
		address, hasAddress := xdrString(&s)
		if _, hasOwner := xdrString(&s); !ok || !hasAddress || !hasOwner {
			break
		}
		to, ok := universalAddress(address)
		announcePort(c, asker, program, version, netTransport(netid), to, ok)
	}
	c.blind() // the list goes on
}

// announcePort tells one port, unless it is none. An address that is none, or any, is that of the responder.
func announcePort(c *conversation, asker int, program, version uint32, proto flow.Proto, to netip.AddrPort, ok bool) {
	if !ok || to.Port() == 0 || proto == 0 {
		return
	}
	if !to.Addr().IsValid() || to.Addr().IsUnspecified() {
		to = netip.AddrPortFrom(c.addrs[asker^1], to.Port())
	}
	name, known := rpcPrograms[program]
	if !known {
		name = "program " + strconv.FormatUint(uint64(program), 10)
	}
	c.announce(asker, flow.Announcement{Until: c.packet.at + portmapValidity, Peer: c.addrs[asker], To: to, Proto: proto,
		What: name + " v" + strconv.FormatUint(uint64(version), 10)})
}

func transport(number uint32) flow.Proto {
	if p := flow.Proto(number); number < 256 && (p == flow.TCP || p == flow.UDP) {
		return p
	}
	return 0
}

func netTransport(netid []byte) flow.Proto {
	switch string(netid) {
	case "tcp", "tcp6":
		return flow.TCP
	case "udp", "udp6":
		return flow.UDP
	}
	return 0
}

// universalAddress reads an address with the two bytes of the port behind it, in decimal (RFC 5665, section 5.2.3): "192.0.2.1.8.1", "::1.8.1".
func universalAddress(b []byte) (netip.AddrPort, bool) {
	s := string(b[:min(len(b), 64)])
	low := strings.LastIndexByte(s, '.')
	if low < 0 {
		return netip.AddrPort{}, false
	}
	high := strings.LastIndexByte(s[:low], '.')
	if high < 0 {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(s[:high])
	h, errHigh := strconv.ParseUint(s[high+1:low], 10, 8)
	l, errLow := strconv.ParseUint(s[low+1:], 10, 8)
	if err != nil || errHigh != nil || errLow != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.WithZone("").Unmap(), uint16(h)<<8|uint16(l)), true
}

// xdrString reads a string of XDR (RFC 4506, section 4.11).
func xdrString(s *cryptobyte.String) ([]byte, bool) {
	var n uint32
	var b []byte
	ok := s.ReadUint32(&n) && n <= maxRPCHead && s.ReadBytes(&b, int(n)) && s.Skip(int(-n&3))
	return b, ok
}
