package inspect

import (
	"encoding/binary"

	"pcapaudit/capture/flow"
)

// Kinds of packets ([MS-TDS], section 2.2.3.1.1).
const (
	tdsHeader   = 8
	tdsBatch    = 0x01
	tdsCall     = 0x03
	tdsAnswer   = 0x04
	tdsBulk     = 0x07
	tdsTransact = 0x0e
	tdsLogin    = 0x10
	tdsPrelogin = 0x12
	maxTDS      = 256 // packets of a connection that are read
	encryptOff  = 0   // ENCRYPTION of a prelogin (section 2.2.6.5): the login only
	encryptNone = 2
)

// tdsFirst recognises a prelogin, or a login of TDS 7 without one.
func tdsFirst(_ *conversation, _ int, data []byte) answer {
	kind := data[0]
	if kind != tdsPrelogin && kind != tdsLogin {
		return no
	}
	if len(data) >= 2 && data[1] > 1 || len(data) >= tdsHeader && (data[7] != 0 || data[4] != 0 || data[5] != 0) {
		return no
	}
	if len(data) < tdsHeader+16 {
		return more
	}
	size, body := int(binary.BigEndian.Uint16(data[2:])), data[tdsHeader:]
	if size < tdsHeader+16 {
		return no
	}
	if kind == tdsLogin {
		if length := int(binary.LittleEndian.Uint32(body)); (length == size-tdsHeader || data[1] == 0 && length > size-tdsHeader) && body[7] >= 0x70 && body[7] <= 0x74 {
			return yes
		}
		return no
	}
	// the first option is always the version, of six bytes, behind the options
	at := int(binary.BigEndian.Uint16(body[1:]))
	if body[0] != 0 || binary.BigEndian.Uint16(body[3:]) != 6 || at < 6 || at > size-tdsHeader-6 || at%5 != 1 || body[5] > 8 && body[5] != 0xff {
		return no
	}
	return yes
}

// tdsEncryption is the option ENCRYPTION of a prelogin.
func tdsEncryption(body []byte) (value byte, ok bool) {
	for at := 0; at+5 <= len(body) && body[at] != 0xff; at += 5 {
		if body[at] != 1 {
			continue
		}
		offset := int(binary.BigEndian.Uint16(body[at+1:]))
		if offset >= len(body) {
			return 0, false
		}
		return body[offset] &^ 0x80, true // 0x80: the client has a certificate
	}
	return 0, false
}

// tds follows a connection until it tells what is encrypted: all, the login only, or nothing. The handshake of TLS stands in packets of
// the kind prelogin, its later records stand by themselves (section 3.2.5.1).
type tds struct {
	packets int
	sides   [2]tdsSide
	tls     *tlsTalk // of the records; nil before the first one, and once it has told all
	secure  bool     // TLS has begun
	part    bool     // only the login is encrypted
}

type tdsSide struct {
	seen    bool   // a packet
	record  int    // bytes of a record that are to come
	skip    int    // bytes of records that nobody wants
	records []byte // not used up
}

func newTDS() dialogue { return new(tds) }

func (d *tds) read(c *conversation, from int, data []byte) (used int, next step) {
	s := &d.sides[from]
	if s.record > 0 {
		n := min(s.record, len(data))
		s.record -= n
		return n, d.records(c, from, data[:n])
	}
	if d.secure && data[0] >= 0x14 && data[0] <= 0x17 {
		if len(data) < 5 {
			return 0, goOn
		}
		if data[1] != 3 {
			return 0, done
		}
		s.record = 5 + int(binary.BigEndian.Uint16(data[3:]))
		return d.read(c, from, data)
	}
	if len(data) < tdsHeader {
		return 0, goOn
	}
	size := int(binary.BigEndian.Uint16(data[2:]))
	if d.packets >= maxTDS || size < tdsHeader || size > maxHead {
		return 0, done
	}
	if len(data) < size {
		return 0, goOn
	}
	d.packets++
	return size, d.packet(c, from, data[0], data[tdsHeader:size])
}

// packet reads one packet.
func (d *tds) packet(c *conversation, from int, kind byte, body []byte) step {
	first := !d.sides[from].seen
	d.sides[from].seen = true
	wrapped := len(body) >= 2 && body[0] >= 0x14 && body[0] <= 0x17 && body[1] == 3
	switch {
	case first && kind == tdsAnswer:
		d.settled(c, body)
	case !first && kind == tdsPrelogin && (wrapped || d.secure), d.secure && kind == tdsAnswer && wrapped:
		return d.records(c, from, body)
	case kind == tdsLogin:
		c.clear("TDS login in clear")
		return done
	case kind == tdsBatch:
		c.clear("SQL batch in clear")
		return done
	case kind == tdsCall, kind == tdsBulk, kind == tdsTransact:
		c.clear("SQL call in clear")
		return done
	}
	return goOn
}

// settled takes the server's answer to a prelogin.
func (d *tds) settled(c *conversation, body []byte) {
	value, ok := tdsEncryption(body)
	switch {
	case !ok:
	case value == encryptOff:
		d.part = true
		c.tell(flow.FactNote, "TDS encrypts the login only")
	case value == encryptNone:
		c.tell(flow.FactNote, "TDS does not encrypt")
	}
}

// records gives records to TLS. Where all is encrypted, the connection has told all when TLS has.
func (d *tds) records(c *conversation, from int, data []byte) step {
	if !d.secure {
		d.secure = true
		d.tls = &tlsTalk{handshake: handshake{client: -1, passing: d.part}}
		c.protocol("tls")
	}
	s := &d.sides[from]
	n := min(s.skip, len(data))
	s.skip -= n
	data = data[n:]
	if d.tls == nil {
		return goOn
	}
	if !c.keep(len(data)) {
		d.forget(c)
		return done
	}
	for s.records = append(s.records, data...); len(s.records) > 0; {
		used, next := d.tls.read(c, from, s.records)
		if next != goOn || len(s.records) > maxHead {
			d.forget(c)
			if d.part {
				return goOn
			}
			return done
		}
		if used == 0 {
			break
		}
		s.skip = max(used-len(s.records), 0)
		n := min(used, len(s.records))
		s.records = s.records[:copy(s.records, s.records[n:])]
		c.keep(-n)
	}
	return goOn
}

// end tells what only the end decides of TLS.
func (d *tds) end(c *conversation) {
	if d.tls != nil {
		d.tls.end(c)
	}
}

// forget lets TLS go.
func (d *tds) forget(c *conversation) {
	d.tls = nil
	for i := range d.sides {
		c.keep(-len(d.sides[i].records))
		d.sides[i].records = nil
	}
}
