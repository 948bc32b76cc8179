package inspect

import "encoding/binary"

// kerberosMessage recognises a message (RFC 4120, section 5 on): an application tag, and inside the version 5 and the message type that the tag names.
func kerberosMessage(b []byte) answer {
	outer, is := berHead(b)
	if is != yes {
		return is
	}
	kind := outer.tag & 0x1f
	if outer.tag&0xe0 != 0x60 || kind < 10 || kind > 15 && kind != 30 {
		return no
	}
	inner := b[outer.head:]
	e, is := berHead(inner)
	if is != yes {
		return is
	}
	if e.tag != 0x30 || e.size() > outer.length {
		return no
	}
	want := []byte{0xa0, 3, 2, 1, 5, 0xa1, 3, 2, 1, kind}
	if kind == 10 || kind == 12 {
		want[0], want[5] = 0xa1, 0xa2 // a request's first field has another use
	}
	inner = inner[e.head:]
	for i, w := range want {
		switch {
		case i >= len(inner):
			return more
		case inner[i] != w:
			return no
		}
	}
	return yes
}

// kerberosFirst recognises a message over TCP: behind its length (RFC 4120, section 7.2.2).
func kerberosFirst(_ *conversation, _ int, data []byte) answer {
	if data[0] != 0 {
		return no
	}
	if len(data) < 5 {
		return more
	}
	size := binary.BigEndian.Uint32(data)
	if e, is := berHead(data[4:]); is == no || is == yes && uint32(e.size()) != size {
		return no
	}
	return kerberosMessage(data[4:])
}

func kerberosDatagram(_ *conversation, _ int, data []byte) answer {
	if e, is := berHead(data); is != yes || e.size() != len(data) || kerberosMessage(data) != yes {
		return no
	}
	return yes
}

// nameOnly is the dialogue of a protocol that tells nothing but its name.
type nameOnly struct{}

func (nameOnly) read(*conversation, int, []byte) (int, step) { return 0, done }
