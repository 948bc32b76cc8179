package flow

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

func TestRecordIsOneLine(t *testing.T) {
	if n := unsafe.Sizeof(record{}); n != 64 {
		t.Fatalf("a record has %d bytes", n)
	}
}

const (
	ab = " 10.0.0.1:40000 > 10.0.0.2:80 "
	ba = " 10.0.0.2:80 > 10.0.0.1:40000 "
	// handshake of a connection at second 0
	handshake = "0" + ab + "S seq=100\n0.01" + ba + "SA seq=500 ack=101\n0.02" + ab + "A seq=101 ack=501\n"
)

func TestTableTCP(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"established", handshake, "handshake established input-end 2/1"},
		{"established by data", "0" + ab + "S seq=100\n1" + ba + "SA seq=500 ack=101\n2" + ab + "PA len=9", "handshake established input-end 2/1"},
		{"closed by both", handshake + "1" + ab + "FA\n2" + ba + "FA\n2.1" + ab + "A", "handshake established closed 4/2"},
		{"one FIN", handshake + "1" + ab + "FA\n2" + ba + "A", "handshake established input-end 3/2"},
		{"closed by RST", handshake + "1" + ba + "R", "handshake established closed 2/2"},
		{"RST without effect", handshake + "1" + ba + "R\n1.1" + ba + "A len=10", "handshake established input-end 2/3"},
		{"refused", "0" + ab + "S seq=100\n0.1" + ba + "RA ack=101", "handshake refused closed 1/1"},
		{"refused at the end of the sequence space", "0" + ab + "S seq=4294967295\n0.1" + ba + "RA ack=0", "handshake refused closed 1/1"},
		{"RST that answers nothing", "0" + ab + "S seq=100\n0.1" + ba + "RA ack=777", "handshake unanswered input-end 1/1"},
		{"RST without ACK answers nothing", "0" + ab + "S seq=100\n0.1" + ba + "R", "handshake unanswered input-end 1/1"},
		{"refused twice", "0" + ab + "S seq=100\n0.1" + ba + "RA ack=101\n0.6" + ab + "S seq=100\n0.7" + ba + "RA ack=101", "handshake refused closed 2/2"},
		{"refused, then accepted", "0" + ab + "S seq=100\n0.1" + ba + "RA ack=101\n0.6" + ab + "S seq=100\n0.7" + ba + "SA ack=101\n1" + ab + "A",
			"handshake established closed 3/2"},
		{"unanswered", "0" + ab + "S seq=100", "handshake unanswered input-end 1/0 orig-only"},
		{"retransmitted SYN, Linux back-off", "0" + ab + "S seq=100\n1" + ab + "S seq=100\n3" + ab + "S seq=100\n7" + ab + "S seq=100\n15" + ab +
			"S seq=100\n31" + ab + "S seq=100\n63" + ab + "S seq=100\n127" + ab + "S seq=100", "handshake unanswered input-end 8/0 orig-only"},
		{"unanswered, given up", "0" + ab + "S seq=100\n1" + ab + "R", "handshake unanswered closed 2/0 orig-only"},
		{"half-open", "0" + ab + "S seq=100\n0.1" + ba + "SA ack=101\n1" + ba + "SA ack=101", "handshake half-open input-end 1/2"},
		{"SYN scan", "0" + ab + "S seq=100\n0.1" + ba + "SA ack=101\n0.2" + ab + "R", "handshake half-open closed 2/1"},
		{"SYN-ACK that answers nothing", "0" + ab + "S seq=100\n0.1" + ba + "SA ack=102\n0.2" + ab + "R", "handshake unanswered closed 2/1"},
		{"ACK before the SYN-ACK does not count", "0" + ab + "S seq=100\n0.1" + ab + "A\n0.2" + ba + "SA ack=101", "handshake half-open input-end 2/1"},
		{"one-sided, originator", "0" + ab + "S seq=100\n0.1" + ab + "A\n0.2" + ab + "P len=5", "handshake one-sided input-end 3/0 orig-only"},
		{"one-sided, responder", "0" + ba + "SA ack=101\n0.1" + ba + "A\n0.2" + ba + "P len=5", "synack one-sided input-end 0/3 resp-only"},
		{"only the SYN-ACK", "0" + ba + "SA ack=101", "synack half-open input-end 0/1 resp-only"},
		{"backscatter", "0" + ba + "SA ack=101\n0.1" + ab + "R", "synack half-open closed 1/1"},
		{"partial, no SYN", "0" + ba + "SA ack=101\n0.1" + ab + "A", "synack partial input-end 1/1"},
		{"partial, no SYN-ACK", "0" + ab + "S seq=100\n0.1" + ab + "A\n0.2" + ba + "A", "handshake partial input-end 2/1"},
		{"partial, no ACK", "0" + ab + "S seq=100\n0.1" + ba + "SA ack=101\n0.2" + ba + "A", "handshake partial input-end 1/2"},
		{"midstream, by port", "0" + ba + "A\n1" + ab + "A", "port midstream input-end 1/1"},
		{"midstream, late, still by port", "0 10.0.0.8:5 > 10.0.0.9:6 udp\n9000" + ba + "A", "unknown one-way input-end 1/0 orig-only\nport midstream input-end 0/1 resp-only"},
		{"midstream, unknown", "0 10.0.0.2:50001 > 10.0.0.1:50000 A", "10.0.0.2:50001 > 10.0.0.1:50000 unknown midstream input-end 1/0 orig-only"},
		{"midstream, both service ports", "0 10.0.0.2:2049 > 10.0.0.1:443 A", "10.0.0.2:2049 > 10.0.0.1:443 unknown midstream input-end 1/0 orig-only"},
		{"SYN-ACK first", "0" + ba + "SA seq=500 ack=101\n0.001" + ab + "S seq=100\n0.002" + ab + "A", "handshake established input-end 2/1"},
		{"data first", "0" + ba + "A\n0.001" + ab + "S seq=100\n0.002" + ba + "SA ack=101\n0.003" + ab + "A", "handshake established input-end 2/2"},
		{"fast open", "0" + ab + "S seq=100 len=300\n0.1" + ba + "SA ack=401\n0.2" + ab + "A", "handshake established input-end 2/1"},
		{"fast open, payload not captured", "0" + ab + "S seq=100 len=300 cut\n0.1" + ba + "SA ack=401\n0.2" + ab + "A", "handshake established input-end 2/1"},
		{"fast open, data not taken", "0" + ab + "S seq=100 len=300\n0.1" + ba + "SA ack=101\n0.2" + ab + "A", "handshake established input-end 2/1"},
		{"fast open refused", "0" + ab + "S seq=100 len=300\n0.1" + ba + "RA ack=401", "handshake refused closed 1/1"},
		{"simultaneous open", "0" + ab + "S seq=100\n0.01" + ba + "S seq=500\n0.02" + ab + "SA seq=100 ack=501\n0.03" + ba + "SA seq=500 ack=101",
			"10.0.0.1:40000 > 10.0.0.2:80 handshake established input-end 2/2"},
		{"split handshake", "0" + ab + "S seq=100\n0.01" + ba + "S seq=500\n0.02" + ab + "SA seq=100 ack=501\n0.03" + ba + "A",
			"10.0.0.1:40000 > 10.0.0.2:80 handshake established input-end 2/2"},
		{"simultaneous open, not finished", "0" + ab + "S seq=100\n0.01" + ba + "S seq=500\n0.02" + ab + "SA seq=100 ack=501",
			"10.0.0.1:40000 > 10.0.0.2:80 handshake half-open input-end 2/1"},
		{"split handshake after an ACK", "0" + ab + "S seq=100\n0.01" + ba + "A seq=500 ack=101\n0.01" + ba + "S seq=500\n0.02" + ab + "SA seq=100 ack=501\n0.03" + ba + "A",
			"10.0.0.1:40000 > 10.0.0.2:80 handshake established input-end 2/3"},
		{"split handshake, wrong number", "0" + ab + "S seq=100\n0.01" + ba + "S seq=500\n0.02" + ab + "SA seq=100 ack=502\n0.03" + ba + "A",
			"10.0.0.1:40000 > 10.0.0.2:80 handshake partial input-end 2/2"},
		{"roles swapped", "0" + ab + "S seq=100\n0.01" + ba + "SA seq=500 ack=101\n0.02" + ba + "S seq=700\n0.03" + ab + "SA seq=900 ack=701\n0.04" + ba + "A",
			"10.0.0.1:40000 > 10.0.0.2:80 handshake established input-end 2/3"},
		{"ACK with a wrong number", "0" + ab + "S seq=100\n0.1" + ba + "SA seq=500 ack=101\n0.2" + ab + "A ack=999", "handshake half-open input-end 2/1"},
		{"ACK of data that was not seen", "0" + ab + "S seq=100\n0.1" + ba + "SA seq=500 ack=101\n0.2" + ab + "A ack=999\n0.3" + ba + "A\n0.4" + ab + "A ack=999",
			"handshake established input-end 3/2"},
		{"ACK at the end of the sequence space", "0" + ab + "S seq=100\n0.1" + ba + "SA seq=65535 ack=101\n0.2" + ab + "A ack=65536", "handshake established input-end 2/1"},
		{"forged SYN in a live connection", handshake + "1" + ab + "S seq=9999\n1.1" + ba + "A\n1.2" + ba + "S seq=4\n2" + ab + "A", "handshake established input-end 4/3"},
		{"SYN with FIN is no handshake", "0" + ab + "SF seq=100\n1" + ba + "A", "port midstream input-end 1/1"},
		{"FIN scan", "0" + ab + "F\n0.1" + ba + "RA", "port midstream closed 1/1"},
		{"broken SYN-ACK", "0" + ab + "S seq=100\n0.1" + ba + "SA ack=101 broken\n0.2" + ab + "A broken", "handshake unanswered input-end 2/1"},
		{"refused SYN-ACK", "0" + ab + "S seq=100\n0.1" + ba + "SA ack=101 refused\n0.2" + ab + "A", "handshake one-sided input-end 2/1"},
		{"refused SYN does not reopen", handshake + "1" + ab + "FA\n2" + ba + "FA\n2.1" + ab + "S seq=9 refused", "handshake established closed 4/2"},
		{"refused RST does not close", handshake + "1" + ba + "R refused", "handshake established input-end 2/2"},
		{"nothing but refused packets", "0" + ab + "S refused\n1" + ba + "SA refused\n2" + ab + "PA len=9 refused", "port unanswered input-end 2/1"},
		{"one side refused", "0" + ab + "PA len=9\n1" + ba + "PA len=9 refused", "port one-sided input-end 1/1"},
		{"later fragments", "0" + ab + "S seq=100\n0.1" + ba + "A fragment\n0.2" + ab + "A fragment", "handshake unanswered input-end 2/1"},
		{"bad times", "0" + ab + "S seq=100\n0.1" + ba + "SA ack=101 badtime\n0.2" + ab + "A badtime", "handshake established input-end 2/1"},
	} {
		t.Run(c.name, func(t *testing.T) { wantConns(t, c.script, c.want) })
	}
}

