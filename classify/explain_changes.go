package classify

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Change is one change of the site that would give a connection another verdict. Whether it is true is for a person to find out.
type Change struct {
	What  string `json:"what"`
	At    string `json:"at"`    // the entry to change, "" where it is a new one
	YAML  string `json:"yaml"`  // for the site file; "" where only a person can write it. Who answers for it is left empty
	Gives string `json:"gives"` // documented, excepted
}

// remedy is what a site would have to say so that a flow covers the connection: parts by key of the site file, in their order.
type remedy struct {
	parts []piece
	said  []string
	at    string
}

type piece struct{ key, entry string }

func (r *remedy) add(key, entry, what string, at rules.Pos) {
	r.parts = append(r.parts, piece{key, entry})
	r.said = append(r.said, what)
	if r.at == "" {
		r.at = at.String()
	}
}

// change joins the parts of a remedy.
func (r *remedy) change() Change {
	var b strings.Builder
	for i, p := range r.parts {
		if i == 0 || r.parts[i-1].key != p.key {
			b.WriteString(p.key + ":\n")
		}
		b.WriteString("  - " + p.entry + "\n")
	}
	return Change{What: strings.Join(r.said, "; "), At: r.at, YAML: b.String(), Gives: documented.String()}
}

// errStated says that no word of a site makes a condition of a flow met: the document decides.
var errStated = errors.New("the document states it")

// changes finds what would make the connection documented or excepted, and the places of the documents against it. f is its finding.
func (t *trail) changes(f *Finding) (list []Change, contradicts []string) {
	list = []Change{}
	add := func(r *remedy, fl *rules.Flow, err error) {
		switch {
		case err != nil && fl != nil:
			contradicts = append(contradicts, cites(fl)...)
		case err == nil && len(list) < maxChanges:
			list = append(list, r.change())
		}
	}
	switch j := &t.j; {
	case j.verdict == excepted, t.a.set.Site == nil:
		return list, notNil(contradicts)
	case j.why&whyDocumentSilent != 0:
		r, err := t.portRemedy(j.flow)
		add(r, j.flow, err)
	case j.verdict == indeterminate && j.why != whyUnannounced: // a better capture, not another site
	case j.why&whyOriginator != 0:
		add(nil, j.flow, errStated)
	case j.option != nil:
		r := &remedy{}
		add(r, j.flow, t.mend(r, &checked{option: j.option, view: &j.view, broken: j.why}))
	default:
		t.roleRemedies(add)
		if j.why&whyUnknownHost == 0 && len(list) == 0 {
			if near := t.a.nearestJoining(t.one, j.view.orig, j.view.resp); near != nil {
				r, err := t.portRemedy(near)
				add(r, near, err)
			}
		}
	}
	asked := *f
	asked.Connections = 0 // one is explained, whether somebody saw it or only thought of it
	if stanza, err := ExceptionStanza(&asked); err == nil {
		list = append(list, Change{What: "approve it as an exception", YAML: "exceptions:\n" + stanza, Gives: excepted.String()})
	}
	contradicts = slices.Compact(contradicts)
	return list, notNil(contradicts)
}

// mend adds to a remedy what would make a candidate fully met.
func (t *trail) mend(r *remedy, k *checked) error {
	for w := whyOriginator; w <= whyUnannounced; w <<= 1 {
		if k.broken&w == 0 {
			continue
		}
		if err := t.mendOne(r, k, w); err != nil {
			return err
		}
	}
	return nil
}

func (t *trail) mendOne(r *remedy, k *checked, w why) error {
	f, site := k.Flow, t.a.set.Site
	ref := rules.YAMLText(f.Ref())
	switch {
	case w == whySourcePort:
		return t.mendSource(r, k)
	case w == whyEncryption && f.Encryption == "expected":
		r.add("encryption", fmt.Sprintf(`{flow: %s, state: "off", source: "", approver: ""}`, ref), "say that the encryption of "+f.Ref()+" is switched off, and who approves", rules.Pos{})
	case w == whyCondition:
		state, name := "on", f.Condition
		if off, negated := strings.CutPrefix(name, "!"); negated {
			state, name = "off", off
		}
		var at rules.Pos
		if e := t.a.set.ConditionEntry(f, t.c.First); e != nil {
			at = site.Stated(e)
		}
		name = f.Pack.Name + "/" + name
		r.add("conditions", fmt.Sprintf(`{name: %s, state: "%s"}`, rules.YAMLText(name), state), "turn the condition "+name+" "+state, at)
	case w == whyUnannounced:
		r.add("dynamic", fmt.Sprintf(`{flow: %s, accept: range, source: "", approver: ""}`, ref), "accept the dynamic range of "+f.Ref()+" without an announcement", rules.Pos{})
	default:
		return errStated
	}
	return nil
}

// mendSource gives the originator the source port: by the OS that picks it, else by a range of its own.
func (t *trail) mendSource(r *remedy, k *checked) error {
	host, port := k.view.orig.Host, k.view.from.Port()
	if host == nil || k.Flow.SourcePorts != "ephemeral" && k.Flow.SourcePorts != "" || len(k.sources) == 0 {
		return errStated
	}
	name := rules.YAMLText(host.Name)
	for _, os := range rules.OSNames() {
		if host.SourceRange == "" && os != host.OS && inRanges(port, t.a.set.EphemeralOf(k.Flow.Pack, os)) {
			r.add("hosts", fmt.Sprintf("{name: %s, os: %s}", name, os), fmt.Sprintf("say that the OS of %s is %s", host.Name, os), t.a.set.Site.Stated(&host.OS, host))
			return nil
		}
	}
	low, high := k.sources[0].First, k.sources[0].Last
	r.add("hosts", fmt.Sprintf("{name: %s, source_range: %d-%d}", name, min(low, port), max(high, port)),
		"give "+host.Name+" the source range that is set on it", t.a.set.Site.Stated(&host.SourceRange, host))
	return nil
}

