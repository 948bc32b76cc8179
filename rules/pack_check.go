package rules

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
)

var (
	linesForm = regexp.MustCompile(`^[1-9][0-9]{0,5}(-[1-9][0-9]{0,5})?$`)
	hostForm  = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$`)
)

// isName is true for words of small letters and digits that single dots or hyphens join.
func isName(s string) bool {
	joint := true
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			joint = false
		case joint || c != '.' && c != '-':
			return false
		default:
			joint = true
		}
	}
	return !joint
}

// packChecker checks one pack by itself and fills its defaults.
type packChecker struct {
	checker
	pack       *Pack
	documents  map[string]*Document
	roles      map[string]*Role
	conditions map[string]*Condition
	flows      map[string]*Flow
	used       map[string]bool // roles and, with a prefix, conditions that a flow uses
}

// checkPack reports what is wrong with a pack as read.
func checkPack(p *Pack, c checker) []Problem {
	k := &packChecker{checker: c, pack: p, documents: map[string]*Document{}, roles: map[string]*Role{},
		conditions: map[string]*Condition{}, flows: map[string]*Flow{}, used: map[string]bool{}}
	k.head()
	k.sources()
	k.declared()
	for _, f := range p.Flows {
		k.flow(f)
	}
	for _, f := range p.Flows {
		k.pairing(f)
	}
	k.unused()
	return k.problems
}

// oneOf reports a value that is not one of the words.
func (c *checker) oneOf(key string, value *string, entry any, words ...string) {
	if slices.Contains(words, *value) {
		return
	}
	known := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" })
	if *value == "" {
		c.fail(key+" is missing", "add it; known: "+strings.Join(known, ", "), value, entry)
		return
	}
	c.fail(fmt.Sprintf("%s is %q", key, *value), meant(*value, known), value, entry)
}

func fallback(value *string, otherwise string) {
	if *value == "" {
		*value = otherwise
	}
}

// ident reports a name that cannot be one, or that another entry has; former is that entry.
func ident[T any](c *checker, kind string, name *string, entry *T, seen map[string]*T) {
	if !isName(*name) {
		c.fail(fmt.Sprintf("%q is no %s", *name, kind), "write small letters, digits, dots and hyphens", name, entry)
		return
	}
	if before := seen[*name]; before != nil {
		c.fail(fmt.Sprintf("%s %q is given twice, first at %s", kind, *name, c.places.at(before)), "give one of them another name", name, entry)
		return
	}
	seen[*name] = entry
}

func (k *packChecker) head() {
	p := k.pack
	k.oneOf("kind", (*string)(&p.Kind), p, kindWords...)
	k.oneOf("status", (*string)(&p.Status), &p.Status, statusWords...)
	if !isName(p.Name) {
		k.fail(fmt.Sprintf("%q is no pack name", p.Name), "write small letters, digits, dots and hyphens", &p.Name)
	}
	if p.Name == localPack {
		k.fail(fmt.Sprintf("the pack name %q is reserved for a site's own flows", localPack), "choose another", &p.Name)
	}
	if p.Title == "" {
		k.fail("the pack has no title", "add title: what it describes", &p.Title)
	}
	if len(p.Flows) == 0 {
		k.fail("the pack has no flows", "add at least one", &p.Flows)
	}
}

// sources checks documents and the documented source ranges.
func (k *packChecker) sources() {
	for i := range k.pack.Documents {
		d := &k.pack.Documents[i]
		ident(&k.checker, "document id", &d.ID, d, k.documents)
		if d.Title == "" {
			k.fail(fmt.Sprintf("document %q has no title", d.ID), "add title", d)
		}
	}
	k.pack.ranges = map[string]PortRange{}
	families := make([]string, 0, len(k.pack.SourceRanges))
	for family := range k.pack.SourceRanges {
		families = append(families, family)
	}
	sort.Strings(families)
	for _, family := range families {
		if !slices.Contains(osNames, family) {
			k.fail(fmt.Sprintf("unknown OS family %q", family), meant(family, osNames), &k.pack.SourceRanges)
		}
		r, what := parsePortRange(k.pack.SourceRanges[family])
		if what != "" {
			k.fail(fmt.Sprintf("the source range %q of %s %s", k.pack.SourceRanges[family], family, what), "write FIRST-LAST with ports from 1 to 65535", &k.pack.SourceRanges)
			continue
		}
		k.pack.ranges[family] = r
	}
}

// declared checks roles and conditions.
func (k *packChecker) declared() {
	for i := range k.pack.Roles {
		r := &k.pack.Roles[i]
		if slices.Contains(reservedRoles, r.Name) {
			k.fail(fmt.Sprintf("the role %q is reserved", r.Name), "use it in flows without declaring it", &r.Name, r)
			k.used[r.Name] = true
			continue
		}
		ident(&k.checker, "role", &r.Name, r, k.roles)
		for j := range r.Addresses {
			if _, what, do := parseAddresses(r.Addresses[j]); what != "" {
				k.fail(what, do, &r.Addresses[j])
			}
		}
		for j := range r.Names {
			if what, do := badHostName(r.Names[j]); what != "" {
				k.fail(what, do, &r.Names[j])
			}
		}
	}
	for i := range k.pack.Conditions {
		c := &k.pack.Conditions[i]
		fallback(&c.Default, "unknown")
		ident(&k.checker, "condition", &c.Name, c, k.conditions)
		k.oneOf("default", &c.Default, c, stateWords...)
	}
}

// unused warns of roles and conditions that stand for nothing.
func (k *packChecker) unused() {
	for i := range k.pack.Roles {
		if r := &k.pack.Roles[i]; !k.used[r.Name] {
			k.warn(fmt.Sprintf("no flow uses the role %q", r.Name), "remove it or correct the flows", &r.Name, r)
		}
	}
	for i := range k.pack.Conditions {
		if c := &k.pack.Conditions[i]; !k.used["condition "+c.Name] {
			k.warn(fmt.Sprintf("no flow uses the condition %q", c.Name), "remove it or correct the flows", &c.Name, c)
		}
	}
}

func keys[T any](m map[string]*T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// roleNames checks the names in a flow's from or to. In a local pack a name may also be another pack's role or a host, which Compile resolves.
func (k *packChecker) roleNames(key string, f *Flow, names []string) {
	if len(names) == 0 {
		k.fail(fmt.Sprintf("flow %q has no %s", f.ID, key), "name at least one role", f)
	}
	for i := range names {
		known := k.roles[names[i]] != nil || slices.Contains(reservedRoles, names[i])
		if !known && k.pack.Kind != Local {
			k.fail(fmt.Sprintf("unknown role %q", names[i]), meant(names[i], append(keys(k.roles), reservedRoles...)), &names[i], f)
		}
		if before := slices.Index(names, names[i]); before < i {
			k.fail(fmt.Sprintf("role %q is given twice, first at %s", names[i], k.places.at(&names[before])), "keep one", &names[i], f)
		}
		k.used[names[i]] = true
	}
}

// cites checks that a vendor or baseline flow says where it is documented.
func (k *packChecker) cites(f *Flow) {
	if len(f.Cite) == 0 && k.pack.Kind != Local {
		k.fail(fmt.Sprintf("flow %q cites nothing", f.ID), "add cite: the document and its lines or section", f)
	}
	for i := range f.Cite {
		c := &f.Cite[i]
		d := k.documents[c.Document]
		switch {
		case d == nil:
			k.fail(fmt.Sprintf("unknown document %q", c.Document), meant(c.Document, keys(k.documents)), &c.Document, c)
		case c.Lines == "" && d.File != "":
			k.fail(fmt.Sprintf("the citation of %q has no lines", c.Document), `add lines: "109-111"`, c)
		case c.Lines != "" && !linesForm.MatchString(c.Lines):
			k.fail(fmt.Sprintf("lines is %q", c.Lines), `write "33" or "109-111", and another citation for other lines`, &c.Lines, c)
		case c.Lines == "" && c.Section == "":
			k.fail(fmt.Sprintf("the citation of %q names no place", c.Document), "add section: the heading or clause", c)
		}
		if first, last, ok := strings.Cut(c.Lines, "-"); ok && linesForm.MatchString(c.Lines) && (len(first) > len(last) || len(first) == len(last) && first > last) {
			k.fail(fmt.Sprintf("lines %q are reversed", c.Lines), fmt.Sprintf("write %s-%s", last, first), &c.Lines, c)
		}
	}
}
