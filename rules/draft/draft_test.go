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
