package draft

import (
	"fmt"
	"strings"

	"pcapaudit/rules"
)

// readOSCAL reads the protocols of components: who has them answers on their ports; who opens connections is whom the component is used by, if it says so.
func (d *Draft) readOSCAL(document, components *node) {
	d.title = clean(document.get("metadata", "title").text, 200)
	d.date = clean(document.get("metadata", "last-modified").text, 40)
	byID := map[string]*node{}
	for _, c := range components.each() {
		byID[c.get("uuid").text] = c
	}
	for _, c := range components.each() {
		for _, p := range c.get("protocols").each() {
			if why := d.protocol(c, p, byID); why != "" {
				d.leave(p.first, p.last, strings.TrimSpace(p.get("name").text+" "+p.get("title").text), why)
			}
		}
	}
}

// protocol makes the flows of one protocol of a component; why says why there are none.
func (d *Draft) protocol(c, p *node, byID map[string]*node) (why string) {
	if len(p.get("port-ranges").each()) == 0 {
		return "a protocol without port ranges"
	}
	var groups []group
	for _, r := range p.get("port-ranges").each() {
		proto := transports[fold(r.get("transport").text)]
		if proto == "" {
			return fmt.Sprintf("a port range with the transport %q", clean(r.get("transport").text, 20))
		}
		start, end := r.get("start").text, r.get("end").text
		if end == "" {
			end = start
		}
		if !isNumber(start) || !isNumber(end) {
			return "a port range without numbers"
		}
		_, port, why := rangeAt([]string{start, "-", end})
		if why != "" {
			return why
		}
		groups = append(groups, group{protos: []string{proto}, ports: []string{port}})
	}
	from, why := d.linked(c, "used-by", byID)
	if why != "" {
		return why
	}
	to, why := d.linked(c, "provided-by", byID)
	switch {
	case why != "":
		return why
	case len(to) == 0:
		to = []string{d.component(c)}
	}
	if len(from) == 0 {
		from = []string{d.roles.open(originatorNotStated)}
	}
	name := strings.TrimSpace(clean(p.get("name").text, 60) + " " + clean(p.get("title").text, 120))
	labels := printedPorts{labels: []string{firstWord(p.get("name").text)}}
	for _, g := range groups {
		f := d.flow(ends{}, g.protos[0], g, &labels)
		f.From, f.To = from, to
		f.Title = clean(strings.TrimSpace(clean(c.get("title").text, 80)+": "+name), 200)
		f.Cite = []rules.Cite{cite(p.first, p.last, "component "+c.get("title").text)}
		f.Note = clean(plain(c.get("purpose").text), 600)
		d.add(f)
	}
	return ""
}

// component is the role of a component.
func (d *Draft) component(c *node) string {
	return d.roles.printed(c.get("title").text, responderNotStated)
}

// maxLinked bounds the components that one is used or provided by.
const maxLinked = 64

// linked are the roles of the components that links of a relation name.
func (d *Draft) linked(c *node, relation string, byID map[string]*node) (roles []string, why string) {
	taken := map[string]bool{}
	for _, l := range c.get("links").each() {
		if l.get("rel").text != relation {
			continue
		}
		other := byID[strings.TrimPrefix(l.get("href").text, "#")]
		if other == nil {
			return nil, fmt.Sprintf("a link %q that names no component of the document", relation)
		}
		if name := d.component(other); !taken[name] {
			taken[name] = true
			roles = append(roles, name)
		}
		if len(roles) > maxLinked {
			return nil, fmt.Sprintf("more than %d links %q", maxLinked, relation)
		}
	}
	return roles, ""
}
