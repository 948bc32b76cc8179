package rules

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const openingsPack = `name: demo
kind: vendor
title: Demo
documents: [{id: guide, title: Guide}]
roles: [{name: client, title: Client}, {name: server, title: Server, addresses: [10.9.0.0/30]}, {name: cloud, title: Cloud, names: [cloud.example]}]
conditions: [{name: tls, title: TLS}, {name: push, title: Push, default: "off"}]
flows:
  - {id: asks, title: Asks, from: [client], to: [server], proto: tcp, ports: ["443"], configurable: true, need: required, occurrence: periodic, cite: [{document: guide, section: s}]}
  - {id: pushes, title: Pushes, from: [server], to: [client], proto: tcp, ports: ["445"], need: conditional, condition: push, occurrence: once, cite: [{document: guide, section: s}]}
  - {id: secure, title: Secure, from: [client], to: [server], proto: tcp, ports: [dynamic], source_ports: "700", need: conditional, condition: tls, occurrence: once, cite: [{document: guide, section: s}]}
  - {id: either, title: Either, from: [client], to: [server], originator: either, proto: udp, ports: ["500"], source_ports: any, need: optional, occurrence: once, cite: [{document: guide, section: s}]}
  - {id: silent, title: Silent, from: [client], to: [server], proto: tcp, ports: [unstated], need: optional, occurrence: once, cite: [{document: guide, section: s}]}
  - {id: far, title: Far, from: [client], to: [internet], proto: tcp, ports: ["80"], proxy: true, need: optional, occurrence: once, cite: [{document: guide, section: s}]}
  - {id: named, title: Named, from: [client], to: [cloud], proto: tcp, ports: ["80"], need: optional, occurrence: once, cite: [{document: guide, section: s}]}
`

const openingsSite = `name: demo
networks: [10.0.0.0/8]
hosts:
  - {name: clients, addresses: [10.1.0.0/24], os: windows, roles: [demo/client]}
  - {name: odd, addresses: [10.1.0.7, {address: 10.1.0.200, from: 2030-01-01}], os: linux}
  - {name: branch, addresses: [10.2.0.5], os: windows, roles: [demo/client]}
  - {name: srv, addresses: [10.9.0.1], os: linux, roles: []}
  - {name: web, addresses: [10.3.0.9], os: linux, roles: [demo/server]}
  - {name: proxy, addresses: [10.4.0.1]}
ports:
  - {flow: demo/asks, ports: ["8443"], to: [web], source: S, approver: A}
proxies:
  - {host: proxy, ports: ["3128"]}
translations:
  - {kind: source-pat, inside: [branch], outside: [10.8.0.1]}
  - {kind: destination, inside: [web], outside: ["10.8.0.2:9443"], port: 8443}
`

func holdersText(list []Holder) string {
	var parts []string
	for _, h := range list {
		name := "-"
		if h.Host != nil {
			name = h.Host.Name
		}
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %v %v", name, h.Spans, h.Ports)))
	}
	return strings.Join(parts, "; ")
}

func TestOpenings(t *testing.T) {
	p, problems := LoadPackBytes("p", []byte(openingsPack))
	site, more := LoadSiteBytes("s", []byte(openingsSite))
	if p == nil || site == nil {
		t.Fatal(problems, more)
	}
	set, problems := Compile([]*Pack{p}, site)
	if set == nil {
		t.Fatal(problems)
	}
	open, left := set.Openings(0)
	var got []string
	for _, o := range open {
		got = append(got, fmt.Sprintf("%s %s>%s %s | %s | %s %t %t", o.Flow.ID, o.From, o.To, o.Condition, holdersText(o.Originator), holdersText(o.Responder), o.Reversed, o.Proxied))
	}
	for _, l := range left {
		got = append(got, l.Flow.ID+": "+l.Reason)
	}
	const clients, branch, outside = "clients [10.1.0.0-10.1.0.6 10.1.0.8-10.1.0.254]", "branch [10.2.0.5]", "branch [10.8.0.1]"
	const windows, linux = "[{49152 65535}]", "[{32768 61000}]"
	callers := func(a, b, c string) string {
		return clients + " " + a + "; " + branch + " " + b + "; " + outside + " " + c
	}
	want := []string{
		"asks demo/client>demo/server on | " + callers(windows, windows, "[]") + " | web [10.3.0.9] [{8443 8443}]; web [10.8.0.2] [{9443 9443}]; srv [10.9.0.1] [{443 443}]; - [10.9.0.0 10.9.0.2/31] [{443 443}] false false",
		"either demo/client>demo/server on | " + callers("[]", "[]", "[]") + " | web [10.3.0.9] [{500 500}]; srv [10.9.0.1] [{500 500}]; - [10.9.0.0 10.9.0.2/31] [{500 500}] false false",
		"either demo/server>demo/client on | web [10.3.0.9] []; srv [10.9.0.1] []; - [10.9.0.0 10.9.0.2/31] [] | " + clients + " [{500 500}]; " + branch + " [{500 500}] true false",
		"far demo/client>internet on | " + callers(windows, windows, "[]") + " | - [] [{80 80}] false false",
		"far demo/client>host:proxy on | " + callers(windows, windows, "[]") + " | proxy [10.4.0.1] [{3128 3128}] false true",
		"secure demo/client>demo/server unknown | " + callers("[{700 700}]", "[{700 700}]", "[]") + " | web [10.3.0.9] " + linux + "; srv [10.9.0.1] " + linux + "; - [10.9.0.0 10.9.0.2/31] [{1025 5000} {32768 65535}] false false",
		"named: no address holds its roles",
		"pushes: its condition push does not hold",
		"silent: its document states no port, and the site supplies none for web",
		"silent: its document states no port, and the site supplies none for srv",
		"silent: its document states no port, and the site supplies none",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("openings (-want +got):\n%s", diff)
	}
}

// Every address that an opening names holds the role by which it is named, at the borders of its spans, and the addresses beside them do not unless another span has them.
func TestOpeningsAgreeWithLookup(t *testing.T) {
	p, _ := LoadPackBytes("p", []byte(openingsPack))
	site, _ := LoadSiteBytes("s", []byte(openingsSite))
	set, problems := Compile([]*Pack{p}, site)
	if set == nil {
		t.Fatal(problems)
	}
	open, _ := set.Openings(0)
	checked := 0
	for _, o := range open {
		if o.Proxied {
			continue
		}
		id, ok := set.roleIDs[o.From]
		if !ok || o.From == "any" {
			continue
		}
		var spans []Span
		for _, h := range o.Originator {
			spans = append(spans, h.Spans...)
		}
		for _, s := range spans {
			for _, addr := range []netip.Addr{s.First, s.Last} {
				if set.Lookup(addr, 0).asOrig.spread[id] == notHeld {
					t.Errorf("%s: %s does not hold %s", o.Flow.ID, addr, o.From)
				}
				checked++
			}
			for _, beside := range []Span{{s.First.Prev(), s.First}, {s.Last.Next(), s.Last}} {
				covered := false
				for _, other := range spans {
					covered = covered || addrRange{other.First, other.Last}.contains(beside.First)
				}
				if !covered && set.Lookup(beside.First, 0).asOrig.spread[id] != notHeld {
					t.Errorf("%s: %s holds %s and is left out", o.Flow.ID, beside.First, o.From)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d addresses were looked up", checked)
	}
}
