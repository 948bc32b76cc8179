package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEmbeddedPacksHaveNoLint(t *testing.T) {
	for _, b := range Builtin() {
		for _, problem := range Lint(mustPack(t, b.Name), nil) {
			t.Error(problem)
		}
	}
}

func TestCitationsHoldToTheDocuments(t *testing.T) {
	const folder = "../../shared/seeds"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("the vendors' documents are not at ../../shared/seeds")
	}
	read := 0
	for _, b := range Builtin() {
		problems := Lint(mustPack(t, b.Name), func(file string) ([]byte, bool) {
			data, err := os.ReadFile(filepath.Join(folder, file))
			if err == nil {
				read++
			}
			return data, err == nil
		})
		for _, problem := range problems {
			t.Error(problem)
		}
	}
	if read != 5 {
		t.Errorf("%d documents were read, want 5", read)
	}
}

const lintHead = `name: demo
kind: vendor
title: Demo
documents: [{id: guide, title: Guide, date: "", file: guide.txt}, {id: rfc, title: RFC 1}]
roles: [{name: a, title: A}, {name: b, title: B}, {name: c, title: C, addresses: [10.1.0.0/16]}]
conditions: [{name: on, title: On}]
flows:
`

// lintFlow is a flow of one line; what is given later holds.
func lintFlow(id, more string) string {
	keys := []string{"id", "title", "from", "to", "proto", "ports", "need", "occurrence", "cite"}
	values := map[string]string{"id": id, "title": "T", "from": "[a]", "to": "[b]", "proto": "tcp", "ports": `["80"]`, "need": "required", "occurrence": "periodic", "cite": `[{document: guide, lines: "2"}]`}
	for _, pair := range strings.Split(more, "; ") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			if _, known := values[key]; !known {
				keys = append(keys, key)
			}
			values[key] = value
		}
	}
	var parts []string
	for _, k := range keys {
		if values[k] != "-" {
			parts = append(parts, k+": "+values[k])
		}
	}
	return "  - {" + strings.Join(parts, ", ") + "}\n"
}

func TestLint(t *testing.T) {
	const guide = "ports\ntcp/80\n2500 to 3000, 8080\nrange 5000 – 5100 and 7000-7001"
	for _, c := range []struct{ name, second, want string }{
		{"the same again", "", `f:9:5: warning: flow "y" documents the same connections as flow "x" at f:8:5; merge the two and cite both places`},
		{"another need says the same", "need=optional", `flow "y" documents the same connections`},
		{"another port", `ports=["81"]`, ""},
		{"another role", `to=[c]`, ""},
		{"another protocol", `proto=udp`, ""},
		{"a narrower port, and the first in order is named", `id=a; ports=["80", "81"]`, `f:8:5: warning: flow "x" is shadowed: all that it documents flow "a" documents too, at f:9:5`},
		{"a wider one that comes later", `ports=["80", "81"]`, ""},
		{"a range around it is named less", `ports=["1-1000"]`, ""},
		{"only under a condition", `condition=on; need=conditional`, `f:9:5: warning: flow "y" is shadowed`},
		{"encrypted as well", `encryption=required`, `flow "y" is shadowed`},
		{"a source port of its own", `source_ports="20"`, ""},
		{"any source port takes in the others", `source_ports=any`, ""},
		{"from a group", `from=[multicast]; ports=["90"]`, `f:9:5: warning: no connection can be flow "y": nobody opens`},
		{"tcp to a group", `to=[broadcast]; ports=["90"]`, "tcp is never opened"},
		{"udp to a group", `to=[broadcast]; proto=udp`, ""},
		{"a group far away", `to=[multicast]; proto=udp; scope=wan`, "never outside"},
		{"the internet inside", `to=[internet]; scope=lan`, "never inside"},
		{"between strangers", `from=[internet]; to=[internet]`, "out of scope"},
		{"private and far away", `to=[c]; scope=wan`, "are private"},
		{"wider than its citation", `ports=["2500-3300"]; cite=[{document: rfc, section: "ports 2500-3000"}]`, `f:9:63: warning: flow "y" has ports 2500-3300, and its citation says 2500-3000; narrow the range`},
		{"as its citation", `ports=["2500-3000"]; cite=[{document: rfc, section: "ports 2500-3000"}]`, ""},
		{"another range than its citation", `ports=["100-200"]; cite=[{document: rfc, section: "dated 2001-2003"}]`, ""},
		{"wider than the lines", `ports=["2500-3300"]; cite=[{document: guide, lines: "3"}]`, "the lines that it cites say 2500-3000"},
		{"as the lines", `ports=["5000-5100", "7000-7001"]; cite=[{document: guide, lines: "3-4"}]`, ""},
		{"past the end", `ports=["90"]; cite=[{document: guide, lines: "4-5"}]`, `warning: lines 4-5 of "guide" are cited, which has 4; correct the citation`},
	} {
		text := lintHead + lintFlow("x", "") + lintFlow("y", c.second)
		if !strings.Contains(text, "[c]") {
			text = strings.Replace(text, ", {name: c, title: C, addresses: [10.1.0.0/16]}", "", 1)
		}
		if !strings.Contains(text, "condition: on") {
			text = strings.Replace(text, "conditions: [{name: on, title: On}]\n", "conditions: []\n", 1)
		}
		p, problems := LoadPackBytes("f", []byte(text))
		if len(problems) > 0 {
			for _, problem := range problems {
				if !strings.Contains(problem.What, `role "`) {
					t.Errorf("%s: %v", c.name, problem)
				}
			}
			if p == nil {
				continue
			}
		}
		got := Lint(p, func(file string) ([]byte, bool) { return []byte(guide), file == "guide.txt" })
		switch {
		case c.want == "" && len(got) > 0, c.want != "" && (len(got) != 1 || !strings.Contains(got[0].String(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, got, c.want)
		}
	}
}

func TestUnstated(t *testing.T) {
	p, problems := LoadPackBytes("f", []byte(lintHead+lintFlow("x", "need=unstated")+lintFlow("y", `need=-; ports=["81"]`)+lintFlow("z", `ports=["82"]`)+
		lintFlow("r", `need=-; occurrence=-; reference=true; from=[any]; to=[any]`)))
	if p == nil {
		t.Fatal(problems)
	}
	if n := p.Unstated(); n != 2 {
		t.Errorf("%d needs are unstated, want 2", n)
	}
}