func TestTableReuse(t *testing.T) {
	second := func(at string) string {
		return at + ab + "S seq=70000\n" + at + ba + "SA ack=70001\n" + at + ab + "A\n"
	}
	for _, c := range []struct{ name, script, want string }{
		{"after FIN both ways", handshake + "1" + ab + "FA\n1" + ba + "FA\n" + second("2"), "established reused 3/2\nestablished input-end 2/1"},
		{"after one FIN", handshake + "1" + ab + "FA\n" + second("2"), "established reused 3/1\nestablished input-end 2/1"},
		{"after RST", handshake + "1" + ab + "R\n" + second("2"), "established reused 3/1\nestablished input-end 2/1"},
		{"by the other side", handshake + "1" + ab + "R\n2" + ba + "S seq=5", "10.0.0.1:40000 > 10.0.0.2:80 handshake established reused 3/1\n10.0.0.2:80 > 10.0.0.1:40000 handshake unanswered input-end 1/0 orig-only"},
		{"same number after FIN", handshake + "1" + ab + "FA\n1" + ba + "FA\n2" + ab + "S seq=100", "established closed 4/2"},
		{"attempt with another number", "0" + ab + "S seq=100\n1" + ab + "S seq=99", "unanswered reused 1/0 orig-only\nunanswered input-end 1/0 orig-only"},
		{"refused, another number", "0" + ab + "S seq=100\n0.1" + ba + "RA ack=101\n1" + ab + "S seq=99", "refused reused 1/1\nunanswered input-end 1/0 orig-only"},
		{"half-open, another number", "0" + ab + "S seq=100\n0.1" + ba + "SA ack=101\n1" + ab + "S seq=99", "half-open reused 1/1\nunanswered input-end 1/0 orig-only"},
		{"silent for a minute", handshake + second("61"), "established reused 2/1\nestablished input-end 2/1"},
		{"accepted by the other side", handshake + "1" + ab + "S seq=70000\n1.1" + ba + "SA ack=70001\n1.2" + ab + "A", "handshake established reused 3/1\nsynack partial input-end 1/1"},
		{"handshake after midstream", "0" + ab + "A\n0" + ba + "A\n" + second("2"), "port midstream reused 1/1\nhandshake established input-end 2/1"},
		{"only SYN-ACKs", "0" + ba + "SA ack=101\n1" + ba + "SA ack=900", "half-open reused 0/1 resp-only\nhalf-open input-end 0/1 resp-only"},
		{"attempt, after its timeout", "0" + ab + "S seq=100\n120.1" + ab + "S seq=100", "unanswered idle 1/0 orig-only\nunanswered input-end 1/0 orig-only"},
		{"attempt, at its timeout", "0" + ab + "S seq=100\n120" + ab + "S seq=100", "unanswered input-end 2/0 orig-only"},
		{"established, after an hour", handshake + "3600" + ab + "A\n7200.1" + ba + "A", "handshake established idle 3/1\nport midstream input-end 0/1 resp-only"},
		{"closed, stray packet after the linger", handshake + "1" + ab + "R\n62" + ab + "A", "handshake established closed 3/1\nport midstream input-end 1/0 orig-only"},
		{"in another file", "0" + ab + "S seq=100\n1" + ab + "S seq=99 file=1\n2" + ba + "RA ack=100 file=1",
			"0:1 tcp 10.0.0.1:40000 > 10.0.0.2:80 handshake unanswered reused 1/0 orig-only\n1:1 tcp 10.0.0.1:40000 > 10.0.0.2:80 handshake refused closed 1/1"},
	} {
		t.Run(c.name, func(t *testing.T) { wantConns(t, c.script, c.want) })
	}
}

