package inspect

import "bytes"

// syslogFirst takes messages that end with a line feed, and ones with their length before them: RFC 6587, section 3.4.
func syslogFirst(c *conversation, _ int, data []byte) answer {
	if data[0] >= '1' && data[0] <= '9' {
		n, rest, _ := number(data[:min(len(data), 6)])
		if len(rest) == 0 && len(data) < 6 {
			return more
		}
		if len(rest) == 0 || rest[0] != ' ' || n < 4 {
			return no
		}
		if data = data[min(len(data), bytes.IndexByte(data, ' ')+1):]; len(data) == 0 {
			return more
		}
	}
	return syslogMessage(c, data)
}

type syslogDialogue struct{}

func (syslogDialogue) read(c *conversation, _ int, data []byte) (int, step) {
	c.clear("syslog message in clear")
	return len(data), done
}

func syslogDatagram(c *conversation, _ int, data []byte) answer {
	if len(data) == 0 || syslogMessage(c, data) != yes {
		return no
	}
	c.protocol("syslog")
	c.clear("syslog message in clear")
	return yes
}

// syslogMessage judges the beginning of a message. Behind "<PRI>" stand a version and a time (RFC 5424, section 6), or a time as
// RFC 3164, section 4.1.2 has it; on the usual ports any text will do, as most devices write it.
func syslogMessage(c *conversation, data []byte) answer {
	if data[0] != '<' {
		return no
	}
	priority, rest, ok := number(data[1:min(len(data), 5)])
	digits := min(len(data), 5) - 1 - len(rest)
	switch {
	case len(data) == 1, ok && len(rest) == 0 && digits <= 3 && len(data) <= 4:
		return more
	case !ok || digits > 3 || priority > 191 || data[1] == '0' && digits > 1 || data[1+digits] != '>':
		return no
	}
	text := data[2+digits:]
	if len(text) == 0 {
		return more
	}
	if c.onPort(514) || c.onPort(601) || c.onPort(1514) || c.onPort(6514) {
		if text[0] < ' ' || text[0] == 0x7f {
			return no
		}
		return yes
	}
	if text[0] == '1' {
		return likeOne(text, "1 -", "1 dddd-dd-ddT")
	}
	return likeOne(text, "Mmm dd dd:dd:dd ", "Mmm  d dd:dd:dd ")
}

// likeOne judges a text by patterns in which d is a digit, M a capital, m a small letter, and everything else stands for itself.
func likeOne(text []byte, patterns ...string) answer {
	a := no
	for _, p := range patterns {
		n := min(len(text), len(p))
		switch {
		case !like(text[:n], p[:n]):
		case n == len(p):
			return yes
		default:
			a = more
		}
	}
	return a
}

func like(text []byte, pattern string) bool {
	for i, c := range text {
		switch p := pattern[i]; {
		case p == 'd' && (c < '0' || c > '9'), p == 'M' && (c < 'A' || c > 'Z'), p == 'm' && (c < 'a' || c > 'z'):
			return false
		case p != 'd' && p != 'M' && p != 'm' && c != p:
			return false
		}
	}
	return true
}
