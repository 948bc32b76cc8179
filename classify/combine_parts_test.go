package classify

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// livePart audits a part of a live capture of eth0 from start+from to start+until, in seconds; carried connections were open when it began.
func livePart(t *testing.T, site string, list []*flow.Conn, from, until int64, change func(*Capture), packs ...string) Source {
	t.Helper()
	a := New(set(t, site, packs...), Options{Tool: Tool{Name: "pcapaudit", Version: "test"}, Invocation: &Invocation{}, Period: Span{start, start + 24*3600e9}})
	for _, c := range list {
		a.Observe(c)
	}
	facts := captureOf(list)
	facts.First, facts.Last = start+from*1e9, start+until*1e9
	facts.Inputs = []Input{{Name: "eth0", Format: "live", State: "clean", Packets: facts.Packets.Read, Size: 1000, Read: 1000, First: flow.Stamp(facts.First), Last: flow.Stamp(facts.Last),
		Interfaces: []Interface{{Name: "eth0", LinkType: 1, Packets: facts.Packets.Read}}}}
	facts.Live = []LiveInterface{{Name: "eth0", State: "up", Kernel: facts.Packets.Read, Delivered: facts.Packets.Read, Monitored: facts.Last - facts.First}}
	if change != nil {
		change(&facts)
	}
	out, err := a.Finish(facts)
	if err != nil {
		t.Fatal(err)
	}
	return Source{File: "part " + flow.Stamp(facts.First), Audit: reload(t, out)}
}

