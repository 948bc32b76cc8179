package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Part is the part of a pack that a role, a condition or a flow of that name is about: the flows that it joins, that hang on it, or that it is, with the
// roles, conditions and documents that these name. A name that is several of them stands for all. Of an unknown name the error says which is nearest.
// The pack shares its entries with p and is for showing only.
func (p *Pack) Part(name string) (*Pack, error) {
	part := *p
	part.Flows = keep(p.Flows, func(f *Flow) bool {
		return f.ID == name || strings.TrimPrefix(f.Condition, "!") == name || slices.Contains(f.From, name) || slices.Contains(f.To, name)
	})
	known := slices.Concat(roleNames(p), conditionNames(p), flowNames(p))
	if !slices.Contains(known, name) {
		return nil, fmt.Errorf("the pack %s has no role, condition or flow %q; %s", p.Name, printable(name), meant(name, known))
	}
	named := func(in func(*Flow) bool) bool { return slices.ContainsFunc(part.Flows, in) }
	part.Roles = keep(p.Roles, func(r Role) bool {
		return r.Name == name || named(func(f *Flow) bool { return slices.Contains(f.From, r.Name) || slices.Contains(f.To, r.Name) })
	})
	part.Conditions = keep(p.Conditions, func(c Condition) bool {
		return c.Name == name || named(func(f *Flow) bool { return strings.TrimPrefix(f.Condition, "!") == c.Name })
	})
	part.Documents = keep(p.Documents, func(d Document) bool {
		return named(func(f *Flow) bool {
			return slices.ContainsFunc(f.Cite, func(c Cite) bool { return c.Document == d.ID })
		})
	})
	return &part, nil
}

// keep is a new list of the entries that are wanted, never nil.
func keep[T any](list []T, wanted func(T) bool) []T {
	return slices.DeleteFunc(append([]T{}, list...), func(one T) bool { return !wanted(one) })
}

// qualifiedAdvice says how the name of a role, condition or flow is written with its pack, and which embedded packs have that name, or the nearest one.
func qualifiedAdvice(kind, name string, names func(*Pack) []string) string {
	advice := "write PACK/" + strings.ToUpper(kind)
	having := map[string][]string{}
	for _, p := range embeddedPacks() {
		for _, n := range names(p) {
			having[n] = append(having[n], p.Name+"/"+n)
		}
	}
	if having[name] == nil {
		name = nearest(name, slices.Sorted(maps.Keys(having)))
	}
	if list := having[name]; len(list) > 0 {
		return advice + ", such as " + strings.Join(list[:min(len(list), 3)], " or ")
	}
	return advice
}

// embeddedPacks are all of them, loaded once: a site may have thousands of mistakes.
var embeddedPacks = sync.OnceValue(func() []*Pack {
	var packs []*Pack
	for _, b := range builtin {
		if p, _ := loadBuiltin(b.Name); p != nil {
			packs = append(packs, p)
		}
	}
	return packs
})