func TestTableOtherProtocols(t *testing.T) {
	const late = "0 10.9.9.9:9 > 10.9.9.8:9 gre\n"
	const lateWant = "unknown seen input-end 1/0 orig-only\n"
	for _, c := range []struct{ name, script, want string }{
		{"udp by port", "0 10.0.0.1:50000 > 10.0.0.2:53 udp\n1 10.0.0.2:53 > 10.0.0.1:50000 udp", "10.0.0.1:50000 > 10.0.0.2:53 port answered input-end 1/1"},
		{"udp answer first", "0 10.0.0.2:53 > 10.0.0.1:50000 udp", "10.0.0.1:50000 > 10.0.0.2:53 port one-way input-end 0/1 resp-only"},
		{"udp early", "0 10.0.0.1:50000 > 10.0.0.2:50001 udp", "10.0.0.1:50000 > 10.0.0.2:50001 unknown one-way input-end 1/0 orig-only"},
		{"udp late", late + "120.1 10.0.0.2:53 > 10.0.0.1:50000 udp", lateWant + "10.0.0.2:53 > 10.0.0.1:50000 first-packet one-way input-end 1/0 orig-only"},
		{"udp not late enough", late + "120 10.0.0.2:50001 > 10.0.0.1:50000 udp", lateWant + "unknown one-way input-end 1/0 orig-only"},
		{"udp to multicast, early", "0 10.0.0.1:50001 > 239.1.2.3:50000 udp", "10.0.0.1:50001 > 239.1.2.3:50000 first-packet one-way input-end 1/0 orig-only"},
		{"udp to broadcast", "0 0.0.0.0:68 > 255.255.255.255:67 udp\n1 10.0.0.1:67 > 255.255.255.255:68 udp",
			"0.0.0.0:68 > 255.255.255.255:67 first-packet one-way input-end 1/0 orig-only\n10.0.0.1:67 > 255.255.255.255:68 first-packet one-way input-end 1/0 orig-only"},
		{"udp to an IPv6 group from a service port", "0 [fe80::9]:53 > [ff02::fb]:50000 udp", "[fe80::9]:53 > [ff02::fb]:50000 first-packet one-way input-end 1/0 orig-only"},
		{"udp from a group", late + "121 224.0.0.1:5 > 10.0.0.1:6 udp", lateWant + "224.0.0.1:5 > 10.0.0.1:6 first-packet one-way input-end 1/0 orig-only"},
		{"gre to multicast", "0 10.0.0.1:0 > 224.0.0.5:0 gre", "10.0.0.1:0 > 224.0.0.5:0 first-packet seen input-end 1/0 orig-only"},
		{"tcp to multicast, midstream", "0 10.0.0.1:80 > 224.0.0.5:50000 A", "10.0.0.1:80 > 224.0.0.5:50000 first-packet midstream input-end 1/0 orig-only"},
		{"reserved icmp6 type", "0 [2001:db8::2]:0 > [2001:db8::1]:0 icmp6=0/0", "2001:db8::2 > 2001:db8::1 0/0 unknown one-way input-end 1/0 orig-only"},
		{"udp one-way timeout", "0 10.0.0.1:500 > 10.0.0.2:500 udp\n30.1 10.0.0.2:500 > 10.0.0.1:500 udp",
			"10.0.0.1:500 > 10.0.0.2:500 unknown one-way idle 1/0 orig-only\n10.0.0.2:500 > 10.0.0.1:500 unknown one-way input-end 1/0 orig-only"},
		{"udp answered timeout", "0 10.0.0.1:5 > 10.0.0.2:5 udp\n30 10.0.0.2:5 > 10.0.0.1:5 udp\n150 10.0.0.1:5 > 10.0.0.2:5 udp", "answered input-end 2/1"},
		{"udp answered by a broken packet", "0 10.0.0.1:5 > 10.0.0.2:5 udp\n1 10.0.0.2:5 > 10.0.0.1:5 udp broken", "one-way input-end 1/1"},
		{"udp answer refused", "0 10.0.0.1:5 > 10.0.0.2:5 udp\n1 10.0.0.2:5 > 10.0.0.1:5 udp refused", "one-way input-end 1/1"},
		{"udp first packet refused", late + "121 10.0.0.1:5 > 10.0.0.2:6 udp refused\n122 10.0.0.2:6 > 10.0.0.1:5 udp", lateWant + "10.0.0.2:6 > 10.0.0.1:5 first-packet one-way input-end 1/1"},
		{"udp, all refused", late + "121 10.0.0.1:5 > 10.0.0.2:6 udp refused", lateWant + "10.0.0.1:5 > 10.0.0.2:6 unknown one-way input-end 1/0 orig-only"},
		{"gre in fragments", "0 10.0.0.1:0 > 10.0.0.2:0 gre\n1 10.0.0.2:0 > 10.0.0.1:0 gre fragment", "gre 10.0.0.1:0 > 10.0.0.2:0 unknown seen input-end 1/1"},
		{"gre refused", "0 10.0.0.1:0 > 10.0.0.2:0 gre\n1 10.0.0.2:0 > 10.0.0.1:0 gre refused", "gre 10.0.0.1:0 > 10.0.0.2:0 unknown one-way input-end 1/1"},
		{"ping", "0 10.0.0.2:0 > 10.0.0.1:0 icmp=8/0\n1 10.0.0.1:0 > 10.0.0.2:0 icmp=0/0", "10.0.0.2 > 10.0.0.1 8/0 first-packet answered input-end 1/1"},
		{"echo reply first", "0 10.0.0.1:0 > 10.0.0.2:0 icmp=0/0\n1 10.0.0.2:0 > 10.0.0.1:0 icmp=8/0", "10.0.0.2 > 10.0.0.1 8/0 first-packet answered input-end 1/1"},
		{"pings both ways", "0 10.0.0.1:0 > 10.0.0.2:0 icmp=8/0\n1 10.0.0.2:0 > 10.0.0.1:0 icmp=8/0",
			"10.0.0.1 > 10.0.0.2 8/0 first-packet one-way input-end 1/0 orig-only\n10.0.0.2 > 10.0.0.1 8/0 first-packet one-way input-end 1/0 orig-only"},
		{"ping of oneself", "0 10.0.0.1:0 > 10.0.0.1:0 icmp=8/0\n1 10.0.0.1:0 > 10.0.0.1:0 icmp=0/0", "10.0.0.1 > 10.0.0.1 8/0 first-packet answered input-end 1/1"},
		{"unreachable", "0 10.0.0.2:0 > 10.0.0.1:0 icmp=3/3", "10.0.0.2 > 10.0.0.1 3/3 first-packet one-way input-end 1/0 orig-only"},
		{"ping over IPv6", "0 [2001:db8::2]:0 > [2001:db8::1]:0 icmp6=128/0\n1 [2001:db8::1]:0 > [2001:db8::2]:0 icmp6=129/0",
			"2001:db8::2 > 2001:db8::1 128/0 first-packet answered input-end 1/1"},
		{"tcp over IPv6", "0 [2001:db8::2]:5000 > [2001:db8::1]:80 S seq=1\n1 [2001:db8::1]:80 > [2001:db8::2]:5000 RA ack=2",
			"[2001:db8::2]:5000 > [2001:db8::1]:80 handshake refused closed 1/1"},
		{"gre", "0 10.0.0.1:0 > 10.0.0.2:0 gre\n1 10.0.0.2:0 > 10.0.0.1:0 gre", "gre 10.0.0.1:0 > 10.0.0.2:0 unknown seen input-end 1/1"},
	} {
		t.Run(c.name, func(t *testing.T) { wantConns(t, c.script, c.want) })
	}
}

