package survey

import (
	"net/netip"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

var (
	linuxSYN   = flow.Stack{Hops: 64, Window: 64240, MSS: 1460, Options: [flow.MaxStackOptions]uint8{2, 4, 8, 1, 3}, Count: 5}
	windowsSYN = flow.Stack{Hops: 127, Window: 64240, MSS: 1460, Options: [flow.MaxStackOptions]uint8{2, 1, 3, 1, 1, 4}, Count: 6}
	oldSYN     = flow.Stack{Hops: 128, Window: 65535, MSS: 1460, Options: [flow.MaxStackOptions]uint8{2, 1, 1, 4}, Count: 4}
	answer     = flow.Stack{Hops: 128, Window: 8192, Answer: true}
)

func TestSystems(t *testing.T) {
	many := func(first, n, step int) (ports []uint16) {
		for i := range n {
			ports = append(ports, uint16(first+i*step))
		}
		return ports
	}
	for _, c := range []struct {
		name   string
		ports  []uint16
		stacks []flow.Stack
		os     string
		words  string // of the evidence
		doubt  string
	}{
		{"nothing", nil, nil, "", "opened no TCP connection", ""},
		{"an answer alone", nil, []flow.Stack{answer}, "", "which is not enough to state it", ""},
		{"above what Linux has", []uint16{62000}, nil, "windows", "1 of 1 source ports lie in 49152-65535", ""},
		{"above, and as Windows sends it", []uint16{62000, 50000}, []flow.Stack{windowsSYN}, "windows", "agrees", ""},
		{"below what Windows has", []uint16{40000, 50000}, []flow.Stack{linuxSYN}, "linux", "2 of 2 source ports lie in 32768-6", ""},
		{"what both have", []uint16{50000, 50001}, nil, "", "which more than one system may pick", ""},
		{"what both have, often", many(50000, 8, 1), nil, "windows", "8 of 8", ""},
		{"what both have, as Windows sends it", []uint16{50000}, []flow.Stack{windowsSYN}, "windows", "is as windows sends it", ""},
		{"what both have, as Linux sends it", []uint16{50000}, []flow.Stack{linuxSYN}, "linux", "is as linux sends it", ""},
		{"what both have, as no such system sends it", []uint16{50000}, []flow.Stack{oldSYN}, "", "", ""},
		{"before Vista", []uint16{1025, 4000}, []flow.Stack{oldSYN}, "windows-pre-vista", "agrees", ""},
		{"ports of Windows behind Linux", []uint16{62000, 63000}, []flow.Stack{linuxSYN}, "windows", "TTL 64", "rather linux"},
		{"two systems", []uint16{1030, 1031, 62000, 62001, 40000}, nil, "", "of ranges that no one system has", "several machines"},
		{"two stacks", []uint16{62000, 62001}, []flow.Stack{windowsSYN, linuxSYN}, "windows", "", "different stacks"},
		{"one stray", append(many(40000, 9, 100), 20000), nil, "linux", "9 of 10 source ports lie in 32768-6", ""},
		{"nowhere", []uint16{20000, 21000}, nil, "", "the lowest such is 20000", "several machines"},
		{"a service's choice", []uint16{1023, 20}, nil, "", "opened no TCP connection", ""},
	} {
		s := newSeen(t, "acronis-abr-11.5").Survey
		addr := netip.MustParseAddr("10.0.0.1")
		for _, p := range c.ports {
			s.sourcePort(&flow.Conn{Proto: flow.TCP, KnownBy: flow.KnownByHandshake, Orig: netip.AddrPortFrom(addr, p)}, s.address(addr))
		}
		for _, st := range c.stacks {
			st.Addr = addr
			s.LearnStack(&st)
		}
		got := s.systemOf([]netip.Addr{addr})
		if got.os != c.os || !strings.Contains(got.evidence, c.words) || !strings.Contains(got.doubt, c.doubt) || c.doubt == "" && got.doubt != "" {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestStacksAreBounded: an address that changes its stack with every packet is not remembered in full.
func TestStacksAreBounded(t *testing.T) {
	s := newSeen(t, "acronis-abr-11.5").Survey
	for i := range 1000 {
		st := linuxSYN
		st.Addr, st.Window = netip.MustParseAddr("10.0.0.1"), uint16(i)
		s.LearnStack(&st)
	}
	if a := s.stacks[netip.MustParseAddr("10.0.0.1")]; len(a.kinds) != maxStacksOf || a.more != 1000-maxStacksOf {
		t.Errorf("%d kinds and %d more", len(a.kinds), a.more)
	}
}
