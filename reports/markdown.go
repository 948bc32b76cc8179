package reports

import (
	"fmt"
	"io"
	"strings"

	"pcapaudit/classify"
)

// Folding limits of the Markdown report. GitHub takes 65,536 characters, and the budgets add up to less.
const (
	ticketFindings = 40
	ticketRows     = 30
	ticketIDs      = 3
)

// budgets are the most bytes of the table of findings, of any other table, and of a list.
type budgets struct{ findings, table, list int }

var ticketBudgets = budgets{24 << 10, 6 << 10, 4 << 10}

// writeMarkdown renders an audit for a ticket: what decided, what to look at, and how to identify the inputs again. It is bounded; what is left
// out is counted.
func writeMarkdown(w io.Writer, a *classify.Audit, _ Look) error {
	return writeTicket(w, a, ticketBudgets)
}

func writeTicket(w io.Writer, a *classify.Audit, most budgets) error {
	t := &ticket{w: w, most: most, page: page{audit: a}}
	t.result(a)
	t.audited(a)
	t.findings(a)
	t.expectations(a)
	t.inventory(a)
	t.exceptions(a)
	t.coverage(a)
	t.ledgers(a)
	t.identification(a)
	if t.err != nil {
		return fmt.Errorf("write markdown report: %w", t.err)
	}
	return nil
}

// ticket writes Markdown and keeps the first error.
type ticket struct {
	w    io.Writer
	most budgets
	page page // for its wording
	err  error
}

func (t *ticket) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}

func (t *ticket) head(title string) { t.line("\n## %s\n", title) }

// list writes sentences, as many as there is room for, led by "-" or by numbers.
func (t *ticket) list(sentences []string, numbered bool) {
	used := 0
	for i, s := range sentences {
		text := escapeMarkdown(s)
		if used += len(text); i == ticketRows || used > t.most.list {
			t.line("\n%s", more(len(sentences)-i, "line"))
			return
		}
		lead := "-"
		if numbered {
			lead = fmt.Sprintf("%d.", i+1)
		}
		t.line("%s %s", lead, text)
	}
}

// more says what is left out.
func more(n int, noun string) string {
	return fmt.Sprintf("and %s in the JSON report", plural(uint64(n), "more "+noun))
}

// table writes rows of cells that are Markdown already, as many as the budget allows, and says how many of all it leaves out.
func (t *ticket) table(head []string, rows [][]string, all, budget int, noun string) {
	t.line("| %s |", strings.Join(head, " | "))
	t.line("|%s", strings.Repeat(" --- |", len(head)))
	used, kept := 0, 0
	for _, r := range rows {
		text := strings.Join(r, " | ")
		if used += len(text); used > budget {
			break
		}
		t.line("| %s |", text)
		kept++
	}
	if all > kept {
		t.line("\n%s", more(all-kept, noun))
	}
}

func (t *ticket) result(a *classify.Audit) {
	t.line("# Flow audit: %s\n", escapeMarkdown(strings.ToUpper(a.Result.Verdict)))
	t.line("**Result:** %s (exit code %d)", escapeMarkdown(a.Result.Text), a.Result.Code)
	if len(a.Result.Reasons) > 0 {
		t.line("")
		t.list(a.Result.Reasons, false)
	}
	if len(a.Residuals) > 0 {
		t.line("\n**%s**\n", untrusted)
		t.list(a.Residuals, false)
	}
	if len(a.Result.LookAt) > 0 {
		t.head("Look at first")
		t.list(a.Result.LookAt, true)
	}
}

func (t *ticket) audited(a *classify.Audit) {
	t.head("What was audited")
	period := "no packet has a usable time"
	if a.Period.CoveredFrom != "" {
		period = fmt.Sprintf("%s to %s UTC covered", shortTime(a.Period.CoveredFrom), shortTime(a.Period.CoveredLast))
	}
	t.line("- inputs: %s", escapeMarkdown(inputsText(a.Inputs)))
	t.line("- period: %s", escapeMarkdown(period+asked(a.Period)))
	t.line("- against: %s", escapeMarkdown(strings.Join(packsText(a.Packs), ", ")+"; "+siteText(a.Site)))
	if a.Coverage.Filter != "" {
		t.line("- filter: %s", escapeMarkdown(a.Coverage.Filter))
	}
	t.line("- losses: %s (bound %.4g %%)", escapeMarkdown(lossText(&a.Coverage)), a.Coverage.LossBound)
}