// wantConns compares the ends of the descriptions, line by line.
func wantConns(t *testing.T, script, want string) {
	t.Helper()
	packets := parsePackets(t, script)
	var got []string
	for _, c := range run(t, Options{}, BatchSize, packets) {
		got = append(got, describe(&c))
	}
	lines := strings.Split(strings.TrimSpace(want), "\n")
	ok := len(got) == len(lines)
	for i := 0; ok && i < len(got); i++ {
		ok = strings.HasSuffix(got[i], lines[i])
	}
	if !ok {
		t.Errorf("packets:\n%.2000s\ngot:\n%s\nwant:\n%s", script, strings.Join(got, "\n"), want)
	}
	check(t, 100, 0, packets)
}

func TestSweepEmitsInOrderOfFirstPackets(t *testing.T) {
	var script strings.Builder
	for i := range 1024 {
		fmt.Fprintf(&script, "%d 10.0.%d.%d:5000 > 10.9.9.9:53 udp\n", i/8, i%13, i%7)
	}
	packets := parsePackets(t, script.String())
	var conns []Conn
	table := NewTable(Options{Emit: func(_ uint32, c *Conn) { conns = append(conns, kept(c)) }})
	var b Batch
	for len(packets) > 0 {
		b.N = 0
		for i := range BatchSize {
			b.put(table.Hasher(), &packets[i])
		}
		table.AddBatch(&b)
		packets = packets[BatchSize:]
	}
	if len(conns) != 0 || table.Counters().Open != 91 {
		t.Fatalf("%d connections emitted, %d open", len(conns), table.Counters().Open)
	}
	b.N = 0
	for i := range BatchSize + 1 { // a step of the clock beyond all timeouts, in small steps that are believed
		p := parsePackets(t, fmt.Sprintf("%d 10.1.1.1:1 > 10.1.1.2:1 gre", 200+i))
		b.put(table.Hasher(), &p[0])
		if b.N == BatchSize {
			table.AddBatch(&b)
			b.N = 0
		}
	}
	table.AddBatch(&b)
	if len(conns) != 91 {
		t.Fatalf("%d connections emitted by the sweep", len(conns))
	}
	for i := 1; i < len(conns); i++ {
		if conns[i-1].ID.Compare(conns[i].ID) > 0 {
			t.Fatalf("%v before %v", conns[i-1].ID, conns[i].ID)
		}
	}
	table.Close()
}

