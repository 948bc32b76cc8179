package reports

import (
	"fmt"
	"strings"
	"time"

	"pcapaudit/classify"
)

// Geometry of the timeline.
const (
	timeLeft   = 56
	timeWidth  = 880 // of the plot
	timeTop    = 34
	timeHeight = 150
	laneTop    = 64 // below the plot
	laneHeight = 34
	timeLanes  = 10
	timeTicks  = 5
	timeSpans  = 200 // shaded spans
)

// timelineChart shows the window: connections by start and verdict, what the findings opened when, and the times of which the capture knows less.
type timelineChart struct {
	Width, Height coord
	Left, Top     coord
	PlotWidth     coord
	PlotHeight    coord
	Bars          []timeBar
	Marks         []chartMark // above buckets with deviations or unexpected connections
	Gaps, Losses  []timeSpan
	Ticks         []timeTick
	Most          string // connections of the highest bar
	Lanes         []timeLane
	MoreLanes     int
	Rows          []bucketRow
	Summary       string
	Bucket        string
}

type timeBar struct {
	X, Y, Width, Height coord
	Verdict             string
}

type timeSpan struct {
	X, Width coord
	Title    string
}

type timeTick struct {
	X    coord
	Text string
	End  string // text-anchor
}

// timeLane is one group of findings: from its first to its last connection, with its evidence.
type timeLane struct {
	Y, Mid, TextY coord
	X, Width      coord
	Text          string
	Title         string
	Verdict       string
	Points        []coord
}

type bucketRow struct {
	From string
	classify.TimelineBucket
	Verdict string // the worst
}

// timeScale maps times to the plot.
type timeScale struct{ from, until time.Time }

func (s timeScale) x(t time.Time) coord {
	share := float64(t.Sub(s.from)) / float64(s.until.Sub(s.from))
	return timeLeft + coord(min(max(share, 0), 1)*timeWidth)
}

func stampTime(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC(), err == nil
}

// newTimelineChart is nil where nothing has a usable time.
func newTimelineChart(a *classify.Audit) *timelineChart {
	scale, ok := scaleOf(a)
	if !ok {
		return nil
	}
	c := &timelineChart{Width: timeLeft + timeWidth + 24, Left: timeLeft, Top: timeTop, PlotWidth: timeWidth, PlotHeight: timeHeight}
	c.buckets(&a.Timeline, scale)
	gaps, _ := cut(a.Period.Gaps, timeSpans)
	for _, g := range gaps {
		c.Gaps = addSpan(c.Gaps, scale, g.From, g.Until, "no input covers "+shortTime(g.From)+" to "+shortTime(g.Until))
	}
	losses, _ := cut(a.Timeline.Losses, timeSpans)
	for _, l := range losses {
		c.Losses = addSpan(c.Losses, scale, l.From, l.Until, fmt.Sprintf("%s missing by estimate, %s to %s", plural(l.Missed, "packet"), shortTime(l.From), shortTime(l.Until)))
	}
	c.ticks(scale)
	c.lanes(a.Findings, scale)
	c.Height = timeTop + timeHeight + 30
	if n := len(c.Lanes); n > 0 {
		c.Height = coord(timeTop + timeHeight + laneTop + laneHeight*n)
	}
	return c
}

// scaleOf is the time covered, and that of the buckets.
func scaleOf(a *classify.Audit) (timeScale, bool) {
	var s timeScale
	from, ok1 := stampTime(a.Period.CoveredFrom)
	until, ok2 := stampTime(a.Period.CoveredLast)
	if ok1 && ok2 {
		s = timeScale{from, until}
	}
	if t := &a.Timeline; len(t.Buckets) > 0 && t.Seconds > 0 {
		first, ok := stampTime(t.From)
		if last := first.Add(time.Duration(t.Seconds * float64(len(t.Buckets)) * 1e9)); ok {
			if !ok1 || !ok2 {
				s = timeScale{first, last}
			}
			if first.Before(s.from) {
				s.from = first
			}
			if last.After(s.until) {
				s.until = last
			}
		}
	}
	return s, s.until.After(s.from)
}

func addSpan(list []timeSpan, s timeScale, from, until, title string) []timeSpan {
	a, ok1 := stampTime(from)
	b, ok2 := stampTime(until)
	if !ok1 || !ok2 || !b.After(s.from) || !a.Before(s.until) {
		return list
	}
	x := s.x(a)
	return append(list, timeSpan{x, max(s.x(b)-x, 2), title})
}

