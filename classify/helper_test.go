package classify

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// start is the packet time of connections without @: 2026-01-02 03:00 UTC, a Friday.
var start = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC).UnixNano()

const testPack = `
name: p
kind: vendor
title: Product
product_version: "1"
documents: [{id: d, title: Document, date: "", file: d.txt}]
source_ranges: {windows: 49152-65535, linux: 32768-61000}
roles:
  - {name: agent, title: Agent}
  - {name: server, title: Server}
  - {name: vault, title: Vault}
  - {name: console, title: Console}
  - {name: wsus, title: Update server}
  - {name: portal, title: Portal, addresses: [203.0.113.10, 203.0.113.64/28]}
conditions:
  - {name: reverse, title: servers may call back, default: "on"}
  - {name: licensed, title: license server used, default: unknown}
flows:
  - {id: check-in, title: Agent checks in, from: [agent], to: [server], proto: tcp, ports: ["9876"], need: required, occurrence: periodic, encryption: expected, cite: [{document: d, lines: "1-3", section: s}]}
  - {id: talk, title: Either side talks, from: [agent], to: [server], originator: either, proto: tcp, ports: ["700"], need: optional, occurrence: on-demand, cite: [{document: d, lines: "4", section: s}]}
  - {id: call-back, title: Server calls back, from: [server], to: [agent], proto: tcp, ports: ["701"], need: conditional, condition: reverse, occurrence: on-demand, cite: [{document: d, lines: "5", section: s}]}
  - {id: license, title: License, from: [agent], to: [server], proto: tcp, ports: ["702"], need: conditional, condition: licensed, occurrence: periodic, cite: [{document: d, lines: "6", section: s}]}
  - {id: store, title: Server stores, from: [server], to: [vault], proto: tcp, ports: [unstated], need: required, occurrence: periodic, cite: [{document: d, lines: "7", section: s}]}
  - {id: rpc, title: Console RPC, from: [console], to: [server], proto: tcp, ports: ["135"], need: required, occurrence: on-demand, cite: [{document: d, lines: "8", section: s}]}
  - {id: rpc-dynamic, title: Console RPC dynamic, from: [console], to: [server], proto: tcp, ports: [dynamic], announced_by: rpc-endpoint-mapper, need: required, occurrence: on-demand, cite: [{document: d, lines: "9", section: s}]}
  - {id: boot, title: Boot request, from: [agent], to: [server], proto: udp, ports: ["69"], need: optional, occurrence: on-demand, reply: none, cite: [{document: d, lines: "10", section: s}]}
  - {id: boot-answer, title: Boot answer, from: [server], to: [agent], proto: udp, ports: [dynamic], announced_by: tftp, need: optional, occurrence: on-demand, cite: [{document: d, lines: "11", section: s}]}
  - {id: update-http, title: Updates, from: [agent], to: [wsus], proto: tcp, ports: ["80", "8530"], ports_mode: alternatives, need: optional, occurrence: on-demand, cite: [{document: d, lines: "12", section: s}]}
  - {id: update-https, title: Updates over TLS, from: [agent], to: [wsus], proto: tcp, ports: ["443", "8531"], ports_mode: alternatives, paired_with: update-http, need: optional, occurrence: on-demand, cite: [{document: d, lines: "12", section: s}]}
  - {id: both-ports, title: Two ports, from: [console], to: [vault], proto: tcp, ports: ["8086", "8087"], need: required, occurrence: periodic, cite: [{document: d, lines: "13", section: s}]}
  - {id: report, title: Agent reports, from: [agent], to: [portal], proto: tcp, ports: ["8443"], need: required, occurrence: once, cite: [{document: d, lines: "14", section: s}]}
  - {id: ping, title: Echo, from: [agent], to: [agent], proto: icmp, icmp_types: [8], need: optional, occurrence: on-demand, cite: [{document: d, lines: "15", section: s}]}
  - {id: wake, title: Wake on LAN, from: [server], to: [broadcast], proto: udp, ports: ["9"], reply: none, need: required, occurrence: periodic, cite: [{document: d, lines: "16", section: s}]}
  - {id: platform, title: Platform list, from: [any], to: [any], proto: tcp, ports: ["9876", "5000"], reference: true, cite: [{document: d, lines: "17", section: s}]}
`

const testSite = `
name: test
networks: [10.0.0.0/16, 10.1.0.0/24]
hosts:
  - {name: agent-1, addresses: [10.0.0.1], os: windows, roles: [p/agent]}
  - {name: agent-2, addresses: [10.0.0.2], os: linux, roles: [p/agent]}
  - {name: agents, addresses: [10.0.7.0/24], roles: [p/agent]}
  - {name: server-1, addresses: [10.0.0.10, 10.0.0.11], os: windows, roles: [p/server]}
  - {name: console-1, addresses: [10.0.0.20], os: windows, roles: [p/console]}
  - {name: vault-1, addresses: [10.0.0.30], roles: [p/vault]}
  - {name: wsus-1, addresses: [10.0.0.40], os: windows, roles: [p/wsus]}
  - {name: plain, addresses: [10.0.0.50]}
`

