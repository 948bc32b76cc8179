package inspect

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/crypto/cryptobyte"

	"pcapaudit/capture/flow"
)

const (
	dhcpCookie  = 0x63825363 // RFC 2131, section 3
	dhcpOptions = 240        // behind the fixed part of BOOTP (RFC 951) and the cookie

	optHostName  = 12 // RFC 2132
	optRequested = 50
	optLease     = 51
	optMessage   = 53
	optFQDN      = 81 // RFC 4702
	optPad       = 0
	optEnd       = 255

	dhcpRequest = 3
	dhcpAck     = 5

	maxDHCPClients = 16 // of one conversation whose request waits for its answer; beyond it the oldest is forgotten

	// requestValidity is how long the name in a request holds, which says nothing of time: a common lease. maxLease caps what an answer may claim.
	requestValidity = 24 * 3600e9
	maxLease        = 8 * 24 * 3600
)

// dhcpMessage is what is read of a message.
type dhcpMessage struct {
	xid       uint32
	kind      byte
	ciaddr    netip.Addr // the client's address, where it has one
	yiaddr    netip.Addr // the one it is given
	requested netip.Addr
	lease     uint32
	name      string // of the client; "" where it is not told
}

// dhcpNames are the names in requests that wait for their answer. Broadcast answers are another conversation, so often none comes.
type dhcpNames []dhcpClient

type dhcpClient struct {
	xid  uint32
	name string
}

// readDHCP: RFC 2131, on any port: the PXE service on 4011 speaks it too. A client's name is learned with the address that a server acknowledges,
// and with the one that a request asks for.
func readDHCP(c *conversation, _ int, data []byte) answer {
	m, ok := parseDHCP(data)
	if !ok {
		return no
	}
	c.protocol("dhcp")
	c.clear("DHCP message in clear")
	names, _ := c.state.(dhcpNames)
	switch m.kind {
	case dhcpRequest:
		if m.name == "" {
			break
		}
		addr := m.ciaddr
		if addr.IsUnspecified() {
			addr = m.requested
		}
		learnDHCP(c, m.name, addr, c.packet.at+requestValidity)
		if len(names) >= maxDHCPClients {
			names = append(names[:0], names[1:]...)
		}
		c.state = append(names, dhcpClient{m.xid, m.name})
	case dhcpAck:
		for _, client := range names {
			if client.xid == m.xid && m.name == "" {
				m.name = client.name
			}
		}
		if m.yiaddr.IsUnspecified() { // the answer to INFORM, which has no lease either
			m.yiaddr, m.lease = m.ciaddr, requestValidity/1e9
		}
		learnDHCP(c, m.name, m.yiaddr, c.packet.at+int64(min(m.lease, maxLease))*1e9)
	}
	return follow
}

func learnDHCP(c *conversation, name string, addr netip.Addr, until int64) {
	if name != "" && addr.IsValid() && !addr.IsUnspecified() {
		c.learned(flow.Name{Origin: flow.NameDHCP, Name: name, Addr: addr, Until: until})
	}
}

// parseDHCP reads a message with its options as far as they go. The fully qualified name is preferred to the host's own.
func parseDHCP(b []byte) (m dhcpMessage, ok bool) {
	if len(b) < dhcpOptions || b[0] < 1 || b[0] > 2 || b[2] > 16 || b[3] > 16 || binary.BigEndian.Uint32(b[dhcpOptions-4:]) != dhcpCookie {
		return m, false
	}
	m.xid = binary.BigEndian.Uint32(b[4:])
	m.ciaddr, m.yiaddr = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	qualified := false
	options := cryptobyte.String(b[dhcpOptions:])
	for !options.Empty() {
		var code byte
		var value cryptobyte.String
		if options.ReadUint8(&code); code == optPad {
			continue
		}
		if code == optEnd || !options.ReadUint8LengthPrefixed(&value) {
			break
		}
		switch {
		case code == optMessage && len(value) == 1:
			m.kind = value[0]
		case code == optRequested && len(value) == 4:
			m.requested = netip.AddrFrom4([4]byte(value))
		case code == optLease && len(value) == 4:
			m.lease = binary.BigEndian.Uint32(value)
		case code == optHostName && !qualified:
			m.name, _ = HostName(value)
		case code == optFQDN && len(value) > 3:
			if name, ok := clientFQDN(value); ok {
				m.name, qualified = name, true
			}
		}
	}
	return m, true
}

// clientFQDN reads the name of option 81: with flag E in the format of DNS, without compression; else as text (RFC 4702, section 2.1).
func clientFQDN(b []byte) (string, bool) {
	const flagE = 4
	text := b[3:]
	if b[0]&flagE == 0 {
		return HostName(text)
	}
	if text[len(text)-1] != 0 { // a name that is not fully qualified
		text = append(text[:len(text):len(text)], 0)
	}
	// A name is read as the question of a message that has nothing else.
	message := append(make([]byte, dnsHeader, dnsHeader+len(text)+4), text...)
	message[5] = 1
	r, name := dnsReader{append(message, 0, 1, 0, 1), dnsHeader}, new(dnsName)
	if !r.name(name) {
		return "", false
	}
	if _, ok := r.kind(); !ok {
		return "", false
	}
	return HostName(name.bytes())
}

// readDHCP6 recognises DHCP for IPv6 (RFC 8415, sections 8 and 9) on its ports.
func readDHCP6(c *conversation, _ int, data []byte) answer {
	if !c.onPort(546) && !c.onPort(547) || len(data) < 4 || data[0] == 0 || data[0] > 36 {
		return no
	}
	options := cryptobyte.String(data[4:])
	if relayed := data[0] == 12 || data[0] == 13; relayed && !options.Skip(2+16+16-4) {
		return no
	}
	for range 64 {
		if options.Empty() {
			c.protocol("dhcp6")
			c.clear("DHCPv6 message in clear")
			return yes
		}
		var code uint16
		var value cryptobyte.String
		if !options.ReadUint16(&code) || code == 0 || !options.ReadUint16LengthPrefixed(&value) {
			return no
		}
	}
	return no
}
