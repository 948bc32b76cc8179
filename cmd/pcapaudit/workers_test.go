package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestWorkersJudgeTheSame holds that report and list of connections are the same bytes however many cores there are.
func TestWorkersJudgeTheSame(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	dir := t.TempDir()
	t.Chdir("../../testdata")
	paths, err := filepath.Glob("captures/*.expect.yaml")
	if err != nil || len(paths) < 10 {
		t.Fatalf("found %d windows, want 10 or more (%v)", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".expect.yaml")
		t.Run(name, func(t *testing.T) {
			w := auditWindow(t, path, "captures")
			audit := func(cores int) (report, list string) {
				runtime.GOMAXPROCS(cores)
				files := [...]string{filepath.Join(dir, name+".json"), filepath.Join(dir, name+".ndjson")}
				var errs bytes.Buffer
				if code := run(w.args("--report", files[0], "--connections", files[1]), nil, &bytes.Buffer{}, &errs); code == exitLedger || code == exitUsage {
					t.Fatalf("exit code %d: %s", code, errs.String())
				}
				var texts [2]string
				for i, file := range files {
					data, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					texts[i] = string(data)
				}
				return texts[0], texts[1]
			}
			report, list := audit(1)
			for _, cores := range []int{2, 8} {
				if r, l := audit(cores); r != report || l != list {
					t.Errorf("with %d cores the report or the list of connections differs from that with one", cores)
				}
			}
		})
	}
}
