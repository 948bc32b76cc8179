package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/reports"
	"pcapaudit/rules"
)

// shells are those for which completion can be written.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func completionCommand(u *ui) *cobra.Command {
	var plain bool
	c := &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the script by which a shell completes commands, packs, roles, findings",
		Long: `completion prints a script for your shell. The TAB key then completes commands and flags, packs, their roles,
conditions and flows, the words of formats, time zones, interfaces, and the findings and flows of an audit.

A package of pcapaudit brings it along. Else, for the shell that runs:

  bash        source <(pcapaudit completion bash)     with bash-completion
  zsh         source <(pcapaudit completion zsh)      after compinit
  fish        pcapaudit completion fish | source
  powershell  pcapaudit completion powershell | Out-String | Invoke-Expression

For every new shell, put that line into its start file.

Exit codes: 0; 2 usage; 5 output.`,
		Example: `  # For every new bash of yours.
  mkdir -p ~/.local/share/bash-completion/completions
  pcapaudit completion bash > ~/.local/share/bash-completion/completions/pcapaudit`,
		Args:      exactly(1, "name the shell: bash, zsh, fish or powershell"),
		ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf("the shell", args[0], "bash, zsh, fish or powershell", shells...); err != nil {
				return err
			}
			var text bytes.Buffer
			if err := writeCompletion(&text, c.Root(), args[0], plain); err != nil {
				return err
			}
			_, err := u.out.Write(text.Bytes())
			return outputFailed(err)
		},
	}
	c.Flags().BoolVar(&plain, "no-descriptions", false, "complete words without saying what they are")
	return c
}

func writeCompletion(w io.Writer, root *cobra.Command, shell string, plain bool) error {
	switch {
	case shell == "bash":
		return root.GenBashCompletionV2(w, !plain)
	case shell == "fish":
		return root.GenFishCompletion(w, !plain)
	case shell == "zsh" && plain:
		return root.GenZshCompletionNoDesc(w)
	case shell == "zsh":
		return root.GenZshCompletion(w)
	case plain:
		return root.GenPowerShellCompletion(w)
	}
	return root.GenPowerShellCompletionWithDesc(w)
}

// completePacks completes packs by name, else by file.
func completePacks(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return builtinNames(), cobra.ShellCompDirectiveDefault
}

// completeParts completes packs and, behind PACK/, its roles, conditions and flows.
func completeParts(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	at := strings.LastIndex(begun, "/")
	if len(args) > 0 || at < 0 {
		return completePacks(c, args, begun)
	}
	p, _ := rules.LoadPack(begun[:at])
	if p == nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var list []string
	add := func(kind, name, title string) {
		list = append(list, fmt.Sprintf("%s/%s\t%s: %s", begun[:at], name, kind, reports.Clean(title)))
	}
	for _, r := range p.Roles {
		add("role", r.Name, r.Title)
	}
	for _, x := range p.Conditions {
		add("condition", x.Name, x.Title)
	}
	for _, f := range p.Flows {
		add("flow", f.ID, f.Title)
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// completeRoleRule completes how a rule of site import begins and, behind its "=", the roles of the embedded packs.
func completeRoleRule(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	at := strings.LastIndexAny(begun, "=,")
	if at < 0 {
		return []string{"column:", "group:", "ou:", "name:"}, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
	var list []string
	for _, name := range builtinNames() {
		p, _ := rules.LoadPack(name)
		if p == nil {
			continue
		}
		for _, r := range p.Roles {
			list = append(list, fmt.Sprintf("%s%s/%s\t%s", begun[:at+1], name, r.Name, reports.Clean(r.Title)))
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// completeWords completes a flag of fixed words in the shell.
func completeWords(c *cobra.Command, flag string, words ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// completeList completes a flag by words that are made when they are asked for.
func completeList(c *cobra.Command, flag string, words func() []string) {
	_ = c.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words(), cobra.ShellCompDirectiveNoFileComp
	})
}

// siteFiles completes site files.
func siteFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// interfaces are the network interfaces of this machine.
func interfaces() []string {
	list, _ := net.Interfaces()
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

// zoneTable lists the time zones on most systems: "CODES COORDINATES ZONE [COMMENT]" in each line (tzfile's zone1970.tab).
const zoneTable = "/usr/share/zoneinfo/zone1970.tab"

// zones are the time zones that this system lists, and UTC.
func zones() []string {
	names := []string{"UTC"}
	text, _ := os.ReadFile(zoneTable)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 2 && !strings.HasPrefix(line, "#") {
			names = append(names, f[2])
		}
	}
	slices.Sort(names)
	return names
}
