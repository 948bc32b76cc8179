package draft

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// block is a part of a document in reading order.
type block struct {
	kind        blockKind
	level       int // of a heading, 1 to 6
	text        string
	first, last int // lines, from 1
	table       *table
}

type blockKind uint8

const (
	prose blockKind = iota // one line of text
	item                   // an entry of a list, or a line of a listing
	heading
	tabular
	title // of the whole document
	date  // of the document, as it states it
)

// table is a header and rows of one width at least; a row may have fewer cells.
type table struct {
	header      row
	rows        []row
	first, last int
	dropped     int // rows beyond maxRows
}

type row struct {
	cells       []string
	first, last int
	above       []int // lines of rows above, whose cells reach down into this one
}

// cell is the text in a column of a row, "" where it has none.
func (r row) cell(column int) string {
	if column < 0 || column >= len(r.cells) {
		return ""
	}
	return r.cells[column]
}

var (
	templates = regexp.MustCompile(`\{\{[^{}]*\}\}|\{:[^{}]*\}`)
	spaces    = regexp.MustCompile(`[\s\p{Z}]+`)
)

// clean makes text fit for one line of a pack: printable, single spaces, no markup of emphasis, at most so many bytes.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.Is(unicode.Z, r) || unicode.IsControl(r):
			return ' '
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			return -1
		}
		return r
	}, templates.ReplaceAllString(s, " "))
	s = strings.TrimSpace(spaces.ReplaceAllString(s, " "))
	if len(s) <= most {
		return s
	}
	s = strings.ToValidUTF8(s[:most-3], "")
	return strings.TrimSpace(s) + "..."
}

// plain is a text without the marks of Markdown around it: emphasis, code, links.
func plain(s string) string {
	s = strings.NewReplacer("**", "", "__", "", "`", "").Replace(links.ReplaceAllString(s, "$1"))
	return strings.TrimSpace(strings.Trim(strings.TrimSpace(emphasis.ReplaceAllString(s, "$1")), "*_"))
}

var emphasis = regexp.MustCompile(`\*([^*]+)\*`)

var links = regexp.MustCompile(`\[([^\][]*)\]\([^()]*\)`)

// letters without their accents, of the languages that are read and their neighbours.
var unaccented = strings.NewReplacer("à", "a", "â", "a", "ä", "a", "á", "a", "å", "a", "ã", "a", "ç", "c", "é", "e", "è", "e", "ê", "e", "ë", "e", "î", "i", "ï", "i", "í", "i",
	"ô", "o", "ö", "o", "ó", "o", "õ", "o", "ù", "u", "û", "u", "ü", "u", "ú", "u", "ÿ", "y", "ñ", "n", "œ", "oe", "æ", "ae", "ß", "ss", "’", "'", "‘", "'", "‑", "-")

// fold is a text as words are looked up: small letters without accents, single spaces, no marks around it.
func fold(s string) string {
	s = unaccented.Replace(strings.ToLower(plain(clean(s, maxCellText))))
	return strings.Trim(s, " :?.*_")
}

// slug is a name for identifiers, "" where the text has no Latin letter or digit. It ends at a word where it is cut.
func slug(s string, most int) string {
	var b strings.Builder
	gap := false
	for _, r := range fold(s) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
			continue
		}
		gap = true
	}
	name := b.String()
	if len(name) <= most {
		return name
	}
	name = name[:most]
	if i := strings.LastIndexByte(name, '-'); i > most/2 {
		name = name[:i]
	}
	return strings.Trim(name, "-")
}
