package inspect

import (
	"encoding/binary"

	"pcapaudit/capture/flow"
)

// Commands of SMB 1 ([MS-CIFS], section 2.2.2.1).
const (
	smb1Echo         = 0x2b
	smb1Negotiate    = 0x72
	smb1SessionSetup = 0x73
	smb1Logoff       = 0x74
)

// message1 reads a message of SMB 1, in its session packet.
func (d *smb) message1(c *conversation, data []byte) bool {
	m := data[sessionHeader:]
	if len(m) < 33 {
		return false
	}
	response := m[9]&0x80 != 0
	switch command := m[4]; command {
	case smb1Negotiate:
		if is, name := smbProtocol(data); is == yes && name == "smb2" && !response {
			c.protocol("smb2")
			return true
		}
		c.protocol("smb1")
		if response && len(m) >= 36 && m[32] > 0 && binary.LittleEndian.Uint16(m[33:]) != 0xffff {
			d.inUse(c)
			if m[32] >= 13 {
				signing(c, m[35]&0x08 != 0)
			}
		}
		return true
	case smb1SessionSetup, smb1Logoff, smb1Echo:
		c.protocol("smb1")
		d.inUse(c)
		return true
	default:
		c.protocol("smb1")
		d.inUse(c)
		c.clear("SMB 1 request in clear")
		return false
	}
}

func (d *smb) inUse(c *conversation) {
	if !d.one {
		d.one = true
		c.tell(flow.FactNote, "SMB1 in use")
	}
}

func signing(c *conversation, required bool) {
	if required {
		c.tell(flow.FactNote, "SMB signing required")
	} else {
		c.tell(flow.FactNote, "SMB signing not required")
	}
}

// Commands and flags of SMB 2 and 3 ([MS-SMB2], section 2.2.1.2).
const (
	smb2Header       = 64
	smb2Negotiate    = 0
	smb2SessionSetup = 1
	smb2TreeConnect  = 3
	smb2Create       = 5
	smb2IOCtl        = 11
	smb2Cancel       = 12
	smb2Echo         = 13
	smb2SetInfo      = 17

	smb2Response   = 0x01
	smb2PipeWait   = 0x00110018 // FSCTL_PIPE_WAIT
	smb2Transceive = 0x0011c017 // FSCTL_PIPE_TRANSCEIVE
)

// message2 reads a message of SMB 2 or 3, and those chained to it.
func (d *smb) message2(c *conversation, m []byte) bool {
	d.version(c, 0)
	for range maxSMBChain {
		if len(m) < smb2Header {
			return true
		}
		next := binary.LittleEndian.Uint32(m[20:])
		one := m
		if next >= smb2Header && next < uint32(len(m)) {
			one = m[:next]
		}
		if !d.one2(c, one) {
			return false
		}
		if next < smb2Header || next >= uint32(len(m)) {
			return true
		}
		m = m[next:]
	}
	return true
}

// one2 reads one message; false where all is told.
func (d *smb) one2(c *conversation, m []byte) bool {
	command := binary.LittleEndian.Uint16(m[12:])
	body := m[smb2Header:]
	if m[16]&smb2Response != 0 {
		if binary.LittleEndian.Uint32(m[8:]) == 0 {
			d.answer2(c, command, m)
		}
		return true
	}
	switch {
	case command == smb2TreeConnect:
		if d.plainOnly {
			c.clear(d.words() + " tree connect in clear")
		}
	case command < smb2Create || command > smb2SetInfo || command == smb2Cancel || command == smb2Echo:
	case d.plainOnly:
		c.clear(d.words() + " file access in clear")
	default:
		d.content2(c, command, binary.LittleEndian.Uint32(m[36:]), body)
	}
	return !c.has(flow.FactCleartext)
}

// content2 judges a plain request with content, where encryption was possible.
func (d *smb) content2(c *conversation, command uint16, id uint32, body []byte) {
	for _, t := range d.trees {
		if t.id != id {
			continue
		}
		if t.data && !t.encrypts && !d.session {
			c.clear(d.words() + " file access in clear")
			return
		}
	}
	if command == smb2IOCtl {
		if len(body) < 8 {
			return
		}
		if code := binary.LittleEndian.Uint32(body[4:]); code != smb2Transceive && code != smb2PipeWait {
			return // asks for referrals, interfaces or a check of the negotiation
		}
	}
	d.unsure(c)
}

// answer2 reads a successful response.
func (d *smb) answer2(c *conversation, command uint16, m []byte) {
	body := m[smb2Header:]
	switch {
	case command == smb2Negotiate && len(body) >= 64:
		d.negotiated(c, m, body)
	case command == smb2SessionSetup && len(body) >= 4:
		d.session = d.session || body[2]&0x04 != 0 // SMB2_SESSION_FLAG_ENCRYPT_DATA
	case command == smb2TreeConnect && len(body) >= 8:
		t := smbTree{id: binary.LittleEndian.Uint32(m[36:]), data: body[2] != 2, encrypts: binary.LittleEndian.Uint32(body[4:])&0x8000 != 0}
		for i := range d.trees {
			if d.trees[i].id == t.id {
				d.trees[i] = t
				return
			}
		}
		if len(d.trees) < maxTrees {
			d.trees = append(d.trees, t)
		}
	}
}

// negotiated reads the response to a negotiation (section 2.2.4).
func (d *smb) negotiated(c *conversation, m, body []byte) {
	dialect := binary.LittleEndian.Uint16(body[4:])
	name, ok := smbDialects[dialect]
	if !ok || d.dialect != 0 {
		return // 0x02ff: another negotiation follows
	}
	d.dialect = dialect
	d.version(c, dialect)
	c.tell(flow.FactNote, name+" chosen")
	signing(c, body[2]&0x02 != 0)
	switch capabilities := binary.LittleEndian.Uint32(body[24:]); {
	case dialect < 0x0300:
		d.plainOnly = true
	case dialect < 0x0311:
		d.plainOnly = capabilities&0x40 == 0 // SMB2_GLOBAL_CAP_ENCRYPTION
	default:
		d.plainOnly = !choseCipher(m, int(binary.LittleEndian.Uint16(body[6:])), int64(binary.LittleEndian.Uint32(body[60:])))
	}
}

// choseCipher looks for a cipher in the n negotiate contexts from an offset on (section 2.2.4.1). What cannot be read may be one.
func choseCipher(m []byte, n int, at int64) bool {
	for range min(n, 16) {
		if at < smb2Header || at+8 > int64(len(m)) {
			return true
		}
		kind, length := binary.LittleEndian.Uint16(m[at:]), int64(binary.LittleEndian.Uint16(m[at+2:]))
		data := m[at+8:]
		if kind == 2 { // SMB2_ENCRYPTION_CAPABILITIES
			return len(data) < 4 || binary.LittleEndian.Uint16(data[2:]) != 0
		}
		at += (8 + length + 7) &^ 7
	}
	return n > 16
}
