package classify

import (
	"slices"
	"strings"
	"testing"
)

// TestOtherLeg: the side of a translated connection that is not judged makes no finding, is no observation, and is counted.
func TestOtherLeg(t *testing.T) {
	list := conns(t, "10.0.0.1:50000 > 10.0.0.10:9876 tcp established\n10.0.0.10:61000 > 10.0.0.50:4444 tcp established")
	a := New(set(t, testSite, testPack), Options{})
	for _, c := range list {
		c.OtherLeg = true
		j := a.judge(c)
		if got := words(j.export()); got != "out-of-scope translated-leg" {
			t.Errorf("%v: %s", c.Orig, got)
		}
		a.Observe(c)
	}
	facts := captureOf(list)
	facts.Untold, facts.Untranslated = 2, 1
	out, err := a.Finish(facts)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range out.Findings {
		if f.Kind == "connection" {
			t.Errorf("%+v", f)
		}
	}
	if len(out.OutOfScope) != 1 || out.OutOfScope[0].Reason != "translated-leg" || out.OutOfScope[0].Connections != 2 {
		t.Errorf("out of scope %v", out.OutOfScope)
	}
	for _, want := range []string{"The true ends of all translated connections: 2 times", "The true ends of 1 connection that"} {
		if !slices.ContainsFunc(out.Coverage.CannotShow, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("no sentence begins %q", want)
		}
	}
	if status, reason := openStatus(out, "p/check-in", "agent-1"); status != "missing" && status != "not-testable" {
		t.Errorf("%s: %s", status, reason)
	}
}
