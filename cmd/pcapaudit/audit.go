package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/reports"
)

// auditFlags are the flags of audit.
type auditFlags struct {
	rules       []string
	site        string
	format      string
	reports     []string
	connections string
	hash        string
	all         bool
	noBaseline  bool
	maxConns    int
	packets     packetFlags
}

func auditCommand(u *ui) *cobra.Command {
	var f auditFlags
	c := &cobra.Command{
		Use:   "audit [--rules PACK|FILE]... [--site FILE] [--report FILE]... CAPTURE...",
		Short: "Audit captures against documented flows",
		Long: `audit reads capture files, matches every connection against the flows of the rule packs, and reports
what was unexpected, what was missing, what deviated from the document, and what could not be judged.

CAPTURE is a file (pcap, pcapng; plain or gzip, zstd, lz4, xz), "-" for standard input, a directory or a
glob of rotated files: all of them are one audit, in time order.

Without --rules the packs whose roles the site binds are used, or every embedded one where there is no
site. A site brings the baseline packs along (DNS, NTP, directory, LAN control ...): they match only
responders that the site binds, broadcasts and multicasts, and are totalled apart; --no-baseline leaves
them out. Without --site roles cannot be verified, and the result is never clean.

` + packetHelp[1:] + ` An expectation that
the filter could have hidden is not testable; where the site states no period, --since and --until are it.

Exit codes: 0 clean, 1 deviations, 2 usage, rules or site, 3 inconclusive, 4 no packet could be read,
5 output, 6 capture failure, 7 a ledger does not balance, 128+n ended by signal n.`,
		Example: `  pcapaudit audit --rules acronis-abr-11.5 --site site.yaml backup-window.pcapng
  pcapaudit audit --rules configmgr-2012 --rules ad-member --site site.yaml --report audit.json rotated/
  pcapaudit audit --site site.yaml --net 10.20.0.0/24 --since 2026-11-22T03:00:00Z --until 2026-11-22T05:00:00Z rotated/
  pcapaudit audit --site site.yaml --dedup --key vlan mirror-port.pcapng
  tcpdump -w - -i eth0 | pcapaudit audit --rules azure-data-box -`,
		Args: atLeast(1, "name a capture file, a directory of rotated files, or - for standard input"),
		RunE: func(c *cobra.Command, args []string) error { return runAudit(c.Context(), u, f, args) },
	}
	rulesFlag(c, &f.rules)
	fl := c.Flags()
	var names, extensions []string
	for _, format := range reports.Formats {
		names, extensions = append(names, format.Name), append(extensions, format.Extension)
	}
	fl.StringVar(&f.site, "site", "", "site `FILE`: which hosts hold which roles")
	fl.BoolVar(&f.noBaseline, "no-baseline", false, "use only the packs that --rules names, or the site binds")
	fl.StringVar(&f.format, "format", "table", "`FORMAT` of the report on standard output: "+strings.Join(names, ", "))
	completeWords(c, "format", names...)
	fl.StringArrayVar(&f.reports, "report", nil, "also write a report to `FILE`, in the format of its extension: "+strings.Join(extensions, ", "))
	fl.StringVar(&f.connections, "connections", "", "write every connection with its verdict to `FILE` (NDJSON, or .csv)")
	fl.StringVar(&f.hash, "hash", "sha256", "`HASH` of the inputs for the report: sha256, none")
	completeWords(c, "hash", "sha256", "none")
	fl.BoolVar(&f.all, "all", false, "show every finding, host and flow; fold nothing")
	f.packets.register(c)
	maxConnectionsFlag(c, &f.maxConns)
	return c
}

func runAudit(parent context.Context, u *ui, f auditFlags, args []string) error {
	look, err := u.look(f.all)
	if err != nil {
		return err
	}
	format, err := reports.ByName(f.format)
	if err != nil {
		return exitError{exitUsage, err}
	}
	if f.hash != "sha256" && f.hash != "none" {
		return exitError{exitUsage, fmt.Errorf("--hash %q: use sha256 or none", f.hash)}
	}
	config := capture.Config{Inputs: args, Stdin: u.in, Hash: f.hash == "sha256", MaxConnections: f.maxConns}
	if err := f.packets.config(&config); err != nil {
		return err
	}
	set, warnings, err := u.ruleSet(f)
	if err != nil {
		return err
	}
	out, err := openOutputs(f, append(append([]string{f.site}, f.rules...), args...))
	if err != nil {
		return err
	}
	ctx, stop := u.interruptible(parent, out.discard)
	defer stop()
	defer out.discard()
	options := classify.Options{Tool: classify.Tool{Name: "pcapaudit", Version: version}, Warnings: warnings, Filter: config.Filter}
	if out.list != nil {
		options.OnJudged = func(c *flow.Conn, j classify.Judgement) { out.list.Write(c, &j) }
	}
	auditor := classify.New(set, options)
	config.Emit = auditor.Observe
	result, err := u.read(ctx, config)
	if err != nil {
		return err
	}
	passed := u.passedOver(result, out.owns)
	if err := out.spare(inputNames(result)); err != nil {
		return err
	}
	audit, err := auditor.Finish(captureFacts(result))
	if err != nil {
		return exitError{exitLedger, err}
	}
	audit.Warnings = append(audit.Warnings, passed...)
	u.verdict = audit.Result.Code
	return errors.Join(nothingRead(result), writeAudit(u, audit, format, look, out))
}

// inputNames are the files that were read, also those that a directory or a pattern stands for.
func inputNames(r *capture.Result) []string {
	var names []string
	for i := range r.Inputs {
		names = append(names, r.Inputs[i].Name)
	}
	return names
}

// writeAudit renders everything before anything gets its name, so that a failing writer leaves no half report behind. Files that are whole stay,
// also where standard output fails.
func writeAudit(u *ui, a *classify.Audit, format reports.Format, look reports.Look, out *outputs) error {
	if err := out.render(a); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := format.Write(&text, a, look); err != nil {
		return outputFailed(err)
	}
	err := out.commit()
	_, failed := u.out.Write(text.Bytes())
	return errors.Join(err, outputFailed(failed))
}
