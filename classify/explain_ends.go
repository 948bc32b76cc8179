package classify

import (
	"strings"

	"pcapaudit/rules"
)

// end says who an end is: by an entry of the site, a name, a translation, or as one of many.
func (t *trail) end(m *rules.Membership, e rules.End, named knownBy) ExplainedEnd {
	out := ExplainedEnd{IP: e.Addr.String(), Roles: []ExplainedRole{}, Inside: m.Inside}
	if m.Host != nil {
		out.Host = t.a.partyOf(m, e.Addr).name()
	}
	out.Known, out.At = t.knownBy(m, e, named)
	for _, r := range m.Roles {
		by, at := t.heldBy(m, r, named)
		out.Roles = append(out.Roles, ExplainedRole{Role: r.Role, By: by, At: at})
	}
	for _, h := range m.Behind {
		for i, role := range h.Roles {
			out.Roles = append(out.Roles, ExplainedRole{Role: role, By: "of " + h.Name + ", behind the translation", At: t.place(&h.Roles[i], h)})
		}
	}
	return out
}

func (t *trail) place(values ...any) string {
	if t.a.set.Site == nil {
		return ""
	}
	return t.a.set.Site.Stated(values...).String()
}

// knownBy says by what an end is who it is, and where.
func (t *trail) knownBy(m *rules.Membership, e rules.End, named knownBy) (known, at string) {
	site := t.a.set.Site
	entry := t.a.set.Entry(e.Addr, t.c.First)
	switch {
	case site == nil:
		return "no site file was given: only ports were compared", ""
	case m.Translation != "":
		return "an address that stands for others (" + m.Translation + ")", t.place(&site.Translations)
	case named == byName:
		return "by the name that DNS told the originator", ""
	case named == byClaim:
		return "by the name that the originator claims", ""
	case m.Host != nil && entry != nil && strings.ContainsAny(entry.Address, "/-"):
		return "host entry of the site, by " + entry.Address, entry.Pos.String()
	case m.Host != nil && entry != nil:
		return "host entry of the site", entry.Pos.String()
	case m.Host != nil:
		return "host of the site", m.Host.Pos.String()
	case isGroup(m, e.Addr):
		return "a group address, which is no host", ""
	case m.Inside:
		return "no host of the site, inside its networks", t.place(&site.Networks)
	}
	return "no host of the site, outside its networks", t.place(&site.Networks)
}

// heldBy says by what an end holds a role, and where.
func (t *trail) heldBy(m *rules.Membership, r rules.HeldRole, named knownBy) (by, at string) {
	if r.By == rules.ByReserved {
		return reservedBy[r.Role], ""
	}
	kind := t.packKind(r.Role)
	if m.Host != nil {
		for i, role := range m.Host.Roles {
			if role == r.Role {
				return "role of the host" + kind, t.place(&m.Host.Roles[i], m.Host)
			}
		}
	}
	switch {
	case named == byName || named == byClaim:
		return "a name that the pack documents" + kind, ""
	case strings.HasPrefix(r.Role, "host:"):
		return "named by a flow of the site", ""
	}
	return "an address that the pack documents" + kind, ""
}

// packKind gives ", baseline" for a role of a baseline pack.
func (t *trail) packKind(role string) string {
	name, _ := cutQualifier(role)
	for _, p := range t.a.set.Packs {
		if p.Name == name && p.Kind == rules.Baseline {
			return ", baseline"
		}
	}
	return ""
}

var reservedBy = map[string]string{"any": "everybody", "internet": "outside the site's networks", "broadcast": "a broadcast address", "multicast": "a multicast address"}
