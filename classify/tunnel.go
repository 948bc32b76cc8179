package classify

import (
	"maps"
	"slices"

	"pcapaudit/capture/flow"
)

// opaqueTunnel names the sort of tunnel that a connection is, where nobody can see what is inside; "" for others. IPsec is known by its
// protocol, the others by the ports that IANA registered for them and WireGuard's customary one, and by an answer: payloads are not read.
func opaqueTunnel(c *flow.Conn) string {
	switch {
	case c.Proto == flow.ESP:
		return "ESP"
	case c.Proto == flow.UDP && c.Outcome == flow.Answered:
		for _, port := range [...]uint16{c.Resp.Port(), c.Orig.Port()} {
			switch port {
			case 4500:
				return "ESP in UDP"
			case 51820:
				return "WireGuard"
			case 1194:
				return "OpenVPN"
			case 1701:
				return "L2TP"
			}
		}
	case c.Proto == flow.TCP && c.Visibility == flow.BothSides && c.Outcome != flow.Refused && c.Outcome != flow.HalfOpen:
		switch c.Resp.Port() {
		case 1194:
			return "OpenVPN"
		case 1723: // its control connection; the packets are in GRE
			return "PPTP"
		}
	}
	return ""
}

// hide notes a tunnel between two ends. What networks behind them say through it is not known.
func (s *sight) hide(tunnel string, from, to party) {
	s.tunnels[tunnel] = true
	if from.host == nil || to.host == nil {
		return
	}
	for _, pair := range [][2]party{{from, to}, {to, from}} {
		if s.hidden[pair] == "" && len(s.hidden) >= maxSeenPairs {
			s.unkept++
			continue
		}
		s.hidden[pair] = tunnel
	}
}

// tunnelNames are the sorts of opaque tunnels seen.
func (s *sight) tunnelNames() []string { return slices.Sorted(maps.Keys(s.tunnels)) }
