package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pcapaudit/capture"
	"pcapaudit/classify"
	"pcapaudit/rules"
)

// A capture that changes between the passes gives no evidence, and says so with the exit code of an input.
func TestEvidenceOfAChangedCapture(t *testing.T) {
	data, err := os.ReadFile("../../testdata/captures/acronis-deviating.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "window.pcapng")
	u := &ui{err: &bytes.Buffer{}}
	changes := map[string]func() error{
		"longer":     func() error { return os.WriteFile(path, append(bytes.Clone(data), data...), 0o600) },
		"shorter":    func() error { return os.Truncate(path, int64(len(data))/2) },
		"other byte": func() error { d := bytes.Clone(data); d[len(d)-30] ^= 1; return os.WriteFile(path, d, 0o600) },
		"gone":       func() error { return os.Remove(path) },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			config := capture.Config{Inputs: []string{path}, Hash: true, MaxConnections: 1000}
			set, problems := rules.Compile(nil, nil)
			if rules.Failed(problems) {
				t.Fatal(problems)
			}
			audit, result, err := u.judge(context.Background(), config, set, classify.Options{Tool: thisTool}, func(string) string { return "" })
			if err != nil {
				t.Fatal(err)
			}
			f := evidenceFlags{file: filepath.Join(dir, "evidence.pcapng")}
			out, err := openOutputs(outputFlags{evidence: f}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer out.discard()
			if err := change(); err != nil {
				t.Fatal(err)
			}
			err = u.addEvidence(context.Background(), audit, f, config, result, out, nil)
			if codeOf(err) != exitInput || !strings.Contains(err.Error(), "window.pcapng") || adviceOf(err) == "" {
				t.Errorf("error %v, advice %q", err, adviceOf(err))
			}
			if audit.Evidence != nil || len(out.files) != 0 {
				t.Errorf("evidence %+v, %d files are to be written", audit.Evidence, len(out.files))
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// An interrupted run writes its reports, and says that there is no evidence.
func TestEvidenceOfAnInterruptedRun(t *testing.T) {
	dir, errs := t.TempDir(), &bytes.Buffer{}
	u := &ui{err: errs}
	f := evidenceFlags{file: filepath.Join(dir, "evidence.pcapng")}
	out, err := openOutputs(outputFlags{evidence: f}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	audit := &classify.Audit{}
	if err := u.addEvidence(ctx, audit, f, capture.Config{}, &capture.Result{Interrupted: true}, out, nil); err != nil || audit.Evidence != nil || len(out.files) != 0 {
		t.Errorf("error %v, evidence %+v, %d files", err, audit.Evidence, len(out.files))
	}
	if !strings.Contains(errs.String(), "no evidence was written") {
		t.Errorf("standard error: %s", errs)
	}
}

// A disk that is full fails the evidence as an output, not as an input. The device is written to through extract alone: a file that is given up is removed.
func TestEvidenceOnAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full: a full disk is not tried")
	}
	defer full.Close()
	path := "../../testdata/captures/acronis-deviating.pcapng"
	u := &ui{err: &bytes.Buffer{}}
	config := capture.Config{Inputs: []string{path}, Hash: true, MaxConnections: 1000}
	set, _ := rules.Compile(nil, nil)
	audit, result, err := u.judge(context.Background(), config, set, classify.Options{Tool: thisTool}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	err = u.extract(context.Background(), audit, config, result.Inputs, &classify.EvidenceFile{Mode: evidenceHeaders}, full, nil)
	var unwritten evidenceUnwritten
	if !errors.As(err, &unwritten) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v, want one of the output: no space left", err)
	}
}

// Every reason for a connection to be in the evidence is named; a tunnel's connection keeps its depth.
func TestWantedBy(t *testing.T) {
	a := &classify.Audit{
		Findings: []classify.Finding{
			{ID: "00112233445566aa", Verdict: "deviation", Why: []string{"originator", "hours"}, Evidence: []classify.Evidence{{ID: "0:17"}, {ID: "1:4.1"}, {ID: "no id"}}},
			{ID: "00112233445566bb", Verdict: "missing"}},
		Expectations: []classify.Expectation{{Flow: "pack/flow", Samples: []classify.Evidence{{ID: "0:17"}}}},
	}
	list, leftOut := wantedBy(a, 3, false)
	if len(list) != 2 || leftOut != 0 || list[1].ID.Depth != 1 || list[0].Limit != 3 || list[0].Comments[0] != "finding 00112233445566aa: deviation originator, hours" {
		t.Errorf("wanted %+v, %d left out", list, leftOut)
	}
	list, _ = wantedBy(a, 0, true)
	if len(list) != 3 || list[2].Comments[0] != "expectation pack/flow: observed" {
		t.Errorf("with passes: %+v", list)
	}
	a.Findings[0].Evidence = make([]classify.Evidence, capture.MaxWanted+5)
	for i := range a.Findings[0].Evidence {
		a.Findings[0].Evidence[i].ID = "0:1"
	}
	if list, leftOut = wantedBy(a, 0, true); len(list) != capture.MaxWanted || leftOut != 6 {
		t.Errorf("%d wanted, %d left out", len(list), leftOut)
	}
}
