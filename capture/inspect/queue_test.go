package inspect

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestQueueAgainstSlice adds, removes and takes the oldest at random, and holds the ring against a plain slice.
func TestQueueAgainstSlice(t *testing.T) {
	var held heldConversations
	var q queue
	var twin, out []*conversation
	for range 1000 {
		out = append(out, held.make(nil))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for step := range 200_000 {
		growing := step/20_000%2 == 0
		switch n := random.IntN(8); {
		case len(out) > 0 && (n < 4) == growing:
			i := random.IntN(len(out))
			q.add(&held, out[i])
			twin = append(twin, out[i])
			out = slices.Delete(out, i, i+1)
		case len(twin) > 0:
			i := 0
			if c := q.oldest(&held); c != twin[0] {
				t.Fatalf("step %d: the oldest is %d, want %d", step, c.slot, twin[0].slot)
			}
			if n%2 == 0 {
				i = random.IntN(len(twin))
			}
			q.remove(twin[i])
			q.remove(twin[i]) // it is in no more
			out = append(out, twin[i])
			twin = slices.Delete(twin, i, i+1)
		}
		if q.n != len(twin) {
			t.Fatalf("step %d: %d are in, want %d", step, q.n, len(twin))
		}
	}
	if len(q.ring) > 4*1000 {
		t.Errorf("%d places for 1000", len(q.ring))
	}
}
