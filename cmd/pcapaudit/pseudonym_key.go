package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/capture"
	"pcapaudit/classify"
	"pcapaudit/reports"
)

func newKeyCommand(u *ui) *cobra.Command {
	return &cobra.Command{
		Use:   "new KEYFILE",
		Short: "Make a key that only its owner can read",
		Long: `new writes a random key to a file that does not exist yet, with access for its owner alone, and prints the key's
fingerprint, which every report made with it shows.

Exit codes: 0; 2 usage; 5 the file exists or cannot be written.`,
		Example: `  # A key, which only you can read.
  pcapaudit pseudonyms new audit.key

  # A report that tells no address and no name.
  pcapaudit audit --site testdata/sites/acronis.yaml --pseudonymise audit.key \
    --report shared.html testdata/captures/acronis-clean.pcapng`,
		Args: exactly(1, "name the file to write the key to"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := writeKey(args[0]); err != nil {
				advice := "name a file in a directory that can be written"
				if errors.Is(err, fs.ErrExist) {
					advice = "a key is never replaced: pseudonyms made with it could not be led back; name another file"
				}
				return exitError{exitOutput, hint(fmt.Errorf("write %s: %w", args[0], bare(err)), "%s", advice)}
			}
			p, err := loadPseudonyms(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(u.out, "key %s\n", p.audits.Key)
			return outputFailed(err)
		},
	}
}

func writeKey(path string) error {
	var key [capture.PseudonymKeySize]byte
	if _, err := rand.Read(key[:]); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(hex.EncodeToString(key[:]) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}

func revealCommand(u *ui) *cobra.Command {
	var audit string
	c := &cobra.Command{
		Use:   "reveal KEYFILE [--audit AUDIT.json] [PSEUDONYM...]",
		Short: "Lead pseudonyms back",
		Long: `reveal prints what pseudonyms stand for, one a line. Addresses and prefixes need the key alone. Names need the
JSON of an audit that has them, which holds a list that only the key opens; an audit with the true names does as
well.
Without a PSEUDONYM every name of the audit is listed.

Exit codes: 0; 1 a pseudonym could not be led back; 2 usage, or another key; 4 no audit; 5 output.`,
		Example: `  # A report with pseudonyms.
  pcapaudit pseudonyms new audit.key
  pcapaudit audit --site testdata/sites/acronis.yaml --pseudonymise audit.key \
    --report shared.json testdata/captures/acronis-clean.pcapng

  # An address, which needs the key alone; all names of the report.
  pcapaudit pseudonyms reveal audit.key 118.3.77.20
  pcapaudit pseudonyms reveal audit.key --audit shared.json`,
		Args: atLeast(1, "name the key file, then pseudonyms"),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := loadPseudonyms(args[0])
			if err != nil {
				return err
			}
			names := map[string]string{}
			if audit != "" {
				if names, err = p.namesIn(audit); err != nil {
					return err
				}
			}
			return u.reveal(p, names, args[1:])
		},
	}
	c.Flags().StringVar(&audit, "audit", "", "`AUDIT.json` that has the names")
	_ = c.RegisterFlagCompletionFunc("audit", auditFiles)
	return c
}

// namesIn are the names of an audit by their pseudonyms.
func (p *pseudonyms) namesIn(path string) (map[string]string, error) {
	a, _, err := loadAudit(path)
	if err != nil {
		return nil, err
	}
	if a.Pseudonyms == nil {
		if a, err = p.audit(a); err != nil {
			return nil, err
		}
	}
	names, err := p.audits.Names(a)
	if errors.Is(err, classify.ErrOtherKey) {
		return nil, exitError{exitUsage, fmt.Errorf("reading %s: %w", path, err)}
	} else if err != nil {
		return nil, exitError{exitInput, fmt.Errorf("reading %s: %w", path, err)}
	}
	return names, nil
}

// reveal prints what each pseudonym stands for.
func (u *ui) reveal(p *pseudonyms, names map[string]string, list []string) error {
	if len(list) == 0 {
		list = slices.Sorted(maps.Keys(names))
	}
	var text strings.Builder
	for _, s := range list {
		to, ok := names[s]
		if a, err := netip.ParseAddr(s); err == nil {
			to, ok = p.packets.Reverse(a).String(), true
		} else if n, err := netip.ParsePrefix(s); err == nil {
			to, ok = netip.PrefixFrom(p.packets.Reverse(n.Addr()), n.Bits()).Masked().String(), true
		}
		if !ok {
			u.verdict = exitDeviations
			u.warn("%s: not among the names at hand; --audit names the JSON of an audit that has it", s)
			continue
		}
		fmt.Fprintf(&text, "%s\t%s\n", reports.Clean(s), reports.Clean(to))
	}
	_, err := u.out.Write([]byte(text.String()))
	return outputFailed(err)
}
