package main

import (
	"bytes"
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/reports"
	"pcapaudit/rules"
)

func rulesDiffCommand(u *ui) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say in words what changed from one pack to another: flows, roles, conditions",
		Long: `diff compares two packs, by name or file: flows that are new, gone, renamed or changed, and so for roles,
conditions and documents. An entry counts as renamed where all that matters to an audit has stayed.

Exit codes: 0, whatever changed; 2 usage, or a pack that does not load; 5 output.`,
		Example: `  # A copy of a pack, changed: other ports, and a flow that is not needed.
  pcapaudit rules show acronis-abr-11.5 --format json |
    sed 's/"9876"/"9877"/' > mine.yaml
  pcapaudit rules diff acronis-abr-11.5 mine.yaml
  pcapaudit rules diff --format json acronis-abr-11.5 mine.yaml |
    jq '.flows[].changes[].text'`,
		Args:              exactly(2, "name the older pack, then the newer one"),
		ValidArgsFunction: completePacks,
		RunE: func(_ *cobra.Command, args []string) error {
			look, err := u.look(false)
			if err != nil {
				return err
			}
			packs, err := u.loadPacks(args)
			if err != nil {
				return err
			}
			var text bytes.Buffer
			if err := reports.PackDiff(&text, rules.ComparePacks(packs[0], packs[1]), format, look); err != nil {
				return misspelt(err, format, reports.DiffFormats)
			}
			_, err = u.out.Write(text.Bytes())
			return outputFailed(err)
		},
	}
	c.Flags().StringVar(&format, "format", "table", "`FORMAT`: "+strings.Join(reports.DiffFormats, ", "))
	completeWords(c, "format", reports.DiffFormats...)
	return c
}
