package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fatih/color"

	"pcapaudit/classify"
)

var severityColor = map[string]color.Attribute{"high": color.FgRed, "medium": color.FgYellow, "low": color.FgCyan, "info": color.Faint}

func (p *page) findings(a *classify.Audit) {
	groups := classify.Groups(a.Findings)
	switch n := len(a.Findings); {
	case n == 0:
		p.head("Findings: none")
	case len(groups) < n:
		p.head(fmt.Sprintf("Findings: %s in %s", number(uint64(n)), plural(uint64(len(groups)), "group")))
	default:
		p.head("Findings: " + number(uint64(n)))
	}
	if text := againstText(a.Compared); text != "" {
		p.para(2, "", text)
	}
	if n := a.Annotations; n != nil {
		p.para(2, "", fmt.Sprintf("%s of %s%s", plural(uint64(n.Used), "annotation"), cleanText(n.File), p.stale(n.Stale)))
	}
	if len(groups) > 0 {
		p.para(2, "", "why: pcapaudit explain "+cleanText(cmp.Or(p.look.Audit, "AUDIT.json"))+" ID"+p.idsAt())
	}
	for i, g := range groups {
		if i == foldFindings && !p.look.All {
			p.line("  and %s: use --all, or --report FILE.json", plural(uint64(len(groups)-i), "more group"))
			return
		}
		p.group(g)
	}
}

// idsAt says where the ids of findings are, where they are not here.
func (p *page) idsAt() string {
	if p.look.All {
		return ""
	}
	return " (ids: --all)"
}

// stale names the annotations of findings that the audit does not have.
func (p *page) stale(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return "; of no finding here: " + p.folded(ids, foldHosts)
}

// reviewText is what a reviewer says of a finding: "accepted by J. Doe on 2026-01-31: for the time being".
func reviewText(n *classify.Annotation) string {
	if n == nil {
		return ""
	}
	text := fmt.Sprintf("%s by %s on %s", strings.ReplaceAll(n.Disposition, "-", " "), n.Name, n.Date)
	if n.Text != "" {
		text += ": " + n.Text
	}
	return Clean(strings.Join(strings.Fields(text), " "))
}

// group shows findings of one kind: what happened, what it is, then what to know of it, each thing once.
func (p *page) group(g classify.Group) {
	p.para(2, p.paint(fmt.Sprintf("%-6s", cleanText(g.Severity)), severityColor[g.Severity])+"  ", Clean(g.Title))
	const indent = 10
	words := cleanText(g.Verdict)
	if len(g.Why) > 0 {
		words += ": " + cleanText(strings.Join(g.Why, ", "))
	}
	if n := connectionWords(g.Findings); n != "" {
		words += "; " + n
	}
	if !g.Decides {
		words += "; does not decide"
	}
	if len(g.Findings) == 1 {
		f := g.Findings[0]
		p.para(indent, "", words+p.id(f))
		p.notes(indent, p.notesOf(f))
		p.packets(indent, f)
		return
	}
	p.para(indent, "", words)
	p.members(indent, g.Findings)
}

func (p *page) members(indent int, findings []*classify.Finding) {
	first := p.notesOf(findings[0])
	var shared []note
	for _, n := range first {
		own := func(f *classify.Finding) bool { return !slices.Contains(p.notesOf(f), n) }
		if n.label == "look" && !p.look.All || !slices.ContainsFunc(findings, own) {
			shared = append(shared, n)
		}
	}
	p.notes(indent, shared)
	for i, f := range findings {
		if i == foldMembers && !p.look.All {
			p.line("%*s- and %s more", indent, "", number(uint64(len(findings)-i)))
			return
		}
		p.para(indent, "- ", Clean(f.Summary)+p.id(f))
		p.notes(indent+2, slices.DeleteFunc(p.notesOf(f), func(n note) bool {
			return slices.Contains(shared, n) || !p.look.All && n.label == "look"
		}))
		p.packets(indent+2, f)
	}
}

// id names a finding for tickets and comparisons, where nothing is folded.
func (p *page) id(f *classify.Finding) string {
	if !p.look.All {
		return ""
	}
	return " [" + cleanText(f.ID) + "]"
}

// note is one thing to know of a finding.
type note struct{ label, text string }

func (p *page) notes(indent int, list []note) {
	for _, n := range list {
		p.para(indent, fmt.Sprintf("%-9s", n.label), n.text)
	}
}

// attemptedLead begins the reason of an attempted expectation.
const attemptedLead = "attempted, no connection: "