func TestEvictionKeepsReplies(t *testing.T) {
	script := ""
	for i := range 8 {
		script += fmt.Sprintf("0 10.0.0.1:%d > 10.0.0.2:80 S seq=1\n0 10.0.0.2:80 > 10.0.0.1:%d SA ack=2\n0 10.0.0.1:%d > 10.0.0.2:80 A\n", 1000+i, 1000+i, 1000+i)
	}
	for i := range 2000 {
		script += fmt.Sprintf("%f 10.7.7.%d:%d > 10.0.0.2:80 S seq=1\n", float64(i)/1000, i%200, i)
	}
	var established, evicted int
	for _, c := range run(t, Options{MaxConnections: 40}, BatchSize, parsePackets(t, script)) {
		if c.Outcome == Established && c.End == EndInput {
			established++
		}
		if c.Outcome == Unanswered && c.End == EndEvicted {
			evicted++
		}
	}
	if established != 8 || evicted < 1960 {
		t.Errorf("%d established connections survived, %d attempts evicted", established, evicted)
	}
}

// A slow scan fills the table with attempts that have long been idle: none of them is lost.
func TestSlowScanIsNotEvicted(t *testing.T) {
	var script strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&script, "%d 10.0.0.1:%d > 10.1.%d.%d:23 S seq=1\n", i, 40000+i%100, i>>8, i&255)
	}
	ends := map[End]int{}
	for _, c := range run(t, Options{MaxConnections: 512}, BatchSize, parsePackets(t, script.String())) {
		ends[c.End]++
	}
	if ends[EndEvicted] != 0 || ends[EndIdle] < 19_000 {
		t.Errorf("ends %v", ends)
	}
}

