package draft

import (
	"fmt"
	"slices"
	"strings"

	"pcapaudit/rules"
)

// yaml writes the pack and, as comments behind it, what was left out.
func (d *Draft) yaml() []byte {
	var b strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	b.WriteString(rules.SchemaLine(rules.PackSchemaFile))
	put("# Drafted by a program from %s. Hold every flow against the lines that it cites; name roles as the site file will; say in occurrence when a\n", d.file)
	put("# flow happens (periodic, once, on-demand: what is on-demand is never missed). What was left out stands at the end. When all is reviewed, remove status.\n")
	put("name: %s\nkind: vendor\nstatus: draft\ntitle: %s\nproduct_version: \"\"\n", rules.YAMLText(d.Name), quoted(d.title))
	put("documents:\n  - {id: %s, title: %s, date: %s, file: %s}\n", documentID, quoted(d.title), quoted(d.date), quoted(d.file))
	used := map[string]bool{}
	for _, f := range d.flows {
		for _, name := range slices.Concat(f.From, f.To) {
			used[name] = true
		}
	}
	put("roles:%s\n", emptyList(len(d.roles.list)))
	for _, r := range d.roles.list {
		if used[r.Name] {
			putRole(&b, r)
		}
	}
	put("conditions:%s\n", emptyList(len(d.conditions)))
	for _, c := range d.conditions {
		put("  - {name: %s, title: %s, default: unknown}\n", c.Name, quoted(c.Title))
	}
	put("flows:\n")
	for _, f := range d.flows {
		putFlow(&b, f)
	}
	d.putLeft(&b)
	return []byte(b.String())
}

func emptyList(n int) string {
	if n == 0 {
		return " []"
	}
	return ""
}

func putRole(b *strings.Builder, r *rules.Role) {
	name := rules.YAMLText(r.Name)
	if len(r.Names)+len(r.Addresses) == 0 {
		fmt.Fprintf(b, "  - {name: %s, title: %s}\n", name, quoted(r.Title))
		return
	}
	fmt.Fprintf(b, "  - name: %s\n    title: %s\n", name, quoted(r.Title))
	putList(b, "addresses", r.Addresses)
	putList(b, "names", r.Names)
}

func putList(b *strings.Builder, key string, list []string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "    %s:\n", key)
	for _, s := range list {
		fmt.Fprintf(b, "      - %s\n", quoted(s))
	}
}

func putFlow(b *strings.Builder, f *rules.Flow) {
	put := func(key, value string) {
		if value != "" {
			fmt.Fprintf(b, "    %s: %s\n", key, value)
		}
	}
	fmt.Fprintf(b, "  - id: %s\n", f.ID)
	put("title", quoted(f.Title))
	put("from", roleList(f.From))
	put("to", roleList(f.To))
	put("originator", f.Originator)
	put("proto", f.Proto)
	if len(f.Ports) > 0 {
		put("ports", `["`+strings.Join(f.Ports, `", "`)+`"]`)
	}
	put("ports_mode", f.PortsMode)
	if len(f.ICMPTypes) > 0 {
		put("icmp_types", strings.ReplaceAll(fmt.Sprint(f.ICMPTypes), " ", ", "))
	}
	put("announced_by", f.AnnouncedBy)
	if f.SourcePorts != "" {
		put("source_ports", quoted(f.SourcePorts))
	}
	put("scope", f.Scope)
	put("need", f.Need)
	put("condition", f.Condition)
	put("occurrence", f.Occurrence)
	if f.Configurable {
		put("configurable", "true")
	}
	put("encryption", f.Encryption)
	if len(f.EncryptionProtocols) > 0 {
		put("encryption_protocols", "["+strings.Join(f.EncryptionProtocols, ", ")+"]")
	}
	b.WriteString("    cite:\n")
	for _, c := range f.Cite {
		fmt.Fprintf(b, "      - {document: %s, lines: %s, section: %s}\n", c.Document, quoted(c.Lines), quoted(c.Section))
	}
	if f.Note != "" {
		put("note", quoted(f.Note))
	}
}

func roleList(names []string) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = rules.YAMLText(n)
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// putLeft writes what was left out as comments.
func (d *Draft) putLeft(b *strings.Builder) {
	if len(d.Left) == 0 {
		return
	}
	b.WriteString("\n# Left out, because it was not understood:\n")
	for _, l := range d.Left {
		fmt.Fprintf(b, "# %s:%s\n", d.file, l)
	}
	if d.More > 0 {
		fmt.Fprintf(b, "# and %d more\n", d.More)
	}
}

// String gives "16-18: why: how it begins".
func (l Left) String() string {
	place := fmt.Sprint(l.First)
	if l.Last > l.First {
		place = fmt.Sprintf("%d-%d", l.First, l.Last)
	}
	if l.Text == "" {
		return place + ": " + l.Why
	}
	return fmt.Sprintf("%s: %s: %s", place, l.Why, l.Text)
}

// quoted is a text as YAML reads it back whatever it holds; it has no line breaks and no control characters.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
