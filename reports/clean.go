package reports

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest strings, in runes, that a report shows. A name from outside fits in maxText, a flood does not; a sentence of the audit, which may list names, has more room.
const (
	maxText     = 256
	maxSentence = 4096
)

// cleanText makes text from the wire or from a capture file safe for a terminal and for one line of plain text: control
// characters, invalid UTF-8, bidirectional overrides, zero-width characters and line separators become visible escapes, and what is
// too long is cut with a mark.
func cleanText(s string) string { return cleanTo(s, maxText) }

// Clean is cleanText for a sentence that the program composed, such as a message on standard error.
func Clean(s string) string { return cleanTo(s, maxSentence) }

func cleanTo(s string, most int) string {
	if len(s) <= most && isPlain(s) {
		return s
	}
	var b strings.Builder
	n := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if n++; n > most {
			b.WriteString("…")
			break
		}
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
		i += size
	}
	return b.String()
}

// isPlain is the common case: printable ASCII needs no work.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// cleanCSV is cleanText for a spreadsheet: a field that would start a formula gets a leading apostrophe (CWE-1236).
func cleanCSV(s string) string { return noFormula(cleanText(s)) }

func noFormula(s string) string {
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}
