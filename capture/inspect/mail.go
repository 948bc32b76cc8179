package inspect

import (
	"bytes"
)

// asker says whether a side can be the one that sends commands: in all text protocols here it opens the connection.
func (c *conversation) asker(side int) bool { return c.orig < 0 || c.orig == side }

// heard gives what the other side has said so far and nobody has read.
func (c *conversation) heard(side int) []byte { return c.sides[side^1].buf() }

// smtpFirst takes a command that only SMTP has, or a greeting with an answer behind it that no FTP server gives. A greeting alone is
// that of either.
func smtpFirst(c *conversation, from int, data []byte) answer {
	line, a := firstLine(data)
	if a != yes {
		return a
	}
	verb, rest := word(line)
	if oneOf(verb, "EHLO", "HELO", "LHLO") && len(rest) > 0 || begins(line, "MAIL FROM:<") || begins(line, "RCPT TO:<") {
		if c.asker(from) {
			return yes
		}
		return no
	}
	return greeted(c, from, data, 250, 354)
}

// greeted judges a server's greeting 220 by the answer that follows it, where nothing was heard of the client.
func greeted(c *conversation, from int, data []byte, codes ...int) answer {
	data = data[:min(len(data), maxFirst)]
	if c.orig == from || !bytes.HasPrefix(data, []byte("220")) {
		return no
	}
	if len(c.heard(from)) > 0 {
		return more
	}
	var r replies
	for n := 0; ; {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole {
			return more
		}
		data = rest
		code := r.end(bytes.TrimSuffix(line, []byte("\r")))
		if code == 0 {
			continue
		}
		if n++; n == 1 {
			continue
		}
		for _, want := range codes {
			if code == want {
				return yes
			}
		}
		return no
	}
}

// smtpDialogue follows RFC 5321 up to a login, a mail or STARTTLS (RFC 3207).
type smtpDialogue struct {
	exchange
	replies
	starting bool // STARTTLS was sent
}

func (d *smtpDialogue) read(c *conversation, from int, data []byte) (int, step) {
	asks := d.asks(c, from, data, digits)
	if asks && d.starting {
		return 0, goOn
	}
	line, used := d.next(from, data)
	if line == nil {
		return used, goOn
	}
	if !asks {
		return used, d.answer(c, line)
	}
	verb, rest := word(line)
	d.open++
	switch {
	case is(verb, "STARTTLS"):
		d.starting = true
		c.wake()
	case is(verb, "AUTH") && len(rest) > 0:
		c.clear("SMTP login in clear")
		return used, done
	case oneOf(verb, "MAIL", "RCPT", "DATA", "BDAT"):
		c.clear("SMTP mail in clear")
		return used, done
	case is(verb, "QUIT"):
		return used, done
	}
	return used, goOn
}

func (d *smtpDialogue) answer(c *conversation, line []byte) step {
	code := d.end(line)
	if code == 0 || !d.answers() {
		return goOn
	}
	switch {
	case d.starting && d.open <= 0 && code == 220:
		return restart
	case d.starting && d.open <= 0:
		d.starting = false
		c.wake()
	case code == 235:
		c.clear("SMTP login in clear")
		return done
	case code == 354:
		c.clear("SMTP mail in clear")
		return done
	}
	return goOn
}

// imapFirst takes a greeting that names the protocol, or stands on its port, and a tagged command that only IMAP has behind a greeting.
func imapFirst(c *conversation, from int, data []byte) answer {
	line, a := firstLine(data)
	if a != yes {
		return a
	}
	if begins(line, "* OK") || begins(line, "* PREAUTH") || begins(line, "* BYE") {
		switch {
		case c.orig == from:
			return no
		case bytes.Contains(bytes.ToUpper(line), []byte("IMAP")), c.onPort(143):
			return yes
		}
		return no
	}
	tag, rest := word(line)
	verb, _ := word(rest)
	if c.asker(from) && imapTag(tag) && oneOf(verb, "CAPABILITY", "STARTTLS", "LOGIN", "AUTHENTICATE", "NOOP", "ID", "LOGOUT") &&
		(bytes.HasPrefix(c.heard(from), []byte("* ")) || c.onPort(143)) {
		return yes
	}
	return no
}

