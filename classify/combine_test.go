package classify

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func source(file string, a *Audit) Source {
	return Source{File: file, SHA256: strings.Repeat("0", 63) + file[:1], Audit: a}
}

// TestCombineAgainstOneAudit holds two combined audits against one of all their connections.
func TestCombineAgainstOneAudit(t *testing.T) {
	list := randomConns(t, 4000, 9)
	whole := New(set(t, testSite, testPack), Options{})
	parts := [2]*Auditor{New(set(t, testSite, testPack), Options{}), New(set(t, testSite, testPack), Options{})}
	for i, c := range list {
		whole.Observe(c)
		parts[i*2/len(list)].Observe(c)
	}
	one, err := whole.Finish(captureOf(list))
	if err != nil {
		t.Fatal(err)
	}
	var sources []Source
	for i, p := range parts {
		facts := captureOf(list[i*len(list)/2 : (i+1)*len(list)/2])
		facts.Inputs[0].Name, facts.Inputs[0].SHA256 = fmt.Sprintf("%d.pcap", i), fmt.Sprintf("%064d", i)
		a, err := p.Finish(facts)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, source(fmt.Sprintf("%d.json", i), a))
	}
	both, err := Combine(sources, Tool{})
	if err != nil {
		t.Fatal(err)
	}
	uncontradicted(t, reload(t, both))
	if !reflect.DeepEqual(both.Totals, one.Totals) || !reflect.DeepEqual(both.Kinds, one.Kinds) || both.Packets.Read != one.Packets.Read || both.Connections.Emitted != one.Connections.Emitted {
		t.Errorf("sums differ:\n%v\n%v", both.Totals, one.Totals)
	}
	if got, want := both.Result.Basis, one.Result.Basis; got.Judged != want.Judged || got.Deviations != want.Deviations || got.Unexpected != want.Unexpected || got.Indeterminate != want.Indeterminate {
		t.Errorf("the result rests on %+v, want %+v", got, want)
	}
	sameFindings(t, both, one)
	singly := map[flowHost]HostStatus{}
	for k, h := range hostStatuses(one) {
		singly[k] = h
	}
	for k, h := range hostStatuses(both) {
		if h.Status == "observed" && singly[k].Status != "observed" {
			t.Errorf("%v is observed, in one audit %s", k, singly[k].Status)
		}
		if unmet(h.Status) && !unmet(singly[k].Status) && k.flow != "p/both-ports" {
			t.Errorf("%v is %s, in one audit %s: %s", k, h.Status, singly[k].Status, h.Reason)
		}
	}
	for _, x := range both.Expectations {
		n := 0
		for _, s := range x.Statuses {
			n += s.Hosts
		}
		if n != x.Hosts || n != len(x.Open)+len(x.Observed) {
			t.Errorf("%s: %d hosts by status, %d in all", x.Flow, n, x.Hosts)
		}
	}
}

// sameFindings holds those about connections against each other: all that is a sum, and the first evidence.
func sameFindings(t *testing.T, got, want *Audit) {
	t.Helper()
	byID := map[string]*Finding{}
	for i := range got.Findings {
		byID[got.Findings[i].ID] = &got.Findings[i]
	}
	for i := range want.Findings {
		w := &want.Findings[i]
		if w.Kind != kindConnection && w.Kind != kindQuestion {
			continue
		}
		g := byID[w.ID]
		if g == nil {
			t.Errorf("%s %s is missing", w.ID, w.Summary)
			continue
		}
		outcomes := slices.SortedFunc(slices.Values(g.Outcomes), func(a, b OutcomeCount) int { return cmp.Compare(a.Outcome, b.Outcome) })
		wanted := slices.SortedFunc(slices.Values(w.Outcomes), func(a, b OutcomeCount) int { return cmp.Compare(a.Outcome, b.Outcome) })
		if g.Connections != w.Connections || g.Bytes != w.Bytes || g.Severity != w.Severity || g.Decides != w.Decides || g.SourcePorts != w.SourcePorts || g.First != w.First || g.Last != w.Last ||
			g.Service != w.Service || !reflect.DeepEqual(outcomes, wanted) {
			t.Errorf("%s:\n%+v\n%+v", w.ID, g, w)
		}
		if w.Kind == kindConnection && g.Summary != w.Summary {
			t.Errorf("summary %q, in one audit %q", g.Summary, w.Summary)
		}
	}
}

