package inspect

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"pcapaudit/capture/flow"
)

// dnsText makes a message: "7 query a www.example", "7 answer a www.example: cname www.example 60 x.example, a x.example 30 192.0.2.1". Flags may
// stand behind "answer": truncated, failed.
func dnsText(t testing.TB, text string) string {
	t.Helper()
	head, list, _ := strings.Cut(text, ": ")
	words := strings.Fields(head)
	var h dnsmessage.Header
	fmt.Sscan(words[0], &h.ID)
	h.Response, h.RecursionDesired = words[1] == "answer", true
	words = words[2:]
	for ; words[0] == "truncated" || words[0] == "failed"; words = words[1:] {
		h.Truncated = h.Truncated || words[0] == "truncated"
		if words[0] == "failed" {
			h.RCode = dnsmessage.RCodeNameError
		}
	}
	types := map[string]dnsmessage.Type{"a": 1, "aaaa": 28, "ptr": 12, "https": 65, "svcb": 64, "any": 255, "srv": 33}
	b := dnsmessage.NewBuilder(nil, h)
	b.EnableCompression()
	must := func(err error) {
		if err != nil {
			t.Fatal(text, err)
		}
	}
	must(b.StartQuestions())
	must(b.Question(dnsmessage.Question{Name: dnsmessage.MustNewName(words[1] + "."), Type: types[words[0]], Class: dnsmessage.ClassINET}))
	must(b.StartAnswers())
	for record := range strings.SplitSeq(list, ", ") {
		f := strings.Fields(record)
		if len(f) < 4 {
			continue
		}
		rh := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(f[1] + "."), Class: dnsmessage.ClassINET}
		fmt.Sscan(f[2], &rh.TTL)
		switch f[0] {
		case "a":
			must(b.AResource(rh, dnsmessage.AResource{A: netip.MustParseAddr(f[3]).As4()}))
		case "aaaa":
			must(b.AAAAResource(rh, dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(f[3]).As16()}))
		case "cname":
			must(b.CNAMEResource(rh, dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(f[3] + ".")}))
		case "ptr":
			must(b.PTRResource(rh, dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(f[3] + ".")}))
		case "https", "svcb": // priority target hint...
			s := dnsmessage.SVCBResource{Target: dnsmessage.MustNewName(strings.TrimSuffix(f[4], ".") + ".")}
			fmt.Sscan(f[3], &s.Priority)
			for _, hint := range f[5:] {
				a := netip.MustParseAddr(hint)
				s.SetParam(map[bool]dnsmessage.SVCParamKey{true: dnsmessage.SVCParamIPv4Hint, false: dnsmessage.SVCParamIPv6Hint}[a.Is4()], a.AsSlice())
			}
			if f[0] == "https" {
				must(b.HTTPSResource(rh, dnsmessage.HTTPSResource{SVCBResource: s}))
			} else {
				must(b.SVCBResource(rh, s))
			}
		}
	}
	m, err := b.Finish()
	must(err)
	return string(m)
}

func nameWords(names []flow.Name) []string {
	list := []string{}
	for _, n := range names {
		w := fmt.Sprintf("%v %v asks %s: %v until %d s", n.Origin, n.Asker, n.Name, n.Addr, (n.Until-n.At)/1e9)
		if n.Chain != "" {
			w += " as " + n.Chain
		}
		list = append(list, w)
	}
	return list
}

const (
	hour = 3600
	me   = "dns 192.0.2.9 asks "
)

