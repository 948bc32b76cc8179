package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

// evidenceFlags are the flags of the capture file with the packets of findings.
type evidenceFlags struct {
	file    string
	limit   int
	payload bool
	passes  bool
}

const evidenceExtension = ".pcapng"

func (f *evidenceFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.file, "evidence", "", "write the packets of findings, at most five connections each, to `FILE`"+evidenceExtension+", headers only; reads the captures twice")
	fl.IntVar(&f.limit, "evidence-packets", 0, "write only the first `N` packets of each connection to the evidence; 0, the default: all")
	fl.BoolVar(&f.payload, "payload", false, "write whole packets to the evidence, with their payload")
	fl.BoolVar(&f.passes, "passes", false, "write sample connections of observed expectations to the evidence, too")
}

// check says what is wrong with the flags before anything is read.
func (f *evidenceFlags) check(captures []string, pseudonyms bool) error {
	usage := func(advice, format string, args ...any) error {
		return exitError{exitUsage, hint(fmt.Errorf(format, args...), "%s", advice)}
	}
	switch {
	case f.file == "" && (f.limit != 0 || f.payload || f.passes):
		return usage("add --evidence FILE"+evidenceExtension, "--evidence-packets, --payload and --passes are about the evidence, and --evidence names no file")
	case f.file == "":
		return nil
	case !strings.HasSuffix(f.file, evidenceExtension):
		return usage("name it FILE"+evidenceExtension, "--evidence %s: evidence is written as pcapng", f.file)
	case f.payload && pseudonyms:
		return usage("leave out one of the two", "--payload with --pseudonymise: payload holds addresses and names that cannot be replaced")
	case f.limit < 0:
		return usage("use 0 for all packets, or 1 or more", "--evidence-packets %d is below 0", f.limit)
	}
	if err := capture.Rereadable(captures); err != nil {
		return usage("save the stream to a file first, or leave out --evidence", "--evidence: %w", err)
	}
	return nil
}

// evidence is what is asked for.
func (f *evidenceFlags) evidence() *classify.EvidenceFile {
	e := &classify.EvidenceFile{File: filepath.Base(f.file), Mode: evidenceHeaders, Limit: f.limit, Passes: f.passes}
	if f.payload {
		e.Mode = evidencePayload
	}
	return e
}

// Modes of evidence.
const (
	evidenceHeaders = "headers"
	evidencePayload = "payload"
)

// wantedBy are the connections that an audit's findings, and with passes its observed expectations, rest on; leftOut counts those that one file cannot take.
func wantedBy(a *classify.Audit, limit int, passes bool) (list []capture.Wanted, leftOut int) {
	add := func(evidence []classify.Evidence, comment string) {
		for _, e := range evidence {
			id, ok := flow.ParseConnID(e.ID)
			switch {
			case !ok:
			case len(list) >= capture.MaxWanted:
				leftOut++
			default:
				list = append(list, capture.Wanted{ID: id, Comments: []string{comment}, Limit: limit})
			}
		}
	}
	for i := range a.Findings {
		f := &a.Findings[i]
		add(f.Evidence, strings.TrimSpace(fmt.Sprintf("finding %s: %s %s", f.ID, f.Verdict, strings.Join(f.Why, ", "))))
	}
	for i := range a.Expectations {
		if e := &a.Expectations[i]; passes {
			add(e.Samples, fmt.Sprintf("expectation %s: observed", e.Flow))
		}
	}
	return list, leftOut
}

// extract reads the captures again and writes the packets that e asks for. It completes e; what was written is worth nothing where there is an error.
func (u *ui) extract(ctx context.Context, a *classify.Audit, first capture.Config, read []capture.Input, e *classify.EvidenceFile, to io.Writer, hidden *capture.Pseudonyms) error {
	list, leftOut := wantedBy(a, e.Limit, e.Passes)
	update, finish := u.progress()
	first.Progress = update
	out := &hashing{to: bufio.NewWriterSize(to, 1<<16), sum: sha256.New()}
	result, err := capture.Extract(ctx, capture.ExtractConfig{First: first, Read: read, Want: list, Payload: e.Mode == evidencePayload, Pseudonyms: hidden, Out: out})
	finish()
	if err == nil {
		err = out.flush()
	}
	var input *capture.InputError
	var changed *capture.ChangedError
	switch {
	case err == nil:
	case out.failed != nil:
		return evidenceUnwritten{out.failed}
	case errors.As(err, &changed):
		return exitError{exitInput, hint(fmt.Errorf("evidence: %w", err), "the reports describe the captures as they were; no evidence was written")}
	case errors.As(err, &input):
		return exitError{exitInput, hint(fmt.Errorf("evidence: %w", err), "%s", inputAdvice(err))}
	default:
		return exitError{exitCapture, fmt.Errorf("evidence: %w", err)}
	}
	e.SHA256 = hex.EncodeToString(out.sum.Sum(nil))
	e.Packets, e.Connections, e.Limited, e.Shortened, e.Lost, e.LeftOut = result.Packets, result.Connections, result.Limited, result.Shortened, result.Lost, leftOut
	return nil
}

// evidenceUnwritten is a failure of the file that takes the evidence, not of the captures.
type evidenceUnwritten struct{ error }

func (e evidenceUnwritten) Unwrap() error { return e.error }

// hashing hashes what passes, and tells failures of what it writes to apart.
type hashing struct {
	to     *bufio.Writer
	sum    hash.Hash
	failed error
}

func (h *hashing) Write(b []byte) (int, error) {
	h.sum.Write(b)
	n, err := h.to.Write(b)
	if err != nil {
		h.failed = err
	}
	return n, err
}

func (h *hashing) flush() error {
	h.failed = h.to.Flush()
	return h.failed
}

// addEvidence writes the evidence and names it in the audit. Where that fails the file does not get its name, and the reports do not speak of it.
func (u *ui) addEvidence(ctx context.Context, a *classify.Audit, f evidenceFlags, first capture.Config, result *capture.Result, out *outputs, hidden *capture.Pseudonyms) error {
	if out.evidence == nil {
		return nil
	}
	e := f.evidence()
	err := context.Cause(ctx)
	if err == nil {
		err = u.extract(ctx, a, first, result.Inputs, e, out.evidence, hidden)
	}
	var unwritten evidenceUnwritten
	switch {
	case err == nil:
		a.Evidence = e
		return nil
	case errors.As(err, &unwritten):
		err = outputError(f.file, bare(unwritten.error), spaceAdvice)
	case context.Cause(ctx) != nil:
		u.warn("no evidence was written: the run was interrupted")
		err = nil
	}
	out.drop(out.evidence)
	return err
}
