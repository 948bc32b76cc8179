package inspect

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// FuzzOther: the first byte chooses port and transport, then come turns: a byte (bit 7: the responder; bits 0 to 6: length, 127: all that is left) and as many
// bytes. Whatever comes, what is told is well-formed and bounded, and over TCP does not depend on where segments end.
func FuzzOther(f *testing.F) {
	ports := []uint16{53, 111, 67, 123, 161, 69, 4500, 500, 51820, 1194, 5353, 5355, 547, 2049, 9000, 54321}
	seed := func(choice byte, turns ...string) {
		b := []byte{choice}
		for i, s := range turns {
			n := min(len(s), 126)
			b = append(append(b, byte(n)|byte(i&1)<<7), s[:n]...)
		}
		f.Add(b)
	}
	query, response := dnsText(f, "7 query a a.example"), dnsText(f, "7 answer a a.example: cname a.example 9 b.example, a b.example 9 198.51.100.1")
	length := func(s string) string { return string(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) + s }
	seed(0, query, response)
	seed(0x80, length(query), length(response))
	getPort := call(9, progPortmap, 2, 3, authNone, be(progNFS, 3, 6, 0))
	seed(1, getPort, reply(9, be(2049)))
	seed(0x81, record(getPort), record(reply(9, be(2049))))
	seed(0x8d, record(call(1, progNFS, 4, 0, authTLS)), record(be(1, 1, 0, 0)+xdr("STARTTLS")+be(0)), "\x16\x03\x01")
	f.Add(append([]byte{2, 127}, dhcp(1, 7, "192.0.2.9", "0.0.0.0", "\x35\x03", "\x0cpc-7")...))
	f.Add(append([]byte{2, 127}, dhcp(2, 7, "0.0.0.0", "192.0.2.9", "\x35\x05", "\x51\x04\x00\x00\x04pc-7\x07example\x00")...))
	seed(3, "\x23\x02\x06\xec"+zeros(44))
	seed(4, snmp3(4, "", ber(0x30, ber(4, "engine"), ber(4, ""), ber(0xa0, "\x02\x01\x01"))))
	seed(5, "\x00\x01x\x00octet\x00")
	seed(6, random(4)+be(99)+random(52))
	seed(7, random(8)+zeros(8)+"\x21\x20\x22\x08"+be(0, 28))
	seed(8, "\x02"+zeros(3)+random(88))
	seed(9, "\x38"+random(8)+zeros(5))
	seed(0x89, length("\x38"+random(8)+zeros(5)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 2 || len(b) > 1<<14 {
			return
		}
		port := ports[b[0]&15]
		tcp := b[0]&0x80 != 0
		cut := int(b[0]>>4&7) + 1
		var turns []turn
		for b = b[1:]; len(b) > 1 && len(turns) < 64; {
			n := int(b[0] & 127)
			if n == 127 {
				n = len(b) - 1
			}
			n = min(n, len(b)-1)
			turns = append(turns, turn{int(b[0] >> 7), string(b[1:][:n])})
			b = b[1+n:]
		}
		if tcp {
			segments := overTCP(port, turns...)
			facts, names, announcements := run(t, segments...)
			checkLearned(t, len(turns), names, announcements)
			cutFacts, cutNames, cutAnnouncements := run(t, pieces(segments, cut)...)
			if !slices.Equal(withoutShare(facts), withoutShare(cutFacts)) || !slices.Equal(nameWords(names), nameWords(cutNames)) ||
				!slices.Equal(announcementWords(announcements), announcementWords(cutAnnouncements)) {
				t.Fatalf("whole: %q %q %q\nin pieces of %d: %q %q %q", words(facts), nameWords(names), announcementWords(announcements),
					cut, words(cutFacts), nameWords(cutNames), announcementWords(cutAnnouncements))
			}
			return
		}
		segments := overUDP(port, turns...)
		facts, names, announcements := run(t, segments...)
		checkLearned(t, len(turns), names, announcements)
		h := newHarness()
		h.sendBatch(segments)
		h.close(t)
		var together []flow.Fact
		for _, c := range h.conns {
			together = append(together, c.Facts...)
		}
		if !slices.Equal(words(facts), words(together)) || !slices.Equal(nameWords(names), nameWords(h.names)) {
			t.Fatalf("apart %q %q\ntogether %q %q", words(facts), nameWords(names), words(together), nameWords(h.names))
		}
	})
}

// withoutShare leaves the printable share of unknown bytes out, which is of as many as were there when they were given up.
func withoutShare(facts []flow.Fact) []string {
	return slices.DeleteFunc(words(facts), func(w string) bool { return strings.HasPrefix(w, "printable") })
}

// checkLearned holds what is true of all names and announcements.
func checkLearned(t *testing.T, turns int, names []flow.Name, announcements []flow.Announcement) {
	t.Helper()
	if len(names) > turns*300 || len(announcements) > turns*1500 {
		t.Fatalf("%d names, %d announcements in %d turns", len(names), len(announcements), turns)
	}
	for _, n := range names {
		if host, ok := HostName([]byte(n.Name)); !ok || host != n.Name || !n.Addr.IsValid() || n.Addr.Is4In6() {
			t.Fatalf("%+v", n)
		}
		if host, ok := HostName([]byte(n.Chain)); n.Chain != "" && (!ok || host != n.Chain || host == n.Name) {
			t.Fatalf("%+v", n)
		}
		if n.Until != 0 && (n.Until < n.At || n.Until-n.At > 9*86400e9) {
			t.Fatalf("%+v", n)
		}
	}
	for i, a := range announcements {
		if a.Event != flow.PortAnnounced {
			continue
		}
		known := slices.ContainsFunc(announcements[:i], func(b flow.Announcement) bool { return b.Event == flow.ControlSeen && b.By == a.By })
		if !known || !a.Peer.IsValid() || !a.To.Addr().IsValid() || a.To.Addr().Is4In6() || a.By != flow.AnnouncedByTFTP && a.To.Port() == 0 || a.Until < a.At || a.What == "" {
			t.Fatalf("%+v", a)
		}
	}
}
