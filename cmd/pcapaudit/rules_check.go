package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"pcapaudit/rules"
)

// maxDocument bounds a document that citations are held against; of a longer one nothing is said.
const maxDocument = 64 << 20

func rulesCheckCommand(u *ui) *cobra.Command {
	var documents string
	c := &cobra.Command{
		Use:   "check PACK|FILE...",
		Short: "Check rule packs and print every problem with file:line:col",
		Long: `check prints what makes a pack unusable, and warns of what is probably not meant: flows that say the same, that
another one hides or that no connection can be, roles and conditions that no flow uses, port ranges wider than
what the citation says. With --documents, citations are held against the documents themselves: lines past the
end, and port ranges wider than those on the lines cited. Flows whose need is unstated are counted.

Exit codes: 0, also with warnings; 2 usage, or a pack with an error; 5 output.`,
		Example: `  # Packs that are embedded, and a file of your own.
  pcapaudit rules check acronis-abr-11.5 configmgr-2012
  pcapaudit rules new mybackup-3 -o mybackup-3.yaml
  pcapaudit rules check mybackup-3.yaml

  # Citations held against the document itself.
  pcapaudit rules import testdata/documents/example-backup.md -o backup.yaml
  pcapaudit rules check --documents testdata/documents backup.yaml`,
		Args:              atLeast(1, "name the pack files to check"),
		ValidArgsFunction: completePacks,
		RunE: func(_ *cobra.Command, args []string) error {
			read, err := documentsIn(documents)
			if err != nil {
				return err
			}
			return u.check(args, read)
		},
	}
	c.Flags().StringVar(&documents, "documents", "", "`DIRECTORY` with the documents that packs cite, under their own file names")
	return c
}

// check prints the problems of all packs, then, if none is an error, one line for each.
func (u *ui) check(names []string, read func(string) ([]byte, bool)) error {
	var problems []rules.Problem
	var lines []string
	for _, name := range names {
		p, found := rules.LoadPack(name)
		if p != nil {
			found = append(found, rules.Lint(p, read)...)
			lines = append(lines, checkedLine(p, len(found)))
		}
		problems = append(problems, found...)
	}
	if err := u.report(problems); err != nil {
		return err
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(u.out, line); err != nil {
			return outputFailed(err)
		}
	}
	return nil
}

func checkedLine(p *rules.Pack, warnings int) string {
	what := "no problem"
	if warnings > 0 {
		what = plural(warnings, "warning")
	}
	line := fmt.Sprintf("%s: %s in %s, %s, %s", p.Name, what, plural(len(p.Flows), "flow"), plural(len(p.Roles), "role"), plural(len(p.Conditions), "condition"))
	if n := p.Unstated(); n > 0 {
		line += fmt.Sprintf("; need unstated: %d", n)
	}
	return line
}

// plural gives "1 flow", "2 flows".
func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// documentsIn reads documents by their own file names from a directory; nil without one. What is not there, or no regular file, is not to be had.
func documentsIn(dir string) (func(string) ([]byte, bool), error) {
	if dir == "" {
		return nil, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, exitError{exitUsage, hint(fmt.Errorf("open the documents: %w", err), "name the directory that holds them")}
	}
	return func(file string) ([]byte, bool) {
		info, err := root.Stat(filepath.FromSlash(file))
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxDocument {
			return nil, false
		}
		data, err := root.ReadFile(filepath.FromSlash(file))
		return data, err == nil
	}, nil
}