func TestDNS(t *testing.T) {
	clear, note := "clear DNS query in clear", func(s string) string { return "note " + s }
	unasked, differs := note("DNS answer without a query"), note("two different answers to one DNS query")
	for _, c := range []struct {
		name  string
		turns []string // "> query" of the originator, "< answer"
		names []string
		facts []string
	}{
		{"address", []string{"> 7 query a www.example", "< 7 answer a www.example: a www.example 30 198.51.100.1, a www.example 30 198.51.100.2"},
			[]string{me + "www.example: 198.51.100.1 until 3630 s", me + "www.example: 198.51.100.2 until 3630 s"}, nil},
		{"letter case", []string{"> 7 query a wWw.eXample", "< 7 answer a WwW.Example: a www.EXAMPLE 0 198.51.100.1"},
			[]string{me + "www.example: 198.51.100.1 until 3600 s"}, nil},
		{"IPv6", []string{"> 7 query aaaa x.example", "< 7 answer aaaa x.example: aaaa x.example 1 2001:db8::1"}, []string{me + "x.example: 2001:db8::1 until 3601 s"}, nil},
		{"chain", []string{"> 7 query a www.example", "< 7 answer a www.example: a z.example 90 198.51.100.1, cname y.example 20 z.example, cname www.example 60 y.example"},
			[]string{me + "www.example: 198.51.100.1 until 3620 s as z.example"}, nil},
		{"chain in a circle", []string{"> 7 query a a.example", "< 7 answer a a.example: cname a.example 60 b.example, cname b.example 60 a.example, a a.example 60 198.51.100.1"}, nil, nil},
		{"chain to nowhere", []string{"> 7 query a a.example", "< 7 answer a a.example: cname a.example 60 b.example, a c.example 60 198.51.100.1"}, nil, nil},
		{"another name beside", []string{"> 7 query a a.example", "< 7 answer a a.example: a bank.example 60 198.51.100.6, a a.example 60 198.51.100.1"},
			[]string{me + "a.example: 198.51.100.1 until 3660 s"}, nil},
		{"another type beside", []string{"> 7 query a a.example", "< 7 answer a a.example: aaaa a.example 60 2001:db8::1, a a.example 60 198.51.100.1"},
			[]string{me + "a.example: 198.51.100.1 until 3660 s"}, nil},
		{"any", []string{"> 7 query any a.example", "< 7 answer any a.example: aaaa a.example 60 2001:db8::1, a a.example 60 198.51.100.1"},
			[]string{me + "a.example: 2001:db8::1 until 3660 s", me + "a.example: 198.51.100.1 until 3660 s"}, nil},
		{"long life", []string{"> 7 query a a.example", "< 7 answer a a.example: a a.example 99999999 198.51.100.1, a a.example 4294967295 198.51.100.2"},
			[]string{me + "a.example: 198.51.100.1 until 90000 s", me + "a.example: 198.51.100.2 until 3600 s"}, nil},
		{"service binding", []string{"> 7 query https a.example", "< 7 answer https a.example: https a.example 60 1 . 198.51.100.1 2001:db8::1"},
			[]string{me + "a.example: 198.51.100.1 until 3660 s", me + "a.example: 2001:db8::1 until 3660 s"}, nil},
		{"service binding on a port", []string{"> 7 query https _8443._https.a.example", "< 7 answer https _8443._https.a.example: https _8443._https.a.example 60 1 cdn.example 198.51.100.1"},
			[]string{me + "a.example: 198.51.100.1 until 3660 s as cdn.example"}, nil},
		{"service alias", []string{"> 7 query svcb a.example", "< 7 answer svcb a.example: svcb a.example 60 0 b.example"}, nil, nil},
		{"reverse", []string{"> 7 query ptr 5.100.51.198.in-addr.arpa", "< 7 answer ptr 5.100.51.198.in-addr.arpa: ptr 5.100.51.198.in-addr.arpa 60 Host.Example"},
			[]string{"reverse-" + me + "host.example: 198.51.100.5 until 3660 s"}, nil},
		{"reverse delegated", []string{"> 7 query ptr 5.100.51.198.in-addr.arpa", "< 7 answer ptr 5.100.51.198.in-addr.arpa: cname 5.100.51.198.in-addr.arpa 60 5.0-7.100.51.198.in-addr.arpa, ptr 5.0-7.100.51.198.in-addr.arpa 60 h.example"},
			[]string{"reverse-" + me + "h.example: 198.51.100.5 until 3660 s"}, nil},
		{"two at once", []string{"> 7 query a a.example", "> 8 query aaaa a.example", "< 8 answer aaaa a.example: aaaa a.example 60 2001:db8::1", "< 7 answer a a.example: a a.example 60 198.51.100.1"},
			[]string{me + "a.example: 2001:db8::1 until 3660 s", me + "a.example: 198.51.100.1 until 3660 s"}, nil},
		{"other number", []string{"> 7 query a a.example", "< 8 answer a a.example: a a.example 60 198.51.100.1"}, nil, []string{unasked}},
		{"other name", []string{"> 7 query a a.example", "< 7 answer a b.example: a b.example 60 198.51.100.1"}, nil, []string{unasked}},
		{"other type", []string{"> 7 query a a.example", "< 7 answer aaaa a.example: aaaa a.example 60 2001:db8::1"}, nil, []string{unasked}},
		{"from the one who asked", []string{"> 7 query a a.example", "> 7 answer a a.example: a a.example 60 198.51.100.1"}, nil, []string{unasked}},
		{"forged first", []string{"> 7 query a a.example", "< 7 answer a a.example: a a.example 60 198.51.100.66", "< 7 answer a a.example: a a.example 60 198.51.100.1"},
			[]string{me + "a.example: 198.51.100.66 until 3660 s"}, []string{differs}},
		{"forged absence", []string{"> 7 query a a.example", "< 7 answer failed a a.example", "< 7 answer a a.example: a a.example 60 198.51.100.1"}, nil, []string{differs}},
		{"sent again", []string{"> 7 query a a.example", "> 7 query a a.example", "< 7 answer a a.example: a a.example 60 198.51.100.1", "< 7 answer a a.example: a a.example 60 198.51.100.2"},
			[]string{me + "a.example: 198.51.100.1 until 3660 s"}, nil},
		{"captured twice", []string{"> 7 query a a.example", "< 7 answer a a.example: a a.example 60 198.51.100.1, a a.example 60 198.51.100.2", "< 7 answer a a.example: a a.example 59 198.51.100.2, a a.example 59 198.51.100.1"},
			[]string{me + "a.example: 198.51.100.1 until 3660 s", me + "a.example: 198.51.100.2 until 3660 s"}, nil},
		{"asked once more", []string{"> 7 query a a.example", "< 7 answer a a.example: a a.example 60 198.51.100.1", "> 7 query a a.example", "< 7 answer a a.example: a a.example 60 198.51.100.2"},
			[]string{me + "a.example: 198.51.100.1 until 3660 s", me + "a.example: 198.51.100.2 until 3660 s"}, nil},
		{"truncated", []string{"> 7 query a a.example", "< 7 answer truncated a a.example: a a.example 60 198.51.100.1"}, []string{me + "a.example: 198.51.100.1 until 3660 s"}, nil},
		{"failed", []string{"> 7 query a a.example", "< 7 answer failed a a.example: a a.example 60 198.51.100.1"}, nil, nil},
		{"no host name", []string{"> 7 query a a\x07b.example", "< 7 answer a a\x07b.example: a a\x07b.example 60 198.51.100.1"}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var datagrams, stream []turn
			for _, s := range c.turns {
				m := dnsText(t, s[2:])
				from := strings.IndexByte("><", s[0])
				datagrams = append(datagrams, turn{from, m})
				stream = append(stream, turn{from, string(binary.BigEndian.AppendUint16(nil, uint16(len(m)))) + m})
			}
			want := append([]string{"protocol dns", clear}, c.facts...)
			for _, port := range []uint16{53, 5333} {
				for how, segments := range map[string][]segment{"udp": overUDP(port, datagrams...), "tcp": overTCP(port, stream...), "midstream": midstream(overTCP(port, stream...))} {
					facts, names, _ := run(t, segments...)
					if got := words(facts); !slices.Equal(got, want) {
						t.Errorf("%s %d: facts %q, want %q", how, port, got, want)
					}
					if got := nameWords(names); !slices.Equal(got, c.names) {
						t.Errorf("%s %d: names\n%s\nwant\n%s", how, port, strings.Join(got, "\n"), strings.Join(c.names, "\n"))
					}
				}
			}
			everyWay(t, overTCP(53, stream...), want...)
		})
	}
}

