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
	foldHosts    = 6  // hosts named by a finding
	foldCites    = 4  // places of a document
	foldRows     = 12 // rows of the smaller tables
)

// writeTable renders an audit for a terminal. The first screen answers: result, what was audited, by verdict, what to look at first.
func writeTable(w io.Writer, a *classify.Audit, look Look) error {
	p := &page{w: w, look: look, audit: a}
	p.result(a)
	p.audited(a)
	p.verdicts(a)
	p.lookAt(a)
	p.findings(a)
	p.expectations(a)
	p.inventory(a)
	p.encryption(a)
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
	p.para(0, "Result: "+p.paint(strings.ToUpper(cleanText(a.Result.Verdict)), color.Bold, paint)+": ", Clean(a.Result.Text))
	for i, r := range a.Result.Reasons {
		if i == foldRows && !p.look.All {
			p.line("  and %d more reasons", len(a.Result.Reasons)-i)
			break
		}
		p.para(2, "- ", Clean(r))
	}
	if len(a.Residuals) > 0 {
		p.para(0, "", untrusted)
	}
	for _, r := range a.Residuals {
		p.para(2, "- ", Clean(r))
	}
}

func (p *page) audited(a *classify.Audit) {
	p.head("What was audited")
	p.para(2, "inputs   ", inputsText(a.Inputs))
	period := "no packet has a usable time"
	if a.Coverage.Filter != "" {
		period = "not covered by a packet that the filter leaves"
	}
	if a.Period.CoveredFrom != "" {
		period = fmt.Sprintf("%s to %s UTC covered", shortTime(a.Period.CoveredFrom), shortTime(a.Period.CoveredLast))
	}
	p.para(2, "period   ", period+asked(a.Period))
	if len(a.Parts) > 0 {
		p.para(2, "made of  ", partsText(a.Parts))
	}
	p.para(2, "against  ", strings.Join(packsText(a.Packs), ", ")+"; "+siteText(a.Site))
	c := &a.Coverage
	if c.Filter != "" {
		p.para(2, "filter   ", Clean(c.Filter))
	}
	loss := "none reported"
	if c.Dropped > 0 {
		loss = fmt.Sprintf("%s reported, %.2f %%", plural(c.Dropped, "packet"), c.LossPercent)
	}
	if l := &c.Loss; l.Missed > 0 {
		loss += fmt.Sprintf(", %s missing by estimate, %.2f %% of TCP", plural(l.Missed, "packet"), l.Percent)
	}
	p.para(2, "loss     ", fmt.Sprintf("%s (bound %.4g %%); %s of %s one-sided", loss, c.LossBound, number(c.TCPOneSided), plural(c.TCPOneSided+c.TCPBoth, "TCP connection")))
}

func inputsText(inputs []classify.Input) string {
	var packets, bytes uint64
	states := ""
	for _, in := range inputs {
		packets += in.Packets
		bytes += uint64(in.Size)
		if in.State == "clean" {
			continue
		}
		states += "; " + cleanText(in.State)
		if len(inputs) > 1 {
			states += ": " + inputName(in.Name)
		}
	}
	name := plural(uint64(len(inputs)), "file")
	if len(inputs) == 1 {
		name = inputName(inputs[0].Name)
	}
	return fmt.Sprintf("%s, %s, %s%s", name, plural(packets, "packet"), size(bytes), states)
}

// partsText names the audits that a combined one is made of.
func partsText(parts []classify.Part) string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = cleanText(p.File) + " (" + cleanText(p.Verdict) + ")"
	}
	more := ""
	if n := len(names) - foldRows; n > 0 {
		names, more = names[:foldRows], fmt.Sprintf(" and %d more", n)
	}
	return plural(uint64(len(parts)), "audit") + ": " + strings.Join(names, ", ") + more
}

// againstText says how many findings an older audit has, too; "" where there is none.
func againstText(c *classify.Compared) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%d new, %d known from %s, %d gone", c.New, c.Known, cleanText(c.File), c.Gone)
}

func inputName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return cleanText(name)
}

