package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"

	"pcapaudit/rules"
)

// PackDiff writes what changed from one pack to another, in one of DiffFormats.
func PackDiff(w io.Writer, d *rules.PackDiff, format string, look Look) error {
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		return e.Encode(d)
	case "table":
		p := &page{w: w, look: look}
		p.packDiff(d)
		return p.err
	}
	return fmt.Errorf("unknown format %q; use %s", format, strings.Join(DiffFormats, " or "))
}

func (p *page) packDiff(d *rules.PackDiff) {
	verdict := "nothing changed in what the packs say"
	if !d.Empty() {
		verdict = packDiffCounts(d)
	}
	p.line("%s %s", p.paint("Difference:", color.Bold), verdict)
	p.para(2, "old  ", packVersion(d.Old))
	p.para(2, "new  ", packVersion(d.New))
	if len(d.Pack) > 0 {
		p.head("Pack")
		for _, c := range d.Pack {
			p.para(2, "", Clean(c.Text))
		}
	}
	p.entryChanges("Documents", d.Documents)
	p.entryChanges("Roles", d.Roles)
	p.entryChanges("Conditions", d.Conditions)
	p.entryChanges("Flows", d.Flows)
}

func packVersion(v rules.PackVersion) string {
	text := cleanText(v.Name)
	if v.ProductVersion != "" {
		text += ", product version " + cleanText(v.ProductVersion)
	}
	return text + ", " + plural(uint64(v.Flows), "flow") + ", SHA-256 " + v.SHA256
}

// packDiffCounts is "flows: 1 new, 2 changed; roles: 1 renamed".
func packDiffCounts(d *rules.PackDiff) string {
	var parts []string
	for _, kind := range []struct {
		name string
		list []rules.EntryChange
	}{{"flows", d.Flows}, {"roles", d.Roles}, {"conditions", d.Conditions}, {"documents", d.Documents}} {
		var counts []string
		for _, state := range []string{rules.EntryNew, rules.EntryGone, rules.EntryRenamed, rules.EntryChanged} {
			n := 0
			for _, e := range kind.list {
				if e.State == state {
					n++
				}
			}
			if n > 0 {
				counts = append(counts, fmt.Sprintf("%s %s", number(uint64(n)), state))
			}
		}
		if len(counts) > 0 {
			parts = append(parts, kind.name+": "+strings.Join(counts, ", "))
		}
	}
	if len(parts) == 0 {
		return "only what the pack says of itself"
	}
	return strings.Join(parts, "; ")
}

// entryChanges lists entries, each with its changes below it.
func (p *page) entryChanges(title string, list []rules.EntryChange) {
	if len(list) == 0 {
		return
	}
	p.head(title)
	for _, e := range list {
		state := e.State
		if e.Was != "" {
			state += ", was " + cleanText(e.Was)
		}
		p.line("  %s (%s)", p.paint(cleanText(e.Name), color.Bold), state)
		if len(e.Changes) == 0 && e.Text != "" && e.Was == "" {
			p.para(4, "", Clean(e.Text))
		}
		for _, c := range e.Changes {
			p.para(4, "", Clean(c.Text))
		}
	}
}
