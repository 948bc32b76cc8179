package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// collector reads a made-up protocol of blocks: a mark, a length of two bytes, and a body that it waits for ("w") or skips ("s").
type collector struct{ seen *[2]bytes.Buffer } // by end: the originator is end B

func (d collector) read(_ *conversation, from int, data []byte) (int, step) {
	if len(data) < 3 {
		return 0, goOn
	}
	n := 3 + int(binary.BigEndian.Uint16(data[1:]))
	if data[0] == 's' {
		fmt.Fprintf(&d.seen[from], "skip %d,", n)
		return n, goOn
	}
	if len(data) < n {
		return 0, goOn
	}
	d.seen[from].Write(data[:n])
	return n, goOn
}

// withCollector lets nothing but a collector recognise streams.
func withCollector(t *testing.T) *[2]bytes.Buffer {
	var seen [2]bytes.Buffer
	old := streams
	t.Cleanup(func() { streams = old })
	streams = byFirstByte(func(k *streamKind) string { return k.begins }, []streamKind{{"collected", "", func(_ *conversation, _ int, data []byte) answer {
		return prefix(data, "ws", "", "")
	}, func() dialogue { return collector{&seen} }}})
	return &seen
}

// blocks makes a stream of the made-up protocol, and what a collector sees of it.
func blocks(r *rand.Rand) (stream, seen []byte) {
	for range 1 + r.IntN(20) {
		size := r.IntN(1 + r.IntN(3000))
		block := append([]byte{"ws"[r.IntN(2)]}, byte(size>>8), byte(size))
		for range size {
			block = append(block, byte(r.Uint32()))
		}
		stream = append(stream, block...)
		if block[0] == 's' {
			seen = fmt.Appendf(seen, "skip %d,", len(block))
		} else {
			seen = append(seen, block...)
		}
	}
	return stream, seen
}

// scattered cuts the segments anew at random, lets some overlap and come again, and shuffles them, a few of a side at a time.
func scattered(segments []segment, r *rand.Rand) []segment {
	var out []segment
	for _, s := range segments {
		for len(s.data) > 0 {
			n := min(len(s.data), 1+r.IntN(500))
			part := s
			part.data = s.data[:min(len(s.data), n+r.IntN(2)*r.IntN(200))]
			out = append(out, part)
			if r.IntN(5) == 0 {
				out = append(out, part)
			}
			s.data, s.seq = s.data[n:], s.seq+uint32(n)
		}
		if s.data == nil {
			out = append(out, s)
		}
	}
	for from := 0; from < len(out); {
		to := from + 1
		for to < min(len(out), from+8) && len(out[from].data) > 0 && len(out[to].data) > 0 && out[to].from == out[from].from {
			to++
		}
		r.Shuffle(to-from, func(i, j int) { out[from+i], out[from+j] = out[from+j], out[from+i] })
		from = to
	}
	return out
}

func TestReassembly(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(7, seed))
		seen := withCollector(t)
		a, wantA := blocks(r)
		b, wantB := blocks(r)
		turns := []turn{orig(a), resp(b)}
		if r.IntN(2) == 0 {
			slices.Reverse(turns)
		}
		segments := scattered(overTCP(9, turns...), r)
		run(t, segments...)
		if !bytes.Equal(seen[1].Bytes(), wantA) || !bytes.Equal(seen[0].Bytes(), wantB) {
			t.Fatalf("seed %d: %d of %d and %d of %d bytes", seed, seen[1].Len(), len(wantA), seen[0].Len(), len(wantB))
		}
	}
}

// TestReassemblyWithGaps drops and cuts segments: what is seen then is what comes before the first gap.
func TestReassemblyWithGaps(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(8, seed))
		seen := withCollector(t)
		a, want := blocks(r)
		segments := pieces(overTCP(9, orig(a)), 100+r.IntN(500))
		at := 3 + r.IntN(len(segments)-3)
		gap := int(segments[at].seq - segments[3].seq)
		if r.IntN(2) == 0 {
			segments = slices.Delete(segments, at, at+1)
		} else {
			n := r.IntN(len(segments[at].data))
			segments[at].cut = len(segments[at].data) - n
			segments[at].data = segments[at].data[:n]
			gap += n
		}
		_, before := readAll(a[:gap])
		h := newHarness()
		for _, s := range segments {
			h.send(s)
		}
		h.close(t)
		if !bytes.Equal(seen[1].Bytes(), before) || !bytes.HasPrefix(want, before) {
			t.Fatalf("seed %d: saw %d bytes, want %d, gap at %d", seed, seen[1].Len(), len(before), gap)
		}
	}
}

// readAll is what a collector sees of the beginning of a stream.
func readAll(stream []byte) (rest, seen []byte) {
	var buffers [2]bytes.Buffer
	for len(stream) >= 3 {
		n, _ := collector{&buffers}.read(nil, 0, stream)
		if n == 0 {
			break
		}
		stream = stream[min(n, len(stream)):]
	}
	return stream, buffers[0].Bytes()
}

// TestHeadLimits holds that a side's unread and early bytes are bounded, and that letting go is counted.
func TestHeadLimits(t *testing.T) {
	block := append([]byte{'w', 0xff, 0xff}, make([]byte, 0xffff)...)
	early := overTCP(9, orig(make([]byte, 60000)))
	for name, segments := range map[string][]segment{
		"unread":       overTCP(9, orig(block)),
		"early bytes":  slices.Delete(slices.Clone(early), 3, 4),
		"early pieces": slices.Delete(pieces(early, 10), 3, 4),
		"far ahead":    append(early[:4:4], early[40]),
	} {
		t.Run(name, func(t *testing.T) {
			withCollector(t)
			h := newHarness()
			for _, s := range segments {
				h.send(s)
				if h.inspector.bytes > maxHead+maxLater+1460 {
					t.Fatalf("%d bytes held", h.inspector.bytes)
				}
			}
			if c := h.inspector.Counters(); c.Lost != 1 {
				t.Errorf("%+v", c)
			}
			h.close(t)
		})
	}
}
