package draft

import (
	"html"
	"regexp"
	"strings"
)

var (
	atxHeading   = regexp.MustCompile(`^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$`)
	separator    = regexp.MustCompile(`^\s*\|?(\s*:?-+:?\s*\|)+(\s*:?-+:?\s*)?\s*$|^\s*\|(\s*:?-+:?\s*\|?)+\s*$|^\s*:?-+:?\s*(\|\s*:?-+:?\s*)+$`)
	frontTitle   = regexp.MustCompile(`^(?i:title):\s*["']?(.+?)["']?\s*$`)
	frontDate    = regexp.MustCompile(`^(?i:date|ms\.date|lastupdated|last_updated|updated):\s*["']?([0-9][0-9/. -]{3,18}[0-9])["']?\s*$`)
	lineBreak    = regexp.MustCompile(`(?i)<br\s*/?>`)
	superscript  = regexp.MustCompile(`(?i)<sup>(.*?)</sup>`)
	tag          = regexp.MustCompile(`</?[A-Za-z][^<>]*>|<!--.*?-->`)
	tableBegin   = regexp.MustCompile(`(?i)^\s*<table[\s>]`)
	tableBorders = regexp.MustCompile(`(?i)<(/?)table[\s>]`)
)

// lines reads a text line by line.
type lines struct {
	list   []string
	blocks []block
	rows   int // of all tables
}

