package classify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatrix(t *testing.T) {
	a := audit(t, set(t, testSite, testPack), `
		10.0.0.1:50000 > 10.0.0.10:9876 tcp established handshake
		10.0.0.2:40000 > 10.0.0.10:9876 tcp established handshake
		10.0.0.2:50 > 10.0.0.10:9876 tcp established handshake
		10.0.0.10:50000 > 10.0.0.1:9876 tcp established handshake
		10.0.0.50:50000 > 10.0.0.10:22 tcp established handshake
		10.0.99.9:50000 > 10.0.0.10:22 tcp established handshake
		10.0.0.10:50000 > 198.51.100.7:25 tcp established handshake
		192.0.2.1:50000 > 192.0.2.2:25 tcp established handshake
	`, nil)
	var got []string
	for _, c := range a.Matrix {
		got = append(got, fmt.Sprintf("%s > %s %s %s %s %d", c.From, c.To, c.Flow, c.Service, c.Verdict, c.Connections))
	}
	want := []string{
		"host without a role > p/server  tcp/22 unexpected 1",
		"no host of the site > p/server  tcp/22 unexpected 1",
		"p/agent > p/server p/check-in tcp/9876 deviation 1",
		"p/agent > p/server p/check-in tcp/9876 documented 2",
		"p/server > internet  tcp/25 unexpected 1",
		"p/server > p/agent p/check-in tcp/9876 deviation 1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("matrix (-want +got):\n%s", d)
	}
	var judged, inScope uint64
	for _, c := range a.Matrix {
		judged += c.Connections
	}
	for _, total := range a.Totals {
		if total.Verdict != "out-of-scope" {
			inScope += total.Connections
		}
	}
	if judged != inScope {
		t.Errorf("the matrix has %d connections, %d are in scope", judged, inScope)
	}
	if bare := audit(t, set(t, "", testPack), "10.0.0.1:50000 > 10.0.0.10:9876 tcp established handshake", nil); len(bare.Matrix) != 0 || bare.Matrix == nil {
		t.Errorf("without a site the matrix is %v, not an empty list", bare.Matrix)
	}
}

// A scan of many ports fills the cells, and the pair stays.
func TestMatrixIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range maxMatrix + 500 {
		fmt.Fprintf(&b, "10.0.0.50:50000 > 10.0.0.10:%d tcp refused handshake @%dms\n", 10000+i, i)
	}
	a := audit(t, set(t, testSite, testPack), b.String(), nil)
	var sum uint64
	for _, c := range a.Matrix {
		sum += c.Connections
	}
	at := slices.IndexFunc(a.Matrix, func(c MatrixCell) bool { return c.Service == otherServices })
	if len(a.Matrix) != maxMatrix+1 || sum != maxMatrix+500 || at < 0 || a.Matrix[at].Connections != 500 {
		t.Errorf("%d cells with %d connections", len(a.Matrix), sum)
	}
}

func TestLossSpans(t *testing.T) {
	a := audit(t, set(t, lossSite, testPack), lossTraffic(" missed=6", " missed=1"), nil)
	want := []LossSpan{{"2026-01-02T03:03:00.000000000Z", "2026-01-02T03:04:00.000000000Z", 7}}
	if d := cmp.Diff(want, a.Timeline.Losses); d != "" {
		t.Errorf("spans (-want +got):\n%s", d)
	}
	l := newLosses()
	minutes := map[int64]uint64{}
	for m := range int64(10_000) {
		minutes[29_000_000+m*3] = 2
	}
	l.pairs[networkPair{}] = &lossSum{minutes: minutes}
	spans := l.spans()
	var missed uint64
	for i, s := range spans {
		missed += s.Missed
		if s.From >= s.Until || i > 0 && spans[i-1].Until > s.From {
			t.Errorf("span %d: %s to %s", i, s.From, s.Until)
		}
	}
	if len(spans) > maxLossSpans+1 || missed != 20_000 {
		t.Errorf("%d spans with %d packets", len(spans), missed)
	}
}