func (t *ticket) findings(a *classify.Audit) {
	groups := classify.Groups(a.Findings)
	switch {
	case len(groups) == 0:
		t.head("Findings: none")
		return
	case len(groups) == len(a.Findings):
		t.head("Findings: " + number(uint64(len(a.Findings))))
	default:
		t.head(fmt.Sprintf("Findings: %s in %s", number(uint64(len(a.Findings))), plural(uint64(len(groups)), "group")))
	}
	kept := groups[:min(len(groups), ticketFindings)]
	var rows [][]string
	for _, g := range kept {
		rows = append(rows, t.group(g))
	}
	t.table([]string{"severity", "what", "verdict", "why", "evidence", "id"}, rows, len(groups), t.most.findings, "group")
	if a.Overflow > 0 {
		t.line("\nBeyond the limit of findings: %s that count for the result.", plural(a.Overflow, "connection"))
	}
}

// group is a row: what findings of one kind share, with the first of them as the sample.
func (t *ticket) group(g classify.Group) []string {
	f := g.Findings[0]
	verdict := escapeMarkdown(verdictText(f))
	if n := connectionWords(g.Findings); n != "" {
		verdict += "; " + escapeMarkdown(n)
	}
	if !g.Decides {
		verdict += "; does not decide"
	}
	if f.Standing != "" {
		verdict += "; " + standingText(g.Findings)
	}
	why := sentences(f.Reason)
	if f.Nearest != "" {
		why += " Nearest: " + sentences(strings.TrimPrefix(f.Nearest, f.Service+": "))
	}
	if cite := t.page.folded(t.page.places(f.Cite), foldCites); cite != "" {
		why += " Document: " + cite
	}
	if review := reviewOf(f); review != "" {
		why += " " + sentences(review)
	}
	evidence := ""
	if len(f.Evidence) > 0 {
		evidence = escapeMarkdown(evidenceText(f.Evidence[0]))
	}
	var ids []string
	for _, f := range g.Findings[:min(len(g.Findings), ticketIDs)] {
		ids = append(ids, markdownCode(f.ID))
	}
	id := strings.Join(ids, " ")
	if n := len(g.Findings) - len(ids); n > 0 {
		id += fmt.Sprintf(" and %d more", n)
	}
	return []string{escapeMarkdown(cleanText(g.Severity)), escapeMarkdown(g.Title), verdict, escapeMarkdown(why), evidence, id}
}

// standingText says how many findings of a group the older audit does not know.
func standingText(findings []*classify.Finding) string {
	unknown := 0
	for _, f := range findings {
		if f.Standing == "new" {
			unknown++
		}
	}
	switch unknown {
	case 0:
		return "known"
	case len(findings):
		return "new"
	}
	return fmt.Sprintf("%d of %d new", unknown, len(findings))
}

// expectations lists the documented flows of which a host is missing, or got no connection.
func (t *ticket) expectations(a *classify.Audit) {
	var rows [][]string
	left := 0
	for _, e := range a.Expectations {
		hosts := unmetHosts(&e)
		switch {
		case len(hosts) == 0:
		case len(rows) == ticketRows:
			left++
		default:
			rows = append(rows, []string{markdownCode(e.Flow), escapeMarkdown(cleanText(e.Service)), escapeMarkdown(need(e)), escapeMarkdown(e.Summary), escapeMarkdown(t.page.folded(hosts, foldHosts))})
		}
	}
	if a.Site == nil {
		t.head("Documented flows")
		t.line("Not expected of anybody: without a site file no host holds a role.")
		return
	}
	t.head("Documented flows without a connection")
	if len(rows) == 0 {
		t.line("None missing or attempted in vain, of %s applied to this site.", plural(uint64(len(a.Expectations)), "documented flow"))
		return
	}
	t.table([]string{"flow", "service", "need", "status per originating host", "hosts"}, rows, len(rows)+left, t.most.table, "flow")
}