// set compiles packs and a site; an empty site is none.
func set(t testing.TB, site string, packs ...string) *rules.Set {
	t.Helper()
	var list []*rules.Pack
	for i, text := range packs {
		p, problems := rules.LoadPackBytes(fmt.Sprintf("%s.yaml", packName(text)), []byte(text))
		fatal(t, problems)
		if p == nil {
			t.Fatalf("pack %d does not load", i)
		}
		list = append(list, p)
	}
	var s *rules.Site
	if site != "" {
		var problems []rules.Problem
		s, problems = rules.LoadSiteBytes("site.yaml", []byte(site))
		fatal(t, problems)
	}
	compiled, problems := rules.Compile(list, s)
	fatal(t, problems)
	return compiled
}

func packName(text string) string {
	_, rest, _ := strings.Cut(text, "name: ")
	name, _, _ := strings.Cut(rest, "\n")
	return name
}

func fatal(t testing.TB, problems []rules.Problem) {
	t.Helper()
	for _, p := range problems {
		if p.Severity == rules.Error {
			t.Fatal(p)
		}
	}
}

var (
	outcomeWords = []string{"seen", "established", "refused", "unanswered", "half-open", "one-sided", "partial", "midstream", "answered", "one-way"}
	knownWords   = []string{"unknown", "port", "first-packet", "announced", "synack", "handshake"}
	protoWords   = map[string]flow.Proto{"tcp": flow.TCP, "udp": flow.UDP, "icmp": flow.ICMP, "icmp6": flow.ICMPv6, "igmp": flow.IGMP, "esp": flow.ESP, "ipcomp": 108, "l2tp": 115, "mpls": 137}
)

// conns reads lines such as
//
//	10.0.0.1:50000 > 10.0.0.10:9876 tcp established handshake @10s type=8 one-side (or answer-only) missed=2
//
// Packet numbers follow the lines. Words such as protocol=tls encrypted=TLS_1.3 clear=HTTP_request cert=hidden note=weak printable=93
// sni=a.example host=a.example add facts, in their order, at packets 101 and on.
func conns(t testing.TB, text string) []*flow.Conn {
	t.Helper()
	var list []*flow.Conn
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, connOf(t, line, uint64(len(list)+1)))
		}
	}
	return list
}

func connOf(t testing.TB, line string, number uint64) *flow.Conn {
	t.Helper()
	words := strings.Fields(line)
	if len(words) < 5 || words[1] != ">" {
		t.Fatalf("connection %q: want ORIG > RESP PROTO OUTCOME ...", line)
	}
	c := &flow.Conn{ID: flow.ConnID{Packet: number}, Orig: end(t, words[0]), Resp: end(t, words[2]), Proto: protoWords[words[3]], First: start,
		KnownBy: flow.KnownByHandshake, OrigPackets: 5, RespPackets: 4, OrigBytes: 500, RespBytes: 4000}
	c.Outcome = flow.Outcome(slices.Index(outcomeWords, words[4]))
	if c.Proto == flow.UDP {
		c.KnownBy = flow.KnownByFirstPacket
	}
	switch c.Outcome {
	case flow.Unanswered, flow.OneWay, flow.OneSided:
		c.RespPackets, c.RespBytes, c.Visibility = 0, 0, flow.OrigOnly
	}
	for _, w := range words[5:] {
		switch {
		case strings.HasPrefix(w, "@"):
			d, err := time.ParseDuration(w[1:])
			if err != nil {
				t.Fatal(err)
			}
			c.First += int64(d)
		case addFact(c, w):
		case strings.HasPrefix(w, "type="):
			fmt.Sscan(w[5:], &c.ICMPType)
		case strings.HasPrefix(w, "missed="):
			c.Missed.Followed = true
			fmt.Sscan(w[7:], &c.Missed.Packets)
			if c.Missed.Packets > 0 {
				c.Missed.Minutes = []flow.MissedMinute{{Minute: c.First / 60e9, Packets: c.Missed.Packets}}
			}
		case slices.Contains(knownWords, w):
			c.KnownBy = flow.KnownBy(slices.Index(knownWords, w))
		case w == "one-side":
			c.Visibility, c.RespPackets = flow.OrigOnly, 0
		case w == "answer-only":
			c.Visibility, c.OrigPackets, c.RespPackets = flow.RespOnly, 0, 4
		default:
			t.Fatalf("connection %q: unknown word %q", line, w)
		}
	}
	c.Last = c.First + 1e9
	return c
}

var factWords = map[string]flow.Fact{"protocol": {Kind: flow.FactProtocol}, "encrypted": {Kind: flow.FactEncrypted}, "clear": {Kind: flow.FactCleartext}, "cert": {Kind: flow.FactClientCert},
	"note": {Kind: flow.FactNote}, "printable": {Kind: flow.FactPrintable}, "sni": {Kind: flow.FactName, Origin: flow.NameSNI}, "host": {Kind: flow.FactName, Origin: flow.NameHTTP}}

