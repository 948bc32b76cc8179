package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"

	"pcapaudit/classify"
)

// Folding limits of the text report; Look.All lifts them.
const (
	foldFindings = 20 // groups of findings
	foldMembers  = 4  // findings named under a group
	foldHosts    = 6  // hosts named for a flow
	foldRows     = 12 // rows of the smaller tables
)

// writeTable renders an audit for a terminal. The first screen answers: result, what was audited, by verdict, what to look at first.
func writeTable(w io.Writer, a *classify.Audit, look Look) error {
	p := &page{w: w, look: look}
	p.result(a)
	p.audited(a)
	p.verdicts(a)
	p.lookAt(a)
	p.findings(a)
	p.expectations(a)
	p.others(a)
	p.coverage(a)
	p.ledgers(a)
	p.inputs(a)
	if p.err != nil {
		return fmt.Errorf("write table report: %w", p.err)
	}
	return nil
}

func (p *page) result(a *classify.Audit) {
	paint := map[string]color.Attribute{"clean": color.FgGreen, "deviations": color.FgRed, "inconclusive": color.FgYellow}[a.Result.Verdict]
	p.para(0, "Result: ", p.paint(strings.ToUpper(a.Result.Verdict), color.Bold, paint)+": "+cleanSentence(a.Result.Text))
	for i, r := range a.Result.Reasons {
		if i == foldRows && !p.look.All {
			p.line("  and %d more reasons", len(a.Result.Reasons)-i)
			break
		}
		p.para(2, "- ", cleanSentence(r))
	}
}

func (p *page) audited(a *classify.Audit) {
	p.head("What was audited")
	var packets, bytes uint64
	states := ""
	for _, in := range a.Inputs {
		packets += in.Packets
		bytes += uint64(in.Size)
		if in.State != "clean" {
			states += "; " + cleanText(in.Name) + ": " + cleanText(in.State)
		}
	}
	name := plural(uint64(len(a.Inputs)), "file")
	if len(a.Inputs) == 1 {
		name = cleanText(a.Inputs[0].Name)
	}
	p.para(2, "inputs   ", fmt.Sprintf("%s, %s, %s%s", name, plural(packets, "packet"), size(bytes), states))
	p.para(2, "period   ", fmt.Sprintf("%s to %s UTC covered%s", shortTime(a.Period.CoveredFrom), shortTime(a.Period.CoveredLast), asked(a.Period)))
	var packs []string
	for _, k := range a.Packs {
		if k.Kind != "baseline" {
			packs = append(packs, fmt.Sprintf("%s (%s)", cleanText(k.Name), plural(uint64(k.Flows), "flow")))
		}
	}
	site := "no site: roles were not verified"
	if a.Site != nil {
		site = fmt.Sprintf("site %s (%s)", cleanText(a.Site.Name), plural(uint64(a.Site.Hosts), "host"))
	}
	p.para(2, "against  ", strings.Join(packs, ", ")+"; "+site)
	p.para(2, "loss     ", fmt.Sprintf("%s lost (%.2f %%, bound %.2g %%); %s of %s TCP connections one-sided",
		plural(a.Coverage.Dropped, "packet"), a.Coverage.LossPercent, a.Coverage.LossBound,
		number(a.Coverage.TCPOneSided), number(a.Coverage.TCPOneSided+a.Coverage.TCPBoth)))
}

func asked(t classify.Period) string {
	if t.AskedFrom == "" && t.AskedUntil == "" {
		return ""
	}
	return fmt.Sprintf("; asked: %s to %s", orOpen(shortTime(t.AskedFrom)), orOpen(shortTime(t.AskedUntil)))
}

func orOpen(s string) string {
	if s == "" {
		return "open"
	}
	return s
}

// shortTime cuts RFC 3339 with nine digits to whole seconds for reading.
func shortTime(s string) string {
	if len(s) < 19 {
		return s
	}
	return s[:10] + " " + s[11:19]
}

func (p *page) verdicts(a *classify.Audit) {
	p.head("Connections by verdict")
	var rows [][]string
	for _, t := range a.Totals {
		if t.Connections > 0 || p.look.All {
			name := t.Verdict
			if a.Site == nil && name == "documented" {
				name += ", by port only"
			}
			rows = append(rows, []string{name, number(t.Connections), number(t.Packets), size(t.Bytes)})
		}
	}
	if len(rows) == 0 {
		p.line("  none")
		return
	}
	p.grid([]column{{title: "verdict"}, {title: "connections", right: true}, {title: "packets", right: true}, {title: "bytes", right: true}}, rows)
}

func (p *page) lookAt(a *classify.Audit) {
	if len(a.Result.LookAt) == 0 {
		return
	}
	p.head("Look at first")
	for i, l := range a.Result.LookAt {
		p.para(2, fmt.Sprintf("%d. ", i+1), cleanSentence(l))
	}
}

var severityColor = map[string]color.Attribute{"high": color.FgRed, "medium": color.FgYellow, "low": color.FgCyan, "info": color.Faint}

func (p *page) findings(a *classify.Audit) {
	groups := classify.Groups(a.Findings)
	p.head(fmt.Sprintf("Findings (%d in %s)", len(a.Findings), plural(uint64(len(groups)), "group")))
	if len(groups) == 0 {
		p.line("  none")
	}
	for i, g := range groups {
		if i == foldFindings && !p.look.All {
			p.line("  and %s: use --all, or --report FILE.json", plural(uint64(len(groups)-i), "more group"))
			return
		}
		p.group(g)
	}
}

