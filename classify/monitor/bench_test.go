package monitor

import (
	"fmt"
	"io"
	"net/netip"
	"testing"
)

// BenchmarkObserve tells connections as a capture does: in order, and of a flood that is folded.
func BenchmarkObserve(b *testing.B) {
	for _, bench := range []struct{ name, line string }{
		{"documented", documented}, {"told", unexpected}, {"folded", "10.0.0.50:40000 > 10.0.1.0:22 tcp unanswered"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := begin(b, compiled(b, testPack, testSite), Options{})
			c := r.conn(bench.line)
			host := 0
			b.ReportAllocs()
			for b.Loop() {
				c.ID.Packet++
				if bench.name == "folded" {
					host++
					c.Resp = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(host >> 8), byte(host)}), 22)
				}
				r.Observe(c)
			}
		})
	}
}

// BenchmarkCheckpoint saves a monitor with many findings.
func BenchmarkCheckpoint(b *testing.B) {
	r := begin(b, compiled(b, testPack, testSite), Options{})
	for i := range 10_000 {
		c := r.conn(unexpected)
		c.Resp = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), uint16(i))
		r.observe(c)
	}
	facts := r.capture(false)
	b.ReportAllocs()
	for b.Loop() {
		saved, err := r.Save(facts, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(encoded(b, saved))), "bytes")
	}
}

// BenchmarkSave is what a checkpoint costs the packet loop, with as many open connections as it holds and some findings.
func BenchmarkSave(b *testing.B) {
	for _, findings := range []int{100, 10_000} {
		r := begin(b, compiled(b, testPack, testSite), Options{})
		for i := range findings {
			c := r.conn(unexpected)
			c.Resp = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), uint16(i))
			r.observe(c)
		}
		for range maxOpen {
			r.open = append(r.open, r.conn(unexpected+" sni=portal.example"))
		}
		facts := r.facts()
		b.Run(fmt.Sprintf("%d findings", findings), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Save(facts, r.eachOpen); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEncode is what the goroutine that writes files does of it.
func BenchmarkEncode(b *testing.B) {
	r := begin(b, compiled(b, testPack, testSite), Options{})
	for range maxOpen {
		r.open = append(r.open, r.conn(unexpected+" sni=portal.example"))
	}
	s, err := r.Save(r.facts(), r.eachOpen)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Encode(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
