package classify

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Described is a connection in words, and what is known of it beside them.
type Described struct {
	Text      string // "tcp 192.0.2.7:49822 > 192.0.2.9:9876", "icmp web-1 > 192.0.2.9 8/0"; hosts of the site by their names, IPv6 with a port in brackets
	At        int64  // ns since 1970
	Encrypted string // tls, none, or unknown or "" where it is not known
	Name      string // that the originator claims for the responder, "" for none
}

// EncryptedWords are the words of Described.Encrypted.
var EncryptedWords = []string{"tls", "none", "unknown"}

// Conn is the connection that is described, opened by the end that stands first. Without a source port it comes from one that the originator's OS picks; assumed says which.
func (d Described) Conn(set *rules.Set) (c *flow.Conn, assumed string, err error) {
	words := strings.Fields(strings.ReplaceAll(d.Text, "->", ">"))
	if len(words) < 4 || words[2] != ">" {
		return nil, "", fmt.Errorf("%.80q is no connection: write 'tcp 192.0.2.7:49822 > 192.0.2.9:9876'", d.Text)
	}
	c = &flow.Conn{First: d.At, Last: d.At, KnownBy: flow.KnownByHandshake, Outcome: flow.Seen, OrigPackets: 1, RespPackets: 1}
	protos := rules.ProtoOf(strings.TrimSuffix(strings.ToLower(words[0]), "6"))
	if len(protos) == 0 {
		text := fmt.Sprintf("unknown protocol %.40q: write tcp, udp or icmp", words[0])
		if n := rules.Nearest(words[0], []string{"tcp", "udp", "icmp", "sctp"}); n != "" {
			text += fmt.Sprintf("; did you mean %q?", n)
		}
		return nil, "", errors.New(text)
	}
	c.Proto = protos[0]
	if c.Orig, c.Resp, err = describedEnds(set, words[1], words[3], d.At); err != nil {
		return nil, "", err
	}
	if c.Proto.IsICMP() && c.Orig.Addr().Is6() {
		c.Proto = flow.ICMPv6
	}
	if assumed, err = d.service(set, c, words[4:]); err != nil {
		return nil, "", err
	}
	return c, assumed, d.facts(c)
}

// service reads what stands in for ports, or checks them.
func (d Described) service(set *rules.Set, c *flow.Conn, more []string) (assumed string, err error) {
	switch c.Proto {
	case flow.TCP:
		c.Outcome = flow.Established
	case flow.UDP, flow.ICMP, flow.ICMPv6:
		c.Outcome = flow.Answered
	}
	switch {
	case c.Proto.IsICMP():
		return "", icmpWords(c, more)
	case len(more) > 0:
		return "", fmt.Errorf("%.40q behind the connection means nothing", strings.Join(more, " "))
	case !c.Proto.HasPorts() && (c.Orig.Port() != 0 || c.Resp.Port() != 0):
		return "", fmt.Errorf("%s has no ports", c.Proto)
	case !c.Proto.HasPorts():
		return "", nil
	case c.Resp.Port() == 0:
		return "", fmt.Errorf("%.80q has no responder port: write ADDRESS:PORT, IPv6 in brackets", d.Text)
	case c.Orig.Port() == 0:
		port := pickedPort(set.Lookup(c.Orig.Addr(), d.At).Host)
		c.Orig = netip.AddrPortFrom(c.Orig.Addr(), port)
		return fmt.Sprintf("no source port was given: %d is taken, as the originator's OS may pick it", port), nil
	}
	return "", nil
}

// pickedPort is a source port within the built-in range of a host's OS; 50000 lies in those of today.
func pickedPort(h *rules.Host) uint16 {
	switch {
	case h != nil && h.SourceRange != "":
		first, _, _ := strings.Cut(h.SourceRange, "-")
		n, _ := strconv.ParseUint(first, 10, 16)
		return uint16(n)
	case h != nil && h.OS == "windows-pre-vista":
		return 1025
	}
	return 50000
}

