package classify

import (
	"net/netip"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// ICMP errors are out of scope where all of them are about tracked connections, and judged like anything else where not.
func TestICMPErrorVerdict(t *testing.T) {
	s := set(t, testSite, testPack)
	for _, known := range []bool{true, false} {
		list := conns(t, "10.0.0.10 > 10.0.0.50 icmp one-way type=3")
		list[0].QuotesKnown = known
		got := judgedLines(s, list)[1]
		if want := "out-of-scope icmp-error"; known != (got == want) || !known && !strings.HasPrefix(got, "unexpected") {
			t.Errorf("quotes known %v: %s", known, got)
		}
	}
}

// A finding about connections without an answer says what ICMP errors told, whatever the order of connections.
func TestICMPErrorWords(t *testing.T) {
	by := netip.MustParseAddr("10.0.0.1")
	type told struct {
		what flow.ICMPError
		by   netip.Addr
	}
	for _, c := range []struct {
		name string
		told []told
		want string
	}{
		{"none", []told{{}, {}}, ": unanswered"},
		{"both", []told{{flow.AdministrativelyProhibited, by}, {flow.AdministrativelyProhibited, by}}, ": unanswered, administratively prohibited by 10.0.0.1"},
		{"one of two", []told{{flow.HostUnreachable, by}, {}}, ": unanswered, host unreachable by 10.0.0.1 (1 of 2)"},
		{"different", []told{{flow.AdministrativelyProhibited, by}, {flow.HostUnreachable, by}}, ": unanswered, host unreachable by 10.0.0.1 among other errors"},
		{"no failure", []told{{flow.FragmentationNeeded, by}, {}}, ": unanswered"},
	} {
		for _, order := range [][]int{{0, 1}, {1, 0}} {
			a := New(set(t, testSite, testPack), Options{})
			list := conns(t, "10.0.0.10:50000 > 10.0.0.50:7777 tcp unanswered\n10.0.0.10:50001 > 10.0.0.50:7777 tcp unanswered")
			for i, f := range c.told {
				list[i].ICMPError, list[i].ICMPErrorBy = f.what, f.by
			}
			for _, i := range order {
				a.Observe(list[i])
			}
			out, err := a.Finish(captureOf(list))
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, f := range out.Findings {
				found = found || strings.HasSuffix(f.Summary, c.want)
			}
			if !found {
				t.Errorf("%s, order %v: no finding ends with %q: %+v", c.name, order, c.want, out.Findings)
			}
		}
	}
}
