package classify

import (
	"fmt"
	"strings"
)

// Exit codes that follow from a result.
const (
	codeClean        = 0
	codeDeviations   = 1
	codeInconclusive = 3
)

// facts is what the result rests on.
type facts struct {
	site          bool
	judged        uint64 // connections in scope
	deviations    uint64
	unexpected    uint64 // with an outcome beyond refused, unanswered and one-way
	coupled       int
	missing       int // required expectations, by host
	attempted     int
	indeterminate uint64
	untestable    int // required periodic expectations that vantage, period, loss or a silent host leave untested
	cut           []string
	interrupted   bool
	evicted       uint64
	loss, bound   float64  // percent
	undecoded     float64  // percent
	refused       uint64   // overlapping fragments
	pairLoss      []string // judged network pairs of which more was lost by estimate
}

// rule is one line of the rules of the result.
type rule struct {
	holds bool
	text  string
}

// result applies the rules: any deviation, else any doubt, else clean.
func (f *facts) result() Result {
	wrong := reasons([]rule{
		{f.deviations > 0, plural(f.deviations, "deviation") + " from the documents"},
		{f.unexpected > 0, plural(f.unexpected, "unexpected connection") + " went beyond an attempt"},
		{f.missing > 0, plural(uint64(f.missing), "required expectation") + " missing"},
		{f.attempted > 0, plural(uint64(f.attempted), "required expectation") + " attempted, no connection"},
		{f.coupled > 0, plural(uint64(f.coupled), "responder") + " with ports that do not belong together"},
	})
	doubt := reasons([]rule{
		{!f.site, "no site file was given: roles were not verified"},
		{f.judged == 0, "no connection was judged"},
		{len(f.cut) > 0, fmt.Sprintf("%s not read to the end", plural(uint64(len(f.cut)), "input"))},
		{f.interrupted, "reading was interrupted"},
		{f.evicted > 0, plural(f.evicted, "connection") + " cut short because the connection table was full; raise --max-connections"},
		{f.loss > f.bound, fmt.Sprintf("%.2f %% of the packets were lost, more than the bound of %.4g %%", f.loss, f.bound)},
		{f.undecoded > f.bound, fmt.Sprintf("%.2f %% of the packets could not be decoded, more than the bound of %.4g %%", f.undecoded, f.bound)},
		{f.refused > 0, plural(f.refused, "fragment") + " overlapped others and were refused: what they carry is not known"},
		{len(f.pairLoss) > 0, fmt.Sprintf("by estimate more packets were lost than the bound of %.4g %%: %s", f.bound, strings.Join(first(f.pairLoss, 3), "; "))},
		{f.untestable > 0, plural(uint64(f.untestable), "required periodic expectation") + " could not be tested"},
		{f.indeterminate > 0, plural(f.indeterminate, "connection") + " could not be judged"},
	})
	switch {
	case len(wrong) > 0:
		return Result{Verdict: "deviations", Text: "the traffic judged deviates from the documents", Code: codeDeviations, Reasons: append(wrong, doubt...)}
	case len(doubt) > 0:
		return Result{Verdict: "inconclusive", Text: "no deviation found, but not everything could be judged", Code: codeInconclusive, Reasons: doubt}
	}
	return Result{Verdict: "clean", Text: "no deviation found in the traffic judged", Code: codeClean, Reasons: []string{}}
}

func reasons(list []rule) []string {
	var texts []string
	for _, r := range list {
		if r.holds {
			texts = append(texts, r.text)
		}
	}
	return texts
}

// maxLookAt is how many things the first screen names.
const maxLookAt = 3

// lookAt names what to look at first: the groups of findings that decide, most severe first.
func lookAt(findings []Finding) []string {
	list := []string{}
	for _, g := range Groups(findings) {
		if g.Decides && len(list) < maxLookAt {
			list = append(list, lookWords(&g))
		}
	}
	return list
}

func lookWords(g *Group) string {
	f := g.Findings[0]
	if f.Kind != kindConnection {
		return g.Title
	}
	text := g.Title + " (" + g.Verdict
	for i, w := range g.Why {
		if i == 0 {
			text += ": " + w
		} else {
			text += ", " + w
		}
	}
	return text + ", " + plural(g.Connections, "connection") + ")"
}
