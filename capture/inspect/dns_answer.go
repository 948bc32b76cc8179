package inspect

import (
	"hash/maphash"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"pcapaudit/capture/flow"
)

const (
	maxAnswers   = 128 // of one answer that are read
	maxAliases   = 16  // canonical names that are followed
	maxAddresses = 64  // learned of one answer

	// maxTTL caps what an answer may claim, as resolvers do: a day is the default of Unbound (cache-max-ttl).
	maxTTL = 24 * 3600
	// staleness is how long after its time to live an answer still explains a new connection: resolvers serve stale answers while they ask anew
	// (RFC 8767) and applications keep what they resolved when they began. An hour takes both in, and is short beside the days for
	// which an address stays with one host.
	staleness = 3600
)

// dnsRecords is what the answer section of an answer holds that could teach a name.
type dnsRecords struct {
	aliases []dnsAlias
	hosts   []dnsHost
	sum     uint64 // of response code and records without their times to live, in whatever order
	texts   texts
}

type dnsAlias struct {
	owner, target string // as dnsmessage gives them, lower case
	ttl           uint32
}

type dnsHost struct {
	owner string
	kind  dnsmessage.Type
	name  string     // of a PTR record; the target of SVCB and HTTPS, where it is another name
	addr  netip.Addr // of the others
	ttl   uint32
}

// records reads the answer section as far as it goes; whole: to its end. What it gives is valid until the next message.
func (m *dnsMessage) records() (r *dnsRecords, whole bool) {
	r = &m.answers
	r.aliases, r.hosts, r.sum = r.aliases[:0], r.hosts[:0], uint64(m.header.RCode)
	for range maxAnswers {
		h, err := m.rest.AnswerHeader()
		if err != nil {
			return r, err == dnsmessage.ErrSectionDone
		}
		if !r.read(&m.rest, &h) {
			return r, false
		}
	}
	return r, false
}

// read reads one record behind its header.
func (r *dnsRecords) read(p *dnsmessage.Parser, h *dnsmessage.ResourceHeader) bool {
	host := dnsHost{owner: r.texts.lower(&h.Name), kind: h.Type, ttl: h.TTL}
	if int32(h.TTL) < 0 {
		host.ttl = 0 // RFC 2181, section 8
	}
	class := h.Class == dnsmessage.ClassINET
	switch {
	case class && h.Type == dnsmessage.TypeA && h.Length == 4:
		a, err := p.AResource()
		host.addr = netip.AddrFrom4(a.A)
		return r.add(host, err)
	case class && h.Type == dnsmessage.TypeAAAA && h.Length == 16:
		a, err := p.AAAAResource()
		host.addr = netip.AddrFrom16(a.AAAA).Unmap()
		return r.add(host, err)
	case class && h.Type == dnsmessage.TypePTR:
		ptr, err := p.PTRResource()
		host.name = r.texts.lower(&ptr.PTR)
		return r.add(host, err)
	case class && h.Type == dnsmessage.TypeCNAME:
		cname, err := p.CNAMEResource()
		target := r.texts.lower(&cname.CNAME)
		r.digest(host.owner, h.Type, target, netip.Addr{})
		r.aliases = append(r.aliases, dnsAlias{host.owner, target, host.ttl})
		return err == nil
	case class && h.Type == dnsmessage.TypeHTTPS:
		s, err := p.HTTPSResource()
		return err == nil && r.addHints(host, &s.SVCBResource)
	case class && h.Type == dnsmessage.TypeSVCB:
		s, err := p.SVCBResource()
		return err == nil && r.addHints(host, &s)
	}
	return p.SkipAnswer() == nil
}

func (r *dnsRecords) add(h dnsHost, err error) bool {
	if err != nil {
		return false
	}
	r.digest(h.owner, h.kind, h.name, h.addr)
	r.hosts = append(r.hosts, h)
	return true
}

// addHints adds the addresses that a service binding holds (RFC 9460, section 7.3). An alias (priority 0) has none.
func (r *dnsRecords) addHints(h dnsHost, s *dnsmessage.SVCBResource) bool {
	if h.name = r.texts.lower(&s.Target); h.name == "." {
		h.name = ""
	}
	r.digest(h.owner, 0, h.name, netip.AddrFrom4([4]byte{byte(s.Priority >> 8), byte(s.Priority)}))
	if s.Priority == 0 {
		return true
	}
	for _, hint := range []struct {
		key  dnsmessage.SVCParamKey
		size int
	}{{dnsmessage.SVCParamIPv4Hint, 4}, {dnsmessage.SVCParamIPv6Hint, 16}} {
		value, _ := s.GetParam(hint.key)
		for ; len(value) >= hint.size && len(r.hosts) < maxAnswers; value = value[hint.size:] {
			addr, _ := netip.AddrFromSlice(value[:hint.size])
			h.addr = addr.Unmap()
			r.add(h, nil)
		}
	}
	return true
}

