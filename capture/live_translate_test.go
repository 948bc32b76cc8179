package capture

import (
	"fmt"
	"math"
	"math/rand"
	"net/netip"
	"runtime"
	"testing"

	"pcapaudit/capture/flow"
)

const second = 1_000_000_000

// nat reads "ORIGINATOR>TARGET RESPONDER>ANSWER": the packet that opens, and one that answers.
func nat(t testing.TB, proto flow.Proto, s string) *tracked {
	t.Helper()
	var a [4]string
	if n, err := fmt.Sscanf(s, "%s %s %s %s", &a[0], &a[1], &a[2], &a[3]); n != 4 {
		t.Fatal(err)
	}
	k := &tracked{proto: proto}
	for i, to := range []*netip.AddrPort{&k.orig, &k.target, &k.resp, &k.answer} {
		*to = netip.MustParseAddrPort(a[i])
	}
	return k
}

func connOf(proto flow.Proto, first int64, from, to string) *flow.Conn {
	return &flow.Conn{Proto: proto, First: first, Last: first + second, Orig: netip.MustParseAddrPort(from), Resp: netip.MustParseAddrPort(to)}
}

func endsText(c *flow.Conn) string {
	if c.OtherLeg {
		return "other leg"
	}
	return c.Orig.String() + " " + c.Resp.String()
}

func TestTranslations(t *testing.T) {
	const at = 1000 * second
	masquerade := "10.0.0.5:40000 203.0.113.9:443 203.0.113.9:443 198.51.100.1:61000"
	forward := "203.0.113.9:5000 198.51.100.1:80 10.0.0.80:8080 203.0.113.9:5000"
	both := "10.0.0.5:40001 198.51.100.1:80 10.0.0.80:8080 10.0.0.1:62000"
	for _, c := range []struct {
		name  string
		proto flow.Proto
		nat   string
		conn  *flow.Conn
		want  string
	}{
		{"masqueraded, inside", flow.TCP, masquerade, connOf(flow.TCP, at, "10.0.0.5:40000", "203.0.113.9:443"), "10.0.0.5:40000 203.0.113.9:443"},
		{"masqueraded, outside", flow.TCP, masquerade, connOf(flow.TCP, at, "198.51.100.1:61000", "203.0.113.9:443"), "10.0.0.5:40000 203.0.113.9:443"},
		{"its originator is guessed wrongly", flow.TCP, masquerade, connOf(flow.TCP, at, "203.0.113.9:443", "198.51.100.1:61000"), "203.0.113.9:443 10.0.0.5:40000"},
		{"forwarded, outside", flow.TCP, forward, connOf(flow.TCP, at, "203.0.113.9:5000", "198.51.100.1:80"), "203.0.113.9:5000 10.0.0.80:8080"},
		{"forwarded, inside", flow.TCP, forward, connOf(flow.TCP, at, "203.0.113.9:5000", "10.0.0.80:8080"), "203.0.113.9:5000 10.0.0.80:8080"},
		{"both, before", flow.TCP, both, connOf(flow.TCP, at, "10.0.0.5:40001", "198.51.100.1:80"), "10.0.0.5:40001 10.0.0.80:8080"},
		{"both, after", flow.TCP, both, connOf(flow.TCP, at, "10.0.0.1:62000", "10.0.0.80:8080"), "10.0.0.5:40001 10.0.0.80:8080"},
		{"another protocol", flow.TCP, masquerade, connOf(flow.UDP, at, "198.51.100.1:61000", "203.0.113.9:443"), "198.51.100.1:61000 203.0.113.9:443"},
		{"another port", flow.TCP, masquerade, connOf(flow.TCP, at, "198.51.100.1:61001", "203.0.113.9:443"), "198.51.100.1:61001 203.0.113.9:443"},
		{"long before", flow.TCP, masquerade, connOf(flow.TCP, at-10*second, "198.51.100.1:61000", "203.0.113.9:443"), "198.51.100.1:61000 203.0.113.9:443"},
		{"a little before it was told", flow.TCP, masquerade, connOf(flow.TCP, at-second, "198.51.100.1:61000", "203.0.113.9:443"), "10.0.0.5:40000 203.0.113.9:443"},
		{"after it ended", flow.TCP, masquerade, connOf(flow.TCP, at+110*second, "198.51.100.1:61000", "203.0.113.9:443"), "198.51.100.1:61000 203.0.113.9:443"},
		{"not translated", flow.TCP, "10.0.0.5:40000 203.0.113.9:443 203.0.113.9:443 10.0.0.5:40000", connOf(flow.TCP, at, "10.0.0.5:40000", "203.0.113.9:443"), "10.0.0.5:40000 203.0.113.9:443"},
		{"IPv6", flow.UDP, "[fd00::5]:4000 [2001:db8::9]:53 [2001:db8::9]:53 [2001:db8::1]:4000", connOf(flow.UDP, at, "[2001:db8::1]:4000", "[2001:db8::9]:53"), "[fd00::5]:4000 [2001:db8::9]:53"},
		{"without ports", flow.ICMP, "10.0.0.5:0 203.0.113.9:0 203.0.113.9:0 198.51.100.1:0", connOf(flow.ICMP, at, "198.51.100.1:0", "203.0.113.9:0"), "198.51.100.1:0 203.0.113.9:0"},
	} {
		tr := newTranslations()
		k := nat(t, c.proto, c.nat)
		tr.began(k, at)
		tr.finished(k, at+100*second)
		table := flow.NewTable(flow.Options{})
		tr.apply(c.conn, table, true)
		if got := endsText(c.conn); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		table.Close()
	}
}

