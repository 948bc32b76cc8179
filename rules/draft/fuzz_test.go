package draft

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pcapaudit/rules"
)

// Whatever a document holds, its draft is a pack without problems that says it is a draft and cites lines that the document has, or there is an error.
func FuzzDraft(f *testing.F) {
	for _, file := range documents(f) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(filepath.Base(file), data)
	}
	f.Add("a.md", []byte("|Port|To|\n|-|-|\n|1|null|\n|2|any|\n|3|`|\n"))
	f.Add("a.html", []byte("<table><th>port<tr><td rowspan=9>1<td colspan=99>2<tr><table><td>"))
	f.Add("a.csv", []byte("port\tto\n\"1\n\t2"))
	f.Add("a.json", []byte(`{"ietf-mud:mud":{"from-device-policy":{"access-lists":{"access-list":[{}]}}},"ietf-access-control-list:acls":{"acl":[{"aces":{"ace":[{"actions":{"forwarding":"accept"}}]}}]}}`))
	f.Fuzz(func(t *testing.T, file string, data []byte) {
		d, err := New(file, data, "")
		if err != nil {
			return
		}
		text, err := d.Pack()
		if err != nil {
			if len(d.flows) > 0 {
				t.Fatalf("%v in\n%s", err, d.yaml())
			}
			return
		}
		p, problems := rules.LoadPackBytes("p", text)
		if len(problems) > 0 || p.Status != rules.DraftStatus || len(p.Flows) != d.Flows {
			t.Fatalf("%v in\n%s", problems, text)
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, flow := range p.Flows {
			for _, c := range flow.Cite {
				if r := reachOf(c); r.first < 1 || r.last < r.first || r.last > lines {
					t.Fatalf("%s cites lines %s of %d", flow.ID, c.Lines, lines)
				}
			}
		}
		for _, l := range d.Left {
			if l.First < 1 || l.Last < l.First || l.Last > lines {
				t.Fatalf("%d lines, left out: %v", lines, l)
			}
		}
	})
}
