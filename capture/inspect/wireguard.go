package inspect

import "encoding/binary"

// Messages of WireGuard (the protocol page at wireguard.com, "Messages"): one byte of type, three of zero, fixed lengths.
const (
	wgInitiation = 1 + iota
	wgResponse
	wgCookie
	wgData
)

// wireGuard is the sides that have sent data.
type wireGuard [2]bool

// readWireGuard, on any port. A tunnel is encrypted once the responder has answered the handshake, or data flows both ways.
func readWireGuard(c *conversation, from int, data []byte) answer {
	if len(data) < 32 || data[1]|data[2]|data[3] != 0 {
		return no
	}
	seen, _ := c.state.(wireGuard)
	switch kind := data[0]; {
	case kind == wgInitiation && len(data) == 148, kind == wgCookie && len(data) == 64:
	case kind == wgResponse && len(data) == 92:
		seen = wireGuard{true, true}
	case kind == wgData && len(data)%16 == 0 && binary.LittleEndian.Uint64(data[8:]) < 1<<40 && binary.LittleEndian.Uint32(data[4:]) != 0:
		seen[from] = true // the counter is that of packets under one key, which rekeying keeps far below
	default:
		return no
	}
	c.protocol("wireguard")
	if seen == (wireGuard{true, true}) {
		c.encrypted("WireGuard")
		return yes
	}
	c.state = seen
	return follow
}
