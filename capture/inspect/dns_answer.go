package inspect

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"strings"

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
	asked   string // the name in the question
	aliases []dnsAlias
	hosts   []dnsHost
	sum     uint64 // of response code and records without their times to live, in whatever order
	name    dnsName
	digest  []byte // that is being put together
	texts   texts
}

type dnsAlias struct {
	owner, target string // as dnsName gives them
	ttl           uint32
}

type dnsHost struct {
	owner string
	kind  uint16
	name  string     // of a PTR record; the target of SVCB and HTTPS, where it is another name
	addr  netip.Addr // of the others
	ttl   uint32
}

// readAnswers reads the answer section into m.records as far as it goes, and says whether that is to its end.
func (m *dnsMessage) readAnswers() bool {
	r := &m.records
	r.aliases, r.hosts, r.sum, r.asked = r.aliases[:0], r.hosts[:0], uint64(m.code()), r.texts.of(m.asked.bytes())
	for n := range maxAnswers {
		if n == m.answers {
			return true
		}
		owner, ok := m.owner()
		if !ok || !r.read(&m.rest, owner) {
			return false
		}
	}
	return false
}

// owner reads the name of a record. Nearly always it is a pointer to the name asked for.
func (m *dnsMessage) owner() (string, bool) {
	if b := m.rest.message; m.direct && m.rest.at+2 <= len(b) && b[m.rest.at] == 0xc0 && b[m.rest.at+1] == dnsHeader {
		m.rest.at += 2
		return m.records.asked, true
	}
	return m.records.text(&m.rest)
}

// text reads a name.
func (r *dnsRecords) text(p *dnsReader) (string, bool) {
	if !p.name(&r.name) {
		return "", false
	}
	return r.texts.of(r.name.bytes()), true
}

// read reads one record behind its owner.
func (r *dnsRecords) read(p *dnsReader, owner string) bool {
	kind, ttl, length, ok := p.header()
	if !ok {
		return false
	}
	if int32(ttl) < 0 {
		ttl = 0 // RFC 2181, section 8
	}
	host := dnsHost{owner: owner, kind: kind.number, ttl: ttl}
	at := p.at
	p.at += length
	if data := p.message[min(at, len(p.message)):]; kind.class == dnsInternet {
		switch {
		case kind.number == dnsA && length == 4:
			if len(data) < 4 {
				return false
			}
			host.addr = netip.AddrFrom4([4]byte(data))
			r.add(host)
			return true
		case kind.number == dnsAAAA && length == 16:
			if len(data) < 16 {
				return false
			}
			host.addr = netip.AddrFrom16([16]byte(data)).Unmap()
			r.add(host)
			return true
		case kind.number == dnsPTR:
			if host.name, ok = r.text(&dnsReader{p.message, at}); ok {
				r.add(host)
			}
			return ok
		case kind.number == dnsCNAME:
			target, ok := r.text(&dnsReader{p.message, at})
			r.digestOf(host.owner, dnsCNAME, target, netip.Addr{})
			r.aliases = append(r.aliases, dnsAlias{host.owner, target, host.ttl})
			return ok
		case kind.number == dnsHTTPS || kind.number == dnsSVCB:
			return r.addHints(host, p.message, at, p.at)
		}
	}
	return p.at <= len(p.message)
}

func (r *dnsRecords) add(h dnsHost) {
	r.digestOf(h.owner, h.kind, h.name, h.addr)
	r.hosts = append(r.hosts, h)
}

// addHints adds the addresses that a service binding holds (RFC 9460, sections 2.2 and 7.3): a priority, a target, and parameters by ascending
// numbers. An alias (priority 0) has none.
func (r *dnsRecords) addHints(h dnsHost, message []byte, at, end int) bool {
	const hints4, hints6 = 4, 6
	if end > len(message) || at+2 > len(message) {
		return false
	}
	priority, p := message[at:at+2], dnsReader{message, at + 2}
	var ok bool
	if h.name, ok = r.text(&p); !ok {
		return false
	}
	var hints [2][]byte
	for last := -1; p.at != end; {
		if p.at+4 > end {
			return false
		}
		b := message[p.at:end]
		key, size := int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[2:]))
		if key <= last || 4+size > len(b) {
			return false
		}
		switch key {
		case hints4:
			hints[0] = b[4 : 4+size]
		case hints6:
			hints[1] = b[4 : 4+size]
		}
		last, p.at = key, p.at+4+size
	}
	if h.name == "." {
		h.name = ""
	}
	r.digestOf(h.owner, 0, h.name, netip.AddrFrom4([4]byte{priority[0], priority[1]}))
	if priority[0]|priority[1] == 0 {
		return true
	}
	for i, size := range [2]int{4, 16} {
		for value := hints[i]; len(value) >= size && len(r.hosts) < maxAnswers; value = value[size:] {
			addr, _ := netip.AddrFromSlice(value[:size])
			h.addr = addr.Unmap()
			r.add(h)
		}
	}
	return true
}

// digestOf adds one record to the sum.
func (r *dnsRecords) digestOf(owner string, kind uint16, name string, addr netip.Addr) {
	b := append(r.digest[:0], byte(kind>>8), byte(kind), byte(len(owner)), byte(len(name)))
	b = append(append(b, owner...), name...)
	if addr.IsValid() {
		a := addr.As16()
		b = append(b, a[:]...)
	}
	r.digest = b
	r.sum += maphash.Bytes(r.texts.seed, b)
}

// teach tells the names of the addresses that answer the question, at the end of its chain of aliases.
func (r *dnsRecords) teach(c *conversation, asker int, q dnsKind) {
	if q.class != dnsInternet {
		return
	}
	asked := r.asked
	owner, ttl, ok := r.follow(asked)
	if !ok {
		return
	}
	taught := 0
	for _, h := range r.hosts {
		if h.owner != owner || h.kind != q.number && q.number != dnsAny || taught >= maxAddresses {
			continue
		}
		name, last, addr, origin := asked, owner, h.addr, flow.NameDNS
		switch {
		case h.kind == dnsPTR:
			name, last, addr, origin = h.name, h.name, reverseAddr(asked), flow.NameReverse
		case h.kind != dnsA && h.kind != dnsAAAA:
			name = withoutService(name)
			last = withoutService(last)
			if h.name != "" {
				last = h.name
			}
		}
		n := flow.Name{Origin: origin, Asker: c.addrs[asker], Addr: addr, Until: validUntil(c.packet.at, min(ttl, h.ttl))}
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
	met  [1 << 12]string
}

// of gives a text that is valid for good.
func (t *texts) of(b []byte) string {
	s := &t.met[maphash.Bytes(t.seed, b)%uint64(len(t.met))]
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
