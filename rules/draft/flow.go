package draft

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pcapaudit/rules"
)

// protosOf are the transports of a group: those printed with its ports, else those of the row, else the only one that its service runs over, else one that is not known.
func protosOf(g group, row, labels []string) []string {
	switch {
	case len(g.protos) > 0:
		return g.protos
	case len(row) > 0:
		return row
	}
	for _, l := range labels {
		if proto := only[l]; proto != "" {
			return []string{proto}
		}
	}
	return []string{""}
}

// flow is a flow of ports between two roles, without title and citation. When it happens no document of this kind says, so it expects nothing.
func (d *Draft) flow(e ends, proto string, g group, p *printedPorts) *rules.Flow {
	f := &rules.Flow{From: []string{e.from}, To: []string{e.to}, Proto: proto, Ports: slices.Clone(g.ports), Need: "unstated", Occurrence: "on-demand", Scope: e.scope, Configurable: p.configurable}
	if len(g.ports) > 0 {
		f.SourcePorts = "any" // where the document does not say more
	}
	if e.either {
		f.Originator = "either"
	}
	if g.alternatives {
		f.PortsMode = "alternatives"
	}
	if p.remark != "" {
		f.Note = "Printed with the port: " + p.remark + "."
	}
	for _, l := range p.labels {
		if c := ciphers[l]; c != "" {
			f.Encryption, f.EncryptionProtocols = "required", []string{c}
		}
	}
	return f
}

// settle finds transports that a line leaves out and another one prints with the same ports, gives every flow its identifier, and sorts what was left out by line.
func (d *Draft) settle() {
	if n := d.roles.dropped; n > 0 {
		d.leave(1, 1, "", fmt.Sprintf("%d host names and addresses beyond the %d of a role", n, maxAddress))
	}
	slices.SortStableFunc(d.Left, func(a, b Left) int { return cmp.Compare(a.First, b.First) })
	printed := map[string][]*rules.Flow{}
	for _, f := range d.flows {
		for _, port := range f.Ports {
			if f.Proto != "" && !slices.ContainsFunc(printed[port], func(o *rules.Flow) bool { return o.Proto == f.Proto }) {
				printed[port] = append(printed[port], f)
			}
		}
	}
	for _, f := range d.flows {
		if f.Proto == "" {
			d.transport(f, printed)
		}
		if f.Title == "" {
			f.Title = strings.TrimSpace(f.Proto + " " + strings.Join(f.Ports, ","))
		}
		f.ID = unique(d.ids, flowID(f))
	}
}

// transport gives a flow the one transport that the document prints with each of its ports elsewhere, and cites the place; else none is stated.
func (d *Draft) transport(f *rules.Flow, printed map[string][]*rules.Flow) {
	f.Proto = "unstated"
	var from *rules.Flow
	for _, port := range f.Ports {
		list := printed[port]
		if len(list) != 1 || isWordPort(port) || from != nil && list[0].Proto != from.Proto {
			return
		}
		from = list[0]
	}
	if from == nil {
		return
	}
	f.Proto = from.Proto
	place := from.Cite[len(from.Cite)-1]
	f.Note = strings.TrimSpace(f.Note + " No transport beside these ports: that is " + from.Proto + " where the document prints them in line " + place.Lines + ".")
	f.Cite = append([]rules.Cite{place}, f.Cite...)
}

func isWordPort(port string) bool { return port == "any" || port == "dynamic" }

func flowID(f *rules.Flow) string {
	parts := append([]string{f.Proto}, f.Ports[:min(len(f.Ports), 3)]...)
	for _, list := range [][]string{f.From, f.To} {
		parts = append(parts, slug(list[0], 40))
	}
	return strings.Join(parts, "-")
}
