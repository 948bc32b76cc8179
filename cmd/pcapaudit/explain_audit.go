package main

import (
	"fmt"
	"slices"
	"strings"

	"pcapaudit/classify"
	"pcapaudit/reports"
	"pcapaudit/rules"
)

// explainedOfAudit explains a finding of an audit, else the expectation of a flow.
func (u *ui) explainedOfAudit(path, id string, f explainFlags) (*reports.Explained, error) {
	a, _, err := loadAudit(path)
	if err != nil {
		return nil, err
	}
	x := &reports.Explained{Subject: id, Notes: []string{}}
	found, missed := a.FindFinding(id)
	if missed != nil {
		if x.Expectation, err = a.ExplainExpectation(id); err != nil {
			advice := rules.Meant(id, subjects(a, strings.Contains(id, "/")))
			if n := nearestFinding(a, id); n != "" {
				advice = fmt.Sprintf("did you mean %q?", n)
			}
			return nil, exitError{exitUsage, hint(unknownSubject(a, id, missed, err), "%s; pcapaudit report %s --all shows them", advice, path)}
		}
		x.Notes = append(x.Notes, fmt.Sprintf("the statuses of the audit, of %s", path))
		return x, nil
	}
	x.Finding = found
	if found.Kind == "expectation" {
		if x.Expectation, err = a.ExplainExpectation(found.Flow); err != nil {
			x.Notes = append(x.Notes, err.Error())
		}
		return x, nil
	}
	set, notes, err := u.rulesOf(a, f)
	if err != nil {
		return nil, err
	}
	x.Notes = append(x.Notes, notes...)
	if set == nil {
		x.Notes = append(x.Notes, "the audit alone: it does not hold the flows that were no finding's")
		return x, nil
	}
	r, ok := classify.New(set, classify.Options{Tool: thisTool}).Reenact(found)
	switch {
	case !ok:
		x.Notes = append(x.Notes, "the audit alone: this finding names no connection")
		return x, nil
	case !r.Same && (found.Kind == "connection" || found.Kind == "question"):
		x.Notes = append(x.Notes, fmt.Sprintf("by these packs and this site its first connection is %s, in the audit it is %s", verdictWords(r.Verdict, r.Why), verdictWords(found.Verdict, found.Why)))
	}
	x.Connection = &r.Explanation
	x.Notes = append(x.Notes, "what the audit tells of the connection: its packets, and other connections, were not read again")
	return x, nil
}

func verdictWords(verdict string, why []string) string {
	return strings.Join(append([]string{verdict}, why...), " ")
}

// unknownSubject says what an audit does not have. An id that several findings or flows share is said so.
func unknownSubject(a *classify.Audit, id string, noFinding, noFlow error) error {
	for _, f := range a.Findings {
		if len(id) >= 4 && strings.HasPrefix(f.ID, id) {
			return noFinding
		}
	}
	for _, x := range a.Expectations {
		if strings.HasSuffix(x.Flow, "/"+id) {
			return noFlow
		}
	}
	return fmt.Errorf("the audit has no finding and expects no flow %.60q", id)
}

// subjects are what of an audit can be explained; flows with their packs or without.
func subjects(a *classify.Audit, qualified bool) []string {
	var names []string
	for i := range a.Findings {
		names = append(names, a.Findings[i].ID)
	}
	for i := range a.Expectations {
		name := a.Expectations[i].Flow
		if _, id, found := strings.Cut(name, "/"); found && !qualified {
			name = id
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// rulesOf loads packs and site of an audit from where it names them, or from where the flags do. The set is nil where that cannot be done, and the notes
// say why; they also say what is not the same any more. What the flags name must load.
func (u *ui) rulesOf(a *classify.Audit, f explainFlags) (set *rules.Set, notes []string, err error) {
	switch {
	case a.Pseudonyms != nil:
		return nil, []string{"packs and site were not read: addresses and names in the audit are pseudonyms"}, nil
	case f.site != "" || len(f.rules) > 0:
		return u.rulesInstead(a, f)
	}
	var site *rules.Site
	lacks := func(what, name string, problems []rules.Problem) (*rules.Set, []string, error) {
		return nil, append(notes, fmt.Sprintf("%s %s of the audit cannot be used: %s (--rules and --site name others)", what, name, problems[0])), nil
	}
	if s := a.Site; s != nil {
		loaded, problems := rules.LoadSite(s.File)
		if rules.Failed(problems) {
			return lacks("the site", s.File, problems)
		}
		site = loaded
		notes = append(notes, changed("the site "+s.File, site.SHA256, s.SHA256)...)
		for i, n := range s.Inventories {
			if i < len(site.HostsFrom) {
				notes = append(notes, changed("the inventory "+n.File, site.HostsFrom[i].SHA256, n.SHA256)...)
			}
		}
	}
	var packs []*rules.Pack
	for _, ref := range a.Packs {
		if inSite(a, ref) {
			continue
		}
		name := ref.File
		if name == "" {
			name = ref.Name
		}
		p, problems := rules.LoadPack(name)
		if rules.Failed(problems) {
			return lacks("the pack", name, problems)
		}
		packs = append(packs, p)
		notes = append(notes, changed("the pack "+name, p.SHA256, ref.SHA256)...)
	}
	set, problems := rules.Compile(packs, site)
	if set == nil {
		return lacks("packs and site", "", slices.DeleteFunc(problems, func(p rules.Problem) bool { return p.Severity != rules.Error }))
	}
	return set, notes, nil
}

// rulesInstead loads what the flags name, and for what they leave open what the audit names.
func (u *ui) rulesInstead(a *classify.Audit, f explainFlags) (*rules.Set, []string, error) {
	if f.site == "" && a.Site != nil {
		f.site = a.Site.File
	}
	if len(f.rules) == 0 {
		f.noBaseline = true // the audit's own list is whole
		for _, ref := range a.Packs {
			switch {
			case inSite(a, ref):
			case ref.File != "":
				f.rules = append(f.rules, ref.File)
			default:
				f.rules = append(f.rules, ref.Name)
			}
		}
	}
	set, _, err := u.ruleSet(auditFlags{rules: f.rules, site: f.site, noBaseline: f.noBaseline})
	return set, []string{"packs and site as given here, which may be others than the audit's"}, err
}

func changed(what, now, then string) []string {
	if now == then {
		return nil
	}
	return []string{fmt.Sprintf("%s has changed since: sha256 %s, the audit has %s", what, now, then)}
}
