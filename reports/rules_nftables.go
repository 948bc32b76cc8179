package reports

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// maxRuleComment is how many bytes nft takes as the comment of a rule, its end not counted.
const maxRuleComment = 127

// Nftables writes a table whose forward chain lets through what the packs document for the site of a set at a time, and drops the rest: sets of addresses for each
// role, one rule for each opening and address family, with flow and citation as its comment. What a chain cannot hold is said at its head, what was left out at its end.
func Nftables(w io.Writer, s *rules.Set, at int64) error {
	open, left := s.Openings(at)
	n := &nft{variants: map[string][]string{}}
	n.family(s)
	for i := range open {
		n.opening(&open[i])
	}
	var b strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	nftHead(put, s, at)
	put("table inet pcapaudit {}\ndelete table inet pcapaudit\ntable inet pcapaudit {")
	for _, set := range n.sets {
		put("\tset %s {\n\t\ttype %s\n\t\tflags interval\n\t\telements = { %s }\n\t}", set.name, set.kind, set.elements)
	}
	put("\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\tct state established,related counter accept\n\t\tct state invalid counter drop")
	for _, r := range n.rules {
		put("\t\t%s", r)
	}
	put("\t\tcounter drop comment \"documented by no flow\"\n\t}\n}")
	nftLeft(put, s, left)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write nftables: %w", err)
	}
	return nil
}

func nftHead(put func(string, ...any), s *rules.Set, at int64) {
	put("# What the documents say may be opened at the site %s on %s; everything else is dropped.", Clean(s.Site.Name), time.Unix(at/1e9, at%1e9).UTC().Format(time.RFC3339))
	for _, p := range s.Packs {
		put("# pack %s, SHA-256 %s%s", cleanText(p.Name), p.SHA256, draftWords(p.Status))
	}
	put("# site %s, SHA-256 %s%s", cleanText(s.Site.File), s.Site.SHA256, draftWords(s.Site.Status))
	for _, v := range s.Site.HostsFrom {
		put("# inventory %s, SHA-256 %s", cleanText(v.Path), v.SHA256)
	}
	put("# A packet filter knows addresses and ports: what the documents say of names, encryption, hours, and of ports that must have been announced, it cannot hold. A dynamic")
	put("# port is its whole range. A flow whose condition is not known is let through, and so are source ports that a translation has chosen.")
}

// nftLeft lists what the chain does not let through although a document or the site speaks of it.
func nftLeft(put func(string, ...any), s *rules.Set, left []rules.LeftOut) {
	for _, l := range left {
		put("# left out: %s: %s", cleanText(l.Flow.Ref()), Clean(l.Reason))
	}
	for _, e := range s.Site.Exceptions {
		put("# left out: the exception %s, which ends on %s", cleanText(e.ID), cleanText(e.Until))
	}
	for i := range s.Site.Background {
		put("# left out: background: %s", Clean(s.Site.Background[i].Reason))
	}
}

// draftWords say behind a pack or a site that nobody vouches for it.
func draftWords(s rules.Status) string {
	if s == rules.DraftStatus {
		return ": a DRAFT that nobody has reviewed"
	}
	return ""
}

// nft gathers sets and rules.
type nft struct {
	sets     []nftSet
	variants map[string][]string // elements of the sets of one name
	rules    []string
}

type nftSet struct{ name, kind, elements string }

// nftFamily is how a rule speaks of IPv4 or IPv6.
type nftFamily struct {
	ip, kind  string // in expressions, of set elements
	suffix    string // of set names
	multicast string
	icmp      string
	is4       bool
}

var nftFamilies = []nftFamily{
	{"ip", "ipv4_addr", "/4", "224.0.0.0/4", "icmp", true},
	{"ip6", "ipv6_addr", "/6", "ff00::/8", "icmpv6", false},
}

