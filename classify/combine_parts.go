package classify

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
)

// Limits of an audit of parts.
const (
	maxRulesHeld  = 1000 // times with rules of their own, the last ones
	maxCannotShow = 200  // sentences
)

// CombineParts makes one audit of parts of one live capture: in order of time, not overlapping, each connection in the part that emitted it. Where one part begins when the
// one before ends, to the nanosecond, nothing lies between; else nobody watched, and the time between is blind. Packs and site may differ: the audit then says in
// Rules which held when, flows that exist in some parts only have the status that these give, and all else is as in the last part. A part may be a combination of parts
// itself, so that a long list can be kept short. The audits of the list are not changed; of one part it is that part.
func CombineParts(list []Source, tool Tool) (*Audit, error) { return inOrder(list, tool, notRunning) }

// inOrder is CombineParts; the cause is that of the time between parts.
func inOrder(list []Source, tool Tool, cause string) (*Audit, error) {
	if len(list) == 1 {
		return list[0].Audit, nil
	}
	c := combination{list: list, sequence: true, pauses: cause}
	if err := c.inSequence(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotCombinable, err)
	}
	last := list[len(list)-1].Audit
	c.out = &Audit{Schema: Schema, Tool: tool, Invocation: last.Invocation, Packs: last.Packs, Site: last.Site, Rules: c.rulesHeld(), Inputs: []Input{}}
	c.joinInputs()
	c.merge()
	return c.out, nil
}

// brief is a stamp in words of people: to the second.
func brief(stamp string) string {
	text, _, cut := strings.Cut(stamp, ".")
	if cut {
		text += "Z"
	}
	return text
}

// inSequence says what keeps audits from being parts of one capture.
func (c *combination) inSequence() error {
	if len(c.list) == 0 || len(c.list) > maxParts {
		return fmt.Errorf("give 1 to %d parts", maxParts)
	}
	for i, s := range c.list {
		switch {
		case len(s.Audit.Parts) > 0:
			return fmt.Errorf("%s is a combined audit of several captures", s.File)
		case len(s.Audit.Residuals) > 0:
			return fmt.Errorf("a ledger of %s does not balance", s.File)
		case i > 0 && c.pause(i).Until < c.pause(i).From:
			return fmt.Errorf("%s begins before %s ends", s.File, c.list[c.before(i)].File)
		}
	}
	return nil
}

// before is the last part before i that covers any time; -1 where there is none, or where part i covers none.
func (c *combination) before(i int) int {
	_, ok := covers(&c.list[i].Audit.Period)
	for i--; ok && i >= 0; i-- {
		if _, ok := covers(&c.list[i].Audit.Period); ok {
			return i
		}
	}
	return -1
}

// pause is the time between part i and the one before; empty where they meet, or where there is none before.
func (c *combination) pause(i int) Span {
	j := c.before(i)
	if j < 0 {
		return Span{}
	}
	before, _ := covers(&c.list[j].Audit.Period)
	after, _ := covers(&c.list[i].Audit.Period)
	return Span{before.Until, after.From}
}

// meets says whether part i goes on where the one before ended.
func (c *combination) meets(i int) bool { p := c.pause(i); return p.From == p.Until }

// rulesHeld lists the rules of the parts where they are not all the same.
func (c *combination) rulesHeld() []RulesHeld {
	var list []RulesHeld
	for _, s := range c.list {
		a := s.Audit
		held := a.Rules
		if len(held) == 0 {
			held = []RulesHeld{{a.Period.CoveredFrom, a.Period.CoveredLast, a.Packs, a.Site}}
		}
		for _, h := range held {
			if n := len(list); n > 0 && sameRules(&list[n-1], &h) {
				list[n-1].Until = h.Until
			} else {
				list = append(list, h)
			}
		}
	}
	if len(list) < 2 {
		return nil
	}
	return slices.Clone(list[max(0, len(list)-maxRulesHeld):])
}

func sameRules(a, b *RulesHeld) bool {
	return reflect.DeepEqual(a.Packs, b.Packs) && reflect.DeepEqual(a.Site, b.Site)
}

// joinInputs makes one input of those with the same name: an interface is one, however many parts watched it.
func (c *combination) joinInputs() {
	at := map[string]int{}
	for _, s := range c.list {
		var numbers []int
		for _, in := range s.Audit.Inputs {
			n, known := at[in.Name]
			if !known {
				n = len(c.out.Inputs)
				at[in.Name] = n
				in.Interfaces, in.Warnings = slices.Clone(in.Interfaces), slices.Clone(in.Warnings)
				c.out.Inputs = append(c.out.Inputs, in)
			} else {
				c.out.Inputs[n].goesOn(&in)
			}
			numbers = append(numbers, n)
		}
		c.numbers = append(c.numbers, numbers)
	}
}

// goesOn adds what a later part says of the same input.
func (in *Input) goesOn(next *Input) {
	in.Size += next.Size
	in.Read += next.Read
	in.Unread += next.Unread
	in.Packets += next.Packets
	in.First, in.Last = earliest(in.First, next.First), max(in.Last, next.Last)
	if next.State != "clean" && next.State != "" {
		in.State, in.Detail = next.State, next.Detail
	}
	in.Records = next.Records
	for _, w := range next.Warnings {
		if !slices.Contains(in.Warnings, w) && len(in.Warnings) < maxCannotShow {
			in.Warnings = append(in.Warnings, w)
		}
	}
	for _, i := range next.Interfaces {
		n := slices.IndexFunc(in.Interfaces, func(o Interface) bool {
			return o.Name == i.Name && o.LinkType == i.LinkType && o.Filter == i.Filter && o.SnapLen == i.SnapLen
		})
		switch {
		case n >= 0:
			in.Interfaces[n].Packets += i.Packets
			in.Interfaces[n].Dropped += i.Dropped
		case len(in.Interfaces) < maxFilters:
			in.Interfaces = append(in.Interfaces, i)
		}
	}
}

