package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goldenExtensions are the formats of which every deviating window has a golden file, beside the text of TestWindows.
var goldenExtensions = []string{".json", ".html", ".md", ".findings.csv", ".matrix.csv", ".sarif", ".junit.xml", ".oscal.json"}

// TestGoldenFormats writes every deviating window in every format, in one run, and holds the files against the golden ones.
func TestGoldenFormats(t *testing.T) {
	dir := t.TempDir()
	t.Chdir("../../testdata")
	paths, err := filepath.Glob("captures/*-deviating.expect.yaml")
	if err != nil || len(paths) < 5 {
		t.Fatalf("found %d deviating windows, want 5 or more (%v)", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".expect.yaml")
		t.Run(name, func(t *testing.T) {
			w := auditWindow(t, path, "captures")
			var flags []string
			for _, e := range goldenExtensions {
				flags = append(flags, "--report", filepath.Join(dir, name+e))
			}
			var errs bytes.Buffer
			if code := run(w.args(flags...), nil, &bytes.Buffer{}, &errs); code != exitDeviations {
				t.Fatalf("exit code %d: %s", code, errs.String())
			}
			for _, e := range goldenExtensions {
				holdGolden(t, filepath.Join(dir, name+e), "reports/"+name+e)
			}
		})
	}
}

func holdGolden(t *testing.T, path, golden string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("%v (go test ./... -update writes it)", err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-golden +got):\n%.3000s", golden, d)
	}
}
