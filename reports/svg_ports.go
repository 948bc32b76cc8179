package reports

import (
	"fmt"
	"strconv"
	"strings"

	"pcapaudit/classify"
)

// Geometry of the chart of source ports.
const (
	portsLeft  = 200
	portsWidth = 560
	portsRow   = 26
	portsTop   = 12
)

// portChart shows the source ports of hosts against the ranges that the documents give them.
type portChart struct {
	Width, Height coord
	Rows          []portRow
	Ticks         []timeTick
	Bottom, Foot  coord
	More          int
	Summary       string
}

type portRow struct {
	classify.PortProfile
	Label          string
	Y, Mid         coord
	TextY          coord
	Ranges         []timeSpan // documented
	X, Span, End   coord      // used
	Verdict, Words string
}

// newPortChart is nil where no host has a profile. Hosts with ports outside come first.
func newPortChart(list []classify.PortProfile) *portChart {
	if len(list) == 0 {
		return nil
	}
	outside, connections := 0, uint64(0)
	for _, p := range list {
		connections += p.Connections
		if p.Outside > 0 {
			outside++
		}
	}
	c := &portChart{Summary: fmt.Sprintf("%s, %s; %s used source ports outside the documented ranges.", plural(uint64(len(list)), "originating host"), plural(connections, "connection"), plural(uint64(outside), "host"))}
	list, c.More = cut(list, htmlProfiles)
	for i, p := range list {
		c.Rows = append(c.Rows, newPortRow(p, coord(portsTop+portsRow*i)))
	}
	c.Bottom = coord(portsTop + portsRow*len(list))
	c.Width, c.Height = portsLeft+portsWidth+160, c.Bottom+24
	c.Foot = c.Bottom + 16
	for _, n := range []int{0, 16384, 32768, 49152, 65535} {
		c.Ticks = append(c.Ticks, timeTick{portX(n), strconv.Itoa(n), "middle"})
	}
	return c
}

func portX(n int) coord { return portsLeft + coord(float64(n)/65535*portsWidth) }

func newPortRow(p classify.PortProfile, y coord) portRow {
	p.Documented, _ = cut(p.Documented, htmlHosts)
	r := portRow{PortProfile: p, Label: label(p.Host, 26), Y: y + 4, Mid: y + 12, TextY: y + 16, X: portX(int(p.Lowest)), End: portX(int(p.Highest)), Verdict: "documented", Words: "all within"}
	r.Span = max(r.End-r.X, 1)
	for _, d := range p.Documented {
		if first, last, ok := portRange(d); ok {
			r.Ranges = append(r.Ranges, timeSpan{portX(first), max(portX(last)-portX(first), 1), "documented " + d})
		}
	}
	if p.Outside > 0 {
		r.Verdict, r.Words = "deviation", number(p.Outside)+" outside"
	}
	return r
}

func portRange(s string) (first, last int, ok bool) {
	low, high, ranged := strings.Cut(s, "-")
	if !ranged {
		high = low
	}
	a, err := strconv.ParseUint(low, 10, 16)
	b, err2 := strconv.ParseUint(high, 10, 16)
	return int(a), int(b), err == nil && err2 == nil && a <= b
}
