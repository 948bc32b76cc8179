package inspect

import (
	"encoding/binary"
	"slices"

	"pcapaudit/capture/flow"
)

// Versions (RFC 9000, section 15; RFC 9369).
const (
	quicV1 = 1
	quicV2 = 0x6b3343cf
)

const (
	minInitial       = 1200 // RFC 9000, section 14.1: a client's datagram with an Initial is no smaller
	maxConnectionID  = 20   // in versions 1 and 2
	maxQUICDatagrams = 64   // without a result
	maxQUICInitials  = 16   // to be decrypted
)

// quicKind is a type of long-header packet, as version 1 numbers them.
type quicKind uint8

const (
	quicInitial quicKind = iota
	quicEarly
	quicHandshake
	quicRetry
)

// quicTalk is a QUIC connection up to its first packet under negotiated keys.
type quicTalk struct {
	handshake
	keys      *quicKeys // of the client's Initials
	keyed     []byte    // the connection id that they come from
	crypto    assembly
	datagrams int
	initials  int
}

// quicPacket is a packet with a long header.
type quicPacket struct {
	version      uint32
	kind         quicKind
	dcid, scid   []byte
	packet       []byte // all of it
	numberOffset int
}

// readQUIC recognises QUIC by a long header, and follows a connection until its ClientHello is read and the responder encrypts.
func readQUIC(c *conversation, from int, data []byte) answer {
	t, _ := c.state.(*quicTalk)
	if t == nil {
		if !quicFirst(data) {
			return no
		}
		t = &quicTalk{handshake: handshake{client: -1}}
		c.state = t
		c.protocol("quic")
	}
	if t.datagrams++; t.datagrams > maxQUICDatagrams {
		return yes
	}
	for len(data) > 0 {
		p, rest, ok := quicLong(data)
		if !ok {
			break
		}
		data = rest
		t.packet(c, from, &p, len(p.packet)+len(rest))
	}
	if t.complete() {
		return yes
	}
	return follow
}

// quicFirst is strict: nothing but version, lengths and sizes tells QUIC from other protocols before it is decrypted.
func quicFirst(data []byte) bool {
	p, _, ok := quicLong(data)
	if !ok {
		return false
	}
	switch {
	case p.version == quicV1 || p.version == quicV2:
		return p.kind != quicRetry && (len(p.dcid) >= 8 || len(p.scid) >= 4)
	case p.version == 0:
		return false
	}
	return len(data) >= minInitial && len(p.dcid) >= 8 && len(p.dcid) <= maxConnectionID && len(p.scid) <= maxConnectionID
}

// quicLong reads a packet with a long header (RFC 9000, section 17.2). Of other versions than 1 and 2 it ends with the datagram.
func quicLong(data []byte) (p quicPacket, rest []byte, ok bool) {
	if len(data) < 7 || data[0]&0x80 == 0 {
		return p, nil, false
	}
	p.version = binary.BigEndian.Uint32(data[1:])
	at := 5
	for _, id := range []*[]byte{&p.dcid, &p.scid} {
		if at >= len(data) || int(data[at]) > len(data)-at-1 || data[at] > maxConnectionID {
			return p, nil, false
		}
		*id = data[at+1 : at+1+int(data[at])]
		at += 1 + int(data[at])
	}
	p.packet = data
	known := p.version == quicV1 || p.version == quicV2
	if !known || data[0]&0x40 == 0 {
		return p, nil, !known && quicVersion(p.version) && (p.version == 0 || data[0]&0x40 != 0)
	}
	p.kind = quicKind(data[0] >> 4 & 3)
	if p.version == quicV2 {
		p.kind = (p.kind + 3) & 3
	}
	if p.kind == quicRetry {
		return p, nil, true
	}
	if p.kind == quicInitial {
		n, size := varint(data[at:])
		if size == 0 || n > uint64(len(data)-at-size) {
			return p, nil, false
		}
		at += size + int(n)
	}
	n, size := varint(data[at:])
	if size == 0 || n > uint64(len(data)-at-size) || n < 20 {
		return p, nil, false
	}
	p.numberOffset = at + size
	end := p.numberOffset + int(n)
	p.packet = data[:end]
	return p, data[end:], true
}

