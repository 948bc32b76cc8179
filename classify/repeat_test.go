package classify

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// repeatSites change what is judged as time goes on: hosts that move, conditions that turn, dated exceptions, translations, hours.
var repeatSites = map[string]string{
	"plain": "",
	"hours": "hours: [{flows: [p/talk], from: \"02:00\", until: \"03:25\", zone: UTC}]\n",
	"dated": `
  - {name: mover, addresses: [{address: 10.0.0.3, until: "2026-01-02T03:20:00Z"}, {address: 10.0.0.4, from: "2026-01-02T03:20:00Z"}], os: windows, roles: [p/agent]}
  - {name: heir, addresses: [{address: 10.0.0.3, from: "2026-01-02T03:20:00Z"}], os: linux, roles: [p/console]}
conditions: [{name: p/reverse, state: "on", until: "2026-01-02T03:20:00Z"}, {name: p/reverse, state: "off", from: "2026-01-02T03:20:00Z"}, {name: p/licensed, state: "on"}]
exceptions: [{id: E, from: agent-1, to: any, proto: tcp, owner: o, approver: a, reason: r, ticket: t, since: "2026-01-02T03:10:00Z", until: "2026-01-02T03:20:00Z"}]
background: [{from: plain, to: any, proto: tcp, ports: ["6000"], reason: screens}]
period: {from: "2026-01-02T03:05:00Z", until: "2026-01-02T03:50:00Z"}
`,
	"translated": `
translations: [{kind: static, inside: [agent-1], outside: [10.1.0.9]}, {kind: destination, inside: [server-1], outside: ["10.1.0.8:9000"], port: 9876}, {kind: source-pat, inside: [agent-2], outside: [198.51.100.5]}]
ports: [{flow: p/store, ports: ["2546"], source: letter, approver: a}]
expect: [{flow: p/check-in, every: 15m, hosts: [agent-1], reason: r}]
`,
}

const repeatPack = `
name: q
kind: vendor
title: Other product
product_version: "1"
documents: [{id: d, title: Document, date: "", file: d.txt}]
roles: [{name: client, title: Client}, {name: service, title: Service, names: [api.example, "*.cloud.example"], addresses: [203.0.113.80]}]
flows:
  - {id: ask, title: Ask, from: [client], to: [service], proto: tcp, ports: ["443"], need: required, occurrence: periodic, encryption: required, cite: [{document: d, lines: "1", section: s}]}
  - {id: any, title: Anywhere, from: [any], to: [internet], proto: tcp, ports: ["443", "8443"], need: optional, occurrence: on-demand, cite: [{document: d, lines: "2", section: s}]}
  - {id: each, title: Each, from: [any], to: [service], proto: udp, ports: ["53"], satisfied_by: each, need: optional, occurrence: on-demand, cite: [{document: d, lines: "3", section: s}]}
`

// TestRememberingChangesNothing: the audit is the one of an auditor that remembers no address and no route.
func TestRememberingChangesNothing(t *testing.T) {
	guessed := 0
	for name, text := range repeatSites {
		for seed := range uint64(4) {
			repeated := 0
			audits := [4]string{}
			for i := range audits {
				site := testSite + text
				if name == "plain" && seed == 3 {
					site = ""
				}
				var judged []string
				o := Options{}
				if i >= 2 {
					o.OnJudged = func(c *flow.Conn, j Judgement) { judged = append(judged, words(j)) }
				}
				a := New(set(t, site, testPack, repeatPack), o)
				a.routes.off, a.unlisted.on = i%2 == 1, site != ""
				facts := observeRandom(a, rand.New(rand.NewPCG(seed, 7)))
				for _, p := range a.routes.table {
					if p.of != nil && (p.of.memo.repeat.uses || p.of.memo.repeat.attempts) {
						repeated++
						if p.of.memo.repeat.unsure {
							guessed++
						}
					}
				}
				out, _ := a.Finish(facts)
				data, err := json.MarshalIndent(out, "", " ")
				if err != nil {
					t.Fatal(err)
				}
				audits[i] = string(data) + strings.Join(judged, "\n") + fmt.Sprint("\n", a.unlisted.of, a.unlisted.named)
			}
			if audits[0] != audits[1] || audits[2] != audits[3] {
				t.Fatalf("%s, %d: %s", name, seed, difference(audits[0]+audits[2], audits[1]+audits[3]))
			}
			if repeated == 0 && seed != 3 && (name == "plain" || name == "dated") {
				t.Errorf("%s, %d: nothing was repeated", name, seed)
			}
		}
	}
	if guessed == 0 {
		t.Error("nothing of which the originator is a guess was repeated")
	}
}

