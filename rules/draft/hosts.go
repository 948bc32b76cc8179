package draft

import (
	"fmt"
	"slices"
	"strings"

	"pcapaudit/rules"
)

// hostLine is a line of a list or listing: hosts, then their ports.
type hostLine struct {
	line             int
	text             string
	names, addresses []string
	ports            printedPorts
	printed          string // the ports as they stand in the document
}

// parseHostLine reads a line that begins with host names or addresses and goes on with ports and nothing else.
func parseHostLine(b block) (h hostLine, ok bool) {
	text := cellText(b.text)
	if len(text) > maxCellText || b.first != b.last {
		return h, false
	}
	h = hostLine{line: b.first, text: text}
	var rest string
	h.names, h.addresses, rest = hostsIn(text)
	rest = strings.TrimSpace(strings.TrimLeft(rest, ":-–—,;|]) "))
	if len(h.names)+len(h.addresses) == 0 || rest == "" {
		return h, false
	}
	var why string
	h.ports, why = parsePorts(rest)
	h.printed = rest
	return h, why == ""
}

// endHosts makes a role and its flows of the hosts of a list that have the same ports.
func (a *assembler) endHosts() {
	list := a.hosts
	a.hosts = nil
	var order []string
	byPorts := map[string][]hostLine{}
	for _, h := range list {
		key := fmt.Sprint(h.ports.groups, h.ports.choice)
		if byPorts[key] == nil {
			order = append(order, key)
		}
		byPorts[key] = append(byPorts[key], h)
	}
	for _, key := range order {
		a.hostFlows(byPorts[key], key, len(list) == 1)
	}
}

// hostFlows makes flows towards hosts that have the same ports. Their role is named by the line above the list, else by the heading.
func (a *assembler) hostFlows(list []hostLine, ports string, alone bool) {
	h := list[0]
	name := a.caption
	if name == "" && !alone {
		name = a.section
	}
	if name == "" {
		name = slices.Concat(h.names, h.addresses)[0]
	}
	if known, ok := a.listed[fold(name)]; ok && known != ports {
		name += " (" + h.printed + ")"
	}
	a.listed[fold(name)] = ports
	e := ends{from: a.originator(), to: a.roles.titled(clean(name, 200))}
	for _, h := range list {
		a.roles.extend(e.to, h.names, h.addresses)
	}
	for _, g := range h.ports.groups {
		for _, proto := range protosOf(g, nil, h.ports.labels) {
			f := a.flow(e, proto, g, &h.ports)
			f.Title = clean(name+": "+h.printed, 200)
			f.Cite = a.listCites(list)
			a.add(f)
		}
	}
}

// maxCites bounds the places that one flow cites; the last of them then reaches over all that is left.
const maxCites = 50

// listCites cites lines of a list, neighbours together.
func (a *assembler) listCites(list []hostLine) []rules.Cite {
	var cites []rules.Cite
	first := list[0].line
	for i, h := range list {
		if i+1 < len(list) && list[i+1].line == h.line+1 {
			continue
		}
		cites = append(cites, cite(first, h.line, a.section))
		if i+1 < len(list) {
			first = list[i+1].line
		}
		if len(cites) == maxCites-1 && i+1 < len(list) {
			return append(cites, cite(first, list[len(list)-1].line, a.section))
		}
	}
	return cites
}

// originator is the role that opens connections to the hosts of a list, as the heading says.
func (a *assembler) originator() string {
	if a.pair == nil {
		return a.roles.open(originatorNotStated)
	}
	a.pair.used = true
	return a.roles.printed(a.pair.from, originatorNotStated)
}