// markdownBlocks reads Markdown and plain text: headings, lines, lists, listings, pipe tables, HTML tables, and tables flattened to a line a cell.
func markdownBlocks(text string) []block {
	l := &lines{list: strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")}
	i := l.frontMatter()
	for i < len(l.list) {
		i = l.next(i)
	}
	return l.blocks
}

func (l *lines) put(kind blockKind, text string, line int) {
	l.blocks = append(l.blocks, block{kind: kind, text: text, first: line + 1, last: line + 1})
}

// frontMatter reads a head of keys and values between two lines of hyphens, and says where the text begins.
func (l *lines) frontMatter() int {
	if strings.TrimSpace(l.list[0]) != "---" {
		return 0
	}
	for i := 1; i < len(l.list) && i < 200; i++ {
		if strings.TrimSpace(l.list[i]) != "---" {
			continue
		}
		for j, line := range l.list[1:i] {
			if m := frontTitle.FindStringSubmatch(line); m != nil {
				l.put(title, m[1], j+1)
			}
			if m := frontDate.FindStringSubmatch(line); m != nil {
				l.put(date, m[1], j+1)
			}
		}
		return i + 1
	}
	return 0
}

// next reads what begins at line i and gives the line behind it.
func (l *lines) next(i int) int {
	line := strings.TrimLeft(l.list[i], "> ")
	trimmed := strings.TrimSpace(l.list[i])
	switch {
	case trimmed == "":
	case strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~"):
		return l.listing(i, trimmed[:3])
	case tableBegin.MatchString(line):
		return l.htmlTable(i)
	case atxHeading.MatchString(l.list[i]):
		m := atxHeading.FindStringSubmatch(l.list[i])
		l.blocks = append(l.blocks, block{kind: heading, level: len(m[1]), text: cellText(m[2]), first: i + 1, last: i + 1})
	case l.isPipeTable(i):
		return l.pipeTable(i)
	case isFlat(l.list[i]):
		return l.flatTables(i)
	case leading.MatchString(line):
		l.put(item, cellText(leading.ReplaceAllString(line, "")), i)
	default:
		l.put(prose, cellText(line), i)
	}
	return i + 1
}

// listing reads lines between fences.
func (l *lines) listing(i int, fence string) int {
	for i++; i < len(l.list); i++ {
		if strings.HasPrefix(strings.TrimSpace(l.list[i]), fence) {
			return i + 1
		}
		if strings.TrimSpace(l.list[i]) != "" {
			l.put(item, l.list[i], i)
		}
	}
	return i
}

// htmlTable reads a table of HTML inside the text.
func (l *lines) htmlTable(i int) int {
	open, end := 0, i
	for end < len(l.list) {
		for _, m := range tableBorders.FindAllStringSubmatch(l.list[end]+"\n", -1) {
			if m[1] == "" {
				open++
			} else {
				open--
			}
		}
		end++
		if open <= 0 {
			break
		}
	}
	l.blocks = append(l.blocks, htmlBlocks(strings.Join(l.list[i:end], "\n"), i+1)...)
	return end
}

// cellText is the text of a cell or line: breaks are line breaks, superscripts notes, other tags nothing, entities characters.
func cellText(s string) string {
	if strings.ContainsAny(s, "<") {
		s = superscript.ReplaceAllString(lineBreak.ReplaceAllString(s, "\n"), " (note $1)")
		s = tag.ReplaceAllString(s, " ")
	}
	return strings.TrimSpace(html.UnescapeString(s))
}

// splitRow cuts a line at its bars; a bar at either end borders the table.
func splitRow(line string) []string {
	line = strings.TrimSpace(strings.TrimLeft(line, "> "))
	line = strings.ReplaceAll(line, `\|`, "\x00")
	line = strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|")
	cells := strings.SplitN(line, "|", maxColumns+1)
	cells = cells[:min(len(cells), maxColumns)]
	for i := range cells {
		cells[i] = cellText(strings.ReplaceAll(cells[i], "\x00", "|"))
	}
	return cells
}

func (l *lines) isPipeTable(i int) bool {
	return i+1 < len(l.list) && strings.Contains(l.list[i], "|") && separator.MatchString(strings.TrimLeft(l.list[i+1], "> ")) && len(splitRow(l.list[i])) > 1
}

func (l *lines) pipeTable(i int) int {
	t := &table{header: row{cells: splitRow(l.list[i]), first: i + 1, last: i + 1}, first: i + 1}
	i += 2
	for ; i < len(l.list) && strings.Contains(l.list[i], "|"); i++ {
		l.add(t, row{cells: splitRow(l.list[i]), first: i + 1, last: i + 1})
	}
	t.last = i
	l.blocks = append(l.blocks, block{kind: tabular, table: t, first: t.first, last: t.last})
	return i
}

// add gives a table a row, or counts it where the document has too many.
func (l *lines) add(t *table, r row) {
	if l.rows++; l.rows > maxRows {
		t.dropped++
		return
	}
	t.rows = append(t.rows, r)
}

// isFlat is true for a line that holds one cell of a flattened table: its only bar ends it.
func isFlat(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasSuffix(line, "|") && strings.Count(line, "|") == 1
}

// flatSeparator is longer than the hyphens that stand for no port.
var flatSeparator = regexp.MustCompile(`^\s*(:?-{3,}:?\s*\|\s*)+(:?-{3,}:?\s*)?$`)

func isFlatSeparator(line string) bool { return flatSeparator.MatchString(line) }

// flatTables reads tables of one cell a line. The line of hyphens behind the header says how many columns there are; without one the header is the
// words that are known to stand over columns.
func (l *lines) flatTables(i int) int {
	end := i
	for end < len(l.list) && (isFlat(l.list[end]) || isFlatSeparator(l.list[end])) {
		end++
	}
	for i < end {
		header, body := l.flatHeader(i, end)
		next := l.flatEnd(body, end)
		l.flatTable(i, header, body, next)
		i = max(next, i+1)
	}
	return end
}

// flatHeader is the columns of a table that begins at line i and where its cells begin.
func (l *lines) flatHeader(i, end int) (columns, body int) {
	for j := i; j < end && j-i <= maxColumns; j++ {
		if isFlatSeparator(l.list[j]) {
			return j - i, j + 1
		}
	}
	for body = i; body < end && headerOf(flatCell(l.list[body])) != noColumn; {
		body++
	}
	return body - i, body
}

// flatEnd is where the cells of a table end: at the header of the next one.
func (l *lines) flatEnd(body, end int) int {
	for j := body; j < end; j++ {
		if isFlatSeparator(l.list[j]) {
			return max(body, j-len(splitRow(l.list[j])))
		}
	}
	return end
}

func flatCell(line string) string {
	return cellText(strings.TrimSuffix(strings.TrimSpace(line), "|"))
}

func (l *lines) flatTable(i, columns, body, end int) {
	t := &table{first: i + 1, last: end}
	for j := i; j < i+columns; j++ {
		t.header.cells = append(t.header.cells, flatCell(l.list[j]))
	}
	t.header.first, t.header.last = i+1, max(i+1, i+columns)
	for j := body; columns > 0 && j < end; j += columns {
		r := row{first: j + 1, last: min(j+columns, end)}
		for _, line := range l.list[j:r.last] {
			r.cells = append(r.cells, flatCell(line))
		}
		l.add(t, r)
	}
	l.blocks = append(l.blocks, block{kind: tabular, table: t, first: t.first, last: t.last})
}
