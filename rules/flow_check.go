package rules

import (
	"fmt"
	"slices"
	"strings"
)

// fillFlow gives the keys that were left out their defaults.
func fillFlow(f *Flow) {
	fallback(&f.Originator, "from")
	fallback(&f.PortsMode, "all")
	fallback(&f.SourcePorts, "ephemeral")
	fallback(&f.Reply, "expected")
	fallback(&f.Need, "unstated")
	fallback(&f.SatisfiedBy, "any")
	fallback(&f.Encryption, "unstated")
}

// flow checks one flow by itself.
func (k *packChecker) flow(f *Flow) {
	f.Pack = k.pack
	fillFlow(f)
	ident(&k.checker, "flow id", &f.ID, f, k.flows)
	if f.Title == "" {
		k.fail(fmt.Sprintf("flow %q has no title", f.ID), "add title: what it is for", f)
	}
	k.roleNames("from", f, f.From)
	k.roleNames("to", f, f.To)
	f.from, f.to = k.pack.qualifyAll(f.From), k.pack.qualifyAll(f.To)
	k.oneOf("originator", &f.Originator, f, originatorWords...)
	k.service(f)
	k.expectation(f)
	k.oneOf("scope", &f.Scope, f, scopeWords...)
	k.oneOf("satisfied_by", &f.SatisfiedBy, f, satisfiedWords...)
	k.oneOf("encryption", &f.Encryption, f, encryptedWords...)
	for i := range f.EncryptionProtocols {
		k.oneOf("encryption protocol", &f.EncryptionProtocols[i], &f.EncryptionProtocols, encryptionWords...)
	}
	if f.Encryption == "forbidden" && len(f.EncryptionProtocols) > 0 {
		k.fail(fmt.Sprintf("flow %q forbids encryption and names its protocols", f.ID), "remove one of the two", &f.EncryptionProtocols, f)
	}
	k.cites(f)
	if f.Reference {
		k.reference(f)
	}
}

// service checks protocol, ports, ICMP types and what belongs to them.
func (k *packChecker) service(f *Flow) {
	words := protoWords("any", "unstated")
	k.oneOf("proto", &f.Proto, f, words...)
	specs := k.ports(f.Ports, f, flowPortWords...)
	known := slices.Contains(words, f.Proto)
	hasPorts := f.Proto == "any" || f.Proto == "unstated" || len(ProtoOf(f.Proto)) > 0 && ProtoOf(f.Proto)[0].HasPorts()
	switch {
	case known && !hasPorts && len(f.Ports) > 0:
		k.fail(fmt.Sprintf("%s has no ports", f.Proto), "remove ports", &f.Ports, f)
	case known && hasPorts && len(f.Ports) == 0:
		k.fail(fmt.Sprintf("flow %q has no ports", f.ID), "list the responder's ports, or any, or unstated where the document is silent", &f.Ports, f)
	}
	k.oneOf("ports_mode", &f.PortsMode, f, portsModeWords...)
	if f.PortsMode == "alternatives" && len(f.Ports) < 2 {
		k.fail(fmt.Sprintf("flow %q has alternatives but not two ports", f.ID), "list them, or remove ports_mode", &f.PortsMode, f)
	}
	for i, t := range f.ICMPTypes {
		if t < 0 || t > 255 {
			k.fail(fmt.Sprintf("icmp type %d is out of range", t), "write 0 to 255", &f.ICMPTypes[i], f)
		}
	}
	if len(f.ICMPTypes) > 0 && f.Proto != "icmp" {
		k.fail(fmt.Sprintf("icmp_types with proto %s", f.Proto), "remove them or write proto: icmp", &f.ICMPTypes, f)
	}
	k.oneOf("announced_by", &f.AnnouncedBy, f, announcerWords...)
	if f.AnnouncedBy != "" && !slices.ContainsFunc(specs, func(s portSpec) bool { return s.match == PortDynamic || s.match == PortRanged }) {
		k.fail(fmt.Sprintf("flow %q is announced but its ports are fixed", f.ID), "write ports: [dynamic], or remove announced_by", &f.AnnouncedBy, f)
	}
	if f.SourcePorts != "ephemeral" && f.SourcePorts != "any" {
		if _, what := parseSourcePorts(f.SourcePorts); what != "" {
			k.fail(fmt.Sprintf("source_ports %q %s", f.SourcePorts, what), "write ephemeral, any, a port or FIRST-LAST", &f.SourcePorts, f)
		}
	}
}

// parseSourcePorts reads a fixed source port or a range.
func parseSourcePorts(text string) (r PortRange, what string) {
	spec, what := parsePortSpec(text)
	if what == "" && spec.match != PortExact && spec.match != PortRanged {
		what = "is not possible here"
	}
	return spec.PortRange, what
}

// expectation checks need, occurrence, condition and reply.
func (k *packChecker) expectation(f *Flow) {
	k.oneOf("reply", &f.Reply, f, replyWords...)
	k.oneOf("need", &f.Need, f, needWords...)
	if !f.Reference {
		k.oneOf("occurrence", &f.Occurrence, f, occurrenceWords...)
	}
	name := strings.TrimPrefix(f.Condition, "!")
	switch {
	case f.Need == "conditional" && name == "":
		k.fail(fmt.Sprintf("flow %q is conditional without a condition", f.ID), "add condition: one of the pack's conditions", &f.Need, f)
	case name != "" && k.conditions[name] == nil:
		k.fail(fmt.Sprintf("unknown condition %q", name), meant(name, keys(k.conditions)), &f.Condition, f)
	}
	k.used["condition "+name] = true
}

// reference checks that a list without roles expects nothing.
func (k *packChecker) reference(f *Flow) {
	if !slices.Equal(f.From, []string{"any"}) || !slices.Equal(f.To, []string{"any"}) {
		k.fail(fmt.Sprintf("reference flow %q names roles", f.ID), "write from: [any] and to: [any]", &f.From, f)
	}
	if f.Need != "unstated" || f.Occurrence != "" || f.Condition != "" {
		k.fail(fmt.Sprintf("reference flow %q expects something", f.ID), "remove need, occurrence and condition", f)
	}
}

// pairing checks that paired_with couples an HTTPS flow with the HTTP flow between the same roles.
func (k *packChecker) pairing(f *Flow) {
	if f.PairedWith == "" {
		return
	}
	switch other := k.flows[f.PairedWith]; {
	case other == nil:
		k.fail(fmt.Sprintf("unknown flow %q", f.PairedWith), meant(f.PairedWith, keys(k.flows)), &f.PairedWith, f)
	case other == f:
		k.fail(fmt.Sprintf("flow %q is paired with itself", f.ID), "name the HTTP flow", &f.PairedWith, f)
	case other.PairedWith != "":
		k.fail(fmt.Sprintf("flow %q is paired with %q, which is paired itself", f.ID, other.ID), "pair the HTTPS flow with the HTTP flow only", &f.PairedWith, f)
	case other.Proto != f.Proto || !slices.Equal(other.To, f.To):
		k.fail(fmt.Sprintf("flow %q is paired with %q, which has another protocol or responder", f.ID, other.ID), "pair flows of one protocol to the same roles", &f.PairedWith, f)
	}
}
