package rules

import "fmt"

// localPack names the pack that the site's own flows form.
const localPack = "local"

// localFlows makes the pack of the site's own flows and checks it as any other.
func (k *siteChecker) localFlows() {
	if len(k.site.Flows) == 0 {
		return
	}
	p := &Pack{Name: localPack, Kind: Local, Title: "Flows of the site " + k.site.Name, File: k.site.File, SHA256: k.site.SHA256, places: k.places,
		Documents: []Document{{ID: "site", Title: "Site " + k.site.Name, File: k.site.File}}, SourceRanges: map[string]string{}, Roles: []Role{}, Conditions: []Condition{}}
	c := &packChecker{checker: checker{file: k.file, places: k.places}, pack: p, roles: map[string]*Role{}, conditions: map[string]*Condition{},
		flows: map[string]*Flow{}, documents: map[string]*Document{"site": &p.Documents[0]}, used: map[string]bool{}}
	for i := range k.site.Flows {
		l := &k.site.Flows[i]
		f := k.localFlow(l)
		p.Flows = append(p.Flows, f)
		c.flow(f)
		for _, field := range []struct{ key, value string }{{"owner", l.Owner}, {"justification", l.Justification}, {"approver", l.Approver}, {"date", l.Date}} {
			if field.value == "" {
				k.fail(fmt.Sprintf("flow %q has no %s", l.ID, field.key), "add "+field.key+"; an approved flow says who answers for it, why, and since when", l)
			}
		}
		if l.Date != "" {
			k.instant(&l.Date, 0)
		}
	}
	k.problems = append(k.problems, c.problems...)
	k.site.local = p
}

// localFlow is a site's flow as a flow of the pack "local". Its lists are the site's own, and so are the places of its values.
func (k *siteChecker) localFlow(l *LocalFlow) *Flow {
	pos := k.places.at(l)
	f := &Flow{ID: l.ID, Title: l.Title, From: l.From, To: l.To, Proto: l.Proto, Ports: l.Ports, Need: l.Need, Occurrence: l.Occurrence,
		SourcePorts: l.SourcePorts, Encryption: l.Encryption, EncryptionProtocols: append([]string{}, l.EncryptionProtocols...), AnnouncedBy: l.AnnouncedBy, Reply: l.Reply, ICMPTypes: []int{}, Pos: pos,
		Cite: []Cite{{Document: "site", Lines: fmt.Sprint(max(pos.Line, 1)), Section: "flows"}},
		Note: fmt.Sprintf("%s (owner %s, approver %s, %s)", l.Justification, l.Owner, l.Approver, l.Date)}
	fallback(&f.Need, "optional")
	fallback(&f.Occurrence, "on-demand")
	fallback(&f.Title, l.Justification)
	k.places[f] = pos
	for _, pair := range [][2]*string{{&f.ID, &l.ID}, {&f.Proto, &l.Proto}, {&f.Need, &l.Need}, {&f.Occurrence, &l.Occurrence}, {&f.SourcePorts, &l.SourcePorts}, {&f.Encryption, &l.Encryption}, {&f.AnnouncedBy, &l.AnnouncedBy}, {&f.Reply, &l.Reply}} {
		if at, ok := k.places[pair[1]]; ok {
			k.places[pair[0]] = at
		}
	}
	return f
}
