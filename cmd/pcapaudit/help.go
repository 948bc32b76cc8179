package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// start is what pcapaudit says where nothing is asked of it; it fits a screen of 80 columns and 24 lines.
const start = `pcapaudit audits packet captures against the network flows that product
documentation describes. Three ways to start:

1. Audit a capture: find the product's pack, write down who plays which role.
     pcapaudit rules list
     pcapaudit audit --rules PACK --site SITE.yaml CAPTURE

2. Begin with a vendor's page and a capture that nobody has explained yet.
     pcapaudit rules import PAGE.html -o pack.yaml
     pcapaudit site draft --rules pack.yaml CAPTURE > site.yaml

3. Watch a network while it works.
     pcapaudit live --interface eth0 --site SITE.yaml

A first audit to try, in the folder of the sources:
     pcapaudit audit --site testdata/sites/acronis.yaml \
       testdata/captures/acronis-deviating.pcapng

pcapaudit --help lists the commands; pcapaudit COMMAND --help shows examples.
`

// The groups of commands, in the order of help.
const (
	groupAudit = "audit"
	groupRead  = "read"
	groupRules = "rules"
	groupElse  = "else"
)

var commandGroups = []*cobra.Group{
	{ID: groupAudit, Title: "Look at traffic:"},
	{ID: groupRead, Title: "Read what an audit found:"},
	{ID: groupRules, Title: "Say what is documented, and who plays which role:"},
	{ID: groupElse, Title: "Besides:"},
}

// grouped adds commands to root as one group of its help, in this order.
func grouped(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
	}
	root.AddCommand(commands...)
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command, with examples",
		Example: `  # What there is for rule packs, and how a document becomes one.
  pcapaudit help rules
  pcapaudit help rules import`,
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			above, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return commandNames(above), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			of, rest, err := c.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return noSuchCommand(of, rest)
			}
			of.InitDefaultHelpFlag()
			of.InitDefaultVersionFlag()
			return of.Help()
		},
	}
}

// listed says whether help lists a command.
func listed(c *cobra.Command) bool { return c.IsAvailableCommand() || c.Name() == "help" }

// help prints the help of a command for the terminal's width, at most 100 columns.
func (u *ui) help(c *cobra.Command, _ []string) {
	width := 80
	if look, err := u.look(false); err == nil && look.Width > 0 {
		width = max(40, min(look.Width, 100))
	}
	fmt.Fprint(u.out, helpText(c, width))
}

func helpText(c *cobra.Command, width int) string {
	var b bytes.Buffer
	long := c.Long
	if long == "" {
		long = c.Short + "."
	}
	for i, part := range parts(long) {
		if i > 0 && part.begins {
			b.WriteByte('\n')
		}
		if part.verbatim {
			b.WriteString(foldedList(part.lines, width))
		} else {
			b.WriteString(folded("", strings.Join(part.lines, " "), width))
		}
	}
	b.WriteString("\nUsage:\n")
	if !c.HasAvailableSubCommands() {
		b.WriteString(folded("  ", c.UseLine(), width))
	} else {
		fmt.Fprintf(&b, "  %s COMMAND [flags]\n", c.CommandPath())
	}
	if c.HasExample() {
		fmt.Fprintf(&b, "\n%s:\n%s\n", exampleTitle(c.Example), c.Example)
	}
	for _, group := range groupsOf(c) {
		fmt.Fprintf(&b, "\n%s\n", group.Title)
		for _, sub := range c.Commands() {
			if listed(sub) && sub.GroupID == group.ID {
				b.WriteString(folded(fmt.Sprintf("  %-*s", c.Commands()[0].NamePadding()+2, sub.Name()), sub.Short, width))
			}
		}
	}
	flagsText(&b, "Flags", c.LocalFlags(), width)
	flagsText(&b, "Flags of all commands", c.InheritedFlags(), width)
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n%s COMMAND --help explains a command, with examples.\n", c.CommandPath())
	}
	return b.String()
}

// audited begins an example that needs an audit.
const audited = `  # An audit to begin with (exit code 1: it has deviations).
  pcapaudit audit --site testdata/sites/acronis.yaml --report audit.json \
    testdata/captures/acronis-deviating.pcapng
`

// exampleTitle says where the files of an example are.
func exampleTitle(example string) string {
	if strings.Contains(example, "testdata/") {
		return "Examples, in the folder of the sources"
	}
	return "Examples"
}

// groupsOf are the groups of the commands below one.
func groupsOf(c *cobra.Command) []*cobra.Group {
	switch {
	case len(c.Groups()) > 0:
		return c.Groups()
	case c.HasAvailableSubCommands():
		return []*cobra.Group{{Title: "Commands:"}}
	}
	return nil
}

func flagsText(b *bytes.Buffer, title string, flags *pflag.FlagSet, width int) {
	if text := flags.FlagUsagesWrapped(width); text != "" {
		fmt.Fprintf(b, "\n%s:\n%s", title, text)
	}
}

// helpPart are lines of a help text that belong together: prose, which may be broken anew, or lines that stay as they are.
type helpPart struct {
	lines    []string
	verbatim bool
	begins   bool // a paragraph
}

// parts takes a help text apart: paragraphs are separated by empty lines, and lines that are indented stay as they are.
func parts(text string) []helpPart {
	var list []helpPart
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		begins := true
		for lines := strings.Split(paragraph, "\n"); len(lines) > 0; begins = false {
			n, verbatim := 0, strings.HasPrefix(lines[0], "  ")
			for n < len(lines) && strings.HasPrefix(lines[n], "  ") == verbatim {
				n++
			}
			list = append(list, helpPart{lines[:n], verbatim, begins})
			lines = lines[n:]
		}
	}
	return list
}

// listTerm is what an entry of a list explains, with the space around it.
var listTerm = regexp.MustCompile(`^ +\S+ {2,}`)

// foldedList breaks the entries of a list, "  TERM  EXPLANATION", to a width, where one does not fit; other lines stay as they are. What stands under an
// explanation belongs to it.
func foldedList(lines []string, width int) string {
	if !slices.ContainsFunc(lines, func(l string) bool { return len(l) > width }) {
		return strings.Join(lines, "\n") + "\n"
	}
	var b strings.Builder
	for len(lines) > 0 {
		head := listTerm.FindString(lines[0])
		text, n := lines[0][len(head):], 1
		for head != "" && n < len(lines) && strings.HasPrefix(lines[n], strings.Repeat(" ", len(head))) {
			text += lines[n]
			n++
		}
		if head == "" {
			b.WriteString(lines[0] + "\n")
		} else {
			b.WriteString(folded(head, text, width))
		}
		lines = lines[n:]
	}
	return b.String()
}

// folded breaks prose to lines of a width, of which the first begins with head and the others with as much space.
func folded(head, text string, width int) string {
	var b strings.Builder
	line, space := head, strings.Repeat(" ", len(head))
	empty := true
	for _, word := range strings.Fields(text) {
		if !empty && len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line, empty = space, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	return b.String()
}