// portRemedy gives a flow the port of the connection at its responder.
func (t *trail) portRemedy(f *rules.Flow) (*remedy, error) {
	v, r := &t.j.view, &remedy{}
	host := v.resp.Host
	protos := rules.ProtoOf(f.Proto)
	switch {
	case !t.c.Proto.HasPorts() || host == nil || len(protos) > 0 && !slices.Contains(protos, t.c.Proto):
		return nil, errStated
	case len(f.Ports) == 0, !f.Configurable && !slices.Contains(f.Ports, "unstated"):
		return nil, errStated
	}
	ports, at := f.Ports, rules.Pos{}
	if e := t.a.set.PortEntry(f, host); e != nil {
		ports, at = e.Ports, t.a.set.Site.Stated(e)
	}
	quoted := []string{}
	for _, p := range append(slices.Clone(ports), strconv.Itoa(int(v.port))) {
		if p != "unstated" {
			quoted = append(quoted, strconv.Quote(p))
		}
	}
	r.add("ports", fmt.Sprintf(`{flow: %s, ports: [%s], to: [%s], source: "", approver: ""}`, rules.YAMLText(f.Ref()), strings.Join(quoted, ", "), rules.YAMLText(host.Name)),
		fmt.Sprintf("give %s the port %d at %s, with the source that knows it and who approves", f.Ref(), v.port, host.Name), at)
	cand := rules.Candidate{Flow: f, Port: rules.PortExact}
	o := t.a.newOption(cand, v.orig.Host, t.c.Proto, 0)
	k := t.a.check(t.c, v, &o)
	return r, t.mend(r, &k)
}

// roleRemedies are the roles that would make the connection one of the flows with its service: the fewest first.
func (t *trail) roleRemedies(add func(*remedy, *rules.Flow, error)) {
	type found struct {
		remedy
		flow *rules.Flow
	}
	var all []found
	v := &t.j.view
	for _, f := range t.a.services(t.c.Proto, t.c.ICMPType, v) {
		if f.Reference || f.Scope == "wan" && v.resp.Inside || f.Scope == "lan" && !v.resp.Inside {
			continue
		}
		n := found{flow: f}
		if !t.giveRole(&n.remedy, v.orig, v.origEnd(), f.FromRoles(), f) || !t.giveRole(&n.remedy, v.resp, v.respEnd(), f.ToRoles(), f) {
			continue
		}
		cand := rules.Candidate{Flow: f, Port: t.a.set.Covers(f, v.resp.Host, t.c.Proto, v.port, t.c.ICMPType)}
		o := t.a.newOption(cand, v.orig.Host, t.c.Proto, 0)
		k := t.a.check(t.c, v, &o)
		if len(n.parts) > 0 && t.mend(&n.remedy, &k) == nil {
			all = append(all, n)
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(len(a.parts), len(b.parts)) })
	for i := range all {
		if len(all[i].parts) > len(all[0].parts) {
			break
		}
		add(&all[i].remedy, all[i].flow, nil)
	}
	if near := t.a.nearestService(t.one); near != nil {
		add(nil, near, errStated) // its lines say between whom it runs
	}
}

// giveRole adds the role that an end lacks for a flow; false where no site can give it.
func (t *trail) giveRole(r *remedy, m *rules.Membership, e rules.End, wanted []string, f *rules.Flow) bool {
	if holds(m, wanted) {
		return true
	}
	i := slices.IndexFunc(wanted, func(role string) bool { return !reserved(role) && !strings.HasPrefix(role, "host:") })
	if i < 0 || m.Translation != "" || isGroup(m, e.Addr) || f.Pack.Kind == rules.Local {
		return false
	}
	role := rules.YAMLText(wanted[i])
	if m.Host == nil {
		name := strings.NewReplacer(".", "-", ":", "-").Replace(e.Addr.String())
		r.add("hosts", fmt.Sprintf("{name: host-%s, addresses: [%s], roles: [%s]}", name, rules.YAMLText(e.Addr.String()), role),
			fmt.Sprintf("name the host %s and give it the role %s", e.Addr, wanted[i]), rules.Pos{})
		return true
	}
	roles := make([]string, 0, len(m.Host.Roles)+1)
	for _, own := range m.Host.Roles {
		roles = append(roles, rules.YAMLText(own))
	}
	r.add("hosts", fmt.Sprintf("{name: %s, roles: [%s]}", rules.YAMLText(m.Host.Name), strings.Join(append(roles, role), ", ")),
		fmt.Sprintf("give %s the role %s", m.Host.Name, wanted[i]), t.a.set.Site.Stated(m.Host))
	return true
}

// protoOf is the protocol of a name as findings show it, false for another word.
func protoOf(name string) (flow.Proto, bool) {
	for p := range flow.Proto(255) {
		if p.String() == name {
			return p, true
		}
	}
	return 0, false
}
