package classify

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pcapaudit/capture/flow"
)

// Source is an audit that a combined one is made of.
type Source struct {
	File   string // as the user wrote it
	SHA256 string
	Audit  *Audit
}

// errNotCombinable says that audits do not fit together.
var errNotCombinable = errors.New("these audits cannot be combined")

// maxParts bounds a combined audit: as many inputs as connection ids can number.
const maxParts = 1 << 12

// Combine makes one audit of several: nights, or capture points. They must rest on the same packs and the same site, and on different inputs, by SHA-256. Order
// does not matter.
//
// Live audits of the same interfaces, such as the periods of a run, are one capture: they must not overlap, a connection that one of them ended with is that of the
// next, the time between them is blind, and packs and site may differ among them, see CombineParts.
//
// Sums are sums: a connection that two audits saw is counted in both, and the combined audit says so. Numbers of distinct hosts are the largest of any audit, so
// at least as many. Findings are merged by id, expectations host by host (see mergeStatuses), and the result follows from the merged facts by the rules of any
// result, with the worst loss of any audit.
func Combine(list []Source, tool Tool) (*Audit, error) {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Source) int {
		return cmp.Or(cmp.Compare(a.Audit.Period.CoveredFrom, b.Audit.Period.CoveredFrom), cmp.Compare(a.SHA256, b.SHA256))
	})
	whole, err := fitting(list, tool)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotCombinable, err)
	}
	var parts []Part
	for _, s := range list {
		parts = append(parts, partOf(s))
	}
	head := whole[0].Audit
	if len(whole) == 1 {
		head.Parts, head.Invocation = parts, nil
		return head, nil
	}
	c := combination{list: whole, out: &Audit{Schema: Schema, Tool: tool, Parts: parts, Packs: head.Packs, Site: head.Site, Inputs: []Input{}}}
	for _, s := range whole {
		var numbers []int
		for _, in := range s.Audit.Inputs {
			numbers = append(numbers, len(c.out.Inputs))
			c.out.Inputs = append(c.out.Inputs, in)
		}
		c.numbers = append(c.numbers, numbers)
	}
	c.merge()
	return c.out, nil
}

// fitting gives the captures that audits are of, one audit each, or says what keeps them from being combined.
func fitting(list []Source, tool Tool) ([]Source, error) {
	if err := usable(list); err != nil {
		return nil, err
	}
	if err := watchedTwice(list); err != nil {
		return nil, err
	}
	of, err := captures(list, tool)
	if err == nil && len(of) > 1 {
		err = combinable(of)
	}
	return of, err
}

// merge fills the audit from those of the list, inputs and rules apart.
func (c *combination) merge() {
	head, out := c.list[0], c.out
	out.Residuals, out.Warnings = []string{}, []string{}
	for _, s := range c.list {
		out.Overflow += s.Audit.Overflow
		for _, w := range s.Audit.Warnings {
			if !slices.Contains(out.Warnings, w) {
				out.Warnings = append(out.Warnings, w)
			}
		}
		if s.Audit.Tool.Version != head.Audit.Tool.Version && len(out.Warnings) < maxParts {
			out.Warnings = append(out.Warnings, fmt.Sprintf("%s was judged by version %s, %s by version %s", s.File, s.Audit.Tool.Version, head.File, head.Audit.Tool.Version))
		}
	}
	c.pseudonyms()
	c.period()
	c.sums()
	c.timeline()
	out.Inventory = c.inventory()
	c.coverage()
	basis := c.basis()
	found := c.findings()
	rows, lacking, open := c.expectations()
	found = append(found, lacking...)
	sortFindings(found)
	out.Findings, out.Expectations = notNil(found), rows
	for i := range found {
		if found[i].Kind == kindCoupled {
			basis.Coupled++
		}
	}
	basis.Missing, basis.Attempted, basis.Untestable = open.missing, open.attempted, open.untestable
	out.Result = basis.result()
	out.Result.LookAt = lookAt(found)
}

// combination is the work on one combined audit.
type combination struct {
	list     []Source
	numbers  [][]int // of each audit's inputs among all
	sequence bool    // parts of one capture, see CombineParts
	pauses   string  // of a sequence: the cause of the time between its parts
	hole     string  // of a sequence: why absence proves nothing, as too much time lies between the parts; "" if it does
	out      *Audit
}

func partOf(s Source) Part {
	a := s.Audit
	return Part{File: s.File, SHA256: s.SHA256, Tool: a.Tool, Verdict: a.Result.Verdict, CoveredFrom: a.Period.CoveredFrom, CoveredLast: a.Period.CoveredLast,
		Inputs: len(a.Inputs), Filter: a.Coverage.Filter}
}

