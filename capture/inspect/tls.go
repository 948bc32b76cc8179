package inspect

import (
	"encoding/binary"
	"strconv"

	"pcapaudit/capture/flow"
)

// Record types (RFC 8446, section 5.1; RFC 6520; RFC 9146).
const (
	recordChange      = 20
	recordAlert       = 21
	recordHandshake   = 22
	recordApplication = 23
	recordHeartbeat   = 24
	recordWithCID     = 25
)

const (
	recordHeader = 5
	maxRecord    = 1<<14 + 2048              // RFC 5246, section 6.2.3
	maxHello     = maxHead - 64*recordHeader // a longer ClientHello is skipped
	maxRecords   = 64                        // without a result
	maxAfter     = 8                         // records behind the proof of encryption, in which one side may catch up
)

// tlsTalk is TLS over TCP, from a record's beginning on each side.
type tlsTalk struct {
	handshake
	sides   [2]tlsSide
	records int
	after   int
	v2      bool // the ServerHello was SSL 2.0's
}

// tlsSide is the place in a side's stream.
type tlsSide struct {
	begun bool
	left  int // bytes of the handshake record to come
	skip  int // bytes of the handshake message to come that nobody needs
}

// newTLS follows TLS from here on. Its read may also be given records that were unwrapped from another protocol; that protocol then
// has to give what was not used again, with what follows, and to skip what was used up beforehand.
func newTLS() dialogue { return &tlsTalk{handshake: handshake{client: -1}} }

func (t *tlsTalk) read(c *conversation, from int, data []byte) (int, step) {
	s := &t.sides[from]
	if !s.begun && data[0]&0x80 != 0 {
		return t.readV2(c, from, data)
	}
	if s.left > 0 && s.skip > 0 {
		n := min(s.left, s.skip)
		s.left, s.skip = s.left-n, s.skip-n
		return n, goOn
	}
	if s.left > 0 {
		return t.message(c, from, data)
	}
	kind, length, answer := recordAt(data)
	if answer != yes {
		return 0, t.notTLS(c, from, answer)
	}
	s.begun = true
	if kind == recordHandshake && !t.opaque(from) {
		if s.skip > 0 || length == 0 {
			s.left = length
			return recordHeader, t.counted()
		}
		return t.message(c, from, data)
	}
	return t.record(c, from, kind, length, data)
}

// recordAt reads the header of a record.
func recordAt(data []byte) (kind uint8, length int, a answer) {
	for i, least := range []byte{recordChange, 3, 0} {
		if i < len(data) && (data[i] < least || data[i] > [...]byte{recordHeartbeat, 3, 4}[i]) {
			return 0, 0, no
		}
	}
	if len(data) < recordHeader {
		return 0, 0, more
	}
	length = int(binary.BigEndian.Uint16(data[3:]))
	if length > maxRecord {
		return 0, 0, no
	}
	return data[0], length, yes
}

// notTLS is reached where a record should begin and does not.
func (t *tlsTalk) notTLS(c *conversation, from int, a answer) step {
	if a == more {
		return goOn
	}
	if s := &t.sides[from]; !s.begun && t.client == from^1 {
		c.tell(flow.FactNote, "the answer to the ClientHello is not TLS")
	}
	return done
}

// record takes a record that is no handshake message in clear.
func (t *tlsTalk) record(c *conversation, from int, kind uint8, length int, data []byte) (int, step) {
	used := recordHeader + length
	switch kind {
	case recordAlert:
		if length == 2 && !t.changed[from] {
			if len(data) < used {
				return 0, goOn
			}
			return used, t.alert(c, data[recordHeader], data[recordHeader+1])
		}
	case recordChange:
		if length != 1 {
			return 0, done
		}
		t.change(c, from)
	case recordApplication:
		t.protected(c, from)
	}
	return used, t.counted()
}

// counted ends a dialogue that has told all, or from which nothing is to be expected any more.
func (t *tlsTalk) counted() step {
	if t.records++; t.proven {
		t.after++
	}
	if t.complete() || t.after > maxAfter || t.records > maxRecords {
		return done
	}
	return goOn
}

var alerts = map[uint8]string{10: "unexpected message", 40: "handshake failure", 42: "bad certificate", 43: "unsupported certificate",
	44: "certificate revoked", 45: "certificate expired", 46: "certificate unknown", 47: "illegal parameter", 48: "unknown ca", 49: "access denied",
	50: "decode error", 51: "decrypt error", 70: "protocol version", 71: "insufficient security", 80: "internal error", 86: "inappropriate fallback",
	109: "missing extension", 112: "unrecognized name", 116: "certificate required", 120: "no application protocol"}

// alert takes one that is sent in clear. A fatal one ends the connection before anything was encrypted.
func (t *tlsTalk) alert(c *conversation, level, number uint8) step {
	if level != 2 {
		return t.counted()
	}
	c.tell(flow.FactNote, "handshake refused: "+alertName(number))
	return done
}

func alertName(number uint8) string {
	if name := alerts[number]; name != "" {
		return name
	}
	return "alert " + strconv.Itoa(int(number))
}

// message takes the next handshake message, which may span records.
func (t *tlsTalk) message(c *conversation, from int, data []byte) (int, step) {
	s := &t.sides[from]
	head, _, _, a := joined(data, s.left, 4)
	if a != yes {
		return 0, t.unless(a == no)
	}
	kind, length := head[0], int(head[1])<<16|int(head[2])<<8|int(head[3])
	wanted := wantedBody(kind, length)
	if wanted > maxHello {
		wanted = 0
	}
	body, used, left, a := joined(data, s.left, 4+wanted)
	if a != yes {
		return 0, t.unless(a == no)
	}
	s.left, s.skip = left, length-wanted
	if wanted == wantedBody(kind, length) && !t.handshake.message(c, from, kind, body[4:]) {
		return used, done
	}
	return used, t.counted()
}

func (t *tlsTalk) unless(bad bool) step {
	if bad {
		return done
	}
	return goOn
}

// joined gives the first n bytes of handshake messages out of the records in data, the first of which has left bytes to go, or begins
// where left is 0; how much of data that is; and what is left then of the last one.
func joined(data []byte, left, n int) (content []byte, used, leftThen int, a answer) {
	if len(data) < n { // whatever is in them
		return nil, 0, 0, more
	}
	for {
		for left == 0 {
			kind, length, a := recordAt(data[used:])
			if a == yes && kind != recordHandshake {
				a = no
			}
			if a != yes {
				return nil, 0, 0, a
			}
			used, left = used+recordHeader, length
		}
		part := min(left, n-len(content))
		if used+part > len(data) {
			return nil, 0, 0, more
		}
		fragment := data[used : used+part]
		used, left = used+part, left-part
		if len(content) == 0 && part == n {
			return fragment, used, left, yes
		}
		if content = append(content, fragment...); len(content) == n {
			return content, used, left, yes
		}
	}
}
