package classify

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

func TestGapsAreAllThatWasNotCovered(t *testing.T) {
	for _, c := range []struct {
		gaps  []Span
		blind []BlindSpan
		want  []Span
	}{
		{nil, nil, nil},
		{[]Span{{1, 2}, {5, 9}}, nil, []Span{{1, 2}, {5, 9}}},
		{nil, []BlindSpan{{"a", 5, 9, "down"}, {"b", 1, 6, "down"}, {"a", 20, 30, "down"}, {"b", 22, 23, "down"}}, []Span{{1, 9}, {20, 30}}},
		{[]Span{{9, 12}}, []BlindSpan{{"a", 5, 9, "down"}, {"a", 12, 12, "down"}, {"a", 30, 20, "down"}}, []Span{{5, 12}}},
	} {
		if got := gaps(c.gaps, c.blind); len(got)+len(c.want) > 0 && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v %v: %v, want %v", c.gaps, c.blind, got, c.want)
		}
	}
}

func TestLiveCoverage(t *testing.T) {
	site := testSite
	live := func(blind int64, spans ...BlindSpan) *Audit {
		return livePart(t, site, conns(t, busy), 0, 3600, func(c *Capture) {
			c.Blind = spans
			c.Live = []LiveInterface{{Name: "eth0", State: "up", Kernel: 10, Delivered: 9, Dropped: 1, Monitored: 3600e9 - blind, Blind: blind}, {Name: "eth1", State: "gone", Monitored: 3600e9}}
		}, testPack).Audit
	}
	a := live(0)
	if a.Period.AskedFrom != flow.Stamp(start) || a.Period.AskedUntil != flow.Stamp(start+24*3600e9) || a.Period.CoveredLast != flow.Stamp(start+3600e9) {
		t.Errorf("%+v", a.Period)
	}
	if h := statusOn(t, a, "p/check-in", "agent-1"); h.Status != "missing" || a.Coverage.Blind != nil || len(a.Coverage.Live) != 2 {
		t.Errorf("a period that goes on: %+v", h)
	}
	a = live(100e9, BlindSpan{"eth0", start + 10e9, start + 110e9, "down"})
	if h := statusOn(t, a, "p/check-in", "agent-1"); h.Status != "missing" {
		t.Errorf("blind for less than the bound: %+v", h)
	}
	if want := []BlindTime{{"eth0", flow.Stamp(start + 10e9), flow.Stamp(start + 110e9), "down"}}; !reflect.DeepEqual(a.Coverage.Blind, want) || a.Period.Gaps[0] != (Gap{want[0].From, want[0].Until}) {
		t.Errorf("%+v", a.Coverage.Blind)
	}
	if want := "What passed while an interface was not watched: eth0 for 1m40s of 1h0m0s."; !slices.Contains(a.Coverage.CannotShow, want) {
		t.Error(a.Coverage.CannotShow)
	}
	a = live(300e9, BlindSpan{"eth0", start + 10e9, start + 110e9, "down"}, BlindSpan{"eth1", start + 50e9, start + 250e9, "deleted"})
	if h := statusOn(t, a, "p/check-in", "agent-1"); h.Status != "not-testable" || h.Cause != "blind" || !h.Decides {
		t.Errorf("blind for more than the bound: %+v", h)
	}
	if a.Result.Basis.Untestable == 0 {
		t.Errorf("%+v", a.Result)
	}
}

func TestBlindTimesAreBounded(t *testing.T) {
	a := livePart(t, testSite, conns(t, busy), 0, 3600, func(c *Capture) {
		for i := range int64(maxBlindTimes + 5) {
			c.Blind = append(c.Blind, BlindSpan{"eth0", start + i*1e9, start + i*1e9 + 5e8, "down"})
		}
	}, testPack).Audit
	if len(a.Coverage.Blind) != maxBlindTimes || a.Coverage.MoreBlind != 5 || len(a.Period.Gaps) != maxBlindTimes+5 {
		t.Errorf("%d and %d of %d gaps", len(a.Coverage.Blind), a.Coverage.MoreBlind, len(a.Period.Gaps))
	}
}

// TestSiteFilter holds that a kernel filter that leaves out only what lies outside the site takes nothing from absence, and any other does.
func TestSiteFilter(t *testing.T) {
	for filter, want := range map[string]string{"the site's networks": "missing", "not port 22": "not-testable"} {
		a := livePart(t, testSite, conns(t, busy), 0, 3600, func(c *Capture) {
			c.Inputs[0].Interfaces[0].Filter, c.SiteFilter = filter, "the site's networks"
		}, testPack).Audit
		h := statusOn(t, a, "p/check-in", "agent-1")
		if h.Status != want || fmt.Sprint(a.Coverage.CaptureFilters) != "["+filter+"]" || !strings.Contains(strings.Join(a.Coverage.CannotShow, ""), filter) {
			t.Errorf("%s: %+v", filter, h)
		}
	}
}
