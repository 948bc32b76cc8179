package draft

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pcapaudit/rules"
)

// The device of a MUD file is the role "device"; the abstractions of RFC 8520, section 3, are roles of their own.
const (
	deviceRole       = "device"
	localNetworkRole = "local-network"
)

// mudReader makes flows of the access lists of a MUD file (RFC 8520, RFC 8519).
type mudReader struct {
	*Draft
	peers map[string]string // role of a peer, by what names it
	seen  map[string]bool   // flows, so that the two directions of one are one
}

// readMUD reads the policies from and to the device.
func (d *Draft) readMUD(root *node) {
	mud := root.get("ietf-mud:mud")
	d.title = clean(mud.get("systeminfo").text, 200)
	d.date = clean(mud.get("last-update").text, 40)
	r := &mudReader{Draft: d, peers: map[string]string{}, seen: map[string]bool{}}
	d.roles.put(deviceRole, "The device that the MUD file is about"+strings.TrimSuffix(": "+d.title, ": "))
	lists := root.get("ietf-access-control-list:acls", "acl").each()
	if len(lists) == 0 {
		lists = root.get("ietf-access-control-list:access-lists", "acl").each()
	}
	for _, from := range []bool{true, false} {
		policy := "to-device-policy"
		if from {
			policy = "from-device-policy"
		}
		for _, use := range mud.get(policy, "access-lists", "access-list").each() {
			name := use.get("name").text
			at := slices.IndexFunc(lists, func(l *node) bool { return l.get("name").text == name })
			if at < 0 {
				d.leave(use.first, use.last, name, policy+" names an access list that the file does not have")
				continue
			}
			aces := lists[at].get("aces", "ace")
			for _, ace := range aces.each() {
				if why := r.entry(ace, from); why != "" {
					d.leave(ace.first, ace.last, ace.get("name").text, why)
				}
			}
		}
	}
}

// match is what an entry asks of a packet.
type match struct {
	proto          string
	peer           string // role
	ports, sources string // of the packet's destination and source, "" where it does not say
	initiated      string // from-device, to-device or ""
	icmp           []int
	fromDevice     bool
}

// entry makes a flow of an entry of an access list; why says why there is none. A fixed port is that of the responder.
func (r *mudReader) entry(ace *node, from bool) (why string) {
	if action := short(ace.get("actions", "forwarding").text); action != "accept" {
		return fmt.Sprintf("the entry does not accept but %q", clean(action, 40))
	}
	m := match{fromDevice: from}
	for _, key := range ace.get("matches").keys {
		if why := r.matches(&m, short(key), ace.get("matches", key)); why != "" {
			return why
		}
	}
	if m.peer == "" {
		m.peer = "any"
	}
	if m.proto == "" {
		m.proto = "any"
	}
	remote, local := m.ports, m.sources // of the peer and of the device
	if !from {
		remote, local = m.sources, m.ports
	}
	opens, err := opener(m, remote, local)
	if err != "" {
		return err
	}
	r.put(m, ace, opens, remote, local)
	return ""
}

// opener is who opens connections: as the entry says, else the side that has no fixed port.
func opener(m match, remote, local string) (opens direction, why string) {
	switch {
	case m.initiated == "from-device" && (remote != "" || local == ""):
		return outbound, ""
	case m.initiated == "to-device" && (local != "" || remote == ""):
		return inbound, ""
	case m.initiated != "":
		return unknown, "the side that opens is the one with the fixed port"
	case remote != "" && local == "":
		return outbound, ""
	case remote == "" && local != "":
		return inbound, ""
	case remote != "" && m.fromDevice:
		return outbound, ""
	case remote != "":
		return inbound, ""
	}
	return bothWays, ""
}

// put adds a flow unless the entry for its other direction has added it.
func (r *mudReader) put(m match, ace *node, opens direction, remote, local string) {
	e := ends{from: deviceRole, to: m.peer}
	ports, source := remote, local
	if opens == inbound {
		e.from, e.to = m.peer, deviceRole
		ports, source = local, remote
	}
	e.either = opens == bothWays
	if e.to == localNetworkRole {
		e.scope = "lan"
	}
	key := fmt.Sprint(m.proto, m.peer, remote, local, m.icmp)
	if !(remote != "" && local != "") {
		key = fmt.Sprint(key, opens)
	}
	if r.seen[key] {
		return
	}
	r.seen[key] = true
	g := group{ports: []string{ports}}
	switch {
	case slices.Contains(portless, m.proto):
		g.ports = nil
	case ports == "":
		g.ports = []string{"any"}
	}
	f := r.flow(e, m.proto, g, &printedPorts{})
	if source != "" && len(g.ports) > 0 {
		f.SourcePorts = source
	}
	f.ICMPTypes = m.icmp
	name := clean(ace.get("name").text, 160)
	f.Title = clean(strings.TrimSpace(name+" "+m.proto+" "+strings.Join(g.ports, ",")), 200)
	f.Cite = []rules.Cite{cite(ace.first, ace.last, "access list entry "+name)}
	r.add(f)
}

