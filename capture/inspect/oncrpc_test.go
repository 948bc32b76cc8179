package inspect

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

func xdr(s string) string { return be(uint32(len(s))) + s + zeros(-len(s)&3) }

// credentials
var (
	authNone = be(0, 0)
	authSys  = be(1) + xdr(be(0, 4)+"host"+be(0, 0, 0))
	authTLS  = be(7, 0)
)

func gss(procedure, service uint32) string {
	return be(6) + xdr(be(1, procedure, 5, service)+xdr("handle"))
}

func call(xid, program, version, procedure uint32, credentials string, args ...string) string {
	return be(xid, 0, 2, program, version, procedure) + credentials + authNone + strings.Join(args, "")
}

func reply(xid uint32, results ...string) string {
	return be(xid, 1, 0, 0, 0, 0) + strings.Join(results, "")
}

// record puts a record mark before each fragment.
func record(fragments ...string) string {
	var s string
	for i, f := range fragments {
		mark := uint32(len(f))
		if i == len(fragments)-1 {
			mark |= lastFragment
		}
		s += be(mark) + f
	}
	return s
}

func TestNFS(t *testing.T) {
	null := call(1, progNFS, 3, 0, authNone)
	for _, c := range []struct {
		name  string
		calls []string
		want  []string
	}{
		{"clear", []string{null, call(2, progNFS, 3, 1, authSys, random(40))}, []string{"protocol onc-rpc", "protocol nfs", "clear NFS call in clear"}},
		{"null", []string{null}, []string{"protocol onc-rpc", "protocol nfs"}},
		{"privacy", []string{null, call(2, progNFS, 4, 0, gss(1, 3), random(40)), call(3, progNFS, 4, 1, gss(0, 3), random(400))}, []string{"protocol onc-rpc", "protocol nfs", "encrypted RPCSEC_GSS privacy"}},
		{"integrity", []string{call(3, progNFS, 4, 1, gss(0, 2), random(400))}, []string{"protocol onc-rpc", "protocol nfs", "clear NFS call in clear"}},
		{"mount", []string{call(3, 100005, 3, 1, authSys, xdr("/export"))}, []string{"protocol onc-rpc", "clear ONC RPC call in clear"}},
	} {
		var datagrams, stream []turn
		for i, call := range c.calls {
			datagrams = append(datagrams, orig(call), resp(reply(uint32(i+1), random(100))))
			stream = append(stream, orig(record(call)), resp(record(reply(uint32(i+1), random(100)))))
		}
		expect(t, overUDP(900, datagrams...), c.want...)
		expect(t, midstream(overTCP(900, stream...)), c.want...)
		everyWay(t, overTCP(900, stream...), c.want...)
	}
}

// A long record in fragments is skipped, whatever is in it.
func TestRPCFragments(t *testing.T) {
	long := call(1, 100005, 3, 0, authNone, random(9000))
	everyWay(t, overTCP(900, orig(record(long, call(2, progNFS, 3, 1, authSys), random(20000)), record(call(3, 100005, 3, 1, authSys)))),
		"protocol onc-rpc", "clear ONC RPC call in clear")
}

func TestRPCOverTLS(t *testing.T) {
	probe, granted := record(call(1, progNFS, 4, 0, authTLS)), record(be(1, 1, 0, 0)+xdr("STARTTLS")+be(0))
	everyWay(t, overTCP(2049, orig(probe), resp(granted), orig(random(600)), resp(random(600))), "protocol onc-rpc", "protocol nfs")
	refused := overTCP(2049, orig(probe), resp(record(reply(1))), orig(record(call(2, progNFS, 4, 1, authSys))))
	everyWay(t, refused, "protocol onc-rpc", "protocol nfs", "clear NFS call in clear")
}

func TestNotRPC(t *testing.T) {
	for name, b := range map[string]string{
		"version 1": be(1, 0, 1, progNFS, 3, 0) + authNone + authNone, "program": be(1, 0, 2, 99999, 3, 0) + authNone + authNone,
		"flavour": be(1, 0, 2, progNFS, 3, 0) + be(9, 0) + authNone, "credentials": be(1, 0, 2, progNFS, 3, 0) + be(1, 401) + zeros(500),
	} {
		expect(t, overUDP(111, orig(b), resp("?")), "protocol unknown", "printable 100")
		facts, _, _ := run(t, overTCP(111, orig(record(b)), resp("?"))...)
		if words(facts)[0] != "protocol unknown" {
			t.Errorf("%s: %q", name, words(facts))
		}
	}
}

