package classify

import (
	"fmt"
	"strconv"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// payload is what inspection told of one connection. Its pointers are into the connection's facts.
type payload struct {
	protocol   string     // the innermost that was recognised; "" where none was
	unknown    bool       // payload was read and nothing recognised
	printable  int        // of an unknown payload, in per cent
	encrypted  *flow.Fact // nil: nothing was seen to encrypt it
	clear      *flow.Fact // content in clear, before anything encrypted or beside it; nil: none
	clientCert string     // "" where nothing tells
	proxied    bool       // the names in it are of others, behind the responder
}

func payloadOf(c *flow.Conn) payload {
	var p payload
	for i := range c.Facts {
		switch f := &c.Facts[i]; f.Kind {
		case flow.FactProtocol:
			if p.unknown = f.Value == "unknown"; !p.unknown {
				p.protocol = f.Value
			}
		case flow.FactEncrypted:
			p.encrypted = f
		case flow.FactCleartext:
			p.clear = f
		case flow.FactClientCert:
			p.clientCert = f.Value
		case flow.FactNote:
			p.proxied = p.proxied || isConnect(f)
		case flow.FactPrintable:
			p.printable, _ = strconv.Atoi(f.Value)
		}
	}
	return p
}

// isConnect is true for the remark about a CONNECT request (RFC 9110, section 9.3.6).
func isConnect(note *flow.Fact) bool { return strings.HasPrefix(note.Value, "CONNECT ") }

// cipher is a set of ways to encrypt, as encryption_protocols name them.
type cipher uint8

const (
	cipherTLS cipher = 1 << iota // DTLS and QUIC too
	cipherSSH
	cipherSMB
	cipherIPsec
	anyCipher cipher = 1<<8 - 1
)

var (
	documentedCiphers = map[string]cipher{"tls": cipherTLS, "mtls": cipherTLS, "ssh": cipherSSH, "smb": cipherSMB, "ipsec": cipherIPsec}
	seenCiphers       = map[string]cipher{"TLS": cipherTLS, "SSL": cipherTLS, "DTLS": cipherTLS, "QUIC": cipherTLS, "SSH": cipherSSH, "SMB": cipherSMB, "ESP": cipherIPsec, "IKEv1": cipherIPsec, "IKEv2": cipherIPsec}
)

// cipherOf reads what encrypts a payload from the first word of its fact: "TLS 1.3", "SSH 2.0".
func cipherOf(f *flow.Fact) cipher {
	word, _, _ := strings.Cut(f.Value, " ")
	return seenCiphers[word]
}

// ciphersOf is what may encrypt a flow.
func ciphersOf(f *rules.Flow) cipher {
	var set cipher
	for _, word := range f.EncryptionProtocols {
		set |= documentedCiphers[word]
	}
	if set == 0 {
		return anyCipher
	}
	return set
}

// demand is what document and site say of a flow's encryption.
type demand uint8

const (
	demandNothing demand = iota
	demandEncrypted
	demandClear
)

func (a *Auditor) demand(f *rules.Flow) demand {
	switch {
	case f.Encryption == "forbidden":
		return demandClear
	case f.Encryption == "required", f.Encryption == "expected" && a.set.Unencrypted(f) == nil:
		return demandEncrypted
	}
	return demandNothing
}

// encryption holds a payload against what is said of the flow's encryption. open is true where the payload does not tell.
func (o *option) encryption(p *payload) (broken, open bool) {
	switch {
	case o.demand == demandNothing:
		return false, false
	case p.clear != nil:
		return o.demand == demandEncrypted, false
	case p.encrypted == nil:
		return false, true
	case o.demand == demandClear:
		return true, false
	}
	return o.ciphers != anyCipher && cipherOf(p.encrypted)&o.ciphers == 0, false
}

// told words what broke the demand, with the packet that told it. file is that of the connection's first packet.
func (o *option) told(p *payload, file uint16) string {
	switch {
	case p.clear != nil:
		return p.clear.Value + ", " + packetWords(p.clear, file)
	case p.encrypted == nil:
		return ""
	case o.demand == demandClear:
		return p.encrypted.Value + " where the document has cleartext, " + packetWords(p.encrypted, file)
	}
	return fmt.Sprintf("%s where %s is documented, %s", p.encrypted.Value, cipherWords(o.Flow), packetWords(p.encrypted, file))
}

// packetWords gives "packet 17", where that is in another input than expected "packet 17 of input 2", counted from 1, and "as described" where there is no packet.
func packetWords(f *flow.Fact, file uint16) string {
	switch {
	case f.Packet == 0:
		return "as described"
	case f.File != file:
		return fmt.Sprintf("packet %d of input %d", f.Packet, f.File+1)
	}
	return fmt.Sprintf("packet %d", f.Packet)
}

// cipherWords gives "TLS", "SSH or TLS".
func cipherWords(f *rules.Flow) string {
	return strings.ToUpper(strings.Join(f.EncryptionProtocols, " or "))
}

// blank is a reason why a payload does not tell whether it is encrypted.
type blank uint8

const (
	blankNoPayload blank = iota
	blankUnread
	blankMidstream
	blankUnknown
	blankUndecided
	numBlanks = iota
)

var blankNames = [numBlanks]string{
	"no payload",
	"payload that the capture cut or lost, or that was not inspected",
	"begins before the capture",
	"unknown protocol",
	"protocol recognised, but not whether it is encrypted",
}

// blank says why a payload tells nothing of its encryption.
func (p *payload) blank(c *flow.Conn) blank {
	switch {
	case c.Outcome == flow.Refused, c.Outcome == flow.Unanswered:
		return blankNoPayload
	case p.protocol == "" && c.Outcome == flow.Midstream:
		return blankMidstream
	case p.unknown:
		return blankUnknown
	case p.protocol != "":
		return blankUndecided
	case hasPayload(c), c.Missed.Packets > 0:
		return blankUnread
	}
	return blankNoPayload
}

// hasPayload is true where the bytes of a connection are more than headers can be: 100 bytes hold those of IPv6 and of TCP with all its options.
func hasPayload(c *flow.Conn) bool {
	packets, bytes := c.OrigPackets+c.RespPackets, c.OrigBytes+c.RespBytes
	return c.Proto == flow.UDP || c.Proto == flow.TCP && bytes > 100*packets
}
