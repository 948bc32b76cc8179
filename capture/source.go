package capture

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// inputs are the captures of one audit, read as one sequence in time order. Files whose times do not overlap are read one after
// the other; those that overlap packet by packet, the file that comes first in the order where times are equal.
type inputs struct {
	list    []*Input  // in the order of reading: by first packet time, then as named
	skipped []string  // found in directories or by patterns and no captures or gone, with the reason; at most maxSkipped
	left    int       // how many were skipped
	waiting []*source // in that order; regular files are closed until their turn
	active  []*source // open; in that order
	options inputOptions
	size    int64 // stored bytes of all; -1 with a stream among them
}

// fill reads the next packets; io.EOF when all inputs are done. A damaged input is no error: its Input says how it ended.
func (in *inputs) fill(b *recordBatch) error {
	b.n = 0
	if len(in.list) == 1 && len(in.active) == 1 {
		in.active[0].fill(b)
		if b.n > 0 {
			return nil
		}
		in.active = nil
	}
	in.refill()
	for b.n < len(b.recs) {
		if err := in.activate(); err != nil {
			return err
		}
		s, limit := in.earliest()
		if s == nil {
			return io.EOF
		}
		s.hand(b, limit)
		if s.ready() == 0 { // its next batch would overwrite bytes that b points at
			return nil
		}
	}
	return nil
}

// refill gives every active source packets to hand out, and drops those that have ended.
func (in *inputs) refill() {
	kept := in.active[:0]
	for _, s := range in.active {
		if s.ready() == 0 {
			s.next = 0
			s.fill(s.pend)
		}
		if s.pend.n > 0 {
			kept = append(kept, s)
		}
	}
	clear(in.active[len(kept):])
	in.active = kept
}

// activate opens the waiting sources whose turn has come: the first packet is not later than what the active ones have next.
func (in *inputs) activate() error {
	for len(in.waiting) > 0 {
		if s, _ := in.earliest(); s != nil && in.waiting[0].first > s.key() {
			return nil
		}
		if len(in.active) == maxOpenInputs {
			return fmt.Errorf("reading %s: the times of more than %d inputs overlap; merge them first (mergecap)", in.waiting[0].in.Name, maxOpenInputs)
		}
		s := in.waiting[0]
		in.waiting[0] = nil // its buffers go when it has been read, not when the last one has
		in.waiting = in.waiting[1:]
		if s.closed {
			if err := s.open(in.options, windowSize); err != nil {
				s.in.State, s.in.Detail = InputCut, fmt.Sprintf("cannot be read any more: %v", err)
				s.in.Size, s.in.Unread = s.stat.Size(), s.stat.Size()
				continue
			}
		}
		if s.pend == nil {
			s.pend = new(recordBatch)
			s.fill(s.pend)
		}
		if s.pend.n > 0 {
			in.active = append(in.active, s)
		}
	}
	return nil
}

// key is the time of the next packet to hand out; a packet without a time goes with the one before it.
func (s *source) key() int64 {
	if r := &s.pend.recs[s.next]; !r.badTime {
		s.turn = r.time
	}
	return s.turn
}

// earliest is the source whose packet comes next, and the time up to which its packets come before all others.
func (in *inputs) earliest() (first *source, limit int64) {
	for _, s := range in.active {
		if first == nil || s.key() < first.key() {
			first = s
		}
	}
	limit = math.MaxInt64
	for _, s := range in.active {
		switch {
		case s == first:
		case s.index < first.index:
			limit = min(limit, before(s.key()))
		default:
			limit = min(limit, s.key())
		}
	}
	if len(in.waiting) > 0 {
		limit = min(limit, before(in.waiting[0].first))
	}
	return first, limit
}

func before(t int64) int64 { return max(t, math.MinInt64+1) - 1 }

// hand moves packets up to the limit into b, at least one.
func (s *source) hand(b *recordBatch, limit int64) {
	for first := true; s.next < s.pend.n && b.n < len(b.recs); first = false {
		if !first && s.key() > limit {
			return
		}
		b.recs[b.n] = s.pend.recs[s.next]
		b.n++
		s.next++
	}
}

// rest is for a reading that stops: it hands out what was read already and not handed out, in time order. b.n is 0 at its end.
func (in *inputs) rest(b *recordBatch) {
	b.n = 0
	open := slices.Concat(in.active, in.waiting)
	for b.n < len(b.recs) {
		var first *source
		for _, s := range open {
			if s.ready() > 0 && (first == nil || s.key() < first.key()) {
				first = s
			}
		}
		if first == nil {
			return
		}
		first.hand(b, math.MinInt64)
	}
}

// progress gives the stored bytes that are dealt with, and those of all inputs; total is -1 where that is not known.
func (in *inputs) progress() (done, total int64) {
	for _, one := range in.list {
		if one.State != InputUnfinished {
			done += one.Size
		}
	}
	for _, s := range in.active {
		if !s.ended {
			done += s.offset()
		}
	}
	return done, in.size
}

// linkType is that of the interface that captured the packet.
func (in *inputs) linkType(r *record) uint16 {
	return in.list[r.file].Interfaces[r.iface].LinkType
}

// interfaceName tells interfaces apart, also where a capture goes on in the next file: by their names, without one by their numbers.
func (in *inputs) interfaceName(r *record) string {
	if name := in.list[r.file].Interfaces[r.iface].Name; name != "" {
		return name
	}
	return strconv.Itoa(int(r.iface))
}

// close lets go of everything; inputs not read to their end stay InputUnfinished, with their bytes accounted for.
func (in *inputs) close() {
	for _, s := range append(in.active, in.waiting...) {
		switch {
		case s.closed:
			s.in.Unread = s.in.Size
		case !s.ended:
			s.settle(false)
		}
	}
	in.active, in.waiting = nil, nil
}
