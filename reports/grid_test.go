package reports

import (
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

func TestGridLosesNothingAndKeepsItsWidth(t *testing.T) {
	rows := [][]string{
		{"documented", "12", "a long line of text that must be wrapped because it is longer than the width of the table"},
		{"unexpected", "1,234", "日本語 and short"},
		{"x", "", "averyveryverylongwordwithoutanyspacesthatgoesonandonandonuntilitends"},
	}
	for _, width := range []int{60, 80, 200} {
		var b strings.Builder
		if err := grid(&b, width, []column{{title: "verdict"}, {title: "conns", right: true}, {title: "what", flex: true}}, rows); err != nil {
			t.Fatal(err)
		}
		flat := strings.Join(strings.Fields(b.String()), "")
		for _, r := range rows {
			for _, cell := range r {
				if width == 200 && !strings.Contains(b.String(), cell) {
					t.Errorf("width %d: cell %q is not whole in\n%s", width, cell, b.String())
				}
			}
		}
		if !strings.Contains(flat, "averyveryverylongword") || !strings.HasSuffix(flat, "itends") {
			t.Errorf("width %d: letters lost:\n%s", width, b.String())
		}
		for line := range strings.Lines(b.String()) {
			if n := runewidth.StringWidth(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("width %d: line of %d columns: %q", width, n, line)
			}
		}
	}
}

// Rows in which nothing wraps look the same whichever way they are laid out.
func TestGridStraightIsWrappedWithoutWrapping(t *testing.T) {
	cols := []column{{title: "verdict"}, {title: "conns", right: true}, {title: "日本"}}
	rows := [][]string{{"documented", "12", "x"}, {"", "1,234", "日本語 and short"}, {"é", "", ""}}
	widths := []int{natural(cols[0], rows, 0), natural(cols[1], rows, 1), natural(cols[2], rows, 2)}
	var one, two strings.Builder
	if err := straight(&one, cols, widths, rows); err != nil {
		t.Fatal(err)
	}
	if err := wrapped(&two, cols, widths, rows, -1, 0); err != nil {
		t.Fatal(err)
	}
	if one.String() != two.String() {
		t.Errorf("straight:\n%s\nwrapped:\n%s", one.String(), two.String())
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 10, ""},
		{"one two", 10, "one two"},
		{"one two three", 7, "one two|three"},
		{"abcdefghij", 4, "abcd|efgh|ij"},
		{"x abcdefghij y", 4, "x|abcd|efgh|ij y"},
		{"日本語日本", 4, "日本|語日|本"},
		{"a \u0301 b", 10, "a \u0301 b"},
		{"\u0301 b", 10, "\u0301 b"},
	} {
		if got := strings.Join(wrap(c.text, c.width), "|"); got != c.want {
			t.Errorf("wrap(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}
