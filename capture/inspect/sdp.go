package inspect

import (
	"bytes"
	"net/netip"
	"time"

	"pcapaudit/capture/flow"
)

const (
	maxMedia = 8   // media of one session description that are read
	sdpLines = 256 // lines of it
)

// sipLife is how long announced media are expected to begin. RFC 3261 lets a call ring for three minutes (timer C, section 16.6), and media
// may come with the first answer.
const sipLife = int64(4 * time.Minute)

// media is one line "m=" of a session description (RFC 8866, section 5.14) with what its attributes change.
type media struct {
	addr    netip.Addr // invalid: that of the session
	port    int
	rtp     bool
	tcp     bool
	control int        // the port of RTCP (RFC 3605); 0: the next one; -1: none of its own (RFC 5761)
	other   netip.Addr // the address of RTCP, where it is another
}

// announceMedia tells the ports at which the sender of a session description waits for the other party of the signalling.
func announceMedia(c *conversation, from int, body []byte) {
	session, list, whole := sessionDescription(body)
	if !whole {
		c.blind()
	}
	for _, m := range list {
		if !m.addr.IsValid() {
			m.addr = session
		}
		if m.port == 0 || m.port > 65535 || !m.addr.IsValid() || m.addr.IsUnspecified() || m.addr.IsMulticast() {
			continue // refused, or on hold
		}
		tellMedia(c, from, m.addr, m.port, m.tcp, "media")
		control := m.control
		if control == 0 {
			control = m.port + 1
		}
		if m.rtp && !m.tcp && control > 0 && control <= 65535 {
			if !m.other.IsValid() {
				m.other = m.addr
			}
			tellMedia(c, from, m.other, control, false, "media control")
		}
	}
}

func tellMedia(c *conversation, from int, addr netip.Addr, port int, tcp bool, what string) {
	a := flow.Announcement{By: flow.AnnouncedBySIP, Until: c.packet.at + sipLife, Peer: c.addrs[from^1],
		To: netip.AddrPortFrom(addr, uint16(port)), Proto: flow.UDP, What: what}
	if tcp {
		a.Proto = flow.TCP
	}
	c.announce(from^1, a)
}

// sessionDescription reads the first description in a body, which may have other parts around it; whole: to its end.
func sessionDescription(body []byte) (session netip.Addr, list []media, whole bool) {
	within := false
	for n := 0; n < sdpLines && len(body) > 0; n++ {
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		body = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		switch {
		case is(line, "V=0"):
			within = true
		case !within:
		case len(line) < 2 || line[1] != '=':
			return session, list, true
		case line[0] == 'm':
			if len(list) >= maxMedia {
				return session, list, false
			}
			list = append(list, mediaLine(line[2:]))
		case line[0] == 'c' && len(list) > 0:
			list[len(list)-1].addr = connectionAddress(line[2:])
		case line[0] == 'c':
			session = connectionAddress(line[2:])
		case line[0] == 'a' && len(list) > 0:
			list[len(list)-1].attribute(line[2:])
		}
	}
	return session, list, len(body) == 0
}

// mediaLine reads "audio 49170 RTP/AVP 0".
func mediaLine(b []byte) (m media) {
	_, rest := word(b)
	port, rest := word(rest)
	transport, _ := word(rest)
	m.port, _, _ = number(port)
	m.rtp = bytes.Contains(transport, []byte("RTP/"))
	m.tcp = begins(transport, "TCP")
	return m
}

// connectionAddress reads "IN IP4 192.0.2.1", of multicast with "/127" behind it.
func connectionAddress(b []byte) netip.Addr {
	network, rest := word(b)
	family, rest := word(rest)
	text, _, _ := bytes.Cut(rest, []byte("/"))
	if !is(network, "IN") || len(text) > 64 {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(string(bytes.TrimSpace(text)))
	if err != nil || addr.Zone() != "" || is(family, "IP4") != addr.Is4() {
		return netip.Addr{}
	}
	return addr.Unmap()
}

// attribute reads "rtcp:53020", "rtcp:53020 IN IP4 192.0.2.1" and "rtcp-mux".
func (m *media) attribute(b []byte) {
	name, value, _ := bytes.Cut(b, []byte(":"))
	switch {
	case is(name, "RTCP"):
		port, rest, ok := number(value)
		if ok && port > 0 && m.control >= 0 {
			m.control = port
			m.other = connectionAddress(bytes.TrimLeft(rest, " "))
		}
	case is(name, "RTCP-MUX"):
		m.control = -1
	}
}
