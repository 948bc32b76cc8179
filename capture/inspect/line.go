package inspect

import (
	"bytes"
	"strings"
)

// maxLine is the longest line of a text protocol that is read; longer ones are passed over. RFC 5321, section 4.5.3.1 asks for 512 bytes,
// HTTP servers take 8 KiB of which only short lines tell something here.
const maxLine = 4 << 10

// lines cuts the two sides of a conversation into lines.
type lines struct {
	tooLong [2]bool // a line goes on that is passed over
}

// next gives the first line of data, without its end, and the bytes it takes; 0 where its end has not come. The line is nil where it is longer than maxLine.
func (l *lines) next(from int, data []byte) (line []byte, used int) {
	end := bytes.IndexByte(data[:min(len(data), maxLine)], '\n')
	switch {
	case l.tooLong[from] && end >= 0:
		l.tooLong[from] = false
		return nil, end + 1
	case l.tooLong[from]:
		return nil, min(len(data), maxLine)
	case end >= 0:
		return bytes.TrimSuffix(data[:end], []byte("\r")), end + 1
	case len(data) >= maxLine:
		l.tooLong[from] = true
		return nil, maxLine
	}
	return nil, 0
}

// exchange is a conversation in lines between one side that asks and one that answers, which greets first.
type exchange struct {
	lines
	known   bool // client is
	client  int
	greeted bool // the greeting was seen, or lies before what is read
	open    int  // commands without an answer, if every answer was seen
}

// asks says whether a side is the one that asks. Where the first bytes read begin with one of marks, they are an answer.
func (e *exchange) asks(c *conversation, from int, data []byte, marks string) bool {
	if !e.known {
		e.known, e.client = true, from
		if strings.IndexByte(marks, data[0]) >= 0 {
			e.client = from ^ 1
		}
		e.greeted = c.orig < 0 && from == e.client && len(c.heard(from)) == 0
	}
	return from == e.client
}

// answers counts an answer, and says whether it is one: not the greeting.
func (e *exchange) answers() bool {
	if !e.greeted {
		e.greeted = true
		return false
	}
	e.open--
	return true
}

const digits = "0123456789"

// word splits a line at its first space.
func word(line []byte) (first, rest []byte) {
	first, rest, _ = bytes.Cut(line, []byte(" "))
	return first, bytes.TrimLeft(rest, " ")
}

// is compares without regard to case; s is in upper case.
func is(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if upper(b[i]) != s[i] {
			return false
		}
	}
	return true
}

// begins is is for the beginning of b.
func begins(b []byte, s string) bool { return len(b) >= len(s) && is(b[:len(s)], s) }

func oneOf(b []byte, list ...string) bool {
	for _, s := range list {
		if is(b, s) {
			return true
		}
	}
	return false
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		c -= 'a' - 'A'
	}
	return c
}

// number reads decimal digits, at least one and at most nine; what follows them is rest.
func number(b []byte) (n int, rest []byte, ok bool) {
	i := 0
	for i < len(b) && i < 9 && b[i] >= '0' && b[i] <= '9' {
		n = 10*n + int(b[i]-'0')
		i++
	}
	return n, b[i:], i > 0
}

// replyLine reads a line of an answer as RFC 959 and RFC 5321 have it: three digits, then a hyphen where more lines follow.
func replyLine(line []byte) (code int, last, ok bool) {
	if len(line) < 3 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return 0, false, false
	}
	code, rest, _ := number(line[:3])
	if len(rest) > 0 || code < 100 || code > 659 {
		return 0, false, false
	}
	return code, len(line) == 3 || line[3] == ' ', true
}

// replies follows answers of several lines: those between "230-" and "230 " may begin with anything.
type replies struct {
	within int // the code of an answer that goes on; 0 outside
}

// end gives the code of an answer at its last line, else 0.
func (r *replies) end(line []byte) int {
	code, last, ok := replyLine(line)
	switch {
	case !ok, r.within != 0 && code != r.within:
		return 0
	case last:
		r.within = 0
		return code
	}
	r.within = code
	return 0
}

// field splits a header field of HTTP or SIP.
func field(line []byte) (name, value []byte) {
	name, value, _ = bytes.Cut(line, []byte(":"))
	return bytes.TrimRight(name, " \t"), bytes.TrimSpace(value)
}

// requestLine judges a side's first bytes as "METHOD target VERSION": RFC 9112, section 3, and RFC 3261, section 7.1. Of lines that end
// behind maxFirst, the target must begin with one of targets, which are in upper case. The method is any word in capitals: WebDAV, BITS and ConfigMgr have many.
func requestLine(data []byte, version string, targets ...string) answer {
	data = data[:min(len(data), maxFirst)]
	const longest = 24
	n := 0
	for n < len(data) && n <= longest && (data[n] >= 'A' && data[n] <= 'Z' || data[n] == '-' || data[n] == '_') {
		n++
	}
	if n == len(data) && n <= longest {
		return more
	}
	if n == 0 || n > longest || data[n] != ' ' {
		return no
	}
	target, behind, complete := bytes.Cut(data[n+1:], []byte(" "))
	if bytes.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r == 0x7f }) || complete && len(target) == 0 {
		return no
	}
	if !complete && len(data) < maxFirst {
		return more
	}
	switch a := versionAt(behind, version); {
	case a == no || a == yes:
		return a
	case len(data) < maxFirst:
		return more
	}
	for _, t := range targets {
		if begins(target, t) {
			return yes
		}
	}
	return no
}

// versionAt judges the end of a request line: version, a minor digit, and the line's end.
func versionAt(b []byte, version string) answer {
	n := min(len(b), len(version))
	if string(b[:n]) != version[:n] {
		return no
	}
	b = b[n:]
	if len(b) > 0 && b[0] != '0' && b[0] != '1' {
		return no
	}
	for i, end := range []byte("\r\n") {
		switch {
		case len(b) < i+2:
			return more
		case b[i+1] == '\n':
			return yes
		case b[i+1] != end:
			return no
		}
	}
	return yes
}

// statusLine judges a side's first bytes as "VERSION 200 reason".
func statusLine(data []byte, version string) answer {
	n := min(len(data), len(version))
	if string(data[:n]) != version[:n] {
		return no
	}
	for i, c := range data[n:min(len(data), n+6)] {
		isDigit := c >= '0' && c <= '9'
		switch {
		case i == 0 && c != '0' && c != '1', i == 1 && c != ' ', i >= 2 && i <= 4 && !isDigit, i == 5 && c != ' ' && c != '\r' && c != '\n':
			return no
		}
	}
	if len(data) < n+6 {
		return more
	}
	return yes
}

// status is the code of a status line that statusLine has accepted.
func status(line []byte) int {
	_, rest := word(line)
	code, _, _ := number(rest)
	return code
}

// firstLine gives the first line where it has come whole within maxFirst; else more, or no where it cannot be text.
func firstLine(data []byte) (line []byte, a answer) {
	data = data[:min(len(data), maxFirst)]
	line, _, whole := bytes.Cut(data, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	for _, c := range line {
		if c < ' ' && c != '\t' && c != '\r' || c == 0x7f {
			return nil, no
		}
	}
	switch {
	case whole:
		return line, yes
	case len(data) == maxFirst:
		return nil, no
	}
	return nil, more
}