func TestFactsBounded(t *testing.T) {
	value := strings.Repeat("x", MaxFactValue)
	const conns = maxFactBytes / MaxFactValue / maxFacts
	told := newTold(conns)
	for rec := range uint32(conns) {
		for range maxFacts {
			told.Add(rec, &Fact{Value: value})
		}
	}
	const facts = conns * maxFacts
	if lost := told.Lost(); lost < facts/10 || lost > facts/3 || told.bytes > maxFactBytes+1<<10 {
		t.Errorf("%d bytes of facts, %d of %d lost", told.bytes, lost, facts)
	}
	for rec := range uint32(conns) {
		told.Drop(rec)
	}
	if told.bytes != 0 {
		t.Errorf("%d bytes of facts of no connection", told.bytes)
	}
}

func TestOffers(t *testing.T) {
	var conns []Conn
	table := NewTable(Options{Emit: func(_ uint32, c *Conn) { conns = append(conns, kept(c)) }})
	var b Batch
	add := func(script string) {
		b.N = 0
		for _, p := range parsePackets(t, script) {
			b.put(table.Hasher(), &p)
		}
		table.AddBatch(&b)
	}
	head := func(i int) bool { return b.Packets[i].Bits&Head != 0 }
	decide := func(i int) { table.Wish(&Wish{Conn: table.ID(b.Record[i]), Record: b.Record[i]}) }
	add(handshake + "1" + ab + "A len=9\n1" + ab + "A len=9 fragment\n1" + ab + "A len=9 broken")
	for i, want := range []bool{false, false, false, true, false, false} {
		if head(i) != want {
			t.Errorf("packet %d: head %v", i, head(i))
		}
	}
	decide(3)
	late := Wish{Conn: table.ID(b.Record[3]), Record: b.Record[3]}
	add("2" + ab + "A len=9\n3" + ab + "R\n4" + ab + "S seq=7\n5" + ab + "S seq=7 len=3")
	if head(0) || !head(3) {
		t.Errorf("head of the decided connection %v, of the new one %v", head(0), head(3))
	}
	late.Record = b.Record[3] // the record is another connection's by now
	table.Wish(&late)
	add("6" + ab + "A len=4")
	if !head(0) {
		t.Error("a wish for a connection that has ended was heeded for the one after it")
	}
	table.Close()
	if len(conns) != 2 {
		t.Errorf("%d connections", len(conns))
	}
}

