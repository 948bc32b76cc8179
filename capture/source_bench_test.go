package capture

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// syntheticFile writes a million records of the given captured length.
func syntheticFile(b *testing.B, ng bool, length int) string {
	b.Helper()
	packets := make([]testPacket, 1_000_000)
	data := make([]byte, length)
	for i := range packets {
		packets[i] = testPacket{ticks: uint64(i) + 1.7e15, data: data}
	}
	if !ng {
		return writeFile(b, b.TempDir(), "synthetic", pcapBytes(little, pcapMagicMicro, 1, packets...))
	}
	w := &ngBytes{order: little}
	w.section().iface(1, 0)
	for _, p := range packets {
		w.enhanced(p)
	}
	return writeFile(b, b.TempDir(), "synthetic", w.Bytes())
}

func benchmarkFill(b *testing.B, o inputOptions, paths ...string) {
	var size int64
	var packets uint64
	batch := new(recordBatch)
	b.ReportAllocs()
	for b.Loop() {
		in, err := openInputs(paths, nil, o)
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			err = in.fill(batch)
		}
		if err != io.EOF {
			b.Fatal(err)
		}
		in.close()
		size, packets = 0, 0
		for _, one := range in.list {
			size += one.Size
			packets += one.Packets
		}
	}
	b.SetBytes(size)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(packets), "ns/packet")
}

func BenchmarkFill(b *testing.B) {
	small, large, ng := syntheticFile(b, false, 60), syntheticFile(b, false, 700), syntheticFile(b, true, 60)
	plain, err := os.ReadFile(small)
	if err != nil {
		b.Fatal(err)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		b.Fatal(err)
	}
	packed := writeFile(b, b.TempDir(), "packed", z.EncodeAll(plain, nil))
	other := writeFile(b, b.TempDir(), "other", plain)
	b.Run("pcap-60", func(b *testing.B) { benchmarkFill(b, inputOptions{}, small) })
	b.Run("pcap-60-hash", func(b *testing.B) { benchmarkFill(b, inputOptions{hash: true}, small) })
	b.Run("pcap-700", func(b *testing.B) { benchmarkFill(b, inputOptions{}, large) })
	b.Run("pcap-700-hash", func(b *testing.B) { benchmarkFill(b, inputOptions{hash: true}, large) })
	b.Run("pcapng-60", func(b *testing.B) { benchmarkFill(b, inputOptions{}, ng) })
	b.Run("zstd-60", func(b *testing.B) { benchmarkFill(b, inputOptions{}, packed) })
	b.Run("merge-2x60", func(b *testing.B) { benchmarkFill(b, inputOptions{}, small, other) })
}

func BenchmarkSharedCaptures(b *testing.B) {
	for _, name := range []string{"otrf__purplesharp_ad_playbook_I_2020-10-22042947.cap", "ndpi__gnutella.pcap", "hostile/suricata__security-8510_defrag-af-confusion-spray-h8.pcap"} {
		path := filepath.Join(sharedCaptures, name)
		if _, err := os.Stat(path); err != nil {
			b.Skipf("the shared captures are not here: %v", err)
		}
		b.Run(name, func(b *testing.B) { benchmarkFill(b, inputOptions{}, path) })
	}
}

// A million packets cost the window, two batches at most and what belongs to the input: nothing for each packet.
func TestFillAllocatesNothingPerPacket(t *testing.T) {
	var packets []testPacket
	for i := range 100_000 {
		packets = append(packets, testPacket{ticks: uint64(i), data: make([]byte, 60)})
	}
	w := &ngBytes{order: little}
	w.section().iface(1, 0)
	for _, p := range packets {
		w.enhanced(p)
	}
	for name, data := range map[string][]byte{"pcap": pcapBytes(little, pcapMagicMicro, 1, packets...), "pcapng": w.Bytes()} {
		path := writeFile(t, t.TempDir(), "input", data)
		batch := new(recordBatch)
		allocs := testing.AllocsPerRun(3, func() {
			in, err := openInputs([]string{path}, nil, inputOptions{})
			for err == nil {
				err = in.fill(batch)
			}
			if err != io.EOF || in.list[0].Packets != uint64(len(packets)) {
				t.Fatal(err)
			}
		})
		if allocs > 60 {
			t.Errorf("%s: %.0f allocations for %d packets", name, allocs, len(packets))
		}
	}
}