// TestTranslationLegs: the leg after translation counts as such once the one before was emitted, in all connections that it may be cut into.
func TestTranslationLegs(t *testing.T) {
	tr, table := newTranslations(), flow.NewTable(flow.Options{})
	defer table.Close()
	tr.began(nat(t, flow.TCP, "10.0.0.5:40000 203.0.113.9:443 203.0.113.9:443 198.51.100.1:61000"), 0)
	legs := []*flow.Conn{connOf(flow.TCP, 0, "198.51.100.1:61000", "203.0.113.9:443"), connOf(flow.TCP, 0, "10.0.0.5:40000", "203.0.113.9:443"),
		connOf(flow.TCP, 0, "198.51.100.1:61000", "203.0.113.9:443"), connOf(flow.TCP, 5000*second, "198.51.100.1:61000", "203.0.113.9:443"),
		connOf(flow.TCP, 0, "198.51.100.1:61000", "203.0.113.9:443")}
	legs[4].Tunnel = "vxlan:1"
	want := []string{"10.0.0.5:40000 203.0.113.9:443", "10.0.0.5:40000 203.0.113.9:443", "other leg", "other leg", "198.51.100.1:61000 203.0.113.9:443"}
	for i, c := range legs {
		early := *c // it is not emitted yet: nothing is noted
		tr.apply(&early, table, false)
		if got := endsText(&early); got != want[i] {
			t.Errorf("connection %d, open: %s, want %s", i, got, want[i])
		}
		tr.apply(c, table, true)
		if got := endsText(c); got != want[i] {
			t.Errorf("connection %d: %s, want %s", i, got, want[i])
		}
	}
	if want := (TranslationCounters{Told: 1, Restored: 1, Joined: 2}); tr.counters != want {
		t.Errorf("%+v, want %+v", tr.counters, want)
	}
}

