package rules

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// quickNodes parses the plain part of YAML in which rule files are written, ten times as fast as the YAML library, which is most of what a start
// costs. It knows block mappings and sequences, flow ones on one line, words, quoted text without escapes, folded text without blank lines (>-) and
// comments. Anything else, and any mistake, gives nil, and then the library's word counts: what this gives, the library gives too, with the same
// places (a fuzz test holds it). Of a node it fills Kind, Value, Line, Column, Content, and Tag where it is !!null.
func quickNodes(data []byte) *yaml.Node {
	for i := 0; i < len(data); i++ {
		if c := data[i]; c < ' ' && c != '\n' || c == 0x7f {
			return nil
		} else if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(data[i:])
			if !unicode.IsPrint(r) || r == utf8.RuneError {
				return nil
			}
			i += size - 1
		}
	}
	q := &quick{rest: string(data)}
	q.next()
	if q.indent != 0 || q.text == "" {
		return nil
	}
	root := q.block(0)
	if q.failed || q.text != "" {
		return nil
	}
	return root
}

// quick is a parser on its way: text is what is left of the line it stands in, "" at the end of the file.
type quick struct {
	rest   string // the lines after this one
	line   int    // from 1
	whole  string // the line, without spaces behind
	at     int    // offset in whole of the last node, and its column from 0
	column int
	indent int
	text   string // of the line after the indentation
	depth  int
	failed bool
	slab   []yaml.Node
}

// maxQuickDepth bounds nesting; no rule file needs half of it.
const maxQuickDepth = 16

// next goes to the next line that has more than a comment.
func (q *quick) next() {
	for q.rest != "" {
		q.whole, q.rest, _ = strings.Cut(q.rest, "\n")
		q.whole = strings.TrimRight(q.whole, " ")
		q.line, q.at, q.column = q.line+1, 0, 0
		text := strings.TrimLeft(q.whole, " ")
		if text == "" || text[0] == '#' {
			continue
		}
		q.indent, q.text = len(q.whole)-len(text), text
		if q.indent == 0 && (strings.HasPrefix(text, "---") || strings.HasPrefix(text, "...") || text[0] == '%') {
			q.fail()
		}
		return
	}
	q.indent, q.text = -1, ""
}

func (q *quick) fail() *yaml.Node {
	q.failed, q.rest, q.text, q.indent = true, "", "", -1
	return q.node(yaml.ScalarNode, "", "")
}

// node makes a node at the place where text, a tail of the line, begins.
func (q *quick) node(kind yaml.Kind, text, value string) *yaml.Node {
	if len(q.slab) == 0 {
		q.slab = make([]yaml.Node, 128)
	}
	n := &q.slab[0]
	q.slab = q.slab[1:]
	if at := len(q.whole) - len(text); at > q.at { // nodes come from left to right, so a long line is counted once
		q.column += utf8.RuneCountInString(q.whole[q.at:at])
		q.at = at
	}
	n.Kind, n.Value, n.Line, n.Column = kind, value, q.line, q.column+1
	return n
}

// block parses the mapping or the sequence whose entries stand at an indentation.
func (q *quick) block(indent int) *yaml.Node {
	q.depth++
	defer func() { q.depth-- }()
	switch {
	case q.depth > maxQuickDepth:
		return q.fail()
	case strings.HasPrefix(q.text, "- "):
		return q.sequence(indent)
	}
	return q.mapping(indent)
}

func (q *quick) mapping(indent int) *yaml.Node {
	m := q.node(yaml.MappingNode, q.text, "")
	for q.indent == indent && !strings.HasPrefix(q.text, "- ") {
		key, value, ok := cutKey(q.text)
		if !ok {
			return q.fail()
		}
		m.Content = append(m.Content, q.scalar(q.text, key), q.entry(value, indent, true))
	}
	if q.indent > indent {
		return q.fail()
	}
	return m
}

func (q *quick) sequence(indent int) *yaml.Node {
	s := q.node(yaml.SequenceNode, q.text, "")
	for q.indent == indent && strings.HasPrefix(q.text, "- ") {
		item := strings.TrimLeft(q.text[2:], " ")
		if _, _, ok := cutKey(item); ok {
			q.indent += len(q.text) - len(item)
			q.text = item
			s.Content = append(s.Content, q.block(q.indent))
		} else {
			s.Content = append(s.Content, q.entry(item, indent, false))
		}
	}
	if q.indent > indent {
		return q.fail()
	}
	return s
}

// entry parses what stands behind a key or a dash, and goes to the line after it.
func (q *quick) entry(text string, indent int, ofKey bool) *yaml.Node {
	switch {
	case text == "" || text[0] == '#':
		q.next()
		if ofKey && (q.indent > indent || q.indent == indent && strings.HasPrefix(q.text, "- ")) {
			return q.block(q.indent)
		}
		return q.fail()
	case text == ">-":
		return q.folded(text, indent)
	}
	n, left := q.value(text, false)
	if behind := strings.TrimLeft(left, " "); behind != "" && (behind[0] != '#' || behind == left) {
		return q.fail()
	}
	if q.next(); q.indent > indent {
		return q.fail()
	}
	return n
}

