package rules

import (
	"cmp"
	"slices"
)

// joinSpans sorts ranges of addresses and joins those that overlap or touch.
func joinSpans(spans []addrRange) []addrRange {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b addrRange) int { return cmp.Or(a.first.Compare(b.first), a.last.Compare(b.last)) })
	var joined []addrRange
	for _, s := range spans {
		if n := len(joined) - 1; n >= 0 && (joined[n].overlaps(s) || joined[n].last.Next() == s.first && joined[n].last.Is4() == s.first.Is4()) {
			if joined[n].last.Less(s.last) {
				joined[n].last = s.last
			}
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// without is what is left of ranges without the holes.
func without(spans, holes []addrRange) []addrRange {
	for _, hole := range holes {
		var left []addrRange
		for _, s := range spans {
			if !s.overlaps(hole) {
				left = append(left, s)
				continue
			}
			if s.first.Less(hole.first) {
				left = append(left, addrRange{s.first, hole.first.Prev()})
			}
			if hole.last.Less(s.last) {
				left = append(left, addrRange{hole.last.Next(), s.last})
			}
		}
		spans = left
	}
	return spans
}

// common is the part of ranges that lies in another.
func common(spans []addrRange, in addrRange) []addrRange {
	var parts []addrRange
	for _, s := range spans {
		if s.overlaps(in) {
			if s.first.Less(in.first) {
				s.first = in.first
			}
			if in.last.Less(s.last) {
				s.last = in.last
			}
			parts = append(parts, s)
		}
	}
	return parts
}

// shifted moves ranges inside one range to the same places of another of its size.
func shifted(spans []addrRange, from, to addrRange) []addrRange {
	var moved []addrRange
	for _, s := range spans {
		moved = append(moved, addrRange{from.moved(s.first, to), from.moved(s.last, to)})
	}
	return moved
}

// exported joins ranges and gives them to others.
func exported(spans []addrRange) []Span {
	var list []Span
	for _, s := range joinSpans(spans) {
		list = append(list, Span{s.first, s.last})
	}
	return list
}

// joinRanges sorts port ranges and joins those that overlap or touch.
func joinRanges(ranges []PortRange) []PortRange {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b PortRange) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last)) })
	var joined []PortRange
	for _, r := range ranges {
		if n := len(joined) - 1; n >= 0 && int(r.First) <= int(joined[n].Last)+1 {
			joined[n].Last = max(joined[n].Last, r.Last)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}
