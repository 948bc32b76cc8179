package classify

import (
	"fmt"
	"slices"
	"strings"
)

// Exit codes that follow from a result.
const (
	codeClean        = 0
	codeDeviations   = 1
	codeInconclusive = 3
)

// Basis is the facts that a result rests on.
type Basis struct {
	Site          bool     `json:"site"`            // one was given
	Judged        uint64   `json:"judged"`          // connections in scope
	Deviations    uint64   `json:"deviations"`      // connections
	Unexpected    uint64   `json:"unexpected"`      // connections with an outcome beyond refused, unanswered and one-way
	Coupled       int      `json:"coupled"`         // responders with ports that do not belong together
	Missing       int      `json:"missing"`         // required expectations, by host
	Attempted     int      `json:"attempted"`       // required expectations, by host
	Indeterminate uint64   `json:"indeterminate"`   // connections
	Untestable    int      `json:"untestable"`      // required periodic expectations that vantage, period, loss or a silent host leave untested
	Cut           []string `json:"cut"`             // inputs not read to their end
	Interrupted   bool     `json:"interrupted"`     // reading was
	Evicted       uint64   `json:"evicted"`         // connections
	Loss          float64  `json:"loss_percent"`    // of the packets, as the captures say
	Bound         float64  `json:"bound_percent"`   // of losses
	PairLoss      []string `json:"pairs_with_loss"` // judged network pairs of which more was lost by estimate
	Undecoded     float64  `json:"undecoded_percent"`
	Refused       uint64   `json:"refused_fragments"` // that overlap others

	Drafts  int    `json:"drafts,omitempty"`  // packs, and the site, that a program drafted and nobody has reviewed
	Open    uint64 `json:"open,omitempty"`    // connections in scope that went on when the audit was made, and were judged for expectations alone
	Pending uint64 `json:"pending,omitempty"` // of them, those that will decide when they end
	Unsaved uint64 `json:"unsaved,omitempty"` // connections that went on when a live run was ended without a word, and of which its state does not tell what they were

	Blind float64 `json:"blind_percent,omitempty"` // of a live capture: of its time, on the interface that was watched least
}

// rule is one line of the rules of the result.
type rule struct {
	holds bool
	text  string
}

// result applies the rules: any deviation, else any doubt, else clean.
func (f *Basis) result() Result {
	wrong, doubt, drafted := f.wrong(), f.doubt(), f.drafted()
	switch {
	case len(wrong) > 0:
		return Result{Verdict: "deviations", Text: "the traffic judged deviates from the documents", Code: codeDeviations, Reasons: slices.Concat(wrong, doubt, drafted), Basis: *f}
	case len(doubt) > 0:
		return Result{Verdict: "inconclusive", Text: "no deviation found, but not everything could be judged" + f.notWatched(), Code: codeInconclusive, Reasons: slices.Concat(doubt, drafted), Basis: *f}
	case len(drafted) > 0:
		return Result{Verdict: "clean", Text: "no deviation from drafts found in the traffic judged; nobody has reviewed them" + f.notWatched(), Code: codeClean, Reasons: drafted, Basis: *f}
	}
	return Result{Verdict: "clean", Text: "no deviation found in the traffic judged" + f.notWatched(), Code: codeClean, Reasons: []string{}, Basis: *f}
}

// notWatched says beside a result without deviations for how much of the time nobody would have seen any. It decides nothing.
func (f *Basis) notWatched() string {
	switch {
	case f.Blind <= f.Bound:
		return ""
	case f.Blind < 1:
		return "; for less than a hundredth of the time an interface was not watched"
	case f.Blind < 100:
		return fmt.Sprintf("; for %.0f %% of the time an interface was not watched", min(f.Blind, 99))
	}
	return "; an interface was not watched at any time"
}

// Doubtful says whether the result would be inconclusive if nothing deviated.
func (f *Basis) Doubtful() bool { return len(f.doubt()) > 0 }

// wrong is what makes a result deviations.
func (f *Basis) wrong() []string {
	return reasons([]rule{
		{f.Deviations > 0, plural(f.Deviations, "deviation") + " from the documents"},
		{f.Unexpected > 0, plural(f.Unexpected, "unexpected connection") + " went beyond an attempt"},
		{f.Missing > 0, plural(uint64(f.Missing), "required expectation") + " missing"},
		{f.Attempted > 0, plural(uint64(f.Attempted), "required expectation") + " attempted, no connection"},
		{f.Coupled > 0, plural(uint64(f.Coupled), "responder") + " with ports that do not belong together"},
	})
}

// doubt is what keeps a result without deviations from being clean.
func (f *Basis) doubt() []string {
	return reasons([]rule{
		{!f.Site, "no site file was given: roles were not verified"},
		{f.Judged+f.Open == 0, "no connection was judged"},
		{f.Pending > 0, plural(f.Pending, "connection") + " that deviate, are unexpected or could not be judged were still open, and count when they end"},
		{f.Unsaved > 0, unsavedWords(f.Unsaved)},
		{len(f.Cut) > 0, fmt.Sprintf("%s not read to the end", plural(uint64(len(f.Cut)), "input"))},
		{f.Interrupted, "reading was interrupted"},
		{f.Evicted > 0, plural(f.Evicted, "connection") + " cut short because the connection table was full; raise --max-connections"},
		{f.Loss > f.Bound, fmt.Sprintf("%.2f %% of the packets were lost, more than the bound of %.4g %%", f.Loss, f.Bound)},
		{f.Undecoded > f.Bound, fmt.Sprintf("%.2f %% of the packets could not be decoded, more than the bound of %.4g %%", f.Undecoded, f.Bound)},
		{f.Refused > 0, plural(f.Refused, "fragment") + " overlapped others and were refused: what they carry is not known"},
		{len(f.PairLoss) > 0, fmt.Sprintf("by estimate more packets were lost than the bound of %.4g %%: %s", f.Bound, strings.Join(first(f.PairLoss, 3), "; "))},
		{f.Untestable > 0, plural(uint64(f.Untestable), "required periodic expectation") + " could not be tested"},
		{f.Indeterminate > 0, plural(f.Indeterminate, "connection") + " could not be judged"},
	})
}

// drafted is what the result rests on that nobody has reviewed: it decides nothing, and every result says so.
func (f *Basis) drafted() []string {
	return reasons([]rule{{f.Drafts > 0, plural(uint64(f.Drafts), "draft") + " among packs and site, reviewed by nobody: what fits them may be wrong all the same"}})
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
