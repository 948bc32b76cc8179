package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/capture/sandbox"
	"pcapaudit/classify/survey"
	"pcapaudit/reports"
	"pcapaudit/rules"
)

// draftFlags are the flags of site draft.
type draftFlags struct {
	rules      []string
	noBaseline bool
	update     string
	output     string
	maxConns   int
	packets    packetFlags
	sandbox    sandboxMode
}

func siteDraftCommand(u *ui) *cobra.Command {
	var f draftFlags
	c := &cobra.Command{
		Use:   "draft --rules PACK... CAPTURE...",
		Short: "Draft a site file from captures: hosts, roles, systems, networks and conditions, each with its evidence",
		Long: `site draft proposes who plays which role of the packs, so that as much as possible of what was seen is explained by as
few roles as possible. It decides over all hosts at once. A comment at every entry gives the evidence, how sure it is
(clear, likely, guess) and which roles fit as well. Names come from DNS, DHCP, NetBIOS and what originators claim;
systems from source ports, held against TTL, window and options of the SYNs.

It approves nothing. Everything seen that fits a document is drafted as if it belonged here: go through all of it before
an audit counts on it. What no document explains stays in comments. Ports that a document leaves to the site, and
translations, stand in comments too: they need somebody who knows.

The draft goes to standard output or to a new file; no file is ever overwritten. With --update SITE it proposes what that
site file does not have yet, as a patch, and leaves all that stands there. Baseline packs (DNS, NTP, directory ...) come
along, as in an audit.
` + packetHelp + "\n" + sandboxHelp + `

Exit codes: 0; 2 usage, rules, site, nothing to draft; 4 no packet could be read; 5 output; 6 --sandbox strict; 7 a ledger
does not balance.`,
		Example: `  # A first site file: who plays which role, and how sure that is.
  pcapaudit site draft --rules acronis-abr-11.5 \
    testdata/captures/acronis-clean.pcapng

  # Into a file, which an audit takes as it is; and the audit.
  pcapaudit site draft --rules configmgr-2012 -o site.yaml \
    testdata/captures/configmgr-clean.pcapng
  pcapaudit audit --rules configmgr-2012 --site site.yaml \
    testdata/captures/configmgr-clean.pcapng

  # What another capture shows beyond it, as a patch for patch(1).
  pcapaudit site draft --rules configmgr-2012 --update site.yaml \
    testdata/captures/configmgr-deviating.pcapng > site.patch`,
		Args: atLeast(1, "name a capture file, a directory of rotated files, or - for standard input"),
		RunE: func(c *cobra.Command, args []string) error { return u.draftSite(c, f, args) },
	}
	rulesFlag(c, &f.rules)
	fl := c.Flags()
	fl.Lookup("rules").Usage = "`PACK` of a product that may be here, by name or file; repeat for several"
	fl.BoolVar(&f.noBaseline, "no-baseline", false, "propose only roles of the packs that --rules names")
	fl.StringVar(&f.update, "update", "", "propose, as a patch, what the site `FILE` does not have yet")
	fl.StringVarP(&f.output, "output", "o", "-", "write the draft to a new `FILE`; - is standard output")
	_ = c.RegisterFlagCompletionFunc("update", siteFiles)
	f.packets.register(c)
	maxConnectionsFlag(c, &f.maxConns)
	sandboxFlag(c, &f.sandbox)
	return c
}

func (u *ui) draftSite(c *cobra.Command, f draftFlags, args []string) error {
	config := capture.Config{Inputs: args, Stdin: u.in, MaxConnections: f.maxConns}
	if err := f.packets.config(&config); err != nil {
		return err
	}
	set, site, err := u.draftRules(f)
	if err != nil {
		return err
	}
	out, err := u.newFile(f.output)
	if err != nil {
		return err
	}
	defer out.discard()
	ctx, stop := u.interruptible(c.Context(), out.discard)
	defer stop()
	if _, err := u.confine(f.sandbox, out.plan(args)); err != nil {
		return err
	}
	s := survey.New(set)
	config.Emit, config.Stack = func(c *flow.Conn) { s.Observe(c) }, s.LearnStack
	config.Learn.Name, config.Learn.Announcement = s.LearnName, s.LearnAnnouncement
	result, err := u.read(ctx, config)
	if err != nil {
		return err
	}
	u.passedOver(result, func(string) bool { return false })
	u.summary(result, config.Filter)
	if err := nothingRead(result); err != nil {
		return err
	}
	text, said, err := drafted(s, site, f.update, args)
	if err != nil {
		return exitError{exitUsage, err}
	}
	if err := out.write(text); err != nil {
		return err
	}
	for line := range strings.Lines(said) {
		fmt.Fprintln(u.err, reports.Clean(strings.TrimSuffix(line, "\n")))
	}
	return nil
}

