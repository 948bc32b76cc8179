package draft

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"pcapaudit/rules"
)

// assembler goes through the blocks of a document and knows what stands above each.
type assembler struct {
	*Draft
	blocks  []block
	repeats map[string]int // how often a line stands in the document, as in its table of contents

	section string
	caption string // the last line of text, if it is short
	pair    *pairAbove
	hosts   []hostLine
	listed  map[string]string // ports of the roles that lists of hosts have made
}

// pairAbove is a heading with an arrow that the ports below belong to.
type pairAbove struct {
	pair
	line, level int
	text        string
	used        bool
}

// lineLevel is the level of a heading that only its arrow shows to be one: below all others.
const lineLevel = 7

// assemble makes flows of the blocks of a document.
func (d *Draft) assemble(blocks []block) {
	a := &assembler{Draft: d, blocks: blocks, repeats: map[string]int{}, listed: map[string]string{}}
	for _, b := range blocks {
		if b.kind == prose || b.kind == item {
			a.repeats[b.text]++
		}
	}
	for i, b := range blocks {
		if b.kind != item && b.kind != prose {
			a.endHosts()
		}
		switch b.kind {
		case title, date:
			a.state(b)
		case heading:
			a.heading(b)
		case tabular:
			a.table(b.table)
			a.caption = ""
		default:
			a.line(i, b)
		}
	}
	a.endHosts()
	a.above(nil)
	d.settle()
}

// state keeps what the document says of itself.
func (a *assembler) state(b block) {
	switch {
	case b.kind == title && a.title == "":
		a.title = clean(plain(b.text), 200)
	case b.kind == date && a.date == "":
		a.date = clean(b.text, 40)
	}
}

// above puts a heading with an arrow in force, or none; the one before it is listed if nothing came of it.
func (a *assembler) above(p *pairAbove) {
	if old := a.pair; old != nil && !old.used {
		a.leave(old.line, old.line, old.text, "it says who talks to whom, and no ports follow")
	}
	a.pair = p
}

func (a *assembler) heading(b block) {
	text := clean(plain(b.text), maxPairLine)
	if a.title == "" && b.level == 1 {
		a.title = clean(text, 200)
	}
	a.section, a.caption = text, ""
	p, ok := parsePair(text)
	switch {
	case ok && p.rest == "" && p.pointed:
		a.above(&pairAbove{pair: p, line: b.first, level: b.level, text: text})
	case ok && p.rest == "":
		a.above(nil)
		a.leave(b.first, b.last, text, "the line between the two roles has no arrow's point")
	case ok && a.statement(p, b):
		a.above(nil)
	case a.pair != nil && b.level <= a.pair.level:
		a.above(nil)
	}
}

// speaksOfPorts is true for text, folded, that prints a port beside a word that says so.
var speaksOfPorts = regexp.MustCompile(`\b(tcp|udp|ports?)\b[^0-9.]{0,30}[0-9]{1,5}\b|\b[0-9]{2,5} ?/ ?(tcp|udp)\b`)

// line reads a line of text or an entry of a list.
func (a *assembler) line(i int, b block) {
	if p, ok := parsePair(b.text); ok && a.joins(i, p, b) {
		a.endHosts()
		a.caption = ""
		return
	}
	h, ok := parseHostLine(b)
	switch {
	case ok:
		if n := len(a.hosts); n > 0 && b.first > a.hosts[n-1].line+1 && b.kind != item {
			a.endHosts()
		}
		a.hosts = append(a.hosts, h)
		return
	case b.kind == item && len(h.names)+len(h.addresses) > 0:
		a.leave(b.first, b.last, b.text, "a host without ports that are understood")
		return
	case b.kind == item:
		if speaksOfPorts.MatchString(fold(b.text)) {
			a.leave(b.first, b.last, b.text, "running text that speaks of ports")
		}
		return
	}
	a.endHosts()
	a.text(b)
}

// text reads a line of prose: it may be a heading that has lost its marks, or the caption of a list.
func (a *assembler) text(b block) {
	text := clean(plain(b.text), maxPairLine)
	short := len(text) <= maxRole && !strings.ContainsAny(text[max(0, len(text)-1):], ".:;,")
	if r, _ := utf8.DecodeRuneInString(text); short && unicode.IsUpper(r) && a.repeats[b.text] > 1 {
		a.above(nil)
		a.section = text
	}
	if speaksOfPorts.MatchString(fold(b.text)) {
		a.leave(b.first, b.last, b.text, "running text that speaks of ports")
	}
	a.caption = ""
	if len(text) <= maxRole {
		a.caption = strings.TrimRight(text, " :")
	}
}

// joins reads a line with an arrow between two roles: a heading if it stands alone, a statement if it goes on behind a colon, else an entry of a list.
func (a *assembler) joins(i int, p pair, b block) bool {
	switch {
	case p.rest != "":
		if !a.statement(p, b) {
			a.leave(b.first, b.last, b.text, "running text behind an arrow")
		}
		a.above(nil)
	case !p.pointed && !a.tableFollows(i):
		return false
	case !p.pointed:
		a.above(nil)
		a.pair = &pairAbove{pair: p, line: b.first, level: lineLevel, text: clean(b.text, maxPairLine)}
		a.section = a.pair.text
	case a.neighbour(i-1) || a.neighbour(i+1):
		a.above(nil)
		a.leave(b.first, b.last, b.text, "a list of who talks to whom, without ports")
	default:
		a.above(&pairAbove{pair: p, line: b.first, level: lineLevel, text: clean(b.text, maxPairLine)})
		a.section = a.pair.text
	}
	return true
}

func (a *assembler) tableFollows(i int) bool {
	return i+1 < len(a.blocks) && a.blocks[i+1].kind == tabular
}

// neighbour is true if the block is a line with an arrow too.
func (a *assembler) neighbour(i int) bool {
	if i < 0 || i >= len(a.blocks) || a.blocks[i].kind != prose && a.blocks[i].kind != item {
		return false
	}
	p, ok := parsePair(a.blocks[i].text)
	return ok && p.pointed
}

// statement makes flows of "A --> B: TCP 443".
func (a *assembler) statement(p pair, b block) bool {
	ports, why := parsePorts(p.rest)
	if why != "" || !p.pointed {
		return false
	}
	ends := ends{from: a.roles.printed(p.from, originatorNotStated), to: a.roles.printed(p.to, responderNotStated), either: p.either}
	for _, g := range ports.groups {
		for _, proto := range protosOf(g, nil, ports.labels) {
			f := a.flow(ends, proto, g, &ports)
			f.Title = clean(plain(p.rest), 200)
			f.Cite = []rules.Cite{cite(b.first, b.last, a.section)}
			a.add(f)
		}
	}
	return true
}
