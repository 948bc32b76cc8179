package reports

import (
	"fmt"
	"time"

	"pcapaudit/classify"
)

// watchedLines say of each interface of a live audit what the kernel counted and how long it was watched; none for other audits.
func watchedLines(c *classify.Coverage) []string {
	var lines []string
	for _, i := range c.Live {
		lines = append(lines, fmt.Sprintf("%s (%s): %s in the kernel = %s delivered + %s dropped; watched %s, blind %s", i.Name, i.State, plural(i.Kernel, "packet"), number(i.Delivered), number(i.Dropped),
			lengthText(i.Monitored), lengthText(i.Blind)))
	}
	return lines
}

// gapLines say, one each, which times were not covered: at most so many, and how many others there are.
func gapLines(a *classify.Audit, most int) []string {
	var lines []string
	blind, more := cut(a.Coverage.Blind, most)
	for _, b := range blind {
		lines = append(lines, blindText(&b))
	}
	if more += a.Coverage.MoreBlind; more > 0 {
		lines = append(lines, "and "+plural(uint64(more), "more time")+", in the JSON report")
	}
	if len(blind) > 0 {
		return lines
	}
	for _, g := range a.Period.Gaps {
		lines = append(lines, fmt.Sprintf("no input covers %s to %s", shortTime(g.From), shortTime(g.Until)))
	}
	return lines
}

func blindText(b *classify.BlindTime) string {
	what := b.Interface
	if what == "" {
		what = "nothing was watched"
	} else {
		what += " was not watched"
	}
	return fmt.Sprintf("%s %s to %s: %s", what, shortTime(b.From), shortTime(b.Until), b.Cause)
}

// heldLines say which packs and site judged when, where they changed: the last ones, at most so many, and how many came before.
func heldLines(list []classify.RulesHeld, most int) []string {
	var lines []string
	if more := len(list) - most; more > 0 {
		lines = append(lines, plural(uint64(more), "earlier change")+" of the rules, in the JSON report")
		list = list[more:]
	}
	for _, h := range list {
		text := fmt.Sprintf("from %s to %s:", shortTime(h.From), shortTime(h.Until))
		for i, p := range h.Packs {
			if i > 0 {
				text += ","
			}
			text += fmt.Sprintf(" %s %.12s", p.Name, p.SHA256)
		}
		if h.Site != nil {
			text += fmt.Sprintf("; site %s %.12s", h.Site.File, h.Site.SHA256)
			for _, v := range h.Site.Inventories {
				text += fmt.Sprintf(", inventory %s %.12s", v.File, v.SHA256)
			}
		}
		lines = append(lines, text)
	}
	return lines
}

// lengthText is a length of time to the tenth of a second, exact where it is shorter.
func lengthText(ns int64) string {
	d := time.Duration(ns)
	if d.Abs() < 100*time.Millisecond {
		return d.String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// writtenBy names the tool, and what it was kept from while it read packets.
func writtenBy(a *classify.Audit) string {
	text := a.Tool.Name + " " + a.Tool.Version
	if a.Tool.Sandbox != "" {
		text += " (" + a.Tool.Sandbox + ")"
	}
	return text
}
