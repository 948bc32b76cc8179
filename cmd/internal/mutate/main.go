// Command mutate runs the real program on damaged copies of captures: every mutant is made from a seed and its number, run under limits
// of time and memory, and judged by what no input may change (package trial). Inputs that fail are kept.
//
//	nice go run ./cmd/internal/mutate -n 20000
//	go run ./cmd/internal/mutate -only 4711        repeats one mutant
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pcapaudit/cmd/internal/trial"
)

func main() {
	var c campaign
	flag.IntVar(&c.mutants, "n", 1000, "mutants to run")
	flag.Uint64Var(&c.seed, "seed", 1, "seed of the mutants: the same seed and captures give the same ones")
	flag.IntVar(&c.only, "only", -1, "run this mutant alone, by its number")
	flag.IntVar(&c.parallel, "parallel", 2, "programs that run at a time")
	flag.StringVar(&c.keep, "keep", "", "folder for mutants that fail; made when the first one does")
	flag.DurationVar(&c.limit, "for", 0, "start no mutant after this time; 0: no bound")
	folders := flag.String("captures", "../shared/captures,../shared/captures/hostile,testdata/captures", "folders of captures, comma-separated; one that is not there is passed over")
	flag.Parse()
	if err := run(&c, strings.Split(*folders, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(c *campaign, folders []string) error {
	var err error
	if c.captures, err = captures(folders); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c.dir = dir
	if c.program, err = trial.Build(dir, trial.Usual); err != nil {
		return err
	}
	c.started = time.Now()
	figures, err := c.run()
	if err != nil {
		return err
	}
	figures.print(os.Stdout, len(c.captures), time.Since(c.started))
	if figures.failed > 0 {
		return fmt.Errorf("%d of %d mutants failed; -only NUMBER repeats one", figures.failed, figures.mutants)
	}
	return nil
}

// maxCapture passes over captures whose mutants would take the campaign's time; their formats and protocols are those of the small ones.
const maxCapture = 4 << 20

// captures lists the files of the folders that begin like a capture or compressed data, in the order of folders and names.
func captures(folders []string) ([]string, error) {
	var list []string
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if errors.Is(err, os.ErrNotExist) {
			fmt.Fprintf(os.Stderr, "mutate: %s is not here and is passed over\n", folder)
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			path := filepath.Join(folder, e.Name())
			st, err := os.Stat(path)
			if err != nil {
				return nil, err
			}
			switch filepath.Ext(path) {
			case ".tsv", ".md", ".yaml", ".txt":
				continue
			}
			if st.Mode().IsRegular() && st.Size() <= maxCapture {
				list = append(list, path)
			}
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no captures in %s", strings.Join(folders, ", "))
	}
	return list, nil
}
