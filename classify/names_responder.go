package classify

import (
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// maxTogether documented names of one address are taken together where nothing tells one from the others.
const maxTogether = 4

// knownBy says what identifies a responder whose role has documented names.
type knownBy uint8

const (
	byNothing knownBy = iota // no name is documented
	byName
	byClaim
	byAddress
	numKnownBy = iota
)

var knownByNames = [numKnownBy]string{"", "name", "claim", "address"}

func (k knownBy) String() string { return knownByNames[k] }

// identify gives a responder the roles of its names: those that DNS told this originator before the connection, of several the one that the
// originator claims; else the one that it claims, unless DNS told it another. A host of the site keeps its own roles.
func (a *Auditor) identify(c *flow.Conn, v *view) {
	if !a.set.HasNames() || a.names.known.used == 0 && len(c.Facts) == 0 || v.resp.Translation != "" {
		return
	}
	r := a.current
	if v != &a.views[0] {
		r = nil
	}
	var list []alias
	if r != nil {
		list = a.names.alongRoute(r)
	} else {
		list = a.names.knownTo(a.partyOf(v.orig, v.from.Addr()), v.to.Addr())
	}
	var means *rules.Meaning
	found, told := 0, false
	for i := range list {
		k := &list[i]
		if k.origin != flow.NameDNS || !k.valid(c.First) {
			continue
		}
		told = true
		switch {
		case k.means == nil || found >= maxTogether:
			continue
		case claims(c, k.name):
			means, found = k.means, maxTogether
		case means == nil:
			means, found = k.means, 1
		case means != k.means:
			means = a.set.Together(means, k.means)
			found++
		}
	}
	by := byName
	if means == nil && !told && !v.flipped && !a.payload.proxied && !a.set.IsProxy(v.resp.Host) {
		means, by = a.claimedMeaning(c), byClaim
		if means != nil && means.Documents(v.to.Addr()) {
			by = byAddress
		}
	}
	if means == nil {
		return
	}
	if named := a.namedBy(r, v.resp, means); named != v.resp || v.resp.Host == nil {
		v.resp, v.named = named, by
	}
}

// namedBy is what is known of a responder that goes by a name. That of its route is remembered there.
func (a *Auditor) namedBy(r *route, of *rules.Membership, means *rules.Meaning) *rules.Membership {
	if r == nil {
		return a.set.Named(of, means)
	}
	if r.means != means {
		r.means, r.named = means, a.set.Named(of, means)
	}
	return r.named
}

// claims says whether the originator uses a name for the responder.
func claims(c *flow.Conn, name string) bool {
	for i := range c.Facts {
		if f := &c.Facts[i]; f.Kind == flow.FactName && f.Value == name {
			return true
		}
	}
	return false
}

// claimedMeaning is that of the first name claimed that has one.
func (a *Auditor) claimedMeaning(c *flow.Conn) *rules.Meaning {
	for i := range c.Facts {
		if f := &c.Facts[i]; f.Kind == flow.FactName {
			if m := a.set.ByName(f.Value); m != nil {
				return m
			}
		}
	}
	return nil
}

// identifiedBy says by what a responder plays its role in an option, nil for none.
func (o *option) identifiedBy(v *view) knownBy {
	switch {
	case o == nil || o.Proxied:
		return byNothing
	case v.named != byNothing:
		return v.named
	case o.named && v.resp.Host == nil:
		return byAddress
	}
	return byNothing
}

// of lists the names of a responder as the originator knows it at the beginning of a connection, then those that anybody may know, then the originator's claims.
func (n *names) of(a *Auditor, c *flow.Conn, v *view) []string {
	list := []string{}
	add := func(name string) {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	if n.known.used > 0 {
		for _, asker := range [...]party{a.partyOf(v.orig, v.from.Addr()), {}} {
			for _, k := range n.knownTo(asker, v.to.Addr()) {
				if k.valid(c.First) {
					add(k.name)
				}
			}
		}
	}
	for i := range c.Facts {
		if c.Facts[i].Kind == flow.FactName {
			add(c.Facts[i].Value)
		}
	}
	return list
}

// display is the best name of a responder: what DNS told the originator last, else its claim, else what anybody may know.
func (n *names) display(a *Auditor, c *flow.Conn, v *view) (string, flow.NameOrigin) {
	for _, asker := range [...]party{a.partyOf(v.orig, v.from.Addr()), {}} {
		list := n.knownTo(asker, v.to.Addr())
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].valid(c.First) {
				return list[i].name, list[i].origin
			}
		}
		if asker == (party{}) || v.from != c.Orig {
			continue
		}
		for i := range c.Facts {
			if f := &c.Facts[i]; f.Kind == flow.FactName {
				return f.Value, f.Origin
			}
		}
	}
	return "", 0
}
