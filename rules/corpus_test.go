package rules

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the expected problems into testdata")

// The corpus: *.good.yaml has no problems, *.bad.yaml has one defect, named by the file and told by its leading "# want" lines.
// A site says with "# packs" for which packs it is compiled.
func TestPackCorpus(t *testing.T) {
	testCorpus(t, "testdata/packs", func(data []byte) []Problem {
		_, problems := LoadPackBytes("f", data)
		return problems
	})
}

func TestSiteCorpus(t *testing.T) {
	testCorpus(t, "testdata/sites", func(data []byte) []Problem {
		site, problems := LoadSiteWith("f", data, func(path string) ([]byte, error) { return os.ReadFile(filepath.Join("testdata/sites", path)) })
		if site == nil {
			return problems
		}
		var packs []*Pack
		for _, name := range strings.Fields(leading(data, "# packs ")[0]) {
			packs = append(packs, mustPack(t, name))
		}
		_, bound := Compile(packs, site)
		return append(problems, bound...)
	})
}

func testCorpus(t *testing.T, folder string, load func([]byte) []Problem) {
	for _, kind := range []string{"good", "bad"} {
		files, err := filepath.Glob(filepath.Join(folder, "*."+kind+".yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no *.%s.yaml in %s (%v)", kind, folder, err)
		}
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if *update && kind == "bad" {
					data = withWant(data, texts(load(data)))
					data = withWant(data, texts(load(data))) // the lines have moved
					if err := os.WriteFile(file, data, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, got := leading(data, "# want "), texts(load(data))
				if (kind == "good") != (len(want) == 0) {
					t.Errorf("%d expected problems in a %s file", len(want), kind)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("problems (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func texts(problems []Problem) []string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, strings.TrimPrefix(p.String(), "f:"))
	}
	return lines
}

func leading(data []byte, mark string) []string {
	var lines []string
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		if text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), mark); ok {
			lines = append(lines, text)
		}
	}
	return lines
}

func withWant(data []byte, want []string) []byte {
	var out bytes.Buffer
	for _, w := range want {
		out.WriteString("# want " + w + "\n")
	}
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "# want ") {
			out.WriteString(line)
		}
	}
	return out.Bytes()
}

func mustPack(t testing.TB, name string) *Pack {
	t.Helper()
	p, problems := LoadPack(name)
	if p == nil {
		t.Fatalf("pack %s: %v", name, problems)
	}
	return p
}

func TestEmbeddedPacks(t *testing.T) {
	entries, err := embedded.ReadDir("packs")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		files = append(files, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	names := builtinNames()
	slices.Sort(names)
	if diff := cmp.Diff(files, names); diff != "" {
		t.Errorf("embedded files and the list of packs (-files +list):\n%s", diff)
	}
	for _, b := range Builtin() {
		p, problems := LoadPack(b.Name)
		for _, problem := range problems {
			t.Error(problem)
		}
		if p != nil && (p.Name != b.Name || p.Kind != b.Kind) {
			t.Errorf("%s: name %s, kind %s, listed as %s", b.Name, p.Name, p.Kind, b.Kind)
		}
	}
}

// A duplicate is told with both places.
func TestTwoPlaces(t *testing.T) {
	for file, place := range map[string]string{
		"packs/key_twice.bad.yaml": "first at f:", "packs/flow_id_twice.bad.yaml": "first at f:", "packs/role_twice.bad.yaml": "first at f:",
		"sites/host_twice.bad.yaml": "first at f:", "sites/address_twice.bad.yaml": `host "srv-1", at f:`, "sites/exception_twice.bad.yaml": "first at f:",
	} {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		want := leading(data, "# want ")
		if len(want) != 1 || !strings.Contains(want[0], place) {
			t.Errorf("%s: %q does not tell %q", file, want, place)
			continue
		}
		_, rest, _ := strings.Cut(want[0], place)
		if second, _, _ := strings.Cut(want[0], ": "); strings.HasPrefix(rest, second+";") {
			t.Errorf("%s: both places are %s", file, second)
		}
	}
}
