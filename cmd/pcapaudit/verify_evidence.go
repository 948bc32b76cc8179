package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"pcapaudit/capture"
	"pcapaudit/classify"
)

// evidenceFile looks for the evidence that was written with the audit, beside it or among the files given.
func (v *verification) evidenceFile() {
	e := v.audit.Evidence
	if e == nil {
		return
	}
	if i := slices.IndexFunc(v.given, func(g givenFile) bool { return g.sum == e.SHA256 }); i >= 0 {
		v.given[i].used = true
		v.note("evidence", fmt.Sprintf("%s holds, as %s", e.File, v.given[i].path))
		return
	}
	path := filepath.Join(filepath.Dir(v.path), filepath.Base(e.File))
	switch found, err := hashFile(path); {
	case err != nil:
		v.note("evidence", fmt.Sprintf("%s, written with it, is not here", e.File))
	case found != e.SHA256:
		v.fail("evidence", fmt.Sprintf("%s differs: sha256 %s, the audit has %s", path, found, e.SHA256))
	default:
		v.note("evidence", e.File+" holds")
	}
}

// evidenceAgain makes the evidence of an audit that was made again, and keeps what it holds. Packet comments name the captures: where those have other
// names now, the bytes cannot be the same and only the numbers are held against each other.
func (v *verification) evidenceAgain(ctx context.Context, again *classify.Audit, first capture.Config, read []capture.Input, paths []string) error {
	e := v.audit.Evidence
	if e == nil {
		return nil
	}
	if e.Mode != evidenceHeaders && e.Mode != evidencePayload {
		return fmt.Errorf("the audit says evidence %.40q", e.Mode)
	}
	read, moved := slices.Clone(read), false
	for i := range read {
		moved = moved || read[i].Name != paths[i]
		read[i].Name = paths[i]
	}
	made := &classify.EvidenceFile{File: e.File, Mode: e.Mode, Limit: e.Limit, Passes: e.Passes}
	if err := v.u.extract(ctx, again, first, read, made, io.Discard, v.hidden.ofPackets()); err != nil {
		return err
	}
	if moved && v.hidden == nil {
		made.SHA256 = e.SHA256
	}
	again.Evidence = made
	return nil
}
