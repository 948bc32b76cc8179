package inspect

import (
	"bytes"
	"net/netip"
	"strconv"

	"pcapaudit/capture/flow"
)

const (
	httpMaxRequests = 8        // that are read of one connection
	httpMaxEarly    = 8 << 10  // bytes of an answer that wait for its request
	httpMaxBody     = 64 << 20 // bytes of a request's body that are passed over
)

var httpTargets = []string{"/", "HTTP://", "HTTPS://"}

func httpFirst(_ *conversation, _ int, data []byte) answer {
	if a := statusLine(data, "HTTP/1."); a != no {
		return a
	}
	return requestLine(data, "HTTP/1.", httpTargets...)
}

// httpDialogue reads the head of the first request. It goes on where the request asks for another protocol (CONNECT, Upgrade), and with
// WinRM, whose first request has no content.
type httpDialogue struct {
	exchange
	request  httpRequest
	requests int  // heads read
	size     int  // bytes of the head being read
	inHead   bool // of a request
	waits    bool // the answer to request decides how the connection goes on
	code     int  // of the answer being read; 0 outside
	answered int  // lines of answers read while it waits
}

// httpRequest is what matters of a request's head.
type httpRequest struct {
	connect   bool
	winRM     bool
	claimed   bool // the target names the host
	upgrade   string
	length    int
	chunked   bool
	encrypted bool // the content, by the authentication
	soap      bool
}

func (d *httpDialogue) read(c *conversation, from int, data []byte) (int, step) {
	if !d.known {
		d.known, d.client = true, from
		if bytes.HasPrefix(data, []byte("HTTP/1.")) {
			d.client = from ^ 1
		}
	}
	switch {
	case from != d.client:
		return d.answer(c, from, data)
	case d.waits:
		return 0, goOn
	}
	line, used := d.next(from, data)
	d.size += used
	switch {
	case used == 0:
		return 0, goOn
	case d.size > maxHead:
		return used, done
	case line != nil && len(line) == 0 && d.inHead:
		return d.headEnds(c, used)
	case !d.inHead && (line == nil || len(line) > 0):
		return used, d.begin(c, line)
	}
	d.field(c, line)
	return used, goOn
}

// begin reads a request line; nil is one that is too long to read.
func (d *httpDialogue) begin(c *conversation, line []byte) step {
	if d.tooLong[d.client] {
		c.clear("HTTP request in clear")
		return goOn
	}
	d.inHead = true
	if line == nil {
		return goOn // the end of a long line
	}
	method, rest := word(line)
	target, version := word(rest)
	if !bytes.HasPrefix(version, []byte("HTTP/1.")) {
		return done
	}
	d.request.connect = string(method) == "CONNECT"
	d.request.winRM = string(method) == "POST" && begins(target, "/WSMAN")
	if !d.request.winRM && !d.request.connect {
		c.clear("HTTP request in clear")
	}
	switch {
	case d.request.connect:
		d.request.claimed = true
		c.claim(flow.NameHTTP, hostOf(target))
		c.tell(flow.FactNote, connectNote(target))
	case begins(target, "HTTP://"), begins(target, "HTTPS://"):
		_, authority, _ := bytes.Cut(target, []byte("//"))
		if end := bytes.IndexAny(authority, "/?#"); end >= 0 {
			authority = authority[:end]
		}
		d.request.claimed = true
		c.claim(flow.NameHTTP, hostOf(authority))
	}
	return goOn
}

func (d *httpDialogue) field(c *conversation, line []byte) {
	name, value := field(line)
	r := &d.request
	switch {
	case is(name, "HOST") && !r.claimed:
		r.claimed = true
		if d.requests == 0 {
			c.claim(flow.NameHTTP, hostOf(value))
		}
	case is(name, "UPGRADE"):
		protocol, _, _ := bytes.Cut(value, []byte(","))
		r.upgrade = string(protocol[:min(len(protocol), 16)])
	case is(name, "CONTENT-LENGTH"):
		r.length, _, _ = number(value)
	case is(name, "TRANSFER-ENCODING"):
		r.chunked = true
	case is(name, "CONTENT-TYPE"):
		r.encrypted = begins(value, "MULTIPART/ENCRYPTED") || begins(value, "MULTIPART/X-MULTI-ENCRYPTED")
		r.soap = begins(value, "APPLICATION/SOAP+XML")
	case is(name, "PROXY-AUTHORIZATION") && r.connect && begins(value, "BASIC "):
		c.tell(flow.FactNote, "proxy password in clear")
	}
}