func TestPortmap(t *testing.T) {
	pm := func(version, procedure uint32, args ...string) string {
		return call(9, progPortmap, version, procedure, authNone, args...)
	}
	addr6 := netip.MustParseAddr("2001:db8::7")
	for _, c := range []struct {
		name        string
		call, reply string
		want        []string // of announcements over UDP; "T" stands for the protocol of the question
	}{
		{"port", pm(2, 3, be(progNFS, 3, 6, 0)), reply(9, be(2049)), []string{"to tcp 192.0.2.7:2049 (nfs v3)"}},
		{"port of udp", pm(2, 3, be(390113, 1, 17, 0)), reply(9, be(7937)), []string{"to udp 192.0.2.7:7937 (program 390113 v1)"}},
		{"not registered", pm(2, 3, be(progNFS, 3, 6, 0)), reply(9, be(0)), nil},
		{"no port", pm(2, 3, be(progNFS, 3, 6, 0)), reply(9, be(1<<16|5)), nil},
		{"other protocol", pm(2, 3, be(progNFS, 3, 132, 0)), reply(9, be(2049)), nil},
		{"other number", pm(2, 3, be(progNFS, 3, 6, 0)), reply(8, be(2049)), nil},
		{"failed", pm(2, 3, be(progNFS, 3, 6, 0)), be(9, 1, 0, 0, 0, 1) + be(2049), nil},
		{"address", pm(3, 3, be(100005, 3), xdr("tcp"), xdr(""), xdr("")), reply(9, xdr("0.0.0.0.78.80")), []string{"to T 192.0.2.7:20048 (mountd v3)"}},
		{"address elsewhere", pm(4, 3, be(100005, 3), xdr("udp6"), xdr(""), xdr("")), reply(9, xdr(addr6.String()+".78.80")), []string{"to T [2001:db8::7]:20048 (mountd v3)"}},
		{"address of a version", pm(4, 9, be(100021, 4), xdr("tcp"), xdr(""), xdr("")), reply(9, xdr("192.0.2.8.1.0")), []string{"to T 192.0.2.8:256 (nlm v4)"}},
		{"no address", pm(4, 3, be(100005, 3), xdr("tcp"), xdr(""), xdr("")), reply(9, xdr("")), nil},
		{"bad address", pm(4, 3, be(100005, 3), xdr("tcp"), xdr(""), xdr("")), reply(9, xdr("192.0.2.7.256.1")), nil},
		{"list", pm(2, 4), reply(9, be(1, progPortmap, 2, 6, 111), be(1, 100024, 1, 17, 40000), be(0)), []string{"to tcp 192.0.2.7:111 (portmap v2)", "to udp 192.0.2.7:40000 (status v1)"}},
		{"list of addresses", pm(4, 4), reply(9, be(1, 100024, 1), xdr("tcp6"), xdr("::.156.64"), xdr("superuser"), be(1, 100024, 1), xdr("local"), xdr("/run/x.sock"), xdr("superuser"), be(0)),
			[]string{"to tcp 192.0.2.7:40000 (status v1)"}},
		{"list cut", pm(2, 4), reply(9, be(1, progPortmap, 2, 6, 111), be(1, 100024, 1)), []string{"to tcp 192.0.2.7:111 (portmap v2)", "portmap lost"}},
	} {
		for proto, segments := range map[string][]segment{
			"udp": overUDP(111, orig(c.call), resp(c.reply), resp(c.reply)),
			"tcp": overTCP(111, orig(record(c.call)), resp(record(c.reply)), resp(record(c.reply))),
		} {
			facts, _, announcements := run(t, segments...)
			want := []string{"portmap seen"}
			for _, w := range c.want {
				if w == "portmap lost" {
					want = append(want, w)
					continue
				}
				want = append(want, "portmap announced 192.0.2.9 "+strings.Replace(w, " T ", " "+proto+" ", 1)+" for 86400 s")
			}
			if got := announcementWords(announcements); !slices.Equal(got, want) {
				t.Errorf("%s over %s: %q, want %q", c.name, proto, got, want)
			}
			if got := words(facts); !slices.Equal(got, []string{"protocol onc-rpc", "protocol portmap", "clear portmap call in clear"}) {
				t.Errorf("%s over %s: %q", c.name, proto, got)
			}
		}
		everyWay(t, overTCP(111, orig(record(c.call)), resp(record(c.reply))), "protocol onc-rpc", "protocol portmap", "clear portmap call in clear")
	}
}

// A control conversation whose bytes are missing says so.
func TestPortmapLost(t *testing.T) {
	s := overTCP(111, orig(record(call(9, progPortmap, 2, 3, authNone, be(progNFS, 3, 6, 0)))), resp(record(reply(9, be(2049)))))
	s[len(s)-1].data, s[len(s)-1].cut = s[len(s)-1].data[:10], 22
	_, _, announcements := run(t, s...)
	if got := announcementWords(announcements); !slices.Equal(got, []string{"portmap seen", "portmap lost"}) {
		t.Errorf("%q", got)
	}
	if len(announcements) > 0 && announcements[0].By != flow.AnnouncedByPortmap {
		t.Errorf("by %v", announcements[0].By)
	}
}
