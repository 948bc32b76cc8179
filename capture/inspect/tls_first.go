package inspect

import (
	"encoding/binary"

	"pcapaudit/capture/flow"
)

// tlsFirst recognises a side that begins with a ClientHello, a ServerHello or an alert.
func tlsFirst(_ *conversation, _ int, data []byte) answer {
	kind, length, a := recordAt(data)
	if a != yes {
		return a
	}
	content := data[recordHeader:min(len(data), recordHeader+length)]
	switch {
	case kind == recordAlert && length == 2:
		return prefix(content, "\x01\x02", "")
	case kind != recordHandshake || length == 0:
		return no
	case len(content) == 0:
		return more
	case content[0] != msgClientHello && content[0] != msgServerHello:
		return no
	}
	if length < 6 { // split: the next record must go on
		if len(data) <= recordHeader+length {
			return more
		}
		kind, _, a := recordAt(data[recordHeader+length:])
		if a == yes && kind != recordHandshake {
			return no
		}
		return a
	}
	if len(content) < 6 {
		return more
	}
	size := int(content[1])<<16 | int(content[2])<<8 | int(content[3])
	if size < 38 || size > 1<<16 || content[4] != 3 && content[4] != 0x7f || content[4] == 3 && content[5] > 4 {
		return no
	}
	return yes
}

// prefix says whether data begins with one byte of the first set, then one of the second; an empty set holds all.
func prefix(data []byte, sets ...string) answer {
	for i, set := range sets {
		if i >= len(data) {
			return more
		}
		found := set == ""
		for j := range len(set) {
			found = found || set[j] == data[i]
		}
		if !found {
			return no
		}
	}
	return yes
}

// tlsMiddle recognises TLS in a connection whose beginning is not in the capture: a record of application data, and behind it another one,
// or the end of what was sent.
func tlsMiddle(c *conversation, _ int, data []byte) answer {
	if c.orig >= 0 {
		return no
	}
	all := len(data)
	for records := 0; ; records++ {
		if len(data) == 0 && records > 0 || records == 2 {
			return yes
		}
		kind, length, a := recordAt(data)
		if a != yes {
			return a
		}
		if kind != recordApplication || data[2] == 0 || data[2] > 3 || length < 17 {
			return no
		}
		switch whole := len(data) >= recordHeader+length; {
		case !whole && all >= maxFirst:
			return yes // a long one: its header is all that can be checked
		case !whole:
			return more
		}
		data = data[recordHeader+length:]
	}
}

// tlsRest tells what the middle of a connection tells.
type tlsRest struct{}

func (tlsRest) read(c *conversation, _ int, data []byte) (int, step) {
	c.encrypted("TLS")
	return len(data), done
}

// sslFirst recognises the ClientHello of SSL 2.0 (RFC 5246, appendix E.2), which also offered the versions behind it.
func sslFirst(_ *conversation, _ int, data []byte) answer {
	if a := prefix(data, "\x80\x81", "", "\x01", "\x00\x03", ""); a != yes {
		return a
	}
	if len(data) < 11 {
		return more
	}
	if _, ok := parseV2(data); !ok {
		return no
	}
	return yes
}

// parseV2 reads the head of a ClientHello of SSL 2.0.
func parseV2(data []byte) (version uint16, ok bool) {
	length := int(binary.BigEndian.Uint16(data) & 0x7fff)
	version = binary.BigEndian.Uint16(data[3:])
	specs, session, challenge := int(binary.BigEndian.Uint16(data[5:])), int(binary.BigEndian.Uint16(data[7:])), int(binary.BigEndian.Uint16(data[9:]))
	ok = versionAge(version) >= 0 && specs > 0 && specs%3 == 0 && (session == 0 || session == 16) && challenge >= 16 && challenge <= 32 &&
		length == 9+specs+session+challenge
	return version, ok
}

// readV2 reads records of SSL 2.0: a ClientHello, and where the answer is a ServerHello of SSL 2.0, those up to the first encrypted one.
func (t *tlsTalk) readV2(c *conversation, from int, data []byte) (int, step) {
	if len(data) < 11 {
		return 0, goOn
	}
	used := 2 + int(binary.BigEndian.Uint16(data)&0x7fff)
	switch kind := data[2]; {
	case !t.offered:
		version, ok := parseV2(data)
		if !ok || kind != msgClientHello {
			return 0, done
		}
		t.client, t.offered = from, true
		c.tell(flow.FactOffered, versionName(version))
		t.sides[from].begun = version != ssl2
	case from == t.client: // CLIENT-MASTER-KEY, then encrypted ones
	case !t.v2 && kind == 4 && binary.BigEndian.Uint16(data[5:]) == ssl2:
		t.v2 = true
		c.tell(flow.FactNote, versionName(ssl2)+" in use")
	case t.v2:
		c.encrypted(versionName(ssl2))
		return used, done
	default:
		return 0, done
	}
	return used, t.counted()
}