// imapTag says whether b is a tag: RFC 9051, section 9.
func imapTag(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte("(){%*\"\\+"), c) >= 0 {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 32
}

// imapDialogue follows RFC 9051 up to a login, a mailbox or STARTTLS.
type imapDialogue struct {
	exchange
	starting string // the tag of STARTTLS
}

func (d *imapDialogue) read(c *conversation, from int, data []byte) (int, step) {
	asks := d.asks(c, from, data, "*")
	if asks && d.starting != "" {
		return 0, goOn
	}
	line, used := d.next(from, data)
	if line == nil {
		return used, goOn
	}
	tag, rest := word(line)
	verb, _ := word(rest)
	switch {
	case !asks && d.starting != "" && string(tag) == d.starting && is(verb, "OK"):
		return used, restart
	case !asks && d.starting != "" && string(tag) == d.starting:
		d.starting = ""
		c.wake()
	case !asks:
	case is(verb, "STARTTLS") && imapTag(tag):
		d.starting = string(tag)
		c.wake()
	case oneOf(verb, "LOGIN", "AUTHENTICATE"):
		c.clear("IMAP login in clear")
		return used, done
	case oneOf(verb, "SELECT", "EXAMINE", "LIST", "LSUB", "STATUS", "APPEND", "FETCH", "UID"):
		c.clear("IMAP mail in clear")
		return used, done
	case is(verb, "LOGOUT"):
		return used, done
	}
	return used, goOn
}

// pop3First takes a greeting that names the protocol, or stands on its port, and a command behind a greeting.
func pop3First(c *conversation, from int, data []byte) answer {
	line, a := firstLine(data)
	if a != yes {
		return a
	}
	if begins(line, "+OK ") || is(line, "+OK") {
		switch {
		case c.orig == from:
			return no
		case bytes.Contains(bytes.ToUpper(line), []byte("POP3")), c.onPort(110):
			return yes
		}
		return no
	}
	verb, _ := word(line)
	if c.asker(from) && oneOf(verb, "CAPA", "STLS", "USER", "APOP", "AUTH") && (bytes.HasPrefix(c.heard(from), []byte("+OK")) || c.onPort(110)) {
		return yes
	}
	return no
}

// pop3Dialogue follows RFC 1939 up to a login or STLS (RFC 2595).
type pop3Dialogue struct {
	exchange
	starting bool // STLS was sent
}

func (d *pop3Dialogue) read(c *conversation, from int, data []byte) (int, step) {
	asks := d.asks(c, from, data, "+-")
	if asks && d.starting {
		return 0, goOn
	}
	line, used := d.next(from, data)
	if line == nil {
		return used, goOn
	}
	verb, rest := word(line)
	if !asks {
		return used, d.answer(c, verb)
	}
	d.open++
	switch {
	case is(verb, "STLS"):
		d.starting = true
		c.wake()
	case oneOf(verb, "USER", "PASS", "APOP"), is(verb, "AUTH") && len(rest) > 0:
		c.clear("POP3 login in clear")
		return used, done
	case oneOf(verb, "STAT", "LIST", "RETR", "TOP", "UIDL"):
		c.clear("POP3 mail in clear")
		return used, done
	case is(verb, "QUIT"):
		return used, done
	}
	return used, goOn
}

func (d *pop3Dialogue) answer(c *conversation, verb []byte) step {
	accepted := is(verb, "+OK")
	if !accepted && !is(verb, "-ERR") || !d.answers() {
		return goOn
	}
	switch {
	case d.starting && d.open <= 0 && accepted:
		return restart
	case d.starting && d.open <= 0:
		d.starting = false
		c.wake()
	}
	return goOn
}
