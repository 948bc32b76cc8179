package capture

import "testing"

func TestWirelessAndNetfilter(t *testing.T) {
	const (
		addresses = "02 00 00 00 00 01 02 00 00 00 00 02 02 00 00 00 00 03"
		snap      = "aa aa 03 00 00 00 08 00"
		told4     = "udp 192.0.2.1:1024 > 198.51.100.2:53 ip 32 payload "
		data      = "08 01 00 00" + addresses + "00 00" + snap + udp4
		qosData   = "88 01 00 00" + addresses + "00 00" + "00 00" + snap + udp4
	)
	for _, c := range []struct {
		name string
		link uint16
		hex  string
		want string
	}{
		{"data", link80211, data, told4 + "60+4"},
		{"data between access points", link80211, "08 03 00 00" + addresses + "00 00" + "02 00 00 00 00 04" + snap + udp4, told4 + "66+4"},
		{"quality of service", link80211, qosData, told4 + "62+4"},
		{"quality of service and control", link80211, "88 81 00 00" + addresses + "00 00" + "00 00 00 00 00 00" + snap + udp4, told4 + "66+4"},
		{"aggregated", link80211, "88 01 00 00" + addresses + "00 00" + "80 00" + "02 00 00 00 00 01 02 00 00 00 00 02 00 28" + snap + udp4, told4 + "76+4"},
		{"encrypted", link80211, "88 41 00 00" + addresses + "00 00" + "00 00" + snap + udp4, "non-ip: non-ip"},
		{"second fragment", link80211, "08 01 00 00" + addresses + "01 00" + snap + udp4, "non-ip: non-ip"},
		{"beacon", link80211, "80 00 00 00" + addresses + "00 00", "non-ip: non-ip"},
		{"no data", link80211, "48 01 00 00" + addresses + "00 00", "non-ip: non-ip"},
		{"radiotap", linkRadiotap, "00 00 08 00 00 00 00 00" + data, told4 + "68+4"},
		{"radiotap with padding", linkRadiotap, `00 00 12 00 03 00 00 00  # time and flags
			00 00 00 00 00 00 00 00 20 00` + "88 01 00 00" + addresses + "00 00" + "00 00" + "00 00" + snap + udp4, told4 + "82+4"},
		{"radiotap with two words", linkRadiotap, "00 00 0d 00 02 00 00 80 00 00 00 00 20" + "88 01 00 00" + addresses + "00 00" + "00 00" + "00 00" + snap + udp4, told4 + "77+4"},
		{"radiotap length 4", linkRadiotap, "00 00 04 00 00 00 00 00", "malformed: link header incomplete"},
		{"prism", linkPrism, "44 00 00 00 0c 00 00 00 77 6c 61 6e" + data, told4 + "72+4"},
		{"avs", linkAVS, "80 21 10 01 00 00 00 0c 00 00 00 00" + data, told4 + "72+4"},

		{"nflog", linkNFLOG, `02 00 00 05  # IPv4, version 0, group 5
			08 00 01 00 08 00 03 00  # packet header
			05 00 0a 00 00 00 00 00  # prefix of one byte, padded
			24 00 09 00` + udp4, told4 + "52+4"},
		{"nflog of a big-endian host", linkNFLOG, "02 00 00 05 00 08 00 01 08 00 03 00 00 24 00 09" + udp4, told4 + "44+4"},
		{"nflog IPv6", linkNFLOG, "0a 00 00 05 38 00 09 00" + udp6, "udp [2001:db8::2]:1024 > [2001:db8::1]:53 ip 52 payload 56+4"},
		{"nflog of a bridge", linkNFLOG, "07 00 00 05 24 00 09 00" + udp4, "non-ip: non-ip"},
		{"nflog without a packet", linkNFLOG, "02 00 00 05 08 00 01 00 08 00 03 00", "non-ip: non-ip"},
		{"nflog attribute of length 0", linkNFLOG, "02 00 00 05 00 00 01 00 08 00 03 00", "malformed: link header incomplete"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench()
			data := unhex(t, c.hex)
			if got := b.show(b.decode(c.link, record{data: data, wire: uint32(len(data))})); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			checkCuts(t, c.link, data)
		})
	}
	const header, subframe = "88 01 00 00" + addresses + "00 00" + "80 00", "02 00 00 00 00 01 02 00 00 00 00 02 00 28" + snap + udp4
	for _, c := range []struct {
		hex  string
		want uint64
	}{
		{header + subframe, 0},
		{header + subframe + "00 00" + "11 22 33 44", 0}, // padding and check sequence
		{header + subframe + "00 00" + subframe, 1},
		{header + "02 00 00 00 00 01 02 00 00 00 00 02 00 1c aa aa 03 00 00 00 08 06" + zeros(20) + "00 00" + subframe, 1}, // ARP in front
	} {
		b, data := newBench(), unhex(t, c.hex)
		if b.decode(link80211, record{data: data, wire: uint32(len(data))}); b.ledger.Aggregated != c.want {
			t.Errorf("%d aggregated frames with more than one part, want %d: %s", b.ledger.Aggregated, c.want, c.hex)
		}
		checkCuts(t, link80211, data)
	}
	for kind, want := range map[Kind]string{{by80211, wirelessEncrypted}: "encrypted 802.11", {by80211, wirelessFragment}: "802.11 fragment", {by80211, 0x08}: "802.11 type 0 subtype 8"} {
		if kind.String() != want {
			t.Errorf("%v, want %s", kind, want)
		}
	}
}
