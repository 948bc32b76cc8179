package inspect

import (
	"encoding/binary"
	"slices"

	"pcapaudit/capture/flow"
)

const (
	dtls10         = 0xfeff
	dtlsHeader     = 13 // RFC 6347, section 4.1
	dtlsHandshake  = 12 // RFC 6347, section 4.2.2
	maxDTLSRecords = 64 // without a result
)

// dtlsTalk is DTLS 1.0 (RFC 4347) to 1.3 (RFC 9147).
type dtlsTalk struct {
	handshake
	hellos  [2]assembly
	pending [2]uint16 // message numbers of what is in hellos
	hello   uint16    // message number of the ServerHello
	seen    uint64    // the server's messages by number
	records int
	after   int
}

// readDTLS recognises and follows DTLS. A conversation whose beginning is not there tells no more than that it is encrypted.
func readDTLS(c *conversation, from int, data []byte) answer {
	t, _ := c.state.(*dtlsTalk)
	if t == nil {
		switch dtlsFirst(data) {
		case no:
			return no
		case yes:
			c.protocol("dtls")
			c.encrypted("DTLS")
			return yes
		}
		t = &dtlsTalk{handshake: handshake{client: -1, dtls: true}}
		c.state = t
		c.protocol("dtls")
	}
	return t.datagram(c, from, data)
}

// dtlsRecord reads the header of a record; ok only if all of the record is in data.
func dtlsRecord(data []byte) (kind uint8, epoch uint16, content []byte, ok bool) {
	if len(data) < dtlsHeader || data[0] < recordChange || data[0] > recordWithCID || data[1] != 0xfe || data[2] < 0xfc {
		return 0, 0, nil, false
	}
	n := int(binary.BigEndian.Uint16(data[11:]))
	if n > len(data)-dtlsHeader {
		return 0, 0, nil, false
	}
	return data[0], binary.BigEndian.Uint16(data[3:]), data[dtlsHeader : dtlsHeader+n], true
}

// dtlsFirst looks at the first datagram of a side: follow for the beginning of a handshake, yes for encrypted records that fill it.
func dtlsFirst(data []byte) answer {
	kind, epoch, content, ok := dtlsRecord(data)
	if !ok {
		return no
	}
	if kind == recordHandshake && epoch == 0 {
		if _, _, _, _, ok := dtlsMessage(content); ok && content[0] <= 3 && content[0] > 0 {
			return follow
		}
		return no
	}
	for len(data) > 0 {
		kind, epoch, content, ok := dtlsRecord(data)
		if !ok || epoch == 0 || kind == recordChange || kind == recordWithCID || len(content) < 17 {
			return no
		}
		data = data[dtlsHeader+len(content):]
	}
	return yes
}

// dtlsMessage reads a fragment of a handshake message, which is all that is left of a record or is followed by others.
func dtlsMessage(content []byte) (length int, number uint16, offset int, fragment []byte, ok bool) {
	if len(content) < dtlsHandshake {
		return 0, 0, 0, nil, false
	}
	length = int(content[1])<<16 | int(content[2])<<8 | int(content[3])
	number = binary.BigEndian.Uint16(content[4:])
	offset = int(content[6])<<16 | int(content[7])<<8 | int(content[8])
	n := int(content[9])<<16 | int(content[10])<<8 | int(content[11])
	if n > len(content)-dtlsHandshake || offset+n > length {
		return 0, 0, 0, nil, false
	}
	return length, number, offset, content[dtlsHandshake : dtlsHandshake+n], true
}

func (t *dtlsTalk) datagram(c *conversation, from int, data []byte) answer {
	for len(data) > 0 {
		if data[0]>>5 == 1 { // the short header of DTLS 1.3: encrypted
			t.protected(c, from)
			t.note()
			break
		}
		kind, epoch, content, ok := dtlsRecord(data)
		if !ok {
			break
		}
		data = data[dtlsHeader+len(content):]
		t.note()
		switch {
		case epoch > 0 || kind == recordWithCID || kind == recordApplication:
			t.protected(c, from)
		case kind == recordChange:
			t.change(c, from)
		case kind == recordAlert && len(content) == 2 && content[0] == 2 && !t.proven:
			c.tell(flow.FactNote, "handshake refused: "+alertName(content[1]))
			t.end(c)
			return yes
		case kind == recordHandshake:
			if !t.messages(c, from, content) {
				t.end(c)
				return yes
			}
		}
	}
	if t.complete() || t.after > maxAfter || t.records > maxDTLSRecords {
		t.end(c)
		return yes
	}
	return follow
}

func (t *dtlsTalk) note() {
	if t.records++; t.proven {
		t.after++
	}
}

// messages takes the handshake messages of a record; false for what no DTLS sends.
func (t *dtlsTalk) messages(c *conversation, from int, content []byte) bool {
	for len(content) > 0 {
		length, number, offset, fragment, ok := dtlsMessage(content)
		if !ok {
			return false
		}
		kind := content[0]
		content = content[dtlsHandshake+len(fragment):]
		if from != t.client && !t.follows(kind, number) {
			return true // a message is missing, which may have asked for a certificate
		}
		wanted := wantedBody(kind, length)
		switch {
		case len(fragment) == length || wanted < length && offset == 0 && len(fragment) >= wanted:
			ok = t.message(c, from, kind, fragment[:wanted])
		case wanted == length:
			ok = t.fragment(c, from, kind, number, length, offset, fragment)
		}
		if !ok && !t.repeated(kind) {
			return false
		}
	}
	return true
}

// follows notes a message of the server. It says whether all are there between the ServerHello and this one, where that matters.
func (t *dtlsTalk) follows(kind uint8, number uint16) bool {
	if number >= 64 {
		return kind != msgServerHelloDone
	}
	t.seen |= 1 << number
	if kind == msgServerHello {
		t.hello = number
	}
	between := uint64(1)<<number - 1<<min(t.hello, number)
	return kind != msgServerHelloDone || t.requested || t.seen&between == between
}

// repeated says whether a message may be one that was sent before: DTLS retransmits.
func (t *dtlsTalk) repeated(kind uint8) bool { return kind == msgServerHello && t.version != 0 }

func (t *dtlsTalk) fragment(c *conversation, from int, kind uint8, number uint16, length, offset int, fragment []byte) bool {
	a := &t.hellos[from]
	if t.pending[from] != number {
		a.reset()
		t.pending[from] = number
	}
	if !a.add(c, offset, fragment) {
		return false
	}
	whole := a.begin()
	if len(whole) < length {
		return true
	}
	whole = slices.Clone(whole[:length])
	a.reset()
	return t.message(c, from, kind, whole)
}