// TestOffersDatagrams holds that beyond the first datagrams of each side only those of conversations are offered that inspection follows, whatever
// it said late, and that it is waited for before one is not.
func TestOffersDatagrams(t *testing.T) {
	settled := 0
	var late []Wish
	var table *Table
	table = NewTable(Options{Settle: func() {
		settled++
		for i := range late {
			table.Wish(&late[i])
		}
		late = nil
	}})
	defer table.Close()
	var b Batch
	now := int64(epoch)
	offered := func(from, to string, n int) (heads int) {
		for range n {
			b.N = 0
			now += 1e6
			p := testPacket{src: netip.MustParseAddrPort(from), dst: netip.MustParseAddrPort(to)}
			p.Proto, p.Time, p.PayloadLen = UDP, now, 9
			b.put(table.Hasher(), &p)
			if table.AddBatch(&b); b.Packets[0].Bits&Head != 0 {
				heads++
			}
		}
		return heads
	}
	const x, y = "192.0.2.1:1000", "192.0.2.2:2000"
	if n := offered(x, y, 1000); n != firstDatagrams || settled != 1 {
		t.Errorf("%d of one side are offered, inspection was waited for %d times", n, settled)
	}
	if n := offered(y, x, firstDatagrams); n != firstDatagrams {
		t.Errorf("%d of the other side are offered", n)
	}
	late = []Wish{{Conn: table.ID(b.Record[0]), Record: b.Record[0], All: true}}
	if n := offered(x, y, 1000) + offered(y, x, 1000); n != 2000 || settled != 2 {
		t.Errorf("%d are offered of a conversation that is followed, inspection was waited for %d times", n, settled)
	}
}