func unmetHosts(e *classify.Expectation) []string {
	var hosts []string
	for _, h := range e.Open {
		if h.Status == "missing" || h.Status == "attempted" {
			hosts = append(hosts, h.Host)
		}
	}
	return hosts
}

func (t *ticket) exceptions(a *classify.Audit) {
	if len(a.Exceptions) == 0 {
		return
	}
	t.head("Exceptions")
	var rows [][]string
	for _, e := range a.Exceptions[:min(len(a.Exceptions), ticketRows)] {
		rows = append(rows, []string{markdownCode(e.ID), escapeMarkdown(cleanText(e.State)), number(e.Connections), escapeMarkdown(cleanText(approvedFor(e))),
			escapeMarkdown(cleanText(e.Ticket)), escapeMarkdown(e.Reason), escapeMarkdown(cleanText(e.Approver))})
	}
	t.table([]string{"id", "state", "connections", "approved for", "ticket", "reason", "approved by"}, rows, len(a.Exceptions), t.most.table, "exception")
}

func (t *ticket) coverage(a *classify.Audit) {
	t.head("What this report cannot show")
	list := append([]string{}, a.Coverage.CannotShow...)
	list = append(list, gapLines(a, ticketRows)...)
	t.list(append(list, watchedLines(&a.Coverage)...), false)
	t.line("\n%s", supporting)
}

func (t *ticket) ledgers(a *classify.Audit) {
	t.head("Ledgers")
	var lines []string
	for _, l := range ledgerLines(a) {
		lines = append(lines, l.Label+": "+l.Text)
	}
	t.list(lines, false)
}

func (t *ticket) identification(a *classify.Audit) {
	t.head("Identification")
	var rows [][]string
	row := func(what, name, sha string) {
		if len(rows) < 3*ticketRows {
			rows = append(rows, []string{what, markdownCode(name), shaCell(sha)})
		}
	}
	for _, p := range a.Parts {
		row("combined of", p.File, p.SHA256)
	}
	if a.Site != nil {
		row("site", a.Site.File, a.Site.SHA256)
	}
	for _, v := range inventoriesOf(a) {
		row("inventory", v.File, v.SHA256)
	}
	if c := a.Compared; c != nil {
		row("compared with", c.File, c.SHA256)
	}
	if n := a.Annotations; n != nil {
		row("annotations", n.File, n.SHA256)
	}
	if e := a.Evidence; e != nil {
		row("evidence", e.File, e.SHA256)
	}
	for i, in := range a.Inputs {
		row(fmt.Sprintf("input %d", i), inputName(in.Name), in.SHA256)
	}
	for _, k := range a.Packs {
		what := cleanText(k.Kind) + " pack"
		if k.Status != "" {
			what += ", " + cleanText(k.Status)
		}
		row(escapeMarkdown(what), k.Name, k.SHA256)
	}
	all := len(a.Parts) + len(a.Inputs) + len(a.Packs) + len(inventoriesOf(a))
	for _, one := range []bool{a.Site != nil, a.Compared != nil, a.Annotations != nil, a.Evidence != nil} {
		if one {
			all++
		}
	}
	t.table([]string{"what", "name", "SHA-256"}, rows, all, t.most.table, "file")
	t.records(a.Inputs)
	if len(a.Rules) > 0 {
		t.line("\nRules held:\n")
		t.list(heldLines(a.Rules, ticketRows), false)
	}
	t.line("\nWritten by %s.", escapeMarkdown(cleanText(writtenBy(a))))
}

// records are what the site and the files themselves say of how captures were made.
func (t *ticket) records(inputs []classify.Input) {
	var rows [][]string
	all := 0
	for i := range inputs {
		for j := range inputs[i].Records {
			if all++; len(rows) < ticketRows {
				rows = append(rows, []string{markdownCode(inputName(inputs[i].Name)), escapeMarkdown(recordText(&inputs[i].Records[j])), escapeMarkdown(Clean(saidByFile(&inputs[i])))})
			}
		}
	}
	if all > 0 {
		t.line("")
		t.table([]string{"capture", "by the site", "by the file"}, rows, all, t.most.table, "record")
	}
}

func shaCell(sha string) string {
	if sha == "" {
		return "not hashed"
	}
	return markdownCode(sha)
}
