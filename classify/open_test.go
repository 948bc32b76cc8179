package classify

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// TestFinishIsASnapshot holds that an audit made while observing goes on changes nothing, and is not changed by what is observed later.
func TestFinishIsASnapshot(t *testing.T) {
	list := randomConns(t, 3000, 5)
	once, often := New(set(t, testSite, testPack), Options{}), New(set(t, testSite, testPack), Options{})
	learn(t, once, "dns 10.0.0.1 portal.example 203.0.113.9 @1s for=60s")
	learn(t, often, "dns 10.0.0.1 portal.example 203.0.113.9 @1s for=60s")
	opaque := func(c Capture) Capture {
		c.Opaque = []OpaqueTunnel{{list[0].Orig.Addr(), list[1].Resp.Addr(), "MACsec"}}
		return c
	}
	var early *Audit
	var before []byte
	for i, c := range list {
		once.Observe(c)
		often.Observe(c)
		if i == 1000 || i == 2000 {
			a, err := often.Finish(opaque(captureOf(list[:i+1])))
			if err != nil {
				t.Fatal(err)
			}
			if early == nil {
				early, before = a, encoded(t, a)
			}
		}
	}
	want, err := once.Finish(captureOf(list))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := often.Finish(captureOf(list))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encoded(t, got), encoded(t, want)) {
			t.Error("an audit made before changes the next one")
		}
	}
	if !bytes.Equal(encoded(t, early), before) {
		t.Error("an audit changes by what is observed after it was made")
	}
}

// TestPreviewIsTheFinding holds that a connection previewed alone has the finding that it has when it is observed, and that previewing leaves no trace.
func TestPreviewIsTheFinding(t *testing.T) {
	s := set(t, testSite, testPack)
	watch := New(s, Options{})
	for _, c := range randomConns(t, 500, 7) {
		got, ok := watch.Preview(c)
		alone := New(s, Options{})
		alone.Observe(c)
		list := []*flow.Conn{c}
		a, err := alone.Finish(captureOf(list))
		if err != nil {
			t.Fatal(err)
		}
		var want *Finding
		for i := range a.Findings {
			if f := &a.Findings[i]; (f.Kind == kindConnection || f.Kind == kindQuestion) && f.Verdict != excepted.String() {
				want = f
			}
		}
		if ok != (want != nil) {
			t.Fatalf("%v: previewed %v, observed %v", c, ok, want)
		}
		if !ok {
			continue
		}
		for i := range got.Evidence {
			got.Evidence[i].File = want.Evidence[i].File
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", *want) {
			t.Errorf("previewed %+v\nobserved  %+v", got, *want)
		}
	}
	a, err := watch.Finish(captureOf(nil))
	if err != nil || a.Result.Basis.Judged != 0 || a.Result.Basis.Open != 0 || len(a.Matrix) != 0 || len(a.Flows) != 0 {
		t.Errorf("previewing left a trace: %v %+v", err, a.Result)
	}
	for _, f := range a.Findings {
		if f.Kind == kindConnection {
			t.Errorf("a finding of a preview: %s", f.Summary)
		}
	}
}

func TestPreviewSaysNothingOfWhatIsInOrder(t *testing.T) {
	site := testSite + `exceptions: [{id: E, from: plain, to: any, proto: tcp, ports: ["2222"], owner: o, approver: a, reason: r, ticket: t, since: "2026-01-01", until: "2026-02-01"}]` + "\n"
	a := New(set(t, site, testPack), Options{})
	for _, c := range conns(t, `
		10.0.0.1:50000 > 10.0.0.10:9876 tcp established encrypted=TLS_1.3
		10.0.0.50:50000 > 10.0.0.1:2222 tcp established
		198.51.100.1:50000 > 198.51.100.2:80 tcp established`) {
		if f, ok := a.Preview(c); ok {
			t.Errorf("%+v", f)
		}
	}
}

func TestWitness(t *testing.T) {
	s := set(t, testSite, testPack)
	open := conns(t, busy+"10.0.0.1:50000 > 10.0.0.10:9876 tcp established encrypted=TLS_1.3")
	a := New(s, Options{})
	for _, c := range open {
		a.Witness(c)
	}
	facts := captureOf(nil)
	facts.Created, facts.Open = uint64(len(open)), uint64(len(open))
	out, err := a.Finish(facts)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := statusesOf(out, "p/check-in"), "1 of 3 observed, 1 missing, 1 silent | agent-2 missing, agents not-testable"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	b := out.Result.Basis
	if b.Judged != 0 || b.Open != 6 || b.Pending != 5 || out.Connections.Emitted != 0 || len(out.Matrix) != 0 {
		t.Errorf("%+v", b)
	}
	for _, f := range out.Findings {
		if f.Kind == kindConnection {
			t.Errorf("a witnessed connection has a finding: %s", f.Summary)
		}
	}
}

