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
			for _, workers := range []int{2, 8} {
				if got := events(t, name, workers); !slices.Equal(got, want) {
					t.Errorf("%d workers: %d events that are not the %d of one", workers, len(got), len(want))
				}
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

// TestRelayKeepsOrder passes on more than all blocks hold, with more facts than one does.
func TestRelayKeepsOrder(t *testing.T) {
	const rounds = 2 * relayBlocks * relayEvents
	var got []uint64
	var facts int
	c := Config{Emit: func(c *flow.Conn) {
		got = append(got, c.ID.Packet)
		for i := range c.Facts {
			if c.Facts[i].Packet != c.ID.Packet+uint64(i) {
				t.Fatalf("fact %d of connection %d is %+v", i, c.ID.Packet, c.Facts[i])
			}
			facts++
		}
	}}
	c.Learn.Name = func(n *flow.Name) { got = append(got, n.Packet) }
	end := c.beside()
	var list [16]flow.Fact
	wantFacts := 0
	for i := range uint64(rounds) {
		if i%5 == 0 {
			c.Learn.Name(&flow.Name{Packet: i})
			continue
		}
		n := int(i) % (len(list) + 1)
		for k := range n {
			list[k] = flow.Fact{Packet: i + uint64(k)}
		}
		wantFacts += n
		c.Emit(&flow.Conn{ID: flow.ConnID{Packet: i}, Facts: list[:n]})
	}
	end()
	for i, n := range got {
		if n != uint64(i) {
			t.Fatalf("event %d came at place %d", n, i)
		}
	}
	if len(got) != rounds || facts != wantFacts {
		t.Errorf("%d events, %d facts, want %d and %d", len(got), facts, rounds, wantFacts)
	}
}

// TestRelayAllocatesNothing holds that blocks are used again.
func TestRelayAllocatesNothing(t *testing.T) {
	c := Config{Emit: func(*flow.Conn) {}}
	end := c.beside()
	defer end()
	conn := &flow.Conn{Facts: make([]flow.Fact, 6)}
	if n := testing.AllocsPerRun(4*relayEvents, func() { c.Emit(conn) }); n != 0 {
		t.Errorf("%v allocations a connection", n)
	}
}
