package capture

import (
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// TestLentReadsTheSame holds that what is read into windows that stay lent is what is read without, also where records are larger than a window has room for, and where
// the file is damaged.
func TestLentReadsTheSame(t *testing.T) {
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
			if in, err := openInputs([]string{name}, nil, inputOptions{}); err != nil {
				return // no capture
			} else {
				in.close()
			}
			want, plain := readInputs(t, nil, inputOptions{}, name)
			got, in := readInputs(t, nil, inputOptions{turns: newTurns()}, name)
			same := func(a, b packetRead) bool {
				a.record.data, b.record.data = nil, nil // overwritten by now
				return reflect.DeepEqual(a, b)
			}
			if !slices.EqualFunc(got, want, same) {
				t.Errorf("%d packets that are not the %d", len(got), len(want))
			}
			if !reflect.DeepEqual(in.list, plain.list) {
				t.Errorf("input %+v, want %+v", *in.list[0], *plain.list[0])
			}
		})
	}
}

// TestLentStops holds that an input that is let go early is not read on.
func TestLentStops(t *testing.T) {
	name := writeFile(t, t.TempDir(), "input", pcapBytes(little, pcapMagicMicro, 1, slices.Repeat([]testPacket{{ticks: 1.7e15, data: make([]byte, 1000)}}, 10_000)...))
	in, err := openInputs([]string{name}, nil, inputOptions{turns: newTurns()})
	if err != nil {
		t.Fatal(err)
	}
	var b recordBatch
	if err := in.fill(&b); err != nil || b.n == 0 {
		t.Fatal(b.n, err)
	}
	in.close()
	if one := in.list[0]; one.State != InputUnfinished || one.Read+one.Unread != one.Size {
		t.Errorf("input %+v", one)
	}
}