// headEnds decides at the end of a request's head how to go on.
func (d *httpDialogue) headEnds(c *conversation, used int) (int, step) {
	r := d.request
	d.requests++
	d.inHead, d.size = false, 0
	switch {
	case r.connect, r.upgrade != "":
		d.waits = true
		c.wake()
		return used, goOn
	case !r.winRM:
		return used, done
	case r.encrypted && (r.length > 0 || r.chunked):
		c.tell(flow.FactNote, "WinRM; message encryption by the authentication")
		c.encrypted("WinRM message encryption")
		return used, done
	case r.soap && (r.length > 0 || r.chunked):
		c.clear("WinRM message in clear")
		return used, done
	case r.chunked, r.length > httpMaxBody, d.requests >= httpMaxRequests:
		return used, done
	}
	d.request = httpRequest{}
	return used + r.length, goOn
}

// answer reads what the responder says.
func (d *httpDialogue) answer(c *conversation, from int, data []byte) (int, step) {
	switch {
	case d.waits:
		return d.answerLine(c, from, data)
	case d.requests > 0 && !d.inHead:
		return len(data), goOn
	case d.requests == 0 && !d.inHead:
		head, _, whole := bytes.Cut(data, []byte("\r\n\r\n"))
		if whole && bytes.Contains(bytes.ToLower(head), []byte("\ncontent-type:")) {
			c.clear("HTTP response in clear")
		}
	}
	if len(data) > httpMaxEarly {
		return len(data), done
	}
	return 0, goOn
}

// answerLine looks for the status line of the answer that is waited for, and then for the end of its head.
func (d *httpDialogue) answerLine(c *conversation, from int, data []byte) (int, step) {
	line, used := d.next(from, data)
	if used == 0 {
		return 0, goOn
	}
	if d.answered++; d.answered > maxLine {
		return used, done
	}
	switch {
	case d.code == 0 && statusLine(data, "HTTP/1.") == yes:
		d.code = status(line)
	case d.code != 0 && line != nil && len(line) == 0:
		code := d.code
		d.code = 0
		return used, d.answerEnds(c, code)
	}
	return used, goOn
}

func (d *httpDialogue) answerEnds(c *conversation, code int) step {
	switch {
	case code == 101 && is([]byte(d.request.upgrade), "WEBSOCKET"):
		c.protocol("websocket")
		return done
	case code == 101 && is([]byte(d.request.upgrade), "H2C"):
		c.protocol("http2")
		return done
	case code == 101, code >= 200 && code < 300 && d.request.connect:
		return restart
	case code < 200:
		return goOn
	case !d.request.connect, d.requests >= httpMaxRequests:
		return done
	}
	d.waits = false // refused, often to ask for a password
	d.request = httpRequest{}
	c.wake()
	return goOn
}

// hostOf is the host of "user@host:port"; of an address in brackets too.
func hostOf(authority []byte) []byte {
	if at := bytes.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	if bytes.HasPrefix(authority, []byte("[")) {
		host, _, _ := bytes.Cut(authority[1:], []byte("]"))
		return host
	}
	host, _, _ := bytes.Cut(authority, []byte(":"))
	return host
}

// connectNote says where a proxy is asked to connect to.
func connectNote(target []byte) string {
	host := ""
	if name, ok := HostName(hostOf(target)); ok {
		host = name
	} else if addr, err := netip.ParseAddr(string(hostOf(target))); err == nil && addr.Zone() == "" {
		host = addr.String()
	}
	port, rest, ok := number(target[bytes.LastIndexByte(target, ':')+1:])
	if host == "" || !ok || len(rest) > 0 || port > 65535 {
		return "CONNECT through a proxy"
	}
	return "CONNECT to " + host + ":" + strconv.Itoa(port) + " through a proxy"
}

// ssdpDatagram reads the discovery of UPnP, which is HTTP over UDP.
func ssdpDatagram(c *conversation, _ int, data []byte) answer {
	request := (bytes.HasPrefix(data, []byte("M-SEARCH * ")) || bytes.HasPrefix(data, []byte("NOTIFY * "))) && requestLine(data, "HTTP/1.") == yes
	if !request && !(c.onPort(1900) && statusLine(data, "HTTP/1.") == yes) {
		return no
	}
	c.protocol("ssdp")
	c.clear("SSDP in clear")
	return yes
}
