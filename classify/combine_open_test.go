package classify

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// TestOpenOverParts holds the ledger of parts: what was open when a part ended is created once where the next one carries it, and stays open where none does.
func TestOpenOverParts(t *testing.T) {
	// part is of five connections that ended, and of some that were open; carried are of those created.
	part := func(from, until int64, open uint64) Source {
		return livePart(t, testSite, conns(t, busy), from, until, func(c *Capture) { c.Created, c.Open = c.Created+open, open }, testPack)
	}
	// lost is the part in which those of nobody knows what they were end.
	lost := func(after Source, unsaved uint64) Source {
		a := New(set(t, testSite, testPack), Options{Period: Span{start, start + 24*3600e9}})
		out, err := a.Finish(Interrupted(after.Audit, Break{Resumed: start + 3600e9, Unsaved: unsaved}))
		if err != nil {
			t.Fatal(err)
		}
		return Source{File: "lost", Audit: reload(t, out)}
	}
	// none is a part without a time.
	none := func(created, open uint64) Source {
		return livePart(t, testSite, nil, 0, 0, func(c *Capture) { c.First, c.Last, c.Created, c.Open = 0, 0, created, open }, testPack)
	}
	killed := func() []Source {
		a := part(0, 100, 7)
		return []Source{a, lost(a, 7), part(200, 300, 2)}
	}
	whole := func(list []Source) Source { return Source{File: "whole", Audit: combineParts(t, list...)} }
	for name, c := range map[string]struct {
		list          []Source
		created, open uint64
	}{
		"carried on":                        {[]Source{part(0, 100, 2), part(100, 200, 1)}, 11, 1},
		"killed":                            {killed(), 7 + 5 + 5 + 2, 7 + 2},
		"killed, and carried on":            {append(killed(), part(300, 400, 1)), 7 + 15 + 1, 7 + 1},
		"killed, a whole, and carried on":   {[]Source{whole(killed()), part(300, 400, 1)}, 7 + 15 + 1, 7 + 1},
		"killed at once":                    {append(killed()[:2], part(100, 200, 0)), 7 + 10, 7},
		"nobody watched":                    {[]Source{part(0, 100, 3), part(200, 300, 0)}, 13, 3},
		"a part without time":               {[]Source{part(0, 100, 3), none(0, 0), part(200, 300, 0)}, 13, 3},
		"a part without time, before":       {[]Source{part(0, 100, 3), none(3, 3), part(200, 300, 0)}, 13, 3},
		"a part without time, after":        {[]Source{part(0, 100, 3), none(1, 1), part(200, 300, 1)}, 14, 4},
		"a part without time, carries on":   {[]Source{part(0, 100, 3), none(3, 3), part(100, 200, 3)}, 13, 3},
		"a part without time, at the end":   {[]Source{part(0, 100, 3), none(0, 0)}, 8, 3},
		"a part without time, and the last": {[]Source{part(0, 100, 3), none(3, 3)}, 8, 3},
	} {
		a := combineParts(t, c.list...)
		if l := a.Connections; l.Created != c.created || l.Open != c.open || l.Created != l.Open+l.Emitted {
			t.Errorf("%s: %+v, want %d created and %d open", name, l, c.created, c.open)
		}
	}
	one := part(0, 100, 3)
	one.Audit.Result.Basis.Open, one.Audit.Result.Basis.Pending = 3, 2
	one.Audit.Result = one.Audit.Result.Basis.result()
	if b := combineParts(t, one, none(0, 0), part(200, 300, 0)).Result.Basis; b.Open != 3 || b.Pending != 2 {
		t.Errorf("%+v", b)
	}
}

// TestTamperedOpen combines parts that say more is lost than was open, or carry less than was: no sum runs below nothing, and what does not fit is found.
func TestTamperedOpen(t *testing.T) {
	for name, change := range map[string]func(one, two *Audit){
		"more lost than open": func(one, _ *Audit) { one.Result.Basis.Unsaved = 1 << 40 },
		"more open than any":  func(one, _ *Audit) { one.Connections.Open = 1 << 40 },
		"none created":        func(one, two *Audit) { one.Connections.Created, two.Connections.Created = 0, 0 },
	} {
		one := livePart(t, testSite, conns(t, busy), 0, 100, func(c *Capture) { c.Created, c.Open = c.Created+2, 2 }, testPack)
		two := livePart(t, testSite, conns(t, busy), 100, 200, nil, testPack)
		change(one.Audit, two.Audit)
		if len(one.Audit.Contradictions()) == 0 {
			t.Errorf("%s: the part does not contradict itself", name)
		}
		a, err := CombineParts([]Source{one, two}, Tool{})
		if err != nil {
			t.Fatal(err)
		}
		if l := a.Connections; l.Created > 1<<41 || l.Open > 1<<41 {
			t.Errorf("%s: %+v", name, l)
		}
		if len(a.Contradictions()) == 0 {
			t.Errorf("%s: %+v has no contradiction", name, a.Connections)
		}
	}
}

