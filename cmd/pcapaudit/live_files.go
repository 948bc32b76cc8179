package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// liveFiles writes files from a goroutine of its own, so that no disk costs a packet. A write that fails is tried again later, until one of the
// same key has been tried after it.
type liveFiles struct {
	u       *ui
	jobs    chan *fileJob
	done    sync.WaitGroup
	busy    atomic.Int32 // jobs that wait or are being done
	dropped atomic.Uint64
	patient bool                    // put waits for room: there is no packet any more that this could cost
	last    int64                   // number of the last job; the others below are the goroutine's
	written int64                   // number of the last report that was written
	failed  []*fileJob              // to be tried again, oldest first
	current atomic.Pointer[outputs] // being written
}

// fileJob is something to write.
type fileJob struct {
	key    string // of jobs that write the same thing: the last one is enough
	write  func(late bool) error
	number int64
	err    error // of the last attempt
}

const (
	stateKey    = "state" // of checkpoints; reports have their period
	maxFileJobs = 16      // that wait, and as many that are tried again
	retryFiles  = 15 * time.Second
)

func newLiveFiles(u *ui) *liveFiles {
	return &liveFiles{u: u, jobs: make(chan *fileJob, maxFileJobs)}
}

func (w *liveFiles) start() { w.done.Go(w.run) }

// idle is true where nothing waits: a checkpoint may be left out, the next one holds as much.
func (w *liveFiles) idle() bool { return w.busy.Load() == 0 }

// put has something written; late is true where a report that was put later has been written before. What does not fit is counted.
func (w *liveFiles) put(key string, write func(late bool) error) {
	w.busy.Add(1)
	w.last++
	j := &fileJob{key: key, write: write, number: w.last}
	if w.patient {
		w.jobs <- j
		return
	}
	select {
	case w.jobs <- j:
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
		case j, open := <-w.jobs:
			if !open {
				w.again()
				return
			}
			w.do(j)
			w.busy.Add(-1)
		case <-retry.C:
			w.again()
		}
	}
}

// do tries a job. Its failure is told, unless the last attempt of the same key failed too.
func (w *liveFiles) do(j *fileJob) {
	told := j.err != nil
	w.failed = slices.DeleteFunc(w.failed, func(old *fileJob) bool {
		told = told || old.key == j.key
		return old.key == j.key
	})
	j.err = j.write(j.number < w.written)
	if j.err == nil {
		if j.key != stateKey {
			w.written = max(w.written, j.number)
		}
		return
	}
	if !told {
		w.u.explain(j.err)
	}
	if len(w.failed) == maxFileJobs {
		w.failed = w.failed[1:]
		w.dropped.Add(1)
	}
	w.failed = append(w.failed, j)
}

// again tries what failed.
func (w *liveFiles) again() {
	for _, j := range slices.Clone(w.failed) {
		w.do(j)
	}
}

// abandon removes the temporary files of what is being written.
func (w *liveFiles) abandon() {
	if out := w.current.Load(); out != nil {
		out.discard()
	}
}

// whole writes outputs and gives them their names.
func (w *liveFiles) whole(out *outputs, write func() error) error {
	w.current.Store(out)
	defer w.current.Store(nil)
	defer out.discard()
	if err := write(); err != nil {
		return err
	}
	return out.commit()
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

// prepare removes what runs that were killed have left of the outputs, and finds those that cannot be written before there is anything to write.
func (l *liveRun) prepare() error {
	for _, name := range append([]string{l.flags.state, l.flags.connections}, l.flags.reports...) {
		l.removeLeft(name)
	}
	return l.writable()
}

// writable makes the files of this period, with no content and another name, and removes them.
func (l *liveRun) writable() error {
	began := l.mon.Period().From
	out, err := l.outputs(began, false, inventoryPaths(l.set.Site))
	if err != nil {
		return err
	}
	defer out.discard()
	for _, name := range []string{l.flags.state, l.flags.connections} {
		if name == "" {
			continue
		}
		if err := out.add(l.named(name, began)); err != nil {
			return err
		}
	}
	return nil
}

// removeLeft removes temporary files of an output whose process is no more. Those of this process's own id are of another one, which had it before (in a PID namespace all may have
// the same): the directory is locked, and this process has written nothing yet.
func (l *liveRun) removeLeft(name string) {
	dir, base := filepath.Split(name)
	list, err := os.ReadDir(filepath.Clean(dir + "."))
	if name == "" || err != nil {
		return
	}
	for _, e := range list {
		m := temporary.FindStringSubmatch(e.Name())
		if m == nil || !e.Type().IsRegular() || !temporaryOf(m[1], base) {
			continue
		}
		if pid, err := strconv.Atoi(m[2]); err == nil && (pid == os.Getpid() || syscall.Kill(pid, 0) == syscall.ESRCH) && os.Remove(dir+e.Name()) == nil {
			l.u.warn("%s: removed, a run that was killed has left it", dir+e.Name())
		}
	}
}

// Names of temporary files, and what stands in them for the mark of a period; see createOutput.
var (
	temporary  = regexp.MustCompile(`^\.(.*)\.(\d{1,9})-\d{1,3}\.tmp$`)
	periodName = regexp.MustCompile(`\d{8}T\d{6}(?:Z|[+-]\d{4})`)
)

// temporaryOf says whether a temporary file with this in its name is of an output, which may have the mark of a period in its name, or of what is signed with it.
func temporaryOf(text, base string) bool {
	of := strings.ReplaceAll(base, periodMark, periodName.FindString(text))
	return slices.ContainsFunc([]string{of, of + manifestSuffix, of + manifestSuffix + signatureSuffix}, func(name string) bool {
		return text == name[:min(len(name), maxTempName)]
	})
}

// machineID stands for this machine in audits, so that those of two can be told apart: 16 hex digits made of what the file says, which is not to be shown itself
// (machine-id(5)); "" where there is none.
func machineID(file string) string {
	text, err := readBounded(file, 1<<10)
	if id := bytes.TrimSpace(text); err == nil && len(id) >= 32 {
		h := hmac.New(sha256.New, id)
		h.Write([]byte("pcapaudit machine"))
		return hex.EncodeToString(h.Sum(nil)[:8])
	}
	return ""
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
