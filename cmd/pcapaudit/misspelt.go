package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pcapaudit/classify"
	"pcapaudit/rules"
)

// misspelt is a usage error about a word that is none of those known, with the nearest of them as its advice.
func misspelt(err error, word string, known []string) error {
	if n := rules.Nearest(word, known); n != "" && word != "" && !slices.Contains(known, word) {
		err = hint(err, "did you mean %s?", n)
	}
	return exitError{exitUsage, err}
}

// oneOf is the error of a flag whose value is none of its words; nil where it is one.
func oneOf(flag, value string, advice string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return misspelt(fmt.Errorf("%s %.40q: use %s", flag, value, advice), value, words)
}

// noSuchCommand refuses what follows a command that only has commands below it.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %.80q for %q", args[0], c.CommandPath())
	if n := rules.Nearest(args[0], commandNames(c)); n != "" {
		return exitError{exitUsage, hint(err, "did you mean %s %s?", c.CommandPath(), n)}
	}
	if _, failed := os.Stat(args[0]); failed == nil && !c.HasParent() {
		return exitError{exitUsage, hint(err, "to audit that file: %s audit %s", c.CommandPath(), args[0])}
	}
	return exitError{exitUsage, hint(err, "%s --help lists the commands", c.CommandPath())}
}

// commandNames are the commands below one that help lists.
func commandNames(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if listed(sub) {
			names = append(names, sub.Name())
		}
	}
	return names
}

// wrongFlag adds to an error of the command line what helps: the nearest flag, the advice of a value, and where the flags are explained.
func wrongFlag(c *cobra.Command, err error) error {
	advice := fmt.Sprintf("see %s --help", c.CommandPath())
	var missing *pflag.NotExistError
	if value := adviceOf(err); value != "" {
		advice = value + " " + advice
	} else if errors.As(err, &missing) {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if n := rules.Nearest(missing.GetSpecifiedName(), names); n != "" && len(missing.GetSpecifiedName()) > 1 {
			advice = fmt.Sprintf("did you mean --%s? %s", n, advice)
		}
	}
	return exitError{exitUsage, hint(err, "%s", advice)}
}

// nearestFinding is the id in an audit that is most like a mistyped one, or like the beginning of one, which has four digits or more; "" where none is near.
func nearestFinding(a *classify.Audit, id string) string {
	if len(id) < 4 {
		return ""
	}
	var ids []string
	for i := range a.Findings {
		ids = append(ids, a.Findings[i].ID[:min(len(id), len(a.Findings[i].ID))])
	}
	n := rules.Nearest(id, ids)
	if at := slices.Index(ids, n); n != "" && at >= 0 {
		return a.Findings[at].ID
	}
	return ""
}
