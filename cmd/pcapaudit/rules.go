package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/reports"
	"pcapaudit/rules"
)

func rulesCommand(u *ui) *cobra.Command {
	c := &cobra.Command{
		Use:   "rules",
		Short: "List, show, check, compare, start, draft and export rule packs",
		Example: `  # The packs that are there, and what one of them says.
  pcapaudit rules list
  pcapaudit rules show acronis-abr-11.5`,
		Args: noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(rulesListCommand(u), rulesShowCommand(u), rulesCheckCommand(u), rulesDiffCommand(u), rulesNewCommand(u), rulesImportCommand(u),
		rulesExportCommand(u), rulesSchemaCommand(u))
	return c
}

func rulesListCommand(u *ui) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the embedded packs",
		Long: `list names the packs that are part of the program, which --rules takes by these names: those of vendors, then the
baseline packs, which a site brings along. rules show prints one of them.

Exit codes: 0; 5 output.`,
		Example: `  pcapaudit rules list`,
		Args:    exactly(0, "to see one pack: pcapaudit rules show PACK"),
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
		Use:   "show PACK|FILE[/NAME]",
		Short: "Show one pack: roles, conditions, documented flows and their citations",
		Long: `show prints what a pack says: the documents, the roles, the conditions, and every flow with the lines of the
document that state it. PACK/NAME shows only what a role, a condition or a flow of that name is about.

Exit codes: 0; 2 usage, or a pack that does not load; 5 output.`,
		Example: `  # A pack with its roles, conditions and flows.
  pcapaudit rules show acronis-abr-11.5

  # What an agent opens and answers; when one of the conditions matters.
  pcapaudit rules show acronis-abr-11.5/agent
  pcapaudit rules show acronis-abr-11.5/license-server-used

  # For other programs.
  pcapaudit rules show configmgr-2012 --format json | jq -r '.flows[].id'`,
		Args:              exactly(1, "name one pack; pcapaudit rules list shows them"),
		ValidArgsFunction: completeParts,
		RunE: func(_ *cobra.Command, args []string) error {
			look, err := u.look(false)
			if err != nil {
				return err
			}
			pack, err := u.loadPart(args[0])
			if err != nil {
				return err
			}
			switch format {
			case "table":
				return outputFailed(reports.PackTable(u.out, pack, look))
			case "json":
				text, err := pack.JSON()
				if err != nil {
					return err
				}
				_, err = u.out.Write(text)
				return outputFailed(err)
			}
			return misspelt(fmt.Errorf("unknown format %q; use table or json", format), format, []string{"table", "json"})
		},
	}
	c.Flags().StringVar(&format, "format", "table", "`FORMAT`: table, json")
	completeWords(c, "format", "table", "json")
	return c
}

// loadPart loads PACK or FILE, or of it what /NAME behind it is about.
func (u *ui) loadPart(text string) (*rules.Pack, error) {
	name, part := text, ""
	if at := strings.LastIndex(text, "/"); at > 0 {
		file, err := os.Stat(text[:at])
		meant := err != nil && rules.Nearest(text[:at], builtinNames()) != "" // a pack, which LoadPack says
		if meant || err == nil && file.Mode().IsRegular() || slices.Contains(builtinNames(), text[:at]) {
			name, part = text[:at], text[at+1:]
		}
	}
	packs, err := u.loadPacks([]string{name})
	if err != nil || part == "" {
		return packs[0], err
	}
	pack, err := packs[0].Part(part)
	if err != nil {
		return nil, exitError{exitUsage, err}
	}
	return pack, nil
}

func siteCommand(u *ui) *cobra.Command {
	c := &cobra.Command{
		Use:   "site",
		Short: "Draft, check and fill site files",
		Example: `  # A first site file out of a capture, and whether it is in order.
  pcapaudit site draft --rules acronis-abr-11.5 -o site.yaml \
    testdata/captures/acronis-clean.pcapng
  pcapaudit site check site.yaml`,
		Args: noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var names []string
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a site file against the packs that it binds, or those named, and print every problem with file:line:col",
		Long: `check prints every mistake in a site file with its place and what to do about it: keys, addresses, roles, conditions
and flows that are not there, with the nearest name, entries that contradict each other, exceptions without an owner.

Exit codes: 0, also with warnings; 2 usage, or a site with an error; 5 output.`,
		Example: `  # A site that is in order.
  pcapaudit site check testdata/sites/acronis.yaml

  # Against a pack that it binds no role of (exit code 2).
  pcapaudit site check --rules configmgr-2012 testdata/sites/acronis.yaml`,
		Args: exactly(1, "name one site file"),
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
			if _, err := fmt.Fprintf(u.out, "%s: no problem in %d hosts\n", args[0], len(site.Hosts)); err != nil {
				return outputFailed(err)
			}
			return outputFailed(inventories(u.out, site))
		},
	}
	rulesFlag(check, &names)
	check.ValidArgsFunction = siteFiles
	c.AddCommand(siteDraftCommand(u), check, siteImportCommand(u), schemaCommand(u, "site files", rules.SiteSchemaFile, rules.SiteSchema, "pcapaudit site schema"))
	return c
}

func rulesFlag(c *cobra.Command, names *[]string) {
	c.Flags().StringArrayVar(names, "rules", nil, "rule `PACK`, by name or file; repeat for several; left out: those whose roles the site binds, else all")
	_ = c.RegisterFlagCompletionFunc("rules", completePacks)
}

func siteFlag(c *cobra.Command, file *string, what string) {
	c.Flags().StringVar(file, "site", "", "site `FILE`: "+what)
	_ = c.RegisterFlagCompletionFunc("site", siteFiles)
}

func exactly(n int, advice string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return exitError{exitUsage, hint(fmt.Errorf("%s takes %s, got %d", c.CommandPath(), plural(n, "argument"), len(args)), "%s", advice)}
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
