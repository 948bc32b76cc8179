package reports

import (
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/fatih/color"

	"pcapaudit/classify"
)

const defaultWidth = 80

func (l Look) width() int {
	if l.Width <= 0 {
		return defaultWidth
	}
	return l.Width
}

// page collects lines of text and keeps the first error.
type page struct {
	w     io.Writer
	look  Look
	audit *classify.Audit // nil for a pack
	buf   []byte          // of para
	err   error
}

func (p *page) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// para writes text wrapped to the page's width; later lines hang under the first. The lead may be painted, the text may not: colour would be counted as width.
func (p *page) para(indent int, lead, text string) {
	hang := indent + columns(colours.ReplaceAllString(lead, ""))
	for i, l := range wrap(text, max(p.look.width()-hang, minFlex)) {
		if i == 0 {
			p.buf = append(append(spaces(p.buf[:0], indent), lead...), l...)
		} else {
			p.buf = append(spaces(p.buf[:0], hang), l...)
		}
		p.buf = append(p.buf, '\n')
		if p.err == nil {
			_, p.err = p.w.Write(p.buf)
		}
	}
}

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

func (p *page) head(title string) {
	p.line("")
	p.line("%s", p.paint(title, color.Bold))
}

func (p *page) grid(cols []column, rows [][]string) {
	if p.err == nil && len(rows) > 0 {
		p.err = grid(p.w, p.look.width(), cols, rows)
	}
}

// paint colours text where the page has colour.
func (p *page) paint(text string, attrs ...color.Attribute) string {
	if !p.look.Color {
		return text
	}
	c := color.New(attrs...)
	c.EnableColor()
	return c.Sprint(text)
}

// number groups digits by three: 1,204.
func number(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural is "1 host", "2 hosts".
func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// size is bytes in powers of 1024, with two or three significant digits.
func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	f, u := float64(n), 0
	for f >= 1024 && u < len(units)-1 {
		f /= 1024
		u++
	}
	if u == 0 || f >= 100 {
		return fmt.Sprintf("%.0f %s", f, units[u])
	}
	return fmt.Sprintf("%.1f %s", f, units[u])
}
