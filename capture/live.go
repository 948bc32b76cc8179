package capture

import (
	"fmt"

	"pcapaudit/capture/flow"
	"pcapaudit/capture/inspect"
)

// LiveConfig says which interfaces are watched, and how.
type LiveConfig struct {
	Interfaces  []string            // by name; each must be there when watching begins
	Promiscuous bool                // also take frames that are for others
	Rings       int                 // for each interface, in a fanout group by flow; 0: 1
	RingBytes   int                 // of each ring; 0: 32 MiB
	Snaplen     int                 // bytes kept of a packet; 0: all, up to 256 KiB
	Program     []FilterInstruction // which packets the kernel hands over; nil: all
	ProgramText string              // the same for people

	Translations *Translations // of this host, where it translates what it forwards: both sides of it are then one connection between its true ends; nil: none

	Clock  func() (wall, mono int64) // ns since 1970 UTC, and ns since any moment on a clock that is never set; nil: the machine's
	Opened func() error              // called once all interfaces are being watched, before a packet is looked at; an error ends Live; nil: not called
	Tick   func(*Pulse)              // called about every 100 ms, from the goroutine of Live, also where no packet comes; nil: not called
}

// FilterInstruction is one of classic BPF, as in the kernel's sock_filter.
type FilterInstruction struct {
	Op     uint16
	Jt, Jf uint8
	K      uint32
}

// LiveError says that an interface cannot be watched.
type LiveError struct {
	Interface string
	Err       error
}

func (e *LiveError) Error() string { return fmt.Sprintf("watching %s: %v", e.Interface, e.Err) }
func (e *LiveError) Unwrap() error { return e.Err }

const (
	defaultRingBytes = 32 << 20
	tickEvery        = 100_000_000    // ns between two calls of LiveConfig.Tick
	settledAfter     = 10_000_000_000 // ns after which no packet comes any more that was stamped before a step of the wall clock
	maxWatched       = 64             // interfaces
	stalledAfter     = 1_000_000_000  // ns between two looks at the rings from which on what was lost meanwhile makes the time blind
	steppedAfter     = 1_000_000_000  // ns between wall clock and monotonic clock from which on the wall clock was set, not adjusted
)

// live is what Live holds of all interfaces: the tracking of their packets, and the accounts of the part that is going on.
type live struct {
	*run
	interfaces   []*watched
	translations *Translations // nil: none are known
	now          int64         // packet clock
	wall, mono   int64         // when the loop last looked at the clock

	first, last, elapsed, accounted int64 // of the part, see begin
	ended                           bool  // nothing is watched any more
	atCut                           counts
}

// counts are those that the table and inspection make over the whole run.
type counts struct {
	connections  flow.Counters
	inspection   inspect.Counters
	translations TranslationCounters
}

func (l *live) counts() counts {
	c := counts{connections: l.run.counters(), inspection: l.relay.inspector.Counters()}
	if l.translations != nil {
		c.translations = l.translations.counters
	}
	return c
}

// Pulse is what LiveConfig.Tick sees. It is valid during the call.
type Pulse struct{ live *live }

// Now is the packet clock, in ns since 1970 UTC: packets up to about then have been tracked. It goes back only where the machine's clock does.
func (p *Pulse) Now() int64 { return p.live.now }

// Result is that of the part so far: since watching began, or the last Cut. Its connections' Created are those that were open when the part
// began and those created in it; Open are those at its end.
func (p *Pulse) Result() *Result { return p.live.part() }

// Cut is Result, and a new part begins.
func (p *Pulse) Cut() *Result {
	r := p.live.part()
	p.live.table.Mark()
	p.live.begin()
	return r
}

// EachActive gives every open connection that was active in this part; see flow.Table.EachActive.
func (p *Pulse) EachActive(f func(*flow.Conn)) { p.live.table.EachActive(p.live.known(f)) }

// EachOpen gives at most that many open connections; see flow.Table.EachOpen.
func (p *Pulse) EachOpen(most int, f func(*flow.Conn)) { p.live.table.EachOpen(most, p.live.known(f)) }

// known gives f open connections of the table with all that is known of them so far. They, and their facts, are valid during the call.
func (l *live) known(f func(*flow.Conn)) flow.Emit {
	return func(rec uint32, c *flow.Conn) {
		if l.translate != nil {
			l.translate(c, false)
		}
		c.Facts = l.relay.told.Of(rec)
		f(c)
	}
}
