package reports

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// The charts are plain SVG: geometry is computed here, words and shapes are the templates'. Colours come from classes of the style sheet, so that
// they follow light and dark, and every colour has a shape or a letter beside it.

// coord is a position or a length in the units of a chart, with at most one decimal.
type coord float64

func (c coord) String() string {
	return strconv.FormatFloat(math.Round(float64(c)*10)/10, 'f', -1, 64)
}

// chartMark is the shape of a verdict at a place.
type chartMark struct {
	Verdict string
	X, Y    coord
}

// label cuts a text for a place with room for so many letters; the whole text is in the title beside it.
func label(s string, most int) string {
	s = Clean(s)
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// brief is a count in four letters or fewer: 999, 1.2k, 12k, 3M.
func brief(n uint64) string {
	f := float64(n)
	for _, unit := range []string{"", "k", "M", "G", "T", "P", "E"} {
		switch {
		case f < 10 && unit != "" && f != math.Trunc(f):
			return strconv.FormatFloat(math.Trunc(f*10)/10, 'f', -1, 64) + unit
		case f < 1000:
			return strconv.FormatFloat(math.Trunc(f), 'f', -1, 64) + unit
		}
		f /= 1000
	}
	return "many"
}
