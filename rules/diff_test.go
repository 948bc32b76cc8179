package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const diffOld = `name: demo-1
kind: vendor
title: Demo
product_version: "1"
documents: [{id: guide, title: Guide, date: "2020-01-01", file: guide.txt}]
source_ranges: {windows: 49152-65535}
roles: [{name: agent, title: Agent}, {name: server, title: Server}, {name: vault, title: Vault}]
conditions: [{name: pushes, title: The server installs agents}]
flows:
  - {id: reports, title: Reports, from: [agent], to: [server], proto: tcp, ports: ["2500-3300"], need: required, occurrence: periodic, cite: [{document: guide, lines: "1"}]}
  - {id: installs, title: Installs, from: [server], to: [agent], proto: tcp, ports: ["445"], need: conditional, condition: pushes, occurrence: once, cite: [{document: guide, lines: "2"}]}
  - {id: stores, title: Stores, from: [agent], to: [vault], proto: tcp, ports: ["9000"], need: required, occurrence: periodic, cite: [{document: guide, lines: "3"}]}
  - {id: pings, title: Pings, from: [agent], to: [vault], proto: icmp, icmp_types: [8], need: optional, occurrence: on-demand, cite: [{document: guide, lines: "4"}]}
`

func diffText(d *PackDiff) []string {
	var lines []string
	for _, c := range d.Pack {
		lines = append(lines, "pack: "+c.Text)
	}
	for _, kind := range []struct {
		name string
		list []EntryChange
	}{{"document", d.Documents}, {"role", d.Roles}, {"condition", d.Conditions}, {"flow", d.Flows}} {
		for _, e := range kind.list {
			var texts []string
			for _, c := range e.Changes {
				texts = append(texts, c.Text)
			}
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s: %s", kind.name, e.State, e.Name, e.Was, strings.Join(texts, "; "))))
		}
	}
	return lines
}

func TestComparePacks(t *testing.T) {
	for _, c := range []struct {
		name     string
		replaces []string
		want     []string
	}{
		{"nothing", nil, nil},
		{"the order of flows", []string{"flows:\n", "flows:\n  - {id: z, title: Z, from: [agent], to: [server], proto: udp, ports: [any], occurrence: once, cite: [{document: guide, lines: \"9\"}]}\n"}, []string{"flow new z :"}},
		{"need", []string{"need: required, occurrence: periodic, cite: [{document: guide, lines: \"1\"}]", "need: optional, occurrence: periodic, cite: [{document: guide, lines: \"1\"}]"},
			[]string{"flow changed reports : tcp/2500-3300 from required to optional"}},
		{"ports", []string{`"2500-3300"`, `"2500-3000", "443"`}, []string{"flow changed reports : tcp/2500-3300 becomes tcp/2500-3000,443"}},
		{"a flow's name", []string{"id: stores, title: Stores", "id: keeps, title: Keeps", `lines: "3"`, `lines: "5"`},
			[]string{"flow renamed keeps stores: title from Stores to Keeps; cite from guide 3 to guide 5"}},
		{"a role's name is one change", []string{"name: vault", "name: store", "[vault]", "[store]"}, []string{"role renamed store vault:"}},
		{"a condition's name is one change", []string{"pushes", "installs-agents"}, []string{"condition renamed installs-agents pushes:"}},
		{"a document's name is one change", []string{"id: guide", "id: manual", "document: guide", "document: manual"}, []string{"document renamed manual guide:"}},
		{"a role's names", []string{"title: Vault}", "title: Vault, names: [v.example.com]}"}, []string{"role changed vault : names is now v.example.com"}},
		{"a condition of no flow is gone", []string{"need: conditional, condition: pushes", "need: required", "conditions: [{name: pushes, title: The server installs agents}]\n", ""},
			[]string{"condition gone pushes :", "flow changed installs : tcp/445 from conditional to required; condition pushes is gone"}},
		{"the pack", []string{"demo-1", "demo-2", `product_version: "1"`, `product_version: "2"`, "source_ranges: {windows: 49152-65535}\n", ""},
			[]string{"pack: name from demo-1 to demo-2", "pack: product_version from 1 to 2", "pack: source_ranges windows 49152-65535 is gone"}},
		{"icmp", []string{"icmp_types: [8]", "icmp_types: [8, 0]", "title: Pings", "title: Asks"}, []string{"flow changed pings : title from Pings to Asks; icmp type 8 becomes icmp type 8,0"}},
	} {
		old, problems := LoadPackBytes("old", []byte(diffOld))
		now, more := LoadPackBytes("new", []byte(strings.NewReplacer(c.replaces...).Replace(diffOld)))
		if len(problems)+len(more) > 0 {
			t.Errorf("%s: %v %v", c.name, problems, more)
			continue
		}
		d := ComparePacks(old, now)
		if diff := cmp.Diff(c.want, diffText(d)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if d.Empty() != (len(c.want) == 0) {
			t.Errorf("%s: empty is %t", c.name, d.Empty())
		}
	}
}