// reload is an audit as it is read again.
func reload(t *testing.T, a *Audit) *Audit {
	t.Helper()
	b, _, err := Load(strings.NewReader(string(encoded(t, a))))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func combineParts(t *testing.T, list ...Source) *Audit {
	t.Helper()
	before := make([]string, len(list))
	for i, s := range list {
		before[i] = string(encoded(t, s.Audit))
	}
	a, err := CombineParts(list, Tool{Name: "pcapaudit", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	uncontradicted(t, a)
	for i, s := range list {
		if string(encoded(t, s.Audit)) != before[i] {
			t.Fatalf("%s was changed", s.File)
		}
	}
	return reload(t, a)
}

// TestPartsAgainstOneAudit holds the parts of a capture against one audit of all of it, combined at once and one after the other.
func TestPartsAgainstOneAudit(t *testing.T) {
	list := randomConns(t, 4000, 9)
	whole := livePart(t, testSite, list, 0, 3600, nil, testPack).Audit
	var parts []Source
	for i := range int64(4) {
		parts = append(parts, livePart(t, testSite, list[i*1000:(i+1)*1000], i*900, (i+1)*900, nil, testPack))
	}
	at := combineParts(t, parts...)
	so := parts[0]
	for _, p := range parts[1:] {
		so = Source{File: "before", Audit: combineParts(t, so, p)}
	}
	for _, got := range []*Audit{at, so.Audit} {
		if !reflect.DeepEqual(got.Totals, whole.Totals) || !reflect.DeepEqual(got.Connections, whole.Connections) || !reflect.DeepEqual(got.Packets, whole.Packets) || !reflect.DeepEqual(got.Period, whole.Period) {
			t.Errorf("sums differ:\n%+v\n%+v\n%+v\n%+v", got.Connections, whole.Connections, got.Period, whole.Period)
		}
		if !reflect.DeepEqual(got.Coverage.Live, whole.Coverage.Live) || len(got.Coverage.Blind) != 0 || got.Rules != nil || got.Parts != nil || got.Invocation == nil {
			t.Errorf("%+v %+v", got.Coverage.Live, got.Rules)
		}
		if len(got.Inputs) != 1 || got.Inputs[0].Packets != whole.Inputs[0].Packets || got.Inputs[0].Last != whole.Inputs[0].Last || !reflect.DeepEqual(got.Inputs[0].Interfaces, whole.Inputs[0].Interfaces) {
			t.Errorf("%+v", got.Inputs)
		}
		sameFindings(t, got, whole)
		for _, f := range got.Findings {
			for _, e := range f.Evidence {
				if !strings.HasPrefix(e.ID, "0:") || e.File != "eth0" {
					t.Fatalf("%s: evidence %+v", f.ID, e)
				}
			}
		}
		for k, h := range hostStatuses(got) {
			if want := hostStatuses(whole)[k]; (h.Status == "observed") != (want.Status == "observed") && k.flow != "p/both-ports" {
				t.Errorf("%v is %s, in one audit %s", k, h.Status, want.Status)
			}
		}
	}
	if a, b := fmt.Sprint(at.Result), fmt.Sprint(so.Audit.Result); a != b {
		t.Errorf("at once %s\none by one %s", a, b)
	}
	if n := len(so.Audit.Coverage.CannotShow); n > 60 {
		t.Errorf("%d sentences: %s", n, strings.Join(so.Audit.Coverage.CannotShow, "\n"))
	}
}

// TestTimeBetweenPartsIsBlind holds a restart: what lies between is a gap, blind time of every interface, and where it is much nothing is missing.
func TestTimeBetweenPartsIsBlind(t *testing.T) {
	for _, c := range []struct {
		pause int64
		want  string
	}{{10, "missing"}, {3600, "not-testable"}} {
		one := livePart(t, testSite, conns(t, busy), 0, 3600, func(c *Capture) { c.Created, c.Open = c.Created+3, 3 }, testPack)
		two := livePart(t, testSite, conns(t, busy), 3600+c.pause, 7200+c.pause, nil, testPack)
		a := combineParts(t, one, two)
		live := a.Coverage.Live[0]
		if live.Blind != c.pause*1e9 || live.Monitored+live.Blind != (7200+c.pause)*1e9 {
			t.Errorf("%+v", live)
		}
		want := []BlindTime{{"", flow.Stamp(start + 3600e9), flow.Stamp(start + (3600+c.pause)*1e9), "not running"}}
		if !reflect.DeepEqual(a.Coverage.Blind, want) || len(a.Period.Gaps) != 1 || a.Period.Gaps[0] != (Gap{want[0].From, want[0].Until}) {
			t.Errorf("%+v %+v", a.Coverage.Blind, a.Period.Gaps)
		}
		if l := a.Connections; l.Created != 13 || l.Open != 3 || l.Emitted != 10 {
			t.Errorf("%+v", l) // nobody knows what became of the three
		}
		if h := statusOn(t, a, "p/check-in", "agent-1"); h.Status != c.want {
			t.Errorf("%+v, want %s", h, c.want)
		}
		if !slices.ContainsFunc(a.Coverage.CannotShow, func(s string) bool {
			return strings.HasPrefix(s, "What passed while an interface was not watched: eth0 for ")
		}) {
			t.Error(a.Coverage.CannotShow)
		}
	}
}

// TestPartWithoutTime combines parts between which one covers no time: what lies between the others is blind all the same, and they are in order.
func TestPartWithoutTime(t *testing.T) {
	part := func(from, until int64) Source {
		return livePart(t, testSite, conns(t, busy), from, until, nil, testPack)
	}
	none := livePart(t, testSite, nil, 0, 0, func(c *Capture) { c.First, c.Last = 0, 0 }, testPack)
	if p := none.Audit.Period; p.CoveredFrom != "" {
		t.Fatalf("%+v", p)
	}
	for _, list := range [][]Source{{part(0, 100), none, part(200, 300)}, {none, part(0, 100), part(200, 300), none}, {part(0, 100), none, none, part(200, 300)}} {
		a := combineParts(t, list...)
		if b := a.Coverage.Blind; len(b) != 1 || b[0].From != flow.Stamp(start+100e9) || b[0].Until != flow.Stamp(start+200e9) || a.Coverage.Live[0].Blind != 100e9 {
			t.Errorf("blind %+v, %+v", b, a.Coverage.Live)
		}
		if h := statusOn(t, a, "p/check-in", "agent-1"); h.Status != "not-testable" {
			t.Errorf("%+v", h)
		}
	}
	if _, err := CombineParts([]Source{part(100, 200), none, part(0, 100)}, Tool{}); !errors.Is(err, errNotCombinable) {
		t.Errorf("out of order: %v", err)
	}
}

// TestConnectionsOverTheEndOfAPart holds that what was open when a part ended is created once, and pending only until a part emits it.
func TestConnectionsOverTheEndOfAPart(t *testing.T) {
	one := livePart(t, testSite, conns(t, busy), 0, 100, func(c *Capture) { c.Created, c.Open = c.Created+2, 2 }, testPack)
	one.Audit.Result.Basis.Open, one.Audit.Result.Basis.Pending = 2, 2
	two := livePart(t, testSite, conns(t, busy), 100, 200, func(c *Capture) { c.Created, c.Open = c.Created+1, 1 }, testPack)
	two.Audit.Result.Basis.Open, two.Audit.Result.Basis.Pending = 1, 0
	a := combineParts(t, one, two)
	if l := a.Connections; l.Created != 11 || l.Open != 1 || l.Emitted != 10 {
		t.Errorf("%+v", l)
	}
	if b := a.Result.Basis; b.Open != 1 || b.Pending != 0 {
		t.Errorf("%+v", b)
	}
}

func TestPartsUnderDifferentRules(t *testing.T) {
	newer := strings.Replace(testPack, "{id: wake,", "{id: nap, title: Nap, from: [server], to: [agent], proto: tcp, ports: [\"703\"], need: required, occurrence: periodic, cite: [{document: d, lines: \"18\", section: s}]}\n  - {id: wake,", 1)
	newer = strings.Replace(newer, "{id: check-in,", "{id: sign-in,", 1)
	if newer == testPack {
		t.Fatal("the pack was not changed")
	}
	one := livePart(t, testSite, conns(t, busy), 0, 100, nil, testPack)
	two := livePart(t, testSite, conns(t, busy), 100, 200, nil, testPack)
	three := livePart(t, testSite+"  - {name: newcomer, addresses: [10.0.0.60], roles: [p/agent]}\n", conns(t, busy), 200, 300, nil, newer)
	for _, a := range []*Audit{combineParts(t, one, two, three), combineParts(t, Source{File: "x", Audit: combineParts(t, one, two)}, three), combineParts(t, one, Source{File: "x", Audit: combineParts(t, two, three)})} {
		if len(a.Rules) != 2 || a.Rules[0].From != flow.Stamp(start) || a.Rules[0].Until != flow.Stamp(start+200e9) || a.Rules[1].Until != flow.Stamp(start+300e9) ||
			a.Rules[0].Packs[0].SHA256 == a.Rules[1].Packs[0].SHA256 || a.Rules[0].Site.Hosts+1 != a.Rules[1].Site.Hosts {
			t.Errorf("%+v", a.Rules)
		}
		if !reflect.DeepEqual(a.Packs, three.Audit.Packs) || !reflect.DeepEqual(a.Site, three.Audit.Site) {
			t.Error("packs and site are not the last ones")
		}
		for _, flow := range []string{"p/check-in", "p/sign-in", "p/nap"} {
			host := "agent-1"
			if flow == "p/nap" {
				host = "server-1"
			}
			if h := statusOn(t, a, flow, host); h.Status != "missing" || !h.Decides {
				t.Errorf("%s: %+v", flow, h)
			}
		}
		if _, err := Combine([]Source{{File: "a", Audit: a}, {File: "b", Audit: one.Audit}}, Tool{}); err == nil {
			t.Error("combined with another capture")
		}
	}
}

// TestMissedWindowsStand holds that what was used in another part does not make up for a window that passed without a use, but another capture point of the same time does.
func TestMissedWindowsStand(t *testing.T) {
	site := testSite + hourly + "\n"
	used := "10.0.0.1:50000 > 10.0.0.10:9876 tcp established @"
	one := livePart(t, site, conns(t, busy+used+"10m"), 0, 3*3600, nil, testPack)            // 04:00-05:00 is missed
	two := livePart(t, site, conns(t, busy+used+"190m"), 3*3600, 4*3600+1800, nil, testPack) // 06:00-07:00 is used
	a := combineParts(t, one, two)
	h := statusOn(t, a, "p/check-in", "agent-1")
	if h.Status != "missing" || len(h.Missed) != 1 || h.Missed[0].From != flow.Stamp(start+3600e9) {
		t.Errorf("%+v", h)
	}
	silent := livePart(t, site, conns(t, "10.0.0.50:40000 > 10.0.0.10:9999 tcp established @70m"), 3600, 3*3600, nil, testPack)
	if h := statusOn(t, combineParts(t, livePart(t, site, conns(t, busy+used+"10m"), 0, 3600, nil, testPack), silent), "p/check-in", "agent-1"); h.Status != "not-testable" || h.Cause != "silent" {
		t.Errorf("used, then silent for two windows: %+v", h)
	}
	other := livePart(t, site, conns(t, busy+used+"10m\n"+used+"70m\n"), 0, 3*3600, nil, testPack)
	for i, s := range []*Source{&one, &other} {
		s.Audit.Inputs[0].Machine = fmt.Sprint("machine ", i)
	}
	both, err := Combine([]Source{one, other}, Tool{})
	if err != nil {
		t.Fatal(err)
	}
	if h := statusOn(t, both, "p/check-in", "agent-1"); h.Status != "observed" {
		t.Errorf("%+v", h)
	}
}

func TestPartsThatDoNotFit(t *testing.T) {
	part := func(from, until int64) Source {
		return livePart(t, testSite, conns(t, busy), from, until, nil, testPack)
	}
	combined := part(200, 300)
	combined.Audit.Parts = []Part{{File: "a"}}
	odd := part(200, 300)
	odd.Audit.Residuals = []string{"one is missing"}
	for name, list := range map[string][]Source{"none": {}, "overlapping": {part(0, 100), part(99, 200)}, "out of order": {part(100, 200), part(0, 100)}, "combined": {part(0, 100), combined}, "unbalanced": {part(0, 100), odd}} {
		if a, err := CombineParts(list, Tool{}); !errors.Is(err, errNotCombinable) || a != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	one := part(0, 100)
	if a, err := CombineParts([]Source{one}, Tool{}); err != nil || a != one.Audit {
		t.Error("one part is not itself", err)
	}
}

// TestManyParts holds that an audit of many parts, combined one after the other, grows by little more than the blind time between them.
func TestManyParts(t *testing.T) {
	so := livePart(t, testSite, conns(t, busy), 0, 10, nil, testPack)
	size := 0
	for i := range int64(150) {
		next := livePart(t, testSite, conns(t, busy), 20*i+20, 20*i+30, func(c *Capture) { c.Truncated = uint64(i + 1) }, testPack)
		so = Source{File: "before", Audit: combineParts(t, so, next)}
		if i == 100 {
			size = len(encoded(t, so.Audit))
		}
	}
	b, err := json.Marshal(so.Audit.Coverage)
	if n := len(encoded(t, so.Audit)); err != nil || n > size+30_000 || len(so.Audit.Coverage.CannotShow) > maxCannotShow+1 || len(b) > 100_000 {
		t.Errorf("%d bytes, %d after 100 parts, %d sentences, coverage %d", n, size, len(so.Audit.Coverage.CannotShow), len(b))
	}
}
