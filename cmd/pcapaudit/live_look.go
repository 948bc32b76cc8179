package main

import (
	"pcapaudit/capture"
	"pcapaudit/classify"
)

// look tells the monitor what is not watched.
func (l *liveRun) look(now int64, r *capture.Result) {
	for i := range r.Live {
		in := &r.Live[i]
		blind := in.State != capture.LinkUp
		switch {
		case blind && !l.blind[in.Name]:
			l.mon.Blind(now, in.Name, in.State.String())
		case !blind && l.blind[in.Name]:
			l.mon.Seeing(now, in.Name)
		}
		l.blind[in.Name] = blind
		l.lookBack(now, in)
	}
}

// known is what the monitor was told of an interface in the part that goes on.
type known struct {
	dropped uint64
	spans   int
	at      int64
}

// lookBack tells what shows only afterwards: stalls, steps of the clock, packets that the kernel had no room for.
func (l *liveRun) lookBack(now int64, in *capture.LiveInterface) {
	k := l.known[in.Name]
	for _, b := range in.BlindSpans[min(k.spans, len(in.BlindSpans)):] {
		if in.State == capture.LinkUp {
			l.mon.Unwatched(classify.BlindSpan{Interface: in.Name, From: b.From, To: b.To, Cause: b.Cause})
		}
	}
	if in.Dropped > k.dropped {
		from := k.at
		if from == 0 {
			from = now - lookEvery
		}
		l.mon.Unwatched(classify.BlindSpan{Interface: in.Name, From: from, To: now, Cause: "the kernel dropped packets"})
	}
	l.known[in.Name] = known{in.Dropped, len(in.BlindSpans), now}
}

// cut ends a part of the watching.
func (l *liveRun) cut(p *capture.Pulse) classify.Capture {
	r := p.Cut()
	l.look(p.Now(), r)
	clear(l.known)
	l.serve.part(r)
	return l.facts(r)
}

// facts are those of a part of the watching.
func (l *liveRun) facts(r *capture.Result) classify.Capture {
	c := captureFacts(r)
	for i := range c.Inputs {
		c.Inputs[i].Machine = l.machine
	}
	if l.flags.siteFilter {
		c.SiteFilter = l.program
	}
	return c
}
