package classify

import (
	"fmt"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// finding turns folded connections into what reports show.
func (a *Auditor) finding(f *folded, files []Input) Finding {
	out := a.described(f, files)
	out.Nearest = a.nearest(f)
	return out
}

// described is a finding without the nearest flow.
func (a *Auditor) described(f *folded, files []Input) Finding {
	k := &f.key
	isAttempt := f.attempts
	out := Finding{
		Kind: kindConnection, Severity: severities[connectionSeverity(k.verdict, k.why, isAttempt)], Verdict: k.verdict.String(), Why: k.why.names(),
		Decides: decides(k.verdict, isAttempt), Proto: k.proto.String(), Port: portName(k.proto, k.port), Service: serviceName(k.proto, k.port),
		Orig: endRef(f.key.orig, f.view.orig, f.view.from.Addr().String()), Resp: endRef(f.key.resp, f.view.resp, f.view.to.Addr().String()),
		Connections: f.connections, Bytes: f.bytes, SourcePorts: f.ports.String(), First: flow.Stamp(f.first), Last: flow.Stamp(f.last),
		Evidence: evidence(f.evidence, files), Hosts: []string{}, Cite: []string{},
	}
	if f.name != "" {
		out.Resp.Name, out.Resp.NameOrigin = f.name, f.origin.String()
	}
	for o, n := range f.outcomes {
		if n > 0 {
			out.Outcomes = append(out.Outcomes, OutcomeCount{flow.Outcome(o).String(), n})
		}
	}
	if k.verdict == excepted {
		out.Original = k.original.String()
	}
	if k.flow != nil {
		out.Flow, out.Cite = k.flow.Ref(), cites(k.flow)
	}
	if k.why == whyDocumentSilent {
		a.question(f, &out)
	} else {
		out.Summary, out.Reason, out.Look = a.summary(f, &out), a.reason(f, &out), a.look(f)
	}
	a.exceptionWords(f, &out)
	ref, port := "", out.Port
	if k.flow != nil {
		ref = k.flow.Ref()
	}
	out.ID = findingID(out.Kind, out.Verdict, strings.Join(out.Why, ","), ref, k.orig.name(), k.resp.name(), out.Proto, port, out.Exception)
	return out
}

// question words the one finding for all traffic that a flow without a stated port may cover.
func (a *Auditor) question(f *folded, out *Finding) {
	fl := f.key.flow
	out.Kind, out.Proto, out.Port, out.Orig, out.Resp = kindQuestion, "", "", EndRef{Roles: fl.FromRoles()}, EndRef{Roles: fl.ToRoles()}
	out.Service, out.SourcePorts = strings.Join(f.services, " "), ""
	if f.more {
		out.Service += " ..."
	}
	out.Summary = questionSummary(fl.Ref(), f.services, f.more)
	out.Reason = "the document names this flow and states no port"
	out.Look = "supply the port in the site file (ports: flow " + fl.Ref() + ", with source and approver), or treat the connections as undocumented"
}

func questionSummary(flow string, services []string, more bool) string {
	text := fmt.Sprintf("which port does %s use? seen between its roles: %s", flow, strings.Join(services, ", "))
	if more {
		text += " and more"
	}
	return text
}

// summary is one line: who, what, whom.
func (a *Auditor) summary(f *folded, out *Finding) string {
	verb := "opened"
	if f.attempts {
		verb = "tried"
	}
	if !f.sure {
		verb = "perhaps opened"
	}
	who, whom := a.endName(out.Orig, f.view.orig), a.endName(out.Resp, f.view.resp)
	s := fmt.Sprintf("%s %s %s on %s", who, verb, out.Service, whom)
	if f.key.proto.IsICMP() || out.Port == "" {
		s = fmt.Sprintf("%s sent %s to %s", who, out.Service, whom)
	}
	if f.key.why&whySourcePort != 0 {
		s += " from source port " + out.SourcePorts
	}
	if f.attempts && len(out.Outcomes) == 1 {
		s += ": " + out.Outcomes[0].Outcome + f.failures.words(f.connections)
	}
	return s
}

// endName names an end: the host, else the address and what is known of it.
func (a *Auditor) endName(e EndRef, m *rules.Membership) string {
	switch {
	case e.Host != "":
		return e.Host
	case a.set.Site == nil:
		return e.IP
	case len(e.Roles) > 0:
		_, role := cutQualifier(e.Roles[0])
		return e.IP + " (" + e.knownAs() + role + ")"
	}
	for _, r := range m.Roles {
		if r.Role == "broadcast" || r.Role == "multicast" {
			return e.IP + " (" + r.Role + ")"
		}
	}
	return e.IP + " (" + e.knownAs() + "no host of the site)"
}

// knownAs gives "a.example, " or "claimed to be a.example, "; empty where no name is known.
func (e EndRef) knownAs() string {
	switch e.NameOrigin {
	case "":
		return ""
	case flow.NameSNI.String(), flow.NameHTTP.String():
		return "claimed to be " + e.Name + ", "
	}
	return e.Name + ", "
}

// reason is one sentence for each broken statement, against the document.
func (a *Auditor) reason(f *folded, out *Finding) string {
	k := &f.key
	switch {
	case k.why&whyUnknownHost != 0:
		return f.unlistedWords()
	case k.why&whyUndocumentedService != 0:
		return "no flow of the chosen packs has " + out.Service
	case k.why&whyWrongRoles != 0:
		return out.Service + " is documented, but not between the roles of these hosts"
	}
	var s []string
	for _, w := range []why{whyOriginator, whySourcePort, whyEncryption, whyCondition, whyHours, whyUnannounced} {
		if k.why&w != 0 {
			s = append(s, a.broken(w, f))
		}
	}
	switch {
	case k.verdict != indeterminate:
	case !f.sure:
		s = append(s, "the capture does not show for certain who opened the connection")
	case k.why == whyUnannounced:
		s = append(s, "the announcement may lie before the capture, or where it could not be read")
	default:
		s = append(s, "an address is translated, so it is not certain which host it stands for")
	}
	return strings.Join(s, "; ")
}

// unlisted are the addresses of the ends that are neither hosts of the site nor otherwise identified; roles is true where one lies in a
// network that holds a documented role.
func (f *folded) unlisted() (list []string, roles bool) {
	for _, e := range [...]rules.End{f.view.origEnd(), f.view.respEnd()} {
		if !identified(e.Of, e.Addr) {
			list = append(list, e.Addr.String())
			roles = roles || slices.ContainsFunc(e.Of.Roles, func(r rules.HeldRole) bool { return r.By != rules.ByReserved })
		}
	}
	return list, roles
}

func (f *folded) unlistedWords() string {
	list, roles := f.unlisted()
	is, plays := " is no host of the site file", " and plays no documented role"
	if len(list) > 1 {
		is, plays = " are no hosts of the site file", " and play no documented role"
	}
	if roles {
		plays = ""
	}
	return strings.Join(list, " and ") + is + plays
}

func (a *Auditor) broken(w why, f *folded) string {
	fl := f.key.flow
	switch w {
	case whyOriginator:
		return fmt.Sprintf("%s lets %s open to %s, not the reverse", fl.Ref(), roleList(fl.From), roleList(fl.To))
	case whySourcePort:
		return sourceWords(f)
	case whyEncryption:
		return encryptionWords(f)
	case whyCondition:
		return fmt.Sprintf("%s applies only where %s, which was not so", fl.Ref(), conditionWords(fl.Condition))
	case whyHours:
		return fl.Ref() + " ran outside the hours that the site allows"
	}
	return fmt.Sprintf("%s uses a dynamic port, and no %s conversation between the two hosts announced it before", fl.Ref(), controlWords[fl.AnnouncedBy])
}

// encryptionWords says what is due, and what the payload of the first connection shows instead.
func encryptionWords(f *folded) string {
	fl := f.key.flow
	due := fl.Ref() + " is documented as encrypted"
	switch fl.Encryption {
	case "expected":
		due = fl.Ref() + " is encrypted by default, and no site file says that this is switched off"
	case "forbidden":
		due = fl.Ref() + " is documented as not encrypted"
	}
	return due + ": " + f.evidence[0].told
}

// sourceWords says which source ports were due, and by whose word.
func sourceWords(f *folded) string {
	fl, host, due := f.key.flow, f.key.orig.host, strings.Join(rangeNames(f.option.sources), ", ")
	switch {
	case !strings.ContainsAny(due, "-,"):
		return fmt.Sprintf("%s documents the source port %s", fl.Ref(), due)
	case fl.SourcePorts != "ephemeral", len(fl.Pack.SourceRanges) > 0 && (host == nil || host.SourceRange == ""):
		return fmt.Sprintf("%s documents source ports %s", fl.Ref(), due)
	case host != nil && host.SourceRange != "":
		return fmt.Sprintf("the site gives %s the source ports %s", host.Name, due)
	case host != nil && host.OS != "":
		return fmt.Sprintf("%s is opened from an ephemeral port, which on %s is one of %s", fl.Ref(), host.OS, due)
	}
	return fmt.Sprintf("%s is opened from an ephemeral port, one of %s where the OS is not known", fl.Ref(), due)
}

var controlWords = map[string]string{"rpc-endpoint-mapper": "tcp/135", "tftp": "udp/69", "ftp": "tcp/21"}

func conditionWords(name string) string {
	if off, found := strings.CutPrefix(name, "!"); found {
		return off + " is off"
	}
	return name + " is on"
}

// look is the first thing to look at.
func (a *Auditor) look(f *folded) string {
	who, whom := nameOr(f.key.orig), nameOr(f.key.resp)
	switch {
	case f.key.verdict == indeterminate && !f.sure:
		return "capture the start of this connection, or check on " + who + " and " + whom + " which of them listens"
	case f.key.verdict == indeterminate && f.key.why == whyUnannounced:
		return "find out which program on " + whom + " listens there, or capture from before the two hosts begin to talk"
	case f.key.verdict == indeterminate:
		return "capture where addresses are not translated, or find the connection in the translator's log"
	case f.key.why&whyUnknownHost != 0:
		if list, _ := f.unlisted(); len(list) > 1 {
			return "find out what the unlisted addresses are; if they belong here, add them to the site file with their roles"
		}
		return "find out what the unlisted address is; if it belongs here, add it to the site file with its roles"
	case f.key.why&(whyUndocumentedService|whyWrongRoles) != 0 && isGroup(f.view.resp, f.view.to.Addr()):
		return "find out which program on " + who + " sends it"
	case f.key.why&whyUndocumentedService != 0 && f.attempts, f.key.why&whyWrongRoles != 0 && f.attempts:
		return "find out which program on " + who + " tries it"
	case f.key.why&(whyUndocumentedService|whyWrongRoles) != 0:
		return "find out which program on " + whom + " listens there, and which on " + who + " uses it"
	case f.key.why&whyOriginator != 0:
		return "find out which program on " + who + " opens it; the documented direction is from " + whom
	case f.key.why&whyEncryption != 0:
		return "check on " + whom + " and " + who + " why it is not encrypted as documented"
	case f.key.why&whySourcePort != 0:
		return "compare the ephemeral port range of " + who + " with its OS in the site file"
	case f.key.why&whyCondition != 0:
		return "check the condition in the site file against the product's configuration"
	case f.key.why&whyHours != 0:
		return "find out what started it on " + who + " at that time"
	}
	return "find out which program on " + whom + " listens there"
}

func nameOr(p party) string {
	if n := p.name(); n != "" {
		return n
	}
	return "the host"
}

// exceptionWords names the exception that applies, or the one that would if it were valid at the time.
func (a *Auditor) exceptionWords(f *folded, out *Finding) {
	e := f.key.exception
	if e == nil {
		return
	}
	out.Exception = e.ID
	switch f.validity {
	case rules.Active:
		out.Reason += fmt.Sprintf("; excepted by %s (%s), approved by %s until %s", e.ID, e.Reason, e.Approver, e.Until)
	case rules.Expired:
		out.Reason += fmt.Sprintf("; exception %s had expired (until %s)", e.ID, e.Until)
	case rules.NotYet:
		out.Reason += fmt.Sprintf("; exception %s holds only from %s", e.ID, e.Since)
	}
}

func endRef(p party, m *rules.Membership, ip string) EndRef {
	e := EndRef{IP: ip, Roles: []string{}}
	if p.host != nil {
		e.Host = p.name()
	} else if len(m.Behind) > 0 {
		e.Host = behindName(m.Behind)
	}
	for _, r := range m.Roles {
		if r.By != rules.ByReserved {
			e.Roles = append(e.Roles, r.Role)
		}
	}
	return e
}

func behindName(hosts []*rules.Host) string {
	if len(hosts) == 1 {
		return hosts[0].Name + " (translated)"
	}
	return fmt.Sprintf("%s and %d more (translated)", hosts[0].Name, len(hosts)-1)
}

func evidence(list []seen, files []Input) []Evidence {
	out := make([]Evidence, 0, len(list))
	for _, s := range list {
		e := Evidence{ID: s.id.String(), Packet: s.id.Packet, Time: flow.Stamp(s.at), Last: flow.Stamp(s.last), Orig: s.orig.String(), Resp: s.resp.String()}
		e.Told = s.told
		if !s.ports {
			e.Orig, e.Resp = s.orig.Addr().String(), s.resp.Addr().String()
		}
		if int(s.id.File) < len(files) {
			e.File = files[s.id.File].Name
		}
		out = append(out, e)
	}
	return out
}

// cites gives "FILE:LINES", or document and section where the source is public.
func cites(f *rules.Flow) []string {
	list := []string{}
	for _, c := range f.Cite {
		text := c.Document
		for _, d := range f.Pack.Documents {
			if d.ID == c.Document && d.File != "" {
				text = d.File
			} else if d.ID == c.Document && d.Title != "" {
				text = d.Title
			}
		}
		if c.Lines != "" {
			text += ":" + c.Lines
		} else if c.Section != "" {
			text += ", " + c.Section
		}
		list = append(list, text)
	}
	return list
}

func reserved(role string) bool {
	return role == "any" || role == "internet" || role == "broadcast" || role == "multicast"
}

func roleList(roles []string) string { return strings.Join(roles, " or ") }

func rangeNames(ranges []rules.PortRange) []string {
	var list []string
	for _, r := range ranges {
		s := portSpan{r.First, r.Last}
		list = append(list, s.String())
	}
	return list
}
