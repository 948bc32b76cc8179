package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pcapaudit/capture/flow"
)

// captureFiles lists the captures beside the project, hostile ones included, without those that are no capture files.
func captureFiles(t testing.TB) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"../../shared/captures/*", "../../shared/captures/hostile/*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			base := filepath.Base(name)
			if strings.Contains(base, "__") && !strings.HasSuffix(base, ".tsv") {
				found = append(found, name)
			}
		}
	}
	if len(found) == 0 {
		t.Skip("no captures in ../../shared/captures")
	}
	return found
}

// pcapFile is a classic capture of Ethernet frames, one second apart.
func pcapFile(first uint32, frames ...[]byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, maxCaptured)
	b = binary.LittleEndian.AppendUint32(b, linkEthernet)
	for i, frame := range frames {
		b = binary.LittleEndian.AppendUint32(b, first+uint32(i))
		b = binary.LittleEndian.AppendUint32(b, 0)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(frame)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(frame)))
		b = append(b, frame...)
	}
	return b
}

// Every packet of every capture is in one class, every byte read or unread, every connection emitted: Run itself checks it.
func TestRunBalances(t *testing.T) {
	var all Ledger
	for _, name := range captureFiles(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			var conns uint64
			res, err := Run(context.Background(), Config{Inputs: []string{name}, Emit: func(*flow.Conn) { conns++ }})
			var input *InputError
			if errors.As(err, &input) {
				t.Logf("not readable: %v", err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if conns != res.Connections.Created {
				t.Errorf("%d connections created, %d emitted", res.Connections.Created, conns)
			}
			for r, n := range res.Ledger.Reasons {
				all.Reasons[r].Packets += n.Packets
			}
		})
	}
	for r, n := range all.Reasons {
		t.Logf("%8d %v: %v", n.Packets, Reason(r).Class(), Reason(r))
	}
}

// Two runs have different hash keys; what they emit, and in which order, is the same. All captures at once, merged by time.
func TestRunDeterministic(t *testing.T) {
	var names []string
	for _, name := range captureFiles(t) {
		if in, err := openInputs([]string{name}, nil, inputOptions{}); err == nil {
			in.close()
			names = append(names, name)
		}
	}
	emitted := func() (conns []flow.Conn) {
		if _, err := Run(context.Background(), Config{Inputs: names, Emit: func(c *flow.Conn) { conns = append(conns, kept(c)) }}); err != nil {
			t.Fatal(err)
		}
		return conns
	}
	once, again := emitted(), emitted()
	if !reflect.DeepEqual(once, again) {
		t.Errorf("two runs differ: %d and %d connections", len(once), len(again))
	}
}

// How the bytes of a capture arrive, and so how its packets are cut into batches, changes nothing.
func TestRunInPieces(t *testing.T) {
	for _, name := range captureFiles(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 16<<20 {
			continue
		}
		run := func(size int) (conns []flow.Conn, res *Result, err error) {
			res, err = Run(context.Background(), Config{Inputs: []string{"-"}, Stdin: &pieces{data, size}, Emit: func(c *flow.Conn) { conns = append(conns, kept(c)) }})
			return conns, res, err
		}
		conns, res, err := run(len(data))
		var input *InputError
		if errors.As(err, &input) {
			continue
		}
		again, other, err := run(500)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(conns, again) {
			t.Errorf("%s: connections differ", filepath.Base(name))
		}
		if !reflect.DeepEqual(res, other) {
			t.Errorf("%s:\n%+v\n%+v", filepath.Base(name), res, other)
		}
	}
}

