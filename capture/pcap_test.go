package capture

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"runtime"
	"strings"
	"testing"
)

// readBytes reads one input from memory as a file.
func readBytes(t testing.TB, data []byte) ([]packetRead, *Input) {
	t.Helper()
	path := writeFile(t, t.TempDir(), "input", data)
	read, in := readInputs(t, nil, inputOptions{}, path)
	return read, in.list[0]
}

func TestPcapVariants(t *testing.T) {
	packets := []testPacket{
		{ticks: 1_700_000_000_123_456, data: []byte("one")},
		{ticks: 5, data: nil, wire: 60},
		{ticks: 4, data: []byte("three"), wire: 1500},
	}
	for _, c := range []struct {
		name  string
		order binary.AppendByteOrder
		magic uint32
		link  uint32
		times [3]int64
		fcs   int
	}{
		{"little", little, pcapMagicMicro, 1, [3]int64{1_700_000_000_123_456_000, 5000, 4000}, -1},
		{"big", big, pcapMagicMicro, 276, [3]int64{1_700_000_000_123_456_000, 5000, 4000}, -1},
		{"little ns, FCS of 4 bytes", little, pcapMagicNano, 2<<28 | 1<<26 | 1, [3]int64{1_700_000_000_123_456, 5, 4}, 4},
		{"big ns", big, pcapMagicNano, 1, [3]int64{1_700_000_000_123_456, 5, 4}, -1},
		{"patched", big, pcapMagicPatched, 113, [3]int64{1_700_000_000_123_456_000, 5000, 4000}, -1},
	} {
		read, in := readBytes(t, pcapBytes(c.order, c.magic, c.link, packets...))
		if len(read) != 3 || in.State != InputClean {
			t.Errorf("%s: %d packets, %+v", c.name, len(read), in)
			continue
		}
		for i, r := range read {
			if r.data != string(packets[i].data) || r.wire != packets[i].length() || r.time != c.times[i] || r.badTime {
				t.Errorf("%s: packet %d is %+v", c.name, i, r)
			}
		}
		one := in.Interfaces[0]
		if one.LinkType != uint16(c.link) || one.FCS != c.fcs || one.Packets != 3 {
			t.Errorf("%s: interface %+v", c.name, one)
		}
		if in.First != c.times[2] || in.Last != c.times[0] || in.TimeBackwards != 2 || in.CutPackets != 2 {
			t.Errorf("%s: %+v", c.name, in)
		}
	}
}

func TestPcapOldVersionsSwapLengths(t *testing.T) {
	for _, c := range []struct {
		minor uint16
		wire  uint32
		data  string
	}{{4, 60, "abc"}, {3, 60, "abc"}, {2, 60, "abc"}} {
		data := pcapBytes(little, pcapMagicMicro, 1, testPacket{data: []byte(c.data), wire: c.wire})
		little.PutUint16(data[6:], c.minor)
		if c.minor < 4 { // original length first
			little.PutUint32(data[32:], c.wire)
			little.PutUint32(data[36:], uint32(len(c.data)))
		}
		read, in := readBytes(t, data)
		if len(read) != 1 || read[0].data != c.data || read[0].wire != c.wire {
			t.Errorf("2.%d: %+v %+v", c.minor, read, in)
		}
	}
}

func TestPcapSnaplenIsNotBelieved(t *testing.T) {
	for _, snaplen := range []uint32{0, 1, 0xffffffff} {
		data := pcapBytes(little, pcapMagicMicro, 1, testPacket{data: make([]byte, 100)}, testPacket{data: make([]byte, maxCaptured)})
		little.PutUint32(data[16:], snaplen)
		if read, in := readBytes(t, data); len(read) != 2 || in.State != InputClean {
			t.Errorf("snaplen %d: %d packets, %+v", snaplen, len(read), in)
		}
	}
}

func TestPcapTimesThatCannotBe(t *testing.T) {
	data := pcapBytes(little, pcapMagicMicro, 1, testPacket{ticks: 7e6}, testPacket{}, testPacket{ticks: 9e6}, testPacket{ticks: 0xffffffff * 1e6})
	little.PutUint32(data[24+16+4:], 1e6) // microseconds
	read, in := readBytes(t, data)
	if len(read) != 4 || !read[1].badTime || in.BadTimes != 1 || in.TimeBackwards != 0 {
		t.Fatalf("%+v %+v", read, in)
	}
	if in.First != 7e9 || in.Last != 0xffffffff*1e9 || read[3].time != in.Last {
		t.Errorf("first %d last %d", in.First, in.Last)
	}
}

