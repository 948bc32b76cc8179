package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"pcapaudit/classify"
	"pcapaudit/reports"
)

func exceptCommand(u *ui) *cobra.Command {
	return &cobra.Command{
		Use:   "except AUDIT.json FINDING",
		Short: "Write the exception for a finding, to fill in and paste into the site file",
		Long: `except prints the entry that would cover a finding, to be pasted under "exceptions:" in the site file. Owner,
approver, ticket, reason and end are left empty: site check refuses the site until a person has filled
them in. FINDING is the id of a finding (audit --all and the JSON report show it), or its beginning.

Exit codes: 0; 2 usage, no such finding, or one that no exception can cover; 4 no audit; 5 output.`,
		Example: audited + `
  # The finding whose id begins so; the report shows the ids.
  pcapaudit except audit.json 0ffc > exception.yaml`,
		Args:              exactly(2, "name the JSON report of an audit, then the id of a finding"),
		ValidArgsFunction: completeFinding,
		RunE: func(_ *cobra.Command, args []string) error {
			a, _, err := loadAudit(args[0])
			if err != nil {
				return err
			}
			if a.Pseudonyms != nil {
				return exitError{exitUsage, hint(fmt.Errorf("reading %s: %w", args[0], classify.ErrPseudonymised), "take the audit that has the true names")}
			}
			f, err := a.FindFinding(args[1])
			if err != nil {
				advice := fmt.Sprintf("pcapaudit report %s --all shows the ids", args[0])
				if n := nearestFinding(a, args[1]); n != "" {
					advice = fmt.Sprintf("did you mean %s? %s", n, advice)
				}
				return exitError{exitUsage, hint(err, "%s", advice)}
			}
			text, err := classify.ExceptionStanza(f)
			if err != nil {
				return exitError{exitUsage, err}
			}
			_, err = fmt.Fprint(u.out, text)
			return outputFailed(err)
		},
	}
}

// completeFinding completes the audit file, then the ids of its findings.
func completeFinding(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return auditFiles(c, args, begun)
	}
	a, _, err := loadAudit(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for i := range a.Findings {
		if _, err := classify.ExceptionStanza(&a.Findings[i]); err == nil {
			ids = append(ids, a.Findings[i].ID+"\t"+reports.Clean(a.Findings[i].Summary))
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