// pieces gives at most size bytes at a time.
type pieces struct {
	data []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	n := copy(b, p.data[:min(p.size, len(p.data))])
	if p.data = p.data[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestRunCoverage(t *testing.T) {
	frame := unhex(t, macs+"08 00"+udp4)
	dir := t.TempDir()
	for name, first := range map[string]uint32{"c.pcap": 2000, "a.pcap": 1000, "b.pcap": 1001} {
		if err := os.WriteFile(filepath.Join(dir, name), pcapFile(first, frame, frame, frame), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	res, err := Run(context.Background(), Config{Inputs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []Gap{{1, 2, 1003e9, 2000e9}}; !slices.Equal(res.Gaps, want) {
		t.Errorf("gaps %v, want %v", res.Gaps, want)
	}
	if res.First != 1000e9 || res.Last != 2002e9 {
		t.Errorf("covers %d to %d", res.First, res.Last)
	}
	if want := (Tally{9, 9 * uint64(len(frame))}); res.Ledger.Class(Decoded) != want {
		t.Errorf("decoded %v, want %v", res.Ledger.Class(Decoded), want)
	}
	if n := res.Outcomes[flow.OneWay]; n != 2 { // 998 s of silence are beyond the timeout
		t.Errorf("%d one-way connections, want 2", n)
	}
}

// A run that is stopped gives what it read, still balanced, and says so.
func TestRunInterrupted(t *testing.T) {
	frames := slices.Repeat([][]byte{unhex(t, macs+"08 00"+udp4)}, 100_000)
	ctx, cancel := context.WithCancel(context.Background())
	var told, total int64
	res, err := Run(ctx, Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(pcapFile(1, frames...)),
		Progress: func(done, all int64) { told, total = done, all; cancel() }})
	if err != nil {
		t.Fatal(err)
	}
	if n := res.Ledger.Read.Packets; !res.Interrupted || n == 0 || n == uint64(len(frames)) {
		t.Errorf("interrupted %v after %d of %d packets", res.Interrupted, n, len(frames))
	}
	if told < progressStep || total != -1 {
		t.Errorf("progress %d of %d, want at least %d of -1", told, total, progressStep)
	}
}

// What was read from several inputs and not tracked yet when a run stops is in the ledger too.
func TestRunStopsBetweenInputs(t *testing.T) {
	frame := unhex(t, macs+"08 00"+udp4)
	dir := t.TempDir()
	for i := range maxOpenInputs + 1 {
		writeFile(t, dir, fmt.Sprintf("%03d", i), pcapFile(1000, frame, frame, frame))
	}
	res, err := Run(context.Background(), Config{Inputs: []string{dir}})
	if err == nil || !strings.Contains(err.Error(), "merge them first") || strings.Contains(err.Error(), "ledger") {
		t.Errorf("error %v", err)
	}
	if n := res.Ledger.Read.Packets; n != 3*maxOpenInputs || !res.Interrupted {
		t.Errorf("%d packets, interrupted %v", n, res.Interrupted)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	two := []string{filepath.Join(dir, "000"), "-"}
	res, err = Run(ctx, Config{Inputs: two, Stdin: bytes.NewReader(pcapFile(1001, frame, frame))})
	if err != nil || res.Ledger.Read.Packets != 2 { // of the stream, which had to be read to be put in order
		t.Errorf("%d packets, error %v", res.Ledger.Read.Packets, err)
	}
}

func TestRunNoInput(t *testing.T) {
	_, err := Run(context.Background(), Config{Inputs: []string{filepath.Join(t.TempDir(), "none.pcap")}})
	var input *InputError
	if !errors.As(err, &input) {
		t.Errorf("got %v, want an InputError", err)
	}
}

// mixedBatch is what a batch holds on a busy network: TCP and UDP of both versions, some tagged, an ARP, a fragment.
func mixedBatch(t testing.TB) *recordBatch {
	kinds := [][]byte{
		unhex(t, macs+"08 00 45 00 00 28 00 01 00 00 40 06 00 00"+v4ends+tcpSYN+"00 00 00 00 00 00"),
		unhex(t, macs+"08 00"+udp4),
		unhex(t, macs+"08 00 45 00 00 2e 00 01 00 00 40 06 00 00"+v4ends+"c0 01 01 bb 00 00 00 07 00 00 00 00 60 18 ff ff 00 00 00 00 01 01 01 00 ab cd"),
		unhex(t, macs+"86 dd"+udp6),
		unhex(t, macs+"81 00 00 0a 08 00"+udp4),
		unhex(t, macs+"08 00 45 00 00 20 00 01 20 00 40 11 00 00"+v4ends+udp),
		unhex(t, macs+"08 00 45 00 00 20 00 01 00 01 40 11 00 00"+v4ends+udp),
		unhex(t, macs+"08 06 00 01"),
	}
	b := &recordBatch{n: flow.BatchSize}
	for i := range b.recs {
		data := slices.Clone(kinds[i%len(kinds)])
		if i%len(kinds) < 3 {
			data[28] = byte(i) // source address: different connections
		}
		b.recs[i] = record{data: data, wire: uint32(len(data)), time: int64(i) * 1e6, num: uint64(i) + 1}
	}
	return b
}

// newTestRun is a run whose records the test puts in place.
func newTestRun(o flow.Options, interfaces ...Interface) *run {
	r := &run{in: &inputs{list: []*Input{{Interfaces: interfaces}}}, result: new(Result), work: new(work)}
	o.Check, o.Emit, o.Settle = r.sound, r.emit, r.offer
	r.table = flow.NewTable(o)
	r.relay = newRelay(&Config{}, false)
	r.relay.join(r.table)
	r.decoder = newDecoder(r.table, &r.result.Ledger)
	return r
}

func TestNoAllocations(t *testing.T) {
	r := newTestRun(flow.Options{}, Interface{LinkType: linkEthernet})
	defer r.table.Close()
	r.records = *mixedBatch(t)
	if n := testing.AllocsPerRun(100, r.track); n != 0 {
		t.Errorf("%v allocations a batch in decoding and tracking, want 0", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, bm := range []struct {
		name string
		only int // of the kinds of mixedBatch; -1: all
	}{{"mixed", -1}, {"tcp4", 0}, {"udp6", 3}, {"vlan", 4}} {
		b.Run(bm.name, func(b *testing.B) {
			d := newBench()
			in := mixedBatch(b)
			for i := range in.recs {
				if bm.only >= 0 {
					in.recs[i].data = in.recs[bm.only].data
				}
			}
			linkType := func(*record) uint16 { return linkEthernet }
			b.ReportAllocs()
			for b.Loop() {
				d.batch(in, 0, linkType, &d.out)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/flow.BatchSize, "ns/packet")
		})
	}
}

// BenchmarkRun reads a file of many packets and 1000 connections from the page cache: everything that `connections` does but printing.
func BenchmarkRun(b *testing.B) {
	frame := unhex(b, macs+"08 00 45 00 00 28 00 01 00 00 40 06 00 00"+v4ends+tcpSYN)
	frame[47] = 0x10 // ACK
	frames := make([][]byte, 1<<19)
	for i := range frames {
		frames[i] = slices.Clone(frame)
		binary.BigEndian.PutUint16(frames[i][34:], uint16(i*7%1000)+20000)
	}
	name := filepath.Join(b.TempDir(), "run.pcap")
	if err := os.WriteFile(name, pcapFile(1, frames...), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Run(context.Background(), Config{Inputs: []string{name}}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(frames)), "ns/packet")
}

func FuzzDecode(f *testing.F) {
	for _, rec := range mixedBatch(f).recs[:8] {
		f.Add(uint16(linkEthernet), rec.data, uint16(0))
	}
	for _, link := range []uint16{linkNull, linkPPP, linkRaw, linkPPPHDLC, linkPPPoE, linkCHDLC, linkLoop, linkSLL, linkSLL2, linkIPv4, linkIPv6, link80211, linkRadiotap, linkPrism, linkAVS, linkNFLOG} {
		f.Add(link, unhex(f, udp6), uint16(7))
	}
	for _, data := range tunnelSeeds(f) {
		f.Add(uint16(linkRaw), data, uint16(0))
	}
	for _, c := range decodeCases {
		f.Add(c.link, unhex(f, c.hex), uint16(0))
	}
	b := newBench()
	f.Fuzz(func(t *testing.T, link uint16, data []byte, missing uint16) {
		b.fragments.forget() // what waits of the inputs before
		rec := record{data: data, wire: uint32(len(data)) + uint32(missing), time: math.MaxInt64}
		b.ledger.Read.add(rec.length())
		r := b.decode(link, rec)
		if err := b.ledger.Balanced(); err != nil {
			t.Fatal(err)
		}
		if (r == reasonDecoded) != (b.out.N > 0) || b.out.N > 1+maxTunnels || b.ledger.InnerClass(Decoded).Packets+b.ledger.Class(Decoded).Packets < uint64(b.out.N) {
			t.Fatalf("%v, but %d packets", r, b.out.N)
		}
		for i := range b.out.Packets[:b.out.N] {
			checkPacket(t, &b.out.Batch, i, len(data))
		}
	})
}

// checkPacket wants the payload inside the captured bytes, behind that of the packet around it, and the ends in order.
func checkPacket(t *testing.T, b *flow.Batch, i, captured int) {
	p := &b.Packets[i]
	if uint64(p.PayloadOff)+uint64(p.PayloadLen) > uint64(captured) {
		t.Fatalf("payload %d+%d of %d bytes", p.PayloadOff, p.PayloadLen, captured)
	}
	if int(p.Depth) != i || i > 0 && p.PayloadOff < b.Packets[i-1].PayloadOff {
		t.Fatalf("packet %d of the record: depth %d, payload at %d", i, p.Depth, p.PayloadOff)
	}
	if src, dst := ends(b, i); p.Bits&flow.FromB == 0 && src.Compare(dst) > 0 || p.Bits&flow.FromB != 0 && src.Compare(dst) < 0 {
		t.Fatalf("ends %v and %v not in order", src, dst)
	}
}

// A stream that says nothing more must not keep a run from ending.
func TestRunStopsOnASilentStream(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		w.Write(pcapBytes(binary.LittleEndian, 0xa1b2c3d4, linkEthernet, testPacket{data: make([]byte, 60)}))
		time.Sleep(100 * time.Millisecond) // for Run to be waiting in a read
		cancel()
	}()
	result, err := Run(ctx, Config{Inputs: []string{"-"}, Stdin: r})
	if err != nil {
		t.Fatal(err)
	}
	if in := result.Inputs[0]; !result.Interrupted || in.State != InputUnfinished || in.Packets != 1 {
		t.Errorf("interrupted %v, state %v %q", result.Interrupted, in.State, in.Detail)
	}
}

// kept is a connection that outlives its emission.
func kept(c *flow.Conn) flow.Conn {
	k := *c
	k.Facts = slices.Clone(c.Facts)
	return k
}
