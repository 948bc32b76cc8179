package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"pcapaudit/classify"
	"pcapaudit/reports"
)

type verifyFlags struct {
	signature string
	signers   string
	quick     bool
}

func verifyCommand(u *ui) *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify AUDIT.json [FILE...]",
		Short: "Check that an audit still holds: hashes, signature, and the same bytes from the same inputs",
		Long: `verify reads the JSON report of an audit and checks, line by line, that the captures, packs, site and other
files that it rests on are still the same by SHA-256, and then makes the audit again from them: it must give
the same bytes. Files are looked for where the audit names them; FILE names others, or directories of them,
which are matched by SHA-256 whatever their names. A combined audit is combined again from its parts.

A signature (AUDIT.json` + manifestSuffix + signatureSuffix + `, or --signature) is checked against --allowed-signers; stock tools do
it as well: ssh-keygen -Y verify -f SIGNERS -I WHO -n ` + signatureNamespace + ` -s AUDIT.json` + manifestSuffix + signatureSuffix + ` < AUDIT.json` + manifestSuffix + `

Exit codes: 0 verified; 1 something differs, or cannot be verified (--hash none, reading was interrupted);
2 usage; 4 a file is missing or cannot be read; 5 output.`,
		Example: `  pcapaudit verify audit.json
  pcapaudit verify audit.json /mnt/evidence/          captures that have moved since
  pcapaudit verify --allowed-signers signers audit.json
  pcapaudit verify --quick audit.json                 hashes and signature, without the run`,
		Args:              atLeast(1, "name the JSON report of an audit"),
		ValidArgsFunction: auditFiles,
		RunE: func(c *cobra.Command, args []string) error {
			if f.signature != "" && f.signers == "" {
				return exitError{exitUsage, hint(errors.New("--signature cannot be checked without a list of those who may sign"), "add --allowed-signers FILE (ssh-keygen(1), ALLOWED SIGNERS)")}
			}
			return u.verify(c.Context(), args[0], args[1:], f)
		},
	}
	c.Flags().StringVar(&f.signature, "signature", "", "signature `FILE` of the manifest; without it AUDIT.json"+manifestSuffix+signatureSuffix)
	c.Flags().StringVar(&f.signers, "allowed-signers", "", "`FILE` of those who may sign, as for ssh-keygen -Y verify")
	c.Flags().BoolVar(&f.quick, "quick", false, "do not make the audit again")
	return c
}

// verification collects what was found, one line a check.
type verification struct {
	u          *ui
	path       string
	audit      *classify.Audit
	sum        string // SHA-256 of the audit's bytes
	given      []givenFile
	lines      []string
	failed     int
	unreadable bool
}

// givenFile is a file on the command line, or in a directory there.
type givenFile struct {
	path, sum string
	named     bool // itself, not by its directory
	used      bool
}

func (u *ui) verify(parent context.Context, path string, files []string, f verifyFlags) error {
	audit, sum, err := loadAudit(path)
	if err != nil {
		return err
	}
	v := &verification{u: u, path: path, audit: audit, sum: sum}
	if v.given, err = hashGiven(files); err != nil {
		return err
	}
	ctx, stop := u.interruptible(parent, func() {})
	defer stop()
	v.note("audit", fmt.Sprintf("%s, by %s %s, %s, sha256 %s", path, audit.Tool.Name, audit.Tool.Version, audit.Result.Verdict, sum))
	if err := v.signature(f); err != nil {
		return err
	}
	if audit.Tool != thisTool {
		v.note("tool", fmt.Sprintf("this is %s; another version may judge differently", version))
	}
	if err := v.again(ctx, f.quick); err != nil {
		return err
	}
	for _, g := range v.given {
		if g.named && !g.used {
			u.warn("%s (sha256 %s) is none of the files that the audit rests on", g.path, g.sum)
		}
	}
	return v.finish(f.quick)
}

// again checks what the audit rests on, and makes it again where all of that holds.
func (v *verification) again(ctx context.Context, quick bool) error {
	if len(v.audit.Parts) > 0 {
		return v.combined(quick)
	}
	sources := v.sources()
	v.evidenceFile()
	b := &v.audit.Result.Basis
	switch {
	case v.failed > 0 || v.unreadable:
		v.note("run", "not made again: not everything that it rests on is here and the same")
	case v.audit.Invocation == nil:
		v.fail("run", "cannot be made again: the audit does not say how it was made (an older version wrote it)")
	case b.Interrupted:
		v.fail("run", "cannot be made again: reading was interrupted")
	case quick:
		v.note("run", "not made again (--quick)")
	default:
		return v.rerun(ctx, sources)
	}
	return nil
}

func (v *verification) note(what, text string) {
	v.lines = append(v.lines, fmt.Sprintf("%-10s %s", what, text))
}

func (v *verification) fail(what, text string) {
	v.failed++
	v.note(what, text)
}

