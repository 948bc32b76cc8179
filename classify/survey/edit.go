package survey

import (
	"fmt"
	"slices"
	"strings"

	"pcapaudit/rules"
)

// editor adds lines to a text and changes single ones. Lines keep their ends; the text itself stays for the diff.
type editor struct {
	lines  []string         // with their line breaks
	behind map[int][]string // lines to add behind a line; -1 is before the first
	now    map[int]string   // lines that are changed
	end    string           // line break of added lines
}

func newEditor(text []byte) *editor {
	e := &editor{lines: slices.Collect(strings.Lines(string(text))), behind: map[int][]string{}, now: map[int]string{}, end: "\n"}
	if len(e.lines) > 0 && strings.HasSuffix(e.lines[0], "\r\n") {
		e.end = "\r\n"
	}
	return e
}

func (e *editor) empty() bool { return len(e.behind)+len(e.now) == 0 }

// line is a line as it is now, without its break; i counts from 0.
func (e *editor) line(i int) string {
	text, changed := e.now[i]
	if !changed {
		text = e.lines[i]
	}
	return strings.TrimRight(text, "\r\n")
}

// set changes a line; its break stays.
func (e *editor) set(i int, text string) {
	old := e.lines[i]
	e.now[i] = text + old[len(strings.TrimRight(old, "\r\n")):]
}