// TestOpenDeviationsAreNotClean holds that a period is not clean where an open connection deviates, and is where open ones are in order.
func TestOpenDeviationsAreNotClean(t *testing.T) {
	pack := `{name: q, kind: vendor, title: Q, product_version: "1", documents: [{id: d, title: D, date: "", file: d.txt}], roles: [{name: a, title: A}, {name: b, title: B}],
flows: [{id: f, title: F, from: [a], to: [b], proto: tcp, ports: ["99"], need: required, occurrence: periodic, cite: [{document: d, lines: "1", section: s}]}]}`
	site := "networks: [10.0.0.0/16]\nhosts:\n  - {name: a, addresses: [10.0.0.1], roles: [q/a]}\n  - {name: b, addresses: [10.0.0.2], roles: [q/b]}\n"
	for _, c := range []struct{ conns, want string }{
		{"10.0.0.1:50000 > 10.0.0.2:99 tcp established", "clean"},
		{"10.0.0.1:50000 > 10.0.0.2:99 tcp established\n10.0.0.1:50001 > 10.0.0.2:98 tcp established", "inconclusive"},
		{"10.0.0.1:50000 > 10.0.0.2:99 tcp established\n10.0.0.1:50001 > 10.0.0.2:98 tcp refused", "clean"},
	} {
		a := New(set(t, site, pack), Options{})
		open := conns(t, c.conns)
		for _, o := range open {
			a.Witness(o)
		}
		facts := captureOf(nil)
		facts.Created, facts.Open = uint64(len(open)), uint64(len(open))
		out, err := a.Finish(facts)
		if err != nil || out.Result.Verdict != c.want {
			t.Errorf("%s: %s %v, want %s (%v)", c.conns, out.Result.Verdict, out.Result.Reasons, c.want, err)
		}
	}
}

// BenchmarkFinish makes an audit of as many findings as one can hold.
func BenchmarkFinish(b *testing.B) {
	a := New(builtinSet(b, benchSite(), "acronis-abr-11.5"), Options{})
	list := make([]*flow.Conn, 100_000)
	for i := range list {
		host := i % 400
		list[i] = &flow.Conn{ID: flow.ConnID{Packet: uint64(i + 1)}, Proto: flow.TCP, KnownBy: flow.KnownByHandshake, Outcome: flow.Established,
			Orig: netipPort([4]byte{10, 0, byte(host / 200), byte(host%200 + 1)}, 50000), Resp: netipPort([4]byte{10, 0, 9, 1}, uint16(20000+i/400)),
			First: start + int64(i)*1e6, Last: start + int64(i)*1e6 + 1e9, OrigPackets: 10, RespPackets: 10, OrigBytes: 1000, RespBytes: 9000}
		a.Observe(list[i])
	}
	facts := captureOf(list)
	b.ReportAllocs()
	for b.Loop() {
		out, err := a.Finish(facts)
		if err != nil || len(out.Findings) < maxFindings {
			b.Fatal(len(out.Findings), err)
		}
	}
}

// BenchmarkPreview words the findings of attempts such as those of a scan, which nobody documents.
func BenchmarkPreview(b *testing.B) {
	a := New(builtinSet(b, benchSite()), Options{})
	list := make([]flow.Conn, 1<<14)
	for i := range list {
		list[i] = flow.Conn{ID: flow.ConnID{Packet: uint64(i + 1)}, Proto: flow.TCP, KnownBy: flow.KnownByHandshake, Outcome: flow.Unanswered, Visibility: flow.OrigOnly,
			Orig: netipPort([4]byte{10, 0, 9, 1}, 50000), Resp: netipPort([4]byte{10, 0, byte(i / 200 % 2), byte(i%200 + 1)}, uint16(20000+i)), First: start, Last: start, OrigPackets: 1, OrigBytes: 40}
	}
	b.ReportAllocs()
	for i := range b.N {
		if _, ok := a.Preview(&list[i&(len(list)-1)]); !ok {
			b.Fatal("nothing to tell")
		}
	}
}

// TestWitnessedAgain holds that a connection that is witnessed before every audit counts once in what reasons say, and that the last audit knows what is open then.
func TestWitnessedAgain(t *testing.T) {
	a := New(set(t, testSite, testPack), Options{})
	open := conns(t, busy+"10.0.0.1:50000 > 10.0.0.10:9876 tcp established encrypted=TLS_1.3")
	facts := captureOf(nil)
	facts.Created, facts.Open = uint64(len(open)), uint64(len(open))
	var first *Audit
	for n := range 3 {
		for _, c := range open {
			a.Witness(c)
		}
		out, err := a.Finish(facts)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			first = out
		} else if !reflect.DeepEqual(out, first) {
			t.Errorf("audit %d: %+v\nwant %+v", n, out.Expectations, first.Expectations)
		}
	}
	late := connOf(t, "10.0.0.2:50001 > 10.0.0.10:9876 tcp midstream port one-side", 100)
	for _, want := range []string{"agent-2 not-testable, agents not-testable", "agents not-testable"} {
		a.Witness(late)
		out, err := a.Finish(facts)
		if err != nil {
			t.Fatal(err)
		}
		if _, got, _ := strings.Cut(statusesOf(out, "p/check-in"), " | "); got != want || out.Result.Basis.Open != 1 {
			t.Errorf("%s with %d open, want %s", got, out.Result.Basis.Open, want)
		}
		late.Outcome, late.Visibility, late.RespPackets = flow.Established, flow.BothSides, 4
	}
	a.Observe(late)
	if len(a.open.known) != len(open) {
		t.Errorf("%d open connections are remembered, want %d", len(a.open.known), len(open))
	}
}
