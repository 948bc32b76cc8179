package capture

import (
	"hash/crc32"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
)

// TestLentBytesStay holds that bytes of packets are those of the file until the work that holds them has come back, however late, also where records are larger
// than a window, and where the file is damaged.
func TestLentBytesStay(t *testing.T) {
	names := captureFiles(t)
	random := rand.New(rand.NewPCG(1, 2))
	for _, most := range []int{1500, windowSize / 4, maxCaptured} {
		var packets []testPacket
		for size := 0; size < 5*windowSize; {
			data := make([]byte, random.IntN(most))
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			packets = append(packets, testPacket{ticks: 1.7e15 + uint64(len(packets)), data: data})
			size += len(data)
		}
		file := pcapBytes(little, pcapMagicMicro, 1, packets...)
		w := &ngBytes{order: little}
		w.section().iface(1, 0)
		for _, p := range packets {
			w.enhanced(p)
		}
		names = append(names, writeFile(t, t.TempDir(), "whole", file), writeFile(t, t.TempDir(), "cut", file[:len(file)-7]), writeFile(t, t.TempDir(), "ng", w.Bytes()))
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			in, err := openInputs([]string{name}, nil, inputOptions{})
			if err != nil {
				return // no capture
			}
			defer in.close()
			var want []uint32
			for more := true; more; {
				var b recordBatch
				more = in.fill(&b) == nil
				want = sums(want, &b)
			}
			if got := lentSums(t, name); !slices.Equal(got, want) {
				t.Errorf("%d packets whose bytes are not those of the %d", len(got), len(want))
			}
		})
	}
}

func sums(list []uint32, b *recordBatch) []uint32 {
	for i := range b.recs[:b.n] {
		list = append(list, crc32.ChecksumIEEE(b.recs[i].data))
	}
	return list
}

// lentSums are those of packets that another goroutine looks at as late as it can, some works together.
func lentSums(t *testing.T, name string) (list []uint32) {
	turns := newTurns()
	in, err := openInputs([]string{name}, nil, inputOptions{turns: turns})
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var held []*work
		giveBack := func() {
			for _, w := range held {
				list = sums(list, &w.records)
				turns.free <- w
			}
			held = held[:0]
		}
		for more := true; more; {
			var w *work
			select {
			case w, more = <-turns.full:
			default:
				giveBack() // who reads may wait for them
				w, more = <-turns.full
			}
			if more {
				held = append(held, w)
			}
			if len(held) == turnWorks/2 {
				giveBack()
			}
		}
		giveBack()
	}()
	for err == nil {
		w := turns.next()
		err = in.fill(&w.records)
		turns.hand(w)
	}
	close(turns.full)
	if <-done; err != io.EOF {
		t.Error(err)
	}
	return list
}
