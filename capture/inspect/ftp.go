package inspect

import (
	"bytes"
	"net/netip"
	"time"

	"pcapaudit/capture/flow"
)

// ftpLife is how long an announced port is expected to be used. RFC 959 sets no time; a client opens a passive port as soon as it has
// read the answer, a server an active one after the next command, and servers give up after 30 s (IIS) to 60 s (vsftpd). Twice that
// leaves room for a connection that TCP tries again.
const ftpLife = int64(2 * time.Minute)

// ftpFirst takes a command behind a greeting, a greeting with an answer behind it that only FTP servers give, and on its port the
// commands and answers with which a capture may begin.
func ftpFirst(c *conversation, from int, data []byte) answer {
	line, a := firstLine(data)
	if a != yes {
		return a
	}
	if bytes.HasPrefix(line, []byte("220")) {
		return greeted(c, from, data, 331, 230, 234, 332, 211, 215, 530, 431, 534)
	}
	if code, _, ok := replyLine(line); ok && c.orig < 0 && c.onPort(21) && code >= 120 && code < 600 {
		return yes
	}
	verb, rest := word(plain(line))
	if !c.asker(from) {
		return no
	}
	opening := oneOf(verb, "USER", "AUTH", "FEAT", "HOST", "SYST", "OPTS", "CLNT", "NOOP", "PBSZ", "PROT", "LANG", "SITE")
	if opening && bytes.HasPrefix(c.heard(from), []byte("220")) {
		return yes
	}
	if opening && c.onPort(21) && (c.orig < 0 || len(c.heard(from)) == 0) {
		return yes
	}
	if _, ok := ftpPort(verb, rest); c.orig < 0 && c.onPort(21) && (ok || oneOf(verb, "PASV", "EPSV")) {
		return yes
	}
	return no
}

// asked: PASV or EPSV has no answer yet.
func (d *ftpDialogue) asked() bool { return d.waits }

// plain takes Telnet commands (RFC 854) out of a line: FTP clients send them before ABOR (RFC 959, section 3.4.2).
func plain(line []byte) []byte {
	const iac = 0xff
	if bytes.IndexByte(line, iac) < 0 {
		return line
	}
	out := make([]byte, 0, len(line))
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] != iac:
			out = append(out, line[i])
		case i+1 < len(line) && line[i+1] == iac:
			out = append(out, iac)
			i++
		case i+1 < len(line) && line[i+1] >= 251: // WILL, WONT, DO, DONT and an option
			i += 2
		default:
			i++
		}
	}
	return out
}

// ftpDialogue follows a control connection (RFC 959, RFC 2428, RFC 4217) for its whole life.
type ftpDialogue struct {
	exchange
	replies
	begun    bool
	securing string // the mechanism of an AUTH without an answer
	waits    bool   // a port was asked for, and not answered yet
	foreign  bool   // another address than those of the control connection was noted
}

func (d *ftpDialogue) read(c *conversation, from int, data []byte) (int, step) {
	asks := d.asks(c, from, data, digits)
	if !d.begun {
		d.begun = true
		if c.orig >= 0 {
			c.controls(flow.AnnouncedByFTP, d.client)
		}
	}
	if asks && d.securing != "" {
		return 0, goOn
	}
	line, used := d.next(from, data)
	switch {
	case line == nil:
		return used, goOn
	case asks:
		d.command(c, plain(line))
		return used, goOn
	}
	return used, d.answer(c, line)
}

func (d *ftpDialogue) command(c *conversation, line []byte) {
	verb, rest := word(line)
	d.open++
	switch {
	case oneOf(verb, "USER", "PASS"):
		c.clear("FTP login in clear")
	case is(verb, "AUTH") && len(rest) > 0:
		d.securing = string(rest[:min(len(rest), 16)])
		c.wake()
	case oneOf(verb, "PASV", "EPSV", "LPSV"):
		d.waits = true
	default:
		if to, ok := ftpPort(verb, rest); ok {
			d.active(c, verb, to)
		}
	}
}

func (d *ftpDialogue) answer(c *conversation, line []byte) step {
	if code, last, ok := replyLine(line); ok && last && d.within == 0 {
		d.passive(c, code, line[3:])
	}
	code := d.end(line)
	if code < 200 || !d.answers() {
		return goOn
	}
	d.waits = d.waits && d.open > 0
	how := []byte(d.securing)
	switch {
	case code == 234 && oneOf(how, "TLS", "SSL", "TLS-C", "TLS-P"):
		c.blind()
		return restart
	case code == 235, code == 234 && len(how) > 0:
		c.blind()
		c.tell(flow.FactNote, "FTP commands protected by RFC 2228")
		return done
	case len(how) > 0 && (code == 334 || code >= 400 && d.open <= 0): // goes on with ADAT, or is refused
		d.securing = ""
		c.wake()
	}
	return goOn
}

