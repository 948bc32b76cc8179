package draft

import (
	"regexp"
	"strings"
)

// pair is what a line with an arrow says: who opens connections to whom.
type pair struct {
	from, to string
	either   bool   // the arrow has two points
	pointed  bool   // it has one at least
	rest     string // behind a colon
}

var (
	arrows  = regexp.MustCompile(`\s*(<\s*[-–—=]+\s*>|[-–—=]+\s*>|<\s*[-–—=]+|[→⇒➔➜⟶]|[←⇐⟵]|[↔⇔⟷])|\s--\s`)
	leading = regexp.MustCompile(`^\s*([-*+•]|[0-9]+[.)])\s+`)
)

const (
	maxPairLine = 240 // bytes of a line that may be an arrow between two roles
	maxRole     = 120 // bytes of a role
)

// parsePair reads a line that joins two roles with one arrow.
func parsePair(line string) (p pair, ok bool) {
	if len(line) > 2*maxPairLine {
		return p, false
	}
	line = plain(clean(leading.ReplaceAllString(line, ""), 2*maxPairLine))
	at := arrows.FindAllStringIndex(line, 2)
	if len(at) != 1 || len(line) > maxPairLine {
		return p, false
	}
	arrow := strings.TrimSpace(line[at[0][0]:at[0][1]])
	p.from, p.to = clean(line[:at[0][0]], maxPairLine), clean(line[at[0][1]:], maxPairLine)
	if i := strings.Index(p.to, ": "); i >= 0 {
		p.to, p.rest = strings.TrimSpace(p.to[:i]), strings.TrimSpace(p.to[i+1:])
	}
	p.to = strings.TrimSuffix(p.to, ":")
	p.to = strings.TrimSpace(p.to)
	left := strings.ContainsAny(arrow, "<←⇐⟵↔⇔⟷")
	right := strings.ContainsAny(arrow, ">→⇒➔➜⟶↔⇔⟷")
	p.either, p.pointed = left && right, left || right
	if left && !right {
		p.from, p.to = p.to, p.from
	}
	return p, isRole(p.from) && isRole(p.to)
}

// isRole is true for text that may name a role: short, with a letter, no sentence.
func isRole(s string) bool {
	return s != "" && len(s) <= maxRole && slug(s, 40) != "" && !strings.Contains(s, ". ") && !strings.ContainsAny(s, "{}=|;")
}