// TestPeriodsWithUnsaved combines reports of periods of a run that was killed, as combine does: what was lost in the first is no connection of the second.
func TestPeriodsWithUnsaved(t *testing.T) {
	one := livePart(t, testSite, conns(t, busy), 0, 3600, func(c *Capture) { c.Created, c.Open = c.Created+70_000, 70_000 }, testPack)
	a := New(set(t, testSite, testPack), Options{Period: Span{start, start + 24*3600e9}})
	broke, err := a.Finish(Interrupted(one.Audit, Break{Resumed: start + 3700e9, Unsaved: 70_000}))
	if err != nil {
		t.Fatal(err)
	}
	first := combineParts(t, one, Source{File: "broke", Audit: reload(t, broke)}, livePart(t, testSite, conns(t, busy), 3700, 7200, nil, testPack))
	second := livePart(t, testSite, conns(t, busy), 7200, 10800, nil, testPack)
	both, err := Combine([]Source{{"first", "1", first}, {"second", "2", second.Audit}}, Tool{})
	if err != nil {
		t.Fatal(err)
	}
	if l := both.Connections; l.Created != 70_015 || l.Open != 70_000 || both.Result.Basis.Unsaved != 70_000 {
		t.Errorf("%+v, %d unsaved", l, both.Result.Basis.Unsaved)
	}
	uncontradicted(t, both)
}

// TestFirstEvidenceOverRuns: packets are numbered from 1 in each run, and the first evidence is the earliest all the same.
func TestFirstEvidenceOverRuns(t *testing.T) {
	evidence := func(packet uint64, second int64) Evidence {
		return Evidence{ID: flow.ConnID{Packet: packet}.String(), File: "eth0", Packet: packet, Time: flow.Stamp(start + second*1e9)}
	}
	list := firstEvidence([]Evidence{evidence(900, 10), evidence(901, 11), evidence(1, 100), evidence(2, 100)}, 3)
	if len(list) != 3 || list[0].Packet != 900 || list[1].Packet != 901 || list[2].Packet != 1 {
		t.Errorf("%+v", list)
	}
}

// TestOverlapNamesBoth: the part that is overlapped need not be the one before.
func TestOverlapNamesBoth(t *testing.T) {
	part := func(name string, from, until int64) Source {
		s := livePart(t, testSite, conns(t, busy), from, until, nil, testPack)
		s.File = name
		return s
	}
	none := livePart(t, testSite, nil, 0, 0, func(c *Capture) { c.First, c.Last = 0, 0 }, testPack)
	none.File = "none"
	_, err := CombineParts([]Source{part("long", 0, 200), none, part("inside", 100, 150)}, Tool{})
	if !errors.Is(err, errNotCombinable) || !strings.Contains(err.Error(), "inside begins before long ends") {
		t.Error(err)
	}
}

// TestPartsWithoutTimeAreNoAudits: the part in which connections end that a killed run left open had no time to see anything in, and does not count among those that did.
func TestPartsWithoutTimeAreNoAudits(t *testing.T) {
	one := livePart(t, testSite, conns(t, busy), 0, 100, nil, testPack)
	a := New(set(t, testSite, testPack), Options{Period: Span{start, start + 24*3600e9}})
	broke, err := a.Finish(Interrupted(one.Audit, Break{Resumed: start + 101e9, Unsaved: 1}))
	if err != nil {
		t.Fatal(err)
	}
	silent := livePart(t, testSite, conns(t, "10.0.0.50:40000 > 10.0.0.10:9999 tcp established @110s"), 101, 200, nil, testPack)
	all := combineParts(t, one, Source{File: "broke", Audit: reload(t, broke)}, silent)
	seen := false
	for _, row := range all.Expectations {
		for _, h := range row.Open {
			if strings.Contains(h.Reason, "of 3 audits") || strings.Contains(h.Reason, "2 of 2 audits") {
				t.Errorf("%s: %+v", row.Flow, h)
			}
			seen = seen || strings.Contains(h.Reason, "(so in 1 of 2 audits)")
		}
	}
	if !seen {
		t.Error("no status of one of two audits")
	}
}

// TestShareNotWatched: the result of a capture that was blind for more than the bound says for how much of the time.
func TestShareNotWatched(t *testing.T) {
	live := func(blind int64) func(*Capture) {
		return func(c *Capture) {
			c.Live[0].Blind = blind
			c.Live[0].Monitored -= blind
		}
	}
	clean := "10.0.0.1:50000 > 10.0.0.10:9876 tcp established @10s\n10.0.0.2:50000 > 10.0.0.10:9876 tcp established @11s"
	text := func(blind int64) string {
		return livePart(t, testSite, conns(t, clean), 0, 100, live(blind), testPack).Audit.Result.Text
	}
	if got := text(31e9); !strings.HasSuffix(got, "; for 31 % of the time an interface was not watched") {
		t.Error(got)
	}
	if got := text(1e8); strings.Contains(got, "%") {
		t.Error(got)
	}
	one, two := livePart(t, testSite, conns(t, clean), 0, 100, nil, testPack), livePart(t, testSite, conns(t, clean), 125, 200, nil, testPack)
	a := combineParts(t, one, two)
	if !strings.HasSuffix(a.Result.Text, "; for 12 % of the time an interface was not watched") {
		t.Error(a.Result.Text)
	}
	a.Result.Basis.Blind = 0
	if !slices.ContainsFunc(a.Contradictions(), func(s string) bool { return strings.HasPrefix(s, "percent of the time that nobody watched") }) {
		t.Errorf("%q", a.Contradictions())
	}
}
