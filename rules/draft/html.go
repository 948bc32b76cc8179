package draft

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// page reads HTML tag by tag and keeps count of lines; it needs no tree, so no document nests too deep for it.
type page struct {
	blocks []block
	line   int // of the tag being read
	text   strings.Builder
	begun  int // line on which the text begins
	kind   blockKind
	level  int

	depth   int // of tables
	table   *table
	row     *row
	head    bool // a cell of the row is a header
	span    [2]int
	own     int       // cells that the row has itself
	divided bool      // the table has titles
	held    []spanned // cells that reach down into rows to come, by column
	rows    int
	code    bool
}

// spanned is a cell that covers more rows.
type spanned struct {
	text string
	rows int
	line int // of the row that it stands in
}

// htmlBlocks reads HTML whose first line has the given number.
func htmlBlocks(text string, line int) []block {
	z := html.NewTokenizer(strings.NewReader(text))
	z.SetMaxBuf(MaxFile + 1)
	p := &page{line: line}
	for {
		kind := z.Next()
		raw := z.Raw()
		ends := strings.Count(string(raw), "\n")
		switch kind {
		case html.ErrorToken:
			p.flush()
			p.endTable()
			return p.blocks
		case html.TextToken:
			p.write(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			p.open(t)
			if t.DataAtom == atom.Script || t.DataAtom == atom.Style {
				p.code = true
			}
		case html.EndTagToken:
			t := z.Token()
			p.code = false
			p.close(t.DataAtom)
		}
		p.line += ends
	}
}

func (p *page) write(s string) {
	if p.code {
		return
	}
	if strings.TrimSpace(s) != "" && strings.TrimSpace(p.text.String()) == "" {
		p.text.Reset()
		p.begun = p.line + strings.Count(s[:len(s)-len(strings.TrimLeft(s, " \t\r\n"))], "\n")
	}
	p.text.WriteString(spaces.ReplaceAllString(s, " "))
}

var headings = map[atom.Atom]int{atom.H1: 1, atom.H2: 2, atom.H3: 3, atom.H4: 4, atom.H5: 5, atom.H6: 6}

func (p *page) open(t html.Token) {
	switch a := t.DataAtom; {
	case a == atom.Br:
		p.text.WriteByte('\n')
	case a == atom.Sup:
		p.text.WriteString(" (note ")
	case a == atom.Table:
		p.flushOutside()
		p.depth++
		if p.depth == 1 {
			p.table = &table{first: p.line}
			p.held = nil
		}
	case p.depth > 1: // a table in a cell is text of the cell
	case a == atom.Tr && p.table != nil:
		p.endRow()
		p.row = &row{first: p.line, last: p.line}
		p.head = false
	case (a == atom.Td || a == atom.Th) && p.table != nil:
		p.endCell()
		if p.row == nil {
			p.row = &row{first: p.line, last: p.line}
		}
		p.text.Reset()
		p.head = p.head || a == atom.Th
		p.span = [2]int{spanOf(t, "colspan", maxColumns), spanOf(t, "rowspan", maxRowspan)}
	case p.table != nil:
		if a == atom.P || a == atom.Div || a == atom.Li {
			p.text.WriteByte('\n')
		}
	case headings[a] > 0:
		p.flush()
		p.kind, p.level = heading, headings[a]
	case a == atom.Title:
		p.flush()
		p.kind = title
	case a == atom.Li:
		p.flush()
		p.kind = item
	case a == atom.P || a == atom.Div || a == atom.Pre || a == atom.Ul || a == atom.Ol || a == atom.Section || a == atom.Dt || a == atom.Dd:
		p.flush()
	}
}

func (p *page) close(a atom.Atom) {
	switch {
	case a == atom.Sup:
		p.text.WriteByte(')')
	case a == atom.Table && p.depth > 0:
		p.depth--
		if p.depth == 0 {
			p.endTable()
		}
	case p.depth > 1:
	case a == atom.Tr:
		p.endRow()
	case a == atom.Td || a == atom.Th:
		p.endCell()
	case a == atom.Caption && p.table != nil:
		p.text.Reset()
	case p.table == nil && (headings[a] > 0 || a == atom.Title || a == atom.Li || a == atom.P || a == atom.Div || a == atom.Pre):
		p.flush()
	}
}

func spanOf(t html.Token, key string, most int) int {
	for _, a := range t.Attr {
		if n, err := strconv.Atoi(a.Val); a.Key == key && err == nil && n > 1 {
			return min(n, most)
		}
	}
	return 1
}

func (p *page) flushOutside() {
	if p.table == nil {
		p.flush()
	}
}

// flush ends a piece of text outside tables; each of its lines is a block.
func (p *page) flush() {
	text := p.text.String()
	p.text.Reset()
	for i, part := range strings.Split(text, "\n") {
		if part = strings.TrimSpace(part); part != "" && p.table == nil {
			p.blocks = append(p.blocks, block{kind: p.kind, level: p.level, text: part, first: p.begun, last: max(p.begun, p.line)})
		}
		if i == 0 && p.kind == title {
			break
		}
	}
	p.kind, p.level = prose, 0
}

// endCell keeps the text of the cell that ends, once for each column that it covers, behind the cells that reach down into the row.
func (p *page) endCell() {
	if p.row == nil || p.span[0] == 0 {
		return
	}
	p.reach()
	text := strings.TrimSpace(p.text.String())
	p.text.Reset()
	text = text[:min(len(text), maxCellText+1)]
	p.own++
	for range p.span[0] {
		if len(p.row.cells) >= maxColumns {
			break
		}
		if at := len(p.row.cells); p.span[1] > 1 {
			p.held = append(p.held, make([]spanned, max(0, at+1-len(p.held)))...)
			p.held[at] = spanned{text, p.span[1], p.row.first}
		}
		p.row.cells = append(p.row.cells, text)
	}
	p.span = [2]int{}
}

// reach fills the columns that cells of rows above cover.
func (p *page) reach() {
	for at := len(p.row.cells); at < len(p.held) && p.held[at].rows > 1; at++ {
		p.row.cells = append(p.row.cells, p.held[at].text)
		p.held[at].rows--
		if line := p.held[at].line; !slices.Contains(p.row.above, line) {
			p.row.above = append(p.row.above, line)
		}
	}
}

func (p *page) endRow() {
	p.endCell()
	if p.row == nil {
		return
	}
	p.reach()
	r, across := *p.row, p.own == 1 && len(p.row.cells) > 1 && len(p.row.above) == 0
	p.row, p.own = nil, 0
	r.last = max(p.line, r.first)
	p.rows++
	switch {
	case len(r.cells) == 0:
	case across && p.rows <= maxRows:
		p.divide(r)
	case p.rows > maxRows:
		p.table.dropped++
	case len(p.table.rows) == 0 && (p.table.header.cells == nil || p.head && !known(p.table.header.cells)):
		p.table.header = r
	default:
		p.table.rows = append(p.table.rows, r)
	}
}

// titleLevel is the level of a title within a table: below all headings.
const titleLevel = lineLevel - 1

// divide ends the rows so far at a row whose one cell stands over all columns: that is a title of what follows, under the same header.
func (p *page) divide(r row) {
	if t := p.table; len(t.rows) > 0 {
		p.blocks = append(p.blocks, block{kind: tabular, table: t, first: t.first, last: r.first})
		p.table = &table{header: t.header, first: r.first, dropped: t.dropped}
		t.dropped = 0
	}
	b := block{kind: heading, level: titleLevel, text: r.cells[0], first: r.first, last: r.last}
	if speaksOfPorts.MatchString(fold(b.text)) {
		b.kind = prose
	}
	p.blocks, p.divided = append(p.blocks, b), true
}

// known is true for a header that has a word over ports.
func known(cells []string) bool {
	return slices.ContainsFunc(cells, func(c string) bool {
		is := headerOf(c)
		return is == portsColumn || is == tcpColumn || is == udpColumn || is == rangeColumn
	})
}

func (p *page) endTable() {
	if p.table == nil {
		return
	}
	p.endRow()
	t := p.table
	p.table, p.depth, p.own = nil, 0, 0
	p.text.Reset()
	t.last = max(p.line, t.first)
	if len(t.header.cells) > 0 && (len(t.rows) > 0 || t.dropped > 0 || !p.divided) {
		p.blocks = append(p.blocks, block{kind: tabular, table: t, first: t.first, last: t.last})
	}
	if p.divided { // a title holds to the end of its table
		p.blocks, p.divided = append(p.blocks, block{kind: heading, level: titleLevel, first: t.last, last: t.last}), false
	}
}