// buckets stacks each bucket from the ground: documented, other, then what needs a look, which is at least a line high.
func (c *timelineChart) buckets(t *classify.Timeline, s timeScale) {
	from, ok := stampTime(t.From)
	var most, all uint64
	for _, b := range t.Buckets {
		most = max(most, b.Documented+b.Other+b.Deviation+b.Unexpected)
		all += b.Documented + b.Other + b.Deviation + b.Unexpected
	}
	if !ok || most == 0 {
		c.Summary = "no connection has a usable time"
		return
	}
	c.Most = brief(most)
	width := time.Duration(t.Seconds * 1e9)
	c.Bucket = width.String()
	busy := 0
	list, _ := cut(t.Buckets, 1024)
	for i, b := range list {
		at := from.Add(time.Duration(i) * width)
		x := s.x(at)
		w := max(s.x(at.Add(width))-x-1, 1)
		y := coord(timeTop + timeHeight)
		for _, part := range []struct {
			n       uint64
			verdict string
		}{{b.Documented, "documented"}, {b.Other, "other"}, {b.Deviation, "deviation"}, {b.Unexpected, "unexpected"}} {
			if part.n > 0 {
				h := max(coord(float64(part.n)/float64(most)*(timeHeight-8)), 2)
				y -= h
				c.Bars = append(c.Bars, timeBar{x, y, w, h, part.verdict})
			}
		}
		row := bucketRow{shortTime(at.Format(time.RFC3339)), b, "documented"}
		if b.Unexpected+b.Deviation > 0 {
			busy++
			row.Verdict = "deviation"
			if b.Unexpected > 0 {
				row.Verdict = "unexpected"
			}
			c.Marks = append(c.Marks, chartMark{row.Verdict, x + w/2, 14})
		}
		if b != (classify.TimelineBucket{}) {
			c.Rows = append(c.Rows, row)
		}
	}
	c.Summary = fmt.Sprintf("%s in buckets of %s; %s with deviations or unexpected connections; at most %s in one bucket.", plural(all, "connection"), c.Bucket, plural(uint64(busy), "bucket"), number(most))
}

func (c *timelineChart) ticks(s timeScale) {
	layout := "15:04:05"
	switch span := s.until.Sub(s.from); {
	case span > 48*time.Hour:
		layout = "2006-01-02"
	case s.from.Format("2006-01-02") != s.until.Format("2006-01-02"):
		layout = "01-02 15:04"
	case span < 10*time.Second:
		layout = "15:04:05.0"
	}
	for i := range timeTicks {
		at := s.from.Add(time.Duration(float64(s.until.Sub(s.from)) * float64(i) / (timeTicks - 1)))
		end := "middle"
		if i == 0 {
			end = "start"
		} else if i == timeTicks-1 {
			end = "end"
		}
		c.Ticks = append(c.Ticks, timeTick{s.x(at), at.Format(layout), end})
	}
}

// lanes shows when the first groups of findings happened.
func (c *timelineChart) lanes(findings []classify.Finding, s timeScale) {
	for _, g := range classify.Groups(findings) {
		lane := timeLane{Verdict: g.Verdict, Text: label(g.Title, 110), Title: g.Title + ": " + verdictWords(g.Verdict, g.Why)}
		var first, last time.Time
		for _, f := range g.Findings {
			a, ok1 := stampTime(f.First)
			b, ok2 := stampTime(f.Last)
			if !ok1 || !ok2 || f.Connections == 0 {
				continue
			}
			if first.IsZero() || a.Before(first) {
				first = a
			}
			if b.After(last) {
				last = b
			}
			for _, e := range f.Evidence {
				if at, ok := stampTime(e.Time); ok && len(lane.Points) < 40 {
					lane.Points = append(lane.Points, s.x(at))
				}
			}
		}
		if first.IsZero() || strings.TrimSpace(g.Title) == "" {
			continue
		}
		if len(c.Lanes) == timeLanes {
			c.MoreLanes++
			continue
		}
		lane.X = s.x(first)
		lane.Width = max(s.x(last)-lane.X, 2)
		lane.TextY = coord(timeTop + timeHeight + laneTop + laneHeight*len(c.Lanes))
		lane.Y, lane.Mid = lane.TextY+9, lane.TextY+11
		c.Lanes = append(c.Lanes, lane)
	}
}
