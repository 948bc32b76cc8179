package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"pcapaudit/reports"
	"pcapaudit/rules"
)

func rulesCommand(u *ui) *cobra.Command {
	c := &cobra.Command{
		Use:   "rules",
		Short: "List, show, check, compare, start, draft and export rule packs",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(rulesListCommand(u), rulesShowCommand(u), rulesCheckCommand(u), rulesDiffCommand(u), rulesNewCommand(u), rulesImportCommand(u),
		rulesExportCommand(u), rulesSchemaCommand(u))
	return c
}

func rulesListCommand(u *ui) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the embedded packs",
		Example: "  pcapaudit rules list",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			look, err := u.look(false)
			if err != nil {
				return err
			}
			packs, err := u.loadPacks(builtinNames())
			if err != nil {
				return err
			}
			return outputFailed(reports.PackList(u.out, packs, look))
		},
	}
}

func rulesShowCommand(u *ui) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "show PACK|FILE",
		Short: "Show one pack: roles, conditions, documented flows and their citations",
		Example: `  pcapaudit rules show acronis-abr-11.5
  pcapaudit rules show configmgr-2012 --format json`,
		Args:              exactly(1, "name one pack; pcapaudit rules list shows them"),
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
			switch format {
			case "table":
				return outputFailed(reports.PackTable(u.out, packs[0], look))
			case "json":
				text, err := packs[0].JSON()
				if err != nil {
					return err
				}
				_, err = u.out.Write(text)
				return outputFailed(err)
			}
			return exitError{exitUsage, fmt.Errorf("unknown format %q; use table or json", format)}
		},
	}
	c.Flags().StringVar(&format, "format", "table", "`FORMAT`: table, json")
	completeWords(c, "format", "table", "json")
	return c
}

func siteCommand(u *ui) *cobra.Command {
	c := &cobra.Command{
		Use:   "site",
		Short: "Check site files",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var names []string
	check := &cobra.Command{
		Use:     "check FILE",
		Short:   "Check a site file against the packs that it binds, or those named, and print every problem with file:line:col",
		Example: "  pcapaudit site check --rules acronis-abr-11.5 site.yaml",
		Args:    exactly(1, "name one site file"),
		RunE: func(_ *cobra.Command, args []string) error {
			site, problems := rules.LoadSite(args[0])
			if err := u.report(problems); err != nil {
				return err
			}
			packs, err := u.loadPacks(packNames(auditFlags{rules: names}, site))
			if err != nil {
				return err
			}
			_, problems = rules.Compile(packs, site)
			if err := u.report(problems); err != nil {
				return err
			}
			_, err = fmt.Fprintf(u.out, "%s: no problem in %d hosts\n", args[0], len(site.Hosts))
			return outputFailed(err)
		},
	}
	rulesFlag(check, &names)
	c.AddCommand(check, schemaCommand(u, "site files", rules.SiteSchemaFile, rules.SiteSchema, "pcapaudit site schema"))
	return c
}

func rulesFlag(c *cobra.Command, names *[]string) {
	c.Flags().StringArrayVar(names, "rules", nil, "rule `PACK`, by name or file; repeat for several")
	_ = c.RegisterFlagCompletionFunc("rules", completePacks)
}

func completePacks(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return builtinNames(), cobra.ShellCompDirectiveDefault
}

// completeWords completes a flag of fixed words in the shell.
func completeWords(c *cobra.Command, flag string, words ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

func exactly(n int, advice string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return exitError{exitUsage, hint(fmt.Errorf("%s takes %d argument, got %d", c.CommandPath(), n, len(args)), "%s", advice)}
		}
		return nil
	}
}

func atLeast(n int, advice string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < n {
			return exitError{exitUsage, hint(errors.New(c.CommandPath()+": nothing to read"), "%s", advice)}
		}
		return nil
	}
}
