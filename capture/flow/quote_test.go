package flow

import (
	"net/netip"
	"testing"
)

func TestICMPErrorOf(t *testing.T) {
	for _, c := range []struct {
		proto     Proto
		typ, code uint8
		want      ICMPError
	}{
		{ICMP, 3, 0, NetUnreachable}, {ICMP, 3, 3, PortUnreachable}, {ICMP, 3, 4, FragmentationNeeded}, {ICMP, 3, 13, AdministrativelyProhibited},
		{ICMP, 3, 200, OtherUnreachable}, {ICMP, 4, 0, SourceQuench}, {ICMP, 5, 1, NoICMPError}, {ICMP, 8, 0, NoICMPError},
		{ICMP, 11, 0, TTLExceeded}, {ICMP, 11, 1, ReassemblyTimeExceeded}, {ICMP, 12, 1, ParameterProblem}, {ICMP, 1, 4, NoICMPError},
		{ICMPv6, 1, 1, AdministrativelyProhibited}, {ICMPv6, 1, 4, PortUnreachable}, {ICMPv6, 1, 99, OtherUnreachable}, {ICMPv6, 2, 0, FragmentationNeeded},
		{ICMPv6, 3, 0, TTLExceeded}, {ICMPv6, 3, 1, ReassemblyTimeExceeded}, {ICMPv6, 4, 0, ParameterProblem}, {ICMPv6, 4, 1, ProtocolUnreachable}, {ICMPv6, 128, 0, NoICMPError},
	} {
		if got := ICMPErrorOf(c.proto, c.typ, c.code); got != c.want {
			t.Errorf("%v %d/%d: %v, want %v", c.proto, c.typ, c.code, got, c.want)
		}
	}
}

func TestICMPErrorsBounded(t *testing.T) {
	table := NewTable(Options{MaxConnections: 16})
	defer table.Close()
	by := netip.MustParseAddr("192.0.2.1")
	for rec := range uint32(maxICMPErrors + 10) {
		table.fail(rec, failure{FragmentationNeeded, by})
	}
	table.fail(3, failure{PortUnreachable, by})
	table.fail(3, failure{HostUnreachable, by})
	if n, lost := len(table.failures), table.Counters().Lost; n != maxICMPErrors || lost != 10 || table.failures[3].what != PortUnreachable {
		t.Errorf("%d kept, %d lost, %v", n, lost, table.failures[3])
	}
}
