package rules

import (
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TestMeant: each kind of name in a site or a pack, one slip in it, and the name that was meant.
func TestMeant(t *testing.T) {
	const head = "name: demo\nhosts:\n  - {name: ams, addresses: [10.1.0.2], os: windows, roles: [acronis-abr-11.5/management-server]}\n" +
		"  - {name: srv-1, addresses: [10.1.0.11], os: linux, roles: [acronis-abr-11.5/agent]}\n"
	for text, want := range map[string]string{
		head + "conditons: []\n":                                                                                                 `unknown key "conditons" in the file; did you mean "conditions"?`,
		strings.Replace(head, "abr-11.5/agent", "abr-11.5/agnet", 1):                                                             `has no role "agnet"; did you mean "agent"?`,
		strings.Replace(head, "acronis-abr-11.5/agent", "acronis-abr-11/agent", 1):                                               `unknown pack "acronis-abr-11"; did you mean "acronis-abr-11.5"?`,
		strings.Replace(head, "acronis-abr-11.5/agent", "managment-server", 1):                                                   `"managment-server" is no qualified role; write PACK/ROLE, such as acronis-abr-11.5/management-server`,
		strings.Replace(head, "os: linux", "os: linxu", 1):                                                                       `os is "linxu"; did you mean "linux"?`,
		head + "conditions:\n  - {name: acronis-abr-11.5/licence-server-used, state: on}\n":                                      `has no condition "licence-server-used"; did you mean "license-server-used"?`,
		head + "conditions:\n  - {name: licence-server-used, state: on}\n":                                                       `"licence-server-used" is no qualified condition; write PACK/CONDITION, such as acronis-abr-11.5/license-server-used`,
		head + "conditions:\n  - {name: acronis-abr-11.5/license-server-used, state: offf}\n":                                    `state is "offf"; did you mean "off"?`,
		head + "expect:\n  - {flow: acronis-abr-11.5/agent-registres, in: period, reason: r}\n":                                  `has no flow "agent-registres"; did you mean "agent-registers"?`,
		head + "expect:\n  - {flow: agent-registers, in: period, reason: r}\n":                                                   `"agent-registers" is no qualified flow; write PACK/FLOW, such as acronis-abr-11.5/agent-registers`,
		head + "expect:\n  - {flow: acronis-abr-11.5/agent-registers, hosts: [srv1], in: period, reason: r}\n":                   `unknown host "srv1"; did you mean "srv-1"?`,
		head + "expect:\n  - {flow: acronis-abr-11.5/agent-registers, every: day, at: \"08:00-18:00\", days: [mo], reason: r}\n": `unknown day "mo"; did you mean "mon"?`,
		head + "hours:\n  - {flows: [acronis-abr-11.4/*], from: \"22:00\", until: \"06:00\", zone: UTC}\n":                       `unknown pack "acronis-abr-11.4"; did you mean "acronis-abr-11.5"?`,
	} {
		s, problems := LoadSiteBytes("site.yaml", []byte(text))
		if s != nil {
			p, _ := LoadPack("acronis-abr-11.5")
			_, problems = Compile([]*Pack{p}, s)
		}
		if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.String(), want) }) {
			t.Errorf("%s\ngives %v\nwant %s", strings.TrimPrefix(text, head), problems, want)
		}
	}
}

// TestMeantInPacks: the same for names in a pack.
func TestMeantInPacks(t *testing.T) {
	const pack = `name: demo
kind: vendor
title: Demo
documents: [{id: manual, title: Manual, date: "", file: manual.txt}]
roles: [{name: agent, title: Agent}, {name: server, title: Server}]
conditions: [{name: proxy-used, title: A proxy is used, default: unknown}]
flows:
  - {id: web, title: Web, from: [agent], to: [server], proto: tcp, ports: ["80"], need: conditional, condition: proxy-used, occurrence: periodic, cite: [{document: manual, lines: "1", section: s}]}
  - {id: safe, title: Web, from: [agent], to: [server], proto: tcp, ports: ["443"], need: required, occurrence: periodic, paired_with: web, cite: [{document: manual, lines: "2", section: s}]}
`
	if p, problems := LoadPackBytes("demo.yaml", []byte(pack)); p == nil {
		t.Fatal(problems)
	}
	for _, c := range []struct{ old, slip, want string }{
		{"title: Demo", "tilte: Demo", `unknown key "tilte" in the file; did you mean "title"?`},
		{"kind: vendor", "kind: vendro", `kind is "vendro"; did you mean "vendor"?`},
		{"from: [agent], to: [server], proto: tcp, ports: [\"80\"]", "from: [agnet], to: [server], proto: tcp, ports: [\"80\"]", `unknown role "agnet"; did you mean "agent"?`},
		{"condition: proxy-used", "condition: proxy-usde", `unknown condition "proxy-usde"; did you mean "proxy-used"?`},
		{"need: required", "need: requierd", `need is "requierd"; did you mean "required"?`},
		{"occurrence: periodic, paired", "occurrence: peroidic, paired", `occurrence is "peroidic"; did you mean "periodic"?`},
		{"paired_with: web", "paired_with: wbe", `unknown flow "wbe"; did you mean "web"?`},
		{`document: manual, lines: "2"`, `document: manaul, lines: "2"`, `unknown document "manaul"; did you mean "manual"?`},
	} {
		_, problems := LoadPackBytes("demo.yaml", []byte(strings.Replace(pack, c.old, c.slip, 1)))
		if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.String(), c.want) }) {
			t.Errorf("%s gives %v, want %s", c.slip, problems, c.want)
		}
	}
}

// TestNearest: capitals do not count, and a name with nothing in common is not near.
func TestNearest(t *testing.T) {
	for name, want := range map[string]string{"HOSTNAME": "Hostname", "hostnam": "Hostname", "Name": "name", "IP": "", "q": "", "nmae": "name"} {
		if got := Nearest(name, []string{"x", "Hostname", "name"}); got != want {
			t.Errorf("nearest to %q: %q, want %q", name, got, want)
		}
	}
}

// TestYAMLText: what is written is what is read, whatever is in it.
func TestYAMLText(t *testing.T) {
	for _, text := range []string{"a", "null", "NULL", "~", "true", "No", "0x1f", "12", "1.5", ".inf", "-", "- a", "a: b", "a #b", "10.0.0.1", "fd00::1", "", " a ", "é\u00a0", "\x1b[31m", "a\nb", `"\`, "'x", "{a}", "acronis-abr-11.5/agent", "2026-01-31", "=cmd()|x", "<<"} {
		for _, written := range []string{"name: " + YAMLText(text), "{name: " + YAMLText(text) + ", other: [" + YAMLText(text) + "]}"} {
			var read map[string]any
			if err := yaml.Load([]byte(written), &read); err != nil || read["name"] != text {
				t.Errorf("%s is read as %#v, want %q (%v)", written, read["name"], text, err)
			}
		}
	}
}
