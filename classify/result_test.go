package classify

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

func addrPort(a netip.Addr, p uint16) netip.AddrPort { return netip.AddrPortFrom(a, p) }
func netipPort(b [4]byte, p uint16) netip.AddrPort   { return addrPort(netip.AddrFrom4(b), p) }

func TestResultRules(t *testing.T) {
	clean := Basis{Site: true, Judged: 10, Bound: 1}
	for _, c := range []struct {
		name   string
		change func(*Basis)
		want   string
	}{
		{"clean", func(f *Basis) {}, "clean 0"},
		{"a deviation", func(f *Basis) { f.Deviations = 1 }, "deviations 1"},
		{"unexpected beyond an attempt", func(f *Basis) { f.Unexpected = 1 }, "deviations 1"},
		{"missing", func(f *Basis) { f.Missing = 1 }, "deviations 1"},
		{"attempted", func(f *Basis) { f.Attempted = 1 }, "deviations 1"},
		{"coupled ports", func(f *Basis) { f.Coupled = 1 }, "deviations 1"},
		{"deviations before doubt", func(f *Basis) { f.Deviations, f.Site = 1, false }, "deviations 1"},
		{"no site", func(f *Basis) { f.Site = false }, "inconclusive 3"},
		{"nothing judged", func(f *Basis) { f.Judged = 0 }, "inconclusive 3"},
		{"indeterminate", func(f *Basis) { f.Indeterminate = 1 }, "inconclusive 3"},
		{"not testable", func(f *Basis) { f.Untestable = 1 }, "inconclusive 3"},
		{"cut", func(f *Basis) { f.Cut = []string{"a.pcap"} }, "inconclusive 3"},
		{"evicted", func(f *Basis) { f.Evicted = 1 }, "inconclusive 3"},
		{"interrupted", func(f *Basis) { f.Interrupted = true }, "inconclusive 3"},
		{"loss at the bound", func(f *Basis) { f.Loss = 1 }, "clean 0"},
		{"loss above the bound", func(f *Basis) { f.Loss = 1.01 }, "inconclusive 3"},
		{"loss above a tighter bound", func(f *Basis) { f.Loss, f.Bound = 0.2, 0.1 }, "inconclusive 3"},
		{"undecoded above the bound", func(f *Basis) { f.Undecoded = 1.5 }, "inconclusive 3"},
		{"overlapping fragments", func(f *Basis) { f.Refused = 1 }, "inconclusive 3"},
	} {
		f := clean
		c.change(&f)
		r := f.result()
		if got := r.Verdict + " " + string(rune('0'+r.Code)); got != c.want || (r.Code != 0) != (len(r.Reasons) > 0) {
			t.Errorf("%s: got %s %q, want %s", c.name, got, r.Reasons, c.want)
		}
	}
}

// TestResultSaysDrafts holds that what nobody has reviewed stands in the first line of a clean result, and below every other.
func TestResultSaysDrafts(t *testing.T) {
	f := Basis{Site: true, Judged: 10, Bound: 1, Drafts: 2}
	for _, verdict := range []string{"clean", "inconclusive", "deviations"} {
		f.Interrupted, f.Missing = verdict != "clean", map[string]int{"deviations": 1}[verdict]
		r := f.result()
		if r.Verdict != verdict || !strings.HasPrefix(r.Reasons[len(r.Reasons)-1], "2 drafts ") || (verdict == "clean") != strings.Contains(r.Text, "drafts") {
			t.Errorf("%s: %+v", verdict, r)
		}
	}
}

// quiet is a window in which every periodic required expectation of the test pack is observed.
const quiet = `
10.0.0.1:50000 > 10.0.0.10:9876 tcp established
10.0.0.2:50000 > 10.0.0.10:9876 tcp established
10.0.7.1:50000 > 10.0.0.10:9876 tcp established
10.0.0.20:50000 > 10.0.0.30:8086 tcp established
10.0.0.20:50001 > 10.0.0.30:8087 tcp established
10.0.0.10:50000 > 10.0.255.255:9 udp one-way
`

