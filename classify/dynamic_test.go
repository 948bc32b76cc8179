package classify

import (
	"math"
	"net/netip"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// A port is documented where it was announced to the host, a deviation where all that was announced is known, and else open.
func TestDynamic(t *testing.T) {
	const learned = `
seen rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135 @1s
port rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135 peer=10.0.0.20 to=10.0.0.11:50500 tcp @2s for=60s
port rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135 peer=10.0.0.20 to=10.0.0.11:50501 udp @2s for=60s
seen tftp 10.0.0.2:40000 10.0.0.10:69 @1s
port tftp 10.0.0.2:40000 10.0.0.10:69 peer=10.0.0.2 to=10.0.0.10:0 udp @1s for=60s
port tftp 10.0.0.2:1030 10.0.0.10:69 peer=10.0.0.2 to=10.0.0.10:0 udp @1s for=60s
`
	cases := []verdictCase{
		{"10.0.0.20:50001 > 10.0.0.11:50500 tcp established @5s", "documented flow=p/rpc-dynamic"},
		{"10.0.0.20:50001 > 10.0.0.10:50500 tcp established @5s", "documented flow=p/rpc-dynamic"}, // the other address of the host
		{"10.0.0.20:50001 > 10.0.0.11:50500 tcp established @63s", "deviation unannounced flow=p/rpc-dynamic"},
		{"10.0.0.20:50001 > 10.0.0.11:50501 tcp established @5s", "deviation unannounced flow=p/rpc-dynamic"}, // another protocol
		{"10.0.0.20:50002 > 10.0.0.10:50500 tcp established", "indeterminate unannounced flow=p/rpc-dynamic unverified=announcement"},
		{"10.0.0.20:50002 > 10.0.0.10:50502 tcp established @1500ms", "deviation unannounced flow=p/rpc-dynamic"},
		{"10.0.0.20:50003 > 10.0.0.10:40000 tcp established @6s", "unexpected undocumented-service"}, // outside the responder's range
		{"10.0.0.20:50004 > 10.0.0.10:50502 tcp midstream port @5s", "indeterminate unannounced flow=p/rpc-dynamic unverified=originator,source-port,announcement"},
		{"10.0.0.20:1000 > 10.0.0.10:50500 tcp established @6s", "deviation source-port flow=p/rpc-dynamic"},
		{"10.0.0.20:1000 > 10.0.0.10:50503 tcp established @6s", "deviation source-port,unannounced flow=p/rpc-dynamic"},
		{"10.0.0.10:51000 > 10.0.0.2:40000 udp answered @1s", "documented flow=p/boot-answer"},
		{"10.0.0.10:51000 > 10.0.0.2:1030 udp answered @1s", "documented flow=p/boot-answer"},
		{"10.0.0.10:51000 > 10.0.0.2:1031 udp answered @1s", "unexpected undocumented-service"}, // any port, but only by a request
		{"10.0.0.10:51001 > 10.0.0.2:2072 udp answered unknown", "unexpected undocumented-service"},
		{"10.0.0.10:51000 > 10.0.0.2:40001 udp answered @2s", "indeterminate unannounced flow=p/boot-answer unverified=announcement"}, // its request may be lost
		{"10.0.0.2:40000 > 10.0.0.10:51000 udp answered @2s", "documented flow=p/boot-answer"},                                        // the first datagram was lost
		{"10.0.0.2:40000 > 10.0.0.10:69 udp answered @1s", "documented flow=p/boot"},                                                  // the request itself
		{"10.0.0.2:40000 > 10.0.0.10:51000 udp answered @62s", "unexpected undocumented-service"},
		{"10.0.0.10:51000 > 10.0.0.1:50000 udp answered @1s", "indeterminate unannounced flow=p/boot-answer unverified=announcement"},
	}
	checkLearned(t, testSite, learned, cases)
	for i := range cases {
		cases[i].want = map[string]string{
			"deviation unannounced flow=p/rpc-dynamic":             "indeterminate unannounced flow=p/rpc-dynamic unverified=announcement",
			"deviation source-port,unannounced flow=p/rpc-dynamic": "deviation source-port,unannounced flow=p/rpc-dynamic unverified=announcement",
		}[cases[i].want]
	}
	checkLearned(t, testSite, learned+"lost rpc-endpoint-mapper 10.0.0.20:50009 10.0.0.10:135 @1100ms\n", cases)
}

// While something of a control conversation has not come, and where it never comes, nothing is unannounced.
func TestDoubtfulControl(t *testing.T) {
	const (
		seen       = "seen rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135 @1s\n"
		doubt      = "doubt rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135 @3s\n"
		whole      = "whole rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135 @9s\n"
		deviating  = "deviation unannounced flow=p/rpc-dynamic"
		undecided  = "indeterminate unannounced flow=p/rpc-dynamic unverified=announcement"
		connection = "10.0.0.20:50001 > 10.0.0.11:50500 tcp established "
	)
	for _, c := range []struct{ learned, at, want string }{
		{seen, "@5s", deviating},
		{seen + doubt, "@5s", undecided},
		{seen + doubt, "@1500ms", deviating},
		{seen + doubt, "@2500ms", undecided}, // times of different capture points differ
		{seen + doubt + whole, "@5s", deviating},
		{seen + doubt + doubt + whole, "@5s", undecided}, // of two conversations
		{seen + whole + doubt, "@5s", undecided},
		{"lost rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135 @3s\n" + seen, "@5s", undecided},
	} {
		checkLearned(t, testSite, c.learned, []verdictCase{{connection + c.at, c.want}})
	}
	const early = seen + "port rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135 peer=10.0.0.20 to=10.0.0.11:50500 tcp @5s for=60s\n"
	checkLearned(t, testSite, early, []verdictCase{{connection + "@4500ms", "documented flow=p/rpc-dynamic"}, {connection + "@3s", deviating}})
}

// A conversation that began before the capture may have announced everything.
func TestControlFromBeforeTheCapture(t *testing.T) {
	a := New(set(t, testSite, testPack), Options{})
	learn(t, a, "seen rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135 @1s\n")
	a.LearnAnnouncement(&flow.Announcement{At: start + 9e9, Since: math.MinInt64, By: flow.AnnouncedByRPC, Event: flow.ControlLost, Orig: end(t, "10.0.0.20:50005"), Resp: end(t, "10.0.0.11:135")})
	if j := a.judge(connOf(t, "10.0.0.20:50001 > 10.0.0.11:50500 tcp established @5s", 1)); j.verdict != indeterminate {
		t.Error(j.verdict, j.why.names())
	}
}

// What was announced is documented also where the responder's OS would pick no such port.
func TestAnnouncedOutsideTheRange(t *testing.T) {
	const learned = "seen rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135\nport rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135 peer=10.0.0.20 to=10.0.0.11:5005 tcp for=60s\n"
	checkLearned(t, testSite, learned, []verdictCase{
		{"10.0.0.20:50001 > 10.0.0.11:5005 tcp established", "documented flow=p/rpc-dynamic"},
		{"10.0.0.20:1001 > 10.0.0.11:5005 tcp established", "deviation source-port flow=p/rpc-dynamic"},
		{"10.0.0.20:50001 > 10.0.0.11:5006 tcp established", "unexpected undocumented-service"},
		{"10.0.0.20:50001 > 10.0.0.11:5005 tcp established @61s", "unexpected undocumented-service"},
		{"10.0.0.1:50001 > 10.0.0.11:5005 tcp established", "unexpected undocumented-service"}, // announced to another
		{"10.0.0.20:50001 > 10.0.0.30:5005 tcp established", "unexpected undocumented-service"},
	})
	narrow := testSite + "ports: [{flow: p/rpc-dynamic, ports: [5000-5004], source: s, approver: a}]\n"
	if got := learnedLines(t, set(t, narrow, strings.Replace(testPack, "announced_by: rpc-endpoint-mapper,", "announced_by: rpc-endpoint-mapper, configurable: true,", 1)), conns(t, "10.0.0.20:50001 > 10.0.0.11:5005 tcp established"), learned)[1]; got != "unexpected undocumented-service" {
		t.Error(got)
	}
}

// A documented range of ports is announced as well.
func TestAnnouncedRange(t *testing.T) {
	pack := strings.Replace(testPack, "ports: [dynamic], announced_by: rpc-endpoint-mapper", "ports: [5000-5100], announced_by: rpc-endpoint-mapper", 1)
	const learned = "seen rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135\nport rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135 peer=10.0.0.20 to=10.0.0.11:5050\n"
	got := learnedLines(t, set(t, testSite, pack), conns(t, "10.0.0.20:50001 > 10.0.0.10:5050 tcp established\n10.0.0.20:50001 > 10.0.0.10:5051 tcp established"), learned)
	if got[1] != "documented flow=p/rpc-dynamic" || got[2] != "deviation unannounced flow=p/rpc-dynamic" {
		t.Error(got)
	}
}

// A site may accept the dynamic range as it is, or as its servers are set, and the audit says so.
func TestAcceptedDynamicRange(t *testing.T) {
	const learned = "seen rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135\nport rpc-endpoint-mapper 10.0.0.20:50000 10.0.0.11:135 peer=10.0.0.20 to=10.0.0.11:50500\n"
	const other = "10.0.0.20:50001 > 10.0.0.10:50501 tcp established"
	for _, c := range []struct{ dynamic, conn, want string }{
		{"", other, "deviation unannounced flow=p/rpc-dynamic"},
		{"dynamic: [{accept: range, source: s, approver: a}]", other, "documented flow=p/rpc-dynamic unverified=announcement"},
		{"dynamic: [{accept: range, source: s, approver: a}]", "10.0.0.20:50001 > 10.0.0.10:50500 tcp established", "documented flow=p/rpc-dynamic"},
		{"dynamic: [{accept: range, range: 5000-5100, source: s, approver: a}]", other, "deviation unannounced flow=p/rpc-dynamic"},
		{"dynamic: [{flow: p/rpc-dynamic, accept: range, range: 5000-5100, source: s, approver: a}]", "10.0.0.20:50001 > 10.0.0.10:5050 tcp established", "documented flow=p/rpc-dynamic unverified=announcement"},
		{"dynamic: [{flow: p/boot-answer, accept: range, source: s, approver: a}]", other, "deviation unannounced flow=p/rpc-dynamic"},
	} {
		checkLearned(t, testSite+c.dynamic+"\n", learned, []verdictCase{{c.conn, c.want}})
	}
	s := set(t, testSite+"dynamic: [{accept: range, source: s, approver: a}]\n", testPack)
	contains(t, audit(t, s, other, nil).Coverage.CannotShow, "Whether 1 connection to dynamic ports are the documented ones: nothing announced them, and the site accepts the whole range.")
}

func contains(t *testing.T, list []string, want string) {
	t.Helper()
	for _, s := range list {
		if s == want {
			return
		}
	}
	t.Errorf("%q is not in %q", want, list)
}

// What has no room makes nothing a deviation.
func TestAnnouncementsAreBounded(t *testing.T) {
	a := New(set(t, testSite, testPack), Options{})
	n := flow.Announcement{At: start, By: flow.AnnouncedByRPC, Orig: end(t, "10.0.0.20:50000"), Resp: end(t, "10.0.0.10:135")}
	a.LearnAnnouncement(&n)
	n.Event, n.Peer, n.Proto = flow.PortAnnounced, n.Orig.Addr(), flow.TCP
	a.dynamic.ports = make(map[portKey][]Span, maxAnnounced)
	for i := range maxAnnounced {
		a.dynamic.ports[portKey{port: uint16(i), by: flow.Announcer(i >> 16)}] = nil
	}
	n.To = end(t, "10.0.0.10:50500")
	a.LearnAnnouncement(&n)
	if j := a.judge(connOf(t, "10.0.0.20:50001 > 10.0.0.10:50500 tcp established", 1)); j.verdict != indeterminate || a.dynamic.unkept != 1 {
		t.Errorf("%s, %d not kept", j.verdict, a.dynamic.unkept)
	}
	for i := len(a.dynamic.controls); i < maxControls; i++ {
		a.dynamic.controls[controlKey{by: flow.Announcer(i), orig: party{addr: netip.AddrFrom4([4]byte{1, byte(i >> 16), byte(i >> 8), byte(i)})}}] = fresh
	}
	learn(t, a, "seen rpc-endpoint-mapper 10.0.0.1:50000 10.0.0.10:135\n") // no room: what is lost of others is not known either
	if got := a.dynamic.read(controlKey{party{host: a.set.Site.Hosts[4]}, party{host: a.set.Site.Hosts[3]}, flow.AnnouncedByRPC}, controlKey{}, start); got != unreadAnnouncement || !a.dynamic.crowded {
		t.Error(got)
	}
	for i := range 3 * maxWindows {
		a.dynamic.announce(portKey{}, Span{int64(10 * i), int64(10*i + 1)})
	}
	if w := a.dynamic.ports[portKey{}]; len(w) != maxWindows || w[maxWindows-1].Until != 10*(3*maxWindows-1)+1 {
		t.Errorf("windows %v", w)
	}
}
