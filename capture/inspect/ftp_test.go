package inspect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// told renders announcements: "seen", "passive 192.0.2.9 192.0.2.7:21001", "lost".
func told(list []flow.Announcement) []string {
	var out []string
	for _, a := range list {
		switch a.Event {
		case flow.ControlSeen:
			out = append(out, "seen")
		case flow.ControlLost:
			out = append(out, "lost")
		default:
			out = append(out, fmt.Sprintf("%s %s %s", a.What, a.Peer, a.To))
		}
	}
	return out
}

// announces runs a connection whole, in pieces and disordered, and compares what it announces.
func announces(t *testing.T, segments []segment, want ...string) {
	t.Helper()
	check := func(how string, segments []segment) {
		t.Helper()
		_, _, list := run(t, segments...)
		if got := told(list); !slices.Equal(got, want) {
			t.Fatalf("%s: announced\n%s\nwant\n%s", how, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for _, a := range list {
			if a.By == flow.AnnouncedByNobody || a.Packet == 0 || a.Event == flow.PortAnnounced && (a.Until <= a.At || a.To.Port() == 0) {
				t.Fatalf("%s: announcement %+v", how, a)
			}
		}
	}
	check("whole", segments)
	for _, size := range []int{1, 2, 7, 30} {
		check(fmt.Sprintf("in pieces of %d", size), pieces(segments, size))
	}
	if segments[0].flags&flow.SYN == 0 {
		return // without a handshake the first segment seen is the first one
	}
	for seed := range uint64(8) {
		check(fmt.Sprintf("disordered %d", seed), disordered(pieces(segments, 10+int(seed)*10), rand.New(rand.NewPCG(2, seed))))
	}
}

var ftpLogin = []turn{resp("220-Welcome\r\n 331 not yet\r\n220 ready\r\n"), orig("USER u\r\n"), resp("331 password\r\n"), orig("PASS p\r\n"), resp("230-Hello\r\n227 (1,2,3,4,5,6)\r\n230 in\r\n")}

func ftp(port uint16, turns ...turn) []segment {
	return overTCP(port, slices.Concat(ftpLogin, turns)...)
}

func TestFTP(t *testing.T) {
	for name, c := range map[string]struct {
		turns []turn
		want  []string
	}{
		"passive":              {[]turn{orig("PASV\r\n"), resp("227 Entering Passive Mode (192,0,2,7,82,9).\r\n")}, []string{"passive 192.0.2.9 192.0.2.7:21001"}},
		"bare numbers":         {[]turn{orig("PASV\r\n"), resp("227 mode 2 is 192,0,2,7,82,9\r\n")}, []string{"passive 192.0.2.9 192.0.2.7:21001"}},
		"translated":           {[]turn{orig("PASV\r\n"), resp("227 (10,0,0,1,82,9)\r\n")}, []string{"passive 192.0.2.9 10.0.0.1:21001", "passive 192.0.2.9 192.0.2.7:21001"}},
		"unspecified":          {[]turn{orig("PASV\r\n"), resp("227 (0,0,0,0,82,9)\r\n")}, []string{"passive 192.0.2.9 192.0.2.7:21001"}},
		"extended passive":     {[]turn{orig("EPSV\r\n"), resp("229 Extended (|||6446|)\r\n")}, []string{"extended passive 192.0.2.9 192.0.2.7:6446"}},
		"active":               {[]turn{orig("PORT 192,0,2,9,156,67\r\n"), resp("200 ok\r\n")}, []string{"active 192.0.2.7 192.0.2.9:40003"}},
		"foreign":              {[]turn{orig("PORT 198,51,100,1,156,67\r\n"), resp("200 ok\r\n")}, []string{"active 192.0.2.7 198.51.100.1:40003", "active 192.0.2.7 192.0.2.9:40003"}},
		"bounce":               {[]turn{orig("PORT 198,51,100,1,0,25\r\n"), resp("200 ok\r\n")}, nil},
		"extended active":      {[]turn{orig("EPRT !1!192.0.2.9!40004!\r\n"), resp("200 ok\r\n")}, []string{"extended active 192.0.2.7 192.0.2.9:40004"}},
		"Telnet":               {[]turn{orig("\xff\xf4\xff\xf2ABOR\r\n\xff\xfb\x01PASV\r\n"), resp("226 ok\r\n227 (192,0,2,7,82,9)\r\n")}, []string{"passive 192.0.2.9 192.0.2.7:21001"}},
		"pipelined":            {[]turn{orig("TYPE I\r\nPORT 192,0,2,9,156,67\r\nRETR a\r\nPORT 192,0,2,9,156,68\r\n")}, []string{"active 192.0.2.7 192.0.2.9:40003", "active 192.0.2.7 192.0.2.9:40004"}},
		"within an answer":     {[]turn{orig("STAT\r\n"), resp("211-state\r\n227 (192,0,2,7,82,9)\r\n211 end\r\n")}, nil},
		"secured later":        {[]turn{orig("AUTH tls\r\n"), resp("234 go\r\n"), orig("SSH-2.0-c\r\n")}, []string{"lost"}},
		"secured among others": {[]turn{orig("FEAT\r\nAUTH TLS\r\n"), resp("500 what\r\n234 go\r\n"), orig("SSH-2.0-c\r\n")}, []string{"lost"}},
		"not secured":          {[]turn{orig("AUTH TLS\r\nPORT 192,0,2,9,156,67\r\n"), resp("534 no\r\n")}, []string{"active 192.0.2.7 192.0.2.9:40003"}},
		"protected":            {[]turn{orig("AUTH GSSAPI\r\n"), resp("334 ok\r\n"), orig("ADAT xxx\r\n"), resp("235 ADAT=yyy\r\n"), orig("MIC zzz\r\n")}, []string{"lost"}},
		"broken": {[]turn{orig("PORT 192,0,2,9,256,1\r\nPORT 1,2,3,4,5\r\nPORT 1,2,3,4,5,6,7\r\nEPRT |1|::1|5|\r\nEPRT |2|fe80::1%eth0|5|\r\nEPRT |1|192.0.2.9|0|\r\nEPRT\r\nEPRT ||||\r\n"),
			resp("229 (|||70000|)\r\n229 (|1||7|)\r\n229\r\n227\r\n227 (0,0,0,0,0,0)\r\n229 (|||\r\n")}, nil},
	} {
		t.Run(name, func(t *testing.T) { announces(t, ftp(2121, c.turns...), append([]string{"seen"}, c.want...)...) })
	}
}

func TestFTPFacts(t *testing.T) {
	everyWay(t, ftp(2121), "protocol ftp", "clear FTP login in clear")
	everyWay(t, overTCP(2121, slices.Concat([]turn{resp("220 hi\r\n"), orig("AUTH TLS\r\n"), resp("234 go\r\n")}, inside)...), "protocol ftp", "protocol ssh")
	everyWay(t, overTCP(2121, resp("220 hi\r\n"), resp("530 go away\r\n")), "protocol ftp")
	expect(t, overTCP(2121, resp("220 hi\r\n"), orig("QUIT\r\n"), resp("221 bye\r\n")), "protocol unknown", "printable 100")
	expect(t, ftp(2121, orig("PORT 198,51,100,1,156,67\r\n")), "protocol ftp", "clear FTP login in clear", "note FTP data address is not that of the control connection")
}

// TestFTPMidstream: without the beginning, ports are told, but those told before are not known.
func TestFTPMidstream(t *testing.T) {
	announces(t, midstream(overTCP(21, orig("PASV\r\n"), resp("227 (192,0,2,7,82,9)\r\n"))), "lost", "passive 192.0.2.9 192.0.2.7:21001")
	announces(t, midstream(overTCP(21, resp("227 (192,0,2,7,82,9)\r\n"))), "lost", "passive 192.0.2.9 192.0.2.7:21001")
	announces(t, midstream(overTCP(22, orig("PASV\r\n"), resp("227 (192,0,2,7,82,9)\r\n"))))
}

// TestFTPLoss: after lost bytes nothing is known any more.
func TestFTPLoss(t *testing.T) {
	segments := ftp(21, orig("NOOP\r\n"), resp("200 ok\r\n"), orig("PASV\r\n"), resp("227 (192,0,2,7,82,9)\r\n"))
	_, _, list := run(t, append(slices.Clone(segments[:9]), segments[10:]...)...)
	if got := told(list); !slices.Equal(got, []string{"seen", "lost"}) {
		t.Errorf("with an answer lost: %q", got)
	}
}

// TestFTPDoubt: before it is certain that bytes are lost, they are told to be missing, from the last ones in order on.
func TestFTPDoubt(t *testing.T) {
	send := func(segments []segment, lose int) *harness {
		h := newHarness()
		for i, s := range segments {
			if i == lose {
				h.num++ // the capture lost it
				continue
			}
			h.send(s)
		}
		return h
	}
	segments := ftp(21, orig("PASV\r\n"), resp("227 (192,0,2,7,82,9)\r\n"), orig("RETR a\r\n"), resp("150 ok\r\n"), resp("226 ok\r\n"))
	at := slices.IndexFunc(segments, func(s segment) bool { return strings.HasPrefix(string(s.data), "PASV") })
	for lose, want := range map[int]int64{at: int64(at), at + 1: int64(at) + 1, -1: 0} { // number of the packet since when bytes may be missing
		h := send(segments, lose)
		doubts := 0
		for _, d := range h.doubts {
			if doubts++; d.Event == flow.ControlWhole {
				doubts = 0
			}
			if doubts == 1 && lose >= 0 && d.Since > 1_700_000_000e9+want*1e6 {
				t.Errorf("packet %d lost: doubt since %d", lose, d.Since-1_700_000_000e9)
			}
		}
		if (doubts > 0) != (lose >= 0) || slices.Contains(told(h.announcements), "lost") {
			t.Errorf("packet %d lost: %d doubts, told %q", lose, doubts, told(h.announcements))
		}
		h.close(t)
		last := h.announcements[len(h.announcements)-1]
		if lost := last.Event == flow.ControlLost; lost != (lose >= 0) || lost && last.Since > 1_700_000_000e9+want*1e6 {
			t.Errorf("packet %d lost: %+v", lose, last)
		}
	}
	_, _, list := run(t, midstream(overTCP(21, orig("PASV\r\n")))...)
	if list[0].Event != flow.ControlLost || list[0].Since != math.MinInt64 {
		t.Errorf("midstream: %+v", list)
	}
}

func TestFTPv6(t *testing.T) {
	segments := ftp(21, orig("EPRT |2|2001:db8::9|40004|\r\n"), resp("229 (|||6446|)\r\n"))
	for i := range segments {
		segments[i].orig = netip.AddrPortFrom(netip.MustParseAddr("2001:db8::9"), 49152)
		segments[i].resp = netip.AddrPortFrom(netip.MustParseAddr("2001:db8::7"), 21)
	}
	announces(t, segments, "seen", "extended active 2001:db8::7 [2001:db8::9]:40004", "extended passive 2001:db8::9 [2001:db8::7]:6446")
}
