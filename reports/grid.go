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
// Cells must be clean (see clean): tablewriter passes control bytes through and makes a row of a newline.
func grid(w io.Writer, width int, cols []column, rows [][]string) error {
	flexWidth := width
	for i, c := range cols {
		if !c.flex {
			flexWidth -= natural(c, rows, i) + gap
		}
	}
	head := make([]string, len(cols))
	body := make([][]string, len(rows))
	for r := range rows {
		body[r] = make([]string, len(cols))
	}
	for i, c := range cols {
		n := natural(c, rows, i)
		head[i] = pad(c.title, n, c.right)
		for r, row := range rows {
			if c.flex {
				body[r][i] = strings.Join(wrap(row[i], max(flexWidth-gap, minFlex)), "\n")
			} else {
				body[r][i] = pad(row[i], n, c.right)
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
	n := runewidth.StringWidth(c.title)
	for _, r := range rows {
		n = max(n, runewidth.StringWidth(r[i]))
	}
	return n
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
	line := ""
	for word := range strings.FieldsSeq(text) {
		for runewidth.StringWidth(word) > width {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			head := runewidth.Truncate(word, width, "")
			lines, word = append(lines, head), word[len(head):]
		}
		switch {
		case line == "":
			line = word
		case runewidth.StringWidth(line)+1+runewidth.StringWidth(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" || len(lines) == 0 {
		lines = append(lines, line)
	}
	return lines
}
