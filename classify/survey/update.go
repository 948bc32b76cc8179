package survey

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pcapaudit/rules"
)

// Patch is what a site file does not have yet, as a unified diff of it.
type Patch struct {
	Text     []byte // nil: there is nothing new
	New      []byte // the site file with it
	Hosts    int    // new ones
	Roles    int    // of hosts new and old
	Guesses  int    // of the roles
	Entries  int    // networks and conditions
	Unplaced int    // hosts without a role
	Left     []string
}

// Update proposes what the site file of that name and with these bytes, which the survey's set was compiled with, does not have yet: hosts, roles of its hosts,
// networks, conditions. What it has stays as it is, comments and all. What cannot be written where it belongs is in Left, in words.
func (s *Survey) Update(file string, text []byte) (*Patch, error) {
	d := s.decide()
	e := newEditor(text)
	p := &Patch{}
	for _, h := range d.hosts {
		if h.known == nil && !h.fixed && len(h.roles) == 0 && len(d.unexplained(h)) > 0 {
			p.Unplaced++
		}
	}
	d.addRoles(e, p)
	d.addHosts(e, p)
	d.addNetworks(e, p)
	d.addConditions(e, p)
	if e.empty() {
		return p, nil
	}
	p.New = e.result()
	if bytes.Equal(p.New, text) {
		return p, nil
	}
	if err := s.check(p.New); err != nil {
		return nil, err
	}
	p.Text = e.diff(clean(file))
	return p, nil
}

func (p *Patch) count(claims []claim) {
	for _, c := range claims {
		p.Roles++
		if c.sure == "guess" {
			p.Guesses++
		}
	}
}

// addRoles gives roles to hosts that the site has.
func (d *decision) addRoles(e *editor, p *Patch) {
	site := d.s.set.Site
	list := slices.DeleteFunc(slices.Clone(d.hosts), func(h *host) bool { return h.known == nil || len(h.roles) == 0 })
	slices.SortStableFunc(list, func(a, b *host) int { return cmp.Compare(site.Stated(a.known).Line, site.Stated(b.known).Line) })
	for _, h := range list {
		claims := d.claims(h)
		var names, notes []string
		for _, c := range claims {
			names = append(names, c.role)
			var b writer
			b.comment("", c.role+": "+c.words())
			notes = append(notes, strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")...)
		}
		if site.Stated(h.known).File == site.File && e.addRoles(site, h.known, names, notes) {
			p.count(claims)
		} else {
			p.Left = append(p.Left, fmt.Sprintf("host %s: roles %s", h.name, strings.Join(names, ", ")))
		}
	}
}

func (d *decision) addHosts(e *editor, p *Patch) {
	var b writer
	hosts := d.placed()
	for _, h := range hosts {
		claims := d.claims(h)
		p.count(claims)
		b.host(d, h, claims)
	}
	p.Hosts = len(hosts)
	var last rules.Pos // of the hosts in the file itself: others come from inventories
	for _, h := range d.s.set.Site.Hosts {
		if pos := d.s.set.Site.Stated(h); pos.File == d.s.set.Site.File {
			last = pos
		}
	}
	switch {
	case len(hosts) == 0:
	case last.Line == 0 && !e.hasKey("hosts"):
		e.appendText("hosts:\n" + b.String())
	case last.Line == 0 || !e.appendItems(last, b.String()):
		p.Left = append(p.Left, fmt.Sprintf("%d hosts: the list of hosts is not written one entry a line, so that nothing can be added behind it", len(hosts)))
		p.Hosts = 0
	}
}

// addNetworks adds prefixes of new hosts that lie outside the networks of the site. A site that states none means all private ranges.
func (d *decision) addNetworks(e *editor, p *Patch) {
	site := d.s.set.Site
	if len(site.Networks) == 0 {
		return
	}
	fresh := slices.DeleteFunc(d.placed(), func(h *host) bool { return d.s.set.Inside(h.addrs[0]) })
	var b writer
	var words []string
	for _, n := range d.s.networks(fresh) {
		if !d.s.set.Inside(n.prefix.Addr()) {
			words = append(words, quotedAddr(n.prefix.String()))
			b.network("  ", n)
		}
	}
	pos, list := site.Stated(&site.Networks[len(site.Networks)-1]), strings.Join(words, ", ")
	switch {
	case len(words) == 0:
	case e.appendItems(pos, b.String()), e.appendWord(pos, list):
		p.Entries += len(words)
	default:
		p.Left = append(p.Left, "networks "+list)
	}
}

func (d *decision) addConditions(e *editor, p *Patch) {
	site := d.s.set.Site
	var b writer
	n := 0
	for _, c := range d.conditions() {
		known := slices.ContainsFunc(site.Conditions, func(k rules.SiteCondition) bool { return k.Name == c.name })
		if c.state == "" || c.partly != "" || c.state == c.without || known {
			continue
		}
		b.condition(c)
		n++
	}
	switch {
	case n == 0:
		return
	case len(site.Conditions) == 0 && !e.hasKey("conditions"):
		e.appendText("conditions:\n" + b.String())
	case len(site.Conditions) > 0 && e.appendItems(site.Stated(&site.Conditions[len(site.Conditions)-1]), b.String()):
	default:
		p.Left = append(p.Left, fmt.Sprintf("%d conditions: the list of conditions is not written one entry a line", n))
		return
	}
	p.Entries += n
}
