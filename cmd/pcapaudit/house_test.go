package main

import (
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const module = "pcapaudit"

// allowed are the direct imports inside the module: one direction, from the command line down to the vocabulary.
var allowed = map[string][]string{
	"cmd/pcapaudit":    {"capture", "capture/flow", "capture/sandbox", "classify", "classify/monitor", "classify/survey", "reports", "reports/serve", "rules", "rules/draft"},
	"reports":          {"capture/flow", "classify", "classify/monitor", "rules"},
	"reports/serve":    {"classify", "classify/monitor", "reports"},
	"classify/monitor": {"capture/flow", "classify", "rules"},
	"classify/survey":  {"capture/flow", "rules"},
	"classify":         {"capture/flow", "rules"},
	"rules/draft":      {"rules"},
	"rules":            {"capture/flow", "rules/inventory"},
	"rules/inventory":  {},
	"capture":          {"capture/flow", "capture/inspect"},
	"capture/inspect":  {"capture/flow"},
	"capture/sandbox":  {},
	"capture/flow":     {},
}

// owners are libraries that only some packages may import directly, and why.
var owners = []struct {
	prefix string
	of     []string
	why    string
}{
	{"github.com/google/gopacket", []string{"capture"}, "decoding is the capture layer's secret"},
	{"github.com/olekukonko/tablewriter", []string{"reports"}, "layout is the writers' secret"},
	{"github.com/spf13/", []string{"cmd"}, "flags end at the command line"},
	{"github.com/schollz/progressbar", []string{"cmd"}, "progress is the terminal's"},
	{"github.com/prometheus/", []string{"reports/serve"}, "what is measured is shown in one place"},
	{"go.yaml.in/yaml", []string{"rules", "cmd/internal"}, "the rule file format has one reader"},
}

// inputsOnly are calls whose result must be an input outside cmd: same inputs give the same report.
var inputsOnly = []string{"time.Now(", "os.Getenv(", "rand.Int", "rand.New("}

func TestImportsRunOneWay(t *testing.T) {
	seen := 0
	eachPackage(t, func(dir string, p *build.Package) {
		seen++
		for _, imp := range p.Imports {
			if sub, ok := strings.CutPrefix(imp, module+"/"); ok && !strings.HasPrefix(dir, "cmd/internal/") {
				if !contains(allowed[dir], sub) {
					t.Errorf("%s imports %s: the direction is cmd -> reports -> classify -> rules -> capture/flow, and capture -> capture/inspect -> capture/flow", dir, sub)
				}
				continue
			}
			if dir == "capture/flow" && strings.Contains(imp, ".") {
				t.Errorf("capture/flow imports %s: the vocabulary uses the standard library only", imp)
			}
			for _, o := range owners {
				if strings.HasPrefix(imp, o.prefix) && !under(dir, o.of) {
					t.Errorf("%s imports %s: only %v may, because %s", dir, imp, o.of, o.why)
				}
			}
		}
	})
	if seen < 6 {
		t.Fatalf("found %d packages, so nothing was tested", seen)
	}
}

func TestTimeAndEnvironmentAreInputs(t *testing.T) {
	eachPackage(t, func(dir string, p *build.Package) {
		if strings.HasPrefix(dir, "cmd/") {
			return
		}
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range inputsOnly {
				if call == "time.Now(" && dir == "capture" && name == "live_clock.go" {
					continue // a default for the clock that watching is given, and what it is compared with
				}
				if strings.Contains(string(text), call) {
					t.Errorf("%s/%s calls %s...: pass it in", dir, name, call)
				}
			}
		}
	})
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	eachPackage(t, func(dir string, p *build.Package) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", dir)
		}
	})
}

// eachPackage calls f for every package of the module; tests are left out.
func eachPackage(t *testing.T, f func(dir string, p *build.Package)) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "testdata" || strings.HasPrefix(name, ".") {
			return filepath.SkipDir
		}
		p, err := build.ImportDir(path, build.ImportComment)
		if err != nil || len(p.GoFiles) == 0 {
			return nil
		}
		dir, err := filepath.Rel(root, path)
		f(filepath.ToSlash(dir), p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func under(dir string, roots []string) bool {
	for _, r := range roots {
		if dir == r || strings.HasPrefix(dir, r+"/") {
			return true
		}
	}
	return false
}