func TestDNSAnswerFirst(t *testing.T) {
	expect(t, overUDP(53, resp(dnsText(t, "7 answer a a.example: a a.example 60 198.51.100.1"))), "protocol dns", "clear DNS answer in clear", "note DNS answer without a query")
}

// All queries of a resolver's one socket are answered, whatever the order, as long as not too many wait.
func TestDNSManyQueries(t *testing.T) {
	for _, n := range []int{maxQueries, 3 * maxQueries} {
		var turns []turn
		for i := range n {
			turns = append(turns, orig(dnsText(t, fmt.Sprintf("%d query a h%d.example", i, i))))
		}
		for i := range n {
			turns = append(turns, resp(dnsText(t, fmt.Sprintf("%d answer a h%d.example: a h%d.example 5 198.51.100.1", i, i, i))))
		}
		facts, names, _ := run(t, overUDP(53, turns...)...)
		if len(facts) != 2 || len(names) != maxQueries {
			t.Errorf("%d queries: %d names, facts %q", n, len(names), words(facts))
		}
	}
}

// What is seen does not depend on how many packets come in one batch.
func TestDatagramsInOneBatch(t *testing.T) {
	segments := overUDP(53, orig(dnsText(t, "1 query a a.example")), orig(dnsText(t, "2 query aaaa a.example")),
		resp(dnsText(t, "1 answer a a.example: a a.example 5 198.51.100.1")), resp(dnsText(t, "2 answer aaaa a.example: aaaa a.example 5 2001:db8::1")))
	unknown := overUDP(4000, orig("who knows"), orig("who knows"), resp("nobody"), resp("nobody"))
	segments = append(segments, unknown...)
	apart, names, _ := run(t, segments...)
	h := newHarness()
	h.sendBatch(segments)
	h.close(t)
	var together []flow.Fact
	for _, c := range h.conns {
		together = append(together, c.Facts...)
	}
	if !slices.Equal(words(apart), words(together)) || !slices.Equal(nameWords(names), nameWords(h.names)) {
		t.Errorf("apart %q %q\ntogether %q %q", words(apart), nameWords(names), words(together), nameWords(h.names))
	}
}

