package main

import (
	"github.com/spf13/cobra"
)

// reportFlags are the flags of report and combine: what becomes of an audit that is at hand.
type reportFlags struct {
	outputFlags
	format      string
	annotations string
	all         bool
}

func (f *reportFlags) register(c *cobra.Command) {
	formatFlag(c, &f.format)
	reportFlag(c, &f.reports)
	annotationsFlag(c, &f.annotations)
	signFlag(c, &f.sign)
	pseudonymFlag(c, &f.pseudonyms)
	f.oscal.register(c)
	c.Flags().BoolVar(&f.all, "all", false, "show every finding, host and flow; fold nothing")
}

func reportCommand(u *ui) *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:   "report AUDIT.json [--report FILE]...",
		Short: "Render an audit again, in any format",
		Long: `report reads the JSON report of an audit, of this or an older version, and writes it in other formats.
Nothing is judged again. Written as JSON, the audit of this version is the same file again.
` + pseudonymHelp + ` Evidence that was
written with the audit has the true addresses, so that the report does not name it.

Exit codes: 0 rendered, whatever the result of the audit; 2 usage or annotations; 4 the file is no audit
that this version can read; 5 output.`,
		Example: audited + `
  # On a terminal, in full; as a page; as two words.
  pcapaudit report audit.json --all
  pcapaudit report audit.json --report audit.html --report audit.sarif
  pcapaudit report audit.json --format json | jq -r .result.verdict

  # For readers who must not know the names.
  pcapaudit pseudonyms new audit.key
  pcapaudit report audit.json --pseudonymise audit.key --report shared.html`,
		Args:              exactly(1, "name the JSON report of an audit"),
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
			audit, sum, err := loadAudit(args[0])
			if err != nil {
				return err
			}
			if err := u.annotate(audit, f.annotations); err != nil {
				return err
			}
			if audit, err = hidden.audit(audit); err != nil {
				return err
			}
			out, err := openOutputs(f.outputFlags, []string{args[0], f.annotations, f.sign, f.pseudonyms})
			if err != nil {
				return err
			}
			defer out.discard()
			if out.seal != nil {
				name, sum := hidden.file(args[0], sum)
				out.seal.sources = []subject{{name, digest{sum}}}
			}
			return writeAudit(u, audit, format, look, out)
		},
	}
	f.register(c)
	return c
}
