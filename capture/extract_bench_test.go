package capture

import (
	"context"
	"encoding/binary"
	"io"
	"testing"

	"pcapaudit/capture/flow"
)

// conversations is a capture of a million TCP packets of 100 bytes in 50,000 connections.
func conversations(b testing.TB) string {
	frame := over(b, around4(flow.TCP, tcpWith(string(make([]byte, 34)))))
	const packets, connections = 1_000_000, 50_000
	file := pcapBytes(little, pcapMagicMicro, linkEthernet)
	for i := range packets {
		file = binary.LittleEndian.AppendUint32(file, uint32(1700000000+i/10000))
		file = binary.LittleEndian.AppendUint32(file, uint32(i%10000*100))
		file = binary.LittleEndian.AppendUint32(file, uint32(len(frame)))
		file = binary.LittleEndian.AppendUint32(file, uint32(len(frame)))
		at := len(file)
		file = append(file, frame...)
		binary.BigEndian.PutUint32(file[at+26:], 0x0a000000+uint32(i%connections))
	}
	return writeFile(b, b.TempDir(), "conversations.pcap", file)
}

// BenchmarkExtract is the second pass against the first.
func BenchmarkExtract(b *testing.B) {
	a := auditOf(b, Config{Inputs: []string{conversations(b)}})
	perPacket := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6, "ns/packet")
	}
	b.Run("first pass", func(b *testing.B) {
		for b.Loop() {
			if _, err := Run(context.Background(), a.config); err != nil {
				b.Fatal(err)
			}
		}
		perPacket(b)
	})
	for _, c := range []struct {
		name string
		ExtractConfig
	}{
		{"none", ExtractConfig{}},
		{"500 connections", ExtractConfig{Want: a.all(0)[:500]}},
		{"all, headers", ExtractConfig{Want: a.all(0)}},
		{"all, payload", ExtractConfig{Want: a.all(0), Payload: true}},
		{"all, first 5", ExtractConfig{Want: a.all(5)}},
		{"all, pseudonyms", ExtractConfig{Want: a.all(0), Pseudonyms: testPseudonyms}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.First, c.Read, c.Out = a.config, a.result.Inputs, io.Discard
			for b.Loop() {
				if _, err := Extract(context.Background(), c.ExtractConfig); err != nil {
					b.Fatal(err)
				}
			}
			perPacket(b)
		})
	}
}
