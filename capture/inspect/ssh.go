package inspect

import (
	"bytes"
	"encoding/binary"
	"strings"

	"golang.org/x/crypto/cryptobyte"

	"pcapaudit/capture/flow"
)

// Limits and message numbers of RFC 4253: sections 4.2, 6.1 and 12.
const (
	sshMaxBanner  = 255     // bytes of an identification
	sshMaxBefore  = 4 << 10 // bytes of lines before the server's identification
	sshMaxPacket  = 35_000  // length that every implementation takes
	sshMaxList    = 2 << 10 // bytes of a list of algorithms
	sshKexInit    = 20
	sshNewKeys    = 21
	sshCookieSize = 16
)

func sshFirst(_ *conversation, _ int, data []byte) answer {
	for _, version := range []string{"SSH-2.0-", "SSH-1."} {
		n := min(len(data), len(version))
		if string(data[:n]) != version[:n] {
			continue
		}
		if n < len(version) {
			return more
		}
		return yes
	}
	return no
}

// sshDialogue reads identifications and the packets in clear behind them, until new keys are taken into use (RFC 4253, section 7.3).
type sshDialogue struct {
	lines
	sides [2]sshSide
	noted string // the last note
	old   bool   // a side has version 1
}

type sshSide struct {
	identified bool
	before     int    // bytes before the identification
	kex        string // offered algorithms, with commas between; "" until they are seen
	ciphers    [2]string
}

func (d *sshDialogue) read(c *conversation, from int, data []byte) (int, step) {
	if !d.sides[from].identified {
		return d.identify(c, from, data)
	}
	return d.packet(c, from, data)
}

func (d *sshDialogue) identify(c *conversation, from int, data []byte) (int, step) {
	s := &d.sides[from]
	line, used := d.next(from, data)
	s.before += used
	switch {
	case used == 0:
		return 0, goOn
	case s.before > sshMaxBefore:
		return used, done
	case !bytes.HasPrefix(line, []byte("SSH-")):
		return used, goOn
	case len(line) > sshMaxBanner:
		return used, done
	}
	s.identified = true
	switch {
	case bytes.HasPrefix(line, []byte("SSH-1.99-")):
		d.note(c, "SSH 1.99: version 1 is accepted beside version 2")
	case bytes.HasPrefix(line, []byte("SSH-1.")):
		d.note(c, "SSH version 1")
		d.old = true
	case !bytes.HasPrefix(line, []byte("SSH-2.0-")):
		return used, done
	}
	if d.old && d.sides[from^1].identified {
		return used, done
	}
	return used, goOn
}

// packet reads one binary packet (RFC 4253, section 6) that is not encrypted.
func (d *sshDialogue) packet(c *conversation, from int, data []byte) (int, step) {
	if d.old {
		return len(data), goOn // another binary protocol, or version 2 if both know it: only the other identification matters
	}
	if len(data) < 6 {
		return 0, goOn
	}
	length := binary.BigEndian.Uint32(data)
	if length < 2 || length > sshMaxPacket || uint32(data[4]) > length-2 {
		return 0, done
	}
	used := 4 + int(length)
	switch data[5] {
	case sshNewKeys:
		d.newKeys(c, from)
		return used, done
	case sshKexInit:
		if len(data) < min(used, maxHead) {
			return 0, goOn
		}
		end := min(used-int(data[4]), len(data))
		if !d.sides[from].offer(c, data[6:max(end, 6)]) {
			return used, done
		}
	}
	return used, goOn
}

// offer reads SSH_MSG_KEXINIT (RFC 4253, section 7.1).
func (s *sshSide) offer(c *conversation, b []byte) bool {
	r := cryptobyte.String(b)
	var hostKey string
	if !r.Skip(sshCookieSize) {
		return false
	}
	for _, list := range [...]*string{&s.kex, &hostKey, &s.ciphers[0], &s.ciphers[1]} {
		var n uint32
		var names []byte
		if !r.ReadUint32(&n) || n == 0 || n > sshMaxList || !r.ReadBytes(&names, int(n)) || !c.keep(int(n)-len(*list)) {
			return false
		}
		*list = string(names)
	}
	return true
}

// newKeys tells what the ciphers are that from takes into use: in each direction the first one of the client's that the server has.
func (d *sshDialogue) newKeys(c *conversation, from int) {
	mine, other := &d.sides[from], &d.sides[from^1]
	if mine.kex == "" {
		return
	}
	if c.orig < 0 || other.kex == "" {
		if !mine.offersNone() || other.kex != "" && !other.offersNone() {
			c.encrypted("SSH 2.0")
		}
		return
	}
	client, server := &d.sides[c.orig], &d.sides[c.orig^1]
	for i := range client.ciphers {
		switch cipher := agreed(client.ciphers[i], server.ciphers[i]); cipher {
		case "":
			return
		case "none":
			c.clear("SSH without encryption")
			return
		case "arcfour", "arcfour128", "arcfour256", "des-cbc", "3des-cbc", "blowfish-cbc", "cast128-cbc":
			d.note(c, "weak SSH cipher "+cipher)
		}
	}
	if kex := agreed(client.kex, server.kex); kex == "diffie-hellman-group1-sha1" {
		d.note(c, "weak SSH key exchange "+kex)
	}
	c.encrypted("SSH 2.0")
}

func (s *sshSide) offersNone() bool {
	return lists(s.ciphers[0], "none") || lists(s.ciphers[1], "none")
}

func agreed(client, server string) string {
	for name := range strings.SplitSeq(client, ",") {
		if lists(server, name) {
			return name
		}
	}
	return ""
}

// lists says whether a name is in a list with commas.
func lists(list, name string) bool {
	for s := range strings.SplitSeq(list, ",") {
		if s == name {
			return true
		}
	}
	return false
}

// note tells what holds for both sides once.
func (d *sshDialogue) note(c *conversation, text string) {
	if d.noted != text {
		d.noted = text
		c.tell(flow.FactNote, text)
	}
}