// finish prints the lines and gives the verdict its exit code.
func (v *verification) finish(quick bool) error {
	text := ""
	for _, l := range v.lines {
		text += reports.Clean(l) + "\n"
	}
	switch {
	case v.failed > 0:
		text += "NOT VERIFIED: something differs\n"
		v.u.verdict = exitDeviations
	case v.unreadable:
		text += "NOT VERIFIED: something is missing or cannot be read\n"
	case quick:
		text += "hashes hold; the audit was not made again\n"
	default:
		text += "VERIFIED: the same inputs give the same bytes\n"
	}
	_, err := v.u.out.Write([]byte(text))
	if err = outputFailed(err); err == nil && v.unreadable {
		err = exitError{exitInput, hint(errors.New("not verified: files that the audit rests on are missing or cannot be read"), "name them, or the directory that holds them, behind AUDIT.json; they are known by their SHA-256")}
	}
	return err
}

// hashGiven hashes the files of the command line, and the regular files of its directories.
func hashGiven(args []string) ([]givenFile, error) {
	var list []givenFile
	add := func(path string, named bool) error {
		sum, err := hashFile(path)
		if err != nil {
			return exitError{exitInput, hint(fmt.Errorf("reading %s: %w", path, bare(err)), "%s", inputAdvice(err))}
		}
		list = append(list, givenFile{path: path, sum: sum, named: named})
		return nil
	}
	for _, arg := range args {
		entries, err := os.ReadDir(arg)
		if err != nil {
			if err := add(arg, true); err != nil {
				return nil, err
			}
			continue
		}
		for _, e := range entries {
			if e.Type().IsRegular() {
				if err := add(filepath.Join(arg, e.Name()), false); err != nil {
					return nil, err
				}
			}
		}
	}
	return list, nil
}

// locate finds the file that an audit names, with this hash, and says what it found; "" where it is not here or differs.
func (v *verification) locate(what, name, sum string) string {
	if i := slices.IndexFunc(v.given, func(g givenFile) bool { return g.sum == sum && !g.used }); i >= 0 {
		v.given[i].used = true
		text := name + " holds"
		if v.given[i].path != name {
			text += ", as " + v.given[i].path
		}
		v.note(what, text)
		return v.given[i].path
	}
	if name == "-" {
		v.unreadable = true
		v.note(what, "standard input: give the file that was read, sha256 "+sum)
		return ""
	}
	found, err := hashFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && slices.ContainsFunc(v.given, func(g givenFile) bool { return g.sum == sum }):
		v.unreadable = true
		v.note(what, name+": the file with its bytes stands for another; it is needed twice")
	case err != nil:
		v.unreadable = true
		v.note(what, fmt.Sprintf("%s: %v", name, bare(err)))
	case found != sum:
		v.fail(what, fmt.Sprintf("%s differs: sha256 %s, the audit has %s", name, found, sum))
	default:
		v.note(what, name+" holds")
		return name
	}
	return ""
}

// signature checks the manifest of the audit, if there is one.
func (v *verification) signature(f verifyFlags) error {
	path := f.signature
	if path == "" {
		path = v.path + manifestSuffix + signatureSuffix
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			if f.signers != "" {
				v.unreadable = true
			}
			v.note("signature", "none")
			return nil
		}
	}
	if f.signers == "" {
		v.note("signature", path+" was not checked: give --allowed-signers")
		return nil
	}
	allowed, err := readSmall(f.signers, maxKeyFile)
	if err != nil {
		return exitError{exitUsage, hint(fmt.Errorf("reading %s: %w", f.signers, bare(err)), "name a list of allowed signers")}
	}
	manifest := path[:max(0, len(path)-len(signatureSuffix))]
	sig, err := readSmall(path, maxKeyFile)
	message, merr := readSmall(manifest, maxManifest)
	if err := errors.Join(err, merr); err != nil {
		v.unreadable = true
		v.note("signature", fmt.Sprintf("%s: %v", path, bare(err)))
		return nil
	}
	who, err := signedBy(message, sig, allowed, time.Now())
	if err != nil {
		v.fail("signature", fmt.Sprintf("%s: %v", path, err))
		return nil
	}
	v.note("signature", "good, by "+who)
	v.manifest(manifest, message)
	return nil
}

// manifest holds the signed manifest against the audit and the other files that were written with it.
func (v *verification) manifest(path string, data []byte) {
	s, err := readManifest(data)
	if err != nil {
		v.fail("manifest", fmt.Sprintf("%s: %v", path, err))
		return
	}
	own := false
	for _, name := range s.Predicate.Outputs {
		sum := s.hashOf(name)
		if sum == v.sum {
			own = true
			continue
		}
		found, err := hashFile(filepath.Join(filepath.Dir(path), filepath.FromSlash(name)))
		switch {
		case err != nil:
			v.note("report", fmt.Sprintf("%s, signed with it, is not here", name))
		case found != sum:
			v.fail("report", fmt.Sprintf("%s differs: sha256 %s, the manifest has %s", name, found, sum))
		default:
			v.note("report", name+", signed with it, holds")
		}
	}
	if !own {
		v.fail("manifest", path+" is of other reports than this audit")
		return
	}
	for _, in := range v.audit.Inputs {
		if in.SHA256 != s.hashOf(in.Name) && !slices.ContainsFunc(s.Subject, func(j subject) bool { return j.Digest.SHA256 == in.SHA256 }) {
			v.fail("manifest", fmt.Sprintf("%s does not list %s", path, in.Name))
		}
	}
}
