package monitor

import (
	"fmt"
	"net/netip"
	"testing"

	"pcapaudit/capture/flow"
)

func TestFindingsAreToldOnce(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{})
	r.Tick(start + minute)
	r.see(documented)
	r.want("documented", "")
	r.see(unanswer, unanswer)
	r.want("an attempt, twice", "low finding new: agent-1 tried tcp/22 on server-1: unanswered, 1 connections")
	r.see(refused)
	r.want("a refusal", "low finding graver: agent-1 tried tcp/22 on server-1: refused, 3 connections")
	young := r.conn(unexpected)
	r.Young(young)
	r.want("an open connection", "high finding graver: agent-1 opened tcp/22 on server-1, 4 connections")
	r.Tick(start + 3*hour)
	r.want("while it is open", "")
	r.observe(young)
	r.see(refused)
	r.want("when it ends, and after a weaker one", "")
	if n := r.Counters(); n.Repeated != 3 || n.Findings != 1 || n.Pending != 0 || n.Connections != 6 || n.Alerts[KindFinding] != 3 {
		t.Errorf("counters %+v", n)
	}
	r.Tick(start + 5*hour)
	r.want("quiet", "info resolved: not seen for 1h: agent-1 opened tcp/22 on server-1")
	r.see(refused)
	r.want("back, and weaker", "low finding again: agent-1 tried tcp/22 on server-1: refused, 1 connections")
}

func TestProvisionalFindings(t *testing.T) {
	const vague, named = "10.0.0.1:50000 > 203.0.113.9:8443 tcp established", "10.0.0.1:50000 > 203.0.113.9:8443 tcp established sni=portal.example"
	set := compiled(t, testPack, testSite)
	told := "high finding new: agent-1 opened tcp/8443 on 203.0.113.9 (no host of the site), 1 connections"

	t.Run("ends as documented", func(t *testing.T) {
		r := begin(t, set, Options{})
		r.Young(r.conn(vague))
		r.want("young", told)
		c := r.conn(named)
		c.ID.Packet = 1
		r.observe(c)
		r.want("ended", "info resolved: did not prove true, the connection is documented p/report: agent-1 opened tcp/8443 on 203.0.113.9 (no host of the site)")
		if f := r.endPeriod().Findings; len(f) != 0 && f[0].Kind == "connection" {
			t.Errorf("findings %+v", f)
		}
	})
	t.Run("another connection of it remains", func(t *testing.T) {
		r := begin(t, set, Options{})
		r.Young(r.conn(vague))
		r.see(vague)
		r.want("young", told)
		c := r.conn(named)
		c.ID.Packet = 1
		r.observe(c)
		r.want("ended", "")
	})
	t.Run("who originated is never told", func(t *testing.T) {
		r := begin(t, set, Options{})
		c := r.conn("10.0.0.10:9876 > 10.0.0.1:50000 tcp midstream guessed")
		r.Young(c)
		r.observe(c)
		r.want("a running session", "")
	})
	t.Run("too many are judged when they end", func(t *testing.T) {
		r := begin(t, set, Options{})
		for i := range maxPending {
			r.pending[flow.ConnID{File: 1, Packet: uint64(i)}] = provisional{}
		}
		c := r.conn(unexpected)
		r.Young(c)
		r.want("young", "")
		r.observe(c)
		r.want("ended", "high finding new: agent-1 opened tcp/22 on server-1, 1 connections")
		if n := r.Counters().NotPending; n != 1 {
			t.Errorf("%d not pending", n)
		}
	})
}

func TestStoriesAreBounded(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{})
	for i := range maxStories {
		id := hashID(fmt.Sprint(i))
		r.stories.put(id, story{ID: id, Kind: "connection", Seen: start})
	}
	r.see(unexpected)
	r.want("beyond the limit", "high finding new: agent-1 opened tcp/22 on server-1, 1 connections")
	if n := r.Counters(); r.stories.len() != maxStories || n.Forgotten != 1 {
		t.Errorf("%d findings, %d forgotten", r.stories.len(), n.Forgotten)
	}
	r.Tick(start + 2*hour)
	if n := len(r.alerts); n != maxResolved+1 {
		t.Errorf("%d alerts for %d findings that went quiet", n, maxStories)
	}
}