// usable says which audits cannot be combined with any other, or what they do not share.
func usable(list []Source) error {
	if len(list) < 2 || len(list) > maxParts {
		return fmt.Errorf("give 2 to %d of them", maxParts)
	}
	head := list[0]
	for _, s := range list {
		a := s.Audit
		switch {
		case len(a.Parts) > 0:
			return fmt.Errorf("%s is a combined audit itself: give its parts", s.File)
		case SameNames(head.Audit, a) != nil:
			return fmt.Errorf("%s and %s: %w", head.File, s.File, SameNames(head.Audit, a))
		case len(a.Residuals) > 0:
			return fmt.Errorf("a ledger of %s does not balance", s.File)
		case (a.Site == nil) != (head.Audit.Site == nil):
			return fmt.Errorf("only one of %s and %s has a site", head.File, s.File)
		}
	}
	return nil
}

// combinable says what keeps audits of different captures from being combined.
func combinable(list []Source) error {
	head := list[0]
	inputs := map[string]int{} // position in list, from 1
	for i, s := range list {
		a := s.Audit
		switch {
		case len(a.Rules) > 0:
			return fmt.Errorf("packs or site changed while the capture of %s went on", s.File)
		case a.Site != nil && a.Site.SHA256 != head.Audit.Site.SHA256:
			return fmt.Errorf("the site %s (sha256 %.12s) of %s is not that of %s (sha256 %.12s): audit both with the same", a.Site.Name, a.Site.SHA256, s.File, head.File, head.Audit.Site.SHA256)
		case a.Site != nil && sameInventories(head.Audit.Site, a.Site) != "":
			return fmt.Errorf("the inventory %s that the site of %s has hosts from is not that of %s: audit both with the same", sameInventories(head.Audit.Site, a.Site), s.File, head.File)
		}
		if err := samePacks(head, s); err != nil {
			return err
		}
		for _, in := range a.Inputs {
			if in.Format == LiveFormat { // see watchedTwice
				continue
			}
			if in.SHA256 == "" {
				return fmt.Errorf("%s was made with --hash none: nothing tells whether its inputs are those of another audit", s.File)
			}
			if other := inputs[in.SHA256]; other != 0 && other != i+1 {
				return fmt.Errorf("%s and %s are both about the capture %s (sha256 %.12s): its connections would count twice", list[other-1].File, s.File, in.Name, in.SHA256)
			}
			inputs[in.SHA256] = i + 1
		}
	}
	return nil
}

func samePacks(a, b Source) error {
	for _, side := range [2][2]Source{{a, b}, {b, a}} {
		for _, p := range side[0].Audit.Packs {
			i := slices.IndexFunc(side[1].Audit.Packs, func(q PackRef) bool { return q.Name == p.Name })
			switch {
			case i < 0:
				return fmt.Errorf("the pack %s of %s is not in %s: audit both with the same", p.Name, side[0].File, side[1].File)
			case side[1].Audit.Packs[i].SHA256 != p.SHA256:
				return fmt.Errorf("the pack %s of %s (sha256 %.12s) is not that of %s (sha256 %.12s): audit both with the same", p.Name, side[0].File, p.SHA256, side[1].File, side[1].Audit.Packs[i].SHA256)
			}
		}
	}
	return nil
}

// pseudonyms keeps what leads back to the names of every audit.
func (c *combination) pseudonyms() {
	for _, s := range c.list {
		if p := s.Audit.Pseudonyms; p != nil {
			if c.out.Pseudonyms == nil {
				c.out.Pseudonyms = &Pseudonymised{Key: p.Key}
			}
			c.out.Pseudonyms.Sealed = append(c.out.Pseudonyms.Sealed, p.Sealed...)
		}
	}
}

