package classify

import (
	"maps"
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// opaqueProtocols are those of which nobody can see what is inside, or of which it is not read.
var opaqueProtocols = map[flow.Proto]string{flow.ESP: "ESP", 108: "IPComp", 115: "L2TPv3", 137: "MPLS in IP"}

// opaquePort goes by the ports that IANA registered for such tunnels, and WireGuard's customary one. PPTP's is that of its control connection; the
// packets are in GRE.
func opaquePort(proto flow.Proto, port uint16) string {
	switch {
	case port == 4500 && proto == flow.UDP:
		return "ESP in UDP"
	case port == 51820 && proto == flow.UDP:
		return "WireGuard"
	case port == 1194:
		return "OpenVPN"
	case port == 1701 && proto == flow.UDP:
		return "L2TP"
	case port == 1723 && proto == flow.TCP:
		return "PPTP"
	}
	return ""
}

// opaqueTunnel names the sort of tunnel that a connection is; "" for others. One direction is enough: the capture may not show the other. What
// is certain not to have been accepted is none.
func opaqueTunnel(c *flow.Conn) string {
	switch {
	case c.Outcome == flow.Refused || c.Outcome == flow.HalfOpen || c.Outcome == flow.Unanswered:
		return ""
	case c.Proto != flow.UDP && c.Proto != flow.TCP:
		return opaqueProtocols[c.Proto]
	}
	if name := opaquePayload(c); name != "" {
		return name
	}
	name := opaquePort(c.Proto, c.Resp.Port())
	if name == "" && c.Resp.Port() >= systemPorts && (c.Proto == flow.UDP || c.KnownBy.Uncertain()) {
		return opaquePort(c.Proto, c.Orig.Port())
	}
	return name
}

// tunnelPayload names the tunnel of a protocol that inspection recognises on any port; "" for others.
func tunnelPayload(protocol string) string {
	switch protocol {
	case "wireguard":
		return "WireGuard"
	case "openvpn":
		return "OpenVPN"
	case "esp-udp":
		return "ESP in UDP"
	case "ike":
		return "IPsec"
	}
	return ""
}

func opaquePayload(c *flow.Conn) string {
	for i := range c.Facts {
		if f := &c.Facts[i]; f.Kind == flow.FactProtocol {
			if name := tunnelPayload(f.Value); name != "" {
				return name
			}
		}
	}
	return ""
}

// systemPorts is the first port that is none (RFC 6335, section 6): who talks to a system port has his own by chance.
const systemPorts = 1024

// hiddenPair is a party and the entry that it talks to through an opaque tunnel; nil: somebody whom the site does not know.
type hiddenPair struct {
	from party
	to   *rules.Host
}

// hide notes a tunnel between two ends. What networks behind them say through it is not known.
func (s *sight) hide(tunnel string, from, to party) {
	s.tunnels[tunnel] = true
	for _, pair := range [...]hiddenPair{{from, to.host}, {to, from.host}} {
		switch {
		case pair.from.host == nil:
		case s.hidden[pair] == "" && len(s.hidden) >= maxSeenPairs:
			s.crowded = true
			s.unkept++
		default:
			s.hidden[pair] = tunnel
		}
	}
}

// withOpaque is a copy with the tunnels that the decoder could not open. An address may have been another host's at the end of the capture.
func (s sight) withOpaque(a *Auditor, c *Capture) sight {
	if len(c.Opaque) > 0 {
		s.hidden, s.tunnels = maps.Clone(s.hidden), maps.Clone(s.tunnels)
	}
	s.crowded = s.crowded || c.OpaqueMore > 0
	for _, t := range c.Opaque {
		for _, at := range [...]int64{c.First, c.Last} {
			if a.set.Site == nil {
				s.hide(t.Name, party{}, party{})
				continue
			}
			s.hide(t.Name, a.partyOf(a.set.Lookup(t.A, at), t.A), a.partyOf(a.set.Lookup(t.B, at), t.B))
		}
	}
	return s
}

// tunnelNames are the sorts of opaque tunnels seen.
func (s *sight) tunnelNames() []string { return slices.Sorted(maps.Keys(s.tunnels)) }
