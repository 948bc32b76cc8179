package capture

import (
	"slices"
	"strings"
	"testing"
)

func TestLedgerBalanced(t *testing.T) {
	var l Ledger
	if err := l.Balanced(); err != nil {
		t.Errorf("an empty ledger: %v", err)
	}
	for r := range Reason(NumReasons) {
		l.Read.add(60 + int(r))
		l.Reasons[r].add(60 + int(r))
	}
	l.NonIP.add(Kind{byEtherType, 0x0806})
	l.Unsupported.add(Kind{byLinkType, 127})
	if err := l.Balanced(); err != nil {
		t.Errorf("one packet of every reason: %v", err)
	}
	var sum uint64
	for c := range Class(NumClasses) {
		if l.Class(c).Packets == 0 {
			t.Errorf("class %v has no reason", c)
		}
		sum += l.Class(c).Packets
	}
	if sum != l.Read.Packets {
		t.Errorf("the classes hold %d of %d packets", sum, l.Read.Packets)
	}
	for name, spoil := range map[string]func(*Ledger){
		"packet lost":          func(l *Ledger) { l.Read.Packets++ },
		"bytes lost":           func(l *Ledger) { l.Read.Bytes++ },
		"non-ip without kind":  func(l *Ledger) { l.Read.add(1); l.Reasons[reasonNonIP].add(1) },
		"link type twice":      func(l *Ledger) { l.Unsupported.add(Kind{byLinkType, 1}) },
		"packet in two places": func(l *Ledger) { l.Reasons[malformedTCP].add(0) },
	} {
		bad := l
		spoil(&bad)
		if err := bad.Balanced(); err == nil || !strings.HasPrefix(err.Error(), "packet ledger: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKinds(t *testing.T) {
	var k Kinds
	for n := range 3 * maxKinds {
		k.add(Kind{byEtherType, uint16(0x9000 + n)})
	}
	for range 5 {
		k.add(Kind{byEtherType, 0x9001})
		k.add(Kind{byLLC, 0x4242}) // came too late for a count of its own
	}
	if k.add(Kind{byEtherType, 0x88e5}); k.Hiding() != 1 { // so did MACsec
		t.Errorf("%d hide something", k.Hiding())
	}
	if k.Other != 2*maxKinds+6 || k.total() != 3*maxKinds+11 {
		t.Errorf("%d of %d are others", k.Other, k.total())
	}
	sorted := k.Sorted()
	if first := sorted[0]; len(sorted) != maxKinds || first.Packets != 6 || first.Kind.String() != "ethertype 0x9001" {
		t.Errorf("%d kinds, first %v with %d", len(sorted), first.Kind, first.Packets)
	}
	if !slices.IsSortedFunc(sorted[1:], func(a, b KindCount) int { return int(a.Kind.number) - int(b.Kind.number) }) {
		t.Errorf("not sorted: %v", sorted)
	}
	for _, c := range []struct {
		kind Kind
		want string
	}{
		{Kind{byLLC, 0x4242}, "llc 0x4242"}, {Kind{byPPP, 0xc021}, "ppp 0xc021"},
		{Kind{byFamily, 16}, "address family 16"}, {Kind{byLinkType, 127}, "link type 127"},
	} {
		if got := c.kind.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