// TestTranslationReused has one outside port stand for two inside hosts, one after the other.
func TestTranslationReused(t *testing.T) {
	tr, table := newTranslations(), flow.NewTable(flow.Options{})
	defer table.Close()
	a := nat(t, flow.TCP, "10.0.0.5:40000 203.0.113.9:443 203.0.113.9:443 198.51.100.1:40000")
	b := nat(t, flow.TCP, "10.0.0.6:40000 203.0.113.9:443 203.0.113.9:443 198.51.100.1:40000")
	const reused = 50 * second
	tr.began(a, 0)
	tr.finished(a, reused)
	tr.began(b, reused)
	for _, c := range []struct {
		first int64
		want  string
	}{{0, "10.0.0.5:40000 203.0.113.9:443"}, {20 * second, "10.0.0.5:40000 203.0.113.9:443"}, {reused - second/10, "10.0.0.6:40000 203.0.113.9:443"},
		{reused + 10*second, "10.0.0.6:40000 203.0.113.9:443"}} {
		leg := connOf(flow.TCP, c.first, "198.51.100.1:40000", "203.0.113.9:443")
		tr.apply(leg, table, true)
		if got := endsText(leg); got != c.want {
			t.Errorf("at %d s: %s, want %s", c.first/second, got, c.want)
		}
	}
	tr.expire(reused + keptTranslation + second)
	leg := connOf(flow.TCP, 0, "198.51.100.1:40000", "203.0.113.9:443")
	if tr.apply(leg, table, true); endsText(leg) != "198.51.100.1:40000 203.0.113.9:443" {
		t.Errorf("still known: %s", endsText(leg))
	}
}

// TestTranslationsBounded: those that ended make room, others are counted; all is forgotten in the end, whatever the order.
func TestTranslationsBounded(t *testing.T) {
	tr := newTranslations()
	all := make([]*tracked, maxTranslations+100)
	inside := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 20), byte(i >> 12), byte(i >> 4)}), uint16(1024+i&15))
	}
	for i := range all {
		all[i] = &tracked{flow.UDP, inside(i), netip.MustParseAddrPort("203.0.113.9:53"), netip.MustParseAddrPort("203.0.113.9:53"), netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i >> 15)}), uint16(i&0x7fff))}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, k := range all {
		tr.began(k, second)
	}
	if tr.counters.Overflow != 100 || tr.counters.Told != uint64(len(all)) {
		t.Errorf("%+v", tr.counters)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d MiB", (after.HeapAlloc-before.HeapAlloc)>>20)
	for i := range 100 {
		tr.finished(all[i], 2*second)
		tr.began(all[maxTranslations+i], 2*second)
	}
	if tr.counters.Overflow != 100 || len(tr.entries) != maxTranslations+1 {
		t.Errorf("%+v, %d entries", tr.counters, len(tr.entries))
	}
	for _, i := range rand.New(rand.NewSource(1)).Perm(len(all)) {
		tr.finished(all[i], 3*second)
	}
	tr.expire(math.MaxInt64)
	if len(tr.byEnds) != 0 || len(tr.free) != maxTranslations {
		t.Errorf("%d ends are still known, %d entries free", len(tr.byEnds), len(tr.free))
	}
}

// TestTranslationChains keeps few ends in ever new combinations, also where one connection's leg before translation is another one's after.
func TestTranslationChains(t *testing.T) {
	random := rand.New(rand.NewSource(2))
	tr := newTranslations()
	end := func() netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(random.Intn(3))}), uint16(random.Intn(2)))
	}
	var open []*tracked
	for now := int64(0); now < 20_000*second; now += second {
		k := &tracked{flow.TCP, end(), end(), end(), end()}
		tr.began(k, now)
		open = append(open, k)
		if random.Intn(3) > 0 {
			i := random.Intn(len(open))
			tr.finished(open[i], now)
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
		}
		tr.expire(now)
	}
	for _, k := range open {
		tr.finished(k, 20_000*second)
	}
	tr.expire(math.MaxInt64)
	if len(tr.byEnds) != 0 || len(tr.free) != len(tr.entries)-1 {
		t.Errorf("%d ends are still known, %d of %d entries free", len(tr.byEnds), len(tr.free), len(tr.entries)-1)
	}
}
