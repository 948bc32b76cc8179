package flow

import (
	"cmp"
	"slices"
	"time"
)

// timeouts say how long a connection may be silent, in packet time. One that is silent for longer has ended.
type timeouts struct {
	TCPAttempt     time.Duration // nothing seen beyond SYN and SYN-ACK
	TCPEstablished time.Duration // data or ACKs seen, also with one FIN
	TCPClosed      time.Duration // FIN both ways, or RST
	UDPOneWay      time.Duration
	UDPAnswered    time.Duration
	ICMP           time.Duration
	Other          time.Duration
}

// idleTimeouts are middle values of the field (Zeek 7, Suricata 8, Linux nf_conntrack, Argus 5).
var idleTimeouts = timeouts{
	// nf_conntrack's syn_sent. Suricata has 60 s and Zeek 5 s, but Linux retries a SYN after 1, 2, 4 ... 64 s: less would count one
	// attempt several times.
	TCPAttempt: 120 * time.Second,
	// Between Suricata (600 s), Zeek (300 s, 3600 s for SSH and FTP) and nf_conntrack (5 days): a shorter one cuts a quiet backup
	// session into pieces without handshake, whose originator is not known.
	TCPEstablished: time.Hour,
	// Suricata's closed, nf_conntrack's last_ack and time_wait are 30 to 120 s: late retransmissions must not count as a connection.
	TCPClosed:   60 * time.Second,
	UDPOneWay:   30 * time.Second,  // Suricata, nf_conntrack
	UDPAnswered: 120 * time.Second, // nf_conntrack's stream; Zeek 60 s, Suricata 300 s
	ICMP:        30 * time.Second,  // Suricata, nf_conntrack; Zeek 60 s
	Other:       60 * time.Second,  // Zeek; Suricata 30 s
}

// shortestTimeout bounds them from below: a packet that follows sooner needs no closer look.
var shortestTimeout = idleTimeouts.shortest()

func (o *timeouts) shortest() int64 {
	return int64(min(o.TCPAttempt, o.TCPEstablished, o.TCPClosed, o.UDPOneWay, o.UDPAnswered, o.ICMP, o.Other))
}

// of is how long r may be silent.
func (o *timeouts) of(r *record) int64 {
	s := r.state()
	switch {
	case r.proto == TCP && s.closed():
		return int64(o.TCPClosed)
	case r.proto == TCP && s.attempt():
		return int64(o.TCPAttempt)
	case r.proto == TCP:
		return int64(o.TCPEstablished)
	case r.proto == UDP && s&both(heard) == both(heard):
		return int64(o.UDPAnswered)
	case r.proto == UDP:
		return int64(o.UDPOneWay)
	case r.proto.IsICMP():
		return int64(o.ICMP)
	}
	return int64(o.Other)
}

// warmup is how long after the capture's start a first packet may belong to a conversation that began before it.
func (o *timeouts) warmup(proto Proto) int64 {
	if proto == UDP {
		return int64(max(o.UDPAnswered, o.UDPOneWay))
	}
	return int64(o.Other)
}

const (
	// maxStep is the largest difference between the clock and a packet's time that is believed at once.
	maxStep = int64(time.Hour)
	// agreeing is the number of packets in a row that must disbelieve the clock in the same direction to move it: a real gap in a
	// capture only delays the sweep by them, a few bad time stamps cannot end all connections at once.
	agreeing = 256
	// absurdStep is a time ahead that is not believed for a single connection either: its packet counts like one with BadTime.
	absurdStep = 30 * 24 * int64(time.Hour)
)

// clock is packet time for the table as a whole. Single connections go by the times of their own packets.
type clock struct {
	now, start int64 // valid iff started
	started    bool
	file       uint16 // latest file
	ahead      bool   // direction of the run
	run        int    // packets in a row, up to the one just seen, that are more than maxStep away
	nearest    int64  // the time of the run that is closest to now
	backward   uint64
	steps      uint64
}

func (c *clock) see(t int64) {
	if uint64(t-c.now) <= uint64(maxStep) && c.started {
		c.now, c.run = t, 0
		return
	}
	c.doubt(t)
}

// enter is for the first packet of a file: its time is believed, files may be months apart.
func (c *clock) enter(file uint16, t int64) {
	c.file = file
	if c.started && (t > c.now+maxStep || t < c.now-maxStep) {
		c.restart(t)
	}
}

// restart moves the clock to where the packets are. What was open in between is not known: for the originators of connections the capture
// starts there.
func (c *clock) restart(t int64) {
	c.now, c.start, c.run = t, t, 0
	c.steps++
}

// near says whether a time fits the times of the connection, whatever the clock says.
func (r *record) near(t int64) bool {
	return r.flags&timed != 0 && uint64(t-r.last+maxStep) <= 2*uint64(maxStep)
}

// absurd is for a time just seen.
func (c *clock) absurd(t int64) bool { return c.run != 0 && t-c.now > absurdStep }

func (c *clock) doubt(t int64) {
	if !c.started {
		c.now, c.start, c.started = t, t, true
		return
	}
	ahead := t > c.now
	if !ahead {
		c.backward++
		if t >= c.now-maxStep {
			c.run = 0
			return
		}
	}
	if c.run == 0 || c.ahead != ahead {
		c.run, c.ahead, c.nearest = 0, ahead, t
	}
	if ahead == (t < c.nearest) {
		c.nearest = t
	}
	if c.run++; c.run == agreeing {
		c.restart(c.nearest)
	}
}