// matches reads one container of an entry.
func (r *mudReader) matches(m *match, kind string, n *node) (why string) {
	switch kind {
	case "ipv4", "ipv6":
		return r.network(m, n)
	case "tcp", "udp":
		return r.transport(m, kind, n)
	case "icmp":
		m.proto = "icmp"
		if n.has("type") {
			t, err := strconv.Atoi(n.get("type").text)
			if err != nil || t < 0 || t > 255 {
				return "an ICMP type that is no number from 0 to 255"
			}
			m.icmp = []int{t}
		}
		return ""
	case "mud":
		return r.abstraction(m, n)
	}
	return fmt.Sprintf("a match on %q", clean(kind, 40))
}

// numbers are the IP protocols that a pack has words for.
var numbers = map[string]string{"1": "icmp", "58": "icmp", "2": "igmp", "6": "tcp", "17": "udp", "47": "gre", "50": "esp", "51": "ah", "89": "ospf", "112": "vrrp", "132": "sctp"}

func (r *mudReader) network(m *match, n *node) (why string) {
	for _, key := range n.keys {
		text := n.get(key).text
		far := strings.HasPrefix(short(key), "dst") || strings.HasPrefix(short(key), "destination")
		switch short(key) {
		case "protocol":
			proto := numbers[text]
			if proto == "" || m.proto != "" && m.proto != proto {
				return fmt.Sprintf("the protocol %q", clean(text, 20))
			}
			m.proto = proto
		case "dst-dnsname", "src-dnsname", "destination-ipv4-network", "source-ipv4-network", "destination-ipv6-network", "source-ipv6-network":
			if far != m.fromDevice {
				return "an address of the device itself"
			}
			names, addresses, rest := hostsIn(text)
			if rest != "" || len(names)+len(addresses) != 1 || m.peer != "" {
				return fmt.Sprintf("the peer %q", clean(text, 60))
			}
			m.peer = r.roles.hosts(text, names, addresses)
		default:
			return fmt.Sprintf("a match on %q", clean(key, 40))
		}
	}
	return ""
}

func (r *mudReader) transport(m *match, kind string, n *node) (why string) {
	if m.proto != "" && m.proto != kind {
		return "two protocols"
	}
	m.proto = kind
	for _, key := range n.keys {
		switch short(key) {
		case "destination-port":
			m.ports, why = portMatch(n.get(key))
		case "source-port":
			m.sources, why = portMatch(n.get(key))
		case "direction-initiated":
			m.initiated = n.get(key).text
			if m.initiated != "from-device" && m.initiated != "to-device" {
				why = fmt.Sprintf("direction-initiated is %q", clean(m.initiated, 40))
			}
		default:
			why = fmt.Sprintf("a match on %q", clean(key, 40))
		}
		if why != "" {
			return why
		}
	}
	return ""
}

// portMatch reads a port with an operator, or a range (RFC 8519, section 4.1).
func portMatch(n *node) (port, why string) {
	first, last := n.get("lower-port").text, n.get("upper-port").text
	if n.has("port") {
		first = n.get("port").text
		switch n.get("operator").text {
		case "eq", "":
			last = first
		case "lte":
			first, last = "1", first
		case "gte":
			last = "65535"
		default:
			return "", fmt.Sprintf("the operator %q", clean(n.get("operator").text, 20))
		}
	}
	if !isNumber(first) || !isNumber(last) {
		return "", "a port that is no number"
	}
	_, port, why = rangeAt([]string{first, "-", last})
	return port, why
}

// abstraction reads the peer in the words of RFC 8520.
func (r *mudReader) abstraction(m *match, n *node) (why string) {
	for _, key := range n.keys {
		if key == "direction-initiated" {
			m.initiated = n.get(key).text
			continue
		}
		if m.peer != "" {
			return "two peers"
		}
		text := clean(n.get(key).text, 160)
		switch key {
		case "local-networks":
			m.peer = r.roles.put(localNetworkRole, "A host of the local network of the device").Name
		case "controller", "manufacturer", "model":
			m.peer = r.roles.titled(key + " " + text)
		case "my-controller", "same-manufacturer":
			m.peer = r.roles.titled(strings.ReplaceAll(key, "-", " "))
		default:
			return fmt.Sprintf("a match on %q", clean(key, 40))
		}
	}
	return ""
}