func TestContext(t *testing.T) {
	var got []string
	table := NewTable(Options{Emit: func(_ uint32, c *Conn) { got = append(got, fmt.Sprint(c.VLANs, " in ", c.Tunnel)) }})
	if n := table.Context(nil, ""); n != 0 {
		t.Errorf("empty context is %d", n)
	}
	tags := []uint16{10, 20}
	n := table.Context(tags, "vxlan:42")
	tags[0] = 99
	if again := table.Context([]uint16{10, 20}, "vxlan:42"); again != n {
		t.Errorf("context %d, then %d", n, again)
	}
	if other := table.Context([]uint16{10}, "vxlan:42"); other == n {
		t.Error("other tags, same context")
	}
	var b Batch
	first := n
	for i := range 1 << 17 {
		n = table.Context([]uint16{uint16(i), uint16(i >> 16), 1}, "")
	}
	const other = "10.7.0.1:1 > 10.7.0.2:2 gre"
	for _, p := range parsePackets(t, fmt.Sprintf("0%sS ctx=%d\n1 %s ctx=%d\n2 %s ctx=%d", ab, first, other, n, other, n)) {
		b.put(table.Hasher(), &p)
	}
	table.AddBatch(&b)
	table.Close()
	if want := []string{"[10 20] in vxlan:42", "[] in other"}; !slices.Equal(got, want) {
		t.Errorf("connections in %q, want %q", got, want)
	}
	if c := table.Counters(); n != otherContext || c.Contexts != maxContexts || c.Other != 1 {
		t.Errorf("context %d after too many, counters %+v", n, c)
	}
}

func TestCountersDoNotWrap(t *testing.T) {
	var c *Conn
	table := NewTable(Options{Emit: func(_ uint32, e *Conn) { c = new(kept(e)) }})
	var b Batch
	p := parsePackets(t, handshake)
	b.put(table.Hasher(), &p[0])
	table.AddBatch(&b)
	r := &table.records.of[b.Record[0]]
	r.packets[0] = packetMask - 2
	r.bytes[0] = r.bytes[0]&^countMask | (countMask - 50)
	state := r.state()
	for range 3 {
		table.AddBatch(&b)
	}
	if r.state() != state {
		t.Errorf("state %b became %b", state, r.state())
	}
	table.Close()
	if c.OrigPackets != packetMask+1 || c.OrigBytes != countMask-50+3*40 || c.RespPackets != 0 {
		t.Errorf("%d packets, %d bytes", c.OrigPackets, c.OrigBytes)
	}
}
