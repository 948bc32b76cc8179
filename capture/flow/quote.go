package flow

import "net/netip"

// ICMPError is what an ICMP error says about the connection that it quotes. The zero value is none.
type ICMPError uint8

const (
	NoICMPError ICMPError = iota
	FragmentationNeeded
	SourceQuench
	NetUnreachable
	HostUnreachable
	ProtocolUnreachable
	PortUnreachable
	AdministrativelyProhibited
	TTLExceeded
	ReassemblyTimeExceeded
	ParameterProblem
	OtherUnreachable
)

var icmpErrorNames = [...]string{"", "fragmentation-needed", "source-quench", "net-unreachable", "host-unreachable", "protocol-unreachable",
	"port-unreachable", "administratively-prohibited", "ttl-exceeded", "reassembly-time-exceeded", "parameter-problem", "unreachable"}

// String is the word of the connections contract; empty for none.
func (e ICMPError) String() string { return icmpErrorNames[e] }

// Failure is false where the sender is only to send less or smaller packets.
func (e ICMPError) Failure() bool { return e > SourceQuench }

// unreachable4 is by code of ICMP type 3 (IANA "ICMP Parameters").
var unreachable4 = [...]ICMPError{NetUnreachable, HostUnreachable, ProtocolUnreachable, PortUnreachable, FragmentationNeeded, OtherUnreachable,
	NetUnreachable, HostUnreachable, OtherUnreachable, AdministrativelyProhibited, AdministrativelyProhibited, NetUnreachable, HostUnreachable,
	AdministrativelyProhibited, AdministrativelyProhibited, AdministrativelyProhibited}

// unreachable6 is by code of ICMPv6 type 1 (IANA "ICMPv6 Parameters").
var unreachable6 = [...]ICMPError{NetUnreachable, AdministrativelyProhibited, HostUnreachable, HostUnreachable, PortUnreachable,
	AdministrativelyProhibited, AdministrativelyProhibited, OtherUnreachable}

// ICMPErrorOf reads type and code (RFC 792, RFC 1122, section 3.2.2; RFC 4443, section 3); none where the message is no error.
// A redirect is none: it says nothing about whether packets arrive.
func ICMPErrorOf(proto Proto, typ, code uint8) ICMPError {
	unreachable, too := unreachable4[:], [...]uint8{3, 4, 11, 12}
	if proto == ICMPv6 {
		unreachable, too = unreachable6[:], [...]uint8{1, 2, 3, 4}
	}
	switch {
	case typ == too[0] && int(code) < len(unreachable):
		return unreachable[code]
	case typ == too[0]:
		return OtherUnreachable
	case typ == too[1] && proto == ICMPv6:
		return FragmentationNeeded
	case typ == too[1]:
		return SourceQuench
	case typ == too[2] && code == 1:
		return ReassemblyTimeExceeded
	case typ == too[2]:
		return TTLExceeded
	case typ == too[3] && proto == ICMPv6 && code == 1:
		return ProtocolUnreachable
	case typ == too[3]:
		return ParameterProblem
	}
	return NoICMPError
}

// Quote is the packet that an ICMP error answers.
type Quote struct {
	Packet Packet      // with ends, protocol, context and hash as when it was captured itself; the rest is not read
	Addr6  [2][16]byte // as in Batch
	Read   bool        // false: too little of it is there, or the error does not go to its sender
	Record uint32      // set by AddBatch: the table's record of the connection that it is a packet of; 0: none that is known
}

// maxICMPErrors bounds the connections of which an error is kept at a time.
const maxICMPErrors = 1 << 16

// failure is the ICMP error kept of a connection: the first that is a Failure, else the first.
type failure struct {
	what ICMPError
	by   netip.Addr
}

// In records of ICMP, which have no handshake, these bits say what the quotes of its errors were.
const (
	quotedKnown = syn      // a packet of a connection in the table
	quotedOther = syn << 1 // none that is known
)

// tie notes the error of packet i, which is counted already, on the connection that it quotes: one from which the quoted side was seen to send.
func (t *Table) tie(b *Batch, i int) {
	q, p := &b.Quotes[i], &b.Packets[i]
	r := &t.records.of[b.Record[i]]
	q.Record = 0
	rec := uint32(0)
	if q.Read && p.Bits&Broken == 0 && t.sound(p, i) {
		rec = t.index.find(q.Packet.Hash, func(rec uint32) bool { return t.match(rec, &q.Packet, &q.Addr6) })
	}
	if rec == 0 || t.records.of[rec].sent(uint(q.Packet.Bits&FromB)) == 0 || p.Bits&BadTime == 0 && t.records.of[rec].silent(p.Time) {
		r.setState(r.state() | quotedOther)
		return
	}
	r.setState(r.state() | quotedKnown)
	q.Record = rec
	typ, code, _ := unpackICMP(p.PortA, p.PortB)
	t.fail(rec, failure{ICMPErrorOf(p.Proto, typ, code), t.addrs(b.Record[i])[p.Bits&FromB]})
}

func (t *Table) fail(rec uint32, f failure) {
	old, known := t.failures[rec]
	switch {
	case known && (old.what.Failure() || !f.what.Failure()):
	case !known && len(t.failures) >= maxICMPErrors:
		t.lost++
	default:
		t.failures[rec] = f
	}
}

// quotesKnown says whether a connection is ICMP errors and all of them quote connections that were in the table.
func (r *record) quotesKnown() bool {
	return r.proto.IsICMP() && r.state()&both(quotedKnown) == quotedKnown
}
