package classify

import (
	"slices"
	"strings"
	"testing"
)

// TestContradictions changes numbers of an audit, one at a time: each change is found, and an audit that nobody changed has none.
func TestContradictions(t *testing.T) {
	part := func() *Audit {
		return combineParts(t, livePart(t, testSite, randomConns(t, 300, 5), 0, 100, nil, testPack), livePart(t, testSite, randomConns(t, 300, 6), 100, 200, nil, testPack))
	}
	if list := part().Contradictions(); len(list) > 0 {
		t.Errorf("unchanged: %q", list)
	}
	finding := func(a *Audit, verdict string) *Finding {
		i := slices.IndexFunc(a.Findings, func(f Finding) bool { return f.Kind == kindConnection && f.Verdict == verdict })
		return &a.Findings[i]
	}
	// result is what follows from the facts once they were changed, so that they alone contradict.
	result := func(a *Audit, change func(*Basis)) {
		change(&a.Result.Basis)
		looks := a.Result.LookAt
		a.Result = a.Result.Basis.result()
		a.Result.LookAt = looks
	}
	for what, change := range map[string]func(*Audit){
		"packets read, by class: ":                    func(a *Audit) { a.Packets.Classes[0].Packets-- },
		"packets read, by input: ":                    func(a *Audit) { a.Inputs[0].Packets++ },
		"connections created, ":                       func(a *Audit) { a.Connections.Open++ },
		"connections emitted, by verdict: ":           func(a *Audit) { a.Connections.Emitted++; a.Connections.Created++; a.Connections.Ends[0].Packets++ },
		"connections emitted, by their end: ":         func(a *Audit) { a.Connections.Ends[0].Packets++ },
		"packets that the kernel counted on eth0, ":   func(a *Audit) { a.Coverage.Live[0].Dropped = 9 },
		"connections judged, by verdict: ":            func(a *Audit) { result(a, func(b *Basis) { b.Judged++ }) },
		"deviations, by verdict: ":                    func(a *Audit) { result(a, func(b *Basis) { b.Deviations = 0 }) },
		"indeterminate connections, by verdict: ":     func(a *Audit) { result(a, func(b *Basis) { b.Indeterminate = 0 }) },
		"unexpected connections beyond an attempt: ":  func(a *Audit) { result(a, func(b *Basis) { b.Unexpected = 1 << 20 }) },
		"connections that are deviation, by finding:": func(a *Audit) { finding(a, "deviation").Connections += 1 << 20; a.Result.LookAt = lookAt(a.Findings) },
		"connections that are unexpected, by finding": func(a *Audit) { finding(a, "unexpected").Kind = "no kind"; a.Result.LookAt = lookAt(a.Findings) },
		"do not belong together, by finding: ":        func(a *Audit) { result(a, func(b *Basis) { b.Coupled++ }) },
		"required expectations missing, by host: ":    func(a *Audit) { result(a, func(b *Basis) { b.Missing = 0 }) },
		"required expectations attempted, by host: ":  func(a *Audit) { result(a, func(b *Basis) { b.Attempted++ }) },
		"required expectations not testable, by host": func(a *Audit) { result(a, func(b *Basis) { b.Untestable++ }) },
		"the result is clean, and ":                   func(a *Audit) { a.Result.Verdict, a.Result.Code = "clean", 0 },
		"the result is deviations, and ":              func(a *Audit) { a.Result.Reasons = nil },
		"lost":                                        func(a *Audit) { a.Residuals = []string{"one is lost"} },
	} {
		a := part()
		change(a)
		if list := a.Contradictions(); len(list) != 1 || !strings.Contains(list[0], what) {
			t.Errorf("%s: %q", what, list)
		}
	}
	a := part() // beyond the limit there are fewer findings than connections
	a.Overflow, a.Findings = 7, slices.DeleteFunc(a.Findings, func(f Finding) bool { return f.Kind == kindConnection && !f.Decides })
	a.Result.LookAt = lookAt(a.Findings)
	if list := a.Contradictions(); len(list) > 0 {
		t.Errorf("beyond the limit: %q", list)
	}
}
