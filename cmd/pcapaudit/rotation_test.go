package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pcapaudit/classify"
)

// splitCapture writes the packets of a little-endian pcapng file of one section into files of equal numbers of packets, as rotation does.
func splitCapture(t *testing.T, path, dir string, files int) {
	t.Helper()
	const sectionHeader, interfaceDescription, enhancedPacket = 0x0a0d0d0a, 1, 6
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var head []byte
	var packets [][]byte
	for len(data) > 0 {
		block := data[:binary.LittleEndian.Uint32(data[4:])]
		data = data[len(block):]
		switch binary.LittleEndian.Uint32(block) {
		case sectionHeader, interfaceDescription:
			head = append(head, block...)
		case enhancedPacket:
			packets = append(packets, block)
		}
	}
	for i := range files {
		out := append([]byte(nil), head...)
		for _, p := range packets[i*len(packets)/files : (i+1)*len(packets)/files] {
			out = append(out, p...)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("part_%05d.pcapng", i)), out, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

var packetNumber = regexp.MustCompile(`, packet \d+( of input \d+)?`)

// judged is what an audit concludes, without what says in which file it was found.
func judged(a *classify.Audit) classify.Audit {
	out := classify.Audit{Result: a.Result, Totals: a.Totals, Kinds: a.Kinds, Baseline: a.Baseline, Flows: a.Flows, Findings: a.Findings, Expectations: a.Expectations,
		OutOfScope: a.OutOfScope, Unverified: a.Unverified, Connections: a.Connections, Timeline: a.Timeline, SourcePorts: a.SourcePorts}
	for i := range out.Findings {
		out.Findings[i].Evidence = nil
		out.Findings[i].Reason = packetNumber.ReplaceAllString(out.Findings[i].Reason, "")
	}
	for i := range out.Expectations {
		out.Expectations[i].Samples = nil
	}
	out.Coverage.Loss = a.Coverage.Loss
	return out
}

// TestRotatedWindows audits recorded windows cut into files: connections go on from file to file, so that nothing of the conclusion changes.
func TestRotatedWindows(t *testing.T) {
	t.Chdir("../../testdata")
	paths, err := filepath.Glob("captures/*.expect.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no windows (%v)", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".expect.yaml")
		t.Run(name, func(t *testing.T) {
			whole := auditWindow(t, path, "captures")
			dir := t.TempDir()
			parts := filepath.Join(dir, name+".pcapng") // a directory
			if err := os.Mkdir(parts, 0o700); err != nil {
				t.Fatal(err)
			}
			splitCapture(t, filepath.Join("captures", name+".pcapng"), parts, 5)
			rotated := auditWindow(t, path, dir)
			if len(rotated.audit.Inputs) != 5 {
				t.Fatalf("%d inputs, want 5", len(rotated.audit.Inputs))
			}
			if d := cmp.Diff(judged(&whole.audit), judged(&rotated.audit)); d != "" || whole.code != rotated.code {
				t.Errorf("exit code %d and %d (-whole +parts):\n%s", whole.code, rotated.code, d)
			}
		})
	}
}
