package reports

import (
	"fmt"
	"strings"

	"pcapaudit/classify"
)

// expectations is the flow matrix: one row a documented flow, folded over its hosts.
func (p *page) expectations(a *classify.Audit) {
	if a.Site == nil {
		p.head("Documented flows")
		p.line("  not expected of anybody: without a site file no host holds a role")
		return
	}
	p.head(fmt.Sprintf("Documented flows (%d applied to this site)", len(a.Expectations)))
	var rows [][]string
	var quiet []classify.Expectation
	pack := ""
	flush := func() {
		if len(rows) == 0 {
			return
		}
		p.line("  %s", cleanText(pack))
		p.matrix(rows)
		rows = nil
	}
	for _, e := range a.Expectations {
		name, id, _ := strings.Cut(e.Flow, "/")
		if name != pack {
			flush()
			pack = name
		}
		if !p.look.All && isQuiet(e) {
			quiet = append(quiet, e)
			continue
		}
		rows = append(rows, []string{cleanText(id), cleanText(e.Service), need(e), Clean(e.Summary)})
	}
	flush()
	p.quiet(quiet)
	if p.look.All {
		p.openHosts(a.Expectations)
	}
}

// openHosts names every host that a flow was not observed of, and why.
func (p *page) openHosts(list []classify.Expectation) {
	headed := false
	for _, e := range list {
		if len(e.Open) > 0 && !headed {
			p.head("Hosts of which a documented flow was not observed")
			headed = true
		}
		if len(e.Open) > 0 {
			p.line("  %s", cleanText(e.Flow))
		}
		for _, h := range e.Open {
			p.para(4, "", Clean(fmt.Sprintf("%s: %s: %s", h.Host, h.Status, strings.TrimPrefix(h.Reason, attemptedLead))))
		}
	}
}

// matrix leaves out the need where it would squeeze the status.
func (p *page) matrix(rows [][]string) {
	cols := []column{{title: "flow"}, {title: "service"}, {title: "need"}, {title: "status per originating host", flex: true}}
	used := gap
	for i, c := range cols[:3] {
		used += natural(c, rows, i) + gap
	}
	if p.look.width()-used < comfortable {
		cols = append(cols[:2:2], column{title: "status by host", flex: true})
		for i, r := range rows {
			rows[i] = []string{r[0], r[1], r[3]}
		}
	}
	p.grid(cols, rows)
}

// comfortable is the width in which most statuses stand on one line.
const comfortable = 44

// isQuiet is a flow that nobody expects and nobody used: it would only fill the screen.
func isQuiet(e classify.Expectation) bool {
	for _, s := range e.Statuses {
		if s.Status == "observed" || s.Status == "missing" || s.Status == "attempted" {
			return false
		}
	}
	return true
}

// quiet counts the flows left out by the best that is known of any host.
func (p *page) quiet(list []classify.Expectation) {
	if len(list) == 0 {
		return
	}
	counts := map[string]uint64{}
	for _, e := range list {
		word := "not-testable"
		for _, s := range e.Statuses {
			if s.Status == "not-observed" || s.Status == "not-triggered" && word != "not-observed" {
				word = s.Status
			}
		}
		counts[word]++
	}
	var parts []string
	for _, word := range []string{"not-observed", "not-triggered", "not-testable"} {
		if counts[word] > 0 {
			parts = append(parts, number(counts[word])+" "+strings.ReplaceAll(word, "-", " "))
		}
	}
	p.para(2, "", fmt.Sprintf("and %s that nothing requires here and nobody used (see --all): %s", plural(uint64(len(list)), "flow"), strings.Join(parts, ", ")))
}

func need(e classify.Expectation) string {
	if e.Occurrence == "" {
		return cleanText(e.Need)
	}
	return cleanText(e.Need + ", " + e.Occurrence)
}
