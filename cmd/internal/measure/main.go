// Command measure times commands against each other. It reads a plan from standard input, runs the commands of a group in turn, as many times as
// -runs says, reads their file through before each so that it lies in the page cache, and prints medians, peak memory, and ratios of wall time with
// those of processor time in brackets.
//
// A line of the plan that begins with # opens a group: "# NAME FILE". Any other is "NAME | SCALE | COMMAND": SCALE multiplies the time of a command
// that reads a part of the file, and COMMAND is for sh. Ratios are against the rows that -against names. A command that takes longer than
// -patience runs once.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	runs := flag.Int("runs", 5, "how often each command runs; the median counts")
	against := flag.String("against", "", "names of rows, with commas, that the others are compared with")
	patience := flag.Duration("patience", 20*time.Second, "a command that takes longer runs once")
	flag.Parse()
	groups, err := parse(os.Stdin)
	if err == nil {
		err = measure(os.Stdout, groups, *runs, *patience, strings.Split(*against, ","))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

// group is the rows of one file.
type group struct {
	name, file string
	rows       []row
}

type row struct {
	name    string
	scale   float64
	command string
	runs    []run
	failure string // of the first run that failed; such a row is not run again
}

// run is one run of a command with all that it started.
type run struct {
	wall, cpu time.Duration
	resident  int64 // largest resident set of one process, bytes
}

func parse(r io.Reader) (groups []group, err error) {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if rest, found := strings.CutPrefix(line, "#"); found {
			fields := strings.Fields(rest)
			if len(fields) != 2 {
				return nil, fmt.Errorf("plan, line %d: a group is # NAME FILE", n)
			}
			groups = append(groups, group{name: fields[0], file: fields[1]})
			continue
		}
		if line == "" {
			continue
		}
		fields := strings.SplitN(line, "|", 3)
		if len(fields) != 3 || len(groups) == 0 {
			return nil, fmt.Errorf("plan, line %d: a row of a group is NAME | SCALE | COMMAND", n)
		}
		scale, err := strconv.ParseFloat(strings.TrimSpace(fields[1]), 64)
		if err != nil {
			return nil, fmt.Errorf("plan, line %d: scale: %w", n, err)
		}
		g := &groups[len(groups)-1]
		g.rows = append(g.rows, row{name: strings.TrimSpace(fields[0]), scale: scale, command: strings.TrimSpace(fields[2])})
	}
	return groups, lines.Err()
}

func measure(w io.Writer, groups []group, runs int, patience time.Duration, against []string) error {
	for i := range groups {
		g := &groups[i]
		for n := range runs {
			for j := range g.rows {
				r := &g.rows[j]
				if r.failure != "" || n > 0 && r.runs[0].wall > patience {
					continue
				}
				if err := warm(g.file); err != nil {
					return err
				}
				if err := r.time(); err != nil {
					return err
				}
			}
		}
		if err := g.print(w, against); err != nil {
			return err
		}
	}
	return nil
}

// warm reads a file through.
func warm(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	for {
		if _, err := f.Read(buf); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// time runs the command once. Exit codes 1 and 3 are those of an audit that found something.
func (r *row) time() error {
	var said strings.Builder
	c := exec.Command("sh", "-c", r.command)
	c.Stderr = &said
	began := time.Now()
	err := c.Run()
	wall := time.Since(began)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("run %s: %w", r.name, err)
	}
	if code := c.ProcessState.ExitCode(); code != 0 && code != 1 && code != 3 {
		r.failure = fmt.Sprintf("exit code %d: %.200q", code, strings.TrimSpace(said.String()))
		return nil
	}
	done := run{wall: wall, cpu: c.ProcessState.UserTime() + c.ProcessState.SystemTime()}
	if u, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		done.resident = int64(u.Maxrss) << 10
	}
	r.runs = append(r.runs, done)
	return nil
}

// wall is the median time, scaled; 0 for a row that failed.
func (r *row) wall() time.Duration {
	return time.Duration(r.scale * float64(median(r.runs, func(x run) time.Duration { return x.wall })))
}

// cpu is the median of user and system time, scaled. On a machine that others use it says more than wall.
func (r *row) cpu() time.Duration {
	return time.Duration(r.scale * float64(median(r.runs, func(x run) time.Duration { return x.cpu })))
}

func median[T cmp.Ordered](runs []run, of func(run) T) (middle T) {
	if len(runs) == 0 {
		return middle
	}
	values := make([]T, len(runs))
	for i, r := range runs {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// print writes the table of a group. A row that the ratios refer to and that is missing or failed leaves its column empty.
func (g *group) print(w io.Writer, against []string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\twall s\tmin s\tcpu s\tpeak MiB\truns", g.name)
	base := make([]*row, len(against))
	for i, name := range against {
		if j := slices.IndexFunc(g.rows, func(r row) bool { return r.name == name && len(r.runs) > 0 }); j >= 0 {
			base[i] = &g.rows[j]
		}
		fmt.Fprintf(t, "\t/ %s", name)
	}
	fmt.Fprintln(t)
	for _, r := range g.rows {
		if r.failure != "" {
			fmt.Fprintf(t, "%s\tFAILED: %s\n", r.name, r.failure)
			continue
		}
		fastest := slices.MinFunc(r.runs, func(a, b run) int { return cmp.Compare(a.wall, b.wall) }).wall
		fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%.3f\t%d\t%d", r.name, r.wall().Seconds(), r.scale*fastest.Seconds(),
			r.cpu().Seconds(), median(r.runs, func(x run) int64 { return x.resident })>>20, len(r.runs))
		for _, b := range base {
			if b == nil {
				fmt.Fprint(t, "\t")
			} else {
				fmt.Fprintf(t, "\t%.3f (%.3f)", r.wall().Seconds()/b.wall().Seconds(), r.cpu().Seconds()/b.cpu().Seconds())
			}
		}
		fmt.Fprintln(t)
	}
	fmt.Fprintln(t)
	return t.Flush()
}
