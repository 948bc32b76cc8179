package inspect

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

func zeros(n int) string { return strings.Repeat("\x00", n) }

// be writes 32-bit numbers, as XDR and others do.
func be(numbers ...uint32) string {
	var b []byte
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return string(b)
}

func ber(tag byte, contents ...string) string {
	s := strings.Join(contents, "")
	if len(s) < 0x80 {
		return string([]byte{tag, byte(len(s))}) + s
	}
	return string([]byte{tag, 0x82, byte(len(s) >> 8), byte(len(s))}) + s // longer than need be, as some agents write it
}

func snmp3(flags byte, engine, data string) string {
	return ber(0x30, ber(2, "\x03"), ber(0x30, ber(2, "\x11\x22"), ber(2, "\x00\xff\xe3"), ber(4, string(flags)), ber(2, "\x03")),
		ber(4, ber(0x30, ber(4, engine), ber(2, "\x01"))), data)
}

const dataPattern = "\x9b\x11\x7a\x44\xe0\x5c\x23\x91"

// random is n bytes that are none of the numbers that protocols begin with.
func random(n int) string { return strings.Repeat(dataPattern, n/8+1)[:n] }

func TestOtherDatagrams(t *testing.T) {
	ntp := func(first byte) string { return string([]byte{first, 2, 6, 0xec}) + zeros(44) }
	ike := func(version, exchange, next, flags byte) string {
		return random(8) + zeros(8) + string([]byte{next, version, exchange, flags}) + be(0, 48) + random(20)
	}
	scoped := func(pdu byte) string { return ber(0x30, ber(4, "engine"), ber(4, ""), ber(pdu, "\x02\x01\x01")) }
	wgData := "\x04\x00\x00\x00" + "abcd" + "\x05" + zeros(7) + random(32)
	for _, c := range []struct {
		name  string
		port  uint16
		turns []turn
		want  string // with "; " between facts
	}{
		{"ntp", 123, []turn{orig(ntp(0x23)), resp(ntp(0x24))}, "protocol ntp; clear NTP message in clear"},
		{"ntp control", 123, []turn{orig("\x16\x02\x00\x01" + zeros(8))}, "protocol ntp; clear NTP control message in clear"},
		{"ntp elsewhere", 124, []turn{orig(ntp(0x23)), resp(ntp(0x24))}, "protocol unknown; printable 2"},
		{"ntp stratum", 123, []turn{orig("\x23\x50" + zeros(46)), resp("?")}, "protocol unknown; printable 100"},
		{"snmp 1", 161, []turn{orig(ber(0x30, ber(2, "\x00"), ber(4, "public"), ber(0xa0, zeros(9))))}, "protocol snmp; clear SNMPv1 message in clear"},
		{"snmp 2c long", 1161, []turn{orig(ber(0x30, ber(2, "\x01"), ber(4, "public"), ber(0xa5, zeros(300))))}, "protocol snmp; clear SNMPv2c message in clear"},
		{"snmp cut", 161, []turn{orig(ber(0x30, ber(2, "\x01"), ber(4, "public"), ber(0xa5, zeros(300)))[:80]), resp("?")}, "protocol unknown; printable 100"},
		{"snmp 3", 161, []turn{orig(snmp3(4, "", scoped(0xa0))), resp(snmp3(0, "engine", scoped(0xa8))), orig(snmp3(7, "engine", ber(4, random(40))))},
			"protocol snmp; encrypted SNMPv3 privacy"},
		{"snmp 3 in clear", 161, []turn{orig(snmp3(4, "", scoped(0xa0))), resp(snmp3(0, "engine", scoped(0xa8))), orig(snmp3(5, "engine", scoped(0xa0)))},
			"protocol snmp; clear SNMPv3 message in clear"},
		{"wireguard", 51820, []turn{orig("\x01" + zeros(3) + random(144)), resp("\x02" + zeros(3) + random(88)), orig(wgData)}, "protocol wireguard; encrypted WireGuard"},
		{"wireguard unanswered", 443, []turn{orig("\x01" + zeros(3) + random(144)), orig("\x01" + zeros(3) + random(144))}, "protocol wireguard"},
		{"wireguard underway", 51820, []turn{orig(wgData), resp(wgData)}, "protocol wireguard; encrypted WireGuard"},
		{"wireguard one way", 51820, []turn{orig(wgData), orig(wgData)}, "protocol wireguard"},
		{"wireguard length", 51820, []turn{orig("\x01" + zeros(3) + random(145)), resp("?")}, "protocol unknown; printable 100"},
		{"openvpn", 1194, []turn{orig("\x38" + random(8) + zeros(5)), resp("\x40" + random(8) + "\x01" + zeros(4) + random(8) + zeros(4)), orig("\x20" + random(60)), resp("\x48" + random(70))},
			"protocol openvpn; encrypted OpenVPN"},
		{"openvpn tls-auth", 1194, []turn{orig("\x38" + random(8) + random(20) + be(1, 1_700_000_000) + zeros(5))}, "protocol openvpn"},
		{"openvpn tls-crypt", 443, []turn{orig("\x38" + random(8) + be(1, 1_700_000_000) + random(37)), resp("\x31" + random(70))}, "protocol openvpn; encrypted OpenVPN"},
		{"ike", 500, []turn{orig(ike(0x20, 34, 33, 8)), resp(ike(0x20, 34, 33, 0x20)), orig(ike(0x20, 35, 46, 8))}, "protocol ike; encrypted IKEv2"},
		{"ike 1", 500, []turn{orig(ike(0x10, 2, 1, 0)), resp(ike(0x10, 2, 1, 0)), orig(ike(0x10, 2, 5, 1))}, "protocol ike; encrypted IKEv1"},
		{"ike then esp", 4500, []turn{orig("\x00\x00\x00\x00" + ike(0x20, 35, 46, 8)), resp("\x00\x00\x00\x00" + ike(0x20, 35, 46, 0x20)), orig("\xff"), orig("spi1" + be(1) + random(52)), orig("spi1" + be(2) + random(52))},
			"protocol ike; protocol esp-udp; encrypted ESP in UDP"},
		{"esp", 4500, []turn{orig("spi1" + be(99) + random(52)), resp("spi2" + be(7) + random(52)), orig("spi1" + be(101) + random(52))}, "protocol esp-udp; encrypted ESP in UDP"},
		{"esp once each way", 4500, []turn{orig("spi1" + be(99) + random(52)), resp("spi2" + be(7) + random(52))}, "protocol esp-udp"},
		{"esp of other associations", 4500, []turn{orig("spi1" + be(99) + random(52)), orig("spi2" + be(100) + random(52)), orig("spi2" + be(9000) + random(52))}, "protocol esp-udp"},
		{"esp elsewhere", 4501, []turn{orig(random(4) + be(99) + random(52)), resp("?")}, "protocol unknown; printable 100"},
		{"tftp transfer", 3456, []turn{orig("\x00\x03\x00\x01" + random(512)), resp("\x00\x04\x00\x01")}, "protocol tftp; clear TFTP transfer in clear"},
		{"tftp short transfer", 3456, []turn{orig("\x00\x03\x00\x01" + random(100)), resp("\x00\x04\x00\x01")}, "protocol tftp; clear TFTP transfer in clear"},
		{"tftp options", 3456, []turn{orig("\x00\x06blksize\x001408\x00tsize\x0099\x00")}, "protocol tftp; clear TFTP transfer in clear"},
		{"tftp error", 3456, []turn{orig("\x00\x05\x00\x01no such file\x00")}, "protocol tftp; clear TFTP transfer in clear"},
		{"tftp later", 3456, []turn{orig("\x00\x03\x00\x07" + random(512)), resp("\x00\x04\x00\x07")}, "protocol unknown; printable 0"},
		{"dhcp6", 547, []turn{orig("\x01\x12\x34\x56" + "\x00\x08\x00\x02\x00\x00" + "\x00\x06\x00\x00")}, "protocol dhcp6; clear DHCPv6 message in clear"},
		{"dhcp6 relayed", 547, []turn{orig("\x0c\x00" + random(32) + "\x00\x09\x00\x02\x00\x00")}, "protocol dhcp6; clear DHCPv6 message in clear"},
	} {
		facts, _, _ := run(t, overUDP(c.port, c.turns...)...)
		if got := strings.Join(words(facts), "; "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestOpenVPNOverTCP(t *testing.T) {
	frame := func(s string) string { return string(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) + s }
	everyWay(t, overTCP(443, orig(frame("\x38"+random(8)+zeros(5))), resp(frame("\x40"+random(8)+"\x01"+zeros(4)+random(8)+zeros(4))), orig(frame("\x20"+random(600))), resp(frame("\x30"+random(70)))),
		"protocol openvpn", "encrypted OpenVPN")
}

// dhcp makes a message; options are code and value.
func dhcp(op byte, xid uint32, ciaddr, yiaddr string, options ...string) string {
	b := string([]byte{op, 1, 6, 0}) + be(xid, 0)
	for _, a := range []string{ciaddr, yiaddr} {
		a4 := netip.MustParseAddr(a).As4()
		b += string(a4[:])
	}
	b += zeros(236-len(b)) + be(dhcpCookie) + zeros(1) // a pad before the first
	for _, o := range options {
		b += o[:1] + string(byte(len(o)-1)) + o[1:]
	}
	return b + "\xff"
}

func TestDHCP(t *testing.T) {
	request, ack := "\x35\x03", "\x35\x05"
	lease := "\x33" + be(600)
	for _, c := range []struct {
		name  string
		turns []turn
		want  string
	}{
		{"requested", []turn{orig(dhcp(1, 7, "0.0.0.0", "0.0.0.0", request, "\x0cPC-7", "\x32\xc0\x00\x02\x09"))}, "PC-7=192.0.2.9 86400"},
		{"renewed", []turn{orig(dhcp(1, 7, "192.0.2.9", "0.0.0.0", request, "\x0cpc-7")), resp(dhcp(2, 7, "0.0.0.0", "192.0.2.9", ack, lease))}, "pc-7=192.0.2.9 86400, pc-7=192.0.2.9 600"},
		{"another's answer", []turn{orig(dhcp(1, 7, "192.0.2.9", "0.0.0.0", request, "\x0cpc-7")), resp(dhcp(2, 8, "0.0.0.0", "192.0.2.10", ack, lease))}, "pc-7=192.0.2.9 86400"},
		{"named by the server", []turn{resp(dhcp(2, 7, "0.0.0.0", "192.0.2.9", ack, lease, "\x0cpc-7"))}, "pc-7=192.0.2.9 600"},
		{"fqdn text", []turn{resp(dhcp(2, 7, "0.0.0.0", "192.0.2.9", ack, lease, "\x0cpc-7", "\x51\x00\x00\x00pc-7.example."))}, "pc-7.example=192.0.2.9 600"},
		{"fqdn wire", []turn{resp(dhcp(2, 7, "0.0.0.0", "192.0.2.9", ack, lease, "\x51\x04\x00\x00\x04pc-7\x07example\x00", "\x0cpc-7"))}, "pc-7.example=192.0.2.9 600"},
		{"fqdn partial", []turn{resp(dhcp(2, 7, "0.0.0.0", "192.0.2.9", ack, lease, "\x51\x04\x00\x00\x04pc-7"))}, "pc-7=192.0.2.9 600"},
		{"hostile name", []turn{resp(dhcp(2, 7, "0.0.0.0", "192.0.2.9", ack, lease, "\x0cpc 7\n"))}, ""},
		{"inform", []turn{resp(dhcp(2, 7, "192.0.2.9", "0.0.0.0", ack, "\x0cpc-7"))}, "pc-7=192.0.2.9 86400"},
		{"discover", []turn{orig(dhcp(1, 7, "0.0.0.0", "0.0.0.0", "\x35\x01", "\x0cpc-7"))}, ""},
	} {
		facts, names, _ := run(t, overUDP(67, c.turns...)...)
		var got []string
		for _, n := range names {
			if n.Origin != flow.NameDHCP || n.Asker.IsValid() {
				t.Errorf("%s: %+v", c.name, n)
			}
			got = append(got, fmt.Sprintf("%s=%v %d", n.Name, n.Addr, (n.Until-n.At)/1e9))
		}
		if strings.Join(got, ", ") != strings.ToLower(c.want) || !slices.Equal(words(facts), []string{"protocol dhcp", "clear DHCP message in clear"}) {
			t.Errorf("%s: %q, want %s; %q", c.name, got, c.want, words(facts))
		}
	}
}

func announcementWords(list []flow.Announcement) []string {
	words := []string{}
	for _, a := range list {
		w := fmt.Sprintf("%v %s", a.By, [...]string{"seen", "announced", "lost"}[a.Event])
		if a.Event == flow.PortAnnounced {
			w += fmt.Sprintf(" %v to %v %v (%s) for %d s", a.Peer, a.Proto, a.To, a.What, (a.Until-a.At)/1e9)
		}
		words = append(words, w)
	}
	return words
}

func TestTFTPRequest(t *testing.T) {
	for request, want := range map[string]string{
		"\x00\x01boot/x.0\x00octet\x00":                              "read",
		"\x00\x02x\x00NetASCII\x00blksize\x001408\x00tsize\x000\x00": "write",
		"\x00\x01x\x00octet":                                         "",
		"\x00\x01x\x00binary\x00":                                    "",
		"\x00\x01\x00octet\x00":                                      "",
		"\x00\x01a\nb\x00octet\x00":                                  "",
		"\x00\x01x\x00octet\x00blksize\x001408":                      "",
		"\x00\x01x\x00octet\x00" + strings.Repeat("a\x00b\x00", 17):  "",
	} {
		facts, _, announcements := run(t, overUDP(69, orig(request), orig(request))...)
		var wantFacts, wantSaid []string
		if want != "" {
			said := "tftp announced 192.0.2.9 to udp 192.0.2.7:0 (" + want + ") for 60 s"
			wantFacts, wantSaid = []string{"protocol tftp", "clear TFTP request in clear"}, []string{"tftp seen", said, said}
		}
		if got := announcementWords(announcements); !slices.Equal(got, wantSaid) || !slices.Equal(words(facts), wantFacts) {
			t.Errorf("%q: %q %q", request, got, words(facts))
		}
		for _, a := range announcements {
			if a.Orig != netip.AddrPortFrom(testOrig, 49152) || a.Resp != netip.AddrPortFrom(testResp, 69) {
				t.Errorf("%q: ends %v %v", request, a.Orig, a.Resp)
			}
		}
	}
}