// folded joins the lines of a text that are indented alike.
func (q *quick) folded(text string, indent int) *yaml.Node {
	n := q.node(yaml.ScalarNode, text, "")
	var lines []string
	inner, blank := 0, false // blank: an empty line has come, which must be behind the text
	for q.rest != "" {
		line, rest, _ := strings.Cut(q.rest, "\n")
		body := strings.TrimLeft(line, " ")
		at := len(line) - len(body)
		if body == "" && line != "" { // spaces alone may be text
			return q.fail()
		}
		if body != "" && at <= indent {
			break
		}
		q.rest, q.line = rest, q.line+1
		if body == "" {
			blank = true
			continue
		}
		if len(lines) == 0 {
			inner = at
		}
		if blank || at != inner || strings.HasSuffix(line, " ") {
			return q.fail()
		}
		lines = append(lines, body)
	}
	if q.next(); q.indent > indent || len(lines) == 0 {
		return q.fail()
	}
	n.Value = strings.Join(lines, " ")
	return n
}

// value parses one value at the start of text and gives what is left of the line.
func (q *quick) value(text string, inFlow bool) (n *yaml.Node, left string) {
	if text == "" {
		return q.fail(), ""
	}
	switch text[0] {
	case '"', '\'':
		end := strings.IndexByte(text[1:], text[0]) + 1
		if end == 0 || strings.Contains(text[:end], `\`) && text[0] == '"' || strings.HasPrefix(text[end+1:], "'") {
			return q.fail(), ""
		}
		return q.node(yaml.ScalarNode, text, text[1:end]), text[end+1:]
	case '[', '{':
		return q.flow(text)
	}
	return q.plain(text, inFlow)
}

// flow parses a list or a mapping in brackets.
func (q *quick) flow(text string) (n *yaml.Node, left string) {
	if q.depth++; q.depth > maxQuickDepth {
		return q.fail(), ""
	}
	defer func() { q.depth-- }()
	kind, closing := yaml.SequenceNode, byte(']')
	if text[0] == '{' {
		kind, closing = yaml.MappingNode, '}'
	}
	n = q.node(kind, text, "")
	left = strings.TrimLeft(text[1:], " ")
	for !q.failed && left != "" && left[0] != closing {
		if kind == yaml.MappingNode {
			key, value, ok := cutKey(left)
			if !ok {
				return q.fail(), ""
			}
			n.Content = append(n.Content, q.scalar(left, key))
			left = value
		}
		var item *yaml.Node
		item, left = q.value(left, true)
		n.Content = append(n.Content, item)
		left = strings.TrimLeft(left, " ")
		if after, comma := strings.CutPrefix(left, ","); comma {
			left = strings.TrimLeft(after, " ")
		} else if left == "" || left[0] != closing {
			return q.fail(), ""
		}
	}
	if q.failed || left == "" {
		return q.fail(), ""
	}
	return n, left[1:]
}

// plain parses words without quotes.
func (q *quick) plain(text string, inFlow bool) (n *yaml.Node, left string) {
	if strings.IndexByte("-?:,[]{}#&*!|>'\"%@`", text[0]) >= 0 {
		return q.fail(), ""
	}
	end := len(text)
scan:
	for i := 1; i < len(text); i++ {
		switch c := text[i]; c {
		case ':':
			if i+1 == len(text) || strings.IndexByte(" ,[]{}", text[i+1]) >= 0 {
				return q.fail(), ""
			}
		case '#':
			if text[i-1] == ' ' {
				end = i
				break scan
			}
		case ',', '[', ']', '{', '}':
			if inFlow {
				end = i
				break scan
			}
		}
	}
	word := strings.TrimRight(text[:end], " ")
	return q.scalar(text, word), text[len(word):]
}

// scalar is a plain one, which may be null.
func (q *quick) scalar(text, word string) *yaml.Node {
	n := q.node(yaml.ScalarNode, text, word)
	switch word {
	case "~", "null", "Null", "NULL":
		n.Tag = "!!null"
	}
	return n
}

// cutKey splits "key: value" and "key:"; a key is a word of ASCII letters, digits and -_./ that begins with a letter or a digit.
func cutKey(text string) (key, value string, ok bool) {
	end := 0
	for end < len(text) && isKeyByte(text[end]) {
		end++
	}
	if end == 0 || end > 128 || strings.IndexByte("-_./", text[0]) >= 0 || end == len(text) || text[end] != ':' {
		return "", "", false
	}
	if value = text[end+1:]; value != "" && value[0] != ' ' {
		return "", "", false
	}
	return text[:end], strings.TrimLeft(value, " "), true
}

func isKeyByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_./", c) >= 0
}
