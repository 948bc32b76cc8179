package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/classify"
	"pcapaudit/reports"
)

func diffCommand(u *ui) *cobra.Command {
	var format, key string
	var all bool
	c := &cobra.Command{
		Use:   "diff OLD.json NEW.json",
		Short: "Compare two audits: what is new, fixed, unchanged, and what can no longer be told",
		Long: `diff compares the JSON reports of two audits: findings by their ids, expectations host by host. What is gone
counts as fixed only where the new audit could have shown it; else it is no longer testable. Changes of
tool, packs, site, filter and inputs are listed apart. Audits with pseudonyms of one key can be compared;
--pseudonymise replaces the names of those that have none yet.

Exit codes: 1 where there are new findings that decide (also those that an exception no longer covers, and
missing or attempted expectations that were not testable before), else 0; 2 usage; 4 a file is no audit
that this version can read; 5 output.`,
		Example: `  # Two audits of one site: a quiet night,
  pcapaudit audit --site testdata/sites/acronis.yaml --report clean.json \
    testdata/captures/acronis-clean.pcapng

  # and one with deviations (exit code 1).
  pcapaudit audit --site testdata/sites/acronis.yaml --report now.json \
    testdata/captures/acronis-deviating.pcapng

  # What is new (exit code 1).
  pcapaudit diff clean.json now.json

  # The other way round: what was fixed.
  pcapaudit diff --format json now.json clean.json | jq -r '.fixed[].summary'`,
		Args:              exactly(2, "name the older audit, then the newer one"),
		ValidArgsFunction: auditFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			look, err := u.look(all)
			if err != nil {
				return err
			}
			old, oldSum, err := loadAudit(args[0])
			if err != nil {
				return err
			}
			now, newSum, err := loadAudit(args[1])
			if err != nil {
				return err
			}
			hidden, err := loadPseudonyms(key)
			if err != nil {
				return err
			}
			d, err := hidden.compare([2]*classify.Audit{old, now}, args, []string{oldSum, newSum})
			if err != nil {
				return err
			}
			var text bytes.Buffer
			if err := reports.Diff(&text, d, format, look); err != nil {
				return misspelt(err, format, reports.DiffFormats)
			}
			if d.AddedCount > 0 {
				u.verdict = exitDeviations
			}
			_, err = u.out.Write(text.Bytes())
			return outputFailed(err)
		},
	}
	pseudonymFlag(c, &key)
	c.Flags().StringVar(&format, "format", "table", "`FORMAT`: "+strings.Join(reports.DiffFormats, ", "))
	completeWords(c, "format", reports.DiffFormats...)
	c.Flags().BoolVar(&all, "all", false, "show every difference, and what is unchanged")
	return c
}

// baselineFlags are the flags of audit that hold it against an older one.
type baselineFlags struct {
	file, gate string
}

func (f *baselineFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.file, "baseline", "", "mark findings as known or new against an older audit, `OLD.json`")
	c.Flags().StringVar(&f.gate, "gate", "all", "`WHICH` findings make the exit code 1: all, new (those that --baseline does not know)")
	completeWords(c, "gate", "all", "new")
	_ = c.RegisterFlagCompletionFunc("baseline", auditFiles)
}

// mark holds an audit against the baseline and gives the exit code of its result.
func (u *ui) mark(a, old *classify.Audit, sum string, f baselineFlags, hidden *pseudonyms) (int, error) {
	if old == nil {
		return a.Result.Code, nil
	}
	if err := hidden.mark(a, old, f.file, sum); err != nil {
		return 0, err
	}
	if f.gate != "new" || a.Result.Code != exitDeviations || a.NewDeciding() > 0 {
		return a.Result.Code, nil
	}
	code := exitClean
	if a.Result.Basis.Doubtful() {
		code = exitInconclusive
	}
	fmt.Fprintf(u.err, "gate: every finding that decides is known from %s: exit code %d instead of %d\n", reports.Clean(f.file), code, a.Result.Code)
	return code, nil
}

// load reads the baseline; nil where there is none.
func (f *baselineFlags) load() (*classify.Audit, string, error) {
	if err := oneOf("--gate", f.gate, "all or new", "all", "new"); err != nil {
		return nil, "", err
	}
	switch {
	case f.gate == "new" && f.file == "":
		return nil, "", exitError{exitUsage, hint(fmt.Errorf("--gate new tells nothing without an older audit"), "add --baseline OLD.json")}
	case f.file == "":
		return nil, "", nil
	}
	return loadAudit(f.file)
}
