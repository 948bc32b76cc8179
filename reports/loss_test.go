package reports

import (
	"bytes"
	"strings"
	"testing"

	"pcapaudit/classify"
)

func TestLossIsCalledAnEstimate(t *testing.T) {
	for _, c := range []struct {
		dropped uint64
		loss    classify.Loss
		want    string
	}{
		{0, classify.Loss{}, "none reported (bound 1 %)"},
		{0, classify.Loss{Missed: 12, Percent: 1.5}, "none reported, 12 packets missing by estimate, 1.50 % of TCP (bound 1 %)"},
		{3, classify.Loss{Missed: 1, Percent: 0.25}, "3 packets reported, 2.00 %, 1 packet missing by estimate, 0.25 % of TCP (bound 1 %)"},
	} {
		a := sampleAudit()
		a.Coverage.Dropped, a.Coverage.LossPercent, a.Coverage.Loss = c.dropped, 2, c.loss
		var b bytes.Buffer
		if err := writeTable(&b, a, Look{Width: 200}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), c.want) {
			t.Errorf("no %q in\n%s", c.want, b.String())
		}
	}
}
