package main

import "bytes"

// wireless are IEEE 802.11 frames, bare and behind the headers of monitor mode, whose lengths and flags lie.
func wireless(s *suite) {
	const bare, prism, radiotap, avs = 105, 119, 127, 163
	inner := append(raw("aa aa 03 00 00 00 08 00"), ip(hostA, hostB, protoUDP, udp(40000, 53, []byte("inner")))...)
	air := func(control, sequence, more string) []byte {
		h := append(raw(control+"0000 020000000002 020000000001 020000000003"), raw(sequence)...)
		return append(append(h, raw(more)...), inner...)
	}
	data := air("0800", "0000", "")
	s.capture("wireless-headers-of-every-size", clean(0).exactly("decoded 5", "none"), bare,
		data, air("0803", "0000", "020000000004"), air("8800", "0000", "0000"), air("8880", "0000", "0000 00000000"), air("8803", "0000", "020000000004 0000"))
	s.capture("wireless-encrypted", clean(0).exactly("non-ip 3", "none"), bare, air("0840", "0000", ""), air("8840", "0000", "0000"), air("08ff", "0000", ""))
	s.capture("wireless-fragments", clean(0).exactly("non-ip 2", "none"), bare, air("0804", "0100", ""), air("0800", "0f00", ""))
	var control [][]byte
	for first := range 256 {
		if first&3 != 0 || first>>2&3 != 2 || first&0x40 != 0 { // no data, or of no version
			control = append(control, append([]byte{byte(first), 0}, noise(uint32(first), first)...))
		}
	}
	s.capture("wireless-every-type-without-data", clean(0).exactly("non-ip 248", "none"), bare, control...)
	var cuts [][]byte
	for n := range 24 + 8 + 20 + 8 {
		cuts = append(cuts, data[:n])
	}
	s.capture("wireless-cut", clean(0).exactly("malformed 60", "none"), bare, cuts...)
	s.capture("wireless-aggregate-lengths", clean(0).exactly("decoded 3", "none"), bare, air("8800", "0000", "8000 020000000002 020000000001 0000"),
		air("8800", "0000", "8000 020000000002 020000000001 ffff"), air("8800", "0000", "8000 020000000002 020000000001 0029"))

	behind := func(header string, frame []byte) []byte { return append(raw(header), frame...) }
	s.capture("wireless-radiotap-lengths", clean(0).exactly("malformed 5", "none"), radiotap, behind("0000 0000 00000000", data), behind("0000 0700 00000000", data),
		behind("0000 ffff 00000000", data), behind("0100 0800 00000000", data), raw("0000 0800"))
	s.capture("wireless-radiotap-present-without-end", clean(0).exactly("decoded 2", "none"), radiotap,
		append(append(raw("0000 4800"), bytes.Repeat(raw("000000a0"), 17)...), data...), behind("0000 0800 02000000", data))
	s.capture("wireless-prism-lengths", clean(0).exactly("decoded 1, malformed 3", "none"), prism, behind("44000000 08000000", data), behind("44000000 ffffffff", data),
		behind("44000000 ffff0000", data), raw("44000000"))
	s.capture("wireless-avs-lengths", clean(0).exactly("decoded 1, malformed 3", "none"), avs, behind("80211001 00000008", data), behind("80211001 ffffffff", data),
		behind("80211001 00001000", data), behind("44000000 08000000", data))
}
