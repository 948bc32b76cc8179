package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"pcapaudit/rules/inventory"
)

// drafted is a host of one inventory, of one row or of several with the same name.
type drafted struct {
	name      string
	unnamed   bool // name is made of an address
	pos       Pos
	addresses []draftedAddress
	names     []string
	os        string
	roles     []string
	over      bool // it has more names or roles than a host may
}

type draftedAddress struct {
	addr netip.Addr
	pos  Pos
}

func (d *drafted) role(role string) {
	switch {
	case slices.Contains(d.roles, role):
	case len(d.roles) == maxHostNames:
		d.over = true
	default:
		d.roles = append(d.roles, role)
	}
}

func (d *drafted) address(a netip.Addr, pos Pos) {
	if !slices.ContainsFunc(d.addresses, func(x draftedAddress) bool { return x.addr == a }) {
		d.addresses = append(d.addresses, draftedAddress{a, pos})
	}
}

func (d *drafted) alias(name string) {
	switch {
	case slices.ContainsFunc(d.names, func(n string) bool { return strings.EqualFold(n, name) }):
	case len(d.names) == maxHostNames:
		d.over = true
	default:
		d.names = append(d.names, name)
	}
}

// cell reports a mistake at a value of an inventory.
func (m *importer) cell(v *Inventory, c inventory.Cell, what, do string) {
	if len(m.problems) <= maxProblems {
		m.problems = append(m.problems, Problem{Pos: Pos{v.Path, c.Line, c.Col}, What: what, Do: do})
	}
}

// note warns at a place of an inventory.
func (m *importer) note(at Pos, what, do string) {
	if len(m.problems) <= maxProblems {
		m.problems = append(m.problems, Problem{Pos: at, Severity: Warning, What: what, Do: do})
	}
}

// left counts rows that are no hosts.
func (v *Inventory) left(reason string, rows int, first Pos) {
	if i := slices.IndexFunc(v.Left, func(l LeftRows) bool { return l.Reason == reason }); i >= 0 {
		v.Left[i].Rows += rows
		return
	}
	v.Left = append(v.Left, LeftRows{reason, rows, first})
}

// take makes hosts of the rows of a file, and gives those to the site that are neither typed nor known from an earlier inventory.
func (m *importer) take(v *Inventory, t *inventory.Table, f inventory.Format) {
	if m.absent(v, t, f) {
		return
	}
	v.Rows = t.Read
	for _, l := range t.Left {
		v.left(l.Reason, l.Rows, Pos{v.Path, l.Line, 1})
	}
	before := len(m.problems)
	list := m.draftHosts(v, t)
	if len(m.problems) > before && Failed(m.problems[before:]) {
		return
	}
	m.vouch = 0
	for _, d := range list {
		m.join(v, d)
	}
	if v.Kind == string(inventory.DHCP) && m.vouch > 0 {
		m.warn(fmt.Sprintf("hosts of earlier inventories with an address because a lease of %s has their name: %d; a client calls itself what it likes", v.Path, m.vouch), "prefer reservations, typed here or in another inventory", v)
	}
	m.unmet(v)
	if v.Kind == string(inventory.DHCP) && slices.ContainsFunc(v.Roles, func(r RoleRule) bool { return r.met && (r.Name != "" || r.Column != "") }) {
		m.warn(fmt.Sprintf("roles by what leases of %s say: a client calls itself what it likes", v.Path), "prefer reservations, typed here or in another inventory", &v.Roles, v)
	}
}

// lacking is why a row is left out.
const lacking = "neither address nor name by which responders are known"

// draftHosts reads the rows. Rows of one name are one host.
func (m *importer) draftHosts(v *Inventory, t *inventory.Table) []*drafted {
	var list []*drafted
	byName := make(map[string]*drafted, len(t.Rows))
	unknownOS, firstOS := 0, inventory.Cell{}
	for i := range t.Rows {
		row := &t.Rows[i]
		d := &drafted{pos: Pos{v.Path, row.Line, row.Col}}
		m.fill(v, d, row)
		if len(d.addresses) == 0 && len(d.names) == 0 {
			v.left(lacking, 1, d.pos)
			continue
		}
		if os := row.Cells[osField]; os.Text != "" {
			if d.os = osOf(os.Text); d.os == "" {
				if unknownOS++; unknownOS == 1 {
					firstOS = os
				}
			}
		}
		m.rolesOf(v, d, row)
		key := strings.ToLower(d.name)
		if first := byName[key]; first != nil {
			m.merge(first, d)
			d.over = d.over || first.over
		}
		if d.over {
			m.cell(v, row.Cells[nameField], fmt.Sprintf("more than %d names or roles of one host", maxHostNames), "type the host in the site")
			break
		}
		if byName[key] != nil {
			continue
		}
		byName[key] = d
		list = append(list, d)
	}
	if unknownOS > 0 {
		m.note(Pos{v.Path, firstOS.Line, firstOS.Col}, fmt.Sprintf("the operating system of %d rows is not recognised, first %q", unknownOS, printable(firstOS.Text)),
			"their source ports are held against all documented ranges; write "+strings.Join(osNames, ", "))
	}
	for _, l := range v.Left {
		if l.Reason == lacking && !Failed(m.problems) {
			m.note(l.First, fmt.Sprintf("%d rows have %s", l.Rows, lacking), "they are left out: nothing in a capture could be theirs")
		}
	}
	return list
}