func TestFloodOfOneOriginator(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{})
	const all = 100_000
	var kinds [3]int // finding, flood, other
	var folded, hosts uint64
	r.opts.Alert = func(a Alert) {
		switch a.Kind {
		case KindFinding:
			kinds[0]++
		case KindFlood:
			kinds[1]++
			folded += a.Connections
			hosts = max(hosts, uint64(a.Flood.Hosts))
			if !a.Flood.Scan() || a.Flood.From != "plain" || len(a.Flood.Services) > maxFloodServices {
				t.Fatalf("flood %+v", a.Flood)
			}
		default:
			kinds[2]++
		}
	}
	base := r.conn("10.0.0.50:40000 > 10.0.1.0:22 tcp unanswered")
	for i := range all {
		c := *base
		c.ID.Packet = uint64(i + 2)
		c.Resp = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), uint16(1+i%3000))
		if i%3 == 0 {
			r.Young(&c)
		}
		r.observe(&c)
		r.Tick(start + int64(i)*int64(minute)/1000) // 100 minutes
	}
	r.Tick(start + 4*hour)
	r.Tick(start + 8*hour)
	if n := uint64(kinds[0]) + folded; n != all {
		t.Errorf("%d connections told, want %d", n, all)
	}
	if kinds[0] != floodEach || kinds[1] > 12 || kinds[2] > floodEach+1 {
		t.Errorf("%d findings, %d floods and %d others were told", kinds[0], kinds[1], kinds[2])
	}
	if hosts == 0 || hosts > maxFloodHosts {
		t.Errorf("%d hosts", hosts)
	}
	if len(r.floods.windows) != 0 || r.floods.hosts != 0 || len(r.pending) != 0 || r.stories.len() > floodEach {
		t.Errorf("kept: %d windows, %d hosts, %d pending, %d findings", len(r.floods.windows), r.floods.hosts, len(r.pending), r.stories.len())
	}
}

func TestFloodOfAllOriginators(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{})
	base := r.conn("10.0.9.0:40000 > 10.0.0.10:80 tcp unanswered")
	const all = 20_000
	for i := range all {
		c := *base
		c.ID.Packet = uint64(i + 2)
		c.Orig = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 40000)
		r.observe(&c)
	}
	r.Tick(start + floodWindow)
	var folded uint64
	for _, a := range r.alerts {
		if a.Kind == KindFlood {
			folded += a.Connections
			if a.Flood.Origs != maxFloodHosts || !a.Flood.MoreThan || a.Flood.Hosts != 1 {
				t.Errorf("flood %+v", a.Flood)
			}
		}
	}
	if len(r.alerts) != floodAll+1 || folded != all-floodAll {
		t.Errorf("%d alerts, %d folded", len(r.alerts), folded)
	}
	if n := len(r.floods.windows); n > 1 {
		t.Errorf("%d windows", n)
	}
	r.alerts = nil
	r.see(unexpected)
	r.want("a connection during the flood", "high finding new: agent-1 opened tcp/22 on server-1, 1 connections")
}

func TestFloodOfConnections(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{})
	for i := range 500 {
		c := r.conn("10.0.0.50:40000 > 10.0.0.10:445 tcp established")
		c.Resp = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 5, byte(i)}), 445)
		r.Young(c)
		r.observe(c)
	}
	r.Tick(start + floodWindow)
	last := r.alerts[len(r.alerts)-1]
	if len(r.alerts) != floodEach+1 || last.Kind != KindFlood || last.Severity != "high" || last.Flood.Scan() || last.Flood.Total+floodEach < 256 {
		t.Errorf("%d alerts, the last %+v %+v", len(r.alerts), last, last.Flood)
	}
}

// TestFoldedAttemptThatSucceeds: what was folded while it was young is told where it ends as more.
func TestFoldedAttemptThatSucceeds(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{})
	attempt := func(i int) *flow.Conn {
		c := r.conn("10.0.0.50:40000 > 10.0.0.10:22 tcp half-open")
		c.Resp = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 5, byte(i)}), 22)
		return c
	}
	var last *flow.Conn
	for i := range floodEach + 2 {
		last = attempt(i)
		last.Outcome = flow.Unanswered
		r.Young(last)
	}
	r.took()
	last.Outcome = flow.Established
	r.observe(last)
	r.want("the last one", "high finding new: plain opened tcp/22 on 10.0.5.9 (no host of the site), 1 connections")
}

func TestBlindness(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{HeartbeatEvery: hour})
	r.Blind(start+second, "eth0", "down")
	r.Blind(start+2*second, "eth0", "deleted")
	r.want("blind", "high blind: blind on eth0: down")
	r.Tick(start + hour)
	r.want("heartbeat", "info heartbeat: watching: 0 connections judged, 0 findings open, 0 scheduled expectations missing; blind: eth0 (down)")
	r.Tick(start + hour + 89*second)
	r.Seeing(start+hour+90*second, "eth0")
	r.Seeing(start+hour+91*second, "eth0")
	r.want("seeing", "info resolved: seeing again on eth0 after 1h1m29s (down)")
	r.Tick(start + 2*hour)
	for i := range 2 * maxBlindSpans {
		r.Blind(start+2*hour+int64(2*i)*second, "eth1", "down")
		r.Seeing(start+2*hour+int64(2*i+1)*second, "eth1")
	}
	if len(r.blind.spans) != maxBlindSpans || r.Counters().BlindSpans == 0 || !r.blind.touches(start, start+2*second) {
		t.Errorf("%d spans, %d joined", len(r.blind.spans), r.Counters().BlindSpans)
	}
}
