package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"

	"pcapaudit/classify"
)

// Explained answers a question why: about a connection, a finding or an expectation.
type Explained struct {
	Subject     string                         `json:"subject"` // what was asked
	Notes       []string                       `json:"notes"`   // what the answer rests on, and what it lacks
	Finding     *classify.Finding              `json:"finding,omitempty"`
	Connection  *classify.Explanation          `json:"connection,omitempty"` // of a finding: its first
	Expectation *classify.ExplainedExpectation `json:"expectation,omitempty"`
}

// ExplainedJSON writes an answer as JSON.
func ExplainedJSON(w io.Writer, x *Explained) error {
	if err := indented(w, x); err != nil {
		return fmt.Errorf("write explanation: %w", err)
	}
	return nil
}

// ExplainedText writes an answer for reading.
func ExplainedText(w io.Writer, x *Explained, look Look) error {
	p := &page{w: w, look: look, audit: &classify.Audit{}}
	switch {
	case x.Finding != nil && x.Connection != nil:
		p.explainedFinding(x.Finding, x.Connection.Verdict != x.Finding.Verdict)
	case x.Finding != nil:
		p.explainedFinding(x.Finding, true)
	}
	if x.Connection != nil {
		p.explainedConnection(x.Connection, x.Finding != nil)
	}
	if x.Expectation != nil {
		p.explainedExpectation(x.Expectation, x.Finding != nil)
	}
	if len(x.Notes) > 0 {
		p.head("What this rests on")
		for _, n := range x.Notes {
			p.para(2, "- ", Clean(n))
		}
	}
	if p.err != nil {
		return fmt.Errorf("write explanation: %w", p.err)
	}
	return nil
}

var verdictColor = map[string]color.Attribute{"documented": color.FgGreen, "deviation": color.FgRed, "unexpected": color.FgRed, "indeterminate": color.FgYellow}

// explainedFinding repeats a finding as its report has it, whole where no connection below says the same.
func (p *page) explainedFinding(f *classify.Finding, whole bool) {
	p.para(0, p.paint(fmt.Sprintf("%-6s", cleanText(f.Severity)), severityColor[f.Severity])+"  ", Clean(f.Summary)+" ["+cleanText(f.ID)+"]")
	words := cleanText(f.Verdict)
	if len(f.Why) > 0 {
		words += ": " + cleanText(strings.Join(f.Why, ", "))
	}
	if n := connectionWords([]*classify.Finding{f}); n != "" {
		words += "; " + n
	}
	p.para(8, "", words)
	if whole {
		p.notes(8, p.notesOf(f))
	}
}

func (p *page) explainedConnection(e *classify.Explanation, ofFinding bool) {
	if ofFinding {
		p.head("Its first connection")
	}
	p.para(0, "", cleanText(e.Connection)+" at "+shortTime(e.Time)+" UTC")
	why := ""
	if len(e.Why) > 0 {
		why = ": " + cleanText(strings.Join(e.Why, ", "))
	}
	p.para(2, p.paint(cleanText(e.Verdict), color.Bold, verdictColor[e.Verdict])+why, "")
	for _, n := range []note{{"what", e.Summary}, {"why", e.Reason}, {"nearest", e.Nearest}, {"look", e.Look}, {"note", e.Note}, {"open", strings.Join(e.Unverified, ", ")}} {
		if n.text != "" {
			p.para(2, fmt.Sprintf("%-9s", n.label), Clean(n.text))
		}
	}
	p.head("Who")
	p.explainedEnd("originator", e.Orig)
	p.explainedEnd("responder", e.Resp)
	p.head("What decided")
	p.para(2, "", Clean(e.Decided))
	if e.Tie != "" {
		p.para(2, "tie      ", Clean(e.Tie))
	}
	if len(e.Flows) > 0 {
		p.head("Documented flows that were held against it")
	}
	for _, f := range e.Flows {
		p.explainedFlow(f)
	}
	if e.MoreFlows > 0 {
		p.line("  and %s", plural(uint64(e.MoreFlows), "more flow"))
	}
	p.changes(e)
}

