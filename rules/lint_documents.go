package rules

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What documents say, as far as a lint holds it against the flows: how many lines they have, and which port ranges stand where.

// spanForm finds two numbers that make a range as documents print them: "63000-64000", "2500 to 3000", "2500 – 3000", "de 2500 à 3000".
var spanForm = regexp.MustCompile(`\b([1-9][0-9]{0,4})\s*(?:-|–|—|\.\.|to|through|à|bis)\s*([1-9][0-9]{0,4})\b`)

// spansIn are the port ranges that a text states.
func spansIn(text string) []PortRange {
	var spans []PortRange
	for _, m := range spanForm.FindAllStringSubmatch(text, -1) {
		if r, what := parsePortRange(m[1] + "-" + m[2]); what == "" {
			spans = append(spans, r)
		}
	}
	return spans
}

// sections warns of a range that is wider than the one that the flow's own citations quote.
func (l *linter) sections(f lintedFlow) {
	var quoted []PortRange
	for _, c := range f.Cite {
		quoted = append(quoted, spansIn(c.Section)...)
	}
	l.wider(f, quoted, "its citation says")
}

// wider warns of ranges of a flow that reach beyond what is stated and overlap it. A range that the statement has nothing to do with, or that is stated as well, is left.
func (l *linter) wider(f lintedFlow, stated []PortRange, says string) {
	for i, spec := range f.ports {
		if spec.match != PortRanged || slices.ContainsFunc(stated, func(r PortRange) bool { return r.First <= spec.First && spec.Last <= r.Last }) {
			continue
		}
		at := slices.IndexFunc(stated, func(r PortRange) bool { return spec.First <= r.First && r.Last <= spec.Last && r != spec.PortRange })
		if at >= 0 {
			l.warn(fmt.Sprintf("flow %q has ports %s, and %s %d-%d", f.ID, f.Flow.Ports[i], says, stated[at].First, stated[at].Last), "narrow the range or correct the citation",
				&f.Flow.Ports[i], f.Flow)
		}
	}
}

// cited holds every citation against the document's file, and says where that is not to be had.
func (l *linter) cited(read func(string) ([]byte, bool)) {
	texts := map[string][][]byte{}
	for i := range l.pack.Documents {
		d := &l.pack.Documents[i]
		if d.File == "" {
			continue
		}
		data, ok := read(d.File)
		if !ok {
			l.warn(fmt.Sprintf("the document %q is not to be had as %q: what cites it was held against nothing", d.ID, d.File), "put it with the other documents, under that name", &d.File, d)
			continue
		}
		texts[d.ID] = bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	}
	for _, f := range l.flows {
		var stated []PortRange
		for i := range f.Cite {
			c := &f.Cite[i]
			text, ok := texts[c.Document]
			if !ok || c.Lines == "" {
				continue
			}
			first, last := linesOf(c.Lines)
			if last > len(text) {
				l.warn(fmt.Sprintf("lines %s of %q are cited, which has %d", c.Lines, c.Document, len(text)), "correct the citation", &c.Lines, c, f.Flow)
				continue
			}
			stated = append(stated, spansIn(string(bytes.Join(text[first-1:last], []byte("\n"))))...)
		}
		l.wider(f, stated, "the lines that it cites say")
	}
}

// linesOf reads lines that a check has accepted.
func linesOf(text string) (first, last int) {
	from, to, ranged := strings.Cut(text, "-")
	first, _ = strconv.Atoi(from)
	if last = first; ranged {
		last, _ = strconv.Atoi(to)
	}
	return first, last
}
