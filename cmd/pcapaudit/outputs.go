package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pcapaudit/classify"
	"pcapaudit/reports"
)

// outputs are the files of one audit: opened before it, so that a path that cannot be written fails at once, and named after it.
type outputs struct {
	files   []*outputFile
	formats []reports.Format // of files, one each; the list of connections, the evidence and the manifest come after them
	list    *reports.Connections
	listed  *outputFile // of list
	seal    *seal       // nil: nothing is signed
	look    reports.Look

	evidence *outputFile // the packets of findings; nil: not asked for
}

// outputFlags name the files that a command writes.
type outputFlags struct {
	reports     []string
	connections string
	sign        string // key file
	evidence    evidenceFlags
	oscal       oscalFlags
	pseudonyms  string // key file
}

// openOutputs opens the files that the flags name. sources are files that the audit reads: an output must never take the place of evidence or rules.
func openOutputs(f outputFlags, sources []string) (*outputs, error) {
	o := &outputs{}
	look, err := f.oscal.look(reports.Look{All: true})
	if err == nil {
		o.look = look
		err = o.open(f)
	}
	if err == nil {
		err = o.spare(sources)
	}
	if err != nil {
		o.discard()
		return nil, err
	}
	return o, nil
}

func (o *outputs) open(f outputFlags) error {
	for _, path := range f.reports {
		format, err := reports.ByPath(path)
		if err != nil {
			return misspelt(err, filepath.Ext(path), formatExtensions())
		}
		if err := o.add(path); err != nil {
			return err
		}
		o.formats = append(o.formats, format)
	}
	if err := o.openList(f.connections); err != nil {
		return err
	}
	if f.evidence.file != "" {
		if err := o.add(f.evidence.file); err != nil {
			return err
		}
		o.evidence = o.files[len(o.files)-1]
	}
	if f.sign == "" {
		return nil
	}
	return o.openSeal(f.sign, f.reports)
}

// openList opens the file of all connections, if one is named.
func (o *outputs) openList(path string) error {
	if path == "" {
		return nil
	}
	if err := o.add(path); err != nil {
		return err
	}
	o.listed = o.files[len(o.files)-1]
	format := "json"
	if strings.HasSuffix(path, ".csv") {
		format = "csv"
	}
	var err error
	o.list, err = reports.NewConnections(o.listed, format, reports.Look{}, true)
	return err
}

func (o *outputs) add(path string) error {
	for _, other := range o.files {
		if samePath(path, other.path) {
			return exitError{exitUsage, fmt.Errorf("write %s: the file is named twice; give each output a file of its own", path)}
		}
	}
	file, err := createOutput(path)
	if err == nil {
		o.files = append(o.files, file)
	}
	return err
}

// spare fails where an output would replace one of the files that the audit reads.
func (o *outputs) spare(sources []string) error {
	for _, file := range o.files {
		for _, source := range sources {
			if source != "" && source != "-" && samePath(file.path, source) {
				return exitError{exitUsage, fmt.Errorf("write %s: the audit reads this file; give the output another name", file.path)}
			}
		}
	}
	return nil
}

// samePath is true where two paths name one file, or would once both exist.
func samePath(a, b string) bool {
	if fa, err := os.Stat(a); err == nil {
		fb, err := os.Stat(b)
		return err == nil && os.SameFile(fa, fb)
	}
	full := func(path string) string {
		dir, base := filepath.Split(path)
		if real, err := filepath.EvalSymlinks(filepath.Clean(dir + ".")); err == nil {
			dir = real
		}
		abs, err := filepath.Abs(filepath.Join(dir, base))
		if err != nil {
			return path
		}
		return abs
	}
	return full(a) == full(b)
}

// owns is true for the temporary files of this run.
func (o *outputs) owns(path string) bool {
	for _, f := range o.files {
		if samePath(f.Name(), path) {
			return true
		}
	}
	return false
}

// render writes every file under its temporary name.
func (o *outputs) render(a *classify.Audit) error {
	for i, format := range o.formats {
		w := bufio.NewWriterSize(o.files[i], 1<<16)
		err := format.Write(w, a, o.look)
		if err == nil {
			err = w.Flush()
		}
		if err != nil {
			return outputError(o.files[i].path, bare(err), spaceAdvice)
		}
	}
	if o.list != nil {
		if err := o.list.Close(); err != nil {
			return outputError(o.listed.path, bare(err), spaceAdvice)
		}
	}
	if o.seal != nil {
		return o.sealed(a)
	}
	return nil
}

// commit gives the files their names when all of them are on the disk. A manifest does not replace the old one where a file that it lists could not.
func (o *outputs) commit() error {
	for _, f := range o.files {
		if err := f.settle(); err != nil {
			o.discard()
			return err
		}
	}
	var errs []error
	for _, f := range o.files {
		if len(errs) > 0 && o.seal != nil && (f == o.seal.manifest || f == o.seal.signature) {
			f.discard()
			continue
		}
		if err := f.commit(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// drop gives up one file.
func (o *outputs) drop(f *outputFile) {
	f.discard()
	o.files = slices.DeleteFunc(o.files, func(other *outputFile) bool { return other == f })
}

func (o *outputs) discard() {
	for _, f := range o.files {
		f.discard()
	}
}
