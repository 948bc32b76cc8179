package rules

import (
	"net/netip"
	"strings"
	"testing"
)

// The lines of a site that an answer rests on are those that decided it.
func TestExplainEntries(t *testing.T) {
	const pack = `
name: p
kind: vendor
title: Product
product_version: "1"
documents: [{id: d, title: Document, date: "", file: d.txt}]
roles: [{name: a, title: A}, {name: b, title: B}]
conditions: [{name: c, title: C, default: unknown}]
flows:
  - {id: f, title: F, from: [a], to: [b], proto: tcp, ports: ["80"], configurable: true, need: conditional, condition: "!c", occurrence: once, cite: [{document: d, lines: "1", section: s}]}
`
	const site = `name: s
hosts:
  - {name: wide, addresses: [10.0.0.0/24], roles: [p/a]}
  - {name: one, addresses: [{address: 10.0.0.7, until: "2026-06-01"}, 10.1.0.0-10.1.0.9], roles: [p/b]}
conditions:
  - {name: p/c, state: "on", until: "2026-06-01"}
  - {name: p/c, state: "off", from: "2026-06-01"}
ports:
  - {flow: p/f, ports: ["81"], source: s, approver: a}
  - {flow: p/f, ports: ["82"], to: [one], source: s, approver: a}
hours:
  - {from: "01:00", until: "02:00", zone: UTC}
  - {flows: [p/*], from: "03:00", until: "04:00", zone: UTC}
`
	p, problems := LoadPackBytes("p.yaml", []byte(pack))
	if Failed(problems) {
		t.Fatal(problems)
	}
	s, problems := LoadSiteBytes("s.yaml", []byte(site))
	if Failed(problems) {
		t.Fatal(problems)
	}
	set, problems := Compile([]*Pack{p}, s)
	if Failed(problems) {
		t.Fatal(problems)
	}
	before, _ := parseTime("2026-01-01")
	after, _ := parseTime("2026-07-01")
	f := set.Flow("p/f")
	for _, c := range []struct {
		what string
		got  Pos
		line int
	}{
		{"an address of its own", set.Entry(netip.MustParseAddr("::ffff:10.0.0.7"), before).Pos, 4},
		{"which has ended", set.Entry(netip.MustParseAddr("10.0.0.7"), after).Pos, 3},
		{"a condition", s.Stated(set.ConditionEntry(f, before)), 6},
		{"its next entry", s.Stated(set.ConditionEntry(f, after)), 7},
		{"ports for all", s.Stated(set.PortEntry(f, s.Hosts[0])), 9},
		{"ports of one host", s.Stated(set.PortEntry(f, s.Hosts[1])), 10},
		{"hours of the pack before those of all", s.Stated(set.HoursEntry(f)), 13},
	} {
		if c.got.Line != c.line || c.got.File != "s.yaml" {
			t.Errorf("%s: at %s, want line %d", c.what, c.got, c.line)
		}
	}
	if e := set.Entry(netip.MustParseAddr("192.0.2.1"), before); e != nil {
		t.Errorf("a stranger has the entry %s", e.Pos)
	}
	if list := s.Hosts[1].SingleAddresses(after); len(list) != 0 {
		t.Errorf("addresses after their end: %v", list)
	}
	if got := Meant("tpc", []string{"tcp", "udp"}); !strings.Contains(got, `"tcp"`) {
		t.Error(got)
	}
}
