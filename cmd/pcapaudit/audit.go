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

Exit codes: 0 clean, 1 deviations, 2 usage, rules or site, 3 inconclusive, 4 no packet could be read,
5 output, 6 capture failure, 7 a ledger does not balance, 128+n ended by signal n.`,
		Example: `  pcapaudit audit --rules acronis-abr-11.5 --site site.yaml backup-window.pcapng
  pcapaudit audit --rules configmgr-2012 --rules ad-member --site site.yaml --report audit.json rotated/
  tcpdump -w - -i eth0 | pcapaudit audit --rules azure-data-box -`,
		Args: atLeast(1, "name a capture file, a directory of rotated files, or - for standard input"),
		RunE: func(c *cobra.Command, args []string) error { return runAudit(c.Context(), u, f, args) },
	}
	rulesFlag(c, &f.rules)
	fl := c.Flags()
	fl.StringVar(&f.site, "site", "", "site file: which hosts hold which roles")
	fl.BoolVar(&f.noBaseline, "no-baseline", false, "use only the packs that --rules names, or the site binds")
	fl.StringVar(&f.format, "format", "table", "format of the report on standard output: "+formatNames())
	fl.StringArrayVar(&f.reports, "report", nil, "also write a report to FILE, in the format of its extension: "+formatExtensions())
	fl.StringVar(&f.connections, "connections", "", "write every connection with its verdict to FILE (NDJSON, or .csv)")
	fl.StringVar(&f.hash, "hash", "sha256", "hash of the inputs for the report: sha256 or none")
	fl.BoolVar(&f.all, "all", false, "show every finding, host and flow; fold nothing")
	fl.IntVar(&f.maxConns, "max-connections", flow.DefaultMaxConnections, "most connections tracked at a time (64 to 96 bytes each)")
	return c
}

func formatNames() string {
	var s []string
	for _, f := range reports.Formats {
		s = append(s, f.Name)
	}
	return strings.Join(s, ", ")
}

func formatExtensions() string {
	var s []string
	for _, f := range reports.Formats {
		s = append(s, f.Extension)
	}
	return strings.Join(s, ", ")
}

// outputs are the files of one audit: opened before it, committed after it, all or none under their names.
type outputs struct {
	reports     []*outputFile
	formats     []reports.Format
	connections *outputFile
	list        *reports.Connections
}

func (o *outputs) discard() {
	for _, f := range o.reports {
		f.discard()
	}
	if o.connections != nil {
		o.connections.discard()
	}
}

func openOutputs(f auditFlags) (*outputs, error) {
	o := &outputs{}
	for _, path := range f.reports {
		format, err := reports.ByPath(path)
		if err == nil {
			var file *outputFile
			if file, err = createOutput(path); err == nil {
				o.formats, o.reports = append(o.formats, format), append(o.reports, file)
			}
		}
		if err != nil {
			o.discard()
			return nil, err
		}
	}
	if f.connections == "" {
		return o, nil
	}
	file, err := createOutput(f.connections)
	if err != nil {
		o.discard()
		return nil, err
	}
	format := "json"
	if strings.HasSuffix(f.connections, ".csv") {
		format = "csv"
	}
	o.connections = file
	o.list, err = reports.NewConnections(file, format, reports.Look{}, true)
	return o, err
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
	set, warnings, err := u.ruleSet(f)
	if err != nil {
		return err
	}
	out, err := openOutputs(f)
	if err != nil {
		return err
	}
	defer out.discard()
	options := classify.Options{Tool: classify.Tool{Name: "pcapaudit", Version: version}, Warnings: warnings}
	if out.list != nil {
		options.OnJudged = func(c *flow.Conn, j classify.Judgement) { out.list.Write(c, &j) }
	}
	auditor := classify.New(set, options)
	result, err := u.read(parent, capture.Config{Inputs: args, Stdin: u.in, Hash: f.hash == "sha256", MaxConnections: f.maxConns, Emit: auditor.Observe})
	if err != nil {
		return err
	}
	audit, err := auditor.Finish(captureFacts(result))
	if err != nil {
		return exitError{exitLedger, err}
	}
	if err := writeAudit(u, audit, format, look, out); err != nil {
		return err
	}
	u.verdict = audit.Result.Code
	return nothingRead(result)
}

// writeAudit renders everything into memory or temporary files first, so that a failing writer leaves no half report behind.
func writeAudit(u *ui, a *classify.Audit, format reports.Format, look reports.Look, out *outputs) error {
	for i, file := range out.reports {
		if err := out.formats[i].Write(file, a, reports.Look{All: true}); err != nil {
			return outputError(file.path, bare(err), "free space or name another place")
		}
	}
	if out.list != nil {
		if err := out.list.Close(); err != nil {
			return outputError(out.connections.path, bare(err), "free space or name another place")
		}
	}
	var text bytes.Buffer
	if err := format.Write(&text, a, look); err != nil {
		return outputFailed(err)
	}
	if _, err := u.out.Write(text.Bytes()); err != nil {
		return outputFailed(fmt.Errorf("write report to standard output: %w", err))
	}
	files := out.reports
	if out.connections != nil {
		files = append(files, out.connections)
	}
	var errs []error
	for _, file := range files {
		errs = append(errs, file.commit())
	}
	return errors.Join(errs...)
}
