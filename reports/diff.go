package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"

	"pcapaudit/classify"
)

// DiffFormats are the formats of Diff.
var DiffFormats = []string{"table", "json"}

// foldDifferences is how many lines of a list the text shows; Look.All lifts it.
const foldDifferences = 20

// Diff writes what changed from one audit to another.
func Diff(w io.Writer, d *classify.Diff, format string, look Look) error {
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(d)
	case "table":
		p := &page{w: w, look: look}
		p.diff(d)
		return p.err
	}
	return fmt.Errorf("unknown format %q; use table or json", format)
}

func (p *page) diff(d *classify.Diff) {
	switch n := d.AddedCount; n {
	case 0:
		p.line("%s no new finding that decides", p.paint("Difference:", color.Bold))
	default:
		p.line("%s %s", p.paint("Difference:", color.Bold), p.paint(plural(uint64(n), "new finding")+" that "+[]string{"decides", "decide"}[min(n-1, 1)], color.FgRed))
	}
	p.version("old", d.Old)
	p.version("new", d.New)
	p.sentences("Changed besides", d.Changes)
	p.sentences("Not compared", d.Limits)
	p.differences("New", d.Added)
	p.differences("Newly testable", d.Testable)
	p.differences("No longer testable", d.Lost)
	p.differences("Newly excepted", d.Excepted)
	p.differences("Fixed: not in the new audit, which could have shown it", d.Fixed)
	if p.look.All {
		p.differences("Unchanged", d.Unchanged)
	} else if n := len(d.Unchanged); n > 0 {
		p.head(fmt.Sprintf("Unchanged: %s (see --all)", number(uint64(n))))
	}
}

func (p *page) version(name string, v classify.Version) {
	period := "no period covered"
	if v.CoveredFrom != "" {
		period = shortTime(v.CoveredFrom) + " to " + shortTime(v.CoveredLast) + " UTC"
	}
	p.para(2, name+"  ", fmt.Sprintf("%s: %s, %s, %s", cleanText(v.File), cleanText(v.Verdict), plural(uint64(v.Findings), "finding"), cleanText(period)))
}

func (p *page) sentences(title string, list []string) {
	if len(list) == 0 {
		return
	}
	p.head(title)
	for _, text := range list {
		p.para(2, "- ", Clean(text))
	}
}

func (p *page) differences(title string, list []classify.Difference) {
	if len(list) == 0 {
		return
	}
	p.head(fmt.Sprintf("%s: %s", title, number(uint64(len(list)))))
	lines := list
	if !p.look.All {
		lines = foldFlows(list)
	}
	for i := range lines {
		if i == foldDifferences && !p.look.All {
			p.line("  and %s more (see --all)", number(uint64(len(lines)-i)))
			return
		}
		e := &lines[i]
		p.para(2, p.paint(fmt.Sprintf("%-6s", cleanText(e.Severity)), severityColor[e.Severity])+"  ", Clean(e.Summary))
		p.para(10, "", transition(e))
		if e.Reason != "" {
			p.para(10, "", Clean(e.Reason))
		}
	}
}

// foldFlows makes one line of the hosts for which the expectation of a flow changed in the same way and does not decide.
func foldFlows(list []classify.Difference) []classify.Difference {
	type key struct{ flow, old, now string }
	hosts := map[key]uint64{}
	for _, e := range list {
		if e.Flow != "" && !e.Decides {
			hosts[key{e.Flow, e.Old, e.New}]++
		}
	}
	var out []classify.Difference
	for _, e := range list {
		k := key{e.Flow, e.Old, e.New}
		n := hosts[k]
		if e.Flow == "" || e.Decides || n == 1 {
			out = append(out, e)
			continue
		}
		if n > 1 {
			e.Summary = plural(n, "host") + strings.TrimPrefix(e.Summary, e.Host)
			e.Reason = ""
			out = append(out, e)
			hosts[k] = 0
		}
	}
	return out
}

// transition is "missing, was observed [0123456789abcdef]".
func transition(e *classify.Difference) string {
	text := e.New
	switch {
	case e.New == "":
		text = "was " + e.Old
	case e.Old == "":
	case e.Old != e.New:
		text += ", was " + e.Old
	}
	if !e.Decides {
		text += "; does not decide"
	}
	if e.ID != "" {
		text += " [" + e.ID + "]"
	}
	return Clean(text)
}
