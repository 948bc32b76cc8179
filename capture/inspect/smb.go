package inspect

import (
	"bytes"
	"encoding/binary"

	"pcapaudit/capture/flow"
)

const (
	maxSMB      = 4096 // messages of a connection that are read
	maxSMBAfter = 256  // messages behind the first encrypted one: another share may not be
	maxSMBLook  = 2048 // bytes of a message that are read
	maxSMBChain = 8    // messages in one
	maxTrees    = 32   // tree connects that are remembered
)

// The first four bytes of messages ([MS-SMB], section 2.2.3.1; [MS-SMB2], sections 2.2.1, 2.2.41 and 2.2.42).
const (
	smbPlain1     = "\xffSMB"
	smbPlain2     = "\xfeSMB"
	smbTransform  = "\xfdSMB"
	smbCompressed = "\xfcSMB"
)

// smb follows an SMB connection, direct or in a NetBIOS session, until it is clear whether content is encrypted.
//
// Encryption may be switched on for a server, a session or a share, so a plain message alone tells little: where a share is encrypted, the
// tree connect and the calls to IPC$ before it may be plain. It counts as clear
//   - with SMB 1, and where the negotiated dialect or the server cannot encrypt, any message behind negotiation and session setup;
//   - else a plain message with content (create, read, write, query ...) on a share of disk or printer whose tree connect did not ask for encryption;
//   - and plain calls to named pipes, or to a share whose tree connect was not seen, only if the connection ends without an encrypted message, and no bytes are missing.
type smb struct {
	dialect   uint16 // of SMB 2 and 3; 0: not known
	plainOnly bool   // the negotiation left no way to encrypt
	session   bool   // the whole session is to be encrypted
	trees     []smbTree
	messages  int
	limit     int
	content   packet // the first plain content that alone does not tell
	one       bool
}

type smbTree struct {
	id       uint32
	data     bool // disk or printer
	encrypts bool
}

func newSMB() dialogue { return &smb{limit: maxSMB} }

// smbFirst recognises a first message of direct SMB whose protocol is name.
func smbFirst(name string) func(*conversation, int, []byte) answer {
	return func(_ *conversation, _ int, data []byte) answer {
		is, found := smbProtocol(data)
		if is == yes && found != name {
			return no
		}
		return is
	}
}

// smbProtocol tells the protocol of a session packet with a message: smb1, smb2 or smb3. The negotiation of SMB 2 may begin with a message of SMB 1.
func smbProtocol(data []byte) (is answer, name string) {
	if data[0] != sessionMessage {
		return no, ""
	}
	if len(data) < sessionHeader+4 {
		return more, ""
	}
	m := data[sessionHeader:]
	length := sessionLength(data)
	need, name := 0, ""
	switch string(m[:4]) {
	case smbPlain1:
		need, name = 33, "smb1"
	case smbPlain2:
		need, name = 64, "smb2"
	case smbTransform:
		need, name = 52, "smb3"
	}
	if name == "" || length < need {
		return no, ""
	}
	if len(m) < need {
		return more, ""
	}
	if name == "smb2" && (binary.LittleEndian.Uint16(m[4:]) != 64 || binary.LittleEndian.Uint16(m[12:]) > 18) ||
		name == "smb3" && binary.LittleEndian.Uint16(m[42:]) != 1 {
		return no, ""
	}
	if name == "smb1" && m[4] == smb1Negotiate {
		if whole := min(length, maxFirst-sessionHeader); len(m) < whole {
			return more, ""
		}
		if bytes.Contains(m[32:], []byte("\x02SMB 2.")) {
			name = "smb2"
		}
	}
	return yes, name
}

func sessionLength(data []byte) int { return int(binary.BigEndian.Uint32(data) & 0xffffff) }

func (d *smb) read(c *conversation, from int, data []byte) (used int, next step) {
	if len(data) < sessionHeader {
		return 0, goOn
	}
	switch kind := data[0]; {
	case kind >= sessionRequest && kind <= sessionKeepalive:
		return sessionHeader + int(binary.BigEndian.Uint16(data[2:])), goOn
	case kind != sessionMessage:
		return 0, done
	}
	size := sessionLength(data)
	look := min(size, maxSMBLook)
	if len(data) < sessionHeader+look {
		return 0, goOn
	}
	if d.messages++; d.messages > d.limit || !d.message(c, data[:sessionHeader+look]) {
		return 0, done
	}
	return sessionHeader + size, goOn
}

// end tells plain content that could have been the prelude of encryption, once none came.
func (d *smb) end(c *conversation) {
	if d.content.num == 0 || c.gap || c.has(flow.FactEncrypted) {
		return
	}
	c.packet = d.content
	c.clear(d.words() + " named pipe or file access in clear")
}

// message reads a session packet as far as it was asked for; false where there is nothing more to tell.
func (d *smb) message(c *conversation, data []byte) bool {
	m := data[sessionHeader:]
	if len(m) < 4 {
		return len(m) == 0
	}
	switch string(m[:4]) {
	case smbPlain1:
		return d.message1(c, data)
	case smbPlain2:
		return d.message2(c, m)
	case smbTransform:
		d.version(c, 0x0300)
		c.encrypted(d.words() + " encryption")
		d.limit = min(d.limit, d.messages+maxSMBAfter)
		return !d.session
	case smbCompressed:
		d.version(c, 0x0300)
		d.unsure(c)
		return true
	}
	return false
}

// unsure notes plain content that may be the prelude of encryption.
func (d *smb) unsure(c *conversation) {
	if d.content.num == 0 {
		d.content = c.packet
	}
}

// version tells the protocol by the dialect that was chosen, or by a message that only dialects from a certain one on have.
func (d *smb) version(c *conversation, dialect uint16) {
	name := "smb2"
	if max(d.dialect, dialect) >= 0x0300 {
		name = "smb3"
	}
	c.protocol(name)
}

// words is the dialect for readers: "SMB 3.1.1", or "SMB" where the negotiation was not seen.
func (d *smb) words() string {
	if w, ok := smbDialects[d.dialect]; ok {
		return w
	}
	return "SMB"
}

var smbDialects = map[uint16]string{0x0202: "SMB 2.0.2", 0x0210: "SMB 2.1", 0x0300: "SMB 3.0", 0x0302: "SMB 3.0.2", 0x0311: "SMB 3.1.1"}
