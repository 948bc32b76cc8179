package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"pcapaudit/cmd/internal/trial"
)

// campaign is what one call of the program does.
type campaign struct {
	mutants, only, parallel int
	seed                    uint64
	keep                    string
	limit                   time.Duration
	captures                []string
	dir                     string // for mutants while they run
	program                 *trial.Program
	started                 time.Time
}

// One of auditEach mutants is audited, the others list connections. One of repeatEach is run again on one processor and has to give
// the same output.
const (
	auditEach  = 10
	repeatEach = 10
)

// figures are what a campaign measured.
type figures struct {
	mutants, runs, failed int
	codes                 map[int]int    // by exit code, runs
	modes                 map[string]int // mutants
	slowest               time.Duration
	slowestName           string
	resident              int64
	residentName          string
}

// run makes and runs the mutants in parallel; the figures do not depend on the order.
func (c *campaign) run() (*figures, error) {
	f := &figures{codes: map[int]int{}, modes: map[string]int{}}
	numbers := make(chan int)
	var mu sync.Mutex
	var group sync.WaitGroup
	var broken error
	for worker := range c.parallel {
		group.Go(func() {
			for n := range numbers {
				m, err := c.mutant(n)
				var runs []*trial.Run
				var faults []string
				if err == nil {
					runs, faults, err = c.try(m, worker)
				}
				mu.Lock()
				if err != nil {
					broken = err
				} else {
					f.add(m, runs, faults)
					err = c.report(m, faults)
					if err != nil {
						broken = err
					}
				}
				mu.Unlock()
			}
		})
	}
	first, end := 0, c.mutants
	if c.only >= 0 {
		first, end = c.only, c.only+1
	}
	for n := first; n < end && (c.limit == 0 || time.Since(c.started) < c.limit); n++ {
		mu.Lock()
		stop := broken != nil
		mu.Unlock()
		if stop {
			break
		}
		numbers <- n
	}
	close(numbers)
	group.Wait()
	return f, broken
}

// mutant is one damaged capture.
type mutant struct {
	number int
	from   string // the capture
	mode   string
	data   []byte
	audit  bool
	repeat bool
}

func (m *mutant) name() string {
	return fmt.Sprintf("mutant-%06d-%s-%s", m.number, m.mode, filepath.Base(m.from))
}

// mutant makes number n: captures take turns, the damage depends on seed and number alone.
func (c *campaign) mutant(n int) (*mutant, error) {
	r := rand.New(rand.NewPCG(c.seed, uint64(n)))
	m := &mutant{number: n, from: c.captures[n%len(c.captures)]}
	data, err := os.ReadFile(m.from)
	if err != nil {
		return nil, err
	}
	d := choose(r)
	var other []byte
	if d.name == "splice" {
		if other, err = os.ReadFile(c.captures[r.IntN(len(c.captures))]); err != nil {
			return nil, err
		}
	}
	m.audit, m.repeat = r.IntN(auditEach) == 0, r.IntN(repeatEach) == 0
	m.mode, m.data = d.name, d.apply(r, data, other)
	return m, nil
}

// try runs the program on the mutant and lists what is wrong.
func (c *campaign) try(m *mutant, worker int) ([]*trial.Run, []string, error) {
	path := filepath.Join(c.dir, fmt.Sprintf("%d.pcap", worker))
	if err := os.WriteFile(path, m.data, 0o600); err != nil {
		return nil, nil, err
	}
	command := "connections"
	if m.audit {
		command = "audit"
	}
	run, err := c.program.Start(0, command, "--format", "json", path)
	if err != nil {
		return nil, nil, err
	}
	runs, faults := []*trial.Run{run}, run.Faults()
	if m.repeat {
		again, err := c.program.Start(1, command, "--format", "json", path)
		if err != nil {
			return nil, nil, err
		}
		runs, faults = append(runs, again), append(faults, again.Faults()...)
		if again.Code != run.Code || !bytes.Equal(again.Stdout, run.Stdout) || !bytes.Equal(again.Stderr, run.Stderr) {
			faults = append(faults, "another output on one processor")
		}
	}
	return runs, faults, nil
}

func (f *figures) add(m *mutant, runs []*trial.Run, faults []string) {
	f.mutants++
	f.modes[m.mode]++
	if len(faults) > 0 {
		f.failed++
	}
	for _, r := range runs {
		f.runs++
		f.codes[r.Code]++
		if r.CPU > f.slowest {
			f.slowest, f.slowestName = r.CPU, m.name()
		}
		if r.Resident > f.resident {
			f.resident, f.residentName = r.Resident, m.name()
		}
	}
}

// report tells of a mutant that failed, and keeps it.
func (c *campaign) report(m *mutant, faults []string) error {
	if len(faults) == 0 {
		return nil
	}
	fmt.Fprintf(os.Stderr, "FAIL %s\n  %s\n", m.name(), strings.Join(faults, "\n  "))
	if c.keep == "" {
		return nil
	}
	if err := os.MkdirAll(c.keep, 0o750); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.keep, m.name()), m.data, 0o640)
}

func (f *figures) print(w io.Writer, captures int, took time.Duration) {
	fmt.Fprintf(w, "%d mutants of %d captures, %d runs in %v: %d failed\n", f.mutants, captures, f.runs, took.Round(time.Second), f.failed)
	fmt.Fprintf(w, "exit codes: %s\n", counts(f.codes))
	fmt.Fprintf(w, "damage: %s\n", counts(f.modes))
	fmt.Fprintf(w, "slowest run: %v of processor time (%s)\n", f.slowest.Round(time.Millisecond), f.slowestName)
	fmt.Fprintf(w, "largest resident set: %d MiB (%s)\n", f.resident>>20, f.residentName)
}

func counts[K int | string](of map[K]int) string {
	var keys []K
	for k := range of {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var parts []string
	for _, k := range keys {
		parts = append(parts, fmt.Sprintf("%v: %d", k, of[k]))
	}
	return strings.Join(parts, ", ")
}