func TestMergeStatuses(t *testing.T) {
	status := func(text string) told {
		words := strings.Fields(text)
		h := HostStatus{Host: "h", Status: words[0], Reason: text}
		for _, w := range words[1:] {
			if w == "decides" {
				h.Decides = true
			} else {
				h.Cause = w
			}
		}
		return told{HostStatus: h, file: "f.json"}
	}
	for _, c := range []struct{ of, want string }{
		{"observed; missing decides", "observed"},
		{"not-testable blind decides; observed", "observed"},
		{"missing decides; missing decides", "missing decides"},
		{"missing decides; not-testable silent decides", "missing decides"},
		{"missing decides; not-testable vantage decides", "missing decides"},
		{"missing decides; not-testable blind decides", "not-testable decides"},
		{"missing decides; not-testable strange-cause", "not-testable decides"},
		{"attempted decides; not-testable blind", "not-testable decides"},
		{"attempted decides; missing decides", "attempted decides"},
		{"attempted; missing decides", "attempted decides"},
		{"attempted; not-observed", "attempted"},
		{"missing decides; not-triggered", "missing decides"},
		{"not-observed; not-testable blind decides", "not-testable decides"},
		{"not-observed; not-testable silent", "not-observed"},
		{"not-testable silent decides; not-testable vantage", "not-testable decides"},
		{"not-triggered; not-testable silent decides", "not-testable decides"},
		{"not-triggered; not-triggered", "not-triggered"},
		{"not-testable site; not-testable site", "not-testable"},
		{"odd; not-observed", "not-testable"},
	} {
		var of, turned []told
		for text := range strings.SplitSeq(c.of, "; ") {
			of = append(of, status(text))
		}
		turned = append(turned, of...)
		slices.Reverse(turned)
		for _, list := range [][]told{of, turned} {
			got := mergeStatuses(list)
			text := statusOfName(got.Status).String()
			if got.Decides {
				text += " decides"
			}
			if text != c.want {
				t.Errorf("%s: got %s, want %s", c.of, text, c.want)
			}
		}
	}
}

func TestCombinePeriods(t *testing.T) {
	at := func(p Period) *Audit {
		a := auditOf(t, 10, uint64(len(p.CoveredFrom))+uint64(p.CoveredFrom[12]), p.CoveredFrom)
		a.Period = p
		return a
	}
	stamp := func(h string) string { return "2026-01-02T" + h + ":00.000000000Z" }
	night := Period{CoveredFrom: stamp("03:00"), CoveredLast: stamp("05:00"), Gaps: []Gap{{stamp("03:30"), stamp("04:00")}}}
	for _, c := range []struct {
		other Period
		gaps  string
		share bool
	}{
		{Period{CoveredFrom: stamp("06:00"), CoveredLast: stamp("07:00")}, "[{03:30 04:00} {05:00 06:00}]", false},
		{Period{CoveredFrom: stamp("02:00"), CoveredLast: stamp("03:45")}, "[{03:45 04:00}]", true},
		{Period{CoveredFrom: stamp("01:00"), CoveredLast: stamp("09:00")}, "[]", true},
	} {
		a, err := Combine([]Source{source("a.json", at(night)), source("b.json", at(c.other))}, Tool{})
		if err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(strings.ReplaceAll(fmt.Sprint(a.Period.Gaps), "2026-01-02T", ""), ":00.000000000Z", "")
		if got != c.gaps || strings.Contains(a.Coverage.CannotShow[0], "two capture points") != c.share {
			t.Errorf("gaps %s, want %s; %s", got, c.gaps, a.Coverage.CannotShow[0])
		}
	}
}

// TestCombineKnowsEveryField fails where the audit has grown by something that is not combined yet.
func TestCombineKnowsEveryField(t *testing.T) {
	combined := strings.Fields("Schema Tool Parts Result Inputs Packs Site Period Packets Connections Coverage Totals Kinds Baseline Flows Findings Overflow Expectations OutOfScope Unverified Encryption " +
		"Observations Timeline Matrix SourcePorts Exceptions Inventory Pseudonyms Warnings Residuals")
	no := strings.Fields("Invocation Evidence Compared Annotations Rules") // of one run, or added to the combined audit by itself
	kind := reflect.TypeFor[Audit]()
	for i := range kind.NumField() {
		if name := kind.Field(i).Name; !slices.Contains(combined, name) && !slices.Contains(no, name) {
			t.Errorf("Audit.%s is not combined", name)
		}
	}
	a, b := auditOf(t, 2000, 3, "a.pcap"), auditOf(t, 2000, 4, "b.pcap")
	out, err := Combine([]Source{source("a.json", a), source("b.json", b)}, Tool{Name: "pcapaudit", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range combined {
		empty := func(a *Audit) bool {
			v := reflect.ValueOf(a).Elem().FieldByName(name)
			return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
		}
		if empty(out) && !(empty(a) && empty(b)) {
			t.Errorf("Audit.%s is empty", name)
		}
	}
	if again := encoded(t, out); strings.Contains(string(again), "null") {
		t.Error("null in a combined audit")
	}
	for i, f := range out.Findings {
		for _, e := range f.Evidence {
			if file, _, _ := strings.Cut(e.ID, ":"); (file == "0") != (e.File == out.Inputs[0].Name) {
				t.Fatalf("finding %d: evidence %s is of %s", i, e.ID, e.File)
			}
		}
	}
}