func difference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return strings.Join(x[max(0, i-12):i+1], "\n") + "\n-- without remembering --\n" + y[i]
		}
	}
	return "one is longer"
}

// observeRandom tells an auditor of an hour of connections between few ends, with names and announcements in between.
func observeRandom(a *Auditor, r *rand.Rand) Capture {
	ends := strings.Fields("10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.7.1 10.0.7.2 10.0.0.10 10.0.0.11 10.0.0.20 10.0.0.30 10.0.0.40 10.0.0.50 10.1.0.9 10.1.0.8 198.51.100.5 203.0.113.10 203.0.113.80 203.0.113.81 10.0.255.255 239.1.2.3 0.0.0.0")
	ports := []uint16{9876, 9876, 9876, 700, 701, 702, 135, 69, 443, 8443, 80, 8086, 8087, 53, 9, 9000, 2546, 4500, 50000, 51000}
	names := []string{"api.example", "a.cloud.example", "other.example", "portal.example"}
	pick := func() netip.Addr { return netip.MustParseAddr(ends[min(r.IntN(len(ends)), r.IntN(len(ends)))]) }
	usual := strings.Fields("10.0.0.1>10.0.0.10:9876 10.0.0.2>10.0.0.10:9876 10.0.0.1>10.0.0.11:700 10.0.0.10>10.0.0.1:701 10.0.0.2>10.0.0.10:702 10.0.0.1>10.0.0.40:80 10.0.0.2>10.0.0.40:443 10.0.0.20>10.0.0.30:8086 10.0.0.2>203.0.113.80:443 10.0.0.1>203.0.113.81:443 10.0.0.3>10.0.0.10:9876 10.0.0.99>203.0.113.99:443")
	var list []*flow.Conn
	at := start
	for n := range 4000 {
		at += r.Int64N(1.6e9) - 1e8
		switch {
		case n == 2000:
			a.settleAll() // as Finish does, which may be called in between
		case r.IntN(30) == 0:
			k := flow.Name{At: at, Until: at + r.Int64N(600e9), Packet: uint64(n), Origin: []flow.NameOrigin{flow.NameDNS, flow.NameDNS, flow.NameDHCP}[r.IntN(3)], Asker: pick(), Name: names[r.IntN(len(names))], Addr: pick()}
			if n > 2000 || r.IntN(4) > 0 {
				k.Name = names[2]
			}
			a.LearnName(&k)
			continue
		case n > 3000 && r.IntN(40) == 0:
			by := []flow.Announcer{flow.AnnouncedByRPC, flow.AnnouncedByTFTP}[r.IntN(2)]
			x := flow.Announcement{At: at, Until: at + 60e9, Packet: uint64(n), By: by, Event: flow.ControlEvent(r.IntN(2)), Orig: netip.AddrPortFrom(pick(), 50000), Resp: netip.AddrPortFrom(pick(), 135), Proto: flow.TCP}
			x.Peer, x.To = x.Orig.Addr(), netip.AddrPortFrom(x.Resp.Addr(), ports[r.IntN(len(ports))])
			if by == flow.AnnouncedByTFTP {
				x.Proto, x.To = flow.UDP, netip.AddrPortFrom(x.Resp.Addr(), 0)
			}
			a.LearnAnnouncement(&x)
			continue
		}
		c := &flow.Conn{ID: flow.ConnID{Packet: uint64(n*7%4000 + 1), File: uint16(r.IntN(2))}, Proto: flow.TCP, KnownBy: flow.KnownByHandshake, Outcome: flow.Established, First: at, Last: at + r.Int64N(5e9),
			OrigPackets: 5, RespPackets: 4, OrigBytes: uint64(r.IntN(9000)), RespBytes: 4000, Orig: netip.AddrPortFrom(pick(), []uint16{50000, 51001, 33000, 1024, 4500, 0}[min(r.IntN(6), r.IntN(6))]), Resp: netip.AddrPortFrom(pick(), ports[r.IntN(len(ports))])}
		if r.IntN(2) == 0 {
			orig, resp, _ := strings.Cut(usual[r.IntN(len(usual))], ">")
			c.Orig, c.Resp = netip.AddrPortFrom(netip.MustParseAddr(orig), 50000+uint16(r.IntN(2000))), netip.MustParseAddrPort(resp)
		}
		if c.Missed.Followed = true; r.IntN(4) == 0 {
			c.KnownBy = flow.KnownByPort
		}
		if r.IntN(3) == 0 {
			c.Proto, c.Outcome = flow.UDP, flow.Answered
			c.KnownBy = []flow.KnownBy{flow.KnownByFirstPacket, flow.KnownByPort}[r.IntN(2)]
		} else if r.IntN(30) == 0 {
			c.Missed.Packets, c.Missed.Minutes = 2, []flow.MissedMinute{{Minute: at / 60e9, Packets: 2}}
		}
		switch r.IntN(20) {
		case 0:
			c.Outcome, c.RespPackets, c.Visibility = flow.Unanswered, 0, flow.OrigOnly
			if c.Proto == flow.UDP {
				c.Outcome = flow.OneWay
			}
		case 1:
			c.KnownBy = []flow.KnownBy{flow.KnownByPort, flow.KnownByAnnounced}[r.IntN(2)]
		case 2:
			c.Proto, c.ICMPType, c.Orig, c.Resp, c.Outcome = flow.ICMP, 8, netip.AddrPortFrom(c.Orig.Addr(), 0), netip.AddrPortFrom(c.Resp.Addr(), 0), flow.Answered
		case 3:
			c.Outcome = flow.Refused
		case 4:
			c.OtherLeg = true
		case 5:
			c.Facts = append(c.Facts, flow.Fact{Kind: flow.FactName, Origin: flow.NameSNI, Value: names[r.IntN(len(names))], Packet: 1})
		case 6:
			c.Facts = append(c.Facts, flow.Fact{Kind: flow.FactCleartext, Value: "HTTP request in clear", Packet: 1})
		case 7:
			c.Facts = append(c.Facts, flow.Fact{Kind: flow.FactProtocol, Value: "openvpn", Packet: 1})
		case 8, 9:
			c.Facts = append(c.Facts, flow.Fact{Kind: flow.FactProtocol, Value: "tls", Packet: 1}, flow.Fact{Kind: flow.FactEncrypted, Value: "TLS 1.3", Packet: 2}, flow.Fact{Kind: flow.FactNote, Value: "weak", Packet: 3})
		}
		list = append(list, c)
		a.Observe(c)
	}
	if len(list) == 0 || !slices.ContainsFunc(list, plain) {
		panic("no connection that could come again")
	}
	return captureOf(list)
}

