package main

import (
	"bytes"
	"fmt"
)

// tcpHeaders are TCP headers whose fields lie.
func tcpHeaders(s *suite) {
	good := tcp(40000, 443, syn, 1, 0, []byte("payload"))
	for n := range 5 {
		s.packets(fmt.Sprintf("tcp-header-length-%d", n), clean(0).classed("malformed"), frame(ip(hostA, hostB, protoTCP, with(good, 12, fmt.Sprintf("%d0", n)))))
	}
	s.packets("tcp-header-length-15-of-20-bytes", clean(0).classed("malformed"), frame(ip(hostA, hostB, protoTCP, with(good, 12, "f0"))))
	var flags, cuts [][]byte
	for n := range 256 {
		flags = append(flags, frame(ip(hostA, hostB, protoTCP, tcp(40000, 443, uint8(n), 1, 1, nil))))
	}
	for n := range 20 {
		cuts = append(cuts, frame(ip(hostA, hostB, protoTCP, good[:n])), frame(ip(hostA6, hostB6, protoTCP, good[:n])))
	}
	s.packets("tcp-every-flag-on-one-connection", clean(0).classed("decoded"), flags...)
	s.packets("tcp-short-at-every-byte", clean(0).classed("malformed"), cuts...)
	for name, option := range map[string]string{
		"length-0": "02000000", "length-1": "02010000", "past-end": "02ff0000", "only-ends": "00ffffff", "noops": "01010101", "half": "01010102", "mss-0": "02040000", "scale-255": "0303ff00",
		"sack-of-1": "05010000", "stamp-short": "080a0000", "md5-of-2": "13020000", "fast-open-34": "22220000", "all-ones": "ffffffff",
	} {
		h := with(tcp(40000, 443, syn, 1, 0, raw(option)), 12, "60")
		s.packets("tcp-option-"+name, clean(0).classed("decoded"), frame(ip(hostA, hostB, protoTCP, h)))
	}
	s.packets("tcp-urgent-past-end", clean(0).classed("decoded"), frame(ip(hostA, hostB, protoTCP, with(tcp(40000, 443, ack|urg, 1, 1, []byte("x")), 18, "ff ff"))))
	s.packets("tcp-bad-checksum-handshake", clean(0), frame(ip(hostA, hostB, protoTCP, with(tcp(40000, 443, syn, 1, 0, nil), 16, "12 34"))),
		frame(ip(hostB, hostA, protoTCP, with(tcp(443, 40000, syn|ack, 7, 2, nil), 16, "12 34"))), frame(ip(hostA, hostB, protoTCP, with(tcp(40000, 443, ack, 2, 8, nil), 16, "12 34"))))
}

