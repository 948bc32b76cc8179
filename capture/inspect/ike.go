package inspect

import "encoding/binary"

const (
	ikeHeader  = 28
	natTPort   = 4500 // RFC 3948: ESP, and IKE behind a marker of four zero bytes where ESP has its SPI
	leastESP   = 24   // SPI, sequence number, and what encryption adds to nothing
	maxESPSeq  = 1 << 28
	maxESPStep = 1 << 10 // packets of an association that may be missing between two
	ikeSK      = 46      // payload "Encrypted and Authenticated" (RFC 7296, section 3.14), and in fragments (RFC 7383)
	ikeSKF     = 53
	ikeV1Crypt = 1 // flag of version 1 (RFC 2408, section 3.1)
)

// readIKE: versions 1 (RFC 2408) and 2 (RFC 7296) on any port, and ESP in UDP on port 4500. What is negotiated there is told as ESP only.
func readIKE(c *conversation, from int, data []byte) answer {
	traversal := c.onPort(natTPort)
	if traversal && len(data) > 4 && binary.BigEndian.Uint32(data) == 0 {
		data = data[4:]
	} else if traversal && isESP(data) {
		return readESP(c, from, data)
	}
	if !isIKE(data) {
		return no
	}
	c.protocol("ike")
	if traversal {
		return follow
	}
	switch {
	case data[17] == 0x20 && (data[16] == ikeSK || data[16] == ikeSKF):
		c.encrypted("IKEv2")
	case data[17] == 0x10 && data[19]&ikeV1Crypt != 0:
		c.encrypted("IKEv1")
	default:
		return follow
	}
	return yes
}

// isIKE checks a header: the initiator's SPI is never zero, and the length is that of the datagram.
func isIKE(b []byte) bool {
	if len(b) < ikeHeader || binary.BigEndian.Uint64(b) == 0 || binary.BigEndian.Uint32(b[24:]) != uint32(len(b)) {
		return false
	}
	next, exchange, flags := b[16], b[18], b[19]
	switch b[17] {
	case 0x10:
		return (exchange >= 1 && exchange <= 6 || exchange == 32 || exchange == 33) && flags&^7 == 0 && (next <= 24 || next == 130 || next == 132)
	case 0x20:
		return exchange >= 34 && exchange <= 44 && flags&^0x38 == 0 && (next == 0 || next >= 33 && next <= 54)
	}
	return false
}

// espSeen is the last packet of each side's security association.
type espSeen [2]struct{ spi, seq uint32 }

// readESP tells that ESP encrypts by a second packet of the same association, soon behind the first one: one alone may be anything.
func readESP(c *conversation, from int, data []byte) answer {
	seen, _ := c.state.(espSeen)
	last := &seen[from]
	spi, seq := binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])
	c.protocol("esp-udp")
	if last.spi == spi && seq-last.seq-1 < maxESPStep {
		c.encrypted("ESP in UDP")
		return yes
	}
	last.spi, last.seq = spi, seq
	c.state = seen
	return follow
}

// isESP checks the head of what may be ESP (RFC 4303, section 2), which is all that can be read of it. SPIs up to 255 are reserved.
func isESP(b []byte) bool {
	if len(b) < leastESP || len(b)%4 != 0 {
		return false
	}
	spi, seq := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	return spi > 255 && seq > 0 && seq < maxESPSeq
}