// silent says whether r has been silent for longer than it may be, at time now.
func (r *record) silent(now int64) bool {
	return r.flags&timed != 0 && now-r.last > shortestTimeout && now-r.last > idleTimeouts.of(r)
}

// sweepInterval is the packet time between two sweeps; where the clock was moved back, the next one is due at once.
const sweepInterval = 5 * int64(time.Second)

// sweepDue also bounds the cost: a sweep looks at no more than four lines for each packet since the one before, or makes room in a full
// table: what has been silent for too long is idle, not evicted.
func (t *Table) sweepDue(full bool) bool {
	due := t.clock.now-t.swept > sweepInterval || t.clock.now < t.swept
	return t.clock.started && due && (full || 2*(t.packets-t.sweptAt) >= uint64(t.peak))
}

// sweep ends every connection that has been silent for too long.
func (t *Table) sweep() {
	t.swept, t.sweptAt = t.clock.now, t.packets
	t.victims = t.victims[:0]
	now := t.clock.now
	quiet := t.records.quiet.of[:t.records.used]
	for rec := range quiet { // the lines themselves, most of which cannot have ended, take two to four times as long
		if now <= quiet[rec] {
			continue
		}
		r := &t.records.of[rec]
		switch {
		case r.flags&live == 0:
			quiet[rec] = never
			continue
		case r.flags&timed == 0: // no packet of it had a time: its silence begins now
			r.first, r.last, r.flags = now, now, r.flags|timed
		}
		quiet[rec] = r.last + idleTimeouts.of(r)
		if now > quiet[rec] {
			quiet[rec] = never
			t.victims = append(t.victims, victim{r.id, uint32(rec)})
		}
	}
	t.endVictims(EndIdle)
}

// victim is a connection about to end.
type victim struct {
	id  uint64
	rec uint32
}

// endVictims ends the connections of t.victims in the order of their first packets.
func (t *Table) endVictims(why End) {
	t.sortVictims()
	for rest := t.victims; len(rest) > 0; rest = rest[min(touchedAtOnce, len(rest)):] {
		next := rest[:min(touchedAtOnce, len(rest))]
		t.touchVictims(next)
		for _, v := range next {
			t.end(v.rec, why)
		}
	}
}

// sortVictims is slices.SortFunc(t.victims, t.compare). Of many victims it looks at the ids digit by digit, which takes a third of the time for a million.
func (t *Table) sortVictims() {
	const digit, few = 11, 1 << 12
	list := t.victims
	if len(list) < few {
		slices.SortFunc(list, t.compare)
		return
	}
	differ := uint64(0)
	for _, v := range list {
		differ |= v.id ^ list[0].id
	}
	other := slices.Grow(t.spareVictims[:0], len(list))[:len(list)]
	for shift := 0; differ>>shift != 0; shift += digit {
		var from [1<<digit + 1]int
		if differ>>shift&(1<<digit-1) == 0 {
			continue
		}
		for _, v := range list {
			from[v.id>>shift&(1<<digit-1)+1]++
		}
		for i := range 1 << digit {
			from[i+1] += from[i]
		}
		for _, v := range list {
			at := &from[v.id>>shift&(1<<digit-1)]
			other[*at] = v
			*at++
		}
		list, other = other, list
	}
	t.victims, t.spareVictims = list, other[:0]
	for i := 0; i < len(list); { // ids that are alike
		n := 1
		for i+n < len(list) && list[i+n].id == list[i].id {
			n++
		}
		if n > 1 {
			slices.SortFunc(list[i:i+n], t.compare)
		}
		i += n
	}
}

// touchedAtOnce is the number of connections of which everything stays in a core's cache.
const touchedAtOnce = 64

// touchVictims loads what ending them needs: in the order of first packets nothing of them lies together, and each would cost five misses
// one after the other.
func (t *Table) touchVictims(list []victim) {
	lines, slots, touched := t.records.of, t.losses.slots.of, uint32(0)
	for _, v := range list {
		touched += lines[v.rec].a + uint32(slots[v.rec])
	}
	for _, v := range list {
		r := &lines[v.rec]
		if !t.closing {
			touched += uint32(t.index.of[t.index.place(t.hasher.hash(r.a, r.b, r.pa, r.pb, r.proto, t.hasher.part(r.context)))])
		}
		touched += t.losses.watches[slots[v.rec]].streams[0].next
	}
	t.touched += touched
}

// compare orders by first packet, a tunnel before what it carries. Where a caller numbered two packets alike, their keys decide.
func (t *Table) compare(a, b victim) int {
	if c := cmp.Compare(a.id, b.id); c != 0 || a.rec == b.rec {
		return c
	}
	r, s := &t.records.of[a.rec], &t.records.of[b.rec]
	ra, sa := t.addrs(a.rec), t.addrs(b.rec)
	return cmp.Or(cmp.Compare(r.context, s.context), cmp.Compare(r.proto, s.proto), ra[0].Compare(sa[0]), ra[1].Compare(sa[1]),
		cmp.Compare(r.pa, s.pa), cmp.Compare(r.pb, s.pb))
}
