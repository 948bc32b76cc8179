package draft

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pcapaudit/rules"
)

// reach is the lines of a citation.
type reach struct{ first, last int }

func reachOf(c rules.Cite) (r reach) {
	if n, _ := fmt.Sscanf(c.Lines, "%d-%d", &r.first, &r.last); n == 1 {
		r.last = r.first
	}
	return r
}

func (r reach) overlaps(o reach) bool { return r.first <= o.last && o.first <= r.last }

// A draft of each vendor document is held against the pack that was written by hand from it: what that one takes from rows of tables and lists of hosts
// has to be found, with protocol, port, and the two roles under whatever names, as long as a role of the draft is always the same one of the pack.
func TestDraftsAgainstThePacks(t *testing.T) {
	for _, c := range []struct {
		document, pack string
		row            func(rules.Cite) bool // a row or a line of a list, not prose
		ports, pairs   float64               // shares that have to be reached
	}{
		{"000_*", "ibm-cloud-backup", inside(29, 29, 43, 44, 48, 55, 61, 61, 39, 55, 57, 61), 1, 1},
		{"002_*", "azure-data-box", inside(16, 25), 1, 0.9},
		{"003_*", "lync-2013-director", func(c rules.Cite) bool { r := reachOf(c); return r.first >= 38 && r.last-r.first == 5 }, 1, 1},
		{"004_*", "configmgr-2012", func(c rules.Cite) bool { return strings.HasPrefix(c.Section, "row ") }, 0.95, 0.9},
	} {
		t.Run(c.pack, func(t *testing.T) {
			files, _ := filepath.Glob("../../../shared/seeds/" + c.document)
			if len(files) != 1 {
				t.Skip("the vendor documents are not beside the project, in ../shared/seeds")
			}
			_, _, drafted := drafted(t, files[0])
			hand, _ := rules.LoadPack(c.pack)
			s := compare(hand, drafted, c.row)
			t.Logf("%s: %d of %d ports of rows are drafted, %d of %d with their roles, %d of %d drafted flows are in the pack; missing: %v; roles differ: %v; more: %v",
				c.pack, s.found, s.rows, s.agree, s.found, len(drafted.Flows)-len(s.more), len(drafted.Flows), s.missing, s.differ, s.more)
			if missing := unnamed(hand, drafted); len(missing) > 0 {
				t.Errorf("hosts that no role of the draft has: %v", missing)
			}
			if float64(s.found) < c.ports*float64(s.rows) || float64(s.agree) < c.pairs*float64(s.found) || s.rows == 0 {
				t.Error("the score is too low")
			}
		})
	}
}

// inside is true for citations inside one of the pairs of lines.
func inside(lines ...int) func(rules.Cite) bool {
	return func(c rules.Cite) bool {
		r := reachOf(c)
		for i := 0; i < len(lines); i += 2 {
			if r.first >= lines[i] && r.last <= lines[i+1] {
				return true
			}
		}
		return false
	}
}

type score struct {
	rows, found, agree    int
	missing, differ, more []string
}

// unnamed are host names of the pack that the draft does not have.
func unnamed(hand, draft *rules.Pack) (missing []string) {
	for _, h := range hand.Roles {
		for _, name := range h.Names {
			if !slices.ContainsFunc(draft.Roles, func(d rules.Role) bool { return slices.Contains(d.Names, name) }) {
				missing = append(missing, name)
			}
		}
	}
	return missing
}

// met is a port of a row that both packs have.
type met struct{ hand, draft *rules.Flow }

func compare(hand, draft *rules.Pack, row func(rules.Cite) bool) (s score) {
	var pairs []met
	known := map[*rules.Flow]bool{}
	for _, h := range hand.Flows {
		for _, port := range h.Ports {
			if !slices.ContainsFunc(h.Cite, row) || port == "unstated" {
				continue
			}
			s.rows++
			if d := find(draft, h, port, row); d != nil {
				pairs = append(pairs, met{h, d})
			} else {
				s.missing = append(s.missing, h.Proto+"/"+port+" "+h.ID)
			}
		}
		for _, d := range draft.Flows {
			known[d] = known[d] || h.Proto == d.Proto && slices.ContainsFunc(d.Ports, func(p string) bool { return slices.Contains(h.Ports, p) })
		}
	}
	s.found = len(pairs)
	meaning := meanings(pairs)
	for _, m := range pairs {
		if agrees(m, meaning) {
			s.agree++
		} else {
			s.differ = append(s.differ, m.hand.ID)
		}
	}
	for _, d := range draft.Flows {
		if !known[d] {
			s.more = append(s.more, d.ID)
		}
	}
	return s
}

// find is a drafted flow of the protocol and port that cites a row that the flow of the pack cites.
func find(draft *rules.Pack, h *rules.Flow, port string, row func(rules.Cite) bool) *rules.Flow {
	for _, d := range draft.Flows {
		last := reachOf(d.Cite[len(d.Cite)-1])
		cites := func(c rules.Cite) bool { return row(c) && reachOf(c).overlaps(last) }
		if d.Proto == h.Proto && slices.Contains(d.Ports, port) && slices.ContainsFunc(h.Cite, cites) {
			return d
		}
	}
	return nil
}

// meanings is the role of the pack that a role of the draft stands for most often. Where a heading with two points is two flows of the pack, a role
// that is known by then tells which way round they are.
func meanings(pairs []met) map[string]string {
	votes := map[string]map[string]int{}
	vote := func(draft string, hand []string) {
		if votes[draft] == nil {
			votes[draft] = map[string]int{}
		}
		votes[draft][strings.Join(hand, ",")]++
	}
	for _, m := range pairs {
		if m.draft.Originator == m.hand.Originator {
			vote(m.draft.From[0], m.hand.From)
			vote(m.draft.To[0], m.hand.To)
		}
	}
	most := elected(votes)
	for _, m := range pairs {
		if m.draft.Originator == m.hand.Originator {
			continue
		}
		switch most[m.draft.From[0]] {
		case strings.Join(m.hand.From, ","):
			vote(m.draft.To[0], m.hand.To)
		case strings.Join(m.hand.To, ","):
			vote(m.draft.To[0], m.hand.From)
		}
	}
	return elected(votes)
}

func elected(votes map[string]map[string]int) map[string]string {
	most := map[string]string{}
	for role, of := range votes {
		for hand, n := range of {
			if best := most[role]; best == "" || n > of[best] || n == of[best] && hand < best {
				most[role] = hand
			}
		}
	}
	return most
}

// agrees is true if both flows join the same roles in the same direction; a heading with two points may be two flows of the pack.
func agrees(m met, meaning map[string]string) bool {
	from, to := meaning[m.draft.From[0]], meaning[m.draft.To[0]]
	has := func(list []string, role string) bool {
		return strings.Join(list, ",") == role || slices.Contains(list, role) || strings.Contains(","+role+",", ","+list[0]+",")
	}
	straight := has(m.hand.From, from) && has(m.hand.To, to)
	swapped := has(m.hand.From, to) && has(m.hand.To, from)
	if m.draft.Originator == "either" {
		return straight || swapped
	}
	return straight && m.hand.Originator == "from"
}
