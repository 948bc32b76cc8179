package classify

import "slices"

// maxBuckets bounds the timeline.
const maxBuckets = 96

// timeline counts connections by the second in which they began, in buckets of a power of two seconds that widen as the time covered grows.
type timeline struct {
	shift   uint // buckets are 1<<shift seconds
	first   int64
	buckets []TimelineBucket
}

func (t *timeline) add(ns int64, v verdict) {
	second := ns / 1e9
	if ns%1e9 < 0 {
		second--
	}
	b := t.at(second)
	switch v {
	case documented:
		b.Documented++
	case unexpected:
		b.Unexpected++
	case deviation:
		b.Deviation++
	default:
		b.Other++
	}
}

// addBucket adds a bucket of 1<<shift seconds that begins at a second.
func (t *timeline) addBucket(second int64, shift uint, o TimelineBucket) {
	for t.shift < shift {
		t.widen()
	}
	t.at(second).add(o)
}

// at gives the bucket of a second, and makes it.
func (t *timeline) at(second int64) *TimelineBucket {
	i := second >> t.shift
	for len(t.buckets) > 0 && max(i, t.last())-min(i, t.first) >= maxBuckets {
		t.widen()
		i = second >> t.shift
	}
	switch {
	case len(t.buckets) == 0:
		t.first, t.buckets = i, make([]TimelineBucket, 1, maxBuckets)
	case i < t.first:
		t.buckets = slices.Insert(t.buckets, 0, make([]TimelineBucket, t.first-i)...)
		t.first = i
	case i > t.last():
		t.buckets = append(t.buckets, make([]TimelineBucket, i-t.last())...)
	}
	return &t.buckets[i-t.first]
}

func (b *TimelineBucket) add(o TimelineBucket) {
	b.Documented += o.Documented
	b.Unexpected += o.Unexpected
	b.Deviation += o.Deviation
	b.Other += o.Other
}

func (t *timeline) last() int64 { return t.first + int64(len(t.buckets)) - 1 }

// widen doubles the buckets.
func (t *timeline) widen() {
	old, first := t.buckets, t.first
	t.shift++
	if len(old) == 0 {
		return
	}
	t.first >>= 1
	last := (first + int64(len(old)) - 1) >> 1
	t.buckets = make([]TimelineBucket, last-t.first+1, maxBuckets)
	for i, o := range old {
		t.buckets[(first+int64(i))>>1-t.first].add(o)
	}
}

func (t *timeline) export() Timeline {
	e := Timeline{Seconds: float64(int64(1) << t.shift), Buckets: slices.Clone(t.buckets)}
	if len(t.buckets) == 0 {
		return Timeline{Buckets: []TimelineBucket{}}
	}
	e.From = stampSeconds(t.first << t.shift)
	return e
}

func (a *Auditor) timeline() Timeline {
	e := a.sums.timeline.export()
	e.Losses = a.losses.spans()
	return e
}
