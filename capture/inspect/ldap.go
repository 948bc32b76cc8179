package inspect

import (
	"bytes"
	"encoding/binary"

	"pcapaudit/capture/flow"
)

// Operations of LDAP messages (RFC 4511, section 4.2 on).
const (
	ldapBind           = 0x60
	ldapBindAnswer     = 0x61
	ldapUnbind         = 0x42
	ldapSearch         = 0x63
	ldapEntry          = 0x64
	ldapSearchDone     = 0x65
	ldapAbandon        = 0x50
	ldapExtended       = 0x77
	ldapExtendedAnswer = 0x78
)

const (
	maxLDAP     = 256 // messages of a connection that are read
	maxLDAPLook = 2048
	startTLS    = "1.3.6.1.4.1.1466.20037" // RFC 4511, section 4.14.1
)

// ldapMessage is the head of a message.
type ldapMessage struct {
	size int // bytes, whether they are there or not
	id   uint32
	op   byte
	body []byte // contents of the operation, as far as they are there
}

// ldapHead reads the head of a message: a sequence of a number, an operation, and controls.
func ldapHead(data []byte) (m ldapMessage, is answer) {
	if data[0] != 0x30 {
		return m, no
	}
	e, is := berHead(data)
	if is != yes {
		return m, is
	}
	if e.length < 5 {
		return m, no
	}
	m.size = e.size()
	rest := data[e.head:min(m.size, len(data))]
	if len(rest) < min(e.length, 12) {
		if len(rest) > 0 && rest[0] != 2 {
			return m, no
		}
		return m, more
	}
	var ok bool
	if m.id, rest, ok = berNumber(rest, 2); !ok {
		return m, no
	}
	op, is := berHead(rest)
	if is != yes || data[e.head+1]+2 > 6 || !ldapOperation(op.tag) || op.size() > m.size-e.head-2-int(data[e.head+1]) {
		return m, no
	}
	m.op = op.tag
	m.body = rest[op.head:min(op.size(), len(rest))]
	if version, _, ok := berNumber(m.body, 2); m.op == ldapBind && (!ok || version < 1 || version > 3) {
		return m, no
	}
	return m, yes
}

// ldapOperation knows the tags of operations; 0x79 is an intermediate response (RFC 4511, section 4.13).
func ldapOperation(tag byte) bool {
	return tag >= 0x60 && tag <= 0x69 || tag >= 0x6b && tag <= 0x6f || tag == 0x73 || tag >= 0x77 && tag <= 0x79 ||
		tag == ldapUnbind || tag == 0x4a || tag == ldapAbandon
}

func ldapFirst(_ *conversation, _ int, data []byte) answer {
	_, is := ldapHead(data)
	return is
}

// ldapDatagram recognises LDAP without connection ([MS-ADTS], section 6.3.3): searches and their answers.
func ldapDatagram(c *conversation, _ int, data []byte) answer {
	if len(data) == 0 {
		return no
	}
	m, is := ldapHead(data)
	if is != yes || m.size > len(data) || m.size < len(data) && data[m.size] != 0x30 {
		return no
	}
	switch m.op {
	case ldapSearch, ldapEntry, ldapSearchDone:
		c.protocol("ldap")
		c.clear("LDAP request in clear")
		return yes
	case ldapAbandon:
		return yes
	}
	return no
}

// ldap follows a connection until it tells whether it is protected: by TLS, by a security layer of SASL, or not.
type ldap struct {
	messages int
	last     uint32 // number of the last request
	upgrade  uint32 // of the request for TLS
	waits    bool   // an answer waits for its request
}

func newLDAP() dialogue { return new(ldap) }

func (d *ldap) read(c *conversation, from int, data []byte) (used int, next step) {
	if data[0] == 0 {
		return d.wrapped(c, data)
	}
	m, is := ldapHead(data)
	switch {
	case is == more || is == yes && len(data) < min(m.size, maxLDAPLook):
		return 0, goOn
	case is == no || d.messages >= maxLDAP:
		return 0, done
	}
	if m.op == ldapBindAnswer || m.op == ldapExtendedAnswer {
		if m.id > d.last && c.orig >= 0 {
			d.waits = true
			return 0, goOn
		}
		if result, _, ok := berNumber(m.body, 10); m.op == ldapExtendedAnswer && m.id == d.upgrade && m.id != 0 && ok && result == 0 {
			return m.size, restart
		}
	}
	d.messages++
	d.request(c, m)
	if c.has(flow.FactCleartext) {
		return 0, done
	}
	return m.size, goOn
}

// request looks at what the message asks for. A search for the root of the directory (RFC 4512, section 5.1) is how a client learns which
// protection there is: it is no content.
func (d *ldap) request(c *conversation, m ldapMessage) {
	switch m.op {
	case ldapBind:
		_, rest, _ := berNumber(m.body, 2)
		_, rest, _ = berTake(rest, 4)
		if password, _, ok := berTake(rest, 0x80); ok && len(password) > 0 {
			c.clear("LDAP simple bind in clear")
		}
	case ldapExtended:
		if name, _, ok := berTake(m.body, 0x80); ok && string(name) == startTLS {
			d.upgrade = m.id
		}
	case ldapSearch:
		base, rest, _ := berTake(m.body, 4)
		if scope, _, ok := berNumber(rest, 10); !ok || scope != 0 || len(base) > 0 {
			c.clear("LDAP request in clear")
		}
	case 0x66, 0x68, 0x4a, 0x6c, 0x6e: // modify, add, delete, rename, compare
		c.clear("LDAP request in clear")
	}
	switch m.op {
	case ldapBind, ldapExtended:
		d.last = max(d.last, m.id)
		if d.waits {
			d.waits = false
			c.wake()
		}
	}
}

// wrapped reads a buffer of a SASL security layer (RFC 4422, section 3.7): a length of four bytes and a token of the mechanism. A first
// token tells whether it is sealed or only signed; what is signed begins with a message in plain.
func (d *ldap) wrapped(c *conversation, data []byte) (used int, next step) {
	if len(data) < 4 {
		return 0, goOn
	}
	size := int(binary.BigEndian.Uint32(data))
	if size > 1<<24 {
		return 0, done
	}
	if len(data) < 4+min(size, 96) {
		return 0, goOn
	}
	switch token := data[4:min(4+size, len(data))]; tokenSealed(token) {
	case yes:
		c.encrypted("LDAP SASL sealing")
	case no:
		c.clear("LDAP request in clear")
	}
	return 0, done
}

// tokenSealed tells whether a token's message is encrypted: yes, no, or more where it does not tell. Kerberos: RFC 4121, section 4.2.6.2,
// and RFC 1964, section 1.2.2. NTLM: [MS-NLMP], section 2.2.2.9; its signature does not say, but a message of LDAP behind it does.
func tokenSealed(token []byte) answer {
	if len(token) >= 16 && token[0] == 5 && token[1] == 4 {
		if token[2]&2 != 0 {
			return yes
		}
		return no
	}
	if len(token) >= 32 && token[0] == 0x60 {
		_, inner, _ := bytes.Cut(token[:32], []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02})
		switch {
		case len(inner) < 6 || inner[0] != 2 || inner[1] != 1:
			return more
		case inner[4] == 0xff && inner[5] == 0xff:
			return no
		}
		return yes
	}
	if len(token) > 16+12 && binary.LittleEndian.Uint32(token) == 1 {
		if _, is := ldapHead(token[16:]); is == yes {
			return no
		}
		return yes
	}
	return more
}
