package classify

import (
	"fmt"

	"pcapaudit/capture/flow"
)

// Break is the end of a live run that did not end by itself: what it knew last is what it had saved.
type Break struct {
	Saved, Resumed int64  // ns since 1970 UTC
	Ended          uint64 // connections that were open at Saved, and are judged as they were then
	Closed         uint64 // those of Ended that had closed, and only lingered
	Unsaved        uint64 // those of which nobody knows any more what they were
}

// Interrupted is the capture of the connections that were open when a, an audit of a live capture, was saved, where the run did not go on from there: they end where a ends, and
// count in a part of its own, which takes no time and meets a (see CombineParts). The auditor of that part observes b.Ended connections. Saved is set to where a ends.
func Interrupted(a *Audit, b Break) Capture {
	if at, ok := covers(&a.Period); ok {
		b.Saved = at.Until
	}
	ends := []Count{{Name: flow.EndInput.String(), Packets: b.Ended - b.Closed}, {Name: flow.EndClosed.String(), Packets: b.Closed}}
	c := Capture{Created: b.Ended + b.Unsaved, Open: b.Unsaved, Emitted: b.Ended, Ends: ends, First: b.Saved, Last: b.Saved, Broke: &b}
	for _, in := range a.Inputs {
		same := Input{Name: in.Name, Format: in.Format, State: "clean", OS: in.OS, Machine: in.Machine}
		for _, i := range in.Interfaces {
			i.Packets, i.Dropped = 0, 0
			same.Interfaces = append(same.Interfaces, i)
		}
		c.Inputs = append(c.Inputs, same)
	}
	return c
}

func (c *Capture) unsaved() uint64 {
	if c.Broke == nil {
		return 0
	}
	return c.Broke.Unsaved
}

// words is the sentence among what an audit cannot show. It ends with its times, as those of parts do.
func (b *Break) words() string {
	if b == nil {
		return ""
	}
	text := fmt.Sprintf("What happened after the state was last saved, %s before the program was started again without having ended by itself.", seconds(b.Resumed-b.Saved))
	switch open := b.Ended - b.Closed; open {
	case 0:
	case 1:
		text += " Of what was open then, 1 connection counts as ended, as it was; if it went on it may count once more, as a running session of which nobody saw who opened it."
	default:
		text += fmt.Sprintf(" Of what was open then, %d connections count as ended, as they were; those that went on may count once more, as running sessions of which nobody saw who opened them.", open)
	}
	if b.Unsaved > 0 {
		text += " " + unsavedWords(b.Unsaved) + "."
	}
	return fmt.Sprintf("%s (%s to %s)", text, flow.Stamp(b.Saved), flow.Stamp(b.Resumed))
}

func unsavedWords(n uint64) string {
	return plural(n, "open connection") + " had no room in the saved state and could not be judged"
}
