package classify

import (
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
	for what, change := range map[string]func(*Audit){
		"packets read, by class":       func(a *Audit) { a.Packets.Classes[0].Packets-- },
		"packets read, by input":       func(a *Audit) { a.Inputs[0].Packets++ },
		"connections created":          func(a *Audit) { a.Connections.Open++ },
		"connections emitted, by verd": func(a *Audit) { a.Totals[0].Connections++ },
		"packets that the kernel":      func(a *Audit) { a.Coverage.Live[0].Dropped = 9 },
		"the result is":                func(a *Audit) { a.Result.Basis.Deviations, a.Result.Basis.Unexpected, a.Result.Basis.Missing = 0, 0, 0 },
		"lost":                         func(a *Audit) { a.Residuals = []string{"one is lost"} },
	} {
		a := part()
		change(a)
		if list := a.Contradictions(); len(list) != 1 || !strings.Contains(list[0], what) {
			t.Errorf("%s: %q", what, list)
		}
	}
}
