package capture

import (
	"io"
	"path/filepath"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
)

// twin is plain and the general path side by side.
type twin struct {
	*bench
	other decoded
}

func newTwin() *twin { return &twin{bench: newBench()} }

// check holds plain against the general path for an Ethernet frame: what plain takes is the same packet, outside tunnels. It says whether plain takes it.
func (w *twin) check(t *testing.T, rec record) bool {
	t.Helper()
	w.fragments.forget()
	wire := rec.length()
	reason := w.packet(&rec, linkEthernet, wire, &w.other.Batch) // numbers the context of its VLAN tag
	sums, overlong, now, tunnel := w.headers.of(&rec), w.overlong, w.now, reason == reasonDecoded && w.mayCarry(&w.other.Packets[0])
	if !w.plain(&rec, wire, &w.out) {
		return false
	}
	ours, theirs := &w.out.Packets[0], &w.other.Packets[0]
	if reason != reasonDecoded || overlong || tunnel || w.now != now {
		t.Fatalf("% x: plain, in general %v, tunnel %v, overlong %v, time %d, is %d", rec.data, reason, tunnel, overlong, now, w.now)
	}
	if *ours != *theirs || w.out.headers[0] != sums {
		t.Fatalf("% x:\n%+v %+v, in general\n%+v %+v", rec.data, *ours, w.out.headers[0], *theirs, sums)
	}
	if ours.Bits&flow.IPv6 != 0 && w.out.Addr6[0] != w.other.Addr6[0] || ours.Proto == flow.TCP && w.out.Payload[0] != w.other.Payload[0] {
		t.Fatalf("% x: %x, %d bytes, in general %x, %d", rec.data, w.out.Addr6[0], w.out.Payload[0], w.other.Addr6[0], w.other.Payload[0])
	}
	return true
}

// Each byte of what a busy network has, changed to what decides in a header, and each of its lengths.
func TestPlain(t *testing.T) {
	w := newTwin()
	for i, rec := range mixedBatch(t).recs[:8] {
		rec.time = 1e18
		if got, want := w.check(t, rec), i < 5; got != want {
			t.Errorf("frame %d: plain %v, want %v", i, got, want)
		}
		for at := range rec.data {
			for _, value := range []byte{0, 1, 4, 6, 8, 17, 0x11, 0x20, 0x40, 0x45, 0x46, 0x50, 0x5f, 0x60, 0x81, 0x86, 0xdd, 0xff} {
				changed := rec
				changed.data = slices.Clone(rec.data)
				changed.data[at] = value
				w.check(t, changed)
			}
			cut := rec
			cut.data = rec.data[:at]
			w.check(t, cut)
			cut.wire = uint32(at)
			w.check(t, cut)
		}
	}
	b := newBench()
	for range 3 { // a tag is plain once its context is known
		b.in.n, b.in.recs[0] = 1, mixedBatch(t).recs[4]
		b.batch(&b.in, 0, func(*record) uint16 { return linkEthernet }, &b.out)
		if got := b.show(reasonDecoded); got != "udp 192.0.2.1:1024 > 198.51.100.2:53 ip 32 payload 46+4 context 1" {
			t.Error(got)
		}
	}
	b.base = 2
	if b.plain(&b.in.recs[0], 60, &b.out) {
		t.Error("plain takes a tag for the same on all interfaces")
	}
}

// The captures that others have published hold what nobody would think of.
func TestPlainOfCaptures(t *testing.T) {
	files, _ := filepath.Glob(sharedCaptures + "/*cap*")
	files = slices.DeleteFunc(files, func(f string) bool { return filepath.Ext(f) == ".tsv" })
	if len(files) == 0 {
		t.Skip("no captures in ../../shared/captures: put the shared folder beside the project")
	}
	w, records, all, plain := newTwin(), new(recordBatch), 0, 0
	for _, name := range files {
		in, err := openInputs([]string{name}, nil, inputOptions{})
		if err != nil {
			continue
		}
		for err == nil {
			err = in.fill(records)
			for i := range records.recs[:records.n] {
				if in.linkType(&records.recs[i]) != linkEthernet {
					continue
				}
				all++
				if w.check(t, records.recs[i]) {
					plain++
				}
			}
		}
		if err != io.EOF {
			t.Errorf("%s: %v", name, err)
		}
		in.close()
	}
	t.Logf("%d of %d packets in Ethernet are plain", plain, all)
}

func FuzzPlain(f *testing.F) {
	for _, rec := range mixedBatch(f).recs[:8] {
		f.Add(rec.data, uint16(0))
		f.Add(rec.data, uint16(1400))
	}
	for _, c := range decodeCases {
		if c.link == linkEthernet {
			f.Add(unhex(f, c.hex), uint16(0))
		}
	}
	for _, data := range tunnelSeeds(f) {
		f.Add(append(unhex(f, macs+"08 00"), data...), uint16(0))
	}
	w := newTwin()
	f.Fuzz(func(t *testing.T, data []byte, missing uint16) {
		w.check(t, record{data: data, wire: uint32(len(data)) + uint32(missing), time: 1e18, num: 7, unsummed: missing%8 == 7})
	})
}
