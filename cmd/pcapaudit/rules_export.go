package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pcapaudit/reports"
	"pcapaudit/rules"
)

// exportFlags are the flags of rules export.
type exportFlags struct {
	auditFlags
	to, at string
}

func rulesExportCommand(u *ui) *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use:   "export --to FORMAT",
		Short: "Write documented flows as CSV, Markdown, or an nftables chain for a site",
		Long: `export writes the flows of packs to standard output: one row a flow, or with --site one row for each pair of
hosts that may open it, with the addresses, ports and source ports that hold at the time of --at.
Packs are chosen as in audit.

--to nftables needs --site: a table whose forward chain drops what no flow documents, with a set of addresses for
each role and one rule for each opening. It cannot hold what the documents say of names, encryption, hours and
announced ports; its head says so, and its end lists the flows and exceptions that it leaves out. Documented is
not approved: read it before it is loaded.

Exit codes: 0; 2 usage, or rules that do not load; 5 output.`,
		Example: `  # The flows of a pack as a table; those between the hosts of a site.
  pcapaudit rules export --to csv --rules acronis-abr-11.5
  pcapaudit rules export --to markdown --site testdata/sites/acronis.yaml > flows.md

  # A firewall that lets through what is documented, to read before it is loaded.
  pcapaudit rules export --to nftables --site testdata/sites/acronis.yaml \
    --at 2026-11-22 > forward.nft`,
		Args: exactly(0, "name packs with --rules PACK"),
		RunE: func(*cobra.Command, []string) error { return u.export(f) },
	}
	c.Flags().StringVar(&f.to, "to", "", "`FORMAT`: "+strings.Join(reports.RuleFormats, ", "))
	completeWords(c, "to", reports.RuleFormats...)
	rulesFlag(c, &f.rules)
	siteFlag(c, &f.site, "resolve roles to its hosts")
	c.Flags().BoolVar(&f.noBaseline, "no-baseline", false, "leave the baseline packs out")
	c.Flags().StringVar(&f.at, "at", "", "`TIME` whose addresses and conditions hold: 2026-01-31 (midnight UTC) or 2026-01-31T22:00:00Z; left out: now")
	return c
}

func (u *ui) export(f exportFlags) error {
	at, err := exportTime(f.at)
	if err != nil {
		return exitError{exitUsage, err}
	}
	var write func(io.Writer, *rules.Set, int64) error
	switch f.to {
	case "csv":
		write = reports.RuleCSV
	case "markdown":
		write = reports.RuleMarkdown
	case "nftables":
		if write = reports.Nftables; f.site == "" {
			return exitError{exitUsage, hint(errors.New("--to nftables has no addresses without a site"), "add --site FILE")}
		}
	default:
		return oneOf("--to", f.to, strings.Join(reports.RuleFormats, ", "), reports.RuleFormats...)
	}
	set, _, err := u.ruleSet(f.auditFlags)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := write(&text, set, at); err != nil {
		return exitError{exitUsage, err}
	}
	_, err = u.out.Write(text.Bytes())
	return outputFailed(err)
}

// exportTime reads --at, in ns since 1970 UTC.
func exportTime(text string) (int64, error) {
	if text == "" {
		return time.Now().UnixNano(), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixNano(), nil
		}
	}
	return 0, hint(fmt.Errorf("--at %q is no time", text), "write 2026-01-31 or 2026-01-31T22:00:00+01:00")
}
