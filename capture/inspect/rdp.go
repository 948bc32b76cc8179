package inspect

import (
	"bytes"
	"encoding/binary"

	"pcapaudit/capture/flow"
)

const (
	tpktHeader  = 4 // RFC 1006, section 6
	rdpRequest  = 0xe0
	rdpConfirm  = 0xd0
	maxRDPFirst = 512 // bytes of a connection request
)

// rdpPDU reads the head of a connection request or confirm of X.224 in its TPKT.
func rdpPDU(data []byte, code byte) (size int, variable []byte, is answer) {
	for i, want := range []byte{3, 0} {
		switch {
		case i >= len(data):
			return 0, nil, more
		case data[i] != want:
			return 0, nil, no
		}
	}
	if len(data) < tpktHeader+7 {
		return 0, nil, more
	}
	size = int(binary.BigEndian.Uint16(data[2:]))
	if size < tpktHeader+7 || size > maxRDPFirst || int(data[4]) != size-tpktHeader-1 && data[4] != 0xff || data[5] != code || data[10] != 0 {
		return 0, nil, no
	}
	if len(data) < size {
		return size, nil, more
	}
	return size, data[tpktHeader+7 : size], yes
}

// rdpFirst recognises a connection request ([MS-RDPBCGR], section 2.2.1.1): with a cookie, a token or a negotiation, or bare on RDP's own port.
func rdpFirst(c *conversation, _ int, data []byte) answer {
	_, variable, is := rdpPDU(data, rdpRequest)
	if is != yes {
		return is
	}
	if bytes.HasPrefix(variable, []byte("Cookie: ")) || len(variable) == 0 && c.onPort(3389) {
		return yes
	}
	if len(variable) >= 8 && bytes.Equal(variable[len(variable)-8:][2:4], []byte{8, 0}) && variable[len(variable)-8] == 1 {
		return yes
	}
	return no
}

// rdp follows a connection until its security is chosen: TLS, or RDP's own.
type rdp struct {
	asked bool
	waits bool
	own   bool // standard RDP security
}

func newRDP() dialogue { return new(rdp) }

func (d *rdp) read(c *conversation, from int, data []byte) (used int, next step) {
	if d.own {
		return d.server(c, data)
	}
	if size, _, is := rdpPDU(data, rdpRequest); is != no || !d.asked && len(data) < tpktHeader+7 {
		if is != yes {
			return 0, goOn
		}
		d.asked = true
		if d.waits {
			c.wake()
		}
		return size, goOn
	}
	if !d.asked && c.orig >= 0 {
		d.waits = true
		return 0, goOn
	}
	size, variable, is := rdpPDU(data, rdpConfirm)
	switch {
	case is == more:
		return 0, goOn
	case is == no:
		return 0, done
	}
	return size, d.chosen(c, variable)
}

// chosen reads the answer to a negotiation (sections 2.2.1.2.1 and 2.2.1.2.2).
func (d *rdp) chosen(c *conversation, answer []byte) step {
	if len(answer) >= 8 && answer[0] == 3 {
		return done // refused
	}
	if len(answer) >= 8 && answer[0] == 2 && binary.LittleEndian.Uint32(answer[4:]) != 0 {
		return restart
	}
	d.own = true
	c.tell(flow.FactNote, "standard RDP security")
	return goOn
}

// server looks for the server's security data in the answer to Connect Initial (section 2.2.1.4.3), behind the key of T.124; the client's
// side waits until then.
func (d *rdp) server(c *conversation, data []byte) (used int, next step) {
	if len(data) < tpktHeader || data[0] != 3 {
		return 0, goOn
	}
	size := int(binary.BigEndian.Uint16(data[2:]))
	if size < tpktHeader || size > maxHead {
		return 0, done
	}
	if len(data) < size {
		return 0, goOn
	}
	_, blocks, ok := bytes.Cut(data[:size], []byte("McDn"))
	if !ok {
		return size, goOn
	}
	if len(blocks) > 2 {
		blocks = blocks[1+int(blocks[0]>>7):] // a PER length of one or two bytes
	}
	for range 16 {
		if len(blocks) < 4 {
			break
		}
		kind, n := binary.LittleEndian.Uint16(blocks), int(binary.LittleEndian.Uint16(blocks[2:]))
		if n < 4 || n > len(blocks) {
			break
		}
		if kind == 0x0c02 && n >= 12 { // SC_SECURITY
			if method, level := binary.LittleEndian.Uint32(blocks[4:]), binary.LittleEndian.Uint32(blocks[8:]); method != 0 && level >= 2 {
				c.encrypted("standard RDP encryption")
			}
			break
		}
		blocks = blocks[n:]
	}
	return 0, done
}
