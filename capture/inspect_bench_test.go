package capture

import (
	"testing"
	"time"

	"pcapaudit/capture/flow"
)

// BenchmarkInspection takes the packets of all recorded windows, ten times an hour apart, through decoding and the table, with inspection
// and without: short conversations, most of them handshake, which is the worst case. What inspection costs is the difference.
func BenchmarkInspection(b *testing.B) {
	var packets []record
	for _, name := range recordedCaptures(b) {
		for _, p := range readRecorded(b, name) {
			packets = append(packets, record{time: int64(p.ticks), data: p.data, wire: p.wire})
		}
	}
	for _, bm := range []struct {
		name  string
		track func(*run)
	}{{"without", (*run).trackOnly}, {"with", (*run).track}} {
		b.Run(bm.name, func(b *testing.B) {
			connections := uint64(0)
			for b.Loop() {
				r := newTestRun(flow.Options{}, Interface{LinkType: linkEthernet})
				for round := range 10 {
					trackRound(r, packets, int64(round)*int64(time.Hour), bm.track)
				}
				connections += r.table.Counters().Created
				r.table.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*10*len(packets)), "ns/packet")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(connections), "ns/connection")
		})
	}
}

func trackRound(r *run, packets []record, later int64, track func(*run)) {
	for i := 0; i < len(packets); {
		r.records.n = 0
		for r.records.n < flow.BatchSize && i < len(packets) {
			p := packets[i]
			p.time += later
			p.num = uint64(i + 1)
			r.records.recs[r.records.n] = p
			r.records.n++
			i++
		}
		track(r)
	}
}

// trackOnly is track without inspection.
func (r *run) trackOnly() {
	for from := 0; from < r.records.n; {
		from = r.decoder.batch(&r.records, from, r.in.linkType, &r.packets)
		r.table.AddBatch(&r.packets.Batch)
	}
}
