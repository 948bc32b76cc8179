package reports

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"pcapaudit/classify"
)

func oscalOf(t *testing.T, a *classify.Audit, look Look) oscalAssessment {
	t.Helper()
	var doc oscalDocument
	if err := json.Unmarshal(render(t, Format{"oscal", ".oscal.json", writeOSCAL}, a, look), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Results
}

// satisfiable is an audit with one flow of which every host was observed.
func satisfiable() *classify.Audit {
	return &classify.Audit{Site: &classify.SiteRef{Name: "plant"}, Expectations: []classify.Expectation{{Flow: "p/f", Title: "agents register", Hosts: 2, Summary: "2 of 2 observed",
		Statuses: []classify.StatusCount{{Status: "observed", Hosts: 2}}}}}
}

// TestOSCALSatisfiesOnlyWhatWasObservedWhole: any host that is open for any reason, any finding about the flow, also an excepted one, and a ledger that does not
// balance leave no satisfied finding.
func TestOSCALSatisfiesOnlyWhatWasObservedWhole(t *testing.T) {
	if f := oscalOf(t, satisfiable(), Look{}).Results[0].Findings; len(f) != 1 || f[0].Target.Status != (oscalState{"satisfied", "pass"}) {
		t.Fatalf("the plain case gives %+v", f)
	}
	spoil := map[string]func(*classify.Audit){
		"ledger": func(a *classify.Audit) { a.Residuals = []string{"1 packet read, 0 in classes"} },
		"nobody": func(a *classify.Audit) { a.Expectations[0].Hosts, a.Expectations[0].Statuses = 0, nil },
		"excepted": func(a *classify.Audit) {
			a.Findings = []classify.Finding{{ID: "1", Kind: "connection", Verdict: "excepted", Flow: "p/f"}}
		},
		"question": func(a *classify.Audit) {
			a.Findings = []classify.Finding{{ID: "1", Kind: "question", Verdict: "indeterminate", Flow: "p/f"}}
		},
	}
	for _, status := range []string{"missing", "attempted", "not-observed", "not-triggered", "not-testable"} {
		spoil[status] = func(a *classify.Audit) {
			e := &a.Expectations[0]
			e.Statuses = []classify.StatusCount{{Status: "observed", Hosts: 1}, {Status: status, Hosts: 1}}
			e.Open = []classify.HostStatus{{Host: "b", Status: status, Reason: "for a reason"}}
		}
	}
	for name, change := range spoil {
		a := satisfiable()
		change(a)
		r := oscalOf(t, a, Look{}).Results[0]
		for _, f := range r.Findings {
			if f.Target.Status.State != "not-satisfied" {
				t.Errorf("%s: %+v", name, f.Target)
			}
		}
		if len(r.Observations) == 0 {
			t.Errorf("%s: nothing observed", name)
		}
	}
}

// TestOSCALFindings: the result's findings are not satisfied with an open risk, an excepted one has an approved risk, and what is not sure is an observation.
func TestOSCALFindings(t *testing.T) {
	a := sampleAudit()
	a.Findings = []classify.Finding{
		{ID: "1", Kind: "connection", Verdict: "unexpected", Summary: "one", Decides: true, Evidence: a.Findings[0].Evidence},
		{ID: "2", Kind: "connection", Verdict: "excepted", Summary: "two", Exception: "EX-1"},
		{ID: "3", Kind: "expectation", Verdict: "not-testable", Summary: "three", Flow: "p/f", Decides: true},
		{ID: "4", Kind: "connection", Verdict: "indeterminate", Summary: "four", Decides: true},
		{ID: "5", Kind: "expectation", Verdict: "attempted", Summary: "five", Flow: "p/g", Decides: true},
	}
	a.Expectations = nil
	r := oscalOf(t, a, Look{}).Results[0]
	want := []struct{ title, target, reason, risk string }{
		{"one", onlyDocumented, "fail", "open"}, {"two", onlyDocumented, "other", "deviation-approved"}, {"five", "p_g", "other", "open"}}
	if len(r.Observations) != 5 || len(r.Findings) != len(want) || len(r.Risks) != len(want) {
		t.Fatalf("%d observations, %d findings, %d risks", len(r.Observations), len(r.Findings), len(r.Risks))
	}
	for i, w := range want {
		f := r.Findings[i]
		if f.Title != w.title || f.Target.ID != w.target || f.Target.Status != (oscalState{"not-satisfied", w.reason}) || r.Risks[i].Status != w.risk {
			t.Errorf("finding %d: %+v, risk %s", i, f, r.Risks[i].Status)
		}
	}
	if e := r.Observations[0].Evidence[0]; !strings.HasPrefix(e.Href, "#") || e.Props[2].Value != strings.Repeat("ab", 32) {
		t.Errorf("evidence %+v", e)
	}
}

var uuidPattern = regexp.MustCompile(`"(#?)([0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})"`)

// TestOSCALReferences: every UUID is defined once, every reference is to one that is, and other content has other UUIDs.
func TestOSCALReferences(t *testing.T) {
	definition := regexp.MustCompile(`"uuid": "([^"]*)"`)
	look := Look{Controls: []string{"nist-800-53"}}
	text := string(render(t, Format{"oscal", ".oscal.json", writeOSCAL}, sampleAudit(), look))
	defined := map[string]bool{}
	for _, m := range definition.FindAllStringSubmatch(text, -1) {
		if defined[m[1]] {
			t.Errorf("%s is defined twice", m[1])
		}
		defined[m[1]] = true
	}
	for _, m := range uuidPattern.FindAllStringSubmatch(text, -1) {
		if !defined[m[2]] {
			t.Errorf("%s leads nowhere", m[0])
		}
	}
	other := sampleAudit()
	other.Totals[0].Connections++
	if first := definition.FindStringSubmatch(string(render(t, Format{"oscal", ".oscal.json", writeOSCAL}, other, look))); defined[first[1]] {
		t.Error("another audit has the same UUIDs")
	}
}

func TestOSCALPlanDateAndControls(t *testing.T) {
	a := sampleAudit()
	none := oscalOf(t, a, Look{})
	if none.Plan.Href != "#"+none.BackMatter.Resources[len(none.BackMatter.Resources)-1].UUID {
		t.Errorf("without a plan the reference is %s", none.Plan.Href)
	}
	d := oscalOf(t, a, Look{Plan: "https://example.org/plan.json#x", Epoch: 1767323045, Controls: []string{"nist-800-53", "iec-62443"}})
	if d.Plan.Href != "https://example.org/plan.json#x" || d.Metadata.Modified != "2026-01-02T03:04:05Z" {
		t.Errorf("plan %+v, date %s", d.Plan, d.Metadata.Modified)
	}
	if s := d.Results[0].Reviewed.Selections; len(s) != 2 || s[0].Include[0].ID != "cm-7" || !strings.Contains(s[1].Description, "Supporting evidence only") {
		t.Errorf("controls %+v", s)
	}
	if err := writeOSCAL(fullWriter{}, a, Look{Controls: []string{"cm-7"}}); err == nil || !strings.Contains(err.Error(), "nist-800-53") {
		t.Errorf("an unknown set: %v", err)
	}
}