// drafted is the draft or the patch, and a sentence on it.
func drafted(s *survey.Survey, site []byte, file string, captures []string) (text []byte, said string, err error) {
	if file != "" {
		p, err := s.Update(file, site)
		if err != nil {
			return nil, "", fmt.Errorf("update %s: %w", file, err)
		}
		if p.Text == nil && len(p.Left) == 0 {
			return nil, fmt.Sprintf("nothing new for %s; hosts without a role: %d", file, p.Unplaced), nil
		}
		said = fmt.Sprintf("new for %s: hosts %d, roles %d (guesses: %d), other entries %d; hosts without a role: %d. Go through the patch before you apply it",
			file, p.Hosts, p.Roles, p.Guesses, p.Entries, p.Unplaced)
		for _, left := range p.Left {
			said += "\nnot in the patch, because of how the file is written: " + left
		}
		return p.Text, said, nil
	}
	names := make([]string, len(captures))
	for i, name := range captures {
		names[i] = filepath.Base(name)
	}
	const most = 3
	title := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		title += fmt.Sprintf(" and %d more", len(names)-most)
	}
	d, err := s.Draft(title)
	if err != nil {
		return nil, "", fmt.Errorf("site draft: %w", err)
	}
	return d.Text, fmt.Sprintf("drafted: hosts %d, roles %d (guesses: %d); hosts without a role: %d. Go through every entry: a draft approves nothing", d.Hosts, d.Roles, d.Guesses, d.Unplaced), nil
}

// draftRules compiles the packs, and the site that is to be updated, whose bytes it gives.
func (u *ui) draftRules(f draftFlags) (*rules.Set, []byte, error) {
	if len(f.rules) == 0 && f.update == "" {
		return nil, nil, exitError{exitUsage, hint(errors.New("site draft: no pack is named"), "add --rules PACK for each product that may be here; pcapaudit rules list shows the packs")}
	}
	var site *rules.Site
	var text []byte
	if f.update != "" {
		var problems []rules.Problem
		if site, problems = rules.LoadSite(f.update); rules.Failed(problems) {
			return nil, nil, u.report(problems)
		}
		var err error
		if text, err = os.ReadFile(f.update); err != nil {
			return nil, nil, exitError{exitUsage, fmt.Errorf("read %s: %w", f.update, bare(err))}
		}
	}
	names := packNames(auditFlags{rules: f.rules, noBaseline: f.noBaseline}, site)
	if site == nil {
		names = slices.Clone(f.rules)
		for _, b := range rules.Builtin() {
			if b.Kind == rules.Baseline && !f.noBaseline && !slices.Contains(names, b.Name) {
				names = append(names, b.Name)
			}
		}
	}
	packs, err := u.loadPacks(names)
	if err != nil {
		return nil, nil, err
	}
	set, problems := rules.Compile(packs, site)
	return set, text, u.report(problems)
}

// newFile is an output that does not exist yet, or standard output.
type newFile struct {
	u    *ui
	file *outputFile // nil: standard output
}

func (u *ui) newFile(path string) (*newFile, error) {
	if path == "-" {
		return &newFile{u: u}, nil
	}
	if err := absent(path); err != nil {
		return nil, err
	}
	out, err := createOutput(path)
	return &newFile{u, out}, err
}

func absent(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return outputError(path, errors.New("it exists"), "name a new file, or remove this one if nothing in it is worth keeping")
	}
	return nil
}

func (n *newFile) discard() {
	if n.file != nil {
		n.file.discard()
	}
}

func (n *newFile) plan(captures []string) sandbox.Plan {
	p := sandbox.Plan{Read: readable(captures)}
	if n.file != nil {
		p.Name = []string{filepath.Dir(n.file.path)}
	}
	return p
}

// write gives the file its name only when it is whole, and only where no other one has taken it.
func (n *newFile) write(text []byte) error {
	if n.file == nil {
		_, err := n.u.out.Write(text)
		return outputFailed(err)
	}
	if err := absent(n.file.path); err != nil {
		return err
	}
	if _, err := n.file.Write(text); err != nil {
		return n.file.uncommitted(err)
	}
	return n.file.commit()
}