// fill reads the name and the addresses of a row.
func (m *importer) fill(v *Inventory, d *drafted, row *inventory.Row) {
	d.name = row.Cells[nameField].Text
	if what := badText(d.name, false); what != "" && v.Kind == string(inventory.DHCP) {
		d.name = "" // what clients call themselves may be anything
	} else if what != "" {
		m.cell(v, row.Cells[nameField], "the name "+what, "write plain text")
	}
	for _, cell := range row.Cells[addressField : addressField+len(v.columns().Address)] {
		m.addresses(v, d, cell)
	}
	if v.Kind == string(inventory.Ansible) && len(d.addresses) == 0 {
		if a, err := netip.ParseAddr(d.name); err == nil && a.Zone() == "" {
			d.address(a.Unmap(), d.pos)
		} else if what, _ := badHostName(d.name); what == "" && strings.Contains(d.name, ".") {
			d.alias(d.name)
		}
	}
	cell := row.Cells[namesField]
	for _, name := range words(cell.Text) {
		switch what, do := badHostName(name); {
		case what == "":
			d.alias(name)
		case v.Kind != string(inventory.DHCP):
			m.cell(v, cell, what, do)
		}
	}
	if d.name == "" && len(d.names) > 0 {
		d.name = d.names[0]
	}
	if d.name == "" || isPartyWord(d.name) || strings.Contains(d.name, "/") {
		switch {
		case len(d.addresses) > 0: // an address is not a name in a site
			d.unnamed, d.name = true, "host-"+d.addresses[0].addr.String()
		default:
			d.name = strings.ReplaceAll("host-"+d.name, "/", "-")
		}
	}
}

// nothing are words for an empty cell.
var nothing = []string{"-", "--", "n/a", "none", "null", "dhcp", "unknown", "#n/a"}

// addresses reads a cell with addresses.
func (m *importer) addresses(v *Inventory, d *drafted, cell inventory.Cell) {
	if slices.Contains(nothing, strings.ToLower(cell.Text)) {
		return
	}
	for _, text := range words(cell.Text) {
		a, err := netip.ParseAddr(text)
		a = a.Unmap()
		switch {
		case err != nil && v.Kind == string(inventory.Ansible): // what is connected to may also be a name
			if what, _ := badHostName(text); what == "" {
				d.alias(text)
				continue
			}
			fallthrough
		case err != nil || a.Zone() != "":
			m.cell(v, cell, fmt.Sprintf("%q is no address", printable(text)), "write one or several, such as 192.0.2.7; correct the export or the mapping of columns")
			return
		case a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a == limitedBroadcast:
			m.cell(v, cell, fmt.Sprintf("%s is no host's address", a), "correct the export")
			return
		case len(d.addresses) >= maxHostAddresses:
			m.cell(v, cell, fmt.Sprintf("more than %d addresses of one host", maxHostAddresses), "type the host in the site, with prefixes")
			return
		default:
			d.address(a, Pos{v.Path, cell.Line, cell.Col})
		}
	}
}

// merge adds a row to an earlier one of the same name.
func (m *importer) merge(first, d *drafted) {
	for _, a := range d.addresses {
		if len(first.addresses) < maxHostAddresses {
			first.address(a.addr, a.pos)
		} else {
			m.note(a.pos, fmt.Sprintf("%q has more than %d addresses", first.name, maxHostAddresses), "the others are left out; type the host in the site, with prefixes")
			break
		}
	}
	for _, n := range d.names {
		first.alias(n)
	}
	for _, r := range d.roles {
		first.role(r)
	}
	switch {
	case first.os == "":
		first.os = d.os
	case d.os != "" && d.os != first.os:
		m.note(d.pos, fmt.Sprintf("%q is %s here and %s at %s", first.name, d.os, first.os, first.pos), "the first holds; correct one of the rows")
	}
}
