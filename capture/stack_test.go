package capture

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
)

// TestStacks reads the SYNs of a recorded window: one for each connection, of hosts on the link and of one behind a router.
func TestStacks(t *testing.T) {
	got := map[netip.Addr][]flow.Stack{}
	result, err := Run(context.Background(), Config{Inputs: []string{"../testdata/captures/acronis-clean.pcapng"}, Stack: func(s *flow.Stack) {
		got[s.Addr] = append(got[s.Addr], *s)
	}})
	if err != nil {
		t.Fatal(err)
	}
	syns := 0
	for _, list := range got {
		for i := range list {
			if !list[i].Answer {
				syns++
			}
		}
	}
	if want := int(result.Outcomes[flow.Established]); syns < want {
		t.Errorf("%d SYNs for %d established connections", syns, want)
	}
	linux := []uint8{2, 4, 8, 1, 3}
	for _, c := range []struct {
		addr   string
		answer bool
		hops   uint8
	}{{"10.20.0.10", false, 64}, {"2001:db8:20::52", false, 64}, {"10.20.0.99", false, 63}, {"10.20.0.16", true, 64}, {"2001:db8:20::20", true, 64}} {
		i := slices.IndexFunc(got[netip.MustParseAddr(c.addr)], func(s flow.Stack) bool { return s.Answer == c.answer })
		if i < 0 {
			t.Errorf("%s: nothing was seen", c.addr)
			continue
		}
		s := got[netip.MustParseAddr(c.addr)][i]
		if s.Hops != c.hops || s.Link == ([6]byte{}) || s.MSS == 0 || s.Window == 0 || !slices.Equal(s.Options[:s.Count], linux) {
			t.Errorf("%s: %+v", c.addr, s)
		}
	}
}

func TestReadStack(t *testing.T) {
	ip := append([]byte{0x45, 0, 0, 60, 0, 0, 0, 0, 57, 6, 0, 0}, 192, 0, 2, 1, 192, 0, 2, 2)
	tcp := func(words byte, options ...byte) []byte {
		return append(slices.Concat(ip, []byte{0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, words << 4, 2, 0x20, 0, 0, 0, 0, 0}), options...)
	}
	for _, c := range []struct {
		name  string
		data  []byte
		ok    bool
		mss   uint16
		kinds []uint8
	}{
		{"no options", tcp(5), true, 0, nil},
		{"windows", tcp(8, 2, 4, 5, 180, 1, 3, 3, 8, 1, 1, 4, 2), true, 1460, []uint8{2, 1, 3, 1, 1, 4}},
		{"end of the list", tcp(7, 2, 4, 5, 180, 0, 3, 3, 8), true, 1460, []uint8{2}},
		{"length beyond the header", tcp(6, 2, 40, 5, 180), true, 0, []uint8{2}},
		{"length of nothing", tcp(6, 3, 0, 3, 0), true, 0, []uint8{3}},
		{"cut in an option", tcp(8, 1, 2), true, 0, []uint8{1, 2}},
		{"options beyond the header", tcp(5, 2, 4, 5, 180), true, 0, nil},
		{"header that is too short", tcp(1), true, 0, nil},
		{"more options than are kept", tcp(15, slices.Repeat([]byte{1}, 40)...), true, 0, slices.Repeat([]uint8{1}, flow.MaxStackOptions)},
		{"cut in the header", tcp(5)[:39], false, 0, nil},
	} {
		var s flow.Stack
		if ok := readStack(&s, c.data, 20); ok != c.ok || ok && (s.Hops != 57 || s.Window != 0x2000 || s.MSS != c.mss || !slices.Equal(s.Options[:s.Count], c.kinds)) {
			t.Errorf("%s: %v %+v", c.name, ok, s)
		}
	}
}

// FuzzReadStack: no header makes it read beyond its end, or count more options than there is room for.
func FuzzReadStack(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 60, 0, 0, 0, 0, 57, 6, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0xf0, 2, 32, 0, 0, 0, 0, 0, 2, 4, 5, 180}, uint8(20))
	f.Add([]byte{0x60}, uint8(40))
	f.Fuzz(func(t *testing.T, data []byte, at uint8) {
		var s flow.Stack
		if readStack(&s, data, int(at)) && int(s.Count) > len(s.Options) {
			t.Errorf("%d options", s.Count)
		}
	})
}

// TestStacksAllocateNothing: neither where they are told nor where they are not.
func TestStacksAllocateNothing(t *testing.T) {
	count := func(take func(*flow.Stack)) float64 {
		return testing.AllocsPerRun(5, func() {
			if _, err := Run(context.Background(), Config{Inputs: []string{"../testdata/captures/acronis-clean.pcapng"}, MaxConnections: 1 << 10, Stack: take}); err != nil {
				t.Fatal(err)
			}
		})
	}
	seen := 0
	without, with := count(nil), count(func(*flow.Stack) { seen++ })
	if seen == 0 || with > without+8 { // what is noise of a whole run; there are over seventy SYNs and SYN-ACKs
		t.Errorf("%v allocations with %d stacks told, %v without", with, seen, without)
	}
}