// add puts lines behind line i, and behind what was put there before.
func (e *editor) add(i int, lines []string) {
	fresh := make([]string, len(lines))
	for j, l := range lines {
		fresh[j] = l + e.end
	}
	e.behind[i] = append(e.behind[i], fresh...)
	if i >= 0 && !strings.HasSuffix(e.lines[i], "\n") {
		e.now[i] = e.line(i) + e.end
	}
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// item is a block entry of a list: the lines that it takes, and where its dash stands.
func (e *editor) item(pos rules.Pos) (first, last, dash int, ok bool) {
	first = pos.Line - 1
	if first < 0 || first >= len(e.lines) {
		return 0, 0, 0, false
	}
	line := e.line(first)
	if dash = indentOf(line); !strings.HasPrefix(line[dash:], "- ") || columnOf(line, pos.Col) != dash+2+indentOf(line[dash+2:]) {
		return 0, 0, 0, false
	}
	last = first
	for i := first + 1; i < len(e.lines); i++ {
		l := e.line(i)
		if text := strings.TrimSpace(l); text == "" || text[0] == '#' {
			continue
		}
		if indentOf(l) <= dash {
			break
		}
		last = i
	}
	return first, last, dash, true
}

// columnOf is the byte offset of a column, which counts characters from 1.
func columnOf(line string, col int) int {
	n := 1
	for i := range line {
		if n == col {
			return i
		}
		n++
	}
	return len(line)
}

// appendItems adds block entries, which are written with their dashes two spaces in, behind the entry at pos. It is false where that is none.
func (e *editor) appendItems(pos rules.Pos, text string) bool {
	_, last, dash, ok := e.item(pos)
	if !ok {
		return false
	}
	var lines []string
	for l := range strings.Lines(text) {
		lines = append(lines, strings.Repeat(" ", dash)+strings.TrimPrefix(strings.TrimSuffix(l, "\n"), "  "))
	}
	e.add(last, lines)
	return true
}

// appendText adds lines at the end.
func (e *editor) appendText(text string) {
	e.add(len(e.lines)-1, strings.Split(strings.TrimSuffix(text, "\n"), "\n"))
}

func (e *editor) hasKey(key string) bool {
	return slices.ContainsFunc(e.lines, func(l string) bool { return strings.HasPrefix(l, key+":") })
}

// appendWord adds a word to a list in brackets behind the one at pos.
func (e *editor) appendWord(pos rules.Pos, word string) bool {
	if pos.Line < 1 || pos.Line > len(e.lines) {
		return false
	}
	line := e.line(pos.Line - 1)
	end := wordEnd(line, columnOf(line, pos.Col))
	if rest := strings.TrimLeft(line[end:], " "); rest == "" || rest[0] != ']' && rest[0] != ',' {
		return false
	}
	e.set(pos.Line-1, line[:end]+", "+word+line[end:])
	return true
}

// wordEnd is where the YAML word at from ends, which is plain or in quotes without escapes.
func wordEnd(line string, from int) int {
	if from < len(line) && (line[from] == '"' || line[from] == '\'') {
		if n := strings.IndexByte(line[from+1:], line[from]); n >= 0 {
			return from + n + 2
		}
	}
	if n := strings.IndexAny(line[from:], ",]}# "); n >= 0 {
		return from + n
	}
	return len(line)
}

// addRoles adds roles to a host's list, with comments. It is false where the list is written in a way that it does not know.
func (e *editor) addRoles(site *rules.Site, h *rules.Host, roles, notes []string) bool {
	pos := site.Stated(h)
	first, last, dash, ok := e.item(pos)
	if !ok {
		return false
	}
	indent := strings.Repeat(" ", dash)
	note := func(in string) (lines []string) {
		for _, n := range notes {
			lines = append(lines, in+n)
		}
		return lines
	}
	if len(h.Roles) == 0 {
		if line := e.line(first); strings.HasPrefix(strings.TrimLeft(line[dash+2:], " "), "{") {
			at := strings.LastIndexByte(line, '}')
			if at < 0 || strings.ContainsAny(line, "#\"'") || strings.Contains(line, "roles:") {
				return false
			}
			e.set(first, line[:at]+", roles: ["+strings.Join(roles, ", ")+"]"+line[at:])
			e.add(first-1, note(indent))
			return true
		}
		e.add(last, append(note(indent+"  "), indent+"  roles: ["+strings.Join(roles, ", ")+"]"))
		return true
	}
	at := site.Stated(&h.Roles[len(h.Roles)-1])
	if _, end, in, block := e.item(at); block && at.Line-1 > first {
		lines := note(strings.Repeat(" ", in))
		for _, r := range roles {
			lines = append(lines, strings.Repeat(" ", in)+"- "+r)
		}
		e.add(end, lines)
		return true
	}
	if !e.appendWord(at, strings.Join(roles, ", ")) {
		return false
	}
	e.add(first-1, note(indent))
	return true
}

// result is the text with all changes.
func (e *editor) result() []byte {
	var b strings.Builder
	for _, l := range e.behind[-1] {
		b.WriteString(l)
	}
	for i, l := range e.lines {
		if changed, ok := e.now[i]; ok {
			l = changed
		}
		b.WriteString(l)
		for _, fresh := range e.behind[i] {
			b.WriteString(fresh)
		}
	}
	return []byte(b.String())
}

// change is a line of a diff: ' ', '-' or '+' before it.
type change struct {
	kind byte
	text string
}

// context is how many unchanged lines a diff shows around changes.
const context = 3

// diff is the unified diff (POSIX diff -u) from the text to the result.
func (e *editor) diff(file string) []byte {
	var all []change
	plus := func(lines []string) {
		for _, l := range lines {
			all = append(all, change{'+', l})
		}
	}
	plus(e.behind[-1])
	for i, l := range e.lines {
		if changed, ok := e.now[i]; ok && changed != l {
			all = append(all, change{'-', l}, change{'+', changed})
		} else {
			all = append(all, change{' ', l})
		}
		plus(e.behind[i])
	}
	var b strings.Builder
	if strings.Contains(file, " ") { // patch(1) takes a name with spaces up to a tab
		file += "\t"
	}
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", file, file)
	for from := 0; from < len(all); {
		from = hunk(&b, all, from)
	}
	return []byte(b.String())
}

// hunk writes the next group of changes at or behind from, and says where it ends.
func hunk(b *strings.Builder, all []change, from int) int {
	first := from
	for first < len(all) && all[first].kind == ' ' {
		first++
	}
	if first == len(all) {
		return first
	}
	last := first
	for i := first; i < len(all) && i-last <= 2*context; i++ {
		if all[i].kind != ' ' {
			last = i
		}
	}
	begin, end := max(first-context, from), min(last+context+1, len(all))
	oldAt, newAt := 1, 1
	for _, c := range all[:begin] {
		oldAt += bit(c.kind != '+')
		newAt += bit(c.kind != '-')
	}
	oldN, newN := 0, 0
	for _, c := range all[begin:end] {
		oldN += bit(c.kind != '+')
		newN += bit(c.kind != '-')
	}
	fmt.Fprintf(b, "@@ -%s +%s @@\n", span(oldAt, oldN), span(newAt, newN))
	for _, c := range all[begin:end] {
		b.WriteByte(c.kind)
		b.WriteString(c.text)
		if !strings.HasSuffix(c.text, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
	return end
}

// span is a range of lines as a hunk's head has it: of none it names the line before.
func span(at, n int) string {
	if n == 0 {
		at--
	}
	return fmt.Sprintf("%d,%d", at, n)
}
