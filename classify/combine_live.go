package classify

import (
	"fmt"
	"slices"
	"strings"
)

// isLive is true for an audit of interfaces and nothing else.
func (a *Audit) isLive() bool {
	return len(a.Inputs) > 0 && !slices.ContainsFunc(a.Inputs, func(in Input) bool { return in.Format != LiveFormat })
}

// watchedBy names the interfaces of a live audit with their machine. Where an audit of the list does not know its machine, nothing tells machines apart.
func watchedBy(list []Source) func(*Input) string {
	unknown := slices.ContainsFunc(list, func(s Source) bool {
		return slices.ContainsFunc(s.Audit.Inputs, func(in Input) bool { return in.Format == LiveFormat && in.Machine == "" })
	})
	return func(in *Input) string {
		if unknown {
			return in.Name
		}
		return in.Machine + " " + in.Name
	}
}

// watchedTwice says which audits, in order of their beginning, watched an interface at the same time.
func watchedTwice(list []Source) error {
	name := watchedBy(list)
	latest := map[string]int{} // of those that watched it, the one that ends last
	for i, s := range list {
		at, ok := covers(&s.Audit.Period)
		if !ok {
			continue
		}
		for j := range s.Audit.Inputs {
			in := &s.Audit.Inputs[j]
			if in.Format != LiveFormat {
				continue
			}
			k, known := latest[name(in)]
			if !known {
				latest[name(in)] = i
				continue
			}
			before, _ := covers(&list[k].Audit.Period)
			if at.From < before.Until {
				return fmt.Errorf("%s and %s both watched %s, from %s to %s%s: its connections would count twice; give one of them", list[k].File, s.File, in.Name,
					brief(s.Audit.Period.CoveredFrom), brief(min(s.Audit.Period.CoveredLast, list[k].Audit.Period.CoveredLast)), sameMachine(in))
			}
			latest[name(in)] = i
		}
	}
	return nil
}

func sameMachine(in *Input) string {
	if in.Machine == "" {
		return ", and nothing tells whether it is of two machines"
	}
	return ""
}

// captures joins live audits of the same interfaces, one after the other in time, to one audit each: of one capture as far as they tell. All others stay as they are. The
// list is in order of its beginnings, and so is what it gives.
func captures(list []Source, tool Tool) ([]Source, error) {
	name := watchedBy(list)
	at := map[string]int{}
	var groups [][]Source
	for _, s := range list {
		var names []string
		for i := range s.Audit.Inputs {
			names = append(names, name(&s.Audit.Inputs[i]))
		}
		slices.Sort(names)
		key := strings.Join(names, "\x00")
		if n, known := at[key]; known && s.Audit.isLive() {
			groups[n] = append(groups[n], s)
			continue
		}
		if s.Audit.isLive() {
			at[key] = len(groups)
		}
		groups = append(groups, []Source{s})
	}
	var out []Source
	for _, g := range groups {
		whole, err := inOrder(g, tool, notGiven)
		if err != nil {
			return nil, err
		}
		s := Source{File: g[0].File, SHA256: g[0].SHA256, Audit: whole}
		if len(g) > 1 {
			s.File += fmt.Sprintf(" and %d more", len(g)-1)
		}
		out = append(out, s)
	}
	return out, nil
}
