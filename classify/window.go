package classify

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// window is what the capture as a whole lets absence prove.
type window struct {
	from, last int64  // covered
	blind      string // why absence proves nothing; "" if it does
	uncovered  string // the same, for what is expected at any time in the period

	begin, end int64 // schedules are judged by windows between them, both exclusive ends
	start      int64 // windows that ended by then were judged before
	covered    Span
	gaps       []Span // within it, in order
}

// touched says whether the capture may not show what happened in a time: a gap lies in it, or more of it than the bound is not covered.
func (w *window) touched(from, until int64) bool {
	i, _ := slices.BinarySearchFunc(w.gaps, from, func(g Span, at int64) int { return cmp.Compare(g.Until, at+1) })
	if i < len(w.gaps) && w.gaps[i].From < until {
		return true
	}
	outside := max(0, w.covered.From-from) + max(0, until-w.covered.Until-1)
	return float64(outside) > periodBound/100*float64(until-from)
}

// live is true where the report is about a period that the caller set.
func (a *Auditor) live() bool { return a.opts.Period != (Span{}) }

// judgedSpan is the time against which what the capture covers is held: the period of site and filter, of a live audit the time of the capture within it.
func (a *Auditor) judgedSpan(c *Capture) (from, until int64) {
	if a.live() {
		return max(a.from, c.First), min(a.until, c.Last)
	}
	return a.from, a.until
}

// window says what absence proves in this capture.
func (a *Auditor) window(c *Capture) *window {
	w := &window{covered: Span{c.First, c.Last}, gaps: c.Gaps}
	from, until := a.judgedSpan(c)
	w.from, w.last = openEnds(from, until, c.First, c.Last)
	w.begin, w.end = w.from, w.last
	if until == math.MaxInt64 || a.live() {
		w.end++ // the last packet is inclusive
	} else {
		w.last-- // until is exclusive
	}
	if a.opts.Since != 0 {
		w.begin, w.start, w.covered.From = a.opts.Since, c.First, min(a.opts.Since, c.First)
	}
	if gap := c.uncovered(from, until); gap > periodBound {
		w.uncovered = fmt.Sprintf("the capture does not cover %.0f %% of the period asked for", gap)
	}
	switch {
	case c.lossPercent() > a.lossBound():
		w.blind = fmt.Sprintf("%.2f %% of the packets were lost", c.lossPercent())
	case c.undecodedPercent() > a.lossBound():
		w.blind = fmt.Sprintf("%.2f %% of the packets could not be decoded", c.undecodedPercent())
	case c.unsaved() > 0:
		w.blind = unsavedWords(c.unsaved())
	case len(c.cut()) > 0 || c.Interrupted:
		w.blind = "the inputs were not read to the end"
	case c.narrowed() && a.set.Site != nil && len(a.set.Site.Vantage) == 0:
		w.blind = "a filter was set at the capture, and the site does not say what the capture shows (vantage)"
	}
	return w
}
