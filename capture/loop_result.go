package capture

import (
	"fmt"

	"pcapaudit/capture/flow"
	"pcapaudit/capture/inspect"
)

// Result is what the captures could show.
type Result struct {
	Inputs      []Input // in the order of reading, which flow.ConnID.File counts
	Skipped     []string
	SkippedAll  int  // files passed over as no captures; Skipped names the first ones
	Interrupted bool // reading stopped before the inputs ended

	First, Last int64 // smallest and largest usable packet time, ns since 1970 UTC; both 0 where there is none. Live: when the part began and ended
	Gaps        []Gap // between inputs, in time order

	Elapsed int64           // live: ns of wall time that the part lasted; Last-First, and more where the clock was set back
	Live    []LiveInterface // in the order of Inputs; empty for files

	Translations *TranslationCounters // live: nil where translations are not known

	Ledger      Ledger
	Connections flow.Counters
	Inspection  inspect.Counters
	Outcomes    [flow.OneWay + 1]uint64 // emitted connections by flow.Outcome
}

// minGap is the silence between two rotated files from which on it is a Gap: rotation itself takes less.
const minGap = 1_000_000_000

// Gap is a time that no input covers.
type Gap struct {
	After, Before int   // positions in Result.Inputs: the one that ends last before the gap, and the one that begins behind it
	From, To      int64 // ns since 1970 UTC
}

// finish takes over what reading and tracking counted.
func (r *Result) finish(in *inputs, c flow.Counters) {
	r.Connections = c
	r.Skipped, r.SkippedAll = in.skipped, in.left
	latest := -1 // the input that lasts longest of those so far
	for i, input := range in.list {
		r.Inputs = append(r.Inputs, *input)
		if input.Packets == input.BadTimes {
			continue
		}
		if latest < 0 {
			r.First, r.Last, latest = input.First, input.Last, i
			continue
		}
		if input.First-r.Last >= minGap {
			r.Gaps = append(r.Gaps, Gap{latest, i, r.Last, input.First})
		}
		r.First = min(r.First, input.First)
		if input.Last > r.Last {
			r.Last, latest = input.Last, i
		}
	}
}

// Balanced checks both ledgers: bytes and packets of the inputs, and connections.
func (r *Result) Balanced() error {
	if err := r.Ledger.Balanced(); err != nil {
		return err
	}
	if err := r.balancedLive(); err != nil {
		return err
	}
	var read uint64
	for _, in := range r.Inputs {
		read += in.Packets
		if in.Read+in.Unread != in.Size {
			return fmt.Errorf("byte ledger of %s: %d read and %d unread are not its %d bytes", in.Name, in.Read, in.Unread, in.Size)
		}
	}
	if read != r.Ledger.Read.Packets {
		return fmt.Errorf("packet ledger: the inputs hold %d packets, %d were read", read, r.Ledger.Read.Packets)
	}
	c := &r.Connections
	if decoded, inner := r.Ledger.Class(Decoded).Packets, r.Ledger.InnerClass(Decoded).Packets; decoded+inner != c.Packets {
		return fmt.Errorf("packet ledger: %d packets decoded and %d inside them, %d in connections", decoded, inner, c.Packets)
	}
	var emitted uint64
	for _, n := range r.Outcomes {
		emitted += n
	}
	if c.Created != c.Open+c.Emitted || c.Emitted != emitted {
		return fmt.Errorf("connection ledger: %d created, %d open, %d ended, %d emitted", c.Created, c.Open, c.Emitted, emitted)
	}
	return nil
}