func TestOtherNameServices(t *testing.T) {
	answer := dnsText(t, "0 answer a a.local: a a.local 60 198.51.100.1")
	for port, want := range map[uint16][]string{5353: {"protocol mdns", "clear mDNS message in clear"}, 5355: {"protocol llmnr", "clear LLMNR message in clear"}} {
		facts, names, _ := run(t, overUDP(port, orig(dnsText(t, "0 query a a.local")), resp(answer))...)
		if !slices.Equal(words(facts), want) || len(names) > 0 {
			t.Errorf("port %d: %q, %d names", port, words(facts), len(names))
		}
	}
}

// A resolver may ask from the port of another service.
func TestDNSFromPortOfMDNS(t *testing.T) {
	segments := overUDP(53, orig(dnsText(t, "7 query a a.example")), resp(dnsText(t, "7 answer a a.example: a a.example 5 198.51.100.1")))
	for i := range segments {
		segments[i].orig = netip.AddrPortFrom(testOrig, 5353)
	}
	if facts, names, _ := run(t, segments...); len(names) != 1 || words(facts)[0] != "protocol dns" {
		t.Errorf("%q, %d names", words(facts), len(names))
	}
}

func TestReverseAddr(t *testing.T) {
	for name, want := range map[string]string{
		"1.2.0.192.in-addr.arpa.": "192.0.2.1", "2.0.192.in-addr.arpa.": "", "x.2.0.192.in-addr.arpa.": "", "1.2.3.4.5.in-addr.arpa.": "", "in-addr.arpa.": "",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.": "2001:db8::1",
		"1x0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.": "",
		"g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.": "",
	} {
		got := reverseAddr(name)
		if got.IsValid() != (want != "") || got.IsValid() && got.String() != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
}