// packsText names the vendor and local packs, and the baseline ones where there is nothing else.
func packsText(packs []classify.PackRef) []string {
	var named, baseline []string
	for _, k := range packs {
		about := plural(uint64(k.Flows), "flow")
		if k.Status != "" {
			about = cleanText(k.Status) + ", " + about
		}
		if k.Installed != "" {
			about += fmt.Sprintf(", for version %s; installed: %s", orWord(cleanText(k.Version), "not stated"), cleanText(k.Installed))
		}
		text := fmt.Sprintf("%s (%s)", cleanText(k.Name), about)
		if k.Kind == "baseline" {
			baseline = append(baseline, text)
		} else {
			named = append(named, text)
		}
	}
	if len(named) == 0 {
		return baseline
	}
	return named
}

func siteText(s *classify.SiteRef) string {
	if s == nil {
		return "no site: roles were not verified"
	}
	about := plural(uint64(s.Hosts), "host")
	if s.Status != "" {
		about = cleanText(s.Status) + ", " + about
	}
	return fmt.Sprintf("site %s (%s)", cleanText(s.Name), about)
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
	if stamp(s) == "" {
		return cleanText(s)
	}
	return s[:10] + " " + s[11:19]
}

func (p *page) verdicts(a *classify.Audit) {
	p.head("Connections by verdict")
	var rows [][]string
	for _, t := range a.Totals {
		if t.Connections > 0 || p.look.All {
			name := cleanText(t.Verdict)
			if a.Site == nil && name == "documented" {
				name += ", by port only"
			}
			rows = append(rows, []string{name, number(t.Connections), number(t.Packets), size(t.Bytes)})
		}
		if t.Verdict == "documented" {
			rows = append(rows, baselineRow(a.Kinds)...)
		}
	}
	if len(rows) == 0 {
		p.line("  none")
		return
	}
	p.grid([]column{{title: "verdict"}, {title: "connections", right: true}, {title: "packets", right: true}, {title: "bytes", right: true}}, rows)
}

// baselineRow says how much of the documented traffic is the platform's.
func baselineRow(kinds []classify.KindTotal) [][]string {
	for _, k := range kinds {
		if k.Kind == "baseline" && k.Verdict == "documented" && k.Connections > 0 {
			return [][]string{{"  by baseline packs", number(k.Connections), "", size(k.Bytes)}}
		}
	}
	return nil
}

func (p *page) lookAt(a *classify.Audit) {
	if len(a.Result.LookAt) == 0 {
		return
	}
	p.head("Look at first")
	for i, l := range a.Result.LookAt {
		p.para(2, fmt.Sprintf("%d. ", i+1), Clean(l))
	}
}

func (p *page) others(a *classify.Audit) {
	if len(a.Baseline) > 0 {
		p.head("Platform traffic, documented by baseline packs")
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
			rows = append(rows, []string{Clean(r.Reason), number(r.Connections), size(r.Bytes)})
		}
		p.grid([]column{{title: "what"}, {title: "connections", right: true}, {title: "bytes", right: true}}, rows)
	}
	if len(a.Exceptions) > 0 {
		p.head("Exceptions")
		var rows [][]string
		for _, e := range a.Exceptions {
			rows = append(rows, []string{cleanText(e.ID), cleanText(e.State), number(e.Connections), cleanText(e.Until), cleanText(e.Ticket), Clean(e.Reason) + " (" + cleanText(e.Approver) + ")"})
		}
		p.grid([]column{{title: "id"}, {title: "state"}, {title: "connections", right: true}, {title: "until"}, {title: "ticket"}, {title: "reason (approver)", flex: true}}, rows)
	}
	if len(a.Warnings) > 0 {
		p.head("Warnings")
		for _, w := range a.Warnings {
			p.para(2, "- ", Clean(w))
		}
	}
}

// approvedFor is the time of an exception.
func approvedFor(e classify.ExceptionUse) string {
	if e.Since == "" {
		return "until " + e.Until
	}
	return e.Since + " until " + e.Until
}

func (p *page) flowTotals(totals []classify.FlowTotal) {
	var rows [][]string
	for i, t := range totals {
		if i == foldRows && !p.look.All {
			break
		}
		rows = append(rows, []string{cleanText(t.Flow), cleanText(t.Service), number(t.Connections), size(t.Bytes), fmt.Sprintf("%d -> %d", t.OrigHosts, t.RespHosts)})
	}
	p.grid([]column{{title: "flow"}, {title: "service"}, {title: "connections", right: true}, {title: "bytes", right: true}, {title: "hosts"}}, rows)
	if more := len(totals) - len(rows); more > 0 {
		p.line("  and %s (see --all)", plural(uint64(more), "more flow"))
	}
}