// notesOf gives what a finding says beyond its summary, in the order of reading.
func (p *page) notesOf(f *classify.Finding) []note {
	label, look, reason, exception := "look", f.Look, f.Reason, f.Exception
	if f.Kind == "expectation" { // the lines above name the flow and its status
		label, look, reason = "seen", strings.TrimPrefix(look, attemptedLead), strings.TrimPrefix(reason, f.Flow+" is ")
	}
	if strings.Contains(reason, exception) {
		exception = ""
	}
	hosts := ""
	if len(f.Hosts) > 1 {
		hosts = p.folded(f.Hosts, foldHosts)
	}
	list := []note{{"review", reviewText(f.Annotation)}, {"baseline", cleanText(f.Standing)}, {"why", Clean(reason)}, {"except", cleanText(exception)}, {"nearest", Clean(strings.TrimPrefix(f.Nearest, f.Service+": "))},
		{label, Clean(look)}, {"hosts", hosts}, {"document", p.folded(p.places(f.Cite), foldCites)}}
	return slices.DeleteFunc(list, func(n note) bool { return n.text == "" })
}

// packets points to the first connection of a finding in its file; to all that it names where nothing is folded.
func (p *page) packets(indent int, f *classify.Finding) {
	list := f.Evidence
	if len(list) > 1 && !p.look.All {
		list = list[:1]
	}
	for _, e := range list {
		file := ""
		if len(p.audit.Inputs) > 1 {
			file = " of " + inputName(e.File)
		}
		ends := ""
		if e.Orig != "" {
			ends = fmt.Sprintf(": %s -> %s", cleanText(e.Orig), cleanText(e.Resp))
		}
		told := ""
		if e.Told != "" && p.look.All {
			told = "; " + Clean(e.Told)
		}
		p.para(indent, "packet   ", fmt.Sprintf("%d%s%s, %s%s", e.Packet, file, ends, p.clock(e.Time), told))
	}
}

// clock is the time of day where the audit covers one day only.
func (p *page) clock(t string) string {
	from, last := p.audit.Period.CoveredFrom, p.audit.Period.CoveredLast
	if text := shortTime(t); stamp(t) == "" || len(from) < 10 || len(last) < 10 || from[:10] != last[:10] || !strings.HasPrefix(text, from[:10]) {
		return text
	}
	return shortTime(t)[11:]
}

// connectionWords is "3 connections established", or "5 connections: 3 established, 2 refused"; "" where there was none.
func connectionWords(findings []*classify.Finding) string {
	var total uint64
	var sums []classify.OutcomeCount
	for _, f := range findings {
		total += f.Connections
		for _, o := range f.Outcomes {
			i := slices.IndexFunc(sums, func(s classify.OutcomeCount) bool { return s.Outcome == o.Outcome })
			if i < 0 {
				sums = append(sums, o)
			} else {
				sums[i].Connections += o.Connections
			}
		}
	}
	text := plural(total, "connection")
	switch {
	case total == 0:
		return ""
	case len(sums) == 1:
		return text + " " + cleanText(sums[0].Outcome)
	}
	for i, s := range sums {
		text += fmt.Sprintf("%s %s %s", [2]string{":", ","}[min(i, 1)], number(s.Connections), cleanText(s.Outcome))
	}
	return text
}

// places folds citations "FILE:LINES" of one file: "FILE lines 7-8, 19-20".
func (p *page) places(cites []string) []string {
	var out, files []string
	lines := map[string][]string{}
	for _, c := range cites {
		i := strings.LastIndexByte(c, ':')
		if i < 0 || strings.Trim(c[i+1:], "0123456789-") != "" {
			out = append(out, c)
			continue
		}
		file := c[:i]
		if lines[file] == nil {
			files = append(files, file)
		}
		lines[file] = append(lines[file], c[i+1:])
	}
	for _, file := range files {
		list, more := lines[file], ""
		if n := len(list); n > foldCites && !p.look.All {
			list, more = list[:foldCites], fmt.Sprintf(" and %d more", n-foldCites)
		}
		out = append(out, file+" "+linesText(list)+more)
	}
	return out
}

// linesText is "line 7", "lines 7-8, 19".
func linesText(list []string) string {
	if len(list) == 1 && !strings.Contains(list[0], "-") {
		return "line " + list[0]
	}
	return "lines " + strings.Join(list, ", ")
}

func (p *page) folded(list []string, most int) string {
	more := ""
	if len(list) > most && !p.look.All {
		list, more = list[:most], fmt.Sprintf(" and %d more", len(list)-most)
	}
	clean := make([]string, len(list))
	for i, s := range list {
		clean[i] = cleanText(s)
	}
	return strings.Join(clean, ", ") + more
}
