package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"

	"pcapaudit/rules"
)

// PackList writes one line a pack.
func PackList(w io.Writer, packs []*rules.Pack, look Look) error {
	var rows [][]string
	for _, k := range packs {
		rows = append(rows, []string{cleanText(k.Name), strings.Join(packKind(k), ", "), number(uint64(len(k.Flows))), number(uint64(len(k.Roles))), cleanText(k.Title)})
	}
	return grid(w, look.width(), []column{{title: "pack"}, {title: "kind"}, {title: "flows", right: true}, {title: "roles", right: true}, {title: "title", flex: true}}, rows)
}

// packKind is what sort of pack it is: its kind, and its status if it has one.
func packKind(k *rules.Pack) []string {
	if k.Status == "" {
		return []string{string(k.Kind)}
	}
	return []string{string(k.Kind), string(k.Status)}
}

// PackTable writes one pack for reading: roles, conditions, then every flow with its citation.
func PackTable(w io.Writer, k *rules.Pack, look Look) error {
	p := &page{w: w, look: look}
	p.para(0, "", p.paint(cleanText(k.Name), color.Bold)+": "+cleanText(k.Title)+" ("+strings.Join(packKind(k), ", ")+")")
	for _, d := range k.Documents {
		p.para(2, "document ", cleanText(fmt.Sprintf("%s: %s %s %s", d.ID, d.Title, d.Date, d.File)))
	}
	p.head("Roles")
	var rows [][]string
	for _, r := range k.Roles {
		rows = append(rows, []string{cleanText(r.Name), cleanText(strings.Join(append([]string{r.Title}, append(r.Addresses, r.Names...)...), "; "))})
	}
	p.grid([]column{{title: "role"}, {title: "what it is", flex: true}}, rows)
	if len(k.Conditions) > 0 {
		p.head("Conditions")
		rows = rows[:0]
		for _, c := range k.Conditions {
			rows = append(rows, []string{cleanText(c.Name), c.Default, Clean(c.Title)})
		}
		p.grid([]column{{title: "condition"}, {title: "default"}, {title: "what it says", flex: true}}, rows)
	}
	p.head("Flows")
	for _, f := range k.Flows {
		p.flow(f)
	}
	if p.err != nil {
		return fmt.Errorf("write pack %s: %w", k.Name, p.err)
	}
	return nil
}

func (p *page) flow(f *rules.Flow) {
	arrow := " -> "
	if f.Originator == "either" {
		arrow = " <-> "
	}
	p.line("  %s", p.paint(cleanText(f.ID), color.Bold))
	p.para(4, "", Clean(f.Title))
	p.para(4, "", cleanText(strings.Join(f.From, ", ")+arrow+strings.Join(f.To, ", ")+"  "+serviceText(f)))
	p.para(4, "", Clean(flowWords(f)))
	for _, c := range f.Cite {
		p.para(4, "cites ", cleanText(citeText(c)))
	}
	if f.Note != "" {
		p.para(4, "note: ", Clean(f.Note))
	}
}

// serviceText is a flow's protocol and responder ports as the document states them: "tcp/80|8530", "icmp type 8".
func serviceText(f *rules.Flow) string {
	sep := ","
	if f.PortsMode == "alternatives" {
		sep = "|"
	}
	switch {
	case len(f.ICMPTypes) > 0:
		return f.Proto + " type " + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(f.ICMPTypes)), ","), "[]")
	case len(f.Ports) == 0:
		return f.Proto
	case f.Ports[0] == "unstated":
		return strings.Replace(f.Proto, "unstated", "protocol not stated", 1) + ", port not stated"
	}
	return f.Proto + "/" + strings.Join(f.Ports, sep)
}

// flowWords says what is particular about a flow: need, occurrence, and whatever is not the common case.
func flowWords(f *rules.Flow) string {
	words := []string{f.Need}
	add := func(holds bool, text string) {
		if holds {
			words = append(words, text)
		}
	}
	add(f.Occurrence != "", f.Occurrence)
	if off, negated := strings.CutPrefix(f.Condition, "!"); negated {
		add(true, "unless "+off)
	} else {
		add(f.Condition != "", "if "+f.Condition)
	}
	add(f.Scope != "", "scope "+f.Scope)
	add(f.SourcePorts != "ephemeral", "source ports "+f.SourcePorts)
	add(f.AnnouncedBy != "", "port announced by "+f.AnnouncedBy)
	add(f.PairedWith != "", "port paired with "+f.PairedWith)
	add(f.SatisfiedBy == "each", "expected to each responder")
	add(f.Reply == "none", "no reply")
	add(f.Proxy, "may run through a web proxy")
	add(f.Configurable, "port configurable")
	encryption := "encryption " + f.Encryption
	if len(f.EncryptionProtocols) > 0 {
		encryption += " (" + strings.Join(f.EncryptionProtocols, ", ") + ")"
	}
	add(f.Encryption != "" && f.Encryption != "unstated", encryption)
	add(f.Reference, "reference list, expects nothing")
	return strings.Join(words, "; ")
}

func citeText(c rules.Cite) string {
	text := c.Document
	if c.Lines != "" {
		text += " " + linesText([]string{c.Lines})
	}
	if c.Section != "" {
		text += ", " + c.Section
	}
	return text
}