// carried is how many of the connections that were open when part i ended the next one begins with: none where they do not meet, nor of those of which nobody knows what they were.
func (c *combination) carried(i int) uint64 {
	if i == len(c.list)-1 || !c.meets(i+1) {
		return 0
	}
	a := c.list[i].Audit
	open := a.Connections.Open
	return min(open-min(open, a.Result.Basis.Unsaved), c.list[i+1].Audit.Connections.Created)
}

// carriedOver takes connections that a part began with out of the sum of those created: they were created before.
func (c *combination) carriedOver() {
	l := &c.out.Connections
	for i := range c.list {
		n := c.carried(i)
		l.Created -= n
		l.Open -= n
	}
}

// stillOpen are the witnessed connections that no later part emitted: those of the last part, and of parts after which nobody watched. Where the next part
// began with some of those that were open, they may be among the others.
func (c *combination) stillOpen() (open, pending uint64) {
	for i, s := range c.list {
		b, all := &s.Audit.Result.Basis, s.Audit.Connections.Open
		rest := all - min(all, b.Unsaved+c.carried(i))
		open, pending = open+min(b.Open, rest), pending+min(b.Pending, rest)
	}
	return open, pending
}

// watched adds the interfaces of a part.
func watched(list, next []LiveInterface) []LiveInterface {
	return merge(func(i *LiveInterface) string { return i.Name }, func(into, i *LiveInterface) {
		into.State = i.State
		into.Kernel += i.Kernel
		into.Delivered += i.Delivered
		into.Dropped += i.Dropped
		into.Monitored += i.Monitored
		into.Blind += i.Blind
	}, [][]LiveInterface{list, next})
}

// Causes of blind time between parts that do not meet.
const (
	notRunning = "not running"
	notGiven   = "in none of the audits"
)

// between adds the time between the parts to the blind time, and notes whether it is so much that absence proves nothing.
func (c *combination) between(v *Coverage) {
	var covered, lost int64
	for i, s := range c.list {
		if at, ok := covers(&s.Audit.Period); ok {
			covered += at.Until - at.From
		}
		if i == 0 || c.meets(i) {
			continue
		}
		p := c.pause(i)
		lost += p.Until - p.From
		if c.pauses == notRunning {
			v.Blind = append(v.Blind, BlindTime{"", flow.Stamp(p.From), flow.Stamp(p.Until), notRunning})
		}
		for j := range v.Live {
			if c.pauses == notGiven { // there may be other captures, that went on
				v.Blind = append(v.Blind, BlindTime{v.Live[j].Name, flow.Stamp(p.From), flow.Stamp(p.Until), notGiven})
			}
			v.Live[j].Blind += p.Until - p.From
		}
	}
	slices.SortStableFunc(v.Blind, func(a, b BlindTime) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Until, b.Until)) })
	if share := 100 * float64(lost) / max(1, float64(lost+covered)); share > periodBound {
		c.hole = fmt.Sprintf("in %.0f %% of the time nobody watched", share)
		if c.pauses == notGiven {
			c.hole = fmt.Sprintf("%.0f %% of the time is in none of the audits", share)
		}
	}
}

// holed adds to the statuses of an expectation that too much time lies between the parts; what was used, and what could not be used or seen, stays as it is.
func (c *combination) holed(of []told) []told {
	if c.hole == "" || !slices.ContainsFunc(of, func(t told) bool {
		s := statusOfName(t.Status)
		return s == attempted || s == missing || s == notObserved
	}) {
		return of
	}
	blind := HostStatus{Host: of[0].Host, Status: notTestable.String(), Cause: causeNames[causeBlind], Reason: c.hole}
	return append(of, told{HostStatus: blind, file: "the time between the parts", timeless: true})
}

// Sentences of audits of parts.
const (
	acrossParts = "What only the whole time together would tell: the parts of an expectation (each port, each responder) that were used before and after a restart, a change of rules or the end of a period."
	furtherText = "What further sentences of single parts say, which had no room here."
)

// partsCannotShow lists what the parts cannot show, each sentence once, with the times of the parts that say so where not all do. Of blind time the sums are told.
func (c *combination) partsCannotShow(v *Coverage) []string {
	var order []string
	of := map[string][]string{}
	for _, s := range c.list {
		for _, text := range s.Audit.Coverage.CannotShow {
			if strings.HasPrefix(text, blindPrefix) || text == acrossParts || text == furtherText {
				continue
			}
			if of[text] == nil {
				order = append(order, text)
			}
			of[text] = append(of[text], s.File)
		}
	}
	list := []string{acrossParts}
	if isBlind(v.Live) || len(v.Blind) > 0 {
		list = append(list, blindWords(v.Live, len(v.Blind)+v.MoreBlind))
	}
	for _, text := range order {
		if len(list) >= maxCannotShow {
			return append(list, furtherText)
		}
		if times := of[text]; len(times) < len(c.list) && !strings.HasSuffix(text, "Z)") {
			text += " (" + strings.Join(first(times, 3), ", ") + ")"
		}
		list = append(list, text)
	}
	return list
}
