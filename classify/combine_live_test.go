package classify

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// period is the report of a period of a live audit of eth0, of a machine.
func period(t *testing.T, machine string, list []*flow.Conn, from, until int64, change func(*Capture)) Source {
	t.Helper()
	s := livePart(t, testSite, list, from, until, change, testPack)
	s.Audit.Inputs[0].Machine = machine
	s.File = fmt.Sprintf("%s-%05d.json", machine, from)
	s.SHA256 = fmt.Sprintf("%064x", from+int64(len(machine)))
	return s
}

func combined(t *testing.T, list ...Source) *Audit {
	t.Helper()
	a, err := Combine(list, Tool{Name: "pcapaudit", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	a = reload(t, a)
	if found := a.Contradictions(); len(found) > 0 {
		t.Errorf("it contradicts itself: %q", found)
	}
	return a
}

// TestCombineLivePeriods holds a day of 24 periods against one audit of all of it: each connection counts once, in the period that emits it.
func TestCombineLivePeriods(t *testing.T) {
	list := randomConns(t, 4800, 9)
	day := livePart(t, testSite, list, 0, 24*3600, nil, testPack).Audit
	var hours []Source
	for i := range int64(24) {
		hours = append(hours, period(t, "m", list[i*200:(i+1)*200], i*3600, (i+1)*3600, func(c *Capture) {
			if i < 23 { // of each hour, seven connections go on in the next
				c.Created, c.Open = c.Created+7, 7
			}
		}))
		hours[i].Audit.Result.Basis.Open, hours[i].Audit.Result.Basis.Pending = uint64(i%2), uint64(i%2)
	}
	hours[23].Audit.Result.Basis.Open, hours[23].Audit.Result.Basis.Pending = 0, 0
	got := combined(t, hours...)
	if !reflect.DeepEqual(got.Totals, day.Totals) || !reflect.DeepEqual(got.Connections, day.Connections) || !reflect.DeepEqual(got.Packets, day.Packets) || !reflect.DeepEqual(got.Period, day.Period) {
		t.Errorf("sums differ:\n%+v\n%+v\n%+v\n%+v", got.Connections, day.Connections, got.Period, day.Period)
	}
	if !reflect.DeepEqual(got.Coverage.Live, day.Coverage.Live) || len(got.Coverage.Blind) > 0 || len(got.Inputs) != 1 || got.Rules != nil || got.Invocation != nil || len(got.Parts) != 24 || got.Result.Basis.Pending != 0 {
		t.Errorf("%+v %+v %+v", got.Coverage.Live, got.Coverage.Blind, got.Parts)
	}
	sameFindings(t, got, day)
	for k, h := range hostStatuses(got) {
		if want := hostStatuses(day)[k]; (h.Status == "observed") != (want.Status == "observed") && k.flow != "p/both-ports" {
			t.Errorf("%v is %s, in one audit %s", k, h.Status, want.Status)
		}
	}
	slices.Reverse(hours)
	if turned := combined(t, hours...); !reflect.DeepEqual(turned, got) {
		t.Error("their order matters")
	}
}

// TestPeriodThatIsLacking leaves out periods: their time is blind, and where it is much nothing is missing in it.
func TestPeriodThatIsLacking(t *testing.T) {
	for _, c := range []struct {
		lacking int
		want    string
	}{{0, "missing"}, {1, "not-testable"}} {
		var list []Source
		for i := range int64(4) {
			if i == 0 || i > int64(c.lacking) {
				list = append(list, period(t, "m", conns(t, busy), i*3600, (i+1)*3600, func(c *Capture) { c.Created, c.Open = c.Created+1, 1 }))
			}
		}
		a := combined(t, list...)
		live := a.Coverage.Live[0]
		if live.Monitored+live.Blind != 4*3600e9 || live.Blind != int64(c.lacking)*3600e9 || len(a.Coverage.Blind) != c.lacking || len(a.Period.Gaps) != c.lacking {
			t.Errorf("%+v %+v %+v", live, a.Coverage.Blind, a.Period.Gaps)
		}
		for _, b := range a.Coverage.Blind {
			if b.Cause != notGiven || b.Interface != "eth0" || b.From != flow.Stamp(start+3600e9) || b.Until != flow.Stamp(start+2*3600e9) {
				t.Errorf("%+v", b)
			}
		}
		if h := statusOn(t, a, "p/check-in", "agent-1"); h.Status != c.want || c.lacking > 0 && !strings.Contains(h.Reason, "25 % of the time is in none of the audits") {
			t.Errorf("%+v, want %s", h, c.want)
		}
		if l := a.Connections; l.Open != uint64(1+c.lacking) { // nobody knows what became of the one that was open then
			t.Errorf("%+v", l)
		}
	}
}

// TestCombineGateways combines periods of two machines with interfaces of the same name, which watched at the same time, and a capture file.
func TestCombineGateways(t *testing.T) {
	var list []Source
	for i := range int64(3) {
		list = append(list, period(t, "one", conns(t, busy), i*3600, (i+1)*3600, nil), period(t, "two", conns(t, busy), i*3600, (i+1)*3600, nil))
	}
	file := period(t, "", conns(t, busy), 0, 3600, nil)
	file.Audit.Inputs[0].Format, file.Audit.Inputs[0].Name, file.Audit.Inputs[0].SHA256, file.Audit.Coverage.Live = "pcapng", "tap.pcapng", strings.Repeat("a", 64), nil
	a := combined(t, append(list, file)...)
	if a.Connections.Emitted != 7*list[0].Audit.Connections.Emitted || len(a.Inputs) != 3 || len(a.Coverage.Live) != 2 || a.Coverage.Live[0].Monitored != 3*3600e9 || len(a.Parts) != 7 || len(a.Coverage.Blind) > 0 {
		t.Errorf("%+v %+v %+v", a.Connections, a.Inputs, a.Coverage.Live)
	}
	if text := a.Coverage.CannotShow[0]; !strings.HasPrefix(text, "Which connections the 7 combined audits share: some cover the same time") {
		t.Error(text)
	}
}

// TestLiveAuditsThatDoNotFit holds what is refused, and the words.
func TestLiveAuditsThatDoNotFit(t *testing.T) {
	of := func(machine string, from, until int64) Source {
		return period(t, machine, conns(t, busy), from, until, nil)
	}
	other := livePart(t, testSite+"  - {name: newcomer, addresses: [10.0.0.60], roles: [p/agent]}\n", conns(t, busy), 3600, 7200, nil, testPack)
	other.Audit.Inputs[0].Machine, other.File = "one", "other.json"
	elsewhere := other
	elsewhere.Audit = reload(t, other.Audit)
	elsewhere.Audit.Inputs[0].Machine = "two"
	bare := of("one", 3600, 7200)
	bare.Audit.Site = nil
	for _, c := range []struct {
		name string
		list []Source
		want string
	}{
		{"overlapping", []Source{of("one", 0, 100), of("one", 99, 200)}, "one-00000.json and one-00099.json both watched eth0, from 2026-01-02T03:01:39Z to 2026-01-02T03:01:40Z: its connections would count twice"},
		{"one within the other", []Source{of("one", 0, 300), of("one", 100, 200), of("one", 250, 260)}, "one-00000.json and one-00100.json both watched"},
		{"one within another, later", []Source{of("one", 0, 300), of("two", 0, 300), of("one", 250, 260)}, "one-00000.json and one-00250.json both watched"},
		{"a period so far, and whole", []Source{of("one", 0, 100), of("one", 0, 200)}, "both watched eth0"},
		{"machines not known", []Source{of("", 0, 100), of("two", 50, 200)}, "from 2026-01-02T03:00:50Z to 2026-01-02T03:01:40Z"},
		{"one has no site", []Source{of("one", 0, 3600), bare}, "only one of"},
		{"another site elsewhere", []Source{of("one", 0, 3600), elsewhere}, "is not that of"},
		{"the site changed, and another capture", []Source{of("one", 0, 3600), other, of("two", 0, 3600)}, "packs or site changed"},
	} {
		if a, err := Combine(c.list, Tool{}); !errors.Is(err, errNotCombinable) || a != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if a := combined(t, of("one", 0, 3600), other); len(a.Rules) != 2 || a.Site.SHA256 != other.Audit.Site.SHA256 {
		t.Errorf("the site changed between periods: %+v", a.Rules)
	}
}