// tcpConversations are segments in orders, and with numbers, that an honest stack does not send. Each is between the same ends.
func tcpConversations(s *suite) {
	add := func(name string, frames ...[]byte) { s.packets("tcp-"+name, clean(0).classed("decoded"), frames...) }
	forged := func(name string, frames ...[]byte) {
		w := clean(0).classed("decoded")
		w.forged = true
		s.packets("tcp-"+name, w, frames...)
	}
	opens := func(name string, frames ...[]byte) {
		w := clean(0).classed("decoded")
		w.opened = true
		s.packets("tcp-"+name, w, frames...)
	}
	data := []byte("GET / HTTP/1.0\r\n\r\n")
	open := [][]byte{a(syn, 100, 0), b(syn|ack, 500, 101), a(ack, 101, 501)}
	opened := func(more ...[]byte) [][]byte { return append(open[:3:3], more...) }
	forged("null-scan", a(0, 1, 0))
	forged("xmas-scan", a(fin|psh|urg, 1, 0))
	forged("fin-scan", a(fin, 1, 0), b(rst|ack, 0, 2))
	forged("syn-fin", a(syn|fin, 1, 0), b(syn|ack, 5, 2))
	forged("syn-rst", a(syn|rst, 1, 0))
	forged("syn-fin-rst-ack", a(syn|fin|rst|ack, 1, 1), b(syn|fin|rst|ack, 1, 1))
	forged("syn-ack-alone", b(syn|ack, 5, 2))
	forged("syn-ack-wrong-ack", a(syn, 100, 0), b(syn|ack, 500, 999))
	forged("syn-ack-acks-itself", a(syn, 100, 0), b(syn|ack, 500, 100))
	forged("rst-wrong-ack", a(syn, 100, 0), b(rst|ack, 0, 999))
	forged("rst-without-ack", a(syn, 100, 0), b(rst, 0, 0))
	forged("rst-alone", b(rst, 77, 0))
	add("rst-wrong-sequence", opened(b(rst, 0x7fffffff, 0), a(psh|ack, 101, 501, data...))...)
	add("rst-then-data", opened(b(rst, 501, 0), a(psh|ack, 101, 501, data...), b(psh|ack, 501, 119, data...))...)
	forged("ack-of-nothing", a(ack, 1, 1))
	forged("ack-wrong-in-handshake", a(syn, 100, 0), b(syn|ack, 500, 101), a(ack, 101, 9999))
	forged("data-before-syn-ack", a(syn, 100, 0), a(psh|ack, 101, 0, data...), b(syn|ack, 500, 101))
	add("data-in-syn", a(syn, 100, 0, data...), b(syn|ack, 500, 119))
	forged("data-in-syn-refused", a(syn, 100, 0, data...), b(rst|ack, 0, 119))
	forged("data-one-way-only", a(psh|ack, 1, 1, data...), a(psh|ack, 19, 1, data...))
	add("syn-other-sequence", a(syn, 100, 0), a(syn, 0xffff0000, 0), b(syn|ack, 500, 101), b(syn|ack, 600, 0xffff0001))
	add("syn-inside-connection", opened(a(syn, 0x7fffffff, 0), b(ack, 501, 101), a(psh|ack, 101, 501, data...))...)
	opens("simultaneous-open", a(syn, 100, 0), b(syn, 500, 0), a(syn|ack, 100, 501), b(syn|ack, 500, 101))
	opens("split-handshake-after-ack", a(syn, 100, 0), b(ack, 500, 101), b(syn, 500, 0), a(syn|ack, 100, 501), b(ack, 501, 101))
	opens("split-handshake", a(syn, 100, 0), b(syn, 500, 0), a(syn|ack, 100, 501), b(ack, 501, 101))
	forged("split-handshake-wrong-ack", a(syn, 100, 0), b(syn, 500, 0), a(syn|ack, 100, 999), b(ack, 501, 101))
	opens("roles-swap", a(syn, 100, 0), b(syn|ack, 500, 101), b(syn, 700, 0), a(syn|ack, 900, 701), b(ack, 701, 901))
	add("sequence-wraps", a(syn, 0xffffffff, 0), b(syn|ack, 0xffffffff, 0), a(ack, 0, 0), a(psh|ack, 0, 0, data...))
	add("overlap-other-data", opened(a(psh|ack, 101, 501, []byte("AAAAAAAA")...), a(psh|ack, 101, 501, []byte("BBBBBBBBBBBB")...), a(psh|ack, 103, 501, []byte("CC")...))...)
	add("sequence-far-away", opened(a(psh|ack, 0x80000000, 501, data...), a(psh|ack, 101, 0x80000000, data...))...)
	add("keep-alive-300", opened(repeat(300, a(ack, 100, 501, 0))...)...)
	add("fin-from-both-10-times", opened(repeat(10, a(fin|ack, 101, 501), b(fin|ack, 501, 102))...)...)
	add("fin-before-handshake", a(fin|ack, 101, 501), a(syn, 100, 0), b(syn|ack, 500, 101))
	add("handshake-backwards", a(ack, 101, 501), b(syn|ack, 500, 101), a(syn, 100, 0))
	add("syn-flag-of-cwr-ece", a(syn|0xc0, 100, 0), b(syn|ack|0x40, 500, 101))
	forged("land", frame(ip(hostA, hostA, protoTCP, tcp(443, 443, syn, 1, 0, nil))), frame(ip(hostA, hostA, protoTCP, tcp(443, 443, syn|ack, 1, 2, nil))))
	forged("ports-0", frame(ip(hostA, hostB, protoTCP, tcp(0, 0, syn, 1, 0, nil))), frame(ip(hostB, hostA, protoTCP, tcp(0, 0, syn|ack, 1, 2, nil))))
	var reuse [][]byte
	for i := range uint32(150) {
		n := i * 70001
		reuse = append(reuse, a(syn, n, 0), b(syn|ack, n+7, n+1), a(rst|ack, n+1, n+8))
	}
	forged("port-reused-150-times-after-rst", reuse...)
	reuse = nil
	for i := range uint32(150) {
		reuse = append(reuse, a(syn, i*70001, 0))
	}
	forged("port-reused-150-times-without-answer", reuse...)
	reuse = nil
	for i := range uint32(100) {
		n := i * 70001
		reuse = append(reuse, a(syn, n, 0), b(syn|ack, 5, n+1), a(ack, n+1, 6), a(fin|ack, n+1, 6), b(fin|ack, 6, n+2), a(ack, n+2, 7))
	}
	add("port-reused-100-times-after-fin", reuse...)
}

