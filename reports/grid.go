package reports

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// column of a grid. Exactly one column may be flexible: it wraps in the width that the others leave.
type column struct {
	title string
	right bool
	flex  bool
}

// gap is the space before a column.
const gap = 2

// minFlex is the narrowest flexible column: below it a line breaks every few letters, so the table grows wider than asked instead.
const minFlex = 20

// grid writes rows under a heading line, without borders, indented by two, at most width columns wide.
// Cells must be clean (see clean): a newline in one would make a row of it.
func grid(w io.Writer, width int, cols []column, rows [][]string) error {
	widths := make([]int, len(cols))
	flexible, left := -1, width
	for i, c := range cols {
		widths[i] = natural(c, rows, i)
		if c.flex {
			flexible = i
		} else {
			left -= widths[i] + gap
		}
	}
	if flexible < 0 {
		return straight(w, cols, widths, rows)
	}
	return wrapped(w, cols, widths, rows, flexible, max(left-gap, minFlex))
}

// straight writes rows in which nothing wraps: a million of them cost little more than their bytes.
func straight(w io.Writer, cols []column, widths []int, rows [][]string) error {
	var line []byte
	cell := func(i int, text string) {
		fill := widths[i] - columns(text) + gap
		if cols[i].right {
			line = append(spaces(line, fill), text...)
		} else {
			line = spaces(append(spaces(line, gap), text...), fill-gap)
		}
	}
	end := func() error {
		_, err := w.Write(append(bytes.TrimRight(line, " "), '\n'))
		line = line[:0]
		return err
	}
	for i, c := range cols {
		cell(i, c.title)
	}
	if err := end(); err != nil {
		return err
	}
	for _, row := range rows {
		for i := range cols {
			cell(i, row[i])
		}
		if err := end(); err != nil {
			return err
		}
	}
	return nil
}

func spaces(b []byte, n int) []byte {
	for range n {
		b = append(b, ' ')
	}
	return b
}

// wrapped writes rows whose cells may take several lines: those of the flexible column, in the width that is left for it.
func wrapped(w io.Writer, cols []column, widths []int, rows [][]string, flexible, flexWidth int) error {
	head := make([]string, len(cols))
	body := make([][]string, len(rows))
	for r := range rows {
		body[r] = make([]string, len(cols))
	}
	for i, c := range cols {
		head[i] = pad(c.title, widths[i], c.right)
		for r, row := range rows {
			if i == flexible {
				body[r][i] = strings.Join(wrap(row[i], flexWidth), "\n")
			} else {
				body[r][i] = pad(row[i], widths[i], c.right)
			}
		}
	}
	var buf bytes.Buffer
	t := tablewriter.NewTable(&buf,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone,
			Settings: tw.Settings{
				Separators: tw.SeparatorsNone,
				Lines:      tw.LinesNone,
			}})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithPadding(tw.Padding{Left: "  ", Overwrite: true}),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
	)
	t.Header(head)
	if err := t.Bulk(body); err != nil {
		return fmt.Errorf("lay out table: %w", err)
	}
	if err := t.Render(); err != nil {
		return fmt.Errorf("render table: %w", err)
	}
	for line := range bytes.Lines(buf.Bytes()) {
		if _, err := w.Write(append(bytes.TrimRight(line, " \n"), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// natural is the width that a column takes when nothing wraps.
func natural(c column, rows [][]string, i int) int {
	n := columns(c.title)
	for _, r := range rows {
		n = max(n, columns(r[i]))
	}
	return n
}

// columns is the width of text on a terminal.
func columns(text string) int {
	if isPlain(text) {
		return len(text)
	}
	return runewidth.StringWidth(text)
}

func pad(s string, width int, right bool) string {
	if right {
		return runewidth.FillLeft(s, width)
	}
	return runewidth.FillRight(s, width)
}

// wrap breaks text into lines of at most width columns, at spaces where it can; it loses no character but those spaces.
func wrap(text string, width int) []string {
	var lines []string
	line, used := make([]byte, 0, width), 0
	for word := range strings.FieldsSeq(text) {
		n := columns(word)
		for n > width {
			if len(line) > 0 {
				lines, line, used = append(lines, string(line)), line[:0], 0
			}
			head := runewidth.Truncate(word, width, "")
			lines, word = append(lines, head), word[len(head):]
			n = columns(word)
		}
		switch {
		case len(line) == 0:
		case used+1+n <= width:
			line, used = append(line, ' '), used+1
		default:
			lines, line, used = append(lines, string(line)), line[:0], 0
		}
		line, used = append(line, word...), used+n
	}
	if len(line) > 0 || len(lines) == 0 {
		lines = append(lines, string(line))
	}
	return lines
}
