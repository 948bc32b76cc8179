package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

// outputFile is a report on its way: a temporary file beside the target that takes the target's name only when it is whole.
// Opening it before the audit makes an unwritable path fail at once.
type outputFile struct {
	*os.File
	path    string
	settled bool        // whole and on the disk
	gone    atomic.Bool // the temporary file is
}

// maxTempName is how much of a target's name its temporary one holds: with what is added it stays below the 255 bytes that file systems take.
const maxTempName = 200 // bytes

// createOutput opens a report file. A target that exists must be a regular file of ours to replace: links, pipes and devices are refused.
func createOutput(path string) (*outputFile, error) {
	if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
		return nil, outputError(path, errors.New("exists and is not a regular file"), "name a new file in a directory")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, outputError(path, bare(err), "check the directory and its permissions")
	}
	dir, base := filepath.Split(path)
	base = base[:min(len(base), maxTempName)]
	for i := 0; ; i++ {
		name := filepath.Join(dir, fmt.Sprintf(".%s.%d-%d.tmp", base, os.Getpid(), i))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o640)
		if errors.Is(err, fs.ErrExist) && i < 100 {
			continue
		}
		if err != nil {
			return nil, outputError(path, bare(err), "check that the directory exists and can be written")
		}
		return &outputFile{File: f, path: path}, nil
	}
}

// settle makes the temporary file durable.
func (o *outputFile) settle() error {
	if o.settled {
		return nil
	}
	err := o.Sync()
	if cerr := o.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return o.uncommitted(err)
	}
	o.settled = true
	return nil
}

func (o *outputFile) uncommitted(err error) error {
	o.discard()
	return outputError(o.path, bare(err), "the old file, if any, is untouched; "+spaceAdvice)
}

// commit makes the file durable under its name.
func (o *outputFile) commit() error {
	if err := o.settle(); err != nil {
		return err
	}
	if err := os.Rename(o.Name(), o.path); err != nil {
		return o.uncommitted(err)
	}
	o.gone.Store(true)
	if err := syncDir(filepath.Dir(o.path)); err != nil {
		return outputError(o.path, bare(err), "the new file is in place, but a power failure may still lose it; check the disk")
	}
	return nil
}

// discard removes the temporary file; after commit it does nothing.
func (o *outputFile) discard() {
	if !o.gone.Swap(true) {
		o.Close()
		os.Remove(o.Name())
	}
}

// syncDir makes a rename durable. A directory that may be written but not read, and a file system that cannot do it, are no reason to fail.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}

// bare drops the path from an error that will be wrapped with the path the user gave.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err
	}
	return err
}

const spaceAdvice = "free space or name another place"

func outputError(path string, err error, advice string) error {
	return exitError{exitOutput, hint(fmt.Errorf("write %s: %w", path, err), "%s", advice)}
}
