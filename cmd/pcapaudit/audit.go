package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/reports"
	"pcapaudit/rules"
)

// auditFlags are the flags of audit.
type auditFlags struct {
	outputFlags
	rules       []string
	site        string
	format      string
	hash        string
	annotations string
	baseline    baselineFlags
	all         bool
	noBaseline  bool
	maxConns    int
	packets     packetFlags
	sandbox     sandboxMode
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

--baseline marks findings as known or new and changes no verdict; with --gate new, for pipelines, the exit
code is 1 only where a finding that decides is new, and else as if there were no deviation.

--evidence writes the packets that findings rest on to a capture file of its own, with their times and
interfaces; a comment on each packet names its findings. It is a second pass over the captures: one that has
changed meanwhile gives no evidence and exit code 4, and the reports are written all the same.

` + pseudonymHelp[1:] + ` The evidence gets them as well: its packets have no payload, and checksums of 0.
` + packetHelp + ` An expectation that
the filter could have hidden is not testable; where the site states no period, --since and --until are it.
` + sandboxHelp + `

Exit codes: 0 clean, 1 deviations, 2 usage, rules or site, 3 inconclusive, 4 no packet could be read,
5 output, 6 capture failure or --sandbox strict, 7 a ledger does not balance, 128+n ended by signal n.`,
		Example: `  # A recorded window of a backup laboratory (exit code 1: faults were planted).
  pcapaudit audit --site testdata/sites/acronis.yaml \
    testdata/captures/acronis-deviating.pcapng

  # A page for people, the file that other commands read, and the packets that
  # findings rest on (exit code 1).
  pcapaudit audit --site testdata/sites/acronis.yaml --report audit.html \
    --report audit.json --evidence findings.pcapng \
    testdata/captures/acronis-deviating.pcapng

  # Only what is new against an older audit fails; here nothing is.
  pcapaudit audit --site testdata/sites/acronis.yaml --baseline audit.json \
    --gate new testdata/captures/acronis-deviating.pcapng

  # One network, from a time on, out of standard input.
  gzip -c testdata/captures/acronis-clean.pcapng | pcapaudit audit \
    --site testdata/sites/acronis.yaml --net 10.20.0.0/24 --since 2026-11-22 -

  # Without a site: ports are checked, roles are not (exit code 3).
  pcapaudit audit --rules configmgr-2012 testdata/captures/configmgr-clean.pcapng

  # Signed: pcapaudit verify and ssh-keygen check it.
  pcapaudit audit --site testdata/sites/acronis.yaml --report signed.json \
    --sign ~/.ssh/id_ed25519 testdata/captures/acronis-clean.pcapng

  # For readers who must not know addresses and names.
  pcapaudit pseudonyms new audit.key
  pcapaudit audit --site testdata/sites/acronis.yaml --pseudonymise audit.key \
    --report shared.html testdata/captures/acronis-clean.pcapng`,
		Args: atLeast(1, "name a capture file, a directory of rotated files, or - for standard input"),
		RunE: func(c *cobra.Command, args []string) error { return runAudit(c.Context(), u, f, args) },
	}
	rulesFlag(c, &f.rules)
	fl := c.Flags()
	siteFlag(c, &f.site, "which hosts hold which roles")
	fl.BoolVar(&f.noBaseline, "no-baseline", false, "use only the packs that --rules names, or the site binds")
	formatFlag(c, &f.format)
	reportFlag(c, &f.reports)
	fl.StringVar(&f.connections, "connections", "", "write every connection with its verdict to `FILE` (NDJSON, or .csv)")
	fl.StringVar(&f.hash, "hash", "sha256", "`HASH` of the inputs for the report: sha256, none")
	completeWords(c, "hash", "sha256", "none")
	fl.BoolVar(&f.all, "all", false, "show every finding, host and flow; fold nothing")
	f.evidence.register(c)
	pseudonymFlag(c, &f.pseudonyms)
	f.oscal.register(c)
	annotationsFlag(c, &f.annotations)
	signFlag(c, &f.sign)
	f.baseline.register(c)
	f.packets.register(c)
	maxConnectionsFlag(c, &f.maxConns)
	sandboxFlag(c, &f.sandbox)
	return c
}

func runAudit(parent context.Context, u *ui, f auditFlags, args []string) error {
	look, format, err := u.rendering(f.format, f.all, f.oscal)
	if err != nil {
		return err
	}
	if err := oneOf("--hash", f.hash, "sha256 or none", "sha256", "none"); err != nil {
		return err
	}
	if f.sign != "" && f.hash == "none" {
		return exitError{exitUsage, hint(fmt.Errorf("sign: %w", errNotHashed), "leave out --hash none")}
	}
	if err := f.evidence.check(args, f.pseudonyms != ""); err != nil {
		return err
	}
	hidden, err := loadPseudonyms(f.pseudonyms)
	if err != nil {
		return err
	}
	asked := f.invocation(args)
	config, err := captureConfig(asked)
	if err != nil {
		return err
	}
	config.Stdin = u.in
	beside, err := u.loadBeside(f)
	if err != nil {
		return err
	}
	if err := hidden.fits(beside.old, f.baseline.file); err != nil {
		return err
	}
	u.collectSeldom()
	set, warnings, err := u.ruleSet(f)
	if err != nil {
		return err
	}
	out, err := openOutputs(f.outputFlags, slices.Concat([]string{f.site, f.annotations, f.baseline.file, f.sign, f.pseudonyms}, f.rules, inventoryPaths(set.Site), args))
	if err != nil {
		return err
	}
	ctx, stop := u.interruptible(parent, out.discard)
	defer stop()
	defer out.discard()
	options := classify.Options{Tool: thisTool, Invocation: asked, Warnings: warnings, Filter: config.Filter}
	if out.list != nil {
		write := hidden.lister(out.list)
		options.OnJudged = func(c *flow.Conn, j classify.Judgement) { write(c, &j) }
	}
	if _, err := u.confine(f.sandbox, out.plan(args)); err != nil {
		return err
	}
	audit, result, err := u.judge(ctx, config, set, options, func(string) string { return "" })
	if err != nil {
		return err
	}
	for _, w := range audit.Warnings[len(warnings):] {
		u.warn("%s", w)
	}
	audit.Warnings = append(audit.Warnings, u.passedOver(result, out.owns)...)
	if err := out.spare(inputNames(result)); err != nil {
		return err
	}
	if u.verdict, err = u.addBeside(audit, beside, f.baseline, hidden); err != nil {
		return err
	}
	if audit, err = hidden.audit(audit); err != nil {
		return err
	}
	lost := u.addEvidence(ctx, audit, f.evidence, config, result, out, hidden.ofPackets())
	return errors.Join(nothingRead(result), lost, writeAudit(u, audit, format, look, out))
}

// beside is what an audit shows beside its own judgement.
type beside struct {
	old         *classify.Audit // the baseline; nil without one
	sum         string          // its SHA-256
	annotations *rules.Annotations
}

func (u *ui) loadBeside(f auditFlags) (b beside, err error) {
	if b.old, b.sum, err = f.baseline.load(); err != nil {
		return b, err
	}
	b.annotations, err = u.loadAnnotations(f.annotations)
	return b, err
}

// addBeside gives the exit code that follows from the result, and from the gate.
func (u *ui) addBeside(a *classify.Audit, b beside, f baselineFlags, hidden *pseudonyms) (int, error) {
	if b.annotations != nil {
		u.addAnnotations(a, b.annotations)
	}
	return u.mark(a, b.old, b.sum, f, hidden)
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
	var text pages
	if err := format.Write(&text, a, look); err != nil {
		return outputFailed(err)
	}
	err := out.commit()
	_, failed := text.WriteTo(u.out)
	return errors.Join(err, outputFailed(failed))
}
