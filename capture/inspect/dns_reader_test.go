package inspect

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Reading with dnsmessage, which takes any name and number apart for its own, is what reading without allocating is held against.

// lowered is a name of dnsmessage as dnsName gives it.
func lowered(n dnsmessage.Name) string {
	b := n.Data[:n.Length]
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// answersOf reads the answers as readAnswers does.
func answersOf(p *dnsmessage.Parser) (aliases []dnsAlias, hosts []dnsHost, whole bool) {
	for range maxAnswers {
		h, err := p.AnswerHeader()
		if err != nil {
			return aliases, hosts, err == dnsmessage.ErrSectionDone
		}
		host := dnsHost{owner: lowered(h.Name), kind: uint16(h.Type), ttl: h.TTL}
		if int32(h.TTL) < 0 {
			host.ttl = 0
		}
		internet := h.Class == dnsmessage.ClassINET
		switch {
		case internet && h.Type == dnsmessage.TypeA && h.Length == 4:
			var a dnsmessage.AResource
			a, err = p.AResource()
			host.addr = netip.AddrFrom4(a.A)
		case internet && h.Type == dnsmessage.TypeAAAA && h.Length == 16:
			var a dnsmessage.AAAAResource
			a, err = p.AAAAResource()
			host.addr = netip.AddrFrom16(a.AAAA).Unmap()
		case internet && h.Type == dnsmessage.TypePTR:
			var ptr dnsmessage.PTRResource
			ptr, err = p.PTRResource()
			host.name = lowered(ptr.PTR)
		case internet && h.Type == dnsmessage.TypeCNAME:
			cname, err := p.CNAMEResource()
			aliases = append(aliases, dnsAlias{host.owner, lowered(cname.CNAME), host.ttl})
			if err != nil {
				return aliases, hosts, false
			}
			continue
		case internet && h.Type == dnsmessage.TypeHTTPS:
			s, err := p.HTTPSResource()
			if err != nil {
				return aliases, hosts, false
			}
			hosts = append(hosts, hintsOf(host, &s.SVCBResource, len(hosts))...)
			continue
		case internet && h.Type == dnsmessage.TypeSVCB:
			s, err := p.SVCBResource()
			if err != nil {
				return aliases, hosts, false
			}
			hosts = append(hosts, hintsOf(host, &s, len(hosts))...)
			continue
		default:
			if p.SkipAnswer() != nil {
				return aliases, hosts, false
			}
			continue
		}
		if err != nil {
			return aliases, hosts, false
		}
		hosts = append(hosts, host)
	}
	return aliases, hosts, false
}

func hintsOf(host dnsHost, s *dnsmessage.SVCBResource, before int) (hosts []dnsHost) {
	if host.name = lowered(s.Target); host.name == "." {
		host.name = ""
	}
	if s.Priority == 0 {
		return nil
	}
	for _, hint := range []struct {
		key  dnsmessage.SVCParamKey
		size int
	}{{dnsmessage.SVCParamIPv4Hint, 4}, {dnsmessage.SVCParamIPv6Hint, 16}} {
		value, _ := s.GetParam(hint.key)
		for ; len(value) >= hint.size && before+len(hosts) < maxAnswers; value = value[hint.size:] {
			addr, _ := netip.AddrFromSlice(value[:hint.size])
			host.addr = addr.Unmap()
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// checkReader reads a message in both ways.
func checkReader(t *testing.T, m *dnsMessage, data []byte) {
	t.Helper()
	for _, ownPort := range []bool{false, true} {
		var p dnsmessage.Parser
		h, err := p.Start(data)
		var q dnsmessage.Question
		if err == nil {
			q, err = p.Question()
		}
		may := err == nil && binary.BigEndian.Uint16(data[4:]) == 1 && data[3]&0x40 == 0 && knownClass(uint16(q.Class)) && p.SkipAllQuestions() == nil
		all := p
		whole := may && all.SkipAllAnswers() == nil && all.SkipAllAuthorities() == nil && all.SkipAllAdditionals() == nil
		ok := m.parse(data, ownPort)
		if ok && (!may || !ownPort && !whole) {
			t.Fatalf("% x: own port %v: read, not by dnsmessage: %v", data, ownPort, err)
		}
		if !ok && h.Response && h.OpCode == 0 && (may && ownPort || whole && knownType(uint16(q.Type)) && (h.RCode != 0 || binary.BigEndian.Uint64(data[4:]) != 1<<48)) {
			t.Fatalf("% x: own port %v: not read, but by dnsmessage: %v", data, ownPort, q)
		}
		if !ok {
			continue
		}
		if string(m.asked.bytes()) != lowered(q.Name) || m.kind != (dnsKind{uint16(q.Type), uint16(q.Class)}) || m.id != h.ID || m.response() != h.Response ||
			m.operation() != int(h.OpCode) || m.code() != int(h.RCode) || m.truncated() != h.Truncated {
			t.Fatalf("% x: %q %+v, dnsmessage has %v %v", data, m.asked.bytes(), m, h, q)
		}
		aliases, hosts, whole := answersOf(&p)
		if got := m.readAnswers(); got != whole || !slices.Equal(m.records.aliases, aliases) || !slices.Equal(m.records.hosts, hosts) {
			t.Fatalf("% x:\nto the end %v, %+v %+v\ndnsmessage %v, %+v %+v", data, got, m.records.aliases, m.records.hosts, whole, aliases, hosts)
		}
	}
	var p dnsmessage.Parser
	h, err := p.Start(data)
	is := err == nil && h.OpCode == 0 && binary.BigEndian.Uint64(data[4:]) != 0
	if is {
		if _, err = p.Question(); err == dnsmessage.ErrSectionDone {
			if _, err = p.AnswerHeader(); err == dnsmessage.ErrSectionDone {
				err = nil
			}
		}
		is = err == nil
	}
	if got := isNameService(data); got != is {
		t.Fatalf("% x: name service %v, dnsmessage says %v", data, got, is)
	}
}

// Names that only pointers make what they are, and such as nobody may take.
var readerNames = []string{
	"\x01a\x00", "\x00", "\x01A\x02bC\x00", "\xc0\x0c", "\xc0\x05", "\x01a\xc0\x0c", "\x02a.\x00", "\x40a\x00", "\x80", "\x01", "", "\xc0", "\x01\x00\x00", "\xc0\x10", "\xff\xff",
	"\x3f" + string(make([]byte, 63)) + "\x00",
}

func readerSeeds(t testing.TB) []string {
	seeds := []string{dnsText(t, "7 query a www.example"), dnsText(t, "7 answer a www.example: cname www.example 60 x.example, a x.example 30 192.0.2.1, aaaa x.example 5 2001:db8::1"),
		dnsText(t, "7 answer ptr 1.2.0.192.in-addr.arpa: ptr 1.2.0.192.in-addr.arpa 60 x.example"), dnsText(t, "7 answer https a.example: https a.example 60 1 b.example 192.0.2.1 2001:db8::1"),
		dnsText(t, "7 answer https a.example: https a.example 60 0 b.example")}
	for _, name := range readerNames {
		for _, more := range readerNames {
			question := "\x00\x07\x81\x80\x00\x01\x00\x03\x00\x00\x00\x00" + name + "\x00\x01\x00\x01"
			seeds = append(seeds, question+more+"\x00\x05\x00\x01\x00\x00\x00\x09\x00\x02\xc0\x0c"+"\xc0\x0c\x00\x01\x00\x01\x80\x00\x00\x09\x00\x04abcd",
				question+"\xc0\x0c\x00\x41\x00\x01\x00\x00\x00\x09\x00\x0d\x00\x01"+more+"\x00\x04\x00\x04abcd\x00\x06\x00\x00")
		}
	}
	return seeds
}

func TestReader(t *testing.T) {
	m := newDNSMessage()
	for _, s := range readerSeeds(t) {
		for n := range len(s) + 1 {
			checkReader(t, m, []byte(s[:n]))
		}
		for at := range s {
			for _, v := range []byte{0, 1, 4, 5, 12, 28, 64, 65, 0xc0, 0xff} {
				b := []byte(s)
				b[at] = v
				checkReader(t, m, b)
			}
		}
	}
}

// A chain of pointers may be as long as dnsmessage follows it, and no longer.
func TestReaderPointers(t *testing.T) {
	m := newDNSMessage()
	for n := range 14 {
		for _, end := range []string{"\x00", "\x01a\x00"} {
			// The question points behind itself, where n further pointers stand, the last one at a name.
			b := []byte("\x00\x07\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\xc0\x12\x00\x01\x00\x01")
			for i := range n {
				b = append(b, 0xc0, byte(0x12+2*i+2))
			}
			checkReader(t, m, append(b, end...))
			b = append(b, end...)
			b[13] = byte(len(b) - len(end))
			checkReader(t, m, append(b, "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x09\x00\x04abcd"...))
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range readerSeeds(f)[:60] {
		f.Add([]byte(s))
	}
	m := newDNSMessage()
	f.Fuzz(func(t *testing.T, data []byte) { checkReader(t, m, data) })
}

func TestReaderAllocatesNothing(t *testing.T) {
	m := newDNSMessage()
	query, answer := []byte(dnsText(t, "7 query a www.example")), []byte(dnsText(t, "7 answer a www.example: cname www.example 60 x.example, a x.example 30 192.0.2.1"))
	if n := testing.AllocsPerRun(100, func() {
		if !m.parse(query, false) || m.key(0) == (queryKey{}) || !m.parse(answer, false) || !m.readAnswers() || len(m.records.hosts) != 1 {
			t.Error("not read")
		}
	}); n != 0 {
		t.Errorf("%v allocations for a query and its answer", n)
	}
}

func BenchmarkReader(b *testing.B) {
	m := newDNSMessage()
	query, answer := []byte(dnsText(b, "7 query a www.example")), []byte(dnsText(b, "7 answer a www.example: cname www.example 60 x.example, a x.example 30 192.0.2.1"))
	for b.Loop() {
		m.parse(query, true)
		m.key(0)
		m.parse(answer, true)
		m.key(0)
		m.readAnswers()
	}
}