// TestRepeatsEnd: what comes after five connections that are alike is judged by itself where something has changed.
func TestRepeatsEnd(t *testing.T) {
	for _, c := range []struct{ name, site, conn, learned, last string }{ // what is learned before its last line is learned at first
		{"hours", "hours: [{flows: [p/check-in], from: \"02:00\", until: \"03:10\", zone: UTC}]\n", "10.0.0.1:50000 > 10.0.0.10:9876 tcp established", "", "@20m"},
		{"condition", "conditions: [{name: p/reverse, state: \"on\", until: \"2026-01-02T03:10:00Z\"}, {name: p/reverse, state: \"off\", from: \"2026-01-02T03:10:00Z\"}]\n",
			"10.0.0.10:50000 > 10.0.0.1:701 tcp established", "", "@20m"},
		{"name", "", "10.0.0.1:50000 > 203.0.113.81:443 tcp established", "dns 10.0.0.1 api.example 203.0.113.81 @1s for=3600s", "@10s"},
		{"announcement", "", "10.0.0.20:50000 > 10.0.0.10:2000 tcp established",
			"port rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.10:135 peer=10.0.0.20 to=10.0.0.10:2000 @0s for=60s\nseen rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.10:135 @1s", "@20m"},
		{"port", "", "10.0.0.1:50000 > 10.0.0.10:9876 tcp established", "", "clear=HTTP"},
		{"refused", "", "10.0.0.1:50000 > 10.0.0.10:9876 tcp established", "", "\n" + strings.Repeat("10.0.0.1:50000 > 10.0.0.10:9876 tcp refused\n", 5) + "10.0.0.1:50000 > 10.0.0.10:9876 tcp unanswered"},
		{"answered", "", "10.0.0.1:50000 > 10.0.0.10:9876 tcp unanswered", "", "\n" + strings.Repeat("10.0.0.1:50000 > 10.0.0.10:9876 tcp refused\n10.0.0.1:50000 > 10.0.0.10:9876 tcp established\n", 5)},
		{"certain", "", "10.0.0.20:50000 > 10.0.0.10:135 tcp established port", "", "handshake"},
		{"guess", "", "10.0.0.20:50000 > 10.0.0.10:135 tcp established", "", "port"},
		{"service at the other end", "", "10.0.0.1:50000 > 10.0.0.10:700 tcp established port", "", "\n10.0.0.1:701 > 10.0.0.10:700 tcp established port"},
		{"background at the other end", "background: [{from: server-1, to: any, proto: tcp, ports: [\"50001\"], reason: r}]\n", "10.0.0.1:50000 > 10.0.0.10:700 tcp established port", "",
			"\n10.0.0.1:50001 > 10.0.0.10:700 tcp established port"},
		{"translation of the other end", "translations: [{kind: destination, inside: [console-1], outside: [\"10.0.0.1:50001\"], port: 701}]\n", "10.0.0.1:50000 > 10.0.0.10:700 tcp established port", "",
			"\n10.0.0.1:50001 > 10.0.0.10:700 tcp established port"},
		{"name of the other end", "", "10.0.0.99:53 > 203.0.113.80:53 udp answered port", "dns 203.0.113.80 other.example 203.0.113.81 @1s for=3600s\ndns 203.0.113.80 api.example 10.0.0.99 @1s for=3600s", "@10s"},
		{"claim", "", "10.0.0.1:50000 > 203.0.113.81:443 tcp established", "dns 10.0.0.1 other.example 203.0.113.81 @1s for=3600s\n\ndns 10.0.0.1 portal.example 203.0.113.82 @1s for=3600s",
			"@10s sni=portal.example\n10.0.0.1:50000 > 203.0.113.81:443 tcp established @11s sni=api.example"},
	} {
		var audits []string
		for _, off := range []bool{false, true} {
			a := New(set(t, testSite+c.site, testPack, repeatPack), Options{})
			a.routes.off = off
			early, late := "", c.learned
			if i := strings.LastIndexByte(c.learned, '\n'); i > 0 {
				early, late = c.learned[:i], c.learned[i:]
			}
			learn(t, a, early)
			list := conns(t, strings.Repeat(c.conn+"\n", 5)+c.conn+" "+c.last)
			for i, one := range list {
				if i == 5 {
					learn(t, a, late)
				}
				a.Observe(one)
			}
			out, err := a.Finish(captureOf(list))
			if err != nil {
				t.Fatal(err)
			}
			data, err := json.MarshalIndent(out, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			audits = append(audits, string(data))
		}
		if audits[0] != audits[1] {
			t.Errorf("%s: %s", c.name, difference(audits[0], audits[1]))
		}
	}
}
