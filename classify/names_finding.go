package classify

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
)

// claimed notes a claim that contradicts DNS: DNS gave the originator other names for this address, and never the claimed one, or other
// addresses for the claimed name. A name that packs or site state for the address is none.
func (n *names) claimed(a *Auditor, c *flow.Conn, j *judged) {
	v := &j.view
	if n.known.used == 0 || len(c.Facts) == 0 || !v.sure || v.from != c.Orig || a.payload.proxied || a.set.IsProxy(v.resp.Host) {
		return
	}
	for i := range c.Facts {
		f := &c.Facts[i]
		if f.Kind != flow.FactName {
			continue
		}
		orig := a.partyOf(v.orig, v.from.Addr())
		told := n.contradicted(orig, v.to.Addr(), f.Value, c.First)
		if m := a.set.ByName(f.Value); told == "" || m != nil && m.Documents(v.to.Addr()) {
			continue
		}
		key := claimKey{orig, a.partyOf(v.resp, v.to.Addr()), f.Value}
		k := n.claims[key]
		if k == nil {
			if len(n.claims) >= maxNameIssues {
				n.unkept++
				return
			}
			k = &claim{}
			n.claims[key] = k
		}
		k.add(c, j, f, told)
	}
}

// contradicted gives in words what DNS told the originator against a claim; "" where it told nothing, or the claimed name for the address at any time.
func (n *names) contradicted(who party, addr netip.Addr, claim string, at int64) string {
	told := ""
	list := n.knownTo(who, addr)
	for i := range list {
		k := &list[i]
		switch {
		case k.origin != flow.NameDNS:
		case k.name == claim, k.chain == claim:
			return ""
		case k.valid(at):
			told = k.name
		}
	}
	if told == "" {
		if t := n.answerTo(who, claim, addr.Is6()); t != nil && t.from <= at && at <= t.until {
			told = "that name for " + t.addr.String()
		}
	}
	return told
}

// answerTo is the last answer to a host's question; nil where there is none.
func (n *names) answerTo(who party, name string, six bool) *answered {
	asker, asks := n.askers.numbers[who]
	number, told := n.numbers[name]
	if !asks || !told {
		return nil
	}
	return n.answer(asker, number, six)
}

func (k *claim) add(c *flow.Conn, j *judged, f *flow.Fact, told string) {
	if len(k.evidence) == 0 || c.ID.Compare(k.evidence[0].id) < 0 {
		k.view, k.verdict, k.origin, k.told, k.proto, k.port = j.view, j.verdict, f.Origin, told, c.Proto, servicePort(c, &j.view)
	}
	k.sum.add(c)
	k.evidence = keepFirst(k.evidence, maxEvidence, c, &j.view)
}

func (n *names) findings(a *Auditor, files []Input) []Finding {
	var list []Finding
	for k, c := range n.claims {
		list = append(list, a.claimFinding(k, c, files))
	}
	for k, d := range n.drifts {
		list = append(list, a.driftFinding(k, d, files))
	}
	return list
}

var claimWords = map[flow.NameOrigin]string{flow.NameSNI: "TLS server name", flow.NameHTTP: "HTTP Host"}

func (a *Auditor) claimFinding(k claimKey, c *claim, files []Input) Finding {
	f := Finding{Kind: kindNameClaim, Severity: severities[low], Verdict: c.verdict.String(), Why: []string{}, Proto: c.proto.String(), Port: portName(c.proto, c.port), Service: serviceName(c.proto, c.port),
		Orig: endRef(k.orig, c.view.orig, c.view.from.Addr().String()), Resp: endRef(k.resp, c.view.resp, c.view.to.Addr().String()),
		Connections: c.sum.connections, Bytes: c.sum.bytes, Outcomes: []OutcomeCount{}, Evidence: evidence(c.evidence, files), Hosts: []string{}, Cite: []string{}}
	who, whom := a.endName(f.Orig, c.view.orig), a.endName(f.Resp, c.view.resp)
	f.Resp.Name, f.Resp.NameOrigin = k.name, c.origin.String()
	f.Summary = fmt.Sprintf("%s calls %s %s (%s), DNS told it %s", who, whom, k.name, claimWords[c.origin], c.told)
	f.Reason = "the name in a request is the originator's own word; no answer of DNS to " + who + " that was seen gave this name for " + c.view.to.Addr().String()
	f.Look = "find out why " + who + " asks there for " + k.name
	f.ID = findingID(f.Kind, "", "", "", k.orig.name(), k.resp.name(), "", k.name, "")
	return f
}

func (a *Auditor) driftFinding(k driftKey, d *drift, files []Input) Finding {
	stated := d.means.Stated()
	f := Finding{Kind: kindNameDrift, Severity: severities[low], Verdict: documented.String(), Why: []string{}, Orig: EndRef{Roles: []string{}},
		Resp: EndRef{IP: k.addr.String(), Roles: d.means.Roles, Name: k.name, NameOrigin: flow.NameDNS.String()}, Outcomes: []OutcomeCount{}, Hosts: []string{}, Cite: []string{},
		Summary: fmt.Sprintf("%s is at %s, documented at %s", k.name, k.addr, strings.Join(first(stated, 3), ", ")),
		Reason:  "DNS gave the documented name another address than packs or site state; connections there are judged by the name",
		Look:    "check whether the service moved; firewall rules by address no longer fit"}
	if d.means.Host != nil {
		f.Resp.Host = d.means.Host.Name
	}
	f.Resp.Roles = notNil(f.Resp.Roles)
	for p := range d.askers {
		f.Hosts = append(f.Hosts, p.name())
	}
	slices.SortFunc(f.Hosts, cmp.Compare)
	e := Evidence{ID: d.id.String(), Packet: d.id.Packet, Time: flow.Stamp(d.at), Told: fmt.Sprintf("%s is %s, packet %d", k.name, k.addr, d.id.Packet)}
	if int(d.id.File) < len(files) {
		e.File = files[d.id.File].Name
	}
	f.Evidence = []Evidence{e}
	f.ID = findingID(f.Kind, "", "", "", "", k.addr.String(), "", k.name, "")
	return f
}