func repeat(n int, frames ...[]byte) (out [][]byte) {
	for range n {
		out = append(out, frames...)
	}
	return out
}

// datagrams are UDP, UDP-Lite, SCTP and DCCP headers that lie, and protocols without ports.
func datagrams(s *suite) {
	good := udp(40000, 53, []byte("payload"))
	for _, n := range []uint16{1, 2, 7} {
		s.packets(fmt.Sprintf("udp-length-%d", n), clean(0).classed("malformed"), frame(ip(hostA, hostB, protoUDP, with(good, 4, fmt.Sprintf("%04x", n)))))
	}
	for _, n := range []uint16{0, 8, uint16(len(good) + 1), 0x8000, 0xffff} {
		s.packets(fmt.Sprintf("udp-length-%d", n), clean(0).classed("decoded"), frame(ip(hostA, hostB, protoUDP, with(good, 4, fmt.Sprintf("%04x", n)))))
	}
	s.packets("udp-bad-checksum", clean(0), frame(ip(hostA, hostB, protoUDP, with(good, 6, "12 34"))))
	s.packets("udp-checksum-0-in-ipv6", clean(0), frame(ip(hostA6, hostB6, protoUDP, good)))
	s.packets("udp-ports-0", clean(0).classed("decoded"), frame(ip(hostA, hostB, protoUDP, udp(0, 0, nil))), frame(ip(hostB, hostA, protoUDP, udp(0, 0, nil))))
	for _, p := range []struct {
		name  string
		proto uint8
	}{{"udp", protoUDP}, {"udp-lite", protoLite}, {"sctp", protoSCTP}, {"dccp", protoDCCP}, {"icmp", protoICMP}, {"icmp6", protoICMPv6}, {"esp", protoESP}, {"gre", protoGRE}} {
		var cuts [][]byte
		for n := range 24 {
			cuts = append(cuts, frame(ip(hostA, hostB, p.proto, noise(uint32(n), n))), frame(ip(hostA6, hostB6, p.proto, noise(uint32(n), n))), frame(ip(hostA, hostB, p.proto, bytes.Repeat([]byte{0xff}, n))))
		}
		s.packets(p.name+"-short-at-every-byte", clean(0), cuts...)
	}
	s.packets("sctp-chunk-lengths", clean(0).classed("decoded"), frame(ip(hostA, hostB, protoSCTP, raw("9c40 0b5a 00000000 00000000 01 00 0000"))), frame(ip(hostA, hostB, protoSCTP, raw("9c40 0b5a 00000000 00000000 01 00 ffff"))))
	s.packets("esp-noise", clean(0).classed("decoded"), frame(ip(hostA, hostB, protoESP, noise(3, 200))), frame(ip(hostA, hostB, protoUDP, udp(4500, 4500, noise(4, 200)))), frame(ip(hostA, hostB, protoUDP, udp(4500, 4500, make([]byte, 4)))), frame(ip(hostA, hostB, protoUDP, udp(4500, 4500, []byte{0xff}))))
}