// digest adds one record to the sum.
func (r *dnsRecords) digest(owner string, kind dnsmessage.Type, name string, addr netip.Addr) {
	var b [4 + 2*255 + 16]byte
	b[0], b[1], b[2], b[3] = byte(kind>>8), byte(kind), byte(len(owner)), byte(len(name))
	n := 4
	n += copy(b[n:], owner)
	n += copy(b[n:], name)
	if addr.IsValid() {
		a := addr.As16()
		n += copy(b[n:], a[:])
	}
	r.sum += maphash.Bytes(r.texts.seed, b[:n])
}

// teach tells the names of the addresses that answer the question, at the end of its chain of aliases.
func (r *dnsRecords) teach(c *conversation, asker int, q *dnsmessage.Question) {
	if q.Class != dnsmessage.ClassINET {
		return
	}
	asked := r.texts.lower(&q.Name)
	owner, ttl, ok := r.follow(asked)
	if !ok {
		return
	}
	taught := 0
	for _, h := range r.hosts {
		if h.owner != owner || h.kind != q.Type && q.Type != dnsmessage.TypeALL || taught >= maxAddresses {
			continue
		}
		name, last, addr, origin := asked, owner, h.addr, flow.NameDNS
		switch {
		case h.kind == dnsmessage.TypePTR:
			name, last, addr, origin = h.name, h.name, reverseAddr(asked), flow.NameReverse
		case h.kind != dnsmessage.TypeA && h.kind != dnsmessage.TypeAAAA:
			name = withoutService(name)
			last = withoutService(last)
			if h.name != "" {
				last = h.name
			}
		}
		n := flow.Name{Origin: origin, Asker: c.ends[asker].Addr(), Addr: addr, Until: validUntil(c.packet.at, min(ttl, h.ttl))}
		if n.Name, ok = hostName(name); !ok || !addr.IsValid() {
			continue
		}
		if last != name {
			n.Chain, _ = hostName(last)
		}
		c.learned(n)
		taught++
	}
}

// validUntil is when an answer stops explaining new connections.
func validUntil(at int64, ttl uint32) int64 {
	return at + (int64(min(ttl, maxTTL))+staleness)*1e9
}

// follow gives the last canonical name of a name, and the shortest time to live on the way; false where the chain has no end.
func (r *dnsRecords) follow(name string) (last string, ttl uint32, ok bool) {
	ttl = maxTTL
	for range maxAliases {
		i := 0
		for i < len(r.aliases) && r.aliases[i].owner != name {
			i++
		}
		if i == len(r.aliases) {
			return name, ttl, true
		}
		name, ttl = r.aliases[i].target, min(ttl, r.aliases[i].ttl)
	}
	return "", 0, false
}

// texts are names met lately: most answers name what was named before, and to find that out is cheaper than to make a string of it.
type texts struct {
	seed maphash.Seed
	of   [1 << 12]string
}

// lower gives a name as dnsmessage does, with final dot, in lower case (ASCII only).
func (t *texts) lower(n *dnsmessage.Name) string {
	b := n.Data[:n.Length]
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	s := &t.of[maphash.Bytes(t.seed, b)%uint64(len(t.of))]
	if *s != string(b) {
		*s = string(b)
	}
	return *s
}

// withoutService takes the labels for port and scheme off the name of a service binding: "_8443._https.example." (RFC 9460, section 2.3).
func withoutService(name string) string {
	for strings.HasPrefix(name, "_") {
		_, rest, found := strings.Cut(name, ".")
		if !found || rest == "" {
			return name
		}
		name = rest
	}
	return name
}

// reverseAddr is the address of a name under in-addr.arpa (RFC 1035, section 3.5) or ip6.arpa (RFC 3596, section 2.5); invalid if it is none.
func reverseAddr(name string) netip.Addr {
	if digits, ok := strings.CutSuffix(name, ".in-addr.arpa."); ok {
		labels := strings.Split(digits, ".")
		if len(labels) != 4 {
			return netip.Addr{}
		}
		addr, _ := netip.ParseAddr(labels[3] + "." + labels[2] + "." + labels[1] + "." + labels[0])
		return addr
	}
	digits, ok := strings.CutSuffix(name, ".ip6.arpa.")
	if !ok || len(digits) != 63 {
		return netip.Addr{}
	}
	var b [16]byte
	for i := range 32 {
		nibble := strings.IndexByte("0123456789abcdef", digits[62-2*i])
		if nibble < 0 || i > 0 && digits[63-2*i] != '.' {
			return netip.Addr{}
		}
		b[i/2] = b[i/2]<<4 | byte(nibble)
	}
	return netip.AddrFrom16(b).Unmap()
}
