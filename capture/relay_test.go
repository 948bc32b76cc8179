package capture

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
)

// TestWorkersTellTheSame holds that another goroutine is told the same, in the same order, before Run returns, as Run's own: the relay against
// its naive twin, which is none.
func TestWorkersTellTheSame(t *testing.T) {
	for _, name := range captureFiles(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			want := events(t, name, 1)
			if got := events(t, name, 2); !slices.Equal(got, want) {
				t.Errorf("%d events that are not the %d of one worker", len(got), len(want))
			}
		})
	}
}

// events is all that a run tells, in words.
func events(t *testing.T, name string, workers int) []string {
	var list []string
	c := Config{Inputs: []string{name}, Workers: workers, Emit: func(c *flow.Conn) { list = append(list, fmt.Sprintf("%+v", *c)) }}
	c.Learn.Name = func(n *flow.Name) { list = append(list, fmt.Sprintf("%+v", *n)) }
	c.Learn.Announcement = func(a *flow.Announcement) { list = append(list, fmt.Sprintf("%+v", *a)) }
	if _, err := Run(context.Background(), c); err != nil {
		list = append(list, err.Error())
	}
	return list
}

// relayOf is a relay whose other goroutine calls emit, and the table that it is joined to.
func relayOf(t *testing.T, emit func(*flow.Conn), name func(*flow.Name)) *relay {
	c := Config{Emit: emit}
	c.Learn.Name = name
	r := newRelay(&c, true)
	table := flow.NewTable(flow.Options{MaxConnections: 1 << 10})
	r.join(table)
	t.Cleanup(table.Close)
	return r
}

// TestRelayKeepsOrder passes on more than all blocks hold.
func TestRelayKeepsOrder(t *testing.T) {
	const rounds = 2 * relayBlocks * relayEvents
	var got []uint64
	r := relayOf(t, func(c *flow.Conn) { got = append(got, c.ID.Packet) }, func(n *flow.Name) { got = append(got, n.Packet) })
	for i := range uint64(rounds) {
		if i%5 == 0 {
			r.name(&flow.Name{Packet: i})
			continue
		}
		r.conn(uint32(i%7), &flow.Conn{ID: flow.ConnID{Packet: i}})
	}
	r.end()
	for i, n := range got {
		if n != uint64(i) {
			t.Fatalf("event %d came at place %d", n, i)
		}
	}
	if len(got) != rounds {
		t.Errorf("%d events, want %d", len(got), rounds)
	}
}

// TestRelayAllocatesNothing holds that blocks are used again.
func TestRelayAllocatesNothing(t *testing.T) {
	r := relayOf(t, func(*flow.Conn) {}, nil)
	defer r.end()
	conn := new(flow.Conn)
	if n := testing.AllocsPerRun(4*relayEvents, func() { r.conn(2, conn) }); n != 0 {
		t.Errorf("%v allocations a connection", n)
	}
}
