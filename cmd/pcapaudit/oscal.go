package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/reports"
)

// oscalFlags are what OSCAL reports need and no audit knows.
type oscalFlags struct {
	plan     string
	controls []string
}

func controlNames() []string {
	var names []string
	for _, s := range reports.ControlSets {
		names = append(names, s.Name)
	}
	return names
}

func (f *oscalFlags) register(c *cobra.Command) {
	names := controlNames()
	fl := c.Flags()
	fl.StringVar(&f.plan, "oscal-plan", "", "URI reference `HREF` of the assessment plan that OSCAL reports follow; without it they say that none was named")
	fl.StringArrayVar(&f.controls, "oscal-controls", nil, "`SET` of controls that OSCAL reports are supporting evidence for: "+strings.Join(names, ", "))
	completeWords(c, "oscal-controls", names...)
}

// look adds the flags, and the date of SOURCE_DATE_EPOCH, to how reports are written.
func (f *oscalFlags) look(l reports.Look) (reports.Look, error) {
	usage := func(err error, advice string) (reports.Look, error) {
		return l, exitError{exitUsage, hint(err, "%s", advice)}
	}
	if strings.ContainsFunc(f.plan, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\"<>\\^`{|}", c) }) {
		return usage(fmt.Errorf("--oscal-plan %q is no URI reference: it holds characters that have to be escaped", f.plan), "write them as %XX, as in audit%20plan.json")
	}
	if _, err := url.Parse(f.plan); err != nil {
		var cause *url.Error
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return usage(fmt.Errorf("--oscal-plan %q is no URI reference: %w", f.plan, err), "write a file name or a URI, such as plan.json or https://grc.example.com/plans/7")
	}
	seen := map[string]bool{}
	for _, name := range f.controls {
		if _, err := reports.ControlSetByName(name); err != nil {
			return l, misspelt(fmt.Errorf("--oscal-controls: %w", err), name, controlNames())
		}
		if seen[name] {
			return usage(fmt.Errorf("--oscal-controls %s is given twice", name), "give each set once")
		}
		seen[name] = true
	}
	l.Plan, l.Controls = f.plan, f.controls
	epoch, set := os.LookupEnv("SOURCE_DATE_EPOCH")
	if !set || epoch == "" {
		return l, nil
	}
	n, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || n < 0 || n > maxEpoch {
		return usage(fmt.Errorf("SOURCE_DATE_EPOCH is %q, not a number of seconds since 1970", epoch), "set it to digits only, or unset it")
	}
	l.Epoch = n
	return l, nil
}

// maxEpoch is the end of the year 9999, beyond which the formats have no dates.
const maxEpoch = 253402300799
