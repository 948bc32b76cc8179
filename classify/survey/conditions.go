package survey

import (
	"fmt"
	"slices"
	"strings"

	"pcapaudit/rules"
)

// conditionOf is the qualified condition of a flow and the sign of the state in which the flow holds: 1 on, -1 off.
func conditionOf(f *rules.Flow) (name string, sign float64) {
	name, negated := strings.CutPrefix(f.Condition, "!")
	if negated {
		return f.Pack.Name + "/" + name, -1
	}
	return f.Pack.Name + "/" + name, 1
}

// condition is what exchanges say of a condition of a pack.
type condition struct {
	name     string // qualified
	title    string
	without  string // the state where a site says nothing: on, off, unknown
	state    string // on, off; "" where nothing speaks of it
	evidence string
	partly   string // why the state is left open although flows were seen; "" where it is not
}

// conditions are those of all packs that flows depend on, in the packs' order. Only what was seen is a state: that nothing was seen says nothing.
func (d *decision) conditions() []condition {
	seen := map[string][]*use{}
	for _, u := range d.uses {
		if o := d.taken(u); o != nil && o.flow.Condition != "" && !o.silent {
			ref := o.flow.Ref()
			seen[ref] = append(seen[ref], u)
		}
	}
	var list []condition
	for _, p := range d.s.set.Packs {
		for _, c := range p.Conditions {
			k := condition{name: p.Name + "/" + c.Name, title: c.Title, without: c.Default}
			var words []string
			for _, f := range p.Flows {
				name, sign := conditionOf(f)
				if f.Condition == "" || name != k.name || len(seen[f.Ref()]) == 0 {
					continue
				}
				k.state = map[bool]string{true: "on", false: "off"}[sign > 0]
				if with, all := d.openers(f, seen[f.Ref()]); with < all {
					k.partly = fmt.Sprintf("%s was opened by %d of the %d hosts of which the document then expects it", f.ID, with, all)
				}
				words = append(words, fmt.Sprintf("%s (%s)", f.ID, pairs(seen[f.Ref()])))
			}
			k.evidence = strings.Join(words[:min(len(words), maxListed)], ", ")
			if more := len(words) - maxListed; more > 0 {
				k.evidence += fmt.Sprintf(" and %d more flows", more)
			}
			list = append(list, k)
		}
	}
	return list
}

// openers are how many hosts opened a flow, and of how many an audit expects it all the time once its condition is on. Both are 0 where it expects nothing.
func (d *decision) openers(f *rules.Flow, seen []*use) (with, all int) {
	if f.Occurrence != "periodic" {
		return 0, 0
	}
	for _, h := range d.hosts {
		if !holdsAny(d, h, f.FromRoles()) || h.fixed {
			continue
		}
		all++
		if slices.ContainsFunc(seen, func(u *use) bool { return u.orig == h }) {
			with++
		}
	}
	return with, all
}

// maxListed is how many hosts, flows or services a comment names before it counts the rest.
const maxListed = 4

// pairs says between how many hosts exchanges were seen, or between which.
func pairs(list []*use) string {
	if len(list) == 1 {
		return fmt.Sprintf("%s > %s", list[0].orig.name, list[0].respName())
	}
	return fmt.Sprintf("%d pairs of hosts", len(list))
}

func (u *use) respName() string {
	if u.resp == nil {
		return u.exchange.resp.String()
	}
	return u.resp.name
}

// override is a port that a document leaves to the site, or that a host may have moved. It needs a person's word, so a draft only mentions it.
type override struct {
	flow  *rules.Flow
	to    *host
	ports []string
	why   string
}

// overrides are the ports at which hosts play a role whose document states none, and services that look like a documented one at another port: the
// roles of both ends fit a flow whose port may be changed, and nothing explains the exchange.
func (d *decision) overrides() []override {
	type key struct {
		flow *rules.Flow
		to   *host
	}
	from := map[key][]*use{}
	var order []key
	note := func(f *rules.Flow, u *use) {
		k := key{f, u.resp}
		if from[k] == nil {
			order = append(order, k)
		}
		from[k] = append(from[k], u)
	}
	for _, u := range d.uses {
		o := d.taken(u)
		switch {
		case o != nil && o.silent && !o.reversed && u.resp != nil:
			note(o.flow, u)
		case o == nil && u.resp != nil && u.answered > 0 && u.proto.HasPorts():
			if f := d.moved(u); f != nil {
				note(f, u)
			}
		}
	}
	var list []override
	for _, k := range order {
		o := override{flow: k.flow, to: k.to}
		for _, u := range from[k] {
			if port := fmt.Sprint(u.port); !slices.Contains(o.ports, port) && len(o.ports) < maxListed {
				o.ports = append(o.ports, port)
			}
		}
		o.why = fmt.Sprintf("%s answers %s from %s", k.to.name, services(from[k]), originators(from[k]))
		list = append(list, o)
	}
	return list
}

// moved is the first flow that joins the two ends, has the protocol and a port that the document lets a site change.
func (d *decision) moved(u *use) *rules.Flow {
	for _, p := range d.s.set.Packs {
		for _, f := range p.Flows {
			if f.Configurable && !d.closed[f] && slices.Contains(rules.ProtoOf(f.Proto), u.proto) && holdsAny(d, u.orig, f.FromRoles()) && holdsAny(d, u.resp, f.ToRoles()) && !d.usesFlow(u.resp, f) {
				return f
			}
		}
	}
	return nil
}

// usesFlow says whether a host answers a flow where its document has it.
func (d *decision) usesFlow(h *host, f *rules.Flow) bool {
	return slices.ContainsFunc(h.in, func(u *use) bool {
		o := d.taken(u)
		return o != nil && o.flow == f
	})
}

func holdsAny(d *decision, h *host, qualified []string) bool {
	return slices.ContainsFunc(qualified, func(q string) bool {
		n, ok := d.roles.number[q]
		return ok && h.roles.has(n) || slices.Contains(h.documented, q)
	})
}
