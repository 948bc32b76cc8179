package reports

import (
	"encoding/xml"
	"strings"
	"testing"

	"pcapaudit/classify"
)

func junitOf(t *testing.T, a *classify.Audit) map[string]junitCase {
	t.Helper()
	var suites junitSuites
	if err := xml.Unmarshal(render(t, Format{"junit", ".junit.xml", writeJUnit}, a, Look{}), &suites); err != nil {
		t.Fatal(err)
	}
	cases := map[string]junitCase{}
	for _, s := range suites.Suites {
		for _, c := range s.Cases {
			cases[c.Class+" "+c.Name] = c
		}
		if s.Time != "0" || s.Tests != len(s.Cases) {
			t.Errorf("suite %s: time %s, %d tests of %d", s.Name, s.Time, s.Tests, len(s.Cases))
		}
	}
	return cases
}

func (c junitCase) state() string {
	switch {
	case c.Failure != nil:
		return "failure"
	case c.Error != nil:
		return "error"
	case c.Skipped != nil:
		return "skipped"
	}
	return "passed"
}

// TestJUnitPassesOnlyWhatWasObserved goes through every status; hosts beyond those that the audit names are counted in one case.
func TestJUnitPassesOnlyWhatWasObserved(t *testing.T) {
	status := func(host, status, reason string) classify.HostStatus {
		return classify.HostStatus{Host: host, Status: status, Reason: reason}
	}
	a := &classify.Audit{
		Result: classify.Result{Verdict: "deviations", Text: "the traffic judged deviates from the documents", Code: 1},
		Expectations: []classify.Expectation{
			{Flow: "p/required", Service: "tcp/1", Need: "required", Hosts: 30, Summary: "5 of 30 observed",
				Statuses: []classify.StatusCount{{Status: "observed", Hosts: 5}, {Status: "missing", Hosts: 20}, {Status: "attempted", Hosts: 1}, {Status: "not-testable", Hosts: 4}},
				Open: []classify.HostStatus{status("a", "missing", "a is active, but never opened it"), status("b", "attempted", "attempted, no connection: b tried tcp/1, 1 refused"),
					status("c", "not-testable", "c was never seen")}},
			{Flow: "p/optional", Hosts: 2, Statuses: []classify.StatusCount{{Status: "attempted", Hosts: 1}, {Status: "not-observed", Hosts: 1}},
				Open: []classify.HostStatus{status("b", "attempted", "attempted, no connection: b tried it"), status("c", "not-observed", "not required")}},
			{Flow: "p/off", Hosts: 1, Statuses: []classify.StatusCount{{Status: "not-triggered", Hosts: 1}}, Open: []classify.HostStatus{status("c", "not-triggered", "its condition is off")}},
			{Flow: "p/unbound", Summary: "not testable: no host of the site holds agent"},
		},
		Findings: []classify.Finding{{ID: "1", Kind: "expectation", Verdict: "attempted", Flow: "p/required", Decides: true}, {ID: "2", Kind: "connection", Verdict: "unexpected", Summary: "x opened y", Decides: true},
			{ID: "3", Kind: "connection", Verdict: "excepted", Summary: "x opened z", Exception: "EX-1"}, {ID: "4", Kind: "connection", Verdict: "unexpected", Summary: "x tried y"}},
	}
	cases := junitOf(t, a)
	want := map[string]string{
		"p required: a": "failure", "p required: b": "failure", "p required: c": "skipped",
		"p required: 5 of 30 hosts observed": "passed", "p required: 19 of 30 hosts missing": "failure", "p required: 3 of 30 hosts not-testable": "skipped",
		"p optional: b": "skipped", "p optional: c": "skipped", "p off: c": "skipped", "p unbound": "skipped",
		"connection x opened y [2]": "failure", "connection x opened z [3]": "skipped",
		"result no deviation found in the traffic judged": "failure",
	}
	for name, state := range want {
		if c, there := cases[name]; !there || c.state() != state {
			t.Errorf("%s: %v %s, want %s", name, there, c.state(), state)
		}
	}
	if len(cases) != len(want) {
		t.Errorf("%d cases, want %d", len(cases), len(want))
	}
	if m := cases["p required: b"].Failure.Message; m != "attempted, no connection: b tried tcp/1, 1 refused" {
		t.Errorf("attempted reads %q", m)
	}
	if m := cases["p required: c"].Skipped.Message; !strings.Contains(m, "c was never seen") {
		t.Errorf("not testable reads %q", m)
	}
}

// TestJUnitNeverPassesMoreThanTheExitCode: a gate that reads only this file stops where the exit code is not 0, and an audit that does not add up is an error.
func TestJUnitNeverPassesMoreThanTheExitCode(t *testing.T) {
	for verdict, want := range map[string]string{"clean": "passed", "deviations": "failure", "inconclusive": "error", "": "error"} {
		cases := junitOf(t, &classify.Audit{Result: classify.Result{Verdict: verdict}})
		if got := cases["result no deviation found in the traffic judged"].state(); got != want {
			t.Errorf("%q: %s, want %s", verdict, got, want)
		}
	}
	cases := junitOf(t, &classify.Audit{Result: classify.Result{Verdict: "clean"}, Residuals: []string{"1 packet read, 0 in classes"}, Overflow: 2})
	if cases["result no deviation found in the traffic judged"].state() != "error" || cases["connection connections beyond the limit of findings"].state() != "failure" {
		t.Errorf("got %v", cases)
	}
}
