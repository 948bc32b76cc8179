package inspect

import "encoding/binary"

const (
	stunHeader  = 20
	stunCookie  = 0x2112a442 // RFC 8489, section 5
	stunData    = 0x0013     // attribute DATA (RFC 8656, section 18.4)
	maxSTUNTurn = 64         // datagrams in which DTLS may follow
)

// stunTalk waits for DTLS behind STUN, or inside TURN's channels.
type stunTalk struct{ datagrams int }

// readSTUN recognises STUN and TURN (RFC 8489, RFC 8656), and DTLS that shares the port (RFC 7983).
func readSTUN(c *conversation, from int, data []byte) answer {
	switch t := c.state.(type) {
	case nil:
		if !isSTUN(data) {
			return no
		}
		c.protocol("stun")
		c.state = &stunTalk{}
		return follow
	case *stunTalk:
		if t.datagrams++; t.datagrams > maxSTUNTurn {
			return yes
		}
		inner := stunPayload(data)
		if len(inner) == 0 || dtlsFirst(inner) == no {
			return follow
		}
		c.state = nil
		return readDTLS(c, from, inner)
	}
	if inner := stunPayload(data); len(inner) > 0 {
		return readDTLS(c, from, inner)
	}
	return follow
}

func isSTUN(data []byte) bool {
	return len(data) >= stunHeader && data[0]>>6 == 0 && binary.BigEndian.Uint32(data[4:]) == stunCookie &&
		int(binary.BigEndian.Uint16(data[2:])) == len(data)-stunHeader && len(data)%4 == 0
}

// stunPayload is what a datagram carries for the application: itself, or what is in a TURN channel or indication.
func stunPayload(data []byte) []byte {
	if len(data) >= 4 && data[0]>>4 == 4 {
		return data[4:min(len(data), 4+int(binary.BigEndian.Uint16(data[2:])))]
	}
	if !isSTUN(data) {
		return data
	}
	for rest := data[stunHeader:]; len(rest) >= 4; {
		kind, n := binary.BigEndian.Uint16(rest), int(binary.BigEndian.Uint16(rest[2:]))
		rest = rest[4:]
		if n > len(rest) {
			return nil
		}
		if kind == stunData {
			return rest[:n]
		}
		rest = rest[min(len(rest), (n+3)&^3):]
	}
	return nil
}