func TestResults(t *testing.T) {
	for _, c := range []struct {
		name, conns, want string
		change            func(*Capture)
	}{
		{"clean", quiet, "clean", nil},
		{"unexpected and refused does not decide", quiet + "10.0.0.1:50000 > 10.0.0.10:9999 tcp refused", "clean", nil},
		{"unexpected one-way does not decide", quiet + "10.0.0.1:50000 > 10.0.0.10:9999 udp one-way", "clean", nil},
		{"unexpected half-open decides", quiet + "10.0.0.1:50000 > 10.0.0.10:9999 tcp half-open", "deviations", nil},
		{"unexpected established", quiet + "10.0.0.1:50000 > 10.0.0.10:9999 tcp established", "deviations", nil},
		{"a refused deviation decides", quiet + "10.0.0.10:50000 > 10.0.0.1:9876 tcp refused", "deviations", nil},
		{"already running", quiet + "10.0.0.1:50001 > 10.0.0.10:9876 tcp midstream port", "clean", nil},
		{"document silent", quiet + "10.0.0.10:50000 > 10.0.0.30:7000 tcp established", "inconclusive", nil},
		{"missing", strings.Replace(quiet, "10.0.0.2:50000 > 10.0.0.10:9876 tcp established", "10.0.0.2:50000 > 10.0.0.10:700 tcp established", 1), "deviations", nil},
		{"silent host", strings.Replace(quiet, "10.0.0.2:50000 > 10.0.0.10:9876 tcp established", "", 1), "inconclusive", nil},
		{"attempted", strings.Replace(quiet, "10.0.0.10:9876 tcp established", "10.0.0.10:9876 tcp refused", 1), "deviations", nil},
		{"cut input", quiet, "inconclusive", func(c *Capture) { c.Inputs[0].State = "cut" }},
		{"lossy", quiet, "inconclusive", func(c *Capture) { c.Dropped = 100 }},
		{"little loss", quiet, "clean", func(c *Capture) {
			c.Packets.Read, c.Packets.Classes, c.Dropped = 10000, []Count{{"decoded", 10000}}, 10
		}},
		{"nothing", "", "inconclusive", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := audit(t, set(t, testSite, testPack), c.conns, c.change)
			if a.Result.Verdict != c.want {
				t.Errorf("got %s %q, want %s", a.Result.Verdict, a.Result.Reasons, c.want)
			}
			if decided := a.Result.Verdict == "deviations"; decided != (len(a.Result.LookAt) > 0) && a.Result.Verdict != "inconclusive" {
				t.Errorf("look at %q", a.Result.LookAt)
			}
		})
	}
	if a := audit(t, set(t, "", testPack), quiet, nil); a.Result.Verdict != "inconclusive" {
		t.Errorf("without a site: %s", a.Result.Verdict)
	}
}

func TestAuditOfRandomConnections(t *testing.T) {
	site := testSite + `
background: [{from: plain, to: any, proto: udp, ports: ["514"], reason: syslog}]
translations: [{kind: source-pat, inside: [agent-1], outside: [10.1.0.9]}]
exceptions: [{id: E, from: agent-2, to: any, proto: tcp, owner: o, approver: a, reason: r, ticket: t, since: "2026-01-01", until: "2026-01-02T03:30:00Z"}]
`
	list := randomConns(t, 20_000, 7)
	render := func(order []int, site string) ([]byte, *Audit) {
		a := New(set(t, site, testPack), Options{})
		for _, i := range order {
			a.Observe(list[i])
		}
		out, err := a.Finish(captureOf(list))
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		return b, out
	}
	for _, site := range []string{site, ""} {
		order := rand.New(rand.NewPCG(1, 2)).Perm(len(list))
		want, out := render(order, site)
		var sum uint64
		for _, total := range out.Totals {
			sum += total.Connections
			if total.Connections == 0 && site != "" {
				t.Errorf("no connection is %s", total.Verdict)
			}
		}
		if sum != uint64(len(list)) {
			t.Errorf("%d connections by verdict, want %d", sum, len(list))
		}
		for seed := range uint64(2) {
			order = rand.New(rand.NewPCG(seed, 3)).Perm(len(list))
			if got, _ := render(order, site); !bytes.Equal(got, want) {
				i := 0
				for i < min(len(got), len(want)) && got[i] == want[i] {
					i++
				}
				t.Fatalf("the order of connections shows:\n%s\n%s", got[max(0, i-200):min(len(got), i+200)], want[max(0, i-200):min(len(want), i+200)])
			}
		}
		if bytes.Contains(want, []byte(":null")) && site != "" {
			i := bytes.Index(want, []byte(":null"))
			t.Errorf("null in JSON: %s", want[max(0, i-100):i+10])
		}
		ids := map[string]bool{}
		for _, f := range out.Findings {
			if ids[f.ID] {
				t.Errorf("id %s twice: %s", f.ID, f.Summary)
			}
			ids[f.ID] = true
		}
	}
}

func TestTimelineRefolds(t *testing.T) {
	var tl timeline
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 10_000 {
		tl.add(start+r.Int64N(int64(i+1)*1e9)-int64(i)*5e8, verdict(r.IntN(int(numVerdicts))))
		if len(tl.buckets) > maxBuckets {
			t.Fatalf("%d buckets", len(tl.buckets))
		}
	}
	tl.add(-5e18, documented)
	tl.add(9e18, documented)
	var sum uint64
	for _, b := range tl.export().Buckets {
		sum += b.Documented + b.Unexpected + b.Deviation + b.Other
	}
	if sum != 10_002 {
		t.Errorf("%d connections in the timeline", sum)
	}
}

func TestCannotShowIsNeverEmpty(t *testing.T) {
	a := audit(t, set(t, testSite, testPack), quiet, nil)
	if n := len(a.Coverage.CannotShow); n < 2 {
		t.Errorf("%d sentences", n)
	}
	text := strings.Join(a.Coverage.CannotShow, "\n")
	for _, want := range []string{"capture point", "payloads", "p/store"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing about %s in\n%s", want, text)
		}
	}
}
