package main

import (
	"math/rand/v2"
)

// Time is counted in ticks of a wheel of wheelSize slots; a conversation waits in the slot of its next packets. No wait is longer than the wheel.
const (
	tick      = 1000 // microseconds
	wheelSize = 1 << 16
	start     = 1_768_082_400_000_000 // 10 January 2026, 22:00 UTC
	noiseSize = 16 << 20              // bytes without pattern, from which bodies are cut; more than a compressor looks back
)

// generator interleaves conversations. Its memory grows with those that are open at once, not with the capture.
type generator struct {
	out      *file
	random   *rand.Rand
	noise    []byte
	services []*service
	wheel    []uint32 // by slot: the first conversation that waits there, 1 + its place; 0 is none
	open     []conversation
	free     uint32 // the first unused one, counted as in wheel
	now      int64  // ticks
	clock    int64  // microseconds: the last packet's
	pace     float64
	id       uint16
	held     [segment4]byte // what a segment said that is sent twice
	active   int
	made     summary
}

// summary counts conversations, as a list of connections should show them.
type summary struct {
	TCP, UDP, ICMP int
	Refused        int // of TCP: answered by a reset
	Silent         int // of TCP: not answered
	ARP            int // requests, which are no connections
}

// run makes total conversations, which begin evenly over the window of ticks.
func (g *generator) run(total int, window int64) error {
	weights := 0
	for _, s := range g.services {
		weights += s.weight
	}
	begun := 0
	for ; begun < total || g.active > 0; g.now++ {
		g.clock = max(g.clock, start+g.now*tick)
		for begun < total && int64(begun)*window <= g.now*int64(total) {
			g.begin(g.pick(weights), nil)
			begun++
		}
		slot := &g.wheel[g.now%wheelSize]
		at := *slot
		*slot = 0
		for at != 0 {
			next := g.open[at-1].next
			g.play(at)
			at = next
		}
		if g.out.err != nil {
			return g.out.err
		}
	}
	g.out.flush()
	return g.out.err
}

func (g *generator) pick(weights int) *service {
	n := g.random.IntN(weights)
	for _, s := range g.services {
		if n -= s.weight; n < 0 {
			return s
		}
	}
	panic("weights do not add up")
}

// begin opens a conversation of the service; after is the one that it follows between the same ends, or nil.
func (g *generator) begin(s *service, after *conversation) {
	c := conversation{service: s}
	if after != nil {
		c.orig, c.resp, c.six, c.vlan = after.orig, after.resp, after.six, after.vlan
	} else {
		c.orig, c.resp = g.ends(s)
		c.six = c.orig.dual && c.resp.dual && s.proto != arp && g.random.IntN(3) == 0
		c.vlan = c.orig.vlan
	}
	c.sport, c.dport = 0, s.port
	if s.proto == tcp || s.proto == udp {
		c.sport = c.orig.port()
		if s.port == anyPort {
			c.dport = 1 + uint16(g.random.IntN(1023))
		}
	}
	if own := s.of[c.resp]; own != nil {
		c.talk = own
	} else if len(s.talks) > 0 {
		c.talk = s.talks[g.random.IntN(len(s.talks))]
	}
	c.number = uint16(g.random.Uint32())
	c.seq = [2]uint32{g.random.Uint32(), g.random.Uint32()}
	c.fate = g.fate(s)
	g.count(&c)
	if g.free == 0 {
		g.open = append(g.open, conversation{})
		g.free = uint32(len(g.open))
	}
	at := g.free
	g.free = g.open[at-1].next
	g.open[at-1] = c
	g.active++
	wait := int64(0)
	if after != nil {
		wait = 5
	}
	g.wait(at, wait)
}

// ends are two different hosts. Originators come in turn, so that each uses each service; of pings responders do too, as those of the same pair
// within half a minute would be one connection.
func (g *generator) ends(s *service) (orig, resp *host) {
	n := s.begun
	s.begun++
	orig = s.from[n%len(s.from)]
	if s.proto == icmp {
		return orig, s.to[n/len(s.from)%len(s.to)]
	}
	for resp = orig; resp == orig; {
		resp = s.to[g.random.IntN(len(s.to))]
	}
	return orig, resp
}

func (g *generator) fate(s *service) fate {
	n := g.random.IntN(1000)
	switch {
	case s.proto == tcp && n < s.refused:
		return refused
	case n < s.silent+s.refused:
		return silent
	case n%10 == 0:
		return reset
	}
	return closed
}

func (g *generator) count(c *conversation) {
	switch c.service.proto {
	case tcp:
		g.made.TCP++
		switch c.fate {
		case refused:
			g.made.Refused++
		case silent:
			g.made.Silent++
		}
	case udp:
		g.made.UDP++
	case icmp:
		g.made.ICMP++
	case arp:
		g.made.ARP++
	}
}

// wait puts a conversation into the slot that is ticks away; this slot's turn may still be running.
func (g *generator) wait(at uint32, ticks int64) {
	slot := &g.wheel[(g.now+min(ticks, wheelSize-1))%wheelSize]
	g.open[at-1].next = *slot
	*slot = at
}

// play lets a conversation send its next packets, and waits or ends.
func (g *generator) play(at uint32) {
	c := &g.open[at-1]
	var ticks int64
	var more bool
	if c.service.proto == tcp {
		ticks, more = g.stream(c)
	} else {
		ticks, more = g.datagram(c)
	}
	if more {
		g.wait(at, max(ticks, 1))
		return
	}
	ended := *c
	c.next = g.free
	c.talk = nil
	g.free = at
	g.active--
	if ended.service.after != nil && ended.fate >= reset {
		g.begin(ended.service.after, &ended)
	}
}

// spread is a wait around the mean, in ticks.
func (g *generator) spread(mean float64) int64 {
	return 1 + int64(2*mean*g.random.Float64())
}
