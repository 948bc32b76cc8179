package rules

import (
	"slices"
	"strings"
	"testing"
)

func TestPart(t *testing.T) {
	p, problems := LoadPack("acronis-abr-11.5")
	if p == nil {
		t.Fatal(problems)
	}
	for _, r := range p.Roles {
		part, err := p.Part(r.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(part.Roles, func(other Role) bool { return other.Name == r.Name }) {
			t.Errorf("the part about %s has not the role", r.Name)
		}
		for _, f := range p.Flows {
			joins := slices.Contains(f.From, r.Name) || slices.Contains(f.To, r.Name)
			if joins != slices.Contains(part.Flows, f) {
				t.Errorf("%s: flow %s, which joins it: %v", r.Name, f.ID, joins)
			}
		}
		for _, f := range part.Flows {
			for _, role := range slices.Concat(f.From, f.To) {
				if !slices.Contains(reservedRoles, role) && !slices.Contains(roleNames(part), role) {
					t.Errorf("%s: flow %s names %s, which is left out", r.Name, f.ID, role)
				}
			}
		}
	}
	c := p.Conditions[0].Name
	part, err := p.Part(c)
	if err != nil || len(part.Conditions) == 0 || part.Conditions[0].Name != c || len(part.Flows) == len(p.Flows) {
		t.Errorf("condition %s: %+v %v", c, part, err)
	}
	part, err = p.Part("agent-registers")
	if err != nil || len(part.Flows) != 1 || len(part.Roles) != 2 {
		t.Errorf("flow: %+v %v", part, err)
	}
	if _, err = p.Part("agnt"); err == nil || !strings.Contains(err.Error(), `no role, condition or flow "agnt"; did you mean "agent"?`) {
		t.Errorf("misspelt: %v", err)
	}
	if len(p.Flows) < 20 {
		t.Error("the pack itself has lost flows")
	}
}
