package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pcapaudit/classify"
	"pcapaudit/reports"
)

type verifyFlags struct {
	signature string
	signers   string
	key       string // of pseudonyms
	quick     bool
	sandbox   sandboxMode
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

Nobody keeps the packets of a live audit: it has no hash of them, and cannot be made again. What vouches for it is
its signature, which has to be checked; packs, site and manifest are checked too, and that it does not contradict itself.
So it is with a combined audit of which any part is live: it is combined again, and what vouches for it is its own
signature (combine --sign). Those of its parts tell of the parts alone: verify each by itself. A signature on reports
that were made of a live audit does not vouch for that audit.

--quick holds hashes against the files that the audit names, and nothing else against it: an audit that was written
anew, with hashes that hold, is told by its signature, or by making it again.

An audit with pseudonyms (audit --pseudonymise) does not name the files that it rests on: only the key, given in the
same way here, leads to them.

The manifest of a signed report lists what was written with it; all of that must hold. Its signature
(AUDIT.json` + manifestSuffix + signatureSuffix + `, or --signature) is checked against --allowed-signers; stock tools do it
as well: ssh-keygen -Y verify -f SIGNERS -I WHO -n ` + signatureNamespace + ` -s AUDIT.json` + manifestSuffix + signatureSuffix + ` < AUDIT.json` + manifestSuffix + `
` + sandboxHelp + `

Exit codes: 0 verified, or with --quick nothing differs; 1 something differs, or cannot be verified (--hash none,
reading was interrupted, an audit that is live, or has a part that is, without a checked signature, with --quick too);
2 usage; 4 a file is missing or cannot be read; 5 output; 6 --sandbox strict.`,
		Example: audited + `
  # Is everything that it rests on still the same, and does it come out again?
  pcapaudit verify audit.json

  # The capture has moved; only its hash is asked for.
  pcapaudit verify --quick audit.json testdata/captures/

  # A report that is signed, and those who may sign it.
  pcapaudit audit --site testdata/sites/acronis.yaml --report signed.json \
    --sign ~/.ssh/id_ed25519 testdata/captures/acronis-clean.pcapng
  echo "me@example.com $(cat ~/.ssh/id_ed25519.pub)" > signers
  pcapaudit verify --allowed-signers signers signed.json`,
		Args:              atLeast(1, "name the JSON report of an audit"),
		ValidArgsFunction: auditFiles,
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return u.verify(c.Context(), args[0], args[1:], f)
		},
	}
	c.Flags().StringVar(&f.signature, "signature", "", "signature `FILE` of a manifest, or of AUDIT.json itself; without it AUDIT.json"+manifestSuffix+signatureSuffix)
	c.Flags().StringVar(&f.signers, "allowed-signers", "", "`FILE` of those who may sign, as for ssh-keygen -Y verify")
	c.Flags().StringVar(&f.key, "pseudonymise", "", "`KEYFILE` that the pseudonyms of the audit were made with")
	c.Flags().BoolVar(&f.quick, "quick", false, "check hashes and signature alone: do not make the audit again")
	sandboxFlag(c, &f.sandbox)
	return c
}

// check says what is wrong with the flags before anything is read.
func (f *verifyFlags) check() error {
	switch {
	case f.signature == "":
		return nil
	case !strings.HasSuffix(f.signature, signatureSuffix):
		return exitError{exitUsage, hint(fmt.Errorf("--signature %s does not end in %s", f.signature, signatureSuffix), "keep the signature beside the manifest, as MANIFEST%s", signatureSuffix)}
	case f.signers == "":
		return exitError{exitUsage, hint(errors.New("--signature cannot be checked without a list of those who may sign"), "add --allowed-signers FILE (ssh-keygen(1), ALLOWED SIGNERS)")}
	}
	return nil
}

// verification collects what was found, one line a check.
type verification struct {
	u          *ui
	path       string
	audit      *classify.Audit // with the true names of what it rests on
	written    *classify.Audit // as it is in the file
	hidden     *pseudonyms     // nil: the names in the file are the true ones
	sandbox    sandboxMode     // for what is made again
	sum        string          // SHA-256 of the audit's bytes
	given      []givenFile
	lines      []string
	failed     int    // checks
	unreadable int    // checks for which something is missing
	live       bool   // packets that it rests on passed, and cannot be read again
	signer     string // whose signature on the audit is good; "" where none was checked
	renderer   string // whose signature is good, but only on reports made of the audit
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
	v := &verification{u: u, path: path, audit: audit, written: audit, sum: sum, sandbox: f.sandbox}
	if err := v.reveal(f.key); err != nil {
		return err
	}
	if v.given, err = hashGiven(files); err != nil {
		return err
	}
	v.note("audit", fmt.Sprintf("%s, by %s %s, %s, sha256 %s", path, audit.Tool.Name, audit.Tool.Version, audit.Result.Verdict, sum))
	if err := v.signature(f); err != nil {
		return err
	}
	if !sameTool(audit.Tool, thisTool) {
		v.note("tool", fmt.Sprintf("this is %s; another version may judge differently", version))
	}
	if err := v.again(parent, f.quick); err != nil {
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
func (v *verification) again(parent context.Context, quick bool) error {
	if v.closed() {
		v.evidenceFile()
		v.fail("pseudonyms", "made with the key "+v.written.Pseudonyms.Key+": without it nobody can tell what the audit rests on, nor make it again; give --pseudonymise KEYFILE")
		return nil
	}
	if len(v.audit.Inputs) == 0 {
		v.fail("inputs", "none: the audit rests on no input")
		return nil
	}
	v.live = isLive(v.audit)
	if len(v.audit.Parts) > 0 {
		return v.combined(quick)
	}
	before := v.doubts()
	sources := v.sources()
	sound := v.doubts() == before
	v.evidenceFile()
	b := &v.audit.Result.Basis
	switch {
	case !sound:
		v.note("run", "not made again: not everything that it rests on is here and the same")
	case v.live:
		v.consistent()
		v.note("run", "cannot be made again: a live audit is known by its signature alone")
	case v.audit.Invocation == nil:
		v.fail("run", "cannot be made again: the audit does not say how it was made (an older version wrote it)")
	case b.Interrupted:
		v.fail("run", "cannot be made again: reading was interrupted")
	case quick:
		v.note("run", "not made again (--quick)")
	default:
		ctx, stop := v.u.interruptible(parent, func() {})
		defer stop()
		return v.rerun(ctx, sources)
	}
	return nil
}

// doubts is the number of checks that did not hold.
func (v *verification) doubts() int { return v.failed + v.unreadable }

func (v *verification) note(what, text string) {
	v.lines = append(v.lines, fmt.Sprintf("%-10s %s", what, text))
}

func (v *verification) fail(what, text string) {
	v.failed++
	v.note(what, text)
}

func (v *verification) lack(what, text string) {
	v.unreadable++
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
	case v.unreadable > 0:
		text += "NOT VERIFIED: something is missing or cannot be read\n"
	case v.live && v.signer != "":
		text += "HOLDS: signed by " + reports.Clean(v.signer) + "; nothing but this vouches for what passed\n"
	case v.live:
		text += "NOT VERIFIED: " + v.unvouched() + "\n"
		v.u.verdict = exitDeviations
	case quick:
		text += "hashes hold; the audit was not made again\n"
	default:
		text += "VERIFIED: the same inputs give the same bytes\n"
	}
	_, err := v.u.out.Write([]byte(text))
	if err = outputFailed(err); err == nil && v.unreadable > 0 {
		err = exitError{exitInput, hint(errors.New("not verified: files that this takes are missing or cannot be read"),
			"name them, or the directory that holds them, behind AUDIT.json, as they are known by their SHA-256; a signature with --signature")}
	}
	return err
}

// unvouched says why nothing vouches for an audit of packets that passed.
func (v *verification) unvouched() string {
	what, how := "this live audit", "live --sign"
	if len(v.audit.Parts) > 0 {
		what, how = "this audit, which has live parts", "combine --sign"
	}
	if v.renderer != "" {
		return "nothing vouches for " + what + " itself (" + how + "): what is signed is reports made of it, by " + reports.Clean(v.renderer)
	}
	return "nothing vouches for " + what + "; --allowed-signers checks its signature (" + how + ")"
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
		v.lack(what, "standard input: give the file that was read, sha256 "+sum)
		return ""
	}
	found, err := hashFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && slices.ContainsFunc(v.given, func(g givenFile) bool { return g.sum == sum }):
		v.lack(what, name+": the file with its bytes stands for another; it is needed twice")
	case err != nil:
		v.lack(what, fmt.Sprintf("%s: %v", name, bare(err)))
	case found != sum:
		v.fail(what, fmt.Sprintf("%s differs: sha256 %s, the audit has %s", name, found, sum))
	default:
		v.note(what, name+" holds")
		return name
	}
	return ""
}

// signature checks the manifest of the audit and its signature, if there are any.
func (v *verification) signature(f verifyFlags) error {
	path := cmp.Or(f.signature, v.path+manifestSuffix+signatureSuffix)
	manifest := strings.TrimSuffix(path, signatureSuffix)
	sig, err := readSmall(path, maxKeyFile)
	message, merr := readSmall(manifest, maxManifest)
	absent := errors.Is(err, fs.ErrNotExist)
	switch {
	case absent && f.signers != "":
		v.lack("signature", "none: there is no "+path)
	case absent:
		v.note("signature", "none")
	case f.signers == "":
		v.note("signature", path+" was not checked: give --allowed-signers")
	case err != nil:
		v.lack("signature", fmt.Sprintf("%s: %v", path, bare(err)))
	case merr == nil:
		good, err := v.signed(path, message, sig, f.signers)
		if good {
			v.manifest(manifest, message, "signed with it")
		}
		return err
	}
	switch {
	case merr == nil:
		v.manifest(manifest, message, "written with it")
	case absent && errors.Is(merr, fs.ErrNotExist):
	default:
		v.lack("manifest", fmt.Sprintf("%s: %v", manifest, bare(merr)))
	}
	return nil
}

// signed is true where an allowed signer has signed the message.
func (v *verification) signed(path string, message, sig []byte, signers string) (bool, error) {
	allowed, err := readSmall(signers, maxKeyFile)
	if err != nil {
		return false, exitError{exitUsage, hint(fmt.Errorf("reading %s: %w", signers, bare(err)), "name a list of allowed signers")}
	}
	who, err := signedBy(message, sig, allowed, time.Now())
	if err != nil {
		v.fail("signature", fmt.Sprintf("%s: %v", path, err))
		return false, nil
	}
	v.note("signature", "good, by "+who)
	v.signer = who
	return true, nil
}

// manifest holds a manifest against the audit and the other files that were written with it.
func (v *verification) manifest(path string, data []byte, with string) {
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) == v.sum {
		return // the audit was signed by itself
	}
	s, err := readManifest(data)
	if err != nil {
		v.fail("manifest", fmt.Sprintf("%s: %v", path, err))
		return
	}
	outputs, sources := s.files()
	isAudit := func(j subject) bool { return j.Digest.SHA256 == v.sum }
	for _, o := range outputs {
		if isAudit(o) {
			continue
		}
		found, err := hashFile(filepath.Join(filepath.Dir(path), filepath.FromSlash(o.Name)))
		switch {
		case err != nil:
			v.note("report", fmt.Sprintf("%s, %s, is not here", o.Name, with))
		case found != o.Digest.SHA256:
			v.fail("report", fmt.Sprintf("%s differs: sha256 %s, the manifest has %s", o.Name, found, o.Digest.SHA256))
		default:
			v.note("report", fmt.Sprintf("%s, %s, holds", o.Name, with))
		}
	}
	switch {
	case slices.ContainsFunc(outputs, isAudit):
		if want, err := statementOf(v.written, outputs, sources); err != nil || !reflect.DeepEqual(s, want) {
			v.fail("manifest", path+" says something else of this audit than the audit itself")
		}
	case slices.ContainsFunc(sources, isAudit):
		v.note("manifest", path+" is of reports made of this audit, not of the audit itself")
		v.renderer, v.signer = v.signer, ""
	default:
		v.fail("manifest", path+" is of other reports than this audit")
	}
}
