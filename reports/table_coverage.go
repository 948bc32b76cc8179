package reports

import (
	"fmt"
	"strings"

	"pcapaudit/classify"
)

func (p *page) coverage(a *classify.Audit) {
	p.head("Coverage: what this report cannot show")
	for _, s := range a.Coverage.CannotShow {
		p.para(2, "- ", cleanSentence(s))
	}
	for _, g := range a.Period.Gaps {
		p.para(2, "- ", fmt.Sprintf("no input covers %s to %s", shortTime(g.From), shortTime(g.Until)))
	}
}

// ledgers prints both sums, so that a reader can add them up.
func (p *page) ledgers(a *classify.Audit) {
	p.head("Ledgers")
	var parts []string
	for _, c := range a.Packets.Classes {
		if c.Packets > 0 {
			parts = append(parts, number(c.Packets)+" "+cleanText(c.Name))
		}
	}
	p.para(2, "packets      ", fmt.Sprintf("%s read = %s", number(a.Packets.Read), sum(parts)))
	p.para(2, "bytes        ", fmt.Sprintf("%s read + %s unread", number(a.Packets.Bytes), number(a.Packets.Unread)))
	p.para(2, "connections  ", fmt.Sprintf("%s created = %s open + %s emitted", number(a.Connections.Created), number(a.Connections.Open), number(a.Connections.Emitted)))
	parts = parts[:0]
	for _, t := range a.Totals {
		if t.Connections > 0 {
			parts = append(parts, number(t.Connections)+" "+t.Verdict)
		}
	}
	p.para(2, "verdicts     ", fmt.Sprintf("%s emitted = %s", number(a.Connections.Emitted), sum(parts)))
	if !p.look.All {
		return
	}
	for _, d := range a.Packets.Detail {
		p.line("    %s  %s", cleanText(d.Name), number(d.Packets))
	}
}

func sum(parts []string) string {
	if len(parts) == 0 {
		return "0"
	}
	return strings.Join(parts, " + ")
}

func (p *page) inputs(a *classify.Audit) {
	p.head("Inputs")
	for i, in := range a.Inputs {
		if i == foldRows && !p.look.All {
			p.line("  and %s (see --all)", plural(uint64(len(a.Inputs)-i), "more file"))
			break
		}
		format := in.Format
		if in.Compression != "" {
			format += "." + in.Compression
		}
		state := cleanText(in.State)
		if in.Detail != "" {
			state += ": " + cleanText(in.Detail)
		}
		p.para(2, fmt.Sprintf("%d  ", i), fmt.Sprintf("%s  %s, %s, %s, %s", cleanText(in.Name), format, size(uint64(in.Size)), plural(in.Packets, "packet"), state))
		if in.SHA256 != "" {
			p.line("     SHA256 %s", in.SHA256)
		} else {
			p.line("     not hashed (--hash none): this report cannot be verified against its inputs")
		}
		for _, w := range in.Warnings {
			p.para(5, "warning: ", cleanSentence(w))
		}
	}
	for _, k := range a.Packs {
		p.line("  %s pack %s", k.Kind, cleanText(k.Name))
		p.line("     SHA256 %s", k.SHA256)
	}
	if a.Site != nil {
		p.line("  site %s", cleanText(a.Site.File))
		p.line("     SHA256 %s", a.Site.SHA256)
	}
}