// basis is what the result rests on, expectations and coupled ports apart. Of losses the worst of any audit counts.
func (c *combination) basis() Basis {
	b := Basis{Site: c.out.Site != nil, Blind: blindPercent(c.out.Coverage.Live), Cut: []string{}, PairLoss: []string{}}
	if c.sequence {
		b.Open, b.Pending = c.stillOpen()
	}
	for _, s := range c.list {
		o := &s.Audit.Result.Basis
		b.Judged += o.Judged
		b.Drafts = max(b.Drafts, o.Drafts)
		b.Deviations += o.Deviations
		b.Unexpected += o.Unexpected
		b.Indeterminate += o.Indeterminate
		b.Unsaved += o.Unsaved
		b.Evicted += o.Evicted
		b.Refused += o.Refused
		if !c.sequence {
			b.Open += o.Open
			b.Pending += o.Pending
		}
		b.Interrupted = b.Interrupted || o.Interrupted
		b.Loss, b.Bound, b.Undecoded = max(b.Loss, o.Loss), max(b.Bound, o.Bound), max(b.Undecoded, o.Undecoded)
		b.Cut = append(b.Cut, o.Cut...)
		for _, text := range o.PairLoss {
			if !slices.Contains(b.PairLoss, text) {
				b.PairLoss = append(b.PairLoss, text)
			}
		}
	}
	return b
}

// covers is the time of an audit in ns since 1970; ok is false where it covers none.
func covers(p *Period) (s Span, ok bool) {
	from, ok1 := parseStamp(p.CoveredFrom)
	last, ok2 := parseStamp(p.CoveredLast)
	return Span{from, last}, ok1 && ok2 && from <= last
}

func parseStamp(text string) (int64, bool) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 1678 || t.Year() > 2261 {
		return 0, false
	}
	return t.UnixNano(), true
}

// period is the union of the times that the audits cover; what none covers is a gap.
func (c *combination) period() {
	var spans []Span
	p := Period{Gaps: []Gap{}}
	for i, s := range c.list {
		q := &s.Audit.Period
		if i == 0 {
			p.AskedFrom, p.AskedUntil = q.AskedFrom, q.AskedUntil
		}
		if p.AskedFrom == "" || q.AskedFrom == "" {
			p.AskedFrom = ""
		} else {
			p.AskedFrom = min(p.AskedFrom, q.AskedFrom)
		}
		if p.AskedUntil == "" || q.AskedUntil == "" {
			p.AskedUntil = ""
		} else {
			p.AskedUntil = max(p.AskedUntil, q.AskedUntil)
		}
		spans = append(spans, pieces(q)...)
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Until, b.Until)) })
	if len(spans) > 0 {
		last := spans[0].Until
		for _, s := range spans[1:] {
			if s.From > last {
				p.Gaps = append(p.Gaps, Gap{flow.Stamp(last), flow.Stamp(s.From)})
			}
			last = max(last, s.Until)
		}
		p.CoveredFrom, p.CoveredLast = flow.Stamp(spans[0].From), flow.Stamp(last)
	}
	c.out.Period = p
}

// pieces is what an audit covers without its gaps.
func pieces(p *Period) []Span {
	s, ok := covers(p)
	if !ok {
		return nil
	}
	var list []Span
	for _, g := range p.Gaps {
		from, ok1 := parseStamp(g.From)
		until, ok2 := parseStamp(g.Until)
		if ok1 && ok2 && s.From <= from && from <= until && until <= s.Until {
			list = append(list, Span{s.From, from})
			s.From = until
		}
	}
	return append(list, s)
}

// overlapping says whether two audits cover the same time.
func (c *combination) overlapping() bool {
	var last int64
	begun := false
	for _, s := range c.list {
		if at, ok := covers(&s.Audit.Period); ok {
			if begun && at.From < last {
				return true
			}
			last, begun = max(last, at.Until), true
		}
	}
	return false
}