func (p *page) group(g classify.Group) {
	verdict := g.Verdict
	if len(g.Why) > 0 {
		verdict += ": " + strings.Join(g.Why, ", ")
	}
	tail := ""
	if g.Connections > 0 {
		tail = ", " + plural(g.Connections, "connection")
	}
	if !g.Decides {
		tail += ", does not decide"
	}
	p.line("  %s  %s", p.paint(fmt.Sprintf("%-6s", g.Severity), severityColor[g.Severity]), cleanText(verdict)+tail)
	p.para(10, "", cleanSentence(g.Title))
	for i, f := range g.Findings {
		if i == foldMembers && !p.look.All {
			p.line("          and %s", plural(uint64(len(g.Findings)-i), "more"))
			break
		}
		p.finding(f, len(g.Findings) > 1)
	}
}

// finding shows one finding; in a group of several its own summary leads.
func (p *page) finding(f *classify.Finding, inGroup bool) {
	indent := 10
	if inGroup {
		p.para(indent, "· ", cleanSentence(f.Summary))
		indent += 2
	}
	for _, l := range []struct{ lead, text string }{{"why: ", f.Reason}, {"nearest: ", f.Nearest}, {"exception: ", f.Exception}, {"look: ", f.Look}} {
		if l.text != "" {
			p.para(indent, l.lead, cleanSentence(l.text))
		}
	}
	if len(f.Hosts) > 0 {
		p.para(indent, "hosts: ", p.folded(f.Hosts, foldHosts))
	}
	if len(f.Cite) > 0 {
		p.para(indent, "document: ", p.folded(f.Cite, foldHosts))
	}
	if len(f.Evidence) > 0 {
		e := f.Evidence[0]
		p.para(indent, "packets: ", fmt.Sprintf("%s packet %d, %s > %s, %s%s  [%s]", cleanText(e.File), e.Packet, e.Orig, e.Resp, shortTime(e.Time), outcomes(f), f.ID))
	}
}

func outcomes(f *classify.Finding) string {
	var parts []string
	for _, o := range f.Outcomes {
		parts = append(parts, fmt.Sprintf("%s %s", number(o.Connections), o.Outcome))
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
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

// expectations is the flow matrix: one row a documented flow, folded over its hosts.
func (p *page) expectations(a *classify.Audit) {
	if a.Site == nil {
		p.head("Documented flows")
		p.line("  not expected of anybody: without a site file no host holds a role")
		return
	}
	p.head(fmt.Sprintf("Documented flows (%d applied to this site)", len(a.Expectations)))
	var rows [][]string
	quiet := 0
	for _, e := range a.Expectations {
		if !p.look.All && isQuiet(e) {
			quiet++
			continue
		}
		rows = append(rows, []string{cleanText(e.Flow), e.Service, need(e), cleanSentence(e.Summary)})
	}
	p.grid([]column{{title: "flow"}, {title: "service"}, {title: "need"}, {title: "status per originating host", flex: true}}, rows)
	if quiet > 0 {
		p.line("  and %s neither observed nor missing (see --all)", plural(uint64(quiet), "flow"))
	}
	if p.look.All {
		for _, e := range a.Expectations {
			for _, h := range e.Open {
				p.para(2, "", cleanSentence(fmt.Sprintf("%s, %s: %s: %s", e.Flow, h.Host, h.Status, h.Reason)))
			}
		}
	}
}

// isQuiet is a flow that nobody expects and nobody used: it would only fill the screen.
func isQuiet(e classify.Expectation) bool {
	for _, s := range e.Statuses {
		if s.Status == "observed" || s.Status == "missing" || s.Status == "attempted" {
			return false
		}
	}
	return true
}

func need(e classify.Expectation) string {
	if e.Occurrence == "" {
		return e.Need
	}
	return e.Need + ", " + e.Occurrence
}

func (p *page) others(a *classify.Audit) {
	if len(a.Baseline) > 0 {
		p.head("Platform traffic that baseline packs document")
		p.flowTotals(a.Baseline)
	}
	for _, s := range []struct {
		title string
		rows  []classify.ReasonTotal
	}{{"Out of scope", a.OutOfScope}, {"Documented, but not verified", a.Unverified}} {
		if len(s.rows) == 0 {
			continue
		}
		p.head(s.title)
		var rows [][]string
		for _, r := range s.rows {
			rows = append(rows, []string{cleanSentence(r.Reason), number(r.Connections), size(r.Bytes)})
		}
		p.grid([]column{{title: "what"}, {title: "connections", right: true}, {title: "bytes", right: true}}, rows)
	}
	if len(a.Exceptions) > 0 {
		p.head("Exceptions")
		var rows [][]string
		for _, e := range a.Exceptions {
			rows = append(rows, []string{cleanText(e.ID), e.State, number(e.Connections), e.Until, cleanText(e.Ticket), cleanText(e.Approver), cleanSentence(e.Reason)})
		}
		p.grid([]column{{title: "id"}, {title: "state"}, {title: "connections", right: true}, {title: "until"}, {title: "ticket"}, {title: "approver"}, {title: "reason", flex: true}}, rows)
	}
	if len(a.Warnings) > 0 {
		p.head("Warnings")
		for _, w := range a.Warnings {
			p.para(2, "- ", cleanSentence(w))
		}
	}
}

func (p *page) flowTotals(totals []classify.FlowTotal) {
	var rows [][]string
	for i, t := range totals {
		if i == foldRows && !p.look.All {
			break
		}
		rows = append(rows, []string{cleanText(t.Flow), t.Service, number(t.Connections), size(t.Bytes), fmt.Sprintf("%d > %d", t.OrigHosts, t.RespHosts)})
	}
	p.grid([]column{{title: "flow"}, {title: "service"}, {title: "connections", right: true}, {title: "bytes", right: true}, {title: "hosts"}}, rows)
	if more := len(totals) - len(rows); more > 0 {
		p.line("  and %s (see --all)", plural(uint64(more), "more flow"))
	}
}
