package reports

import "strings"

// markdownSpecial are the characters that begin or end something in CommonMark, in GitHub's dialect or in Jira: emphasis, code, links,
// HTML, entities, tables, strikethrough, headings and references, formulas, macros.
const markdownSpecial = "\\`*_[]<&|~#${}"

// escapeMarkdown makes text one run of plain text in Markdown, also at the start of a line and in a table cell. Escapes are
// backslashes, with two exceptions: "@" reads "(at)", because trackers look for accounts to notify in the rendered text, and the colon of
// an address, the dot of "www." and such are escaped so that nothing becomes a link by itself.
func escapeMarkdown(s string) string {
	s = strings.TrimSpace(Clean(s))
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '@':
			b.WriteString("(at)")
			continue
		case strings.ContainsRune(markdownSpecial, r), startsBlock(s, i, r), startsLink(s, i, r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// startsBlock is true for what would make a list, a heading line or a rule of a paragraph's first line.
func startsBlock(s string, i int, r rune) bool {
	switch r {
	case '-', '+', '=', ':', '>':
		return i == 0
	case '.', ')':
		return i > 0 && strings.Trim(s[:i], "0123456789") == "" && (i+1 == len(s) || s[i+1] == ' ')
	}
	return false
}

// startsLink is true for the character that makes a link of a bare address.
func startsLink(s string, i int, r rune) bool {
	switch r {
	case ':':
		return strings.HasPrefix(s[i:], "://") || i >= 6 && strings.EqualFold(s[i-6:i], "mailto") || i >= 4 && strings.EqualFold(s[i-4:i], "xmpp")
	case '.':
		return i >= 3 && strings.EqualFold(s[i-3:i], "www")
	}
	return false
}

// markdownCode is text as a code span: nothing in it is markup but the fence, and in a table the bar.
func markdownCode(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(cleanText(s)), "|", `\|`)
	if s == "" {
		return ""
	}
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if fence == "`" {
		return fence + s + fence
	}
	return fence + " " + s + " " + fence
}
