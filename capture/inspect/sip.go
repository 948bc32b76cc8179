package inspect

import (
	"bytes"

	"pcapaudit/capture/flow"
)

const sipMaxHead = 8 << 10 // bytes of a message's head, and of its body, over TCP

var sipTargets = []string{"SIP:", "SIPS:", "TEL:", "URN:", "IM:", "PRES:"}

// sipMessage judges the beginning of a message: RFC 3261, section 7.
func sipMessage(data []byte) answer {
	if a := statusLine(data, "SIP/2."); a != no {
		return a
	}
	a := requestLine(data, "SIP/2.", sipTargets...)
	if a != yes {
		return a
	}
	_, target := word(data[:min(len(data), maxFirst)])
	for _, t := range sipTargets {
		if begins(target, t) {
			return yes
		}
	}
	return no
}

func sipFirst(_ *conversation, _ int, data []byte) answer { return sipMessage(data) }

// sipDatagram reads one message (RFC 3261, section 18.1.1) and follows the conversation, which has many. Lost datagrams cannot be seen:
// so nothing is told about its being whole.
func sipDatagram(c *conversation, from int, data []byte) answer {
	if sipMessage(data) != yes {
		return no
	}
	c.protocol("sip")
	c.clear("SIP in clear")
	end := headEnd(data)
	if end < 0 {
		return follow
	}
	if m := sipHead(data[:end]); m.sdp {
		announceMedia(c, from, data[end:])
	}
	return follow
}

// sipDialogue follows the messages of a TCP connection.
type sipDialogue struct {
	known  bool
	broken [2]bool // the messages of a side cannot be told apart any more
}

func (d *sipDialogue) read(c *conversation, from int, data []byte) (int, step) {
	if !d.known {
		d.known = true
		if c.orig >= 0 {
			c.controls(flow.AnnouncedBySIP, c.orig)
		}
	}
	if d.broken[from] {
		return len(data), goOn
	}
	if data[0] == '\r' || data[0] == '\n' { // keeps the connection alive: RFC 5626, section 3.5.1
		return 1, goOn
	}
	switch sipMessage(data) {
	case no:
		return d.lost(c, from)
	case more:
		return 0, goOn
	}
	c.clear("SIP in clear")
	end := headEnd(data[:min(len(data), sipMaxHead)])
	if end < 0 {
		if len(data) >= sipMaxHead {
			return d.lost(c, from)
		}
		return 0, goOn
	}
	m := sipHead(data[:end])
	switch {
	case m.length > sipMaxHead:
		return d.lost(c, from)
	case !m.sdp:
		return end + m.length, goOn
	case len(data) < end+m.length:
		return 0, goOn
	}
	announceMedia(c, from, data[end:end+m.length])
	return end + m.length, goOn
}

// lost gives up a side.
func (d *sipDialogue) lost(c *conversation, from int) (int, step) {
	c.blind()
	d.broken[from] = true
	if d.broken[from^1] {
		return 0, done
	}
	return 1, goOn
}

// headEnd is the place behind the empty line that ends a head; -1 where it has not come.
func headEnd(data []byte) int {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		return -1
	}
	return end + 4
}

// sipFields are the header fields that matter.
type sipFields struct {
	length int  // of the body; 0 where it is not told
	sdp    bool // the body is or contains a session description
}

func sipHead(head []byte) sipFields {
	var f sipFields
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\r\n"))
		head = rest
		name, value := field(line)
		switch {
		case oneOf(name, "CONTENT-LENGTH", "L"):
			f.length, _, _ = number(value)
		case oneOf(name, "CONTENT-TYPE", "C"):
			f.sdp = begins(value, "APPLICATION/SDP") || begins(value, "MULTIPART/")
		}
	}
	return f
}
