package main

import (
	"github.com/spf13/cobra"

	"pcapaudit/capture/sandbox"
	"pcapaudit/classify"
)

func combineCommand(u *ui) *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:   "combine AUDIT.json AUDIT.json...",
		Short: "Make one audit of many: nights, or capture points",
		Long: `combine makes one audit of the JSON reports of several, which must rest on the same packs, the same site and
different captures, by SHA-256. Their order does not matter.

Reports of live audits are told apart by machine, interface and time. Those that watched the same interfaces one after
the other, such as the periods of a day, are one capture: a connection that crosses a boundary counts once, in the
period that it ended in, the time that no report covers is blind, and packs and site may have changed between
them, which the report says. Two that watched an interface at the same time are refused. Nobody kept the packets of
live parts, so that verify asks for a signature of what is combined (--sign).

Findings of the same id become one. An expectation is observed if any audit saw it; it is missing or attempted
where an audit says so and every other that should have shown it could: a night in which the host was silent,
or a capture point that does not see the pair, takes nothing away, but where period, loss, a filter or a tunnel
hid it, it is not testable. Numbers are sums, so a connection that two audits saw counts twice, which the report
says; numbers of hosts are the largest of any audit. The result follows by the rules of every audit, with the
worst loss of any. Audits with pseudonyms must have them of one key. To count each connection once, audit the
captures themselves together, with --dedup where capture points saw the same packets. Leave the site's period open, or each night is judged as a part of it that does not cover it.

Exit codes: those of an audit: 0 clean, 1 deviations, 3 inconclusive; 2 usage, or audits that do not fit
together; 4 a file is no audit that this version can read; 5 output.`,
		Example: `  # Two windows of one site, one audit each: a quiet one,
  pcapaudit audit --site testdata/sites/acronis.yaml --report one.json \
    testdata/captures/acronis-clean.pcapng

  # and one with deviations (exit code 1).
  pcapaudit audit --site testdata/sites/acronis.yaml --report two.json \
    testdata/captures/acronis-deviating.pcapng

  # One audit of both (exit code 1).
  pcapaudit combine one.json two.json --report both.json --report both.txt

  # It can be verified: the parts are combined again.
  pcapaudit verify both.json`,
		Args:              atLeast(2, "name the JSON reports of two audits or more"),
		ValidArgsFunction: auditFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			look, format, err := u.rendering(f.format, f.all, f.oscal)
			if err != nil {
				return err
			}
			hidden, err := loadPseudonyms(f.pseudonyms)
			if err != nil {
				return err
			}
			audit, err := combineFiles(args, args)
			if err != nil {
				return err
			}
			if err := u.annotate(audit, f.annotations); err != nil {
				return err
			}
			if audit, err = hidden.audit(audit); err != nil {
				return err
			}
			out, err := openOutputs(f.outputFlags, append([]string{f.annotations, f.sign, f.pseudonyms}, args...))
			if err != nil {
				return err
			}
			defer out.discard()
			if out.seal != nil {
				for _, p := range audit.Parts {
					out.seal.sources = append(out.seal.sources, subject{p.File, digest{p.SHA256}})
				}
			}
			u.verdict = audit.Result.Code
			return writeAudit(u, audit, format, look, out)
		},
	}
	f.register(c)
	return c
}

// combineFiles combines the audits in files, which the combined audit knows by the given names.
func combineFiles(files, names []string) (*classify.Audit, error) {
	list, err := loadParts(files, names)
	if err != nil {
		return nil, err
	}
	return combineParts(list)
}

func loadParts(files, names []string) ([]classify.Source, error) {
	var list []classify.Source
	for i, path := range files {
		a, sum, err := loadAudit(path)
		if err != nil {
			return nil, err
		}
		list = append(list, classify.Source{File: names[i], SHA256: sum, Audit: a})
	}
	return list, nil
}

func combineParts(list []classify.Source) (*classify.Audit, error) {
	audit, err := classify.Combine(list, thisTool)
	if err != nil {
		return nil, exitError{exitUsage, err}
	}
	return audit, nil
}

// combined combines the parts of an audit again.
func (v *verification) combined(quick bool) error {
	var files, names []string
	before := v.doubts()
	for _, p := range v.audit.Parts {
		files, names = append(files, v.locate("part", p.File, p.SHA256)), append(names, p.File)
	}
	at := located{}
	if n := v.audit.Annotations; n != nil {
		at.annotations = v.locate("annotations", n.File, n.SHA256)
	}
	if v.doubts() > before {
		v.note("run", "not combined again: not every part is here and the same")
		return nil
	}
	if _, err := v.u.confine(v.sandbox, sandbox.Plan{Read: append(files, at.annotations)}); err != nil {
		return err
	}
	var parts []classify.Source
	for i := range files {
		part, err := loadParts(files[i:i+1], names[i:i+1])
		if err != nil {
			return err
		}
		v.live = v.live || isLive(part[0].Audit)
		if !quick {
			parts = append(parts, part...)
		}
	}
	if v.live {
		v.consistent()
	}
	if quick {
		v.note("run", "not combined again (--quick)")
		return nil
	}
	again, err := combineParts(parts)
	if err != nil {
		return err
	}
	if err := v.mark(again, at); err != nil {
		v.fail("run", err.Error())
		return nil
	}
	if again.Pseudonyms == nil {
		if again, err = v.hidden.audit(again); err != nil {
			return err
		}
	}
	v.note("captures", "are those of the parts: verify each part by itself, too")
	return v.compare(again)
}