// icmpWords reads "8", "8/0" or "type 8 code 0"; without any it is an echo request.
func icmpWords(c *flow.Conn, more []string) error {
	text := strings.NewReplacer("type ", "", " code ", "/").Replace(strings.Join(more, " "))
	if text == "" {
		if text = "8/0"; c.Proto == flow.ICMPv6 {
			text = "128/0"
		}
	}
	kind, code, _ := strings.Cut(text, "/")
	t, err := strconv.ParseUint(kind, 10, 8)
	var n uint64
	if err == nil && code != "" {
		n, err = strconv.ParseUint(code, 10, 8)
	}
	if err != nil {
		return fmt.Errorf("%.40q is no ICMP type and code: write 8/0", strings.Join(more, " "))
	}
	c.ICMPType, c.ICMPCode = uint8(t), uint8(n)
	return nil
}

// facts are what a payload would have told.
func (d Described) facts(c *flow.Conn) error {
	switch d.Encrypted {
	case "", "unknown":
	case "tls":
		c.Facts = append(c.Facts, flow.Fact{Kind: flow.FactEncrypted, Value: "TLS"})
	case "none":
		c.Facts = append(c.Facts, flow.Fact{Kind: flow.FactCleartext, Value: "content in clear"})
	default:
		return fmt.Errorf("--encrypted %.40q: %s", d.Encrypted, rules.Meant(d.Encrypted, EncryptedWords))
	}
	if d.Name != "" {
		c.Facts = append(c.Facts, flow.Fact{Kind: flow.FactName, Origin: flow.NameSNI, Value: strings.ToLower(d.Name)})
	}
	return nil
}

// describedEnds finds the addresses of both ends, of one family where hosts have both.
func describedEnds(set *rules.Set, from, to string, at int64) (orig, resp netip.AddrPort, err error) {
	origs, err := describedEnd(set, from, at)
	if err != nil {
		return orig, resp, err
	}
	resps, err := describedEnd(set, to, at)
	if err != nil {
		return orig, resp, err
	}
	for _, o := range origs {
		for _, r := range resps {
			if o.Addr().Is4() == r.Addr().Is4() {
				return o, r, nil
			}
		}
	}
	return orig, resp, fmt.Errorf("%.60q and %.60q have no addresses of one family", from, to)
}

// describedEnd reads ADDRESS, ADDRESS:PORT, HOST or HOST:PORT. Port 0 is none.
func describedEnd(set *rules.Set, text string, at int64) ([]netip.AddrPort, error) {
	if end, err := endOf(text); err == nil {
		return []netip.AddrPort{end}, nil
	}
	name, number, hasPort := strings.Cut(text, ":")
	port, err := strconv.ParseUint(number, 10, 16)
	if hasPort && err != nil {
		return nil, fmt.Errorf("%.80q is no address with a port: write 192.0.2.9:9876 or [2001:db8::9]:9876", text)
	}
	if set.Site == nil {
		return nil, fmt.Errorf("%.80q is no address, and without --site there are no hosts", name)
	}
	var names []string
	for _, h := range set.Site.Hosts {
		names = append(names, h.Name)
		if h.Name != name {
			continue
		}
		list := h.SingleAddresses(at)
		for i := range h.Addresses {
			list = append(list, firstAddress(h.Addresses[i].Address)...)
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("the host %.60q has no address: give one instead of the name", name)
		}
		ends := make([]netip.AddrPort, len(list))
		for i, a := range list {
			ends[i] = netip.AddrPortFrom(a, uint16(port))
		}
		return ends, nil
	}
	slices.Sort(names)
	return nil, fmt.Errorf("%.80q is no address and no host of the site; %s", name, rules.Meant(name, names))
}

// endOf reads ADDRESS or ADDRESS:PORT.
func endOf(text string) (netip.AddrPort, error) {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), nil
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return netip.AddrPortFrom(a.Unmap().WithZone(""), 0), err
}
