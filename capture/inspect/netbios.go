package inspect

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"pcapaudit/capture/flow"
)

// netbiosName reads a NetBIOS name in its first-level encoding (RFC 1001, section 14.1), 34 bytes without a scope: the name's 15 characters without
// padding, and its suffix, which says what it names.
func netbiosName(b []byte) (name []byte, suffix byte, ok bool) {
	if len(b) < 34 || b[0] != 32 {
		return nil, 0, false
	}
	plain := make([]byte, 16)
	for i := range plain {
		high, low := b[1+2*i]-'A', b[2+2*i]-'A'
		if high > 15 || low > 15 {
			return nil, 0, false
		}
		plain[i] = high<<4 | low
	}
	return bytes.TrimRight(plain[:15], " \x00"), plain[15], true
}

// Suffixes of names that a host has for itself ([MS-NBTE], section 2.2.1).
const (
	suffixWorkstation = 0x00
	suffixServer      = 0x20
)

const (
	maxNetbios       = 64 // datagrams of a conversation that are read
	netbiosRecord    = 0x20
	netbiosStatus    = 0x21
	netbiosGroupFlag = 0x80
)

// netbiosService reads a message of the name service (RFC 1002, section 4.2): its header is that of DNS, its names are encoded. Registrations
// and positive answers tell the names of hosts. The names of a group are none.
func netbiosService(c *conversation, _ int, data []byte) answer {
	if c.kind == nil && !netbiosRequest(data) && !netbiosResponse(data) {
		return no
	}
	said, _ := c.state.(int)
	c.state = said + 1
	if len(data) >= 12 {
		c.protocol("netbios-ns")
		c.clear("NetBIOS name service in clear")
		netbiosLearn(c, data)
	}
	if said+1 >= maxNetbios {
		return yes
	}
	return follow
}

// netbiosRequest recognises a message with one question: type NB or NBSTAT, class IN, a name without scope or with one.
func netbiosRequest(b []byte) bool {
	if len(b) < 50 || b[2]&0x80 != 0 || binary.BigEndian.Uint16(b[4:]) != 1 || binary.BigEndian.Uint16(b[6:]) != 0 {
		return false
	}
	rest, ok := netbiosQuestion(b)
	return ok && (len(rest) == 0 || binary.BigEndian.Uint16(b[10:]) == 1)
}

// netbiosQuestion skips header and question.
func netbiosQuestion(b []byte) (rest []byte, ok bool) {
	if len(b) < 12 {
		return nil, false
	}
	rest, ok = netbiosLabels(b[12:])
	if !ok || len(rest) < 4 || rest[0] != 0 || rest[1] != netbiosRecord && rest[1] != netbiosStatus || rest[2]&0x7f != 0 || rest[3] != 1 {
		return nil, false
	}
	return rest[4:], true
}

// netbiosLabels skips an encoded name and its scope.
func netbiosLabels(b []byte) (rest []byte, ok bool) {
	if _, _, ok := netbiosName(b); !ok {
		return nil, false
	}
	b = b[33:]
	for range 8 {
		switch {
		case len(b) == 0 || b[0] > 63:
			return nil, false
		case b[0] == 0:
			return b[1:], true
		}
		b = b[min(1+int(b[0]), len(b)):]
	}
	return nil, false
}

// netbiosResponse recognises a message with one answer.
func netbiosResponse(b []byte) bool {
	if len(b) < 50 || b[2]&0x80 == 0 || binary.BigEndian.Uint16(b[4:]) != 0 || binary.BigEndian.Uint16(b[6:]) > 1 {
		return false
	}
	_, ok := netbiosQuestion(b)
	return ok
}

// netbiosLearn tells the name of a registration, a refresh or a positive answer for a query.
func netbiosLearn(c *conversation, b []byte) {
	name, suffix, ok := netbiosName(b[12:])
	if !ok || suffix != suffixWorkstation && suffix != suffixServer {
		return
	}
	record, ok := netbiosQuestion(b)
	if !ok {
		return
	}
	opcode, response := b[2]>>3&15, b[2]&0x80 != 0
	switch {
	case response && opcode == 0 && b[3]&15 == 0:
	case !response && (opcode == 5 || opcode == 8 || opcode == 9 || opcode == 15): // registration, refresh (two numbers), multi-homed registration
		if len(record) < 6 || record[0] != 0xc0 || record[1] != 12 || record[3] != netbiosRecord {
			return
		}
		record = record[6:]
	default:
		return
	}
	if len(record) < 6 {
		return
	}
	ttl := int64(binary.BigEndian.Uint32(record))
	addresses := record[6:]
	if n := int(binary.BigEndian.Uint16(record[4:])); n <= len(addresses) {
		addresses = addresses[:n]
	}
	host, ok := HostName(name)
	for i := 0; ok && i < 8 && len(addresses) >= 6; i, addresses = i+1, addresses[6:] {
		addr := reachable(netip.AddrFrom4([4]byte(addresses[2:6])))
		if addresses[0]&netbiosGroupFlag != 0 || !addr.IsValid() {
			continue
		}
		n := flow.Name{Origin: flow.NameNetBIOS, Name: host, Addr: addr}
		if ttl > 0 {
			n.Until = c.packet.at + ttl*1e9
		}
		c.learned(n)
	}
}

// netbiosDatagram recognises a message of the datagram service (RFC 1002, section 4.4): its kind, the sender's port, its encoded name.
func netbiosDatagram(c *conversation, from int, b []byte) answer {
	if len(b) < 14+34 || b[0] < 0x10 || b[0] > 0x12 || b[1]&0xf0 != 0 || binary.BigEndian.Uint16(b[8:]) != c.port(from) && !c.onPort(138) {
		return no
	}
	if _, _, ok := netbiosName(b[14:]); !ok {
		return no
	}
	c.protocol("netbios-dgm")
	c.clear("NetBIOS datagram in clear")
	return yes
}

// Kinds of a session service's packets (RFC 1002, section 4.3.1). Packets of direct SMB have the first one.
const (
	sessionMessage   = 0x00
	sessionRequest   = 0x81
	sessionKeepalive = 0x85
	sessionHeader    = 4
)

// sessionFirst recognises a session request: two encoded names.
func sessionFirst(_ *conversation, _ int, b []byte) answer {
	for i, want := range []byte{sessionRequest, 0, 0, 68, 32} {
		switch {
		case i >= len(b):
			return more
		case b[i] != want:
			return no
		}
	}
	if len(b) < sessionHeader+68 {
		return more
	}
	_, _, called := netbiosName(b[sessionHeader:])
	_, _, calling := netbiosName(b[sessionHeader+34:])
	if !called || !calling {
		return no
	}
	return yes
}
