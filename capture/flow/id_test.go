package flow

import (
	"cmp"
	"testing"
)

func TestConnID(t *testing.T) {
	ids := []ConnID{{0, 1, 0}, {0, 17, 0}, {0, 17, 1}, {0, 17, MaxDepth}, {0, 18, 0}, {0, 1<<43 - 1, 2}, {3, 1, 0}, {1<<16 - 1, 1<<43 - 1, MaxDepth}}
	for i, x := range ids {
		p := Packet{File: x.File, Num: x.Packet, Depth: x.Depth}
		r := record{id: makeID(&p)}
		if got := r.connID(); got != x {
			t.Errorf("%v comes back as %v", x, got)
		}
		for j, y := range ids {
			q := Packet{File: y.File, Num: y.Packet, Depth: y.Depth}
			if want := cmp.Compare(i, j); cmp.Compare(x.Compare(y), 0) != want || cmp.Compare(makeID(&p), makeID(&q)) != want {
				t.Errorf("%v and %v are not in order", x, y)
			}
		}
	}
	for want, id := range map[string]ConnID{"0:17": {0, 17, 0}, "0:17.1": {0, 17, 1}, "3:9.16": {3, 9, 16}} {
		if id.String() != want {
			t.Errorf("got %v, want %s", id, want)
		}
	}
}

// A tunnel and what it carries begin with the same captured packet, and are two connections.
func TestTunnelledConnections(t *testing.T) {
	var got []string
	table := NewTable(Options{Emit: func(_ uint32, c *Conn) { got = append(got, c.ID.String()+" "+c.Proto.String()+" "+c.Tunnel) }})
	b := &Batch{N: 2}
	b.Packets[0] = Packet{Num: 5, Proto: GRE, IPLen: 60}
	table.Hasher().SetEnds4(&b.Packets[0], 1, 2)
	b.Packets[1] = Packet{Num: 5, Proto: UDP, PortA: 1024, PortB: 53, IPLen: 32, Depth: 1, Context: table.Context(nil, "gre")}
	table.Hasher().SetEnds4(&b.Packets[1], 3, 4)
	table.AddBatch(b)
	table.Close()
	if len(got) != 2 || got[0] != "0:5 gre " || got[1] != "0:5.1 udp gre" {
		t.Errorf("%q", got)
	}
}
