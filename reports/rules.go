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
		rows = append(rows, []string{cleanText(k.Name), string(k.Kind), number(uint64(len(k.Flows))), number(uint64(len(k.Roles))), cleanText(k.Title)})
	}
	return grid(w, look.width(), []column{{title: "pack"}, {title: "kind"}, {title: "flows", right: true}, {title: "roles", right: true}, {title: "title", flex: true}}, rows)
}

// PackTable writes one pack for reading: roles, conditions, then every flow with its citation.
func PackTable(w io.Writer, k *rules.Pack, look Look) error {
	p := &page{w: w, look: look}
	p.para(0, "", p.paint(cleanText(k.Name), color.Bold)+": "+cleanText(k.Title)+" ("+string(k.Kind)+")")
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
			rows = append(rows, []string{cleanText(c.Name), c.Default, cleanSentence(c.Title)})
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
	p.para(4, "", cleanSentence(f.Title))
	p.para(4, "", cleanText(strings.Join(f.From, ", ")+arrow+strings.Join(f.To, ", ")+"  "+ServiceText(f)))
	words := f.Need
	for _, s := range []string{f.Occurrence, conditionText(f), scopeText(f), encryptionText(f)} {
		if s != "" {
			words += "; " + s
		}
	}
	p.para(4, "", cleanText(words))
	for _, c := range f.Cite {
		p.para(4, "cites ", cleanText(strings.TrimSpace(c.Document+" "+c.Lines+" "+c.Section)))
	}
	if f.Note != "" {
		p.para(4, "note: ", cleanSentence(f.Note))
	}
}

// ServiceText is a flow's protocol and responder ports as the reports write them: "tcp/80|8530".
func ServiceText(f *rules.Flow) string {
	sep := ","
	if f.PortsMode == "alternatives" {
		sep = "|"
	}
	if len(f.Ports) == 0 {
		return f.Proto
	}
	return f.Proto + "/" + strings.Join(f.Ports, sep)
}

func conditionText(f *rules.Flow) string {
	if f.Condition == "" {
		return ""
	}
	return "if " + f.Condition
}

func scopeText(f *rules.Flow) string {
	if f.Scope == "" {
		return ""
	}
	return "scope " + f.Scope
}

func encryptionText(f *rules.Flow) string {
	if f.Encryption == "" || f.Encryption == "unstated" {
		return ""
	}
	return "encryption " + f.Encryption + " " + strings.Join(f.EncryptionProtocols, ", ")
}
