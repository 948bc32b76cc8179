package draft

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pcapaudit/rules"
)

var update = flag.Bool("update", false, "write the drafts of testdata")

// documents are the documents of testdata; the draft of each lies beside it.
func documents(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range files {
		if filepath.Ext(f) != ".yaml" {
			list = append(list, f)
		}
	}
	if len(list) < 7 {
		t.Fatalf("only %d documents in testdata", len(list))
	}
	return list
}

// drafted is the draft of a document and the pack that it is.
func drafted(t *testing.T, file string) (*Draft, []byte, *rules.Pack) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(file, data, "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := d.Pack()
	if err != nil {
		t.Fatalf("%v\n%s", err, d.yaml())
	}
	p, problems := rules.LoadPackBytes("draft.yaml", text)
	if len(problems) > 0 {
		t.Fatalf("problems in the draft: %v", problems)
	}
	return d, text, p
}

func TestDocuments(t *testing.T) {
	for _, file := range documents(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			d, text, p := drafted(t, file)
			golden := file + ".yaml"
			if *update {
				if err := os.WriteFile(golden, text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(text)); diff != "" {
				t.Errorf("draft (-want +got):\n%s", diff)
			}
			if p.Status != rules.DraftStatus || len(p.Flows) != d.Flows {
				t.Errorf("status %q with %d flows, want a draft with %d", p.Status, len(p.Flows), d.Flows)
			}
			for _, l := range d.Left {
				if !strings.Contains(string(text), l.String()) {
					t.Errorf("%s is not in the draft", l)
				}
			}
		})
	}
}

// TestSpans: a cell that reaches down is cited in each of its rows, and one over all columns is a title of the rows below it, which ends with the table.
func TestSpans(t *testing.T) {
	const text = `<table>
<tr><th colspan=4>Ports of the agent</th></tr>
<tr><th>Port</th><th>Protocol</th><th>Source</th><th>Destination</th></tr>
<tr><td rowspan=2>8443</td><td>TCP</td><td>agent</td><td>server</td></tr>
<tr><td>UDP</td><td>agent</td><td>true</td></tr>
<tr><td colspan=4>TCP 22 and 23</td></tr>
</table>
<table>
<tr><th>Port</th><th>Protocol</th></tr>
<tr><td colspan=2>Console → Agent</td></tr>
<tr><td>25</td><td>TCP</td></tr>
<tr><td colspan=2>Agent → Console</td></tr>
<tr><td>26</td><td>TCP</td></tr>
</table>
<table>
<tr><th>Port</th><th>Protocol</th></tr>
<tr><td>27</td><td>TCP</td></tr>
</table>`
	d, err := New("2012.html", []byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	pack, err := d.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"name: \"2012\"\n", "from: [agent]\n    to: [\"true\"]\n    proto: udp",
		`{document: document, lines: "4", section: "a cell that reaches down"}` + "\n" + `      - {document: document, lines: "5", section: "Ports of the agent: 8443"}`,
		"tcp-25-console-agent", "tcp-26-agent-console", "tcp-27-originator-not-stated-responder-not-stated"} {
		if !strings.Contains(string(pack), want) {
			t.Errorf("the draft has no %s:\n%s", want, pack)
		}
	}
	if d.Flows != 5 || len(d.Left) != 1 || d.Left[0].First != 6 || strings.Count(d.Left[0].Text, "TCP 22") != 1 {
		t.Errorf("%d flows, left out: %v", d.Flows, d.Left)
	}
}