// A lying header costs no memory, and what came before it is kept.
func TestLyingLengths(t *testing.T) {
	classic := pcapBytes(little, pcapMagicMicro, 1, testPacket{data: make([]byte, 60)})
	ng := func(order binary.AppendByteOrder, kind uint32, words ...uint32) []byte {
		w := &ngBytes{order: order}
		w.section().iface(1, 0).enhanced(testPacket{data: make([]byte, 60)})
		w.Write(w.u32s(append([]uint32{kind}, words...)...))
		return w.Bytes()
	}
	packet := func(kind, iface, captured uint32) []byte {
		w := &ngBytes{order: little}
		w.section().iface(1, 0).enhanced(testPacket{data: make([]byte, 60)})
		w.block(kind, append(w.u32s(iface, 0, 0, captured, captured), make([]byte, 64)...))
		return w.Bytes()
	}
	cases := []struct {
		name  string
		data  []byte
		state InputState
		what  string
	}{
		{"caplen 0xfffffff0", append(bytes.Clone(classic), 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0xff, 0xff, 0xff, 60, 0, 0, 0), InputMalformed, "claims 4294967280 captured bytes"},
		{"caplen 262145", append(bytes.Clone(classic), 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 4, 0, 60, 0, 0, 0), InputMalformed, "claims 262145"},
		{"caplen 262144 of nothing", append(bytes.Clone(classic), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 60, 0, 0, 0), InputCut, "ends at byte 116; the packet record at byte 100 has 16 bytes of at least 262160"},
		{"half a header", append(bytes.Clone(classic), 0, 0, 0), InputCut, "has 3 bytes of at least 16"},
		{"interface unknown", packet(blockEnhanced, 1, 60), InputMalformed, "packet block of interface 1, the section has described 1"},
		{"captured beyond the block", packet(blockEnhanced, 0, 65), InputMalformed, "claims 65 captured bytes and holds 64"},
		{"captured 1 GiB", packet(blockEnhanced, 0, 1<<30), InputMalformed, "claims 1073741824"},
		{"captured 1 GiB, old block", packet(blockPacket, 0, 1<<30), InputMalformed, "claims 1073741824"},
		{"trailer differs", append(ng(little, 77, 16, 0), 20, 0, 0, 0), InputMalformed, "differs from the one at its end"},
		{"section without magic", ng(little, blockSection, 28, 1, 0, 0, 0, 28), InputMalformed, "byte-order magic"},
		{"section too short", ng(little, blockSection, 16, sectionMagic, 16), InputMalformed, "section header of 16 bytes"},
		{"section version 2", ng(little, blockSection, 28, sectionMagic, 2, 0, 0, 28), InputMalformed, "version 2.0"},
		{"interface too short", ng(little, blockInterface, 16, 1, 16), InputMalformed, "interface description of 16 bytes"},
		{"enhanced too short", ng(little, blockEnhanced, 16, 1, 16), InputMalformed, "enhanced packet block of 16"},
		{"packet block too short", ng(little, blockPacket, 16, 1, 16), InputMalformed, "packet block of 16"},
		{"simple too short", ng(little, blockSimple, 12, 12), InputMalformed, "simple packet block of 12"},
		{"simple of 1 GiB", ng(little, blockSimple, 16, 1<<30, 16), InputMalformed, "claims 1073741824"},
		{"statistics too short", ng(little, blockStatistics, 16, 1, 16), InputMalformed, "interface statistics of 16"},
	}
	for _, order := range []binary.AppendByteOrder{little, big} {
		for length, state := range map[uint32]InputState{0: InputMalformed, 4: InputMalformed, 11: InputMalformed, 13: InputMalformed,
			maxBlock + 4: InputMalformed, 0xfffffffc: InputMalformed, maxBlock: InputCut, 20: InputCut} {
			cases = append(cases, struct {
				name  string
				data  []byte
				state InputState
				what  string
			}{"block length", ng(order, blockEnhanced, length, 0), state, "byte"})
		}
	}
	for _, c := range cases {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		read, in := readBytes(t, c.data)
		runtime.ReadMemStats(&after)
		if len(read) != 1 || in.State != c.state || !strings.Contains(in.Detail, c.what) {
			t.Errorf("%s: %d packets, %v %q", c.name, len(read), in.State, in.Detail)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
			t.Errorf("%s: %d bytes allocated", c.name, grown)
		}
		if in.State == InputMalformed && in.Read == in.Size {
			t.Errorf("%s: nothing unread", c.name)
		}
	}
}

// Random records read back as written, whatever the pieces in which they arrive.
func TestPcapRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	var packets []testPacket
	for range 20000 {
		data := make([]byte, rnd.Intn(400))
		if rnd.Intn(100) == 0 {
			data = make([]byte, rnd.Intn(65536))
		}
		rnd.Read(data)
		packets = append(packets, testPacket{ticks: uint64(rnd.Int63n(4e15)), data: data})
	}
	file := pcapBytes(big, pcapMagicMicro, 1, packets...)
	fromFile, one := readBytes(t, file)
	fromPipe, in := readInputs(t, dribbles(file, 70001), inputOptions{hash: true}, "-")
	for i, p := range packets {
		for _, r := range []packetRead{fromFile[i], fromPipe[i]} {
			if r.data != string(p.data) || r.time != int64(p.ticks)*1000 {
				t.Fatalf("packet %d differs", i)
			}
		}
	}
	if len(fromFile) != len(packets) || len(fromPipe) != len(packets) || one.Read != in.list[0].Read {
		t.Errorf("%d and %d packets of %d", len(fromFile), len(fromPipe), len(packets))
	}
}
