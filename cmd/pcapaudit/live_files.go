package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// liveFiles writes files from a goroutine of its own, so that no disk costs a packet. A write that fails is tried again later.
type liveFiles struct {
	u       *ui
	jobs    chan func() error
	done    sync.WaitGroup
	busy    atomic.Int32 // jobs that wait or are being done
	dropped atomic.Uint64
	failed  []fileJob               // to be tried again, oldest first
	told    bool                    // the last failure was
	current atomic.Pointer[outputs] // being written
}

type fileJob struct {
	write func() error
	err   error // of the last attempt
}

const (
	maxFileJobs = 16 // that wait, and as many that are tried again
	retryFiles  = 15 * time.Second
)

func newLiveFiles(u *ui) *liveFiles {
	return &liveFiles{u: u, jobs: make(chan func() error, maxFileJobs)}
}

func (w *liveFiles) start() { w.done.Go(w.run) }

// idle is true where nothing waits: a checkpoint may be left out, the next one holds as much.
func (w *liveFiles) idle() bool { return w.busy.Load() == 0 }

// put has something written. What does not fit is counted.
func (w *liveFiles) put(write func() error) {
	w.busy.Add(1)
	select {
	case w.jobs <- write:
	default:
		w.busy.Add(-1)
		w.dropped.Add(1)
	}
}

// run is the goroutine.
func (w *liveFiles) run() {
	retry := time.NewTicker(retryFiles)
	defer retry.Stop()
	for {
		select {
		case write, open := <-w.jobs:
			if !open {
				w.again()
				return
			}
			w.do(write)
			w.busy.Add(-1)
		case <-retry.C:
			w.again()
		}
	}
}

func (w *liveFiles) do(write func() error) {
	err := write()
	if err == nil {
		w.told = false
		return
	}
	if !w.told {
		w.u.explain(err)
		w.told = true
	}
	if len(w.failed) == maxFileJobs {
		w.failed = w.failed[1:]
		w.dropped.Add(1)
	}
	w.failed = append(w.failed, fileJob{write, err})
}

// again tries what failed.
func (w *liveFiles) again() {
	list := w.failed
	w.failed = nil
	for _, j := range list {
		w.do(j.write)
	}
}

// abandon removes the temporary files of what is being written.
func (w *liveFiles) abandon() {
	if out := w.current.Load(); out != nil {
		out.discard()
	}
}

// close finishes all that waits, and gives the errors of what could not be written.
func (w *liveFiles) close() error {
	close(w.jobs)
	w.done.Wait()
	var errs []error
	for _, j := range w.failed {
		errs = append(errs, j.err)
	}
	if n := w.dropped.Load(); n > 0 {
		errs = append(errs, exitError{exitOutput, fmt.Errorf("%d files were not written", n)})
	}
	return errors.Join(errs...)
}

// locks keep a second run from writing the same files: the directories of the files are locked, for as long as this process lives.
type locks []*os.File

// take locks the directories of the files named.
func (l *locks) take(files []string) error {
	seen := map[string]bool{}
	for _, name := range files {
		if name == "" {
			continue
		}
		dir, err := filepath.Abs(filepath.Dir(name))
		if err != nil || seen[dir] {
			continue
		}
		seen[dir] = true
		d, err := os.Open(dir)
		if err != nil {
			return outputError(name, bare(err), "check that the directory exists and can be read")
		}
		*l = append(*l, d)
		if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			l.release()
			return exitError{exitUsage, hint(fmt.Errorf("%s: another run writes its files there", dir), "give each run a directory of its own")}
		}
	}
	return nil
}

func (l *locks) release() {
	for _, d := range *l {
		d.Close()
	}
	*l = nil
}
