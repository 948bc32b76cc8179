package inspect

import "pcapaudit/capture/flow"

// handshake is what was seen of a TLS handshake, over TCP, DTLS or QUIC alike.
type handshake struct {
	client    int // the side that sends the ClientHello; -1: not known
	dtls      bool
	passing   bool   // it ends before the content begins: what it encrypts is not told
	offered   bool   // the ClientHello was read
	offers    string // its application protocols
	version   uint16 // that was chosen; 0: not yet
	suite     uint16
	requested bool    // the server asked for a certificate
	flight    bool    // the server's messages are complete
	changed   [2]bool // the side announced that it encrypts from here on; in TLS 1.3 that means nothing
	proven    bool    // encryption was told, or its absence
	settled   bool    // the client's certificate was told
}

// wantedBody is how many bytes of a message's body are needed.
func wantedBody(kind uint8, length int) int {
	switch kind {
	case msgClientHello, msgServerHello:
		return length
	case msgCertificate:
		return min(length, 3)
	}
	return 0
}

// message takes a message that is sent in clear, with the first wantedBody bytes of its body. It returns false for what no TLS sends.
func (h *handshake) message(c *conversation, from int, kind uint8, body []byte) bool {
	switch kind {
	case msgClientHello:
		return h.hello(c, from, body)
	case msgServerHello:
		return h.answer(c, from, body)
	}
	if h.client < 0 || hidesHandshake(h.version) {
		return true
	}
	switch {
	case kind == msgCertificate && from != h.client:
		c.tell(flow.FactServerCert, "sent")
	case kind == msgCertificate && len(body) >= 3 && body[0]|body[1]|body[2] != 0:
		h.settle(c, "sent")
	case kind == msgCertificate:
		h.settle(c, "requested")
	case kind == msgCertificateRequest && from != h.client:
		h.requested = true
	case kind == msgServerHelloDone && from != h.client:
		h.flight = true
		if !h.requested {
			h.settle(c, "not requested")
		}
	}
	return true
}

func (h *handshake) hello(c *conversation, from int, body []byte) bool {
	if h.client == from^1 {
		return false
	}
	hello, ok := parseClientHello(body, h.dtls)
	if !ok {
		return false
	}
	h.client = from
	if h.offered { // once more, after a HelloRetryRequest or HelloVerifyRequest
		return true
	}
	h.offered, h.offers = true, hello.offers
	if versionAge(hello.version) >= 0 {
		c.tell(flow.FactOffered, versionName(hello.version))
	}
	c.claim(flow.NameSNI, hello.name)
	if hello.ech && len(hello.name) > 0 {
		c.tell(flow.FactNote, "encrypted client hello: the name shown is the outer one")
	}
	h.hidden(c)
	return true
}

func (h *handshake) answer(c *conversation, from int, body []byte) bool {
	if h.client == from || h.version != 0 {
		return false
	}
	hello, ok := parseServerHello(body)
	if !ok || versionAge(hello.version) < 0 {
		return false
	}
	h.client = from ^ 1
	if hello.retry {
		return true
	}
	h.version, h.suite = hello.version, hello.suite
	if outdated(h.version) {
		c.tell(flow.FactNote, versionName(h.version)+" in use")
	}
	if weak := weakSuite(h.suite); weak != "" {
		c.tell(flow.FactNote, weak)
	}
	if hello.chosen != "" {
		c.tell(flow.FactALPN, hello.chosen)
	}
	h.hidden(c)
	return true
}

// hidden tells what TLS 1.3 shows only in the offer, or not at all, once it is chosen.
func (h *handshake) hidden(c *conversation) {
	if !hidesHandshake(h.version) {
		return
	}
	if h.offers != "" {
		c.tell(flow.FactALPN, "offers "+h.offers)
	}
	c.tell(flow.FactServerCert, "hidden")
	h.settle(c, "hidden")
}

func (h *handshake) settle(c *conversation, clientCert string) {
	h.settled = true
	c.tell(flow.FactClientCert, clientCert)
}

// change takes a ChangeCipherSpec. Up to TLS 1.2 all behind it is under the chosen suite; in TLS 1.3 it is decoration (RFC 8446, appendix D.4).
func (h *handshake) change(c *conversation, from int) {
	h.changed[from] = true
	if h.version == 0 || hidesHandshake(h.version) || h.client < 0 {
		return
	}
	if from != h.client {
		if !h.flight {
			if !h.dtls { // where the flight may just be lost
				c.tell(flow.FactNote, "resumed session")
			}
			c.tell(flow.FactServerCert, "hidden")
			h.settle(c, "hidden")
		}
		h.prove(c)
	} else if h.requested {
		h.settle(c, "requested")
	}
}

// protected takes a record that is not sent in clear. In TLS 1.3 the server's first one proves that encryption began.
func (h *handshake) protected(c *conversation, from int) {
	if h.client == from^1 && hidesHandshake(h.version) {
		h.prove(c)
	}
}

func (h *handshake) prove(c *conversation) {
	if h.proven {
		return
	}
	h.proven = true
	switch {
	case nullSuites[h.suite]:
		c.clear("TLS with a NULL cipher")
	case !h.passing:
		c.encrypted(versionName(h.version))
	}
}

// opaque says whether a side's handshake messages are encrypted: those behind its ChangeCipherSpec. A server in TLS 1.3 may send one between
// a HelloRetryRequest and the ServerHello.
func (h *handshake) opaque(from int) bool {
	return h.changed[from] && (h.version != 0 || h.client == from)
}

// complete says whether nothing more will be told.
func (h *handshake) complete() bool {
	return h.proven && h.settled && h.offered
}

// end tells what only the end decides: nobody answered the request for a certificate.
func (h *handshake) end(c *conversation) {
	if h.requested && !h.settled {
		h.settle(c, "requested")
	}
}
