package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/reports"
	"pcapaudit/rules"
)

type explainFlags struct {
	rules      []string
	noBaseline bool
	site       string
	at         string
	encrypted  string
	name       string
	format     string
}

func explainCommand(u *ui) *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain CONNECTION | AUDIT.json FINDING|FLOW",
		Short: "Say why a connection, a finding or an expectation is judged as it is, and what would change that",
		Long: `explain judges one connection and says who each end is and why, which documented flows it was held against,
which condition each of them failed, what decided, and what would make it documented: the smallest change of the
site file, ready to paste with owner and approver left empty, or the lines of the document that say otherwise.

CONNECTION is PROTOCOL ORIGINATOR > RESPONDER in quotes: addresses or hosts of the site, with ports (IPv6 in
brackets), for icmp with TYPE/CODE behind them. Without a source port one is taken that the originator's OS picks.

With AUDIT.json it explains the first connection of a finding (an id, or its beginning) or why the expectation of
a documented flow has its status, host by host. Packs and site are taken from where the audit names them, or from
--rules and --site; it says where they changed since, and without them it tells what the audit itself holds.

Exit codes: 0; 2 usage, rules, site, no such finding or flow; 4 no audit; 5 output.`,
		Example: `  # What would become of a connection between these hosts?
  pcapaudit explain --site testdata/sites/acronis.yaml 'tcp win-1 > ams:9877'

  # The same where it was seen in clear text.
  pcapaudit explain --site testdata/sites/acronis.yaml --at 2026-11-22 \
    --encrypted none 'tcp ams:49768 > 10.20.0.54:9876'

  # An audit to ask (exit code 1).
  pcapaudit audit --site testdata/sites/acronis.yaml --report audit.json \
    testdata/captures/acronis-deviating.pcapng

  # The finding whose id begins so; who is missing for a flow, and why.
  pcapaudit explain audit.json 0ffc
  pcapaudit explain audit.json agent-registers`,
		Args:              atLeast(1, "give a connection in quotes, or the JSON report of an audit and the id of a finding or a flow"),
		ValidArgsFunction: completeExplained,
		RunE: func(_ *cobra.Command, args []string) error {
			x, err := u.explained(args, f)
			if err != nil {
				return err
			}
			return u.writeExplained(x, f.format)
		},
	}
	rulesFlag(c, &f.rules)
	siteFlag(c, &f.site, "which hosts hold which roles")
	c.Flags().BoolVar(&f.noBaseline, "no-baseline", false, "leave out the baseline packs, which a site brings with it")
	c.Flags().StringVar(&f.at, "at", "", "`TIME` of the connection: 2026-01-31 (midnight UTC) or 2026-01-31T22:00:00Z; left out: now, or the beginning of the site's period")
	c.Flags().StringVar(&f.encrypted, "encrypted", "unknown", "what its payload `SHOWS`: "+strings.Join(classify.EncryptedWords, ", "))
	c.Flags().StringVar(&f.name, "name", "", "host `NAME` that the originator claims for the responder")
	c.Flags().StringVar(&f.format, "format", "text", "`FORMAT`: text, json")
	completeWords(c, "encrypted", classify.EncryptedWords...)
	completeWords(c, "format", "text", "json")
	return c
}

func (u *ui) explained(args []string, f explainFlags) (*reports.Explained, error) {
	switch {
	case f.format != "text" && f.format != "json":
		return nil, exitError{exitUsage, hint(fmt.Errorf("unknown format %.40q", f.format), "%s", rules.Meant(f.format, []string{"text", "json"}))}
	case len(args) == 1 && strings.HasSuffix(args[0], ".json"):
		return nil, exitError{exitUsage, hint(errors.New("nothing of "+args[0]+" is named"), "name a finding or a flow of it; pcapaudit report %s --all shows them", args[0])}
	case len(args) == 1, len(rules.ProtoOf(args[0])) > 0:
		return u.explainedConnection(strings.Join(args, " "), f)
	case len(args) > 2:
		return nil, exitError{exitUsage, hint(fmt.Errorf("explain takes an audit and one finding or flow, got %d arguments", len(args)), "put a connection in quotes: 'tcp 192.0.2.7:49822 > 192.0.2.9:9876'")}
	case f.at+f.name != "" || f.encrypted != "unknown":
		return nil, exitError{exitUsage, hint(errors.New("--at, --encrypted and --name describe a connection"), "leave them out: the audit tells of its own")}
	}
	return u.explainedOfAudit(args[0], args[1], f)
}

func (u *ui) explainedConnection(text string, f explainFlags) (*reports.Explained, error) {
	set, _, err := u.ruleSet(auditFlags{rules: f.rules, site: f.site, noBaseline: f.noBaseline})
	if err != nil {
		return nil, err
	}
	at, note, err := f.time(set)
	if err != nil {
		return nil, err
	}
	c, assumed, err := classify.Described{Text: text, At: at, Encrypted: f.encrypted, Name: f.name}.Conn(set)
	if err != nil {
		return nil, exitError{exitUsage, hint(err, "pcapaudit explain --help shows how connections are written")}
	}
	e := classify.New(set, classify.Options{Tool: thisTool}).Explain(c)
	x := &reports.Explained{Subject: text, Connection: &e, Notes: []string{}}
	for _, n := range []string{note, assumed, "the connection as described: both directions seen, opened by the first end; what DNS and control connections may have told before is not known"} {
		if n != "" {
			x.Notes = append(x.Notes, n)
		}
	}
	return x, nil
}

// time is when the connection is judged, and a note where nobody said so.
func (f *explainFlags) time(set *rules.Set) (at int64, note string, err error) {
	if f.at != "" {
		given, err := parseInstant("--at", f.at)
		if err != nil {
			return 0, "", exitError{exitUsage, err}
		}
		return *given, "", nil
	}
	at = time.Now().UnixNano()
	if from, until := set.Period(); at < from || at >= until {
		return max(from, 0), "judged at the beginning of the site's period, " + flow.Stamp(max(from, 0)) + " (--at TIME for another time)", nil
	}
	return at, "judged as of now (--at TIME for another time)", nil
}

func (u *ui) writeExplained(x *reports.Explained, format string) error {
	if format == "json" {
		return outputFailed(reports.ExplainedJSON(u.out, x))
	}
	look, err := u.look(false)
	if err != nil {
		return err
	}
	return outputFailed(reports.ExplainedText(u.out, x, look))
}

// completeExplained completes the audit file, then the ids of its findings and its flows.
func completeExplained(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return auditFiles(c, args, begun)
	}
	a, _, err := loadAudit(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for i := range a.Findings {
		names = append(names, a.Findings[i].ID+"\t"+reports.Clean(a.Findings[i].Summary))
	}
	for i := range a.Expectations {
		names = append(names, a.Expectations[i].Flow+"\t"+reports.Clean(a.Expectations[i].Summary))
	}
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}