func addFact(c *flow.Conn, word string) bool {
	key, value, _ := strings.Cut(word, "=")
	f, ok := factWords[key]
	if ok {
		f.Packet, f.Value = uint64(101+len(c.Facts)), strings.ReplaceAll(value, "_", " ")
		c.Facts = append(c.Facts, f)
	}
	return ok
}

// learn tells an auditor what control conversations and names lines such as these say:
//
//	seen rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.10:135 @1s
//	port ftp 10.0.0.20:50000 10.0.0.10:21 peer=10.0.0.10 to=10.0.0.20:50500 udp @1s for=60s
//	lost rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.10:135 @5s
//	dns 10.0.0.1 portal.example 203.0.113.9 @1s for=60s chain=other.example
func learn(t testing.TB, a *Auditor, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		at, until, chain, proto := start, int64(0), "", flow.TCP
		var peer, to string
		for _, w := range words[4:] {
			key, value, _ := strings.Cut(w, "=")
			switch {
			case w[0] == '@':
				at += duration(t, w[1:])
			case key == "for":
				until = at + duration(t, value)
			case key == "peer":
				peer = value
			case key == "to":
				to = value
			case key == "chain":
				chain = value
			case protoWords[w] != 0:
				proto = protoWords[w]
			default:
				t.Fatalf("%q: unknown word %q", line, w)
			}
		}
		if words[0] == "dns" {
			a.LearnName(&flow.Name{At: at, Until: until, Packet: 7, Origin: flow.NameDNS, Asker: netip.MustParseAddr(words[1]), Name: words[2], Chain: chain, Addr: netip.MustParseAddr(words[3])})
			continue
		}
		n := flow.Announcement{At: at, Until: until, Packet: 7, By: announcers[words[1]], Orig: end(t, words[2]), Resp: end(t, words[3]), Proto: proto}
		switch words[0] {
		case "lost":
			n.Event, n.Since = flow.ControlLost, n.At
		case "doubt":
			n.Event, n.Since = flow.ControlDoubt, n.At
		case "whole":
			n.Event = flow.ControlWhole
		case "port":
			n.Event, n.Peer, n.To = flow.PortAnnounced, netip.MustParseAddr(peer), end(t, to)
		}
		a.LearnAnnouncement(&n)
	}
}

func duration(t testing.TB, s string) int64 {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return int64(d)
}

func end(t testing.TB, s string) netip.AddrPort {
	t.Helper()
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(a, 0)
}

// judgedLines audits connections and gives each judgement as one line: verdict, why, flow, and what is notable beside them.
func judgedLines(s *rules.Set, list []*flow.Conn) map[uint64]string {
	return learnedLines(nil, s, list, "")
}

// learnedLines is judgedLines after learning.
func learnedLines(t testing.TB, s *rules.Set, list []*flow.Conn, learned string) map[uint64]string {
	lines := map[uint64]string{}
	a := New(s, Options{OnJudged: func(c *flow.Conn, j Judgement) { lines[c.ID.Packet] = words(j) }})
	if learned != "" {
		learn(t, a, learned)
	}
	for _, c := range list {
		a.Observe(c)
	}
	return lines
}

func words(j Judgement) string {
	s := j.Verdict
	for _, part := range []struct {
		name string
		list []string
	}{{"", j.Why}, {"flow=", one(j.Flow)}, {"shared=", j.SharedWith}, {"unverified=", j.Unverified}, {"was=", one(j.Original)}, {"by=", one(j.Exception)}, {"note=", one(j.Note)}} {
		if len(part.list) > 0 {
			s += " " + part.name + strings.Join(part.list, ",")
		}
	}
	if j.Match != "" && j.Match != "identified" {
		s += " match=" + j.Match
	}
	return s
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// audit runs a whole audit over lines of connections, with a capture that covers an hour around them and balances.
func audit(t testing.TB, s *rules.Set, text string, change func(*Capture)) *Audit {
	t.Helper()
	list := conns(t, text)
	a := New(s, Options{Tool: Tool{Name: "pcapaudit", Version: "test"}})
	for _, c := range list {
		a.Observe(c)
	}
	facts := captureOf(list)
	if change != nil {
		change(&facts)
	}
	out, err := a.Finish(facts)
	if err != nil {
		t.Fatal(err)
	}
	uncontradicted(t, out)
	return out
}

// uncontradicted holds that an audit does not contradict itself. Captures of these tests need not say what was in each input.
func uncontradicted(t testing.TB, a *Audit) {
	t.Helper()
	for _, text := range a.Contradictions() {
		if !strings.HasPrefix(text, "packets read, by input: ") {
			t.Error(text)
		}
	}
}

func captureOf(list []*flow.Conn) Capture {
	n := uint64(len(list))
	c := Capture{Inputs: []Input{{Name: "a.pcap", State: "clean"}}, Created: n, Emitted: n, Ends: []Count{{"input-end", n}}, First: start, Last: start + 3600e9}
	for _, conn := range list {
		c.Packets.Read += conn.OrigPackets + conn.RespPackets
	}
	c.Packets.Classes = []Count{{"decoded", c.Packets.Read}}
	c.Inputs[0].Packets = c.Packets.Read
	return c
}
