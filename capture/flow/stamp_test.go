package flow

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestStampIsWhatTheTimePackageWrites(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	times := []int64{0, -1, 1, 1e9 - 1, -1e9, 1767323045000006000, math.MinInt64, math.MaxInt64}
	for range 10_000 {
		times = append(times, int64(r.Uint64()))
	}
	for _, ns := range times {
		if got, want := Stamp(ns), Time(ns).Format("2006-01-02T15:04:05.000000000Z"); got != want {
			t.Errorf("Stamp(%d) = %s, want %s", ns, got, want)
		}
	}
}

func BenchmarkStamp(b *testing.B) {
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		line = AppendStamp(line[:0], 1767323045000006000)
	}
}

func BenchmarkStampOfTimePackage(b *testing.B) {
	var line []byte
	for b.Loop() {
		line = Time(1767323045000006000).AppendFormat(line[:0], "2006-01-02T15:04:05.000000000Z")
	}
}
