package classify

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

func TestFindingsFoldByHost(t *testing.T) {
	a := audit(t, set(t, testSite, testPack), `
10.0.0.1:50000 > 10.0.0.10:9877 tcp refused @5s
10.0.0.1:50007 > 10.0.0.11:9877 tcp established @1s
10.0.0.2:50000 > 10.0.0.10:9877 tcp refused
10.0.0.10:50000 > 10.0.0.30:7000 tcp established
10.0.0.10:50000 > 10.0.0.30:7001 tcp established`, nil)
	var of []string
	for _, f := range a.Findings {
		if f.Kind == kindConnection || f.Kind == kindQuestion {
			of = append(of, f.Severity+" "+f.Summary)
		}
	}
	want := []string{
		"high agent-1 opened tcp/9877 on server-1",
		"low which port does p/store use? seen between its roles: tcp/7000, tcp/7001",
		"low agent-2 tried tcp/9877 on server-1: refused",
	}
	if !reflect.DeepEqual(of, want) {
		t.Errorf("got %s", strings.Join(of, "\n"))
	}
	f := a.Findings[0]
	if f.Connections != 2 || f.SourcePorts != "50000-50007" || len(f.Evidence) != 2 || f.Evidence[0].ID != "0:1" || f.First != "2026-01-02T03:00:01.000000000Z" {
		t.Errorf("%+v", f)
	}
	if want := "tcp/9877: p/check-in documents tcp/9876 between these roles"; f.Nearest != want {
		t.Errorf("nearest %q, want %q", f.Nearest, want)
	}
}

func TestFindingIDHasNoTimes(t *testing.T) {
	s := set(t, testSite, testPack)
	early := audit(t, s, "10.0.0.1:50000 > 10.0.0.10:9877 tcp established", nil)
	late := audit(t, s, "10.0.0.50:1000 > 10.0.0.1:99 tcp refused\n10.0.0.1:60000 > 10.0.0.11:9877 tcp established @30m", nil)
	if x, y := early.Findings[0].ID, late.Findings[0].ID; x != y || len(x) != 16 {
		t.Errorf("%s and %s", x, y)
	}
}

func TestExpiredExceptionIsNamed(t *testing.T) {
	site := testSite + `
exceptions:
  - {id: E1, from: agent-1, to: server-1, proto: tcp, ports: ["9877"], owner: o, approver: a, reason: migration, ticket: T1, since: "2026-01-01", until: "2026-01-02"}
  - {id: E2, from: agent-2, to: server-1, proto: tcp, ports: ["9877"], owner: o, approver: a, reason: migration, ticket: T1, since: "2026-01-01", until: "2026-03-02"}
  - {id: E3, from: plain, to: server-1, proto: tcp, ports: ["9877"], owner: o, approver: a, reason: migration, ticket: T1, since: "2026-01-01", until: "2026-03-02"}
`
	a := audit(t, set(t, site, testPack), "10.0.0.1:50000 > 10.0.0.10:9877 tcp established\n10.0.0.2:40000 > 10.0.0.10:9877 tcp established", nil)
	if f := findingOf(t, a, "connection unexpected "); f.Exception != "E1" || !strings.Contains(f.Reason, "exception E1 had expired (until 2026-01-02)") {
		t.Errorf("%+v", f)
	}
	if f := findingOf(t, a, "connection excepted "); f.Exception != "E2" || f.Original != "unexpected" || f.Decides || f.Severity != "info" {
		t.Errorf("%+v", f)
	}
	var states []string
	for _, e := range a.Exceptions {
		states = append(states, e.ID+" "+e.State)
	}
	if got := strings.Join(states, ", "); got != "E1 expired, E2 used, E3 unused" {
		t.Error(got)
	}
}

