package capture

import (
	"fmt"
	"maps"
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/capture/inspect"
)

// LinkState is what a watched interface is at present. The zero value is LinkUp.
type LinkState uint8

const (
	LinkUp   LinkState = iota
	LinkDown           // there, and switched off or without a carrier
	LinkGone           // no interface of that name is there
)

var linkStateNames = [...]string{"up", "down", "gone"}

func (s LinkState) String() string { return linkStateNames[s] }

// LiveInterface is what happened on a watched interface in a part of the watching. Kernel = Delivered + Dropped and Monitored + Blind =
// Result.Elapsed; see Result.Balanced.
type LiveInterface struct {
	Name    string // as asked for
	Present string // what it is called at present, where that is another name; it is still watched
	Index   int    // the system's number of it; 0: it is gone
	State   LinkState

	Kernel    uint64 // packets that the kernel had for this program and that do not wait in the ring any more
	Delivered uint64 // those that it read: Ledger.Read of the interface
	Dropped   uint64 // those that the ring had no room for

	Monitored, Blind int64       // ns
	BlindSpans       []BlindSpan // in time order, at most maxBlindSpans: the last one covers all further ones and what lies between them
}

// BlindSpan is a time in which an interface showed nothing.
type BlindSpan struct {
	From, To int64  // ns since 1970 UTC; equal where the clock was set back, or an interface went and came at once
	Cause    string // "down", "deleted", "stalled", "clock step", "cannot be opened", "several"
}

const (
	blindDown    = "down"
	blindDeleted = "deleted"
	blindStalled = "stalled"
	blindStep    = "clock step"
	blindClosed  = "cannot be opened"
	blindSeveral = "several"
)

// maxBlindSpans bounds what a flapping interface leaves in a part.
const maxBlindSpans = 256

// sight accounts for the time of an interface. Its methods take wall time; all interfaces are told the same times, so that the sums agree.
type sight struct {
	since            int64 // up to where time is accounted for
	cause            string
	monitored, blind int64
	spans            []BlindSpan
}

// begin starts a part. What made the interface blind still does.
func (s *sight) begin(now int64) {
	*s = sight{since: now, cause: s.cause}
	if s.cause != "" {
		s.open(now)
	}
}

// account goes on to now. Where the clock was set back, nothing is added.
func (s *sight) account(now int64) {
	passed := max(now-s.since, 0)
	s.since = now
	if s.cause == "" {
		s.monitored += passed
		return
	}
	s.blind += passed
	last := &s.spans[len(s.spans)-1]
	last.To = max(last.To, now)
}

// turn changes what keeps the interface from being seen from now on; "" is nothing.
func (s *sight) turn(cause string) {
	if cause == s.cause {
		return
	}
	before := s.cause
	s.cause = cause
	switch last := len(s.spans) - 1; {
	case cause == "":
	case before != "" && s.spans[last].From == s.since: // both at once are one change
		s.spans[last].Cause = cause
	default:
		s.open(s.since)
	}
}

func (s *sight) open(now int64) {
	if len(s.spans) == maxBlindSpans {
		last := &s.spans[maxBlindSpans-1]
		last.To, last.Cause = max(last.To, now), blindSeveral
		return
	}
	s.spans = append(s.spans, BlindSpan{now, now, s.cause})
}

// missed makes the time from where it is accounted for to now blind. Where the clock was set back that is no time, and noted as such.
func (s *sight) missed(now int64, cause string) {
	if s.cause == "" {
		s.since = min(s.since, now)
		s.turn(cause)
		s.account(now)
		s.turn("")
		return
	}
	s.account(now)
}

// watched is one interface.
type watched struct {
	name, present string
	index         int
	state         LinkState
	sight         sight
	another       bool   // another interface of its name has come
	problem       string // why it could not be opened the last time that was tried

	input *Input
	num   uint64 // packets read in the whole run
	prev  int64  // time of the last one

	delivered, dropped uint64
	residual           uint64 // packets that the kernel counted and nobody saw; always 0 unless this program is wrong
}

// newWatched is for the interface of that position among those watched.
func newWatched(name string) *watched {
	return &watched{name: name, input: &Input{Name: name, Format: "live", State: InputClean}}
}

// from says where the packets come from now. Another link type is another interface of the input: an interface may come back as something else.
func (w *watched) from(linkType uint16, snaplen int, filter string) uint16 {
	list := &w.input.Interfaces
	for i := range *list {
		if (*list)[i].LinkType == linkType {
			return uint16(i)
		}
	}
	*list = append(*list, Interface{Name: w.name, Filter: filter, OS: "Linux", LinkType: linkType, FCS: -1, Snaplen: uint32(snaplen), Resolution: "1e-9 s"})
	return uint16(len(*list) - 1)
}

// begin starts a part.
func (w *watched) begin(now int64) {
	w.sight.begin(now)
	w.delivered, w.dropped, w.residual = 0, 0, 0
	fresh := &Input{Name: w.name, Format: w.input.Format, State: InputClean, Interfaces: w.input.Interfaces}
	for i := range fresh.Interfaces {
		fresh.Interfaces[i].Packets = 0
	}
	*w.input = *fresh // whose place the readers know
	if w.problem != "" {
		w.input.warn(w.problem)
	}
}

