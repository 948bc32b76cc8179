package main

import (
	"math"
	"testing"
	"time"

	"pcapaudit/classify"
)

// sums says whether the checksums of a frame hold.
func sums(b []byte, proto byte, segment int) bool {
	pseudo := sum(b[26:34]) + uint32(proto) + uint32(segment)
	return folded(sum(b[14:34])) == 0xffff && folded(sum(b[34:])+pseudo) == 0xffff
}

func TestFramesAreWhole(t *testing.T) {
	for name, traffic := range map[string]traffic{"small": steady(1000, small), "mixed": steady(1000, mixed), "strange": strange} {
		sizes := map[int]bool{}
		for n := range uint64(500_000) {
			var head [maxHead]byte
			length, payload := traffic(n, head[:])
			sizes[length+payload] = true
			if total := int(head[16])<<8 | int(head[17]); total != length+payload-14 {
				t.Fatalf("%s: packet %d states %d bytes and has %d", name, n, total, length+payload-14)
			}
			if !sums(head[:length], head[23], length+payload-34) {
				t.Fatalf("%s: packet %d has a wrong checksum", name, n)
			}
		}
		for size := range sizes {
			if size < maxHead || size > 1514 {
				t.Errorf("%s: frames of %d bytes", name, size)
			}
		}
	}
}

func TestStrangersAreAllDifferent(t *testing.T) {
	seen := map[[12]byte]bool{}
	for n := range uint64(300_000) {
		var head [maxHead]byte
		strange(n, head[:])
		if key := [12]byte(head[26:38]); seen[key] {
			t.Fatalf("packet %d has the ends of an earlier one", n)
		} else {
			seen[key] = true
		}
	}
}

func TestUnbalancedFindsEachLedger(t *testing.T) {
	balanced := func() *classify.Audit {
		return &classify.Audit{
			Packets:     classify.PacketLedger{Read: 5, Classes: []classify.Count{{Name: "decoded", Packets: 5}}},
			Connections: classify.ConnLedger{Created: 3, Open: 1, Emitted: 2, Ends: []classify.Count{{Name: "idle", Packets: 2}}},
			Totals:      []classify.Total{{Verdict: "documented", Connections: 2}},
			Coverage: classify.Coverage{Live: []classify.LiveInterface{{Name: far, Kernel: 9, Delivered: 5, Dropped: 4}}, Dropped: 4, LossPercent: 44, LossBound: 1,
				CannotShow: []string{"What was in 4 packets that the captures say they lost."}},
			Result: classify.Result{Verdict: "inconclusive"},
		}
	}
	if faults := unbalanced(balanced()); len(faults) > 0 {
		t.Errorf("a report in order: %v", faults)
	}
	for name, spoil := range map[string]func(*classify.Audit){
		"kernel":    func(a *classify.Audit) { a.Coverage.Live[0].Kernel++ },
		"delivered": func(a *classify.Audit) { a.Coverage.Live[0].Delivered--; a.Coverage.Live[0].Kernel-- },
		"classes":   func(a *classify.Audit) { a.Packets.Classes[0].Packets++ },
		"open":      func(a *classify.Audit) { a.Connections.Open++ },
		"ends":      func(a *classify.Audit) { a.Connections.Ends[0].Packets++ },
		"verdicts":  func(a *classify.Audit) { a.Totals[0].Connections++ },
		"residual":  func(a *classify.Audit) { a.Residuals = []string{"one"} },
		"unsaid":    func(a *classify.Audit) { a.Coverage.CannotShow = nil },
		"evicted":   func(a *classify.Audit) { a.Coverage.Evicted = 7 },
		"clean":     func(a *classify.Audit) { a.Result.Verdict = "clean" },
	} {
		a := balanced()
		spoil(a)
		if len(unbalanced(a)) == 0 {
			t.Errorf("%s: nothing is found", name)
		}
	}
}

func TestLine(t *testing.T) {
	var list []sample
	for i := range 10 {
		list = append(list, sample{time.Duration(i) * time.Hour, memory{files: 5 + 3*i}})
	}
	if slope, mean := line(list, func(m sample) float64 { return float64(m.files) }); math.Abs(slope-3) > 1e-9 || math.Abs(mean-18.5) > 1e-9 {
		t.Errorf("slope %v, mean %v", slope, mean)
	}
}