func TestCoupledPorts(t *testing.T) {
	for _, c := range []struct{ name, conns, want string }{
		{"8530 with 443", "10.0.0.1:50000 > 10.0.0.40:8530 tcp established\n10.0.0.2:40000 > 10.0.0.40:443 tcp established", "tcp/8530,443"},
		{"80 with 8531", "10.0.0.1:50000 > 10.0.0.40:80 tcp established\n10.0.0.2:40000 > 10.0.0.40:8531 tcp established", "tcp/80,8531"},
		{"80 with 443", "10.0.0.1:50000 > 10.0.0.40:80 tcp established\n10.0.0.2:40000 > 10.0.0.40:443 tcp established", ""},
		{"8530 with 8531", "10.0.0.1:50000 > 10.0.0.40:8530 tcp established\n10.0.0.2:40000 > 10.0.0.40:8531 tcp established", ""},
		{"8530 alone", "10.0.0.1:50000 > 10.0.0.40:8530 tcp established", ""},
		{"443 only tried", "10.0.0.1:50000 > 10.0.0.40:8530 tcp established\n10.0.0.2:40000 > 10.0.0.40:443 tcp refused", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := audit(t, set(t, testSite, testPack), c.conns, nil)
			got := ""
			for _, f := range a.Findings {
				if f.Kind == kindCoupled {
					got += f.Service
				}
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	t.Run("443 serves another flow", func(t *testing.T) {
		pack := strings.Replace(testPack, "{id: report, title: Agent reports, from: [agent], to: [portal], proto: tcp, ports: [\"8443\"]",
			"{id: report, title: Agent reports, from: [agent], to: [wsus], proto: tcp, ports: [\"443\"]", 1)
		a := audit(t, set(t, testSite, pack), "10.0.0.1:50000 > 10.0.0.40:8530 tcp established\n10.0.0.2:40000 > 10.0.0.40:443 tcp established", nil)
		for _, f := range a.Findings {
			if f.Kind == kindCoupled {
				t.Errorf("%+v", f)
			}
		}
	})
}

func TestFindingsAreBoundedAndAScanLeavesRoom(t *testing.T) {
	for asked, room := range map[int]int{0: maxAttempts, 1 << 12: 1 << 12, 1 << 20: maxAttempts} {
		scan(t, asked, room)
	}
}

// scan has more attempts than room, which is what Options.Attempts leads to.
func scan(t *testing.T, asked, room int) {
	t.Helper()
	a := New(set(t, testSite, testPack), Options{Attempts: asked})
	c := connOf(t, "10.0.0.1:50000 > 10.0.0.10:1 tcp refused", 1)
	for i := range 100_000 {
		n := *c
		n.ID.Packet = uint64(i + 1)
		n.Orig = end(t, "192.0.2.1:1000")
		b := n.Resp.Addr().As4()
		b[2], b[3] = 99, byte(i>>16)
		n.Resp = netipPort(b, uint16(i))
		a.Observe(&n)
	}
	a.Observe(connOf(t, "10.0.0.1:50000 > 10.0.0.10:9877 tcp established", 100_001))
	if n := len(a.findings.byKey); n != room+1 {
		t.Errorf("%d findings kept, want %d", n, room+1)
	}
	if want := uint64(100_000 - room); a.findings.overflow != want {
		t.Errorf("overflow %d, want %d", a.findings.overflow, want)
	}
	if a.sums.deciding != 1 {
		t.Errorf("%d deciding", a.sums.deciding)
	}
}

func TestLedgerResidualIsAnError(t *testing.T) {
	list := conns(t, "10.0.0.1:50000 > 10.0.0.10:9876 tcp established")
	a := New(set(t, testSite, testPack), Options{})
	a.Observe(list[0])
	facts := captureOf(list)
	facts.Emitted, facts.Created = 2, 2
	out, err := a.Finish(facts)
	if !errors.Is(err, ErrLedger) || out == nil || len(out.Residuals) == 0 {
		t.Errorf("%v", err)
	}
}

// randomConns makes connections between few ends and many outcomes, so that every verdict comes up.
func randomConns(t testing.TB, n int, seed uint64) []*flow.Conn {
	r := rand.New(rand.NewPCG(seed, 1))
	ends := []string{"10.0.0.1", "10.0.0.2", "10.0.7.3", "10.0.7.4", "10.0.0.10", "10.0.0.11", "10.0.0.20", "10.0.0.30", "10.0.0.40", "10.0.0.50", "10.0.99.1", "192.0.2.1",
		"198.51.100.7", "203.0.113.10", "10.0.255.255", "0.0.0.0", "10.1.0.9"}
	ports := []uint16{9876, 9877, 700, 701, 702, 135, 69, 80, 443, 8530, 8531, 8086, 8087, 50500, 40000, 20000, 9, 5000, 514}
	var list []*flow.Conn
	for i := range n {
		c := &flow.Conn{ID: flow.ConnID{Packet: uint64(i + 1)}, Proto: []flow.Proto{flow.TCP, flow.TCP, flow.TCP, flow.UDP, flow.ICMP, flow.ESP}[r.IntN(6)], ICMPType: uint8(r.IntN(16)),
			KnownBy: flow.KnownBy(r.IntN(6)), First: start + r.Int64N(3600e9), OrigPackets: r.Uint64N(5), RespPackets: r.Uint64N(5), OrigBytes: r.Uint64N(1000)}
		c.Outcome = flow.Outcome(r.IntN(10))
		if c.RespPackets == 0 {
			c.Visibility = flow.OrigOnly
		}
		c.Last = c.First + r.Int64N(1e10)
		from, to := end(t, ends[r.IntN(len(ends))]).Addr(), end(t, ends[r.IntN(len(ends))]).Addr()
		if c.Proto.HasPorts() {
			c.Orig, c.Resp = addrPort(from, ports[r.IntN(len(ports))]), addrPort(to, ports[r.IntN(len(ports))])
		} else {
			c.Orig, c.Resp = addrPort(from, 0), addrPort(to, 0)
		}
		list = append(list, c)
	}
	return list
}
