package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/reports"
)

func pseudonymFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "pseudonymise", "", "write pseudonyms for addresses, names and hashes, made with the key in `KEYFILE` (pcapaudit pseudonyms new)")
}

// pseudonymHelp is the part of the commands' help that explains the flag.
const pseudonymHelp = `
--pseudonymise KEYFILE judges with the true addresses and then replaces them in everything that is written to
files and to standard output: addresses keep common prefixes; names of hosts, people, files and all that a site
calls its own become tokens. The key leads both back (pcapaudit pseudonyms reveal). Messages on standard error
keep the true names.`

// pseudonyms replace names in what a command writes; nil replaces nothing.
type pseudonyms struct {
	packets *capture.Pseudonyms
	audits  *classify.Pseudonyms
}

// loadPseudonyms reads a key; nil for "".
func loadPseudonyms(file string) (*pseudonyms, error) {
	if file == "" {
		return nil, nil
	}
	p, err := capture.ReadPseudonymKey(file)
	if err != nil {
		advice := "pcapaudit pseudonyms new FILE makes a key that only you can read"
		if errors.Is(err, fs.ErrNotExist) {
			advice = "make it: pcapaudit pseudonyms new " + file
		}
		return nil, exitError{exitUsage, hint(err, "%s", advice)}
	}
	return &pseudonyms{p, &classify.Pseudonyms{Key: p.Fingerprint(), Address: p.Address, Reverse: p.Reverse, Token: p.Token, Digest: p.Digest, Seal: p.Seal, Open: p.Open}}, nil
}

// audit gives an audit as it is to be written.
func (p *pseudonyms) audit(a *classify.Audit) (*classify.Audit, error) {
	if p == nil {
		return a, nil
	}
	hidden, err := p.audits.Pseudonymise(a)
	if err != nil {
		return nil, exitError{exitUsage, hint(err, "leave out --pseudonymise, or give the audit with the true names")}
	}
	return hidden, nil
}

// lister writes connections to a list as they are to be written.
func (p *pseudonyms) lister(list *reports.Connections) func(*flow.Conn, *classify.Judgement) {
	if p == nil {
		return list.Write
	}
	hidden := p.audits.Listing()
	return func(c *flow.Conn, j *classify.Judgement) { list.Write(hidden.Connection(c, j)) }
}

// ofPackets are those for evidence.
func (p *pseudonyms) ofPackets() *capture.Pseudonyms {
	if p == nil {
		return nil
	}
	return p.packets
}

// file is a file that an audit names, with its hash.
func (p *pseudonyms) file(path, sum string) (string, string) {
	if p == nil {
		return path, sum
	}
	keyed := p.packets.Digest("sha256", sum)
	return p.packets.Token("file", path), hex.EncodeToString(keyed[:])
}

// fits says before anything is read whether an older audit, which may be nil, can be held against what will be judged.
func (p *pseudonyms) fits(old *classify.Audit, file string) error {
	switch {
	case old == nil || old.Pseudonyms == nil:
		return nil
	case p == nil:
		return exitError{exitUsage, hint(fmt.Errorf("%s: %w", file, classify.ErrPseudonymised), "add --pseudonymise with the key %s, or give the audit with the true names", old.Pseudonyms.Key)}
	case old.Pseudonyms.Key != p.audits.Key:
		return exitError{exitUsage, fmt.Errorf("%s: %w: %s, and this one is %s", file, classify.ErrOtherKey, old.Pseudonyms.Key, p.audits.Key)}
	}
	return nil
}

// mark holds an audit against an older one that fits.
func (p *pseudonyms) mark(a, old *classify.Audit, file, sum string) error {
	if err := p.fits(old, file); err != nil {
		return err
	}
	if old.Pseudonyms == nil {
		a.Mark(old, file, sum)
		return nil
	}
	return p.audits.Mark(a, old, file, sum)
}

// compare compares two audits as they are to be written.
func (p *pseudonyms) compare(audits [2]*classify.Audit, files, sums []string) (*classify.Diff, error) {
	var versions [2]classify.Version
	for i, a := range audits {
		versions[i].File, versions[i].SHA256 = files[i], sums[i]
		if p == nil {
			continue
		}
		versions[i].File, versions[i].SHA256 = p.file(files[i], sums[i])
		if a.Pseudonyms != nil {
			continue
		}
		hidden, err := p.audit(a)
		if err != nil {
			return nil, err
		}
		audits[i] = hidden
	}
	if err := classify.SameNames(audits[0], audits[1]); err != nil {
		return nil, exitError{exitUsage, hint(fmt.Errorf("%s and %s: %w", files[0], files[1], err), "add --pseudonymise with the key, or give both with the true names")}
	}
	d := classify.Compare(audits[0], audits[1])
	d.Old.File, d.Old.SHA256, d.New.File, d.New.SHA256 = versions[0].File, versions[0].SHA256, versions[1].File, versions[1].SHA256
	return d, nil
}

func pseudonymsCommand(u *ui) *cobra.Command {
	c := &cobra.Command{
		Use:   "pseudonyms",
		Short: "Keys for --pseudonymise, and what the pseudonyms stand for",
		Long: `With --pseudonymise KEYFILE audit, report, connections, combine and diff write pseudonyms in place of addresses
and names, for readers who must not know them.

The same key gives the same pseudonyms everywhere, so that audits of different nights can be compared. Two
addresses that share a prefix have pseudonyms that share one of the same length; well-known ones (unspecified,
loopback, broadcast, groups of the local link) stay. Words in sentences that neither this program nor an embedded
pack uses are replaced, too. Ports, times, sizes, protocols and what the vendors' documents say stay: who knows
when a host sent how much recognises it, and an address that is known tells the leading bits of its neighbours.
Names lead back through a list that is sealed into the JSON of the audit; who has the key has them all: keep it
as you keep the captures.`,
		Example: `  # A key, and what a pseudonym made with another one leads to.
  pcapaudit pseudonyms new audit.key
  pcapaudit pseudonyms reveal audit.key 118.3.77.20`,
		Args: noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newKeyCommand(u), revealCommand(u))
	return c
}