func (p *page) explainedEnd(label string, e classify.ExplainedEnd) {
	who := cleanText(e.IP)
	if e.Port != 0 {
		who += fmt.Sprintf(" port %d", e.Port)
	}
	if e.Host != "" {
		who = cleanText(e.Host) + ", " + who
	}
	p.para(2, fmt.Sprintf("%-12s", label), who+": "+Clean(e.Known)+place(e.At))
	for _, r := range e.Roles {
		p.para(14, "", cleanText(r.Role)+": "+cleanText(r.By)+place(r.At))
	}
}

// place gives " (site.yaml:12:5)".
func place(at string) string {
	if at == "" {
		return ""
	}
	return " (" + cleanText(at) + ")"
}

func (p *page) explainedFlow(f classify.ExplainedFlow) {
	p.para(2, fmt.Sprintf("%-9s", cleanText(f.Stand)), fmt.Sprintf("%s %s, %s -> %s", cleanText(f.Flow), cleanText(f.Service), p.folded(f.From, foldCites), p.folded(f.To, foldCites)))
	for _, c := range f.Failed {
		p.para(11, p.paint("not met", color.FgRed)+"  ", cleanText(c.Condition)+": "+Clean(c.Reason))
	}
	if len(f.Unverified) > 0 {
		p.para(11, "not verified  ", cleanText(strings.Join(f.Unverified, ", ")))
	}
	if f.Note != "" {
		p.para(11, "note  ", Clean(f.Note))
	}
	if len(f.Cite) > 0 {
		p.para(11, "document  ", p.folded(p.places(f.Cite), foldCites))
	}
}

func (p *page) changes(e *classify.Explanation) {
	if len(e.Changes)+len(e.Contradicts) == 0 {
		return
	}
	p.head("What would make it documented")
	if len(e.Changes) == 0 || e.Changes[0].Gives != "documented" {
		p.line("  nothing that the site can say of hosts, roles, ports and conditions")
	}
	for i, c := range e.Changes {
		text := Clean(c.What) + place(c.At)
		if c.Gives != "documented" {
			text += ": it is then " + cleanText(c.Gives)
		}
		p.para(2, fmt.Sprintf("%d. ", i+1), text)
		for line := range strings.Lines(c.YAML) {
			p.line("       %s", Clean(strings.TrimRight(line, "\n")))
		}
	}
	if len(e.Contradicts) > 0 {
		p.para(2, "documented instead: ", p.folded(p.places(e.Contradicts), foldCites))
	}
}

func (p *page) explainedExpectation(x *classify.ExplainedExpectation, ofFinding bool) {
	if ofFinding {
		p.head("Its expectation")
	}
	p.para(0, p.paint(cleanText(x.Flow), color.Bold)+"  ", cleanText(x.Service)+": "+Clean(x.Summary))
	p.para(2, "", Clean(x.Title))
	p.para(2, "", cleanText(fmt.Sprintf("%s -> %s; need %s, %s", strings.Join(x.From, ", "), strings.Join(x.To, ", "), x.Need, x.Occurrence)))
	if len(x.Cite) > 0 {
		p.para(2, "document ", p.folded(p.places(x.Cite), foldCites))
	}
	for _, s := range x.ByStatus {
		title := cleanText(s.Status)
		if s.Cause != "" {
			title += " (" + cleanText(s.Cause) + ")"
		}
		p.head(fmt.Sprintf("%s: %s", title, plural(uint64(s.Count), "host")))
		p.para(2, "rule     ", cleanText(s.Rule))
		p.para(2, "needed   ", cleanText(s.Needed))
		p.statusHosts(s)
	}
}

// statusHosts names hosts, each with its reason where it has one.
func (p *page) statusHosts(s classify.ExplainedStatus) {
	var plain []string
	for i, h := range s.Hosts {
		switch {
		case h.Reason == "":
			plain = append(plain, h.Host)
		case i >= foldRows && !p.look.All:
			p.line("  and %s", plural(uint64(s.Count-i), "more host"))
			return
		default:
			p.para(2, "- ", cleanText(h.Host)+": "+Clean(h.Reason))
		}
	}
	if len(plain) > 0 {
		p.para(2, "- ", p.folded(plain, foldRows))
	}
}