// coverage sums what the captures could show.
func (c *combination) coverage() {
	v := Coverage{CaptureFilters: []string{}, Loss: Loss{Pairs: []PairLoss{}}}
	var filters []string
	var pairs [][]PairLoss
	for _, s := range c.list {
		o := &s.Audit.Coverage
		switch text := s.File + ": " + o.Filter; {
		case o.Filter == "":
		case !c.sequence:
			filters = append(filters, text)
		case !slices.Contains(filters, o.Filter):
			filters = append(filters, o.Filter)
		}
		if c.sequence {
			v.Live = watched(v.Live, o.Live)
		} else { // interfaces of one name may be those of two machines
			v.Live = append(v.Live, o.Live...)
		}
		v.Blind, v.MoreBlind = append(v.Blind, o.Blind...), v.MoreBlind+o.MoreBlind
		v.LossBound = max(v.LossBound, o.LossBound)
		for _, n := range [...][2]*uint64{{&v.Duplicates, &o.Duplicates}, {&v.Dropped, &o.Dropped}, {&v.Truncated, &o.Truncated}, {&v.Undecoded, &o.Undecoded}, {&v.TCPBoth, &o.TCPBoth},
			{&v.TCPOneSided, &o.TCPOneSided}, {&v.Evicted, &o.Evicted}, {&v.TimeBackward, &o.TimeBackward}, {&v.HeadersCut, &o.HeadersCut},
			{&v.Loss.Packets, &o.Loss.Packets}, {&v.Loss.Missed, &o.Loss.Missed}, {&v.Loss.Connections, &o.Loss.Connections}, {&v.Loss.Unfollowed, &o.Loss.Unfollowed},
			{&v.Inspection.Recognised, &o.Inspection.Recognised}, {&v.Inspection.Unrecognised, &o.Inspection.Unrecognised}, {&v.Inspection.Broken, &o.Inspection.Broken},
			{&v.Inspection.Crowded, &o.Inspection.Crowded}, {&v.Inspection.FactsLost, &o.Inspection.FactsLost}} {
			*n[0] += *n[1]
		}
		for _, f := range o.CaptureFilters {
			if !slices.Contains(v.CaptureFilters, f) && len(v.CaptureFilters) < maxFilters {
				v.CaptureFilters = append(v.CaptureFilters, f)
			}
		}
		pairs = append(pairs, o.Loss.Pairs)
		v.Loss.OtherPairs = max(v.Loss.OtherPairs, o.Loss.OtherPairs)
	}
	v.Filter = strings.Join(filters, "; ")
	if v.Dropped > 0 {
		v.LossPercent = 100 * float64(v.Dropped) / float64(c.out.Packets.Read+v.Dropped)
	}
	v.Loss.Percent = percentMissed(v.Loss.Missed, v.Loss.Packets)
	v.Loss.Pairs = c.lossPairs(pairs, v.LossBound)
	if more := len(v.Loss.Pairs) - shownLossPairs; more > 0 {
		v.Loss.Pairs, v.Loss.OtherPairs = v.Loss.Pairs[:shownLossPairs], v.Loss.OtherPairs+more
	}
	if c.sequence {
		c.between(&v)
		v.CannotShow = c.partsCannotShow(&v)
	} else {
		v.CannotShow = c.cannotShow()
	}
	if more := len(v.Blind) - maxBlindTimes; more > 0 {
		v.Blind, v.MoreBlind = v.Blind[:maxBlindTimes], v.MoreBlind+more
	}
	c.out.Coverage = v
}

func (c *combination) lossPairs(lists [][]PairLoss, bound float64) []PairLoss {
	pairs := merge(func(p *PairLoss) [2]string { return [2]string{p.From, p.To} }, func(into, p *PairLoss) {
		into.Packets += p.Packets
		into.Missed += p.Missed
		into.Connections += p.Connections
		into.OneSided += p.OneSided
		into.Vantage = into.Vantage || p.Vantage
		into.AboveBound = into.AboveBound || p.AboveBound
		if p.WorstMissed > into.WorstMissed {
			into.WorstMissed, into.WorstMinute = p.WorstMissed, p.WorstMinute
		}
	}, lists)
	for i := range pairs {
		pairs[i].Percent = percentMissed(pairs[i].Missed, pairs[i].Packets)
		pairs[i].AboveBound = pairs[i].AboveBound || pairs[i].Percent > bound
	}
	slices.SortStableFunc(pairs, func(a, b PairLoss) int {
		return cmp.Or(cmp.Compare(b.Percent, a.Percent), cmp.Compare(b.Missed, a.Missed), cmp.Compare(b.OneSided, a.OneSided))
	})
	return pairs
}

// cannotShow lists what no audit can show, what single ones cannot, and what combining leaves open.
func (c *combination) cannotShow() []string {
	var order, list []string
	of := map[string][]string{}
	for _, s := range c.list {
		for _, text := range s.Audit.Coverage.CannotShow {
			if of[text] == nil {
				order = append(order, text)
			}
			of[text] = append(of[text], s.File)
		}
	}
	n := len(c.out.Parts)
	shared := fmt.Sprintf("Which connections the %d combined audits share: each counts what it saw, so one that runs on over the end of a capture is counted in both.", n)
	if c.overlapping() {
		shared = fmt.Sprintf("Which connections the %d combined audits share: some cover the same time, and a connection that passes two capture points, or runs on over the end of a capture, is counted in both.", n)
	}
	list = append(list, shared,
		"What only all captures together would tell: names and ports that one audit saw announced and another saw used, and the parts of an expectation (each port, each responder) that were used in different ones.")
	for _, text := range order {
		if files := of[text]; len(files) < len(c.list) {
			text += " (" + strings.Join(first(files, 3), ", ") + ")"
		}
		list = append(list, text)
	}
	return list
}