// ftpPort reads the address of PORT and EPRT: where the client waits for the server.
func ftpPort(verb, rest []byte) (netip.AddrPort, bool) {
	switch {
	case is(verb, "PORT"):
		return sixNumbers(rest)
	case is(verb, "EPRT"):
		return extendedPort(rest)
	}
	return netip.AddrPort{}, false
}

// active announces that the server may connect to where the client said.
func (d *ftpDialogue) active(c *conversation, verb []byte, told netip.AddrPort) {
	what := "active"
	if is(verb, "EPRT") {
		what = "extended active"
	}
	d.announce(c, d.client, told, what)
}

// passive announces that the client may connect to where an answer 227 or 229 says.
func (d *ftpDialogue) passive(c *conversation, code int, text []byte) {
	switch code {
	case 227:
		for i := range text {
			if text[i] >= '0' && text[i] <= '9' && (i == 0 || text[i-1] < '0' || text[i-1] > '9') {
				if told, ok := sixNumbers(text[i:]); ok {
					d.announce(c, d.client^1, told, "passive")
					return
				}
			}
		}
	case 229:
		_, text, _ = bytes.Cut(text, []byte("("))
		if len(text) < 6 || text[0] != text[1] || text[0] != text[2] || text[0] < 33 || text[0] > 126 {
			return
		}
		if port, rest, ok := number(text[3:]); ok && bytes.HasPrefix(rest, []byte{text[0], ')'}) && port <= 65535 {
			d.announce(c, d.client^1, netip.AddrPortFrom(c.addrs[d.client^1], uint16(port)), "extended passive")
		}
	}
}

// announce tells where a side waits for the other one. The address it tells may be another than that of the control connection: behind
// a translation the port is open at the latter, with a cluster or between two servers at the former, so both are told. A foreign
// address with a port of a service is the attack of RFC 2577, section 3, and tells nothing.
func (d *ftpDialogue) announce(c *conversation, side int, told netip.AddrPort, what string) {
	own := c.addrs[side]
	a := flow.Announcement{By: flow.AnnouncedByFTP, Until: c.packet.at + ftpLife, Peer: c.addrs[side^1], Proto: flow.TCP, What: what}
	if told.Port() == 0 {
		return
	}
	if told.Addr() != own.Unmap() && !told.Addr().IsUnspecified() {
		if !d.foreign {
			d.foreign = true
			c.tell(flow.FactNote, "FTP data address is not that of the control connection")
		}
		if told.Port() < 1024 {
			return
		}
		a.To = told
		c.announce(d.client, a)
	}
	a.To = netip.AddrPortFrom(own, told.Port())
	c.announce(d.client, a)
}

// sixNumbers reads "h1,h2,h3,h4,p1,p2" at the beginning of b: RFC 959, section 4.1.2.
func sixNumbers(b []byte) (netip.AddrPort, bool) {
	var six [6]byte
	for i := range six {
		n, rest, ok := number(b)
		if !ok || n > 255 || i < 5 && (len(rest) == 0 || rest[0] != ',') {
			return netip.AddrPort{}, false
		}
		six[i] = byte(n)
		b = rest
		if i < 5 {
			b = rest[1:]
		}
	}
	if len(b) > 0 && (b[0] == ',' || b[0] >= '0' && b[0] <= '9') {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(six[:4])), uint16(six[4])<<8|uint16(six[5])), true
}

// extendedPort reads "|1|192.0.2.1|6275|" with any delimiter: RFC 2428, section 2.
func extendedPort(b []byte) (netip.AddrPort, bool) {
	if len(b) == 0 || b[0] < 33 || b[0] > 126 {
		return netip.AddrPort{}, false
	}
	parts := bytes.SplitN(b[1:], b[:1], 4)
	if len(parts) < 4 {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(string(parts[1][:min(len(parts[1]), 64)]))
	port, rest, ok := number(parts[2])
	family := is(parts[0], "1") && addr.Is4() || is(parts[0], "2") && addr.Is6()
	if err != nil || !ok || len(rest) > 0 || port > 65535 || !family || addr.Zone() != "" {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), true
}
