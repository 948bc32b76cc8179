package classify

import "testing"

// TestOtherLeg: the side of a translated connection that is not judged makes no finding, is no observation, and is counted.
func TestOtherLeg(t *testing.T) {
	list := conns(t, "10.0.0.1:50000 > 10.0.0.10:9876\n10.0.0.10:61000 > 10.0.0.50:4444")
	a := New(set(t, testSite, testPack), Options{})
	for _, c := range list {
		c.OtherLeg = true
		j := a.judge(c)
		if got := words(j.export()); got != "out-of-scope translated-leg" {
			t.Errorf("%v: %s", c.Orig, got)
		}
		a.Observe(c)
	}
	out, err := a.Finish(captureOf(list))
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Findings) != 0 || len(out.OutOfScope) != 1 || out.OutOfScope[0].Reason != "translated-leg" || out.OutOfScope[0].Connections != 2 {
		t.Errorf("%d findings, out of scope %v", len(out.Findings), out.OutOfScope)
	}
	if status, reason := openStatus(out, "p/check-in", "agent-1"); status != "missing" && status != "not-testable" {
		t.Errorf("%s: %s", status, reason)
	}
}
