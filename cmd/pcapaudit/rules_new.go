package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"pcapaudit/rules"
)

func rulesNewCommand(u *ui) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Start a pack: a file with every key explained once, which itself passes rules check",
		Long: `new writes a pack to begin with: made-up roles and flows that show every key, each explained where it first
stands. Replace them by what your document says, run rules check, then remove status: draft.

Exit codes: 0; 2 usage, or a name that no pack can have; 5 output, also where the file exists.`,
		Example: `  pcapaudit rules new mybackup-3 -o mybackup-3.yaml
  pcapaudit rules check mybackup-3.yaml`,
		Args: exactly(1, "name the pack: small letters, digits, dots and hyphens, such as mybackup-3"),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := rules.Template(args[0])
			if err != nil {
				return exitError{exitUsage, err}
			}
			return u.writeDraft(file, text)
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "-", "write to a new `FILE`; - is standard output")
	return c
}

func rulesSchemaCommand(u *ui) *cobra.Command {
	return schemaCommand(u, "packs", rules.PackSchemaFile, rules.PackSchema, "pcapaudit rules schema")
}

// schemaCommand prints the schema of one kind of rule file.
func schemaCommand(u *ui, kind, file string, schema func() ([]byte, error), command string) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema (draft 2020-12) of " + kind + ", which editors check and complete by",
		Long: fmt.Sprintf(`schema prints what editors with a YAML language server need to check and complete %s while you type. Keep
it beside your files under the name %s: the first line of a file that pcapaudit has generated,
%q, points to it. rules check and site check find more: what one entry means for another.

Exit codes: 0; 5 output.`, kind, file, rules.SchemaLine(file)[:len(rules.SchemaLine(file))-1]),
		Example: "  " + command + " > " + file,
		Args:    exactly(0, "it prints the schema; send it to a file with >"),
		RunE: func(*cobra.Command, []string) error {
			text, err := schema()
			if err != nil {
				return err
			}
			_, err = u.out.Write(text)
			return outputFailed(err)
		},
	}
}
