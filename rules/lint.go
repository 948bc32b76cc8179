package rules

import (
	"fmt"
	"slices"
	"strings"
)

// Lint looks a pack over for what loads and is probably not meant: flows that say the same, that another one hides, that no connection can be. read gives the text of a
// document by its own file name, and whether it is to be had; nil is for none. All problems are warnings, in the order of their places.
func Lint(p *Pack, read func(file string) ([]byte, bool)) []Problem {
	l := &linter{checker: checker{file: p.File, places: p.places}, pack: p}
	for _, f := range p.Flows {
		l.flows = append(l.flows, l.look(f))
	}
	for i := range l.flows {
		l.reach(l.flows[i].Flow)
		l.repeated(i)
		l.sections(l.flows[i])
	}
	if read != nil {
		l.cited(read)
	}
	return sortProblems(l.problems)
}

// Unstated is how many flows of a pack leave open whether they are needed, reference lists not counted.
func (p *Pack) Unstated() int {
	n := 0
	for _, f := range p.Flows {
		if f.Need == "unstated" && !f.Reference {
			n++
		}
	}
	return n
}

type linter struct {
	checker
	pack  *Pack
	flows []lintedFlow
}

// lintedFlow is a flow with its ports parsed.
type lintedFlow struct {
	*Flow
	ports []portSpec
}

func (l *linter) look(f *Flow) lintedFlow {
	var specs []portSpec
	for _, text := range f.Ports {
		spec, _ := parsePortSpec(text)
		specs = append(specs, spec)
	}
	return lintedFlow{f, specs}
}

// reach warns of flows that no connection can be, whoever holds the roles.
func (l *linter) reach(f *Flow) {
	why := ""
	group := func(name string) bool { return name == "broadcast" || name == "multicast" }
	all := func(names []string, is func(string) bool) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return !is(n) })
	}
	internet := func(name string) bool { return name == "internet" }
	switch {
	case all(f.From, group):
		why = "nobody opens a connection from a broadcast or multicast address"
	case all(f.To, group) && slices.Contains([]string{"tcp", "sctp"}, f.Proto):
		why = f.Proto + " is never opened to a broadcast or multicast address"
	case all(f.To, group) && f.Scope == "wan":
		why = "broadcast and multicast addresses are never outside the site's networks"
	case all(f.To, internet) && f.Scope == "lan":
		why = "the internet is never inside the site's networks"
	case all(f.From, internet) && all(f.To, internet):
		why = "traffic between addresses outside the site's networks is out of scope"
	case f.Scope == "wan" && l.documentedInside(f.To):
		why = "the documented addresses of its responders are private: never outside the site's networks"
	}
	if why != "" {
		l.warn(fmt.Sprintf("no connection can be flow %q: %s", f.ID, why), "correct from, to, proto or scope", f)
	}
}

// documentedInside is true for roles that their documented addresses alone bind, and these are private ones.
func (l *linter) documentedInside(names []string) bool {
	for _, name := range names {
		i := slices.IndexFunc(l.pack.Roles, func(r Role) bool { return r.Name == name })
		if i < 0 || len(l.pack.Roles[i].Addresses) == 0 || len(l.pack.Roles[i].Names) > 0 {
			return false
		}
		for _, text := range l.pack.Roles[i].Addresses {
			if span, _, _ := parseAddresses(text); !span.first.IsPrivate() || !span.last.IsPrivate() {
				return false
			}
		}
	}
	return true
}

// repeated warns of a flow that says the same as one before it, and of one that reports never name because another goes before it.
func (l *linter) repeated(i int) {
	f := l.flows[i]
	for k, o := range l.flows {
		if k == i || f.Reference != o.Reference || !o.includes(f) {
			continue
		}
		switch at := l.places.at(o.Flow); {
		case !f.includes(o):
			if o.before(f) {
				l.warn(fmt.Sprintf("flow %q is shadowed: all that it documents flow %q documents too, at %s, and reports name that one", f.ID, o.ID, at),
					"narrow one of the two, or say in the note why both are there", f.Flow)
				return
			}
		case k < i:
			l.warn(fmt.Sprintf("flow %q documents the same connections as flow %q at %s", f.ID, o.ID, at), "merge the two and cite both places", f.Flow)
			return
		}
	}
}

// includes says whether every connection that another flow of the pack documents is documented by this one, at every site.
func (f lintedFlow) includes(o lintedFlow) bool {
	return subset(o.From, f.From) && subset(o.To, f.To) && (f.Originator == o.Originator || f.Originator == "either" && len(f.ports) > 0) &&
		f.Proto == o.Proto && f.coversPorts(o) && f.coversTypes(o) && f.coversSources(o) &&
		f.AnnouncedBy == o.AnnouncedBy && (f.Condition == "" || f.Condition == o.Condition) && (f.Scope == "" || f.Scope == o.Scope) &&
		(f.Proxy == o.Proxy || f.Proxy) && (f.Configurable == o.Configurable || !o.Configurable) &&
		(f.Encryption == "unstated" || f.Encryption == o.Encryption && slices.Equal(f.EncryptionProtocols, o.EncryptionProtocols))
}

func subset(inner, outer []string) bool {
	return !slices.ContainsFunc(inner, func(s string) bool { return !slices.Contains(outer, s) })
}

// coversPorts compares entry by entry: ports that two entries make up together are not looked for.
func (f lintedFlow) coversPorts(o lintedFlow) bool {
	if len(f.ports) == 0 || len(o.ports) == 0 {
		return len(f.ports) == len(o.ports)
	}
	return !slices.ContainsFunc(o.ports, func(want portSpec) bool {
		return !slices.ContainsFunc(f.ports, func(have portSpec) bool {
			switch {
			case have.match == PortDynamic || want.match == PortDynamic || have.match == PortUnstated || want.match == PortUnstated:
				return have.match == want.match
			}
			return have.First <= want.First && want.Last <= have.Last
		})
	})
}

func (f lintedFlow) coversTypes(o lintedFlow) bool {
	if len(f.ICMPTypes) == 0 || len(o.ICMPTypes) == 0 {
		return len(f.ICMPTypes) == 0
	}
	return !slices.ContainsFunc(o.ICMPTypes, func(t int) bool { return !slices.Contains(f.ICMPTypes, t) })
}

func (f lintedFlow) coversSources(o lintedFlow) bool {
	return f.SourcePorts == "any" || f.SourcePorts == o.SourcePorts
}

// before says whether reports name this flow where a connection of the other is documented by both: candidates are ordered by how exactly they state the port, then by
// the flow's id.
func (f lintedFlow) before(o lintedFlow) bool {
	loosest, tightest := PortExact, PortOther
	for _, spec := range f.ports {
		loosest = max(loosest, spec.match)
	}
	for _, spec := range o.ports {
		tightest = min(tightest, spec.match)
	}
	if len(f.ports) == 0 || len(o.ports) == 0 {
		loosest, tightest = PortExact, PortExact
	}
	switch {
	case len(f.ICMPTypes) == 0 && len(o.ICMPTypes) > 0, loosest > tightest:
		return false
	case loosest < tightest:
		return true
	}
	return strings.Compare(f.ID, o.ID) < 0 && slices.Equal(f.From, o.From) && slices.Equal(f.To, o.To)
}