// quicVersion knows versions by number: negotiation, IETF drafts, Google's and Facebook's, and the reserved ones of RFC 9000, section 15.
func quicVersion(v uint32) bool {
	return v == 0 || v>>8 == 0xff0000 && v&0xff >= 23 || v&0x0f0f0f0f == 0x0a0a0a0a || v>>8 == 0x513035 || v>>8 == 0x543035 || v>>4 == 0xfaceb00
}

// varint reads a variable-length integer (RFC 9000, section 16); size 0: it is cut.
func varint(b []byte) (n uint64, size int) {
	if len(b) == 0 || len(b) < 1<<(b[0]>>6) {
		return 0, 0
	}
	size = 1 << (b[0] >> 6)
	n = uint64(b[0] & 0x3f)
	for _, x := range b[1:size] {
		n = n<<8 | uint64(x)
	}
	return n, size
}

func (t *quicTalk) packet(c *conversation, from int, p *quicPacket, datagram int) {
	switch {
	case p.version != quicV1 && p.version != quicV2:
		return
	case p.kind == quicInitial && from != t.client^1 && datagram >= 100:
		t.initial(c, from, p)
	case p.kind == quicHandshake && from != t.client:
		t.establish(c, p.version)
	}
}

// establish takes a Handshake packet, which is under keys that both sides have; of the client it is none that proves it.
func (t *quicTalk) establish(c *conversation, version uint32) {
	if t.proven {
		return
	}
	t.proven = true
	name := "QUIC 1 (TLS 1.3)"
	if version == quicV2 {
		name = "QUIC 2 (TLS 1.3)"
	}
	c.encrypted(name)
	c.tell(flow.FactServerCert, "hidden")
	t.settle(c, "hidden")
}

// initial decrypts an Initial of the client, under the keys that it used before or those of its own connection id: after a Retry that is a new
// one (RFC 9001, section 5.2).
func (t *quicTalk) initial(c *conversation, from int, p *quicPacket) {
	if t.offered || t.initials >= maxQUICInitials {
		return
	}
	t.initials++
	frames, ok := t.keys.open(p)
	if !ok && !slices.Equal(p.dcid, t.keyed) {
		keys := newQUICKeys(p.version, p.dcid)
		if frames, ok = keys.open(p); ok {
			t.keys, t.keyed = keys, slices.Clone(p.dcid)
			t.crypto.reset()
		}
	}
	if !ok {
		return
	}
	t.client = from
	t.frames(c, from, frames)
	stream := t.crypto.begin()
	if len(stream) < 4 || stream[0] != msgClientHello {
		return
	}
	if n := int(stream[1])<<16 | int(stream[2])<<8 | int(stream[3]); len(stream) >= 4+n {
		t.hello(c, from, stream[4:4+n])
		if t.offers != "" {
			c.tell(flow.FactALPN, "offers "+t.offers)
		}
	}
}

// frames keeps the CRYPTO frames of an Initial; others it may hold are PADDING, PING, ACK and CONNECTION_CLOSE (RFC 9000, section 12.4).
func (t *quicTalk) frames(c *conversation, from int, b []byte) {
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		var numbers [4]uint64
		fields := 0
		switch kind {
		case 0, 1:
			continue
		case 2, 3:
			fields = 4
		case 6:
			fields = 2
		default:
			return
		}
		for i := range fields {
			n, size := varint(b)
			if size == 0 {
				return
			}
			numbers[i], b = n, b[size:]
		}
		if kind == 6 {
			if numbers[0] > maxHead || numbers[1] > uint64(len(b)) || !t.crypto.add(c, int(numbers[0]), b[:numbers[1]]) {
				return
			}
			b = b[numbers[1]:]
			continue
		}
		more := 2 * min(numbers[2], 1<<16) // ranges of an ACK, and its counts of ECN marks
		if kind == 3 {
			more += 3
		}
		for range more {
			_, size := varint(b)
			if size == 0 {
				return
			}
			b = b[size:]
		}
	}
}
