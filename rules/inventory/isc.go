package inventory

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// isc reads dhcpd.leases, also of DHCPv6: declarations "lease ADDRESS { statements }", and "iaaddr ADDRESS { statements }" within others. What a server wrote is closed, so that
// a file that ends within a declaration was cut.
func (l *ledger) isc(text string) *Problem {
	s := &scanner{text: text, line: 1}
	found, p := l.block(s, nil, 0)
	switch {
	case p != nil:
		return p
	case found == 0:
		return &Problem{1, 1, "no lease", "give dhcpd.leases of ISC DHCP, or kea-leases4.csv or kea-leases6.csv of Kea"}
	}
	return nil
}

// maxBlocks bounds declarations within declarations.
const maxBlocks = 8

// maxWords bounds what is kept of a statement.
const maxWords = 16

// block reads statements up to the end of the declaration, or of the file for the outermost, and gives the number of statements. e is the lease that they are about, nil
// outside one.
func (l *ledger) block(s *scanner, e *lease, depth int) (int, *Problem) {
	if depth > maxBlocks {
		return 0, s.problem("declarations within declarations", "give the file as the server writes it")
	}
	var words []string
	var line, col, n int
	for {
		t, ok := s.next()
		switch {
		case s.bad != nil:
			return n, s.bad
		case !ok && (depth > 0 || len(words) > 0):
			return n, s.problem("the file ends within a declaration", "copy it again: it was cut")
		case !ok:
			return n, nil
		case t.mark == '}' && (depth == 0 || len(words) > 0):
			return n, s.problem("a brace that closes nothing", "give the file as the server writes it")
		case t.mark == '}':
			return n, nil
		case t.mark == ';':
			if p := e.statement(words, s); p != nil {
				return n, p
			}
			words = words[:0]
			n++
		case t.mark == '{':
			p := l.declaration(s, words, line, col, depth+1)
			if p != nil {
				return n, p
			}
			words = words[:0]
			n++
		default:
			if len(words) == 0 {
				line, col = t.line, t.col
			}
			if len(words) < maxWords {
				words = append(words, t.text)
			}
		}
	}
}

// declaration reads what stands in braces behind words.
func (l *ledger) declaration(s *scanner, words []string, line, col, depth int) *Problem {
	if len(words) != 2 || words[0] != "lease" && words[0] != "iaaddr" {
		_, p := l.block(s, nil, depth)
		return p
	}
	addr, err := netip.ParseAddr(words[1])
	if err != nil || addr.Zone() != "" {
		return &Problem{line, col, fmt.Sprintf("%.80q is no address", words[1]), "give the file as the server writes it"}
	}
	e := &lease{addr: addr.Unmap(), line: line, col: col, ends: never}
	if _, p := l.block(s, e, depth); p != nil {
		return p
	}
	return l.add(*e)
}

// statement takes what a statement says of a lease.
func (e *lease) statement(words []string, s *scanner) *Problem {
	if e == nil || len(words) == 0 {
		return nil
	}
	last := words[len(words)-1]
	switch words[0] {
	case "starts", "cltt", "ends":
		at, ok := moment(words[1:])
		if !ok {
			return s.problem("no time in "+words[0], "give the file as the server writes it")
		}
		if words[0] == "ends" {
			e.ends = at
		} else if at != never {
			e.told = max(e.told, at)
		}
	case "binding":
		switch last {
		case "active", "bootp":
			e.gone = ""
		case "free", "expired", "released", "abandoned", "reset", "backup":
			e.gone = last
		default:
			e.gone = "in a state that is not known"
		}
	case "abandoned":
		e.gone = "abandoned"
	case "hardware", "uid":
		if len(e.hardware) <= MaxCell {
			e.hardware += last + " "
		}
	case "client-hostname":
		e.hostname = strings.TrimSuffix(last, ".")
	case "set":
		if len(words) == 4 && (words[1] == "ddns-fwd-name" || words[1] == "ddns-client-fqdn" && e.fqdn == "") {
			e.fqdn = strings.TrimSuffix(last, ".")
		}
	}
	return nil
}

// moment reads "4 2026/01/01 10:00:00" (UTC), "epoch 1767261600" or "never".
func moment(words []string) (int64, bool) {
	switch {
	case len(words) == 1 && words[0] == "never":
		return never, true
	case len(words) == 2 && words[0] == "epoch":
		n, err := strconv.ParseInt(words[1], 10, 48)
		return n, err == nil
	case len(words) == 3:
		t, err := time.Parse("2006/1/2 15:4:5", words[1]+" "+words[2])
		return t.Unix(), err == nil
	}
	return 0, false
}

// scanner splits the text into words, quoted text and marks.
type scanner struct {
	text       string
	at         int
	line, from int // the line and the offset where it begins
	bad        *Problem
}

type token struct {
	mark      byte // { } ; or 0 for a word
	text      string
	line, col int
}

func (s *scanner) problem(what, do string) *Problem {
	return &Problem{s.line, s.at - s.from + 1, what, do}
}

// next gives the next token; ok is false at the end.
func (s *scanner) next() (t token, ok bool) {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '\n':
			s.at++
			s.line, s.from = s.line+1, s.at
		case c == ' ' || c == '\t' || c == '\r':
			s.at++
		case c == '#':
			for s.at < len(s.text) && s.text[s.at] != '\n' {
				s.at++
			}
		default:
			return s.token(c), true
		}
	}
	return token{}, false
}

func (s *scanner) token(c byte) token {
	t := token{line: s.line, col: s.at - s.from + 1}
	start := s.at
	switch {
	case c == '{' || c == '}' || c == ';':
		s.at++
		t.mark = c
	case c == '"':
		t.text = s.quoted()
	default:
		for s.at < len(s.text) && !strings.ContainsRune(" \t\r\n{};\"#", rune(s.text[s.at])) {
			s.at++
		}
		t.text = s.text[start:s.at]
	}
	return t
}

// quoted reads text in quotes on one line, with the escapes that the server writes: a backslash before a character, or three octal digits.
func (s *scanner) quoted() string {
	var b strings.Builder
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return strings.ToValidUTF8(b.String(), "\uFFFD")
		case c == '\n':
			s.bad = s.problem("a line break within quotes", "give the file as the server writes it")
			return ""
		case c == '\\' && s.at+1 < len(s.text) && s.text[s.at+1] != '\n':
			if n, err := strconv.ParseUint(s.text[s.at+1:min(s.at+4, len(s.text))], 8, 8); err == nil && s.at+4 <= len(s.text) {
				b.WriteByte(byte(n))
				s.at += 3
			} else {
				s.at++
				b.WriteByte(s.text[s.at])
			}
		default:
			b.WriteByte(c)
		}
	}
	s.bad = s.problem("the file ends within quotes", "copy it again: it was cut")
	return ""
}
