package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manualCommand is for those who make packages.
func manualCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "manuals DIR",
		Short:  "Write the manual pages of all commands to a directory",
		Hidden: true,
		Args:   exactly(1, "name a directory"),
		RunE: func(c *cobra.Command, args []string) error {
			date := ""
			if text := os.Getenv("SOURCE_DATE_EPOCH"); text != "" {
				seconds, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					return exitError{exitUsage, errors.New("SOURCE_DATE_EPOCH: use seconds since 1970")}
				}
				date = time.Unix(seconds, 0).UTC().Format(time.DateOnly)
			}
			return writeManuals(c.Root(), args[0], date)
		},
	}
}

// writeManuals writes the page of a command and those of the ones below it, as far as help lists them.
func writeManuals(c *cobra.Command, dir, date string) error {
	name := filepath.Join(dir, manualName(c)+".1")
	if err := os.WriteFile(name, []byte(manualPage(c, date)), 0o644); err != nil {
		return exitError{exitOutput, err}
	}
	for _, sub := range documented(c) {
		if err := writeManuals(sub, dir, date); err != nil {
			return err
		}
	}
	return nil
}

// documented are the commands below one that have pages.
func documented(c *cobra.Command) []*cobra.Command {
	var list []*cobra.Command
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			list = append(list, sub)
		}
	}
	return list
}

func manualName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manualPage is a page in the language of man(7). date may be empty.
func manualPage(c *cobra.Command, date string) string {
	c.InitDefaultHelpFlag()
	m := &manual{}
	m.line(".TH %s 1 \"%s\" %s %s", quoted(strings.ToUpper(manualName(c))), date, quoted("pcapaudit "+version), quoted("pcapaudit"))
	m.line(".nh\n.ad l") // texts hold command lines, which are not to be broken
	m.section("NAME")
	m.line("%s \\- %s", roff(manualName(c)), roff(c.Short))
	m.section("SYNOPSIS")
	m.line(".B %s", quoted(c.CommandPath()))
	m.text(strings.TrimPrefix(c.UseLine(), c.CommandPath()))
	m.section("DESCRIPTION")
	m.prose(c.Long, c.Short)
	m.commands(c)
	m.flags("OPTIONS", c.NonInheritedFlags())
	m.flags("GLOBAL OPTIONS", c.InheritedFlags())
	if c.Example != "" {
		m.section("EXAMPLES")
		if strings.Contains(c.Example, "testdata/") {
			m.text("In the folder of the sources:")
		}
		m.verbatim(strings.Split(c.Example, "\n"))
	}
	m.section("SEE ALSO")
	m.text(strings.Join(related(c), ", "))
	return m.String()
}

// related are the pages above a command, beside it and below it.
func related(c *cobra.Command) []string {
	var list []string
	if p := c.Parent(); p != nil {
		list = append(list, manualName(p)+"(1)")
		for _, sub := range documented(p) {
			if sub != c {
				list = append(list, manualName(sub)+"(1)")
			}
		}
	}
	for _, sub := range documented(c) {
		list = append(list, manualName(sub)+"(1)")
	}
	return list
}

// manual is a page that is being written.
type manual struct{ strings.Builder }

func (m *manual) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }
func (m *manual) section(title string)            { m.line(".SH %s", quoted(title)) }

// text writes a line of prose.
func (m *manual) text(s string) {
	if s = strings.TrimSpace(s); s != "" {
		m.line("%s", roff(s))
	}
}

// prose writes paragraphs, or else what is to be said instead. Lines that are indented stay as they are.
func (m *manual) prose(text, instead string) {
	if text == "" {
		text = instead + "."
	}
	for i, part := range parts(text) {
		if i > 0 && part.begins {
			m.line(".PP")
		}
		if part.verbatim {
			m.verbatim(part.lines)
		} else {
			m.text(strings.Join(part.lines, "\n"))
		}
	}
}

// verbatim writes lines as they are, without the indentation that all of them have.
func (m *manual) verbatim(lines []string) {
	m.line(".RS 4\n.nf")
	for _, l := range lines {
		m.line("%s", roff(strings.TrimPrefix(l, "  ")))
	}
	m.line(".fi\n.RE")
}

func (m *manual) commands(c *cobra.Command) {
	list := documented(c)
	if len(list) == 0 {
		return
	}
	m.section("COMMANDS")
	for _, sub := range list {
		m.line(".TP\n.B %s\n%s", quoted(sub.Name()), roff(sub.Short))
	}
}

func (m *manual) flags(title string, set *pflag.FlagSet) {
	first := true
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if first {
			m.section(title)
			first = false
		}
		m.flag(f)
	})
}

func (m *manual) flag(f *pflag.Flag) {
	value, usage := pflag.UnquoteUsage(f)
	names := `\fB\-\-` + roff(f.Name) + `\fR`
	if f.Shorthand != "" {
		names = `\fB\-` + roff(f.Shorthand) + `\fR, ` + names
	}
	if value != "" {
		names += ` \fI` + roff(value) + `\fR`
	}
	switch f.DefValue {
	case "", "false", "[]", "0", "0s":
	default:
		usage += " (default " + f.DefValue + ")"
	}
	m.line(".TP\n%s\n%s", names, roff(usage))
}

// roff escapes text, of which no line is then a request.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "'", `\(aq`, "~", `\(ti`, "^", `\(ha`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// quoted is an argument of a request.
func quoted(s string) string { return `"` + strings.ReplaceAll(roff(s), `"`, `\(dq`) + `"` }
