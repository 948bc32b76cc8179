package rules

import (
	"fmt"
	"slices"
	"strings"

	"pcapaudit/rules/inventory"
)

// maxRoleRules bounds the rules of one inventory: every host is held against each.
const maxRoleRules = 256

// rules checks which hosts of an inventory get which roles.
func (m *importer) rules(v *Inventory) {
	if len(v.Roles) > maxRoleRules {
		m.fail(fmt.Sprintf("%d rules for roles", len(v.Roles)), fmt.Sprintf("an inventory may have at most %d", maxRoleRules), &v.Roles, v)
	}
	for i := range v.Roles {
		r := &v.Roles[i]
		switch {
		case r.Column == "" && r.Group == "" && r.OU == "" && r.Name == "":
			m.fail("the rule for roles fits every host", "add column with is, group, ou or name; name: \"*\" if every host is meant", r)
		case r.Column != "" && r.Is == "":
			m.fail(fmt.Sprintf("the rule does not say which value of %s", r.Column), "add is", r)
		case r.Column == "" && r.Is != "":
			m.fail("the rule does not say the value of which column", "add column", r)
		case r.Group != "" && v.Kind != string(inventory.Ansible):
			m.fail("only ansible has groups", "use column, ou or name", &r.Group, r)
		case r.OU != "" && v.columns().OU == "":
			m.fail("no column holds distinguished names", "add columns: {ou: NAME}", &r.OU, r)
		case len(r.Roles) == 0:
			m.fail("the rule gives no roles", "add roles: [PACK/ROLE]", r)
		}
		for j := range r.Roles {
			if !isRoleName(r.Roles[j]) {
				m.fail(fmt.Sprintf("%q is no qualified role", r.Roles[j]), qualifiedAdvice("role", r.Roles[j], roleNames), &r.Roles[j], r)
			}
		}
	}
}

// rolesOf are the roles that a row has by the rules, and those that it names itself.
func (m *importer) rolesOf(v *Inventory, d *drafted, row *inventory.Row) {
	var units []string
	if cell := row.Cells[ouField]; cell.Text != "" {
		var ok bool
		if units, ok = inventory.Units(cell.Text); !ok {
			m.cell(v, cell, fmt.Sprintf("%q is no distinguished name", printable(cell.Text)), "export DistinguishedName as it is")
		}
	}
	for i := range v.Roles {
		if r := &v.Roles[i]; r.fits(d.name, units, row) {
			r.met = true
			for _, role := range r.Roles {
				d.role(role)
			}
		}
	}
	for _, role := range words(row.Cells[rolesField].Text) {
		if !isRoleName(role) {
			m.cell(v, row.Cells[rolesField], fmt.Sprintf("%q is no qualified role", printable(role)), "write PACK/ROLE, or map the column's values to roles")
			continue
		}
		d.role(role)
	}
}

func (r *RoleRule) fits(name string, units []string, row *inventory.Row) bool {
	switch {
	case r.Column != "" && !like(r.Is, row.Cells[r.at].Text):
	case r.Group != "" && !slices.ContainsFunc(row.Groups, func(g string) bool { return like(r.Group, g) }):
	case r.OU != "" && !within(units, strings.Split(r.OU, "/")):
	case r.Name != "" && !like(r.Name, name):
	default:
		return true
	}
	return false
}

// within says whether the units hold the path, without gaps.
func within(units, path []string) bool {
	for at := 0; at+len(path) <= len(units); at++ {
		same := true
		for i, p := range path {
			same = same && like(p, units[at+i])
		}
		if same {
			return true
		}
	}
	return false
}

// like compares text with a pattern in which "*" stands for any text; upper and lower case are the same.
func like(pattern, text string) bool {
	if !strings.Contains(pattern, "*") {
		return strings.EqualFold(pattern, text)
	}
	parts := strings.Split(strings.ToLower(pattern), "*")
	text = strings.ToLower(text)
	last := parts[len(parts)-1]
	if !strings.HasPrefix(text, parts[0]) || len(text) < len(parts[0])+len(last) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(parts[0]) : len(text)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(text, p)
		if !found {
			return false
		}
		text = after
	}
	return true
}

// words splits a cell that may hold several values.
func words(cell string) []string {
	return strings.FieldsFunc(cell, func(r rune) bool { return strings.ContainsRune(" ,;|\t\r\n", r) })
}

// unmet warns of rules that fit no host.
func (m *importer) unmet(v *Inventory) {
	for i := range v.Roles {
		r := &v.Roles[i]
		if r.met {
			continue
		}
		var wants []string
		if r.Column != "" {
			wants = append(wants, fmt.Sprintf("%s %q", r.Column, r.Is))
		}
		for _, w := range []struct{ what, value string }{{"group", r.Group}, {"ou", r.OU}, {"name", r.Name}} {
			if w.value != "" {
				wants = append(wants, fmt.Sprintf("%s %q", w.what, w.value))
			}
		}
		m.warn(fmt.Sprintf("no host of %s has %s", v.Path, strings.Join(wants, " and ")), "correct the rule or remove it: nobody gets its roles", r)
	}
}

// osOf is the family of an operating system as inventories word it; "" if it is not recognised.
func osOf(text string) string {
	text = strings.ToLower(text)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	switch {
	case slices.Contains(osNames, text):
		return text
	case has("windows") && has("2000", "2003", " xp", " nt"):
		return "windows-pre-vista"
	case has("windows"):
		return "windows"
	case has("linux", "ubuntu", "debian", "centos", "red hat", "redhat", "rhel", "suse", "sles", "rocky", "fedora"):
		return "linux"
	}
	return ""
}