// note numbers a packet that was read and accounts for it.
func (w *watched) note(r *record) {
	in := w.input
	w.num++
	w.delivered++
	r.num = w.num
	if in.Packets == 0 {
		in.First, in.Last = r.time, r.time
	}
	if w.num > 1 && r.time < w.prev {
		in.TimeBackwards++
	}
	w.prev = r.time
	in.First, in.Last = min(in.First, r.time), max(in.Last, r.time)
	in.Packets++
	in.Interfaces[r.iface].Packets++
	in.Read += int64(len(r.data))
	in.Size = in.Read
	if int(r.wire) > len(r.data) {
		in.CutPackets++
	}
}

// facts are those of the part so far.
func (w *watched) facts() (Input, LiveInterface) {
	l := LiveInterface{Name: w.name, Index: w.index, State: w.state, Kernel: w.delivered + w.dropped + w.residual, Delivered: w.delivered, Dropped: w.dropped,
		Monitored: w.sight.monitored, Blind: w.sight.blind, BlindSpans: slices.Clone(w.sight.spans)}
	if w.present != w.name {
		l.Present = w.present
	}
	in := *w.input
	in.Interfaces, in.Warnings = slices.Clone(in.Interfaces), slices.Clone(in.Warnings)
	if len(in.Interfaces) > 0 {
		in.Interfaces[0].Received, in.Interfaces[0].Dropped = &l.Kernel, &l.Dropped
	}
	return in, l
}

// begin starts a part at the time up to which all is accounted for. What is counted from here on is the part's alone; fragments do not wait
// across the border, where their class would have to change in a ledger that was given away.
func (l *live) begin() {
	l.atCut = l.counts()
	*l.result = Result{}
	if l.decoder.fragments.arrived > 0 {
		l.decoder.fragments = fragments{seed: l.decoder.fragments.seed}
	}
	l.first, l.last, l.elapsed = l.accounted, l.accounted, 0
	for _, w := range l.interfaces {
		w.begin(l.accounted)
	}
}

// account goes on to now for all interfaces.
func (l *live) account(now int64) { l.missed(now, "", func(*watched) bool { return false }) }

// missed does that where the time was blind for some of them.
func (l *live) missed(now int64, cause string, blind func(*watched) bool) {
	if l.ended {
		return
	}
	l.elapsed += max(now-l.accounted, 0)
	l.accounted = now
	l.first, l.last = min(l.first, now), max(l.last, now)
	for _, w := range l.interfaces {
		if blind(w) {
			w.sight.missed(now, cause)
		} else {
			w.sight.account(now)
		}
	}
}

// part is the result of the part so far.
func (l *live) part() *Result {
	l.account(l.wall)
	r := *l.result
	r.Ledger.Opaque.known = maps.Clone(r.Ledger.Opaque.known)
	now := l.counts()
	r.Connections = connectionsSince(now.connections, l.atCut.connections)
	r.Inspection = inspectionSince(now.inspection, l.atCut.inspection)
	if l.translations != nil {
		t := now.translations.since(l.atCut.translations)
		r.Translations = &t
	}
	r.First, r.Last, r.Elapsed = l.first, l.last, l.elapsed
	for _, w := range l.interfaces {
		in, facts := w.facts()
		r.Inputs, r.Live = append(r.Inputs, in), append(r.Live, facts)
	}
	return &r
}

// connectionsSince is what happened between two looks at the table. The connections open at the first one count as created.
func connectionsSince(c, before flow.Counters) flow.Counters {
	c.Created -= before.Created - before.Open
	c.Packets -= before.Packets
	c.Emitted -= before.Emitted
	for i := range c.Ends {
		c.Ends[i] -= before.Ends[i]
	}
	c.BadTime -= before.BadTime
	c.Backward -= before.Backward
	c.Steps -= before.Steps
	c.Other -= before.Other
	c.Lost -= before.Lost
	c.Doubted -= before.Doubted
	c.Unfollowed -= before.Unfollowed
	c.Unpreviewed -= before.Unpreviewed
	return c
}

func inspectionSince(c, before inspect.Counters) inspect.Counters {
	return inspect.Counters{Recognised: c.Recognised - before.Recognised, Unknown: c.Unknown - before.Unknown, Lost: c.Lost - before.Lost,
		Crowded: c.Crowded - before.Crowded}
}

// balancedLive checks the ledgers of watched interfaces: packets of the kernel, and time.
func (r *Result) balancedLive() error {
	for i, l := range r.Live {
		if l.Kernel != l.Delivered+l.Dropped || l.Delivered != r.Inputs[i].Packets {
			return fmt.Errorf("packet ledger of %s: the kernel had %d packets, %d were delivered, %d dropped, %d read", l.Name, l.Kernel, l.Delivered, l.Dropped, r.Inputs[i].Packets)
		}
		if l.Monitored+l.Blind != r.Elapsed {
			return fmt.Errorf("time ledger of %s: %d ns monitored and %d blind are not the %d that passed", l.Name, l.Monitored, l.Blind, r.Elapsed)
		}
	}
	return nil
}