// of are the spans of the family.
func (f nftFamily) of(spans []rules.Span) []rules.Span {
	return slices.DeleteFunc(slices.Clone(spans), func(s rules.Span) bool { return s.First.Is4() != f.is4 })
}

// family writes the sets that stand for reserved roles.
func (n *nft) family(s *rules.Set) {
	for _, f := range nftFamilies {
		n.set("inside"+f.suffix, f.kind, spanElements(f.of(s.InsideSpans())))
	}
	n.set("broadcast/4", "ipv4_addr", spanElements(s.Broadcasts()))
}

// set gives the name of a set with these elements, of which there may be several with one wish for a name.
func (n *nft) set(wish, kind string, elements []string) string {
	text := strings.Join(elements, ", ")
	known := n.variants[wish]
	i := slices.Index(known, text)
	if i < 0 {
		i = len(known)
		n.variants[wish] = append(known, text)
		n.sets = append(n.sets, nftSet{variantName(wish, i), kind, text})
	}
	return variantName(wish, i)
}

func variantName(wish string, i int) string {
	if i == 0 {
		return wish
	}
	return fmt.Sprintf("%s/%d", wish, i+1)
}

func spanElements(spans []rules.Span) []string {
	var elements []string
	for _, s := range spans {
		elements = append(elements, s.String())
	}
	return elements
}

// opening writes the rules of an opening: one for each family and each different list of ports that responders have.
func (n *nft) opening(o *rules.Opening) {
	for _, f := range nftFamilies {
		if !speaks(o.Flow, f) {
			continue
		}
		for _, to := range byPorts(o.Responder) {
			daddr, ok := n.end("role/", o.To, to.spans, f, "daddr")
			if !ok {
				continue
			}
			for _, from := range n.sources(o, f) {
				n.rule(o, f, join(from, daddr, scopeOf(o, f)), to.ports)
			}
		}
	}
}

// speaks is false for what the family does not have: IGMP is IPv4's, and some ICMP types have no ICMPv6 counterpart.
func speaks(f *rules.Flow, of nftFamily) bool {
	return of.is4 || f.Proto != "igmp" && (len(f.ICMPTypes) == 0 || len(f.ICMP6Types()) > 0)
}

// portGroup is the addresses of holders with the same ports.
type portGroup struct {
	ports []rules.PortRange
	spans []rules.Span
}

func byPorts(holders []rules.Holder) []portGroup {
	var groups []portGroup
	for _, h := range holders {
		i := slices.IndexFunc(groups, func(g portGroup) bool { return slices.Equal(g.ports, h.Ports) })
		if i < 0 {
			i = len(groups)
			groups = append(groups, portGroup{ports: h.Ports})
		}
		groups[i].spans = append(groups[i].spans, h.Spans...)
	}
	for i := range groups {
		slices.SortFunc(groups[i].spans, func(a, b rules.Span) int { return a.First.Compare(b.First) })
	}
	return groups
}

// end is the condition on one end, with a set of that kind for a role that is not reserved; ok is false where nobody of the family is one.
func (n *nft) end(kind, role string, spans []rules.Span, f nftFamily, side string) (text string, ok bool) {
	switch role {
	case "any":
		return "", true
	case "internet":
		return fmt.Sprintf("%s %s != @inside%s", f.ip, side, f.suffix), true
	case "multicast":
		return fmt.Sprintf("%s %s %s", f.ip, side, f.multicast), true
	case "broadcast":
		return "ip " + side + " @broadcast/4", f.is4
	}
	spans = f.of(spans)
	if len(spans) == 0 {
		return "", false
	}
	return fmt.Sprintf("%s %s @%s", f.ip, side, n.set(kind+setName(role)+f.suffix, f.kind, spanElements(spans))), true
}

// setName is a role as the name of a set: names of hosts may hold anything.
func setName(role string) string {
	host, isHost := rules.HostName(role)
	if !isHost {
		return role
	}
	return "host/" + strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.') {
			return r
		}
		return '_'
	}, host)
}

// sources are the conditions on who opens: addresses, with the source ports of each. Where all have the same ports, one condition says so.
func (n *nft) sources(o *rules.Opening, f nftFamily) []string {
	groups := byPorts(o.Originator)
	if len(groups) == 1 {
		if text, ok := n.end("opens/", o.From, groups[0].spans, f, "saddr"); ok {
			return []string{join(text, portsExpression("th sport", groups[0].ports))}
		}
		return nil
	}
	var conditions, pairs []string
	for _, g := range groups {
		if g.ports == nil {
			if text, ok := n.end("translated/", o.From, g.spans, f, "saddr"); ok {
				conditions = append(conditions, text)
			}
			continue
		}
		for _, s := range f.of(g.spans) {
			for _, r := range g.ports {
				pairs = append(pairs, s.String()+" . "+portText(r))
			}
		}
	}
	if len(pairs) > 0 {
		slices.Sort(pairs)
		name := n.set("source/"+setName(o.From)+f.suffix, f.kind+" . inet_service", pairs)
		conditions = append(conditions, fmt.Sprintf("%s saddr . th sport @%s", f.ip, name))
	}
	return conditions
}

// scopeOf is where the answering or, of a reversed opening, the opening side must be.
func scopeOf(o *rules.Opening, f nftFamily) string {
	side, role := "daddr", o.To
	if o.Reversed {
		side, role = "saddr", o.From
	}
	switch {
	case o.Flow.Scope == "" || o.Proxied || role == "broadcast" || role == "multicast":
		return ""
	case o.Flow.Scope == "wan":
		return fmt.Sprintf("%s %s != @inside%s", f.ip, side, f.suffix)
	}
	return fmt.Sprintf("%s %s @inside%s", f.ip, side, f.suffix)
}

// rule adds one rule, once: ends that say nothing of addresses make the same rule for both families.
func (n *nft) rule(o *rules.Opening, f nftFamily, ends string, ports []rules.PortRange) {
	comment := o.Flow.Ref()
	if o.Condition == rules.Unknown {
		comment += " if " + o.Flow.Condition
	}
	text := join(service(o.Flow, f, ports), ends, portsExpression("th dport", ports), "counter accept comment "+nftString(comment+"; "+citesText(o.Flow)))
	if !slices.Contains(n.rules, text) {
		n.rules = append(n.rules, text)
	}
}

// service is the condition on the protocol.
func service(fl *rules.Flow, f nftFamily, ports []rules.PortRange) string {
	protos := rules.ProtoOf(fl.Proto)
	switch {
	case len(fl.ICMPTypes) > 0:
		types := fl.ICMPTypes
		if !f.is4 {
			types = fl.ICMP6Types()
		}
		return f.icmp + " type { " + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(types)), ", "), "[]") + " }"
	case fl.Proto == "icmp":
		return "meta l4proto " + f.icmp
	case len(protos) > 0:
		return "meta l4proto " + fmt.Sprint(uint8(protos[0]))
	case len(ports) > 0 && !slices.Equal(ports, everyPort):
		return fmt.Sprintf("meta l4proto { %d, %d, %d, %d }", flow.TCP, flow.UDP, flow.SCTP, flow.UDPLite)
	}
	return ""
}

var everyPort = []rules.PortRange{{First: 1, Last: 65535}}

// portsExpression is a condition on ports; every port is none.
func portsExpression(key string, ports []rules.PortRange) string {
	if len(ports) == 0 || slices.Equal(ports, everyPort) {
		return ""
	}
	return key + " { " + strings.ReplaceAll(portsText(ports, ""), ",", ", ") + " }"
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " ")
}

// nftString is text as nft reads it, which has no escapes, cut to the length of a comment.
func nftString(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' {
			return '\''
		}
		return r
	}, Clean(s))
	for len(s) > maxRuleComment {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return `"` + s + `"`
}
